"""Who hears of what `lbctl serve` does: the log, Events and metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from lbctl.ages import seconds_of
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
from lbctl.usage import usages
from lbctl.world import World

POOLS = 30.0  # seconds between two counts of the pools, which look at every claim


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
        self._counted = 0.0

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
        {"info": self._log.info, "warning": self._log.warning, "error": self._log.error}[level](sentence)

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
        if self._stale and time.monotonic() - self._counted >= POOLS:
            self._stale, self._counted = False, time.monotonic()
            self.loop.tell(self._count)

    def _count(self, world: World) -> None:
        look = world.snapshot(int(self._clock()), "", frozenset())
        self._metrics.pools(usages(look, world.pools))
