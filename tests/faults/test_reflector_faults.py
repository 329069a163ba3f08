"""The reflector through every fault between it and a real API server: it ends as a fresh list, and asks no more than
it must."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lbctl.keys import Key
from lbctl.kube import watching
from lbctl.kube.api import Kube
from lbctl.kube.reflector import SERVICES, Change, Reflector, Resource, Told, configmaps
from lbctl.kube.transport import connect
from lbctl.kube.watching import Cause
from tests.conftest import started
from tests.testbed.driver import SERVICES as PATH
from tests.testbed.driver import Bed, service, until
from tests.testbed.proxy import Cut, Do, End, Fault, Instead, Proxy, Reset, Rule, Stream, When

pytestmark = pytest.mark.cluster

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
WATCH, REQUEST = "/services?watch=1", "/services?"
Lines = Iterator[bytes]


@pytest.fixture(scope="module")
def own() -> Iterator[Bed]:
    """A control plane that may be broken."""
    with started(Bed) as bed:
        yield bed


@pytest.fixture
def bed(own: Bed) -> Bed:
    """It stands, swept."""
    own.wipe()
    return own


@dataclass(slots=True)
class Follower:
    """A reflector and what it has told: `heard` is what the changes make of each object, `rewinds` how often the store
    went back."""

    reflector: Reflector[str]
    proxy: Proxy
    heard: dict[Key, str]
    rewinds: list[float]
    troubles: list[Cause] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def agrees(self, bed: Bed, path: str) -> bool:
        """Whether snapshot and callbacks are what a fresh list shows."""
        items = bed.admin.get(path)["items"]
        fresh = {_key(item): item["metadata"]["resourceVersion"] for item in items}
        snapshot = self.reflector.snapshot()
        return snapshot.synced and snapshot.items == fresh and self.heard == fresh

    def settles(self, bed: Bed, path: str = "/api/v1/services", *, most: int) -> None:
        """It comes to agree, with at most so many requests from the start on."""
        until(
            lambda: self.agrees(bed, path), f"the store to be as the cluster is ({self.reflector.causes})", seconds=30
        )
        assert len(self.proxy.requests) <= most, [(r.path, self.reflector.causes) for r in self.proxy.requests]


@contextlib.contextmanager
def following(bed: Bed, folder: Path, rules: Sequence[Rule] = (), what: Resource = SERVICES) -> Iterator[Follower]:
    """A reflector through a proxy; each change that it tells begins where the last one of its object ended."""
    heard: dict[Key, str] = {}
    rewinds: list[float] = []
    wrong: list[Change[str]] = []

    def changed(changes: Sequence[Change[str]]) -> None:
        for change in changes:
            if change.old != heard.get(change.key):
                wrong.append(change)
            if change.new is None:
                heard.pop(change.key, None)
            else:
                heard[change.key] = change.new

    with Proxy(bed.url, bed.certificate, rules) as proxy:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(bed.kubeconfig_for(proxy.url))
        kube = Kube(connect(str(kubeconfig), "admin", request_timeout=5))
        told = Told(changed, lambda: rewinds.append(time.monotonic()))
        one = Reflector(kube, what, lambda item: str(item["metadata"]["resourceVersion"]), told)
        one.start()
        try:
            yield Follower(one, proxy, heard, rewinds)
        finally:
            one.stop()
    assert wrong == []


def _key(item: dict[str, Any]) -> Key:
    return Key(item["metadata"]["namespace"], item["metadata"]["name"])


def _create(bed: Bed, names: Iterable[str]) -> None:
    bed.admin.send([("POST", PATH, json.dumps(service(name, kind="ClusterIP")).encode()) for name in names])


def _churn(bed: Bed, prefix: str, rounds: int = 4) -> None:
    """Create, change, delete, and create anew, over a second or so."""
    for number in range(rounds):
        names = [f"{prefix}-{number}-{n}" for n in range(3)]
        _create(bed, names)
        bed.admin.send([("PATCH", f"{PATH}/{name}", b'{"metadata":{"labels":{"a":"b"}}}') for name in names[:2]])
        bed.admin.send([("DELETE", f"{PATH}/{name}", None) for name in names[1:]])
        _create(bed, names[2:])
        time.sleep(0.1)  # so that the events come in more than one piece


def _each(change: Callable[[bytes], Iterable[bytes]]) -> Fault:
    def every(lines: Lines) -> Lines:
        for line in lines:
            yield from change(line)

    return Stream(every)


def _after(count: int, then: Callable[[bytes], Iterable[bytes]]) -> Fault:
    """Some lines as they are, then something else from the next."""

    def change(lines: Lines) -> Lines:
        for _ in range(count):
            yield next(lines)
        yield from then(next(lines))

    return Stream(change)


def _half_and(error: type[Exception] | None) -> Callable[[bytes], Iterable[bytes]]:
    def half(line: bytes) -> Lines:
        yield line[: len(line) // 2]
        if error is not None:
            raise error

    return half


def _dripping(line: bytes) -> Lines:
    for at in range(0, len(line), 16):
        yield line[at : at + 16]
        time.sleep(0.001)  # because to be slow is what was asked for


def _again(lines: Lines) -> Lines:
    """Each line twice, and each five lines once more."""
    seen: list[bytes] = []
    for line in lines:
        seen.append(line)
        yield line
        yield line
        if len(seen) == 5:
            yield from seen
            seen = []


def _swapped(lines: Lines) -> Lines:
    """Ten pairs of lines in the wrong order."""
    for _ in range(10):
        first, second = next(lines), next(lines)
        yield second
        yield first
    yield from lines


def _status_event(code: int) -> Callable[[bytes], Iterable[bytes]]:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "message": "no"}
    return lambda _: [json.dumps({"type": "ERROR", "object": body}).encode() + b"\n"]


def _instead(code: int, reason: str, path: str, times: int = 2, retry_after: int | None = None) -> Rule:
    return Rule(Instead(code, reason, retry_after=retry_after), path=path, times=times)


# What goes wrong, what it is counted as (None: nothing that ends a watch), and how many requests there are at most.
FAULTS: dict[str, tuple[list[Rule], Cause | None, int]] = {
    "nothing": ([], None, 2),
    "410 by status": ([_instead(410, "Expired", WATCH)], Cause.GONE, 8),
    "410 by event": ([Rule(_after(2, _status_event(410)), path=WATCH, times=2)], Cause.GONE, 8),
    "500 by event": ([Rule(_after(2, _status_event(500)), path=WATCH, times=2)], Cause.ERROR, 8),
    "403": ([_instead(403, "Forbidden", REQUEST, 3)], Cause.FORBIDDEN, 8),
    "403 for the watch alone": ([_instead(403, "Forbidden", WATCH, 3)], Cause.FORBIDDEN, 10),
    "401": ([_instead(401, "Unauthorized", REQUEST, 2)], Cause.UNAUTHORIZED, 6),
    "429": ([_instead(429, "TooManyRequests", REQUEST, 2, retry_after=1)], Cause.THROTTLED, 6),
    "500": ([_instead(500, "InternalError", REQUEST, 3)], Cause.FAILED, 8),
    "a cut before each of three": ([Rule(Cut(When.BEFORE), path=REQUEST, times=3)], Cause.UNREACHABLE, 8),
    "a cut after each of three": ([Rule(Cut(When.AFTER), path="/services?limit", times=3)], Cause.UNREACHABLE, 8),
    "EOF within a line": ([Rule(_after(2, _half_and(End)), path=WATCH, times=2)], Cause.CUT, 8),
    "EOF within a line, in good order": ([Rule(_after(2, _half_and(None)), path=WATCH, times=2)], Cause.CUT, 8),
    "RST within a line": ([Rule(_after(2, _half_and(Reset)), path=WATCH, times=2)], Cause.CUT, 8),
    "RST at once, four times": ([Rule(_after(0, _half_and(Reset)), path=WATCH, times=4)], Cause.CUT, 14),
    "garbage": ([Rule(_after(2, lambda _: [b"<html>\n"]), path=WATCH, times=2)], Cause.GARBAGE, 8),
    "a slow drip": ([Rule(_each(_dripping), path=WATCH)], None, 2),
    "everything twice": ([Rule(Stream(_again), path=WATCH)], None, 8),
    "the wrong order": ([Rule(Stream(_swapped), path=WATCH)], None, 8),
}


@pytest.mark.parametrize(("rules", "cause", "most"), FAULTS.values(), ids=FAULTS)
def test_it_ends_as_a_fresh_list(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: list[Rule], cause: Cause | None, most: int
) -> None:
    """Under churn; with pauses a quarter as long as they are, so that it ends in seconds."""
    monkeypatch.setattr(watching, "FIRST", 0.2)
    _create(bed, ["before-1", "before-2"])
    with following(bed, tmp_path, rules) as follower:
        _churn(bed, "early")
        assert follower.reflector.wait(20)
        _churn(bed, "late")
        follower.settles(bed, most=most)
        causes = follower.reflector.causes
        assert cause is None or causes[cause] > 0
        assert follower.rewinds == []


@pytest.mark.parametrize("first", [0, 3])
def test_a_peer_that_is_gone_while_the_connection_stands(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """No byte for a while (here 2 s): another watch, from where the last one stood."""
    monkeypatch.setattr(watching, "SILENCE", 2.0)
    over = threading.Event()

    def silent(line: bytes) -> Lines:
        over.wait(30)
        yield line

    with following(bed, tmp_path, [Rule(_after(first, silent), path=WATCH)]) as follower:
        assert follower.reflector.wait(20)
        _churn(bed, "while")
        try:
            follower.settles(bed, most=12)
        finally:
            over.set()
        assert follower.reflector.causes[Cause.SILENT] >= 1


def test_lines_of_a_megabyte(bed: Bed, tmp_path: Path) -> None:
    """As large as etcd takes them, listed and watched."""
    big = {"big": "x" * 1_000_000}

    def body(name: str) -> bytes:
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": big}).encode()

    names = ["one", "two", "three"]
    try:
        bed.admin.send([("POST", CONFIGMAPS, body("one"))])
        with following(bed, tmp_path, what=configmaps("default")) as follower:
            assert follower.reflector.wait(20)
            bed.admin.send([("POST", CONFIGMAPS, body(name)) for name in names[1:]])
            follower.settles(bed, CONFIGMAPS, most=2)
    finally:
        bed.admin.send([("DELETE", f"{CONFIGMAPS}/{name}", None) for name in names])


@pytest.mark.long
def test_the_api_server_is_killed_and_comes_back(bed: Bed, tmp_path: Path) -> None:
    """What happened meanwhile is there; while it is away it is asked ever more seldom."""
    with following(bed, tmp_path) as follower:
        assert follower.reflector.wait(20)
        _create(bed, ["gone", "stays"])
        bed.apiserver.kill()
        time.sleep(3)  # because to be away for some time is what this is about
        asked = len(follower.proxy.requests)
        bed.apiserver.start()
        bed.ready()
        bed.admin.send([("DELETE", f"{PATH}/gone", None)])
        _churn(bed, "after")
        follower.settles(bed, most=asked + 8)
        assert asked <= 6
        assert Key("default", "gone") not in follower.heard


def test_the_api_server_hangs_for_some_seconds(bed: Bed, tmp_path: Path) -> None:
    """Nothing is asked anew: the watch goes on when it does."""
    with following(bed, tmp_path) as follower:
        assert follower.reflector.wait(20)
        bed.apiserver.pause()
        time.sleep(3)  # because to hang for some time is what this is about
        bed.apiserver.resume()
        _churn(bed, "after")
        follower.settles(bed, most=2)


@pytest.mark.parametrize(
    "deaf", [pytest.param(False, id="watch cut", marks=pytest.mark.long), pytest.param(True, id="watch stands")]
)
def test_an_older_etcd_is_restored(bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool) -> None:
    """It tells that the store went back, and ends as that is now; a watch that stands and is silent is noticed by the
    look that comes each minute (here each two seconds)."""
    monkeypatch.setattr(watching, "LOOK", 2.0)
    over = threading.Event()

    def stands(lines: Lines) -> Lines:
        with contextlib.suppress(Exception):  # because the API server goes
            yield from lines
        over.wait(60)

    _create(bed, ["old-1", "old-2"])
    kept = f"before-{deaf}"
    bed.snapshot(kept)
    rules = [Rule(Stream(stands), path=WATCH)] if deaf else []
    with following(bed, tmp_path, rules) as follower:
        try:
            assert follower.reflector.wait(20)
            bed.admin.send([("DELETE", f"{PATH}/old-1", None)])
            _churn(bed, "lost", rounds=10)
            until(lambda: follower.agrees(bed, "/api/v1/services"), "the first watch", seconds=20)
            bed.restore(kept)
            until(lambda: bool(follower.rewinds), "the look", seconds=40)
            _create(bed, ["new"])
            follower.settles(bed, most=40)
        finally:
            over.set()
        assert len(follower.rewinds) == 1
        assert follower.reflector.causes[Cause.REWOUND] == 1
        assert {Key("default", "old-1"), Key("default", "new")} <= follower.heard.keys()


@pytest.mark.parametrize("rules", [[], [_instead(410, "Expired", WATCH, times=1)]], ids=["by the watch", "by a list"])
def test_a_deletion_between_two_requests_is_not_missed(bed: Bed, tmp_path: Path, rules: list[Rule]) -> None:
    """What goes just before the watch is opened is told by it; what goes just before a second list, by that."""
    _create(bed, ["one", "two"])
    gone: list[str] = []

    def delete() -> None:
        bed.admin.send([("DELETE", f"{PATH}/one", None)])
        gone.append("one")

    with following(bed, tmp_path, [*rules, Rule(Do(delete), number=2 + len(rules))]) as follower:
        until(lambda: bool(gone), "the deletion", seconds=20)
        follower.settles(bed, most=4)
        assert Key("default", "one") not in follower.heard
        assert Key("default", "two") in follower.heard
