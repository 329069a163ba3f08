"""What somebody at a terminal sees: a question before anything is done, advice, a bar; and Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from lbctl.rounds import SIDE_BY_SIDE
from tests.cli.conftest import Desk
from tests.cli.terminal import LBCTL, environment
from tests.testbed.driver import SERVICES, Bed, addresses, service, until

HINT = (
    "hint: the LAN finds an address only once something answers for it; on one node: "
    "ip address add 192.0.2.200/32 dev eth0\n"
)


def test_assign_without_a_name_shows_what_it_would_do_and_asks(desk: Desk) -> None:
    """Nothing is done before somebody says yes; then what was shown is done."""
    desk.create("web")
    shown = "default/web 192.0.2.200 (Assigned) (not yet)\nassign this? [y/N] "
    seen, code = desk.at_terminal("assign", typed="n\n")
    assert (seen.replace("n\n", "", 1), code) == (shown, 0)
    assert desk.shown() == {"web": []}
    seen, code = desk.at_terminal("assign", typed="y\n")
    assert (seen.replace("y\n", "", 1), code) == (f"{shown}default/web 192.0.2.200 (Assigned)\n{HINT}", 0)
    assert desk.shown() == {"web": ["192.0.2.200"]}


def test_assign_without_a_name_away_from_a_terminal_is_a_usage_error(desk: Desk) -> None:
    """A script says what it means; with -y it has said so."""
    desk.create("web")
    said = "error: say which Services: names, or --all\nhint: lbctl assign NAMESPACE/NAME, or lbctl assign --all\n"
    assert desk.run("assign") == ("", said, 2)
    assert desk.run("assign", "-y") == ("default/web 192.0.2.200 (Assigned)\n", "", 0)


def test_nothing_to_assign_asks_nothing(desk: Desk) -> None:
    """There is no question without something to say yes to."""
    assert desk.at_terminal("assign") == ("nothing to assign\n", 0)


def test_refusals_alone_ask_nothing_and_end_as_they_do_with_all(desk: Desk) -> None:
    """Exit code 1: they are left without what they ask for."""
    desk.create("web", ask="203.0.113.1")
    assert desk.at_terminal("assign") == (
        "\x1b[31merror:\x1b[0m default/web: AddressOutsidePools: 203.0.113.1 is in no pool\n"
        "hint: add the address to a pool, or ask for one inside a pool\n"
        "nothing to assign\n",
        1,
    )


def test_quiet_leaves_out_advice(desk: Desk) -> None:
    """-q says nothing on stderr but errors."""
    desk.create("web")
    assert desk.at_terminal("assign", "web", "-q") == ("default/web 192.0.2.200 (Assigned)\n", 0)


def test_a_bulk_assign_shows_a_bar(desk: Desk) -> None:
    """More than a screenful is counted while it is done, and the bar is gone afterwards."""
    desk.pools.write_text("pools:\n- name: bulk\n  addresses: [198.18.0.0/20]\n")
    desk.api.send([("POST", SERVICES, json.dumps(service(f"s{n:03}")).encode()) for n in range(150)])
    seen, code = desk.at_terminal("assign", "--all")
    assert code == 0
    assert "assigning" in seen
    assert "/150" in seen
    assert seen.count("(Assigned)\n") == 150
    assert "assigning" not in desk.run("assign", "--all")[1]


def test_colour_is_for_terminals_that_want_it(desk: Desk) -> None:
    """Neither a pipe nor NO_COLOR (no-color.org) gets escape sequences."""
    desk.create("web")
    assert "\x1b[33m<pending>\x1b[0m" in desk.at_terminal("list")[0]
    assert "\x1b" not in desk.at_terminal("list", NO_COLOR="1")[0]
    assert "\x1b" not in desk.run("list")[0]
    assert "\x1b[31merror:\x1b[0m" in desk.at_terminal("assign", "nowhere")[0]


@pytest.mark.parametrize("words", [("list",), ("list", "-o", "json")])
def test_head_takes_what_it_wants(desk: Desk, words: tuple[str, ...]) -> None:
    """`lbctl list | head -1` ends quietly, however much there is still to say."""
    desk.api.send([("POST", SERVICES, json.dumps(service(f"s{n:04}")).encode()) for n in range(1_000)])
    env = environment(desk.kubeconfig, desk.pools)
    script = f"set -o pipefail; {LBCTL} {' '.join(words)} | head -1"
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout.count("\n"), done.stderr, done.returncode) == (1, "", 0)


def _interrupted(command: list[str], env: dict[str, str], at_work: Callable[[], bool]) -> tuple[str, str, int, float]:
    """Run it, press Ctrl-C once it is at work: stdout, stderr, exit code, seconds from then to its end."""
    child = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(at_work, "lbctl to be in the middle of its work", seconds=60)
    child.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    out, err = child.communicate(timeout=60)
    return out, err, child.returncode, time.monotonic() - pressed


@pytest.mark.cluster
def test_ctrl_c_in_a_bulk_assign(bed: Bed) -> None:
    """It ends within a second with 130, says what is done, and the next run does the rest."""
    pools = bed.dir / "bulk.yaml"
    pools.write_text("pools:\n- name: bulk\n  addresses: [198.18.0.0/20]\n")
    bed.admin.send([("POST", SERVICES, json.dumps(service(f"s{n:04}")).encode()) for n in range(2_000)])
    env = environment(bed.kubeconfig, pools)
    path = f"{SERVICES}/s0000"  # the oldest but for a few
    command = [LBCTL, "assign", "--all", "--context=lbctl"]
    out, err, code, took = _interrupted(command, env, lambda: bool(addresses(bed.admin.get(path))))
    done = len(out.splitlines())
    assert (err, code) == (f"error: interrupted: {done} of 2000 done; the next run does the rest\n", 130)
    assert 0 < done < 2_000
    assert took < 1
    shown = {name: found for name, found in bed.shown().items() if found}
    assert done <= len(shown) <= done + SIDE_BY_SIDE, "what was under way may have landed, or lands yet"
    rest, err, code = bed.run("assign", "--all", f"--pools={pools}", "--wait=60s")
    assert (err, code) == ("", 0)
    assert bed.held() == bed.shown()
    assert [len(found) for found in bed.shown().values()] == [1] * 2_000
    assert 2_000 - done - SIDE_BY_SIDE <= len(rest.splitlines()) <= 2_000 - len(shown)


def test_ctrl_c_while_the_api_server_hangs(desk: Desk) -> None:
    """Ctrl-C waits for nobody, even for a request that is under way."""
    from tests.unit.loopback import kubeconfig, loopback, silence

    with loopback(silence) as server:
        env = environment(kubeconfig(desk.kubeconfig.parent / "hanging", server.url), desk.pools)
        out, err, code, took = _interrupted([LBCTL, "assign", "--all"], env, lambda: bool(server.asked))
    assert (out, err, code) == ("", "", 130)
    assert took < 1


@pytest.mark.parametrize("words", [("list", "-a"), ("list", "-a", "-o", "json"), ("--help",), ("pools", "list")])
def test_a_full_disk_is_said(desk: Desk, words: tuple[str, ...]) -> None:
    """What cannot be written is no success, and no traceback."""
    desk.create("web")
    env = environment(desk.kubeconfig, desk.pools)
    done = subprocess.run(
        ["bash", "-c", f"{LBCTL} {' '.join(words)} >/dev/full"], env=env, capture_output=True, text=True, check=False
    )
    said = "error: standard output cannot be written: No space left on device\nhint: make room where it goes to\n"
    assert (done.stderr, done.returncode) == (said, 1)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_trouble(desk: Desk, closed: str) -> None:
    """A cron job or a daemon may have none of them; no socket takes their place and gets what is printed."""
    desk.create("web")
    env = environment(desk.kubeconfig, desk.pools)
    done = subprocess.run(["bash", "-c", f"{LBCTL} assign --all {closed}"], env=env, check=False)
    assert done.returncode == 0
    assert desk.shown() == {"web": ["192.0.2.200"]}
