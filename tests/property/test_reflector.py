"""Whatever happens to a cluster and to the watch of it, the reflector's store ends as the cluster is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings, strategies

from lbctl.keys import Key
from lbctl.kube.replica import Change, Kind, Replica
from lbctl.kube.watching import Cause, List, Look, Open, Read, Step, Wait, Watching

KEYS = [Key("ns", name) for name in "abcd"]
LONG = 300.0  # seconds: longer than a pause, a silence and a look, and too short for three silent watches

Object = dict[str, Any]
World = dict[Key, tuple[int, str]]  # version and uid


@dataclass(slots=True)
class Cluster:
    """An API server's store of one resource: what is there, what happened since the last compaction, and its version.

    `line` is a watch that is open: what it has not sent yet; None when it stands at a version of the future, so that
    nothing will come.
    """

    now: World = field(default_factory=dict)
    version: int = 1
    history: list[tuple[int, bytes]] = field(default_factory=list)
    compacted: int = 0
    born: int = 0
    sent: list[bytes] = field(default_factory=list)
    pending: list[bytes] | None = None
    kept: tuple[World, int] = field(default_factory=lambda: ({}, 1))
    unseen: bool = False  # it went back, and nobody has looked yet

    def write(self, key: Key) -> None:
        """Create the object, or change it."""
        self.version += 1
        kind = "MODIFIED" if key in self.now else "ADDED"
        if kind == "ADDED":
            self.born += 1
        uid = self.now[key][1] if key in self.now else f"u{self.born}"
        self.now[key] = self.version, uid
        self._happened(kind, key, uid)

    def delete(self, key: Key) -> None:
        """Delete it, if it is there."""
        if key in self.now:
            self.version += 1
            _, uid = self.now.pop(key)
            self._happened("DELETED", key, uid)

    def _happened(self, kind: str, key: Key, uid: str) -> None:
        event = json.dumps({"type": kind, "object": thing(key, self.version, uid)}).encode() + b"\n"
        self.history.append((self.version, event))
        if self.pending is not None:
            self.pending.append(event)

    def bookmark(self) -> None:
        """Tell the watch how far it has come."""
        if self.pending is not None:
            meta = {"metadata": {"resourceVersion": str(self.version)}}
            self.pending.append(json.dumps({"type": "BOOKMARK", "object": meta}).encode() + b"\n")

    def compact(self) -> None:
        """Forget what happened."""
        self.compacted, self.history = self.version, []

    def keep(self) -> None:
        """What an older etcd holds."""
        self.kept = dict(self.now), self.version

    def restore(self) -> None:
        """Go back to it. Watches stay open and say nothing more."""
        if self.kept[1] < self.version:
            self.now, self.version, self.unseen = dict(self.kept[0]), self.kept[1], True
            self.history, self.compacted, self.pending = [], self.version, None

    def list(self) -> Object:
        """A quorum list."""
        self.unseen = False
        items = [thing(key, *mark) for key, mark in self.now.items()]
        return {"metadata": {"resourceVersion": str(self.version)}, "items": items}

    def open(self, version: int) -> bool:
        """Open a watch; False for 410. From the future it is silent (DESIGN 5, Recovery)."""
        self.sent = []
        self.pending = None if version > self.version else [e for at, e in self.history if at > version]
        return version > self.version or version >= self.compacted


def thing(key: Key, version: int, uid: str) -> Object:
    """An object of the API."""
    meta = {"namespace": key.namespace, "name": key.name, "resourceVersion": str(version), "uid": uid}
    return {"metadata": meta}


class Run:
    """The machine beside a cluster, on a clock of their own; `heard` is what the callbacks make of it."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.core: Watching[tuple[int, str]] = Watching(Replica(_kept), lambda: 0.5)
        self.clock = 0.0
        self.requests = 0
        self.heard: dict[Key, tuple[int, str]] = {}
        self.rewound = False
        self.step: Step[tuple[int, str]] = self._told(self.core.begin())

    def _told(self, step: Step[tuple[int, str]]) -> Step[tuple[int, str]]:
        self.rewound |= step.rewound
        for change in step.changes:
            self._hear(change)
        self.rewound &= not self.core.synced
        self.step = step
        return step

    def _hear(self, change: Change[tuple[int, str]]) -> None:
        """Each change begins where the last one of its key ended, and goes on, unless the store went back."""
        assert change.old == self.heard.get(change.key)
        assert (change.kind is Kind.ADDED) == (change.old is None)
        assert (change.kind is Kind.DELETED) == (change.new is None)
        assert self.rewound or change.old is None or change.new is None or change.old < change.new
        assert change.old is None or change.new is None or change.old[1] == change.new[1]
        if change.new is None:
            del self.heard[change.key]
        else:
            self.heard[change.key] = change.new

    def go_on(self, broken: Cause | None = None, mangle: Callable[[list[bytes]], bytes] = b"".join) -> None:
        """Carry out what the machine asks for, once; `broken` is how a request fails, `mangle` what a watch's lines
        become on their way."""
        do, core, now = self.step.do, self.core, self.clock
        if isinstance(do, Wait):
            self.clock = max(now, do.until)
            self._told(core.tick(self.clock))
        elif isinstance(do, Read):
            self._read(do, mangle)
        else:
            self.requests += 1
            if broken is not None:
                self._told(core.failed(now, broken))
            elif isinstance(do, List):
                self._told(core.page(now, self.cluster.list()))
            elif isinstance(do, Look):
                self._told(core.looked(now, self.cluster.list()))
            else:
                self._open(do)

    def _open(self, do: Open) -> None:
        good = self.cluster.open(int(do.params["resourceVersion"]))
        self._told(self.core.opened(self.clock) if good else self.core.failed(self.clock, Cause.GONE))

    def _read(self, do: Read, mangle: Callable[[list[bytes]], bytes]) -> None:
        lines = self.cluster.pending
        if lines:
            self.cluster.pending = []
            self.cluster.sent += lines
            self._told(self.core.data(self.clock, mangle(lines)))
        else:
            self.clock = max(self.clock, do.until)
            self._told(self.core.tick(self.clock))

    def safe(self) -> bool:
        """Whether a write now leaves a store that went back behind what was known: else nobody could see that it did
        (watching.py says so)."""
        return not self.cluster.unseen or self.cluster.version + 1 < self.core.replica.version


