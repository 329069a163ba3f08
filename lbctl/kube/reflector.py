"""A reflector: the objects of one resource, kept as they are in the cluster by a list and a watch, on a thread.

This is the driver: it carries out what watching.py says over two connections of its own, one for the watch and one for
lists, and tells of changes from its one thread. stop() ends that thread at once, whatever it waits for.

The `kubernetes` package has an informer too, which does not stand in for this one. Held to tests/faults, 37.0.2 asks
4,500 times in 12 s when its watch is refused with 403 or 500, 800 times when each says 410 as an event, for it pauses
only after a list that failed. A peer that is silent it never notices, events in the wrong order leave it wrong, it asks
for no bookmarks, and it does not see a store that went back. It stands breaks within a line, garbage, repetitions and
Retry-After.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lbctl.errors import LbctlError
from lbctl.keys import Key
from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.replica import Change as Change
from lbctl.kube.replica import Kind as Kind
from lbctl.kube.replica import Replica
from lbctl.kube.transport import Pace
from lbctl.kube.watching import SAYS, Action, Cause, List, Look, Open, Read, Step, Wait, Watching

T = TypeVar("T")

LIST_TIMEOUT = 60.0  # seconds for a list or a page of it: client-go's default for the server's side of one
LOOK_TIMEOUT = 5.0  # seconds for a list of one, which events wait for
HEAD_TIMEOUT = 30.0  # seconds until a watch is answered
ENDS = 1.0  # seconds that its thread may take to end

CAUSES: tuple[tuple[type[LbctlError], Cause], ...] = (
    (errors.Gone, Cause.GONE),
    (errors.FutureVersion, Cause.FUTURE),
    (errors.Unauthorized, Cause.UNAUTHORIZED),
    (errors.Forbidden, Cause.FORBIDDEN),
    (errors.Throttled, Cause.THROTTLED),
    (errors.Unreachable, Cause.UNREACHABLE),
)


@dataclass(frozen=True, slots=True)
class Resource:
    """What is listed and watched: a path of the API, narrowed by labels."""

    path: str
    labels: str = ""


SERVICES = Resource("/api/v1/services")
NODES = Resource("/api/v1/nodes")
NAMESPACES = Resource("/api/v1/namespaces")
ENDPOINT_SLICES = Resource("/apis/discovery.k8s.io/v1/endpointslices")


def configmaps(namespace: str, labels: str = "") -> Resource:
    """The ConfigMaps of a namespace."""
    return Resource(f"/api/v1/namespaces/{namespace}/configmaps", labels)


def leases(namespace: str, labels: str = "") -> Resource:
    """The Leases of a namespace."""
    return Resource(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases", labels)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """All objects as they were at one resourceVersion; `synced` is whether that is the cluster as it is now, but for
    events that are on their way."""

    items: Mapping[Key, T]
    version: int
    synced: bool


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """Whom a reflector tells, always from its own thread; none of them may raise or wait for long.

    `changes` gets all changes of a list at once, later those that came together; the snapshot holds them already.
    `rewound` is told that the store went back, before the list that shows how far. `trouble` gets each cause and a
    sentence for it, but not what is in order. `patience` is asked after each read how many seconds the next may wait.
    """

    changes: Callable[[Sequence[Change[T]]], object]
    rewound: Callable[[], object] = lambda: None
    trouble: Callable[[Cause, str], object] = lambda _, __: None
    patience: Callable[[], float] = lambda: 0.0


def stop_all(reflectors: Collection[Reflector[Any]], seconds: float = ENDS) -> None:
    """End them all at once, within so many seconds."""
    for reflector in reflectors:
        reflector.cut()
    deadline = time.monotonic() + seconds
    for reflector in reflectors:
        reflector.stop(max(deadline - time.monotonic(), 0.0))


class Reflector(Generic[T]):
    """One resource of one cluster. `keep` makes what is kept out of an object (a dict of the API's JSON): the less,
    the better, for managedFields alone are half of a Service."""

    def __init__(
        self, kube: Kube, what: Resource, keep: Callable[[dict[str, Any]], T], told: Told[T], pace: Pace | None = None
    ) -> None:
        self.what = what
        self._told = told
        self._pace = pace or Pace()
        self._core = Watching(Replica(keep), self._pace.jitter)
        self._why = ""
        self._untold: list[Change[T]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._synced = threading.Event()
        self._asks, self._watch = kube.line(), kube.line()
        self._thread = threading.Thread(target=self._run, name=f"reflector {what.path}", daemon=True)

    def start(self) -> None:
        """Begin to list and watch; once."""
        self._thread.start()

    def cut(self) -> None:
        """Begin to end it, from any thread."""
        self._stopping.set()
        self._asks.cut()
        self._watch.cut()

    def stop(self, seconds: float = ENDS) -> None:
        """End it at once, from any thread but its own; nothing is told after that. A credential plugin or a name server
        that hangs is waited for so many seconds at most."""
        self.cut()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    @property
    def synced(self) -> bool:
        """Whether a list has come, and the store has not gone back since."""
        return self._synced.is_set()

    def wait(self, timeout: float) -> bool:
        """Wait until it is synced, at most so many seconds."""
        return self._synced.wait(timeout)

    def snapshot(self) -> Snapshot[T]:
        """All objects, at one version."""
        with self._lock:
            return Snapshot(self._core.replica.items.copy(), self._core.replica.version, self._core.synced)

    def get(self, key: Key) -> T | None:
        """One object."""
        return self._core.replica.items.get(key)

    @property
    def causes(self) -> Counter[Cause]:
        """How often a watch ended or a request failed, by cause."""
        with self._lock:
            return self._core.causes.copy()

    @property
    def last_event(self) -> float | None:
        """When the last list, event or bookmark came, by the pace's clock; None before the first list."""
        return self._core.last_event

    def _run(self) -> None:
        try:
            self._reflect()
        finally:
            self._watch.close()
            self._asks.close()

    def _reflect(self) -> None:
        step = self._core.begin()
        while not self._stopping.is_set():
            try:
                self._tell(step)
                step = self._carry_out(step.do)
            except Exception as bug:  # noqa: BLE001 because the thread must not die in silence
                self._why = f"{type(bug).__name__}: {bug}"
                step = self._failed(Cause.BUG)

    def _tell(self, step: Step[T]) -> None:
        """Tell what the step brought; changes that somebody could not take are told again with the next."""
        if self._core.synced:
            self._synced.set()
        else:
            self._synced.clear()
        why, self._why = self._why, ""
        if step.cause not in (None, Cause.ENDED):
            self._told.trouble(step.cause, why or SAYS[step.cause])
        if step.rewound:
            self._told.rewound()
        self._untold += step.changes
        if self._untold:
            self._told.changes(self._untold)
            self._untold = []

    def _carry_out(self, do: Action) -> Step[T]:
        if not isinstance(do, Read | Look):
            self._watch.close()
        try:
            match do:
                case Wait():
                    self._stopping.wait(max(do.until - self._pace.clock(), 0.0))
                    return self._then(self._core.tick)
                case Read():
                    return self._read(do)
                case Open():
                    self._watch.watch(self.what.path, self._params(do.params), HEAD_TIMEOUT)
                    return self._then(self._core.opened)
                case Look():
                    return self._listed(self._core.looked, do.params, LOOK_TIMEOUT)
                case List():
                    return self._listed(self._core.page, do.params, LIST_TIMEOUT)
        except LbctlError as bad:
            if self._stopping.is_set():
                return Step(Wait(0.0), [])
            cause = next((cause for kind, cause in CAUSES if isinstance(bad, kind)), Cause.FAILED)
            if isinstance(do, Read) and cause is Cause.UNREACHABLE:
                cause = Cause.CUT
            self._why = bad.message
            return self._failed(cause, getattr(bad, "retry_after", None))

    def _listed(
        self, take: Callable[[float, Mapping[str, Any]], Step[T]], params: Mapping[str, str], timeout: float
    ) -> Step[T]:
        body = self._asks.get(self.what.path, self._params(params), timeout)
        with self._lock:
            step = take(self._pace.clock(), body)
        if not isinstance(step.do, List):
            # Not kept until the next look: what stands between drops idle connections without a word.
            self._asks.close()
        return step

    def _read(self, do: Read) -> Step[T]:
        data = self._watch.read(max(do.until - self._pace.clock(), 0.0))
        if data is None:
            return self._then(self._core.tick)
        if not data:
            return self._then(self._core.ended)
        with self._lock:
            step = self._core.data(self._pace.clock(), data)
        if patience := self._told.patience():
            self._stopping.wait(patience)
        return step

    def _then(self, take: Callable[[float], Step[T]]) -> Step[T]:
        with self._lock:
            return take(self._pace.clock())

    def _failed(self, cause: Cause, retry_after: float | None = None) -> Step[T]:
        with self._lock:
            return self._core.failed(self._pace.clock(), cause, retry_after)

    def _params(self, params: Mapping[str, str]) -> Mapping[str, str]:
        return {**params, "labelSelector": self.what.labels} if self.what.labels else params
