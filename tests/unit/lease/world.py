"""A cluster with one Lease, candidates on clocks of their own, and a network that is slow, loses and repeats nothing.

All of it is one queue of things to happen: no thread and no sleep. A candidate may be paused (its clock runs on, it
does nothing) or killed (a new one comes in its place), and its wall clock is anything.
"""

from __future__ import annotations

import copy
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lbctl.kube.lease import Create, Election, Look, Replace, Step, Timing

Object = dict[str, Any]

TIMEOUT = 3.0  # seconds until a candidate gives an answer up


class Refused(Exception):
    """404 or 409."""


@dataclass
class ApiServer:
    """One Lease under compare-and-swap."""

    lease: Object | None = None
    version: int = 0
    reachable: bool = True

    def do(self, step: Step) -> Object | None:
        """Carry a request out; None when there is no Lease to look at."""
        match step:
            case Look():
                return copy.deepcopy(self.lease)
            case Create(body):
                if self.lease is not None:
                    raise Refused
                return self._keep(body)
            case Replace(body, version):
                if self.lease is None or version != self.lease["metadata"]["resourceVersion"]:
                    raise Refused
                return self._keep(body)

    def _keep(self, body: Object) -> Object:
        if self.lease is None or self.lease["spec"] != body["spec"]:  # a write that changes nothing keeps the version
            self.version += 1
        self.lease = {**copy.deepcopy(body), "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return copy.deepcopy(self.lease)


@dataclass
class Candidate:
    """One process: its Election, how fast its clock runs, how wrong its wall clock is."""

    name: str
    election: Election
    rate: float
    began: float
    wall_error: float
    alive: bool = True
    paused_until: float = 0.0
    request: int = 0  # the number of the request whose answer is awaited; 0: none

    def clock(self, now: float) -> float:
        """Its own clock."""
        return self.began + now * self.rate


@dataclass
class Storm:
    """Runs candidates for a while with seeded mishaps; `overlaps` says when two led at once."""

    seed: int
    make: Callable[[str], Election] = lambda name: Election("lbctl", name, Timing())
    candidates: int = 3
    mishaps: int = 40
    calm: bool = False
    overlaps: list[str] = field(default_factory=list)
    led: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.api = ApiServer()
        self.now = 0.0
        self._order = itertools.count(1)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._names = itertools.count(1)
        self.all = [self._born() for _ in range(self.candidates)]

    def run(self, seconds: float) -> None:
        """Let that much time pass; in the last two minutes nothing goes wrong."""
        for _ in range(0 if self.calm else self.mishaps):
            self._at(self.random.uniform(0, seconds - 120), self._mishap)
        self._at(seconds - 60, self._calm_down)
        while self._queue and self._queue[0][0] <= seconds:
            self.now, _, deed = heapq.heappop(self._queue)
            deed()
            leaders = [c for c in self.all if c.alive and c.election.leading(c.clock(self.now))]
            self.led |= {c.name for c in leaders}
            if len(leaders) > 1:
                self.overlaps.append(f"seed {self.seed}, {self.now:.3f} s: {len(leaders)} lead")

    @property
    def leaders(self) -> list[Candidate]:
        """Who leads now."""
        return [c for c in self.all if c.alive and c.election.leading(c.clock(self.now))]

    def _born(self) -> Candidate:
        # Clocks that differ by a tenth: far more than any quartz, less than the third that the numbers allow for.
        rate, began = self.random.uniform(0.95, 1.05), self.random.uniform(1, 1e6)
        name = f"c{next(self._names)}"
        new = Candidate(name, self.make(name), rate, began, self.random.choice([0.0, 3600.0, -3600.0]))
        self._at(self.now + self.random.random(), lambda: self._wakes(new))
        return new

    def _at(self, when: float, deed: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._order), deed))

    def _wakes(self, one: Candidate) -> None:
        if not one.alive or one.request:
            return
        if self.now < one.paused_until:
            self._at(one.paused_until, lambda: self._wakes(one))
            return
        step = one.election.step(one.clock(self.now), 1.7e9 + self.now + one.wall_error)
        if step is None:
            pause = max((one.election.due - one.clock(self.now)) / one.rate, 0.001)
            self._at(self.now + pause, lambda: self._wakes(one))
            return
        one.request = number = next(self._order)
        sent = one.clock(self.now)
        # A process may be stopped between reading its clock and sending.
        arrives = max(self.now, one.paused_until) + self._delay()
        self._at(arrives, lambda: self._arrives(one, number, step, sent))
        self._at(self.now + TIMEOUT, lambda: self._fails(one, number))

    def _delay(self) -> float:
        if self.calm or self.random.random() < 0.9:
            return self.random.uniform(0.001, 0.05)
        return self.random.uniform(0.05, 12.0)

    def _arrives(self, one: Candidate, number: int, step: Step, sent: float) -> None:
        if not self.api.reachable:
            return
        answer: Object | None = None
        refused = False
        try:
            answer = self.api.do(step)
        except Refused:
            refused = True
        if self.calm or self.random.random() > 0.05:  # else the answer is lost
            self._at(self.now + self._delay(), lambda: self._hears(one, number, step, sent, answer, refused))

    def _hears(
        self, one: Candidate, number: int, step: Step, sent: float, answer: Object | None, refused: bool
    ) -> None:
        if not one.alive or one.request != number:
            return
        if self.now < one.paused_until:
            self._at(one.paused_until, lambda: self._hears(one, number, step, sent, answer, refused))
            return
        one.request = 0
        now, jitter = one.clock(self.now), self.random.random()
        if refused:
            one.election.beaten(now, jitter)
        elif isinstance(step, Look):
            one.election.looked(now, answer, jitter)
        elif answer is not None:
            one.election.written(sent, now, answer, jitter)
        self._wakes(one)

    def _fails(self, one: Candidate, number: int) -> None:
        if not one.alive or one.request != number:
            return
        if self.now < one.paused_until:
            self._at(one.paused_until, lambda: self._fails(one, number))
            return
        one.request = 0
        one.election.failed(one.clock(self.now), self.random.random())
        self._wakes(one)

    def _calm_down(self) -> None:
        self.calm = True

    def _mishap(self) -> None:
        self.random.choice([self._pause, self._pause, self._kill, self._away, self._deleted, self._labelled])()

    def _pause(self) -> None:
        self.random.choice(self.all).paused_until = self.now + self.random.choice([0.5, 5, 11, 16, 60])

    def _kill(self) -> None:
        at = self.random.randrange(len(self.all))
        self.all[at].alive = False
        self.all[at] = self._born()

    def _away(self) -> None:
        self.api.reachable = False
        self._at(self.now + self.random.choice([1, 9, 14, 40]), self._back)

    def _back(self) -> None:
        self.api.reachable = True

    def _deleted(self) -> None:
        """Only while nobody leads or is about to: who takes the Lease from under a leader makes two."""
        if not self.leaders and not any(c.request for c in self.all):
            self.api.lease = None

    def _labelled(self) -> None:
        """Somebody else writes into it, and leaves the spec as it is."""
        if self.api.lease is not None:
            self.api.version += 1
            labels = {"seen": str(self.api.version)}
            meta = {**self.api.lease["metadata"], "resourceVersion": str(self.api.version), "labels": labels}
            self.api.lease["metadata"] = meta
