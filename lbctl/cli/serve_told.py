"""Who hears of what `lbctl serve` does: the log, Events and metrics."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from lbctl.ages import lasting, seconds_of
from lbctl.controller import Controller
from lbctl.decisions import Action, Decision
from lbctl.errors import LbctlError
from lbctl.kube.events import Events
from lbctl.kube.watching import Cause
from lbctl.logs import Log
from lbctl.metrics import Metrics
from lbctl.reasons import Reason
from lbctl.rounds import Round
from lbctl.services import Key
from lbctl.serving import Listeners
from lbctl.usage import PoolUsage, Usage, usages
from lbctl.world import World

POOLS = 1.0  # seconds between two counts of the pools
POOLS_BY_NAME = 3  # more do not fit into a line
SHARE = 100  # a count looks at every claim: of the time it takes at most one part in so many


class Told(Listeners):
    """Passes everything on, each refusal once until its reason is another. `loop` is whose it is."""

    loop: Controller

    def __init__(self, log: Log, events: Events, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._log = log
        self._events = events
        self._metrics = metrics
        self._clock = clock  # the API server's time in seconds since the epoch
        self._refused: dict[Key, Reason] = {}
        self._stale = True
        self._next_count = 0.0
        self._changed: float | None = None  # when an address was last given, monotonic
        self._stand = ""

    def planned(self, decisions: Iterable[Decision]) -> None:
        """A round's Decisions."""
        for decision in decisions:
            self._one(decision)
        self._metrics.pending(Counter(self.loop.stuck.values()))
        self._stale = True

    def _one(self, decision: Decision) -> None:
        service, reason = decision.service, decision.reason
        if decision.action is Action.ASSIGN:
            given = ", ".join(map(str, decision.addresses))
            self._changed = time.monotonic()
            self._log.info("assigned", service=service.key, addresses=given, reason=reason.name)
            if service.pending:
                self._metrics.waited(max(0.0, self._clock() - seconds_of(service.created)))
            if not decision.drops:  # a move has told of itself
                self._events.tell(service, "Normal", reason, f"assigned {given}", int(self._clock()))
        elif decision.action is Action.REFUSE and self._refused.get(service.key) is not reason:
            self._log.warning(decision.sentence, service=service.key, reason=reason.name)
        if decision.action is Action.REFUSE:
            self._refused[service.key] = reason
        else:
            self._refused.pop(service.key, None)

    @property
    def line(self) -> str:
        """How things stand, in a line for a terminal; empty until the pools have been counted."""
        if not self._stand:
            return ""
        change = f"{lasting(int(time.monotonic() - self._changed))} ago" if self._changed is not None else "none yet"
        return f"{self._stand}; last change: {change}"

    def settled(self, seconds: float, done: Round) -> None:
        """A round is over."""
        self._metrics.round(seconds)
        for _ in range(done.lost):
            self._metrics.conflict()
        if done.refused is not None:
            self._log.warning(done.refused.message)

    def failed(self, away: LbctlError) -> None:
        """The cluster could not be reached."""
        self._log.warning(away.message)

    def repaired(self, decisions: list[Decision]) -> None:
        """Claims were written anew that somebody had deleted."""
        for decision in decisions:
            self._log.warning(
                "somebody deleted its claim, which is written anew",
                service=decision.service.key,
                reason=decision.reason.name,
            )

    def happened(self, level: str, sentence: str) -> None:
        """Something an operator should know."""
        {"info": self._log.news, "warning": self._log.warning, "error": self._log.error}[level](sentence)

    def troubled(self, path: str, cause: Cause, sentence: str) -> None:
        """A watch ended, or could not begin."""
        self._metrics.watch_restarted(cause.value)
        self._log.warning(f"watch of {path}: {sentence}", cause=cause.value)

    def led(self, leading: bool) -> None:
        """It leads by now, or no longer."""
        self._metrics.leader(leading)

    def reloaded(self, *, accepted: bool) -> None:
        """The pool file was read again."""
        self._metrics.reloaded(time.time(), accepted=accepted)
        self._stale = True

    def look(self) -> None:
        """To be called now and then: the pools are counted anew, if anything happened."""
        if self._stale and time.monotonic() >= self._next_count:
            self._stale, self._next_count = False, math.inf
            self.loop.tell(self._count)

    def _count(self, world: World) -> None:
        began = time.monotonic()
        found = usages(world.snapshot(int(self._clock()), "", frozenset()), world.pools)
        self._metrics.pools(found)
        asking = sum(service.is_load_balancer for service in world.services.values())
        pending = Counter(self.loop.stuck.values()).total()
        self._stand = f"{asking} Services, {pending} pending; {_in_use(found)}"
        self._next_count = time.monotonic() + max(POOLS, (time.monotonic() - began) * SHARE)


def _in_use(found: Sequence[PoolUsage]) -> str:
    """How many addresses of each pool are not free; of many pools together."""
    spans = [(one.pool.name, list(one.families.values())) for one in found]
    if len(spans) > POOLS_BY_NAME:
        spans = [(f"{len(spans)} pools", [usage for _, usages in spans for usage in usages])]
    return ", ".join(f"{name}: {_used(usages)}" for name, usages in spans)


def _used(found: Iterable[Usage]) -> str:
    capacity, free = (sum(values) for values in zip(*((u.capacity, u.free) for u in found), strict=True))
    return f"{capacity - free} of {capacity} in use" if capacity < 2**24 else f"{capacity - free} in use"
