"""Leadership: of several replicas one works at a time, the holder of a Lease (coordination.k8s.io/v1).

This is the core: what one candidate knows of the Lease and what it does next, without a socket, a clock or a thread
(elector.py drives it). Promise 1 does not rest on it: two leaders at once would be wasteful and nothing worse.

Nobody's wall clock counts. A candidate measures, by its own clock, how long it has seen the Lease unchanged; a leader
counts from the moment before it sent the write that landed, which nobody can have seen earlier. So a leader stops 5 s
before the first other may begin, as in client-go, whose numbers these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds: how long a Lease lasts for others, how long its holder relies on it after a renewal, how often it
    renews (and anybody tries again after a failure), and how often a candidate looks.

    A candidate looks more often than client-go's 2 s, so that a Lease that was given back is taken within a second. To
    watch would save its one and a half GETs a second, and cost a stream to keep alive.
    """

    lease: int = 15
    deadline: float = 10.0
    retry: float = 2.0
    look: float = 0.7


@dataclass(frozen=True, slots=True)
class Record:
    """What a Lease says of its holder. Times are the holder's wall clock, compared only with themselves."""

    holder: str
    seconds: int
    acquired: str
    renewed: str
    transitions: int

    @classmethod
    def of(cls, lease: Mapping[str, Any]) -> Record:
        """Read a Lease, also one that somebody has edited: what is missing or no number is as never written."""
        spec = lease.get("spec") or {}
        return cls(
            holder=str(spec.get("holderIdentity") or ""),
            seconds=_number(spec.get("leaseDurationSeconds")),
            acquired=str(spec.get("acquireTime") or ""),
            renewed=str(spec.get("renewTime") or ""),
            transitions=_number(spec.get("leaseTransitions")),
        )


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


@dataclass(frozen=True, slots=True)
class Look:
    """Read the Lease; the answer goes to `looked`."""


@dataclass(frozen=True, slots=True)
class Create:
    """POST this; the answer goes to `written`, a Conflict to `beaten`."""

    body: Object


@dataclass(frozen=True, slots=True)
class Replace:
    """PUT this over `version`; the answer goes to `written`, a Conflict to `beaten`."""

    body: Object
    version: str


Step = Look | Create | Replace


class Election:
    """One candidate's knowledge of one Lease. Every time comes in, in seconds of a clock that never goes back."""

    def __init__(self, name: str, identity: str, timing: Timing | None = None) -> None:
        self._name = name
        self._identity = identity
        self.timing = timing or Timing()
        self._lease: Object | None = None
        self._record = Record("", 0, "", "", 0)
        self._unchanged_since = 0.0
        self._current = False  # whether what is known was read or written just now, so that a write may rest on it
        self._beaten = False
        self._tried = False  # whether it may be ours
        self._due = 0.0
        self._until = 0.0  # we lead until then

    @property
    def due(self) -> float:
        """When the next step is to be taken."""
        return self._due

    @property
    def until(self) -> float:
        """When the lead ends unless it is renewed; may have passed."""
        return self._until

    @property
    def holder(self) -> str:
        """Who leads, as last seen; empty when nobody does."""
        return self._record.holder

    def leading(self, now: float) -> bool:
        """Whether nobody else can lead yet."""
        return now < self._until

    def step(self, now: float, wall: float) -> Step | None:
        """What to do now; None before `due`. `wall` is seconds since the epoch, for people to read in the Lease."""
        if now < self._due:
            return None
        if not self._current:
            return Look()
        lease = self._lease or {"metadata": {"name": self._name, "labels": {"app.kubernetes.io/managed-by": "lbctl"}}}
        self._tried = True
        ours = self._record.holder == self._identity
        stamp = _stamp(wall, self._record.renewed)
        taken: Object = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self.timing.lease,
            "acquireTime": (ours and self._record.acquired) or stamp,
            "renewTime": stamp,
            "leaseTransitions": self._record.transitions + (self._lease is not None and not ours),
        }
        return self._write(lease, taken)

    def looked(self, now: float, lease: Object | None, jitter: float) -> None:
        """The Lease as it was read just now; None when there is none. `jitter` is from 0 to 1, here and below."""
        self._know(now, lease)
        self._current = self._free(now)
        self._due = now
        if not self._current:
            self._due = min(now + self.timing.look * (0.8 + 0.4 * jitter), self._expiry)

    def written(self, sent: float, now: float, lease: Object, jitter: float) -> None:
        """Our write landed: we lead, counted from when it was sent."""
        self._know(now, lease)
        self._beaten = False
        self._current = True
        self._until = sent + self.timing.deadline
        self._due = now + self.timing.retry * (0.8 + 0.4 * jitter)

    def beaten(self, now: float, jitter: float) -> None:
        """Our write met another version, or none: look at once, but not over and over."""
        self._current = False
        self._due = now + self.timing.retry * (0.8 + 0.4 * jitter) if self._beaten else now
        self._beaten = True

    def failed(self, now: float, jitter: float, wait: float = 0.0) -> None:
        """A request failed; if it was a write it may have landed all the same. `wait` is what the server asks for."""
        self._current = False
        self._due = now + min(max(wait, self.timing.retry * (0.8 + 0.4 * jitter)), self.timing.lease)

    def resign(self) -> None:
        """Lead no longer, whatever the Lease says."""
        self._until = 0.0

    def release(self, wall: float) -> Step | None:
        """What gives the Lease back, so that another takes it at its next look; None when it is not ours to give.

        A Look when that is not known, because the answer to a write was lost. What is answered goes to `read`; then ask
        again.
        """
        if not self._tried:
            return None
        if not self._current or self._lease is None:
            return Look()
        stamp = _stamp(wall, self._record.renewed)
        # As client-go gives it back: one second, for who does not know that an empty holder means free.
        free = {"holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": stamp, "renewTime": stamp}
        return self._write(self._lease, free)

    def read(self, now: float, lease: Object | None) -> None:
        """What was answered to a step of `release`."""
        self._know(now, lease)
        self._current = True

    def _know(self, now: float, lease: Object | None) -> None:
        record = Record.of(lease or {})
        # Not by resourceVersion: who puts a label on it does not prolong it.
        if record != self._record:
            self._unchanged_since = now
        self._lease, self._record = lease, record
        if record.holder != self._identity:
            self._tried = False
            self._until = 0.0  # somebody else has it, or has taken it away

    @property
    def _expiry(self) -> float:
        return self._unchanged_since + (self._record.seconds or self.timing.lease)

    def _free(self, now: float) -> bool:
        """Whether we may write ourselves into it; also when it is ours already, if only by a write whose answer was
        lost."""
        return self._record.holder in ("", self._identity) or now >= self._expiry

    def _write(self, lease: Object, spec: Object) -> Step:
        # What else stands in it stays: labels of other people, fields of later versions of the API.
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **lease}
        body["spec"] = {**(lease.get("spec") or {}), **spec}
        if self._lease is None:
            return Create(body)
        return Replace(body, str(lease["metadata"]["resourceVersion"]))


def _stamp(wall: float, last: str) -> str:
    """A time of six decimals as the API has it (MicroTime), never the same as the last one.

    For the API server keeps a write that changes nothing to itself, and all others would see a holder that is silent.
    """
    when = datetime.fromtimestamp(wall, UTC)
    stamp = when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return stamp if stamp != last else (when + timedelta(microseconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
