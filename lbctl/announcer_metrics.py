"""What `lbctl arp-announce` counts, as metrics.py has it for `lbctl serve`.

Labels are interfaces and a few fixed words: no address, no Service, so that the number of series does not depend on the
cluster. What others know at any moment is asked for when somebody scrapes.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lbctl import __version__
from lbctl.l2.actions import Kind as Happened
from lbctl.l2.actions import Report
from lbctl.metrics import API_REQUESTS, BUILD, NO_ANSWER, WATCH_RESTARTS, Described, Kind

ADDRESSES = Described(
    "lbctl_announcer_addresses", Kind.GAUGE, "Addresses that this node answers for now.", ("interface",)
)
UNANNOUNCED = Described(
    "lbctl_announcer_unannounced_addresses",
    Kind.GAUGE,
    "Addresses of Services that no node at all may announce now; every node reports the same.",
)
REPLIES = Described(
    "lbctl_announcer_replies_total",
    Kind.COUNTER,
    "Questions of the LAN that were answered: arp requests and ndp solicitations.",
    ("interface", "protocol"),
)
GRATUITOUS = Described(
    "lbctl_announcer_gratuitous_total",
    Kind.COUNTER,
    "Frames sent unasked, so that the LAN learns where an address is.",
    ("interface",),
)
CONFLICTS = Described(
    "lbctl_announcer_conflicts_total",
    Kind.COUNTER,
    "Machines that are no announcers and claim an address that is, or would be, announced here.",
    ("interface",),
)
TAKEOVERS = Described(
    "lbctl_announcer_takeovers_total",
    Kind.COUNTER,
    "Times that this node began to answer for an address, by why.",
    ("interface", "why"),
)
YIELDS = Described(
    "lbctl_announcer_yields_total",
    Kind.COUNTER,
    "Times that this node ceased to answer for an address, by why.",
    ("interface", "why"),
)
STALLS = Described(
    "lbctl_announcer_stalls_total",
    Kind.COUNTER,
    "Times that this process stood still for so long that it asked before it answered again.",
)
RESTARTS = Described(
    "lbctl_announcer_responder_restarts_total",
    Kind.COUNTER,
    "Times that the process that answers had to be begun anew.",
)
RENEWED = Described(
    "lbctl_announcer_seconds_since_renewal",
    Kind.GAUGE,
    "Seconds since this node's Lease was renewed; since the start, where it has not been yet.",
)

ALL = (
    ADDRESSES,
    UNANNOUNCED,
    REPLIES,
    GRATUITOUS,
    CONFLICTS,
    TAKEOVERS,
    YIELDS,
    STALLS,
    RESTARTS,
    RENEWED,
    API_REQUESTS,
    WATCH_RESTARTS,
    BUILD,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for at a scrape: addresses, ARP and NDP answers, and frames sent unasked by interface; addresses
    that nobody may announce; restarts of the responder; seconds since the Lease was renewed."""

    addresses: Callable[[], Mapping[str, int]]
    replies: Callable[[], Mapping[str, tuple[int, int]]]
    gratuitous: Callable[[], Mapping[str, int]]
    unannounced: Callable[[], int]
    restarts: Callable[[], int]
    renewed: Callable[[], float]


class AnnouncerMetrics:
    """One announcer's metrics, with a registry of their own; any thread may call anything here."""

    def __init__(self, asked: Asked) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        self._registry.register(_Asking(asked))
        self._conflicts = self._counter(CONFLICTS)
        self._takeovers = self._counter(TAKEOVERS)
        self._yields = self._counter(YIELDS)
        self._stalls = self._counter(STALLS)
        self._requests = self._counter(API_REQUESTS)
        self._watches = self._counter(WATCH_RESTARTS)
        prometheus_client.ProcessCollector(registry=self._registry)

    def _counter(self, what: Described) -> prometheus_client.Counter:
        return prometheus_client.Counter(what.stem, what.help, what.labels, registry=self._registry)

    def report(self, report: Report) -> None:
        """Something happened on the wire."""
        why = report.why.value if report.why else ""
        match report.kind:
            case Happened.ANNOUNCING:
                self._takeovers.labels(report.interface, why).inc()
            case Happened.YIELDED | Happened.LEFT:
                self._yields.labels(report.interface, why).inc()
            case Happened.CONFLICT | Happened.REFUSED:
                self._conflicts.labels(report.interface).inc()
            case Happened.STALLED:
                self._stalls.inc()

    def request(self, verb: str, code: int | None) -> None:
        """A request to the API server, as in metrics.py."""
        self._requests.labels(verb, NO_ANSWER if code is None else str(code)).inc()

    def watch_restarted(self, cause: str) -> None:
        """A watch ended."""
        self._watches.labels(cause).inc()

    def exposed(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and body of an answer to a scraper with this Accept header."""
        encode, kind = choose_encoder(accept)
        return kind, encode(self._registry)


class _Asking(Collector):
    """Asks at every scrape."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client calls."""
        asked = self._asked
        yield _gauge(ADDRESSES, {(name,): count for name, count in asked.addresses().items()})
        yield _gauge(UNANNOUNCED, {(): asked.unannounced()})
        yield _gauge(RENEWED, {(): asked.renewed()})
        replies = asked.replies()
        answered = {(n, p): counts[at] for n, counts in replies.items() for at, p in enumerate(("arp", "ndp"))}
        yield _counter(REPLIES, {(*labels,): count for labels, count in answered.items()})
        yield _counter(GRATUITOUS, {(name,): count for name, count in asked.gratuitous().items()})
        yield _counter(RESTARTS, {(): asked.restarts()})
        build: Any = InfoMetricFamily(BUILD.stem, BUILD.help)
        build.add_metric((), {"version": __version__, "python_version": platform.python_version()})
        yield build


def _gauge(what: Described, values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(what.stem, what.help, labels=what.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _counter(what: Described, values: Mapping[tuple[str, ...], float]) -> Metric:
    family = CounterMetricFamily(what.stem, what.help, labels=what.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