def _kept(item: Object) -> tuple[int, str]:
    return int(item["metadata"]["resourceVersion"]), str(item["metadata"]["uid"])


def write(run: Run, key: Key) -> None:
    """Create or change."""
    if run.safe():
        run.cluster.write(key)


def delete(run: Run, key: Key) -> None:
    """Delete."""
    if run.safe():
        run.cluster.delete(key)


def anew(run: Run, key: Key) -> None:
    """Delete and create under the same name."""
    delete(run, key)
    write(run, key)


def reads_on(run: Run, _: Key) -> None:
    """Nothing goes wrong."""
    run.go_on()


def twice(run: Run, _: Key) -> None:
    """Each line comes twice, and then the first half of all that the watch has sent."""
    sent = run.cluster.sent
    run.go_on(mangle=lambda lines: b"".join(line * 2 for line in lines) + b"".join(sent[: len(sent) // 2 + 1]))


def backwards(run: Run, _: Key) -> None:
    """What comes together comes in the wrong order."""
    run.go_on(mangle=lambda lines: b"".join(reversed(lines)))


def breaks(run: Run, _: Key) -> None:
    """A reset; what was on its way is lost. Else the request fails."""
    if isinstance(run.step.do, Read):
        run._told(run.core.failed(run.clock, Cause.CUT))
    else:
        run.go_on(Cause.UNREACHABLE)


def ends_within_a_line(run: Run, _: Key) -> None:
    """Some lines, a part of one, and the end."""
    if isinstance(run.step.do, Read) and run.cluster.pending:
        data = b"".join(run.cluster.pending)
        run._told(run.core.data(run.clock, data[:-9]))
        if isinstance(run.step.do, Read):
            run._told(run.core.ended(run.clock))
    else:
        run.go_on(Cause.FAILED)


def ends(run: Run, _: Key) -> None:
    """The server ends the watch; what was not sent is sent by the next."""
    if isinstance(run.step.do, Read):
        run._told(run.core.ended(run.clock))
    else:
        run.go_on(Cause.FORBIDDEN)


def garbage(run: Run, _: Key) -> None:
    """A line that is none, before all others; a request is answered with 410."""
    if isinstance(run.step.do, Read):
        run._told(run.core.data(run.clock, b'{"type": "ADDED"}\n'))
    else:
        run.go_on(Cause.GONE)


def error(run: Run, key: Key) -> None:
    """An ERROR event, of a code that goes by the key."""
    code = 410 if key in KEYS[:2] else 500
    if isinstance(run.step.do, Read):
        line = json.dumps({"type": "ERROR", "object": {"code": code, "metadata": {}}}).encode()
        run._told(run.core.data(run.clock, line + b"\n"))
    else:
        run.go_on(Cause.THROTTLED)


def goes_deaf(run: Run, _: Key) -> None:
    """The peer is gone, and the connection stands."""
    run.cluster.pending = None


def bug(run: Run, _: Key) -> None:
    """Somebody who was told has raised."""
    run._told(run.core.failed(run.clock, Cause.BUG))


CLUSTER: list[Callable[[Run, Key], None]] = [
    write,
    delete,
    anew,
    lambda run, _: run.cluster.bookmark(),
    lambda run, _: run.cluster.compact(),
    lambda run, _: run.cluster.keep(),
    lambda run, _: run.cluster.restore(),
]
WATCH = [reads_on, reads_on, twice, backwards, breaks, ends, ends_within_a_line, garbage, error, goes_deaf, bug]
Deed = tuple[Callable[[Run, Key], None], Key]
DEED = strategies.tuples(strategies.sampled_from(CLUSTER + WATCH), strategies.sampled_from(KEYS))
DEEDS = strategies.lists(DEED, min_size=15, max_size=80)  # fewer hardly ever get as far as what goes wrong


@settings(derandomize=True, max_examples=500, deadline=None)
@given(DEEDS)
def test_the_store_ends_as_the_cluster_is(deeds: Sequence[Deed]) -> None:
    """And so does what the callbacks say of each object; in a quiet time little is asked."""
    run = Run()
    for _ in range(3):
        run.go_on()
    for deed, key in deeds:
        deed(run, key)
    until = run.clock + LONG
    while run.clock < until or run.cluster.pending or not isinstance(run.step.do, Read):
        if isinstance(run.step.do, Read) and not run.cluster.pending and run.clock < until:
            run.clock += 30
            run.cluster.bookmark()  # so that a watch that is well stays so, and no list heals what a watch got wrong
        run.go_on()
    assert run.core.replica.items == run.cluster.now
    assert run.heard == run.cluster.now
    assert run.core.synced
    quiet, until = run.requests, run.clock + 3000
    while run.clock < until:
        run.go_on()
    assert run.requests - quiet <= 50 + 20 * 3 + 10  # a look a minute; and, without bookmarks, a watch each 150 s
