"""The admin scripts in examples/scripts, run as an admin runs them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage import DAY, HOUR, MINUTE, NOW, Stage, stage

SCRIPTS = Path(__file__).parents[2] / "examples" / "scripts"


@pytest.fixture
def set_stage() -> Iterator[Stage]:
    """A sandbox without Services."""
    with stage() as here:
        yield here


def run(name: str, *words: str) -> tuple[str, str, int]:
    """Run a script in the stage's folder: stdout, stderr, exit code."""
    command = [sys.executable, "-W", "error", str(SCRIPTS / name), *words]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False)
    return done.stdout, done.stderr, done.returncode


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.name)
def test_it_is_short_public_and_tells_its_use(path: Path) -> None:
    """At most 60 lines, nothing of lbctl but lbctl.api, and -h works without a cluster."""
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    assert set(re.findall(r"^(?:from|import) (lbctl\S*)", text, re.M)) == {"lbctl.api"}
    assert os.access(path, os.X_OK)
    assert path.name in text, "its docstring shows how to call it"


def test_pending_for_over_an_hour(set_stage: Stage) -> None:
    """Those that wait for long and why; not the young ones, not those that have an address."""
    set_stage.service("old", ago=2 * HOUR)
    set_stage.service("young", ago=59 * MINUTE)
    set_stage.service("elsewhere", ago=3 * HOUR, notes={"lbctl/addresses": "198.51.100.7"})
    set_stage.service("served", ago=DAY)
    set_stage.run("assign", "served")
    out, err, code = run("pending_for_over_an_hour.py")
    assert (err, code) == ("", 1)
    assert [(i["service"], i["minutes"], i["reason"]) for i in json.loads(out)] == [
        ("default/elsewhere", 180, "AddressOutsidePools"),
        ("default/old", 120, "Pending"),
    ]
    assert "lbctl assign default/old" in json.loads(out)[1]["hint"]
    assert run("pending_for_over_an_hour.py", "--minutes", "200") == ("[]\n", "", 0)


def test_reserve_next_free(set_stage: Stage) -> None:
    """The Service shows the address that is printed; the line that is printed keeps it, and is no change for lbctl."""
    set_stage.service("web")
    out, err, code = run("reserve_next_free.py", "public", "default/web")
    assert (out, code) == ("203.0.113.16\n", 0)
    assert err == ("to keep it for good: kubectl -n default annotate service web lbctl/addresses=203.0.113.16\n")
    assert set_stage.shown("web") == ["203.0.113.16"]
    set_stage.annotate("web", {"lbctl/addresses": "203.0.113.16"})
    assert run("reserve_next_free.py", "public", "default/web")[0::2] == ("203.0.113.16\n", 0)
    set_stage.delete("web")
    set_stage.passes(3 * DAY)
    set_stage.service("other", notes={"lbctl/pool": "public"})
    set_stage.run("assign", "other")
    set_stage.service("web", notes={"lbctl/addresses": "203.0.113.16"})
    assert set_stage.run("assign", "web").out == "default/web 203.0.113.16 (Assigned)\n"


def test_reserve_next_free_takes_the_next(set_stage: Stage) -> None:
    """Each Service its own, in order."""
    set_stage.service("one")
    set_stage.service("two")
    assert run("reserve_next_free.py", "lan", "default/one")[0] == "192.0.2.200\n"
    assert run("reserve_next_free.py", "lan", "default/two")[0] == "192.0.2.201\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lan", "default/gone"), "error: there is no Service default/gone\nhint: create it first\n"),
        (("lan", "web"), "error: 'web' is no Service name; write namespace/name\n"),
        (("wan", "default/web"), "error: PoolNotFound: "),
        (("lan", "default/web", "--pools=none.yaml"), "error: none.yaml: there is no such file\nhint: "),
    ],
)
def test_reserve_next_free_refused(set_stage: Stage, words: tuple[str, ...], said: str) -> None:
    """One sentence, and nothing is written."""
    set_stage.service("web")
    out, err, code = run("reserve_next_free.py", *words)
    assert (out, code) == ("", 1)
    assert err.startswith(said)
    assert set_stage.shown("web") == []


def test_addresses_csv(set_stage: Stage) -> None:
    """Every claim with its state, and what others gave, whatever the family."""
    set_stage.service("web", families=("IPv4", "IPv6"), policy="RequireDualStack")
    set_stage.service("gone")
    set_stage.service("foreign")
    set_stage.run("assign", "web", "gone")
    set_stage.run("release", "gone")
    set_stage.status("foreign", {"ip": "198.51.100.7"})
    out, err, code = run("addresses_csv.py")
    assert (err, code) == ("", 0)
    since = "2026-03-02T12:00:00Z"
    assert NOW == 1772452800, "the moment above"
    assert list(csv.reader(io.StringIO(out))) == [
        ["address", "pool", "state", "service", "since"],
        ["192.0.2.200", "lan", "parked", "default/gone", since],
        ["192.0.2.201", "lan", "held", "default/web", since],
        ["2001:db8::10", "lan", "held", "default/web", since],
        ["198.51.100.7", "", "unclaimed", "default/foreign", ""],
    ]


@pytest.mark.parametrize(
    ("name", "code"), [("addresses_csv.py", 1), ("pending_for_over_an_hour.py", 4)], ids=lambda value: str(value)
)
def test_without_a_cluster(set_stage: Stage, name: str, code: int) -> None:
    """One sentence, no traceback."""
    (set_stage.folder / "kubeconfig").unlink()
    out, err, ended = run(name)
    assert (out, ended) == ("", code)
    assert err.startswith("error: ")
    assert err.count("\n") == 1
