"""The list and watch machine and its replica, each transition on a clock of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lbctl.keys import Key
from lbctl.kube.replica import Change, Kind, Replica
from lbctl.kube.watching import (
    GRACE,
    HEALTHY,
    LIFE,
    LONGEST,
    LOOK,
    MOST,
    PAGE,
    SHORT,
    SILENCE,
    Action,
    Cause,
    List,
    Look,
    Open,
    Read,
    Step,
    Wait,
    Watching,
)

Core = Watching[str]
A, B, C = Key("ns", "a"), Key("ns", "b"), Key("ns", "c")
PAGES = List({"limit": str(PAGE)})
LOOKING = Look({"limit": "1"})


def obj(key: Key, version: object, uid: str = "") -> dict[str, Any]:
    """An object of the API whose content is its version."""
    meta = {
        "namespace": key.namespace,
        "name": key.name,
        "resourceVersion": str(version),
        "uid": uid or f"u-{key.name}",
    }
    return {"metadata": meta}


def body(version: object, *items: object, token: str = "") -> dict[str, Any]:
    """A list."""
    return {"kind": "List", "metadata": {"resourceVersion": str(version), "continue": token}, "items": list(items)}


def line(kind: str, item: object) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    """A line that says how far the watch has come."""
    return line("BOOKMARK", {"kind": "Service", "metadata": {"resourceVersion": str(version)}})


def refusal(code: int, **details: object) -> bytes:
    """An ERROR event."""
    return line("ERROR", {"kind": "Status", "metadata": {}, "code": code, "details": details})


def core(jitter: float = 0.0) -> Core:
    """A machine that keeps an object's version."""
    return Watching(Replica(lambda item: str(item["metadata"]["resourceVersion"])), lambda: jitter)


def watching(*items: dict[str, Any], version: int = 10, now: float = 0.0) -> Core:
    """A machine that has listed these and has a watch open."""
    machine = core()
    machine.begin()
    machine.page(now, body(version, *items))
    machine.opened(now)
    return machine


def told(step: Step[str]) -> list[tuple[str, str, str | None, str | None]]:
    """The changes of a step in short."""
    return [(change.kind.value, change.key.name, change.old, change.new) for change in step.changes]


