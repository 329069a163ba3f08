"""Tables are whole: nothing is cut, however narrow the terminal, and 2,000 rows are right and quick."""

from __future__ import annotations

import json
import time

from tests.cli.conftest import Desk
from tests.testbed.driver import SERVICES, service

BOTH = ("IPv4", "IPv6")
LONG = "a-service-with-a-name-as-long-as-the-api-server-lets-it-be-6-33"


def test_nothing_is_cut_at_80_columns(desk: Desk) -> None:
    """Names, addresses of both families and hints stand whole in a pipe and on a terminal of 80 columns."""
    desk.pools.write_text("pools:\n- name: lan\n  addresses: [192.0.2.200, '2001:db8:1234:5678:9abc:def0:1234:5678']\n")
    desk.create(LONG, families=BOTH)
    hint = f"lbctl assign default/{LONG} gives it one"
    for seen in (desk.run("list")[0], desk.at_terminal("list")[0]):
        assert hint in seen
        assert len(seen.splitlines()) == 2
    desk.run("assign", LONG)
    for seen in (desk.run("list", "-a")[0], desk.at_terminal("list", "-a")[0]):
        assert " 192.0.2.200,2001:db8:1234:5678:9abc:def0:1234:5678 " in seen
        assert f" {LONG} " in seen
    for seen in (desk.run("claims", "list")[0], desk.at_terminal("claims", "list")[0]):
        assert "\n2001:db8:1234:5678:9abc:def0:1234:5678 " in seen


def test_columns_stand_below_each_other(desk: Desk) -> None:
    """Colour on a terminal does not shift them: without its escape sequences it is the table of the pipe."""
    desk.create("web")
    desk.create("dual", families=BOTH)
    plain = desk.run("list")[0]
    coloured = desk.at_terminal("list")[0]
    for style in ("\x1b[1m", "\x1b[33m", "\x1b[0m"):
        assert style in coloured
        coloured = coloured.replace(style, "")
    assert _without_ages(coloured) == _without_ages(plain)
    header, *rows = plain.splitlines()
    at = header.index("EXTERNAL-IP")
    assert [row[at : at + 9] for row in rows] == ["<pending>"] * 2


def _without_ages(table: str) -> list[list[str]]:
    return [[word for word in line.split() if not word[:-1].isdecimal()] for line in table.splitlines()]


def test_two_thousand_rows(desk: Desk) -> None:
    """A row each, in order, every one whole; it takes about as long as a few."""
    desk.pools.write_text("pools:\n- name: bulk\n  addresses: [198.18.0.0/20]\n")
    desk.api.send([("POST", SERVICES, json.dumps(service(f"s{n:04}")).encode()) for n in range(2_000)])
    began = time.monotonic()
    out, err, code = desk.run("list")
    took = time.monotonic() - began
    header, *rows = out.splitlines()
    assert (err, code, len(rows)) == ("", 0, 2_000)
    assert [row.split()[1] for row in rows] == [f"s{n:04}" for n in range(2_000)]
    assert all(row.endswith(f"lbctl assign default/{row.split()[1]} gives it one") for row in rows)
    assert len({row.index("<pending>") for row in rows} | {header.index("EXTERNAL-IP")}) == 1
    assert took < 5, "of which most is the sandbox's, on a busy machine"
    names = desk.run("list", "-o", "name")[0].splitlines()
    assert desk.run("assign", *names[:3])[0].count("(Assigned)") == 3, "what -o name prints, every SVC takes"
