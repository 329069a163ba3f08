"""Drives an Election from a thread of its own: the requests, the clock, and who is told.

`leading` asks the clock each time: it turns false when it must, even while the thread hangs in a request or the process
was stopped.

The election that the `kubernetes` package brings (37.0) fails the tests of this one. Its leader counts by the wall
clock: set back an hour while the API was away for it, it went on leading beside the next one. It waits for an answer
without a limit, and leads meanwhile. A refused connection ends its thread and nobody is told that the lead is lost. It
has no stop, gives nothing back and counts no transitions.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from lbctl.claims import NAMESPACE
from lbctl.errors import LbctlError, as_error
from lbctl.kube.errors import Conflict, NotFound, ServerFailed
from lbctl.kube.lease import Create, Election, Look, Object, Replace, Step, Timing
from lbctl.kube.transport import Pace

# What a request of the Elector may take, in seconds: within its 10 s a leader then has two or three tries.
REQUEST_TIMEOUT = 3.0
LONGEST = 63  # characters of the host in an identity: the API server takes any, a line in `kubectl get lease` does not


class Leases(Protocol):
    """What the Elector needs of `Kube`."""

    def get_lease(self, namespace: str, name: str, timeout: float | None = None) -> Object:
        """One Lease; NotFound when there is none."""

    def create_lease(self, namespace: str, body: Mapping[str, Any], timeout: float | None = None) -> Object:
        """POST: Conflict when it exists."""

    def replace_lease(
        self, namespace: str, name: str, body: Mapping[str, Any], resource_version: str, timeout: float | None = None
    ) -> Object:
        """PUT over a version."""


def clock() -> float:
    """Seconds that also pass while the machine sleeps: a laptop that wakes up must not believe that it still leads.

    `time.monotonic` stands still meanwhile, on Linux and macOS alike; on macOS CLOCK_MONOTONIC is not that clock.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def new_identity() -> str:
    """HOST_UUID, as client-go's programs name themselves: two runs on one host must never share one."""
    return f"{socket.gethostname()[:LONGEST]}_{uuid.uuid4()}"


class Elector:
    """Tries to lead from `start` to `stop`, in a thread of its own.

    `identity` must be nobody else's (`new_identity`). `on_change`, called by the thread, hears True when it begins to
    lead and False when it has stopped; `leading` is what counts, for a call may come late. Nothing here raises.
    """

    def __init__(
        self,
        kube: Leases,
        name: str,
        identity: str,
        pace: Pace | None = None,
        *,
        namespace: str = NAMESPACE,
        on_change: Callable[[bool], None] = lambda _: None,
        timing: Timing | None = None,
        wall: Callable[[], float] = time.time,
        make_namespace: Callable[[], object] | None = None,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._pace = pace or Pace(clock=clock, jitter=random.random)
        self._on_change = on_change
        self._wall = wall
        self._make_namespace = make_namespace
        self._election = Election(name, identity, timing)
        self._lock = threading.Lock()  # guards the election; never held during a request
        self._stopping = threading.Event()
        self._told = False
        self._trouble: LbctlError | None = None
        self._thread = threading.Thread(target=self._run, name="elector", daemon=True)

    def __repr__(self) -> str:
        return f"<Elector {self.identity}, {self._namespace}/{self._name}, leading={self.leading}>"

    @property
    def leading(self) -> bool:
        """Whether this process leads at this moment; from any thread."""
        with self._lock:
            return not self._stopping.is_set() and self._election.leading(self._pace.clock())

    @property
    def holder(self) -> str:
        """The identity of who leads, as last seen; empty when nobody does or nothing is known yet."""
        with self._lock:
            return self._election.holder

    @property
    def trouble(self) -> LbctlError | None:
        """Why the last request failed; None when it did not."""
        return self._trouble

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = REQUEST_TIMEOUT) -> None:
        """Lead no longer, at once, and give the Lease back; waits `timeout` seconds at most for that.

        Whoever leads must have finished what it does by leading before. A Lease that could not be given back runs out.
        """
        self._stopping.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def turn(self) -> float:
        """Do what is due, and say how many seconds to rest: until the next step, or the lead's end if that is first.

        The thread's work, for who has no thread.
        """
        with self._lock:
            step = self._election.step(self._pace.clock(), self._wall())
        if step is not None:
            self._take(step)
        self._tell()
        with self._lock:
            now, due, until = self._pace.clock(), self._election.due, self._election.until
        return max((min(due, until) if now < until else due) - now, 0.001)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self.turn())
        with self._lock:
            self._election.resign()
        self._tell()
        self._release()

    def _tell(self) -> None:
        leading = self.leading
        if leading != self._told:
            self._told = leading
            with contextlib.suppress(Exception):  # because a listener that fails must not end the renewals
                self._on_change(leading)

    def _take(self, step: Step) -> None:
        sent = self._pace.clock()
        try:
            lease = self._ask(step)
        except (Conflict, NotFound) as lost:
            homeless = isinstance(step, Create) and isinstance(lost, NotFound)
            self._trouble = self._at_home(lost) if homeless else None
            with self._lock:
                self._missed(step, lost)
        except Exception as bad:  # noqa: BLE001 because a thread that has died takes over from nobody
            self._trouble = as_error(bad)
            with self._lock:
                wait = bad.retry_after if isinstance(bad, ServerFailed) else None
                self._election.failed(self._pace.clock(), self._pace.jitter(), wait or 0.0)
        else:
            self._trouble = None
            with self._lock:
                if isinstance(step, Look):
                    self._election.looked(self._pace.clock(), lease, self._pace.jitter())
                else:
                    self._election.written(sent, self._pace.clock(), lease, self._pace.jitter())

    def _at_home(self, lost: LbctlError) -> LbctlError | None:
        """Make the Lease's namespace, which is not there; what is in the way, if something is."""
        if self._make_namespace is None:
            return lost
        try:
            self._make_namespace()
        except LbctlError as bad:
            return bad
        return None

    def _missed(self, step: Step, lost: LbctlError) -> None:
        now, jitter = self._pace.clock(), self._pace.jitter()
        if isinstance(step, Look):
            self._election.looked(now, None, jitter)
        elif isinstance(step, Create) and isinstance(lost, NotFound):
            self._election.failed(now, jitter)  # its namespace is not there, or has just been made
        else:
            self._election.beaten(now, jitter)

    def _ask(self, step: Step) -> Object:
        match step:
            case Look():
                return self._kube.get_lease(self._namespace, self._name, REQUEST_TIMEOUT)
            case Create(body):
                return self._kube.create_lease(self._namespace, body, REQUEST_TIMEOUT)
            case Replace(body, version):
                return self._kube.replace_lease(self._namespace, self._name, body, version, REQUEST_TIMEOUT)

    def _release(self) -> None:
        for _ in range(4):  # look, write, and both again: a write whose answer was lost may have moved the version
            with self._lock:
                step = self._election.release(self._wall())
            if step is None:
                return
            try:
                lease = self._ask(step)
            except Conflict:
                with self._lock:
                    self._election.beaten(self._pace.clock(), 0.0)
            except LbctlError as bad:
                self._trouble = bad
                return  # because it runs out by itself
            else:
                with self._lock:
                    self._election.read(self._pace.clock(), lease)