def test_a_list_is_asked_for_in_pages_and_then_watched_from_its_version() -> None:
    """A quorum list; what is kept is what `keep` makes; nothing is told before the last page."""
    machine = core(jitter=0.5)
    assert machine.begin().do == PAGES
    step = machine.page(1, body(10, obj(A, 3), token="next"))
    assert (step.do, step.changes, machine.synced) == (List({"limit": str(PAGE), "continue": "next"}), [], False)
    step = machine.page(2, body(10, obj(B, 4)))
    assert told(step) == [("ADDED", "a", None, "3"), ("ADDED", "b", None, "4")]
    seconds = str(LIFE + LIFE // 2)
    assert step.do == Open(
        {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": "10", "timeoutSeconds": seconds}
    )
    assert machine.synced
    assert (machine.replica.items, machine.last_event) == ({A: "3", B: "4"}, 2)


def test_a_list_whose_pages_have_expired_is_asked_for_whole() -> None:
    """410 for a continue token; the next list is in pages again."""
    machine = core()
    machine.begin()
    machine.page(0, body(10, obj(A, 3), token="next"))
    step = machine.failed(1, Cause.GONE)
    assert step.do == List({})
    assert told(machine.page(2, body(12, obj(B, 11)))) == [("ADDED", "b", None, "11")]
    machine.opened(2)
    step = machine.data(200, refusal(410))
    assert step.do == PAGES


def test_events_change_the_replica_and_are_told_with_what_was_before() -> None:
    """Kinds go by what was known: a MODIFIED of something new is an addition, an ADDED of what is held a change."""
    machine = watching(obj(A, 3))
    lines = line("MODIFIED", obj(A, 11)) + line("MODIFIED", obj(B, 12)) + line("ADDED", obj(B, 13))
    step = machine.data(1, lines + line("DELETED", obj(A, 14)) + bookmark(20))
    assert told(step) == [
        ("MODIFIED", "a", "3", "11"),
        ("ADDED", "b", None, "12"),
        ("MODIFIED", "b", "12", "13"),
        ("DELETED", "a", "11", None),
    ]
    assert step.changes[0] == Change(Kind.MODIFIED, A, "3", "11")
    assert (machine.replica.items, machine.replica.version, machine.last_event) == ({B: "13"}, 20, 1)


def test_an_object_made_anew_under_its_name_is_a_deletion_and_an_addition() -> None:
    """By its uid, in a watch and in a list."""
    machine = watching(obj(A, 3))
    twice = [("DELETED", "a", "3", None), ("ADDED", "a", None, "11")]
    assert told(machine.data(1, line("ADDED", obj(A, 11, "other")))) == twice
    machine.data(2, refusal(410))
    again = [("DELETED", "a", "11", None), ("ADDED", "a", None, "30")]
    assert told(machine.page(3, body(30, obj(A, 30, "third")))) == again


@pytest.mark.parametrize("cut", range(1, len(line("ADDED", obj(B, 11))) + 1))
def test_a_line_may_come_in_any_two_pieces(cut: int) -> None:
    """And with an empty one after it."""
    machine = watching()
    data = line("ADDED", obj(B, 11)) + b"\n"
    changes = [*machine.data(1, data[:cut]).changes, *machine.data(2, data[cut:]).changes]
    assert [change.key for change in changes] == [B]


def test_a_cluster_wide_object_has_no_namespace() -> None:
    """Nodes, say."""
    machine = watching({"metadata": {"name": "n1", "resourceVersion": "4"}})
    assert list(machine.replica.items) == [Key("", "n1")]


REPEATED = {
    "an event twice": ([("ADDED", B, 11), ("ADDED", B, 11)], {A: "3", B: "11"}),
    "a deletion twice": ([("DELETED", A, 11), ("DELETED", A, 11)], {}),
    "the older of two last": ([("MODIFIED", A, 12), ("MODIFIED", A, 11)], {A: "12"}),
    "two objects in the wrong order": ([("ADDED", B, 12), ("MODIFIED", A, 11)], {A: "11", B: "12"}),
    "a deletion before the last change": ([("ADDED", B, 13), ("DELETED", A, 12)], {B: "13"}),
    "deleted after it was made anew": ([("ADDED", A, 12), ("DELETED", A, 11)], {A: "12"}),
    "what the list held": ([("ADDED", A, 3)], {A: "3"}),
}


@pytest.mark.parametrize(("events", "left"), REPEATED.values(), ids=REPEATED)
def test_what_comes_twice_or_late_never_takes_an_object_back(
    events: list[tuple[str, Key, int]], left: dict[Key, str]
) -> None:
    """The watch goes on."""
    machine = watching(obj(A, 3))
    step = machine.data(1, b"".join(line(kind, obj(key, version)) for kind, key, version in events))
    assert isinstance(step.do, Read)
    assert machine.replica.items == left


@pytest.mark.parametrize("before", [line("DELETED", obj(A, 11)), bookmark(11)], ids=["deletion", "bookmark"])
def test_an_unknown_object_from_before_where_we_stand_means_a_list(before: bytes) -> None:
    """A copy from before a deletion and an event that was late look the same."""
    machine = watching(obj(A, 3))
    step = machine.data(1, before + line("ADDED", obj(C if b"BOOKMARK" in before else A, 10)))
    assert (step.do, step.cause) == (PAGES, Cause.DISORDER)


def test_an_older_bookmark_changes_nothing() -> None:
    """The version never falls within a watch."""
    machine = watching(version=10)
    machine.data(1, bookmark(20) + bookmark(15))
    assert machine.replica.version == 20


OVER: dict[str, tuple[Callable[[Core], Step[str]], Cause, Action]] = {
    "the server ended it after its time": (lambda m: m.ended(SHORT), Cause.ENDED, LOOKING),
    "the server ended it at once": (lambda m: m.ended(1), Cause.ENDED, Wait(1.8)),
    "the end within a line": (lambda m: (m.data(1, b"{"), m.ended(50))[1], Cause.CUT, Wait(50.8)),
    "a reset": (lambda m: m.failed(50, Cause.CUT), Cause.CUT, Wait(50.8)),
    "silence": (lambda m: m.tick(SILENCE), Cause.SILENT, Wait(SILENCE + 0.8)),
    "410 as an event": (lambda m: m.data(1, refusal(410)), Cause.GONE, PAGES),
    "504 as an event": (
        lambda m: m.data(1, refusal(504, causes=[{"reason": "ResourceVersionTooLarge"}])),
        Cause.FUTURE,
        PAGES,
    ),
    "another 504": (lambda m: m.data(1, refusal(504)), Cause.ERROR, Wait(1.8)),
    "500 as an event": (lambda m: m.data(1, refusal(500)), Cause.ERROR, Wait(1.8)),
    "429 as an event": (lambda m: m.data(1, refusal(429, retryAfterSeconds=7)), Cause.ERROR, Wait(8)),
    "an ERROR without a Status": (lambda m: m.data(1, line("ERROR", "x")), Cause.GARBAGE, Wait(1.8)),
    "no JSON": (lambda m: m.data(1, b"<html>\n"), Cause.GARBAGE, Wait(1.8)),
    "no object": (lambda m: m.data(1, b"[]\n"), Cause.GARBAGE, Wait(1.8)),
    "no metadata": (lambda m: m.data(1, line("ADDED", {})), Cause.GARBAGE, Wait(1.8)),
    "no name": (lambda m: m.data(1, line("ADDED", obj(Key("ns", ""), 11))), Cause.GARBAGE, Wait(1.8)),
    "a version that is no number": (lambda m: m.data(1, line("ADDED", obj(A, "x"))), Cause.GARBAGE, Wait(1.8)),
    "a bookmark without a number": (lambda m: m.data(1, line("BOOKMARK", obj(A, ""))), Cause.GARBAGE, Wait(1.8)),
    "another kind": (lambda m: m.data(1, line("RENAMED", obj(A, 11))), Cause.GARBAGE, Wait(1.8)),
    "a line without end": (lambda m: m.data(1, b"x" * (LONGEST + 1)), Cause.GARBAGE, Wait(1.8)),
}


@pytest.mark.parametrize(("happens", "cause", "then"), OVER.values(), ids=OVER)
def test_a_watch_is_over(happens: Callable[[Core], Step[str]], cause: Cause, then: Action) -> None:
    """Why, and what comes next: a look, a list, or first a pause."""
    machine = watching(obj(A, 3))
    step = happens(machine)
    assert (step.do, step.cause, machine.causes[cause]) == (then, cause, 1)
    assert step.rewound == (cause is Cause.FUTURE)
    if isinstance(then, Wait):
        assert machine.tick(then.until).do == LOOKING
        assert isinstance(machine.looked(then.until, body(10)).do, Open)


FAILED: dict[str, tuple[Cause, float | None, Action]] = {
    "403": (Cause.FORBIDDEN, None, Wait(1.8)),
    "401": (Cause.UNAUTHORIZED, None, Wait(1.8)),
    "429": (Cause.THROTTLED, 5.0, Wait(6.0)),
    "429 with a shorter time than ours": (Cause.THROTTLED, 0.0, Wait(1.8)),
    "500": (Cause.FAILED, None, Wait(1.8)),
    "refused": (Cause.UNREACHABLE, None, Wait(1.8)),
    "410": (Cause.GONE, None, List({})),
    "504": (Cause.FUTURE, None, PAGES),
}


@pytest.mark.parametrize(("cause", "retry_after", "then"), FAILED.values(), ids=FAILED)
def test_a_first_list_fails(cause: Cause, retry_after: float | None, then: Action) -> None:
    """It is asked for again, after a pause."""
    machine = core()
    machine.begin()
    step = machine.failed(1, cause, retry_after)
    assert step.do == then
    if isinstance(then, Wait):
        assert machine.tick(then.until).do == PAGES


@pytest.mark.parametrize("cause", [Cause.FORBIDDEN, Cause.GONE, Cause.FUTURE, Cause.UNREACHABLE])
def test_a_watch_is_not_opened(cause: Cause) -> None:
    """410 and 504 by status mean a list; the rest is tried again after a pause, with a look first."""
    machine = core()
    machine.begin()
    machine.page(0, body(10))
    step = machine.failed(1, cause)
    if cause in (Cause.GONE, Cause.FUTURE):
        assert step.do == PAGES
    else:
        assert step.do == Wait(1.8)
        assert machine.tick(1.8).do == LOOKING


@pytest.mark.parametrize(
    "bad", [body("x"), body(11, {}), body(11, "x"), body(11, obj(A, "x")), body(11, obj(Key("ns", ""), 1))]
)
def test_a_list_of_garbage_is_asked_for_again(bad: dict[str, Any]) -> None:
    """And nothing of it is kept."""
    machine = core()
    machine.begin()
    step = machine.page(1, bad)
    assert (step.do, step.cause) == (Wait(1.8), Cause.GARBAGE)
    assert machine.tick(1.8).do == PAGES
    assert told(machine.page(2, body(12, obj(B, 5)))) == [("ADDED", "b", None, "5")]


def test_a_list_tells_the_difference() -> None:
    """What is gone, what is new, what changed; and of what is as it was, nothing."""
    machine = watching(obj(A, 3), obj(B, 4))
    machine.data(1, refusal(410))
    step = machine.page(2, body(20, obj(B, 15), obj(C, 16)))
    assert told(step) == [("DELETED", "a", "3", None), ("MODIFIED", "b", "4", "15"), ("ADDED", "c", None, "16")]
    assert not step.rewound
    machine.opened(2)
    machine.data(200, refusal(410))
    assert machine.page(201, body(30, obj(B, 15), obj(C, 16))).changes == []


def test_pauses_double_up_to_the_longest_and_begin_anew_after_peace() -> None:
    """0.8 s, 1.6, ... 30 s, 30 s; with jitter at its most half of each."""
    for jitter, share in ((0.0, 1.0), (1.0, 0.5)):
        machine, now, pauses = core(jitter), 0.0, []
        machine.begin()
        for _ in range(8):
            do = machine.failed(now, Cause.FORBIDDEN).do
            assert isinstance(do, Wait)
            pauses.append(do.until - now)
            now = do.until
            assert machine.tick(now).do == PAGES
        assert pauses == pytest.approx([share * p for p in (0.8, 1.6, 3.2, 6.4, 12.8, 25.6, MOST, MOST)])
        assert machine.failed(now + HEALTHY + 1, Cause.FORBIDDEN).do == Wait(now + HEALTHY + 1 + 0.8 * share)


def test_a_server_that_says_410_to_everything_is_not_asked_hotly() -> None:
    """Only the first list after one costs no pause."""
    machine = watching()
    assert machine.data(1, refusal(410)).do == PAGES
    machine.page(1, body(10))
    machine.opened(1)
    assert machine.data(1, refusal(410)).do == Wait(1 + 1.6)


def test_after_an_outage_the_first_410_costs_no_pause() -> None:
    """However long the pauses have become: whoever says so is there again, and its list is waited for."""
    machine, now = watching(), 0.0
    for _ in range(8):
        do = machine.failed(now, Cause.UNREACHABLE).do
        assert isinstance(do, Wait)
        now = do.until
        machine.tick(now)
    assert machine.failed(now, Cause.GONE).do == PAGES
    machine.page(now, body(10))
    machine.opened(now)
    assert machine.data(now, refusal(410)).do == Wait(now + MOST)


def test_three_watches_that_bring_nothing_mean_a_list() -> None:
    """For what breaks them may be an event that a list would show; a good event between them begins the count anew."""
    machine, now = watching(), 0.0
    for broken in range(1, 6):
        do = machine.failed(now, Cause.CUT).do
        assert isinstance(do, Wait)
        now = do.until
        do = machine.tick(now).do
        if broken == 5:
            assert do == PAGES
            return
        assert do == LOOKING
        machine.looked(now, body(20))
        machine.opened(now)
        if broken == 2:
            machine.data(now, bookmark(15))


def test_a_watch_that_drips_for_ever_is_ended() -> None:
    """Bytes come, so it is not silent; its time is over all the same."""
    for ends in ("tick", "data"):
        machine, now = watching(), 0.0
        while now + 50 < LIFE + GRACE:
            now += 50
            step = machine.data(now, b" ")
            if isinstance(step.do, Look):
                step = machine.looked(now, body(10))
            assert isinstance(step.do, Read)
            assert step.do.until <= LIFE + GRACE
        last = machine.tick(LIFE + GRACE) if ends == "tick" else machine.data(LIFE + GRACE, b" ")
        assert last.cause is Cause.OVERDUE


def test_each_minute_a_look_shows_whether_the_store_went_back() -> None:
    """Beside the watch, which stays open."""
    machine = watching(version=10)
    assert machine.tick(1).do == Read(LOOK)
    assert machine.tick(LOOK).do == LOOKING
    assert machine.looked(LOOK + 1, body(10)).do == Read(2 * LOOK + 1)
    assert machine.data(2 * LOOK + 1, bookmark(12)).do == LOOKING
    assert machine.looked(2 * LOOK + 1, body(500)).do == Read(3 * LOOK + 1)


@pytest.mark.parametrize("retry_after", [None, 100.0])
def test_a_look_that_fails_leaves_the_watch_open(retry_after: float | None) -> None:
    """The next is a minute later, or as the server asks; garbage is a failure too."""
    machine = watching()
    machine.tick(LOOK)
    step = machine.failed(LOOK, Cause.THROTTLED, retry_after)
    assert (step.do, step.cause) == (Read(min(LOOK + (retry_after or LOOK), SILENCE)), Cause.THROTTLED)
    machine.data(119, bookmark(11))
    machine.tick(LOOK + (retry_after or LOOK))
    assert isinstance(machine.looked(161, body("")).do, Read)
    assert machine.causes == {Cause.THROTTLED: 1, Cause.GARBAGE: 1}


def test_a_store_that_went_back_is_listed_anew_and_every_object_is_a_change() -> None:
    """Told at once; not synced until the list is here; the same version is another object in another history."""
    machine = watching(obj(A, 3), obj(B, 9), version=10)
    machine.tick(LOOK)
    step = machine.looked(LOOK, body(7))
    assert (step.do, step.cause, step.rewound, machine.synced) == (PAGES, Cause.REWOUND, True, False)
    assert not machine.failed(LOOK, Cause.FUTURE).rewound  # told already
    step = machine.page(LOOK + 9, body(8, obj(A, 3)))
    assert told(step) == [("DELETED", "b", "9", None), ("MODIFIED", "a", "3", "3")]
    assert (machine.synced, machine.replica.version, step.rewound) == (True, 8, False)


def test_a_list_after_the_store_went_back_makes_every_object_a_change_however_far_it_has_come() -> None:
    """Past where we stood, too; after that a list tells the difference again."""
    machine = watching(obj(A, 3), version=10)
    assert machine.failed(1, Cause.FUTURE).rewound
    assert told(machine.page(2, body(40, obj(A, 3)))) == [("MODIFIED", "a", "3", "3")]
    machine.opened(2)
    machine.data(200, refusal(410))
    assert machine.page(201, body(50, obj(A, 3))).changes == []


def test_half_a_line_is_no_part_of_the_next_watch() -> None:
    """It went with its connection."""
    machine = watching()
    machine.data(1, line("ADDED", obj(B, 11))[:-5])
    machine.failed(1, Cause.CUT)
    machine.tick(2)
    machine.looked(2, body(12))
    machine.opened(2)
    assert told(machine.data(2, line("ADDED", obj(B, 11)))) == [("ADDED", "b", None, "11")]


@pytest.mark.parametrize("listed", [body(9, obj(A, 3)), body(30, obj(A, 2))], ids=["the list", "an object"])
def test_a_list_that_is_older_than_what_is_known_tells_that_the_store_went_back(listed: dict[str, Any]) -> None:
    """Its own version, or that of an object in it."""
    machine = watching(obj(A, 3), version=10)
    machine.data(1, refusal(410))
    step = machine.page(2, listed)
    assert (step.rewound, step.cause, machine.causes[Cause.REWOUND]) == (True, Cause.REWOUND, 1)
    assert [change.kind for change in step.changes] == [Kind.MODIFIED]


def test_what_was_taken_in_before_a_bug_is_told_after_it() -> None:
    """`keep` raises for one object: the changes before it in the same bytes are not lost."""

    def keep(item: dict[str, Any]) -> str:
        if item["metadata"]["name"] == "c":
            raise LookupError("a bug")
        return "kept"

    machine: Core = Watching(Replica(keep), lambda: 0.0)
    machine.begin()
    machine.page(0, body(10))
    machine.opened(0)
    with pytest.raises(LookupError):
        machine.data(1, line("ADDED", obj(B, 11)) + line("ADDED", obj(C, 12)))
    step = machine.failed(1, Cause.BUG)
    assert (told(step), step.do) == ([("ADDED", "b", None, "kept")], Wait(1.8))
    machine.tick(1.8)
    machine.page(2, body(11, obj(B, 11)))
    machine.opened(2)
    machine.tick(LOOK + 2)
    assert machine.failed(LOOK + 2, Cause.BUG).do == Wait(LOOK + 2 + 1.6)  # even beside a watch


def test_no_branch_of_the_machine_is_untested(tmp_path: Path) -> None:
    """This file runs all of it, every branch both ways."""
    coverage = [sys.executable, "-m", "coverage"]
    data = f"--data-file={tmp_path / 'data'}"
    ran = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not untested", __file__]
    files = "--include=*/lbctl/kube/watching.py,*/lbctl/kube/replica.py"
    for command in (["run", "--branch", data, files, *ran], ["report", "--show-missing", "--fail-under=100", data]):
        done = subprocess.run([*coverage, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
