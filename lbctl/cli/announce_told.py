"""Who hears of what `lbctl arp-announce` does: the log, Events and metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lbctl.l2.actions import Kind, Report, Why
from lbctl.l2.election import order
from lbctl.l2.frames import mac_text
from lbctl.logs import Level, Log
from lbctl.reasons import Reason

if TYPE_CHECKING:
    from lbctl.addresses import Address
    from lbctl.announcer_metrics import AnnouncerMetrics
    from lbctl.kube.events import Events
    from lbctl.kube.events import Kind as Weight
    from lbctl.l2.eligible import Candidacy, Eligibility
    from lbctl.l2.facts import Exposed

PATIENCE = 5.0  # seconds that nobody may announce an address before it is said: pods start, and nodes come and go

# What a Report says, and how much it matters.
SENTENCES = {
    Kind.ANNOUNCING: (Level.INFO, "the address is announced from here"),
    Kind.YIELDED: (Level.INFO, "another announcer has the address, and this one is silent"),
    Kind.LEFT: (Level.INFO, "the address is no longer announced from here"),
    Kind.CONFLICT: (Level.WARNING, "a machine that is no announcer claims the address"),
    Kind.REFUSED: (Level.WARNING, "a machine that is no announcer has the address, so it is not announced from here"),
    Kind.CUT_OFF: (Level.WARNING, "no other announcer has been heard for a second"),
    Kind.STALLED: (Level.WARNING, "this process stood still, and asks before it answers again"),
}
TO_A_STRANGER = (Level.WARNING, "a machine that is no announcer has the address, and this one is silent")
REASONS = {
    Kind.ANNOUNCING: Reason.Announced,
    Kind.CONFLICT: Reason.AddressInUseOnLan,
    Kind.REFUSED: Reason.AddressInUseOnLan,
}


def log_report(log: Log, report: Report) -> None:
    """A line of the log."""
    level, sentence = SENTENCES[report.kind]
    reason = REASONS.get(report.kind)
    if (report.kind, report.why) == (Kind.YIELDED, Why.STRANGER):  # of which CONFLICT has just made an Event
        (level, sentence), reason = TO_A_STRANGER, Reason.AddressInUseOnLan
    fields = {
        "address": report.address,
        "interface": report.interface or None,
        "why": report.why.value if report.why else None,
        "mac": mac_text(report.mac) if report.mac else None,
        "peer": report.peer or None,
        "reason": reason.name if reason else None,
    }
    log.log(level, sentence, {name: value for name, value in fields.items() if value is not None})


@dataclass(slots=True)
class _Idle:
    """An address that nobody may announce: since when, why, and whether that was said."""

    since: float
    why: str
    services: Sequence[Exposed]
    mine: bool
    said: bool = False


class Told:
    """Passes on what happens on the wire, and which addresses nobody may announce; the latter once for each reason."""

    def __init__(
        self,
        node: str,
        log: Log,
        events: Events,
        wall: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.metrics: AnnouncerMetrics | None = None
        self._node = node
        self._log = log
        self._events = events
        self._wall = wall  # the API server's, in seconds since the epoch
        self._clock = clock
        self._lock = threading.Lock()  # guards what follows
        self._services: dict[Address, Sequence[Exposed]] = {}
        self._idle: dict[Address, _Idle] = {}

    def report(self, report: Report) -> None:
        """Something happened on the wire."""
        log_report(self._log, report)
        if self.metrics is not None:
            self.metrics.report(report)
        reason = REASONS.get(report.kind)
        if reason is None or report.address is None:
            return
        with self._lock:
            services = self._services.get(report.address, ())
        if reason is Reason.Announced:
            self._tell(services, "Normal", reason, f"{self._node} announces {report.address} on {report.interface}")
        else:
            mac = mac_text(report.mac) if report.mac else "unknown"
            words = f"the machine with MAC {mac} has {report.address} too, seen by {self._node} on {report.interface}"
            self._tell(services, "Warning", reason, words)

    def judged(
        self,
        address: Address,
        services: Sequence[Exposed],
        candidacy: Candidacy | None,
        known: Eligibility,
    ) -> None:
        """Who may announce an address by now. Of those who know that nobody may, one says so."""
        with self._lock:
            if services:
                self._services[address] = services
            else:
                self._services.pop(address, None)
            if candidacy is None or not candidacy.why:
                self._idle.pop(address, None)
                return
            before = self._idle.get(address)
            speakers = order([n for n, p in known.presences.items() if not p.left], address)
            mine = speakers[:1] == (self._node,)
            if before is None or before.why != candidacy.why:
                since = before.since if before else self._clock()
                self._idle[address] = _Idle(since, candidacy.why, services, mine)
            else:
                before.services, before.mine = services, mine

    def unannounced(self) -> int:
        """How many addresses nobody may announce."""
        with self._lock:
            return len(self._idle)

    def look(self) -> None:
        """To be called now and then: says of what nobody may announce why."""
        with self._lock:
            now = self._clock()
            late = [(a, one) for a, one in self._idle.items() if not one.said and now - one.since >= PATIENCE]
            for _, one in late:
                one.said = True
        for address, one in late:
            reason = Reason.NotAnnounced
            self._log.warning(f"nobody may announce it: {one.why}", address=address, reason=reason.name)
            if one.mine:
                self._tell(one.services, "Warning", reason, f"{address} is not announced: {one.why}")

    def _tell(self, services: Sequence[Exposed], kind: Weight, reason: Reason, words: str) -> None:
        for exposed in services:
            self._events.tell(exposed.service, kind, reason, words, int(self._wall()))
