"""Every crash point: lbctl killed before and after each request, the next run finishes, nothing leaks (promise 4)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.crashes import Crash, Field, Lot, Operation, run_through, shown_twice
from tests.testbed.client import Request
from tests.testbed.driver import SERVICES, Bed, service
from tests.testbed.proxy import Kill, Rule, When

pytestmark = pytest.mark.cluster

BOTH = ("IPv4", "IPv6")
ASSIGN = ("assign", "default/{name}", "--pools={pools}")


def _nothing(_: Lot) -> list[Request]:
    return []


def _releasing(name: str, *flags: str) -> Operation:
    return Operation(
        name,
        ("release", "default/{name}", *flags),
        given=lambda lot: (lot.near,),
        before=lambda lot: [lot.wants()],
        then=_nothing,
        shows=lambda _: [],
    )


def _moving(name: str, *, far: bool) -> Operation:
    def to(lot: Lot) -> str:
        return lot.far if far else lot.next

    return Operation(
        name,
        ASSIGN,
        given=lambda lot: (lot.near, lot.next, lot.far),
        before=lambda lot: [lot.wants(lot.near)],
        then=lambda lot: [lot.asks(to(lot))],
        shows=lambda lot: [to(lot)],
    )


OPERATIONS = {
    o.name: o
    for o in (
        Operation(
            "assign",
            ASSIGN,
            given=lambda lot: (lot.near, lot.next),
            before=_nothing,
            then=lambda lot: [lot.wants()],
            shows=lambda lot: [lot.near],
        ),
        Operation(
            "dual",
            ASSIGN,
            given=lambda lot: (lot.near, lot.six),
            before=_nothing,
            then=lambda lot: [lot.wants(families=BOTH)],
            shows=lambda lot: [lot.near, lot.six],
        ),
        _moving("move", far=False),
        _moving("move-far", far=True),
        _releasing("release"),
        _releasing("release-now", "--now"),
    )
}


@dataclass(frozen=True, slots=True)
class Story:
    """All crashes, and the cluster between them and the next run, after it, and at every moment of the way."""

    calls: dict[str, list[str]]
    crashes: list[Crash]
    shown_between: dict[str, list[str]]
    held_between: dict[str, list[str]]
    shown: dict[str, list[str]]
    held: dict[str, list[str]]
    claims: dict[str, dict[str, Any]]
    twice: list[str]
    said: str

    def of(self, *operations: str) -> list[Crash]:
        """The crashes of some operations."""
        return [crash for crash in self.crashes if crash.operation.name in operations]


@pytest.fixture(scope="module")
def story(_bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Crash everything, look, run lbctl once more, look again."""
    bed = _bed
    bed.wipe()
    watch = bed.admin.watch(SERVICES)
    field = Field(bed, tmp_path_factory.mktemp("crash"), list(OPERATIONS.values()))
    calls = field.calm()
    crashes = field.crash(calls)
    between = bed.shown(), bed.held()
    released = [c for c in crashes if c.operation.words[0] == "release"]
    for operation in (OPERATIONS["release"], OPERATIONS["release-now"]):
        names = [f"default/{c.lot.name}" for c in released if c.operation is operation]
        assert bed.run("release", *names, *operation.words[2:])[1:] == ("", 0)
    bed.admin.send([c.lot.wants(role="-other") for c in released])
    said = bed.run("assign", "--all", f"--pools={field.pools}")[1]
    return Story(calls, crashes, *between, bed.shown(), bed.held(), bed.claims(), shown_twice(bed, watch), said)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_the_next_run_finishes_whatever_the_crash_left(story: Story, operation: Operation) -> None:
    """Killed before and after every request, one by one: each Service then has what it asks for, once."""
    crashes = story.of(operation.name)
    assert len(crashes) == 2 * len(story.calls[operation.name]) >= 10
    assert [str(crash) for crash in crashes if crash.code != -9] == []
    for crash in crashes:
        assert story.shown[crash.lot.name] == operation.shows(crash.lot), crash
        assert story.held.get(crash.lot.name, []) == operation.shows(crash.lot), crash


def test_what_the_crash_left_was_covered_by_claims(story: Story) -> None:
    """Between the crash and the next run every address that a Service shows is claimed for it."""
    for crash in story.crashes:
        shown = story.shown_between[crash.lot.name]
        assert set(shown) <= set(story.held_between.get(crash.lot.name, [])), crash


def test_nothing_leaks_and_at_no_moment_did_two_services_show_one_address(story: Story) -> None:
    """In the end the claims held are the statuses exactly, and each status on the way was one Service's alone."""
    assert story.held == {name: sorted(shown) for name, shown in story.shown.items() if shown}
    assert story.twice == []


def test_a_released_address_is_parked_and_with_now_free_for_others(story: Story) -> None:
    """Whichever request of the release was lost: another Service gets the address at once, or not before reuseAfter."""
    for crash in story.of("release"):
        claim = story.claims[crash.lot.near]
        assert (claim["parked"], claim["last"]["svc"]) == (True, f"default/{crash.lot.name}"), crash
        assert story.shown[f"{crash.lot.name}-other"] == [], crash
        assert f"{crash.lot.name}-other: PoolExhausted: " in story.said, crash
    for crash in story.of("release-now"):
        assert story.shown[f"{crash.lot.name}-other"] == [crash.lot.near], crash


def test_a_second_service_takes_over_from_one_that_crashed_at_any_point(bed: Bed, tmp_path: Path) -> None:
    """One address; lbctl is killed assigning it, its Service is deleted, lbctl is killed assigning it to the next, each
    time a step earlier: the last Service has it, and no two of them ever showed it."""
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools:\n- {name: p, addresses: [192.0.2.1], reuseAfter: 0s}\n")
    watch = bed.admin.watch(SERVICES)
    points = [(n, when) for n in range(5, 0, -1) for when in reversed(When)]
    killed: list[tuple[str, int]] = []
    for at, (number, when) in enumerate(points):
        bed.admin.send([("POST", SERVICES, json.dumps(service(f"s{at}", ask="192.0.2.1")).encode())])
        words = ("assign", f"default/s{at}", f"--pools={pools}")
        run = run_through(bed, tmp_path, words, [Rule(Kill(when), number=number)])
        killed.append((run.calls[-1].partition(" ")[0], run.code))
        shown, held = bed.shown(), bed.held()
        assert shown.get(f"s{at}") == held.get(f"s{at}") or not shown[f"s{at}"], (number, when)
        if at + 1 < len(points):
            bed.admin.send([("DELETE", f"{SERVICES}/s{at}", None)])
    bed.run("assign", "--all", f"--pools={pools}")
    assert bed.shown() == bed.held() == {f"s{len(points) - 1}": ["192.0.2.1"]}
    assert shown_twice(bed, watch) == []
    assert killed == [(method, -9) for method in ("PATCH", "PUT", "GET", "GET", "GET") for _ in When]
