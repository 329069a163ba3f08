"""What `lbctl serve` counts, in the words of Prometheus: one place where names, labels and meanings stand.

The rest of lbctl calls plain methods and knows nothing of prometheus-client, which is imported here alone. Names follow
the Prometheus conventions: the prefix `lbctl_`, base units, `_total` for what only grows. No label holds an address, a
Service or a namespace, so that the number of series is bounded by the pool file and by this module.

Any thread may call anything here.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import prometheus_client
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lbctl import __version__
from lbctl.reasons import Reason
from lbctl.usage import PoolUsage, State, Usage

# Else each counter and histogram has a second series that says when this process started, as
# process_start_time_seconds does for all.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # because it has no types

NO_ANSWER = "none"  # the code of a request that was not answered
FREE = "free"  # the state of an address that nobody has; the others are lbctl.usage's


class Kind(StrEnum):
    """What a metric is; an info is a gauge that is always 1 and says all in its labels."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Described:
    """A metric by the name it is exposed under, its labels, what it says; a histogram's buckets, in seconds."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def stem(self) -> str:
        """The name as prometheus-client wants it: without what it adds by itself."""
        return self.name.removesuffix("_total").removesuffix("_info")


# From a round that only looks (half a millisecond) to one that writes hundreds of statuses.
ROUND = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# From one that is answered at once to one that waits until somebody widens a pool.
PENDING = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)

POOL_ADDRESSES = Described(
    "lbctl_pool_addresses",
    Kind.GAUGE,
    "Addresses that a pool may give to Services, by who has them now; the states add up to the pool's capacity.",
    ("pool", "family", "state"),
)
PENDING_SERVICES = Described(
    "lbctl_pending_services",
    Kind.GAUGE,
    "LoadBalancer Services in scope that lack an address they ask for, by the reason why.",
    ("reason",),
)
PENDING_SECONDS = Described(
    "lbctl_service_pending_seconds",
    Kind.HISTOGRAM,
    "How long a Service lacked an address, from when it was first seen so until its address was published.",
    buckets=PENDING,
)
RECONCILE_SECONDS = Described(
    "lbctl_reconcile_duration_seconds",
    Kind.HISTOGRAM,
    "How long one round took, from planning to the last status written.",
    buckets=ROUND,
)
API_REQUESTS = Described(
    "lbctl_api_requests_total",
    Kind.COUNTER,
    "Requests to the API server, by verb and by the HTTP status of the answer; none where there was no answer.",
    ("verb", "code"),
)
WATCH_RESTARTS = Described(
    "lbctl_watch_restarts_total", Kind.COUNTER, "Watches that ended and were begun again, by the cause.", ("cause",)
)
CLAIM_CONFLICTS = Described(
    "lbctl_claim_conflicts_total",
    Kind.COUNTER,
    "Writes of claims that were lost to another run, and planned again.",
)
RELOADS = Described(
    "lbctl_pool_file_reloads_total",
    Kind.COUNTER,
    "Readings of the pool file after it changed or on SIGHUP: accepted, or refused because it is wrong.",
    ("outcome",),
)
RELOAD_OK = Described(
    "lbctl_pool_file_last_reload_successful",
    Kind.GAUGE,
    "1 when the pool file as it is now is in use; 0 when it was refused and the one before is.",
)
RELOAD_TIME = Described(
    "lbctl_pool_file_last_reload_success_timestamp_seconds",
    Kind.GAUGE,
    "When the pool file in use was read, in seconds since the epoch.",
)
LEADER = Described("lbctl_leader", Kind.GAUGE, "1 when this process is the one that assigns addresses, else 0.")
BUILD = Described(
    "lbctl_build_info", Kind.INFO, "Always 1: the version of lbctl and of Python.", ("version", "python_version")
)

ALL = (
    POOL_ADDRESSES,
    PENDING_SERVICES,
    PENDING_SECONDS,
    RECONCILE_SECONDS,
    API_REQUESTS,
    WATCH_RESTARTS,
    CLAIM_CONFLICTS,
    RELOADS,
    RELOAD_OK,
    RELOAD_TIME,
    LEADER,
    BUILD,
)


class Metrics:
    """One process's metrics, with a registry of their own."""

    def __init__(self) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        self._standing = _Standing()
        self._registry.register(self._standing)
        self._pending_seconds = self._histogram(PENDING_SECONDS)
        self._rounds = self._histogram(RECONCILE_SECONDS)
        self._requests = self._counter(API_REQUESTS)
        self._restarts = self._counter(WATCH_RESTARTS)
        self._conflicts = self._counter(CLAIM_CONFLICTS)
        self._reloads = self._counter(RELOADS)
        for outcome in ("accepted", "refused"):
            self._reloads.labels(outcome)  # so that the first refusal is an increase
        self._reload_ok = self._gauge(RELOAD_OK)
        self._reload_time = self._gauge(RELOAD_TIME)
        self._leader = self._gauge(LEADER)
        prometheus_client.ProcessCollector(registry=self._registry)

    def _histogram(self, what: Described) -> prometheus_client.Histogram:
        return prometheus_client.Histogram(what.stem, what.help, registry=self._registry, buckets=what.buckets)

    def _counter(self, what: Described) -> prometheus_client.Counter:
        return prometheus_client.Counter(what.stem, what.help, what.labels, registry=self._registry)

    def _gauge(self, what: Described) -> prometheus_client.Gauge:
        return prometheus_client.Gauge(what.stem, what.help, what.labels, registry=self._registry)

    def pools(self, usages: Iterable[PoolUsage]) -> None:
        """How each pool is used now; pools that are not among these are no more."""
        self._standing.pools = {
            (one.pool.name, family.value, state): count
            for one in usages
            for family, usage in one.families.items()
            for state, count in _states(usage)
        }

    def pending(self, counts: Mapping[Reason, int]) -> None:
        """How many Services lack an address now, by reason. A reason that was there before stands at 0 from then on."""
        gone = dict.fromkeys(self._standing.pending, 0)
        self._standing.pending = gone | {reason.name: count for reason, count in counts.items()}

    def waited(self, seconds: float) -> None:
        """A Service has its address now, and had lacked it for so long."""
        self._pending_seconds.observe(seconds)

    def round(self, seconds: float) -> None:
        """A round is done."""
        self._rounds.observe(seconds)

    def request(self, verb: str, code: int | None) -> None:
        """A request to the API server; verbs are RBAC's (get, list, watch, create ...), None: it was not answered."""
        self._requests.labels(verb, NO_ANSWER if code is None else str(code)).inc()

    def watch_restarted(self, cause: str) -> None:
        """A watch ended; `cause` is one of a few fixed words."""
        self._restarts.labels(cause).inc()

    def conflict(self) -> None:
        """A claim write was lost to another run."""
        self._conflicts.inc()

    def loaded(self, when: float) -> None:
        """The pool file was read for the first time, at `when` (seconds since the epoch)."""
        self._reload_ok.set(1)
        self._reload_time.set(when)

    def reloaded(self, when: float, *, accepted: bool) -> None:
        """The pool file was read again at `when` (seconds since the epoch)."""
        self._reloads.labels("accepted" if accepted else "refused").inc()
        self._reload_ok.set(accepted)
        if accepted:
            self._reload_time.set(when)

    def leader(self, leading: bool) -> None:
        """Whether this process leads now; one that runs without election does."""
        self._leader.set(leading)

    def exposed(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and body of an answer to a scraper with this Accept header (OpenMetrics, else plain text)."""
        encode, kind = choose_encoder(accept)
        return kind, encode(self._registry)


def _states(usage: Usage) -> Iterator[tuple[str, int]]:
    counts = {
        State.HELD: usage.held,
        State.PARKED: usage.parked,
        State.RELEASED: usage.released,
        State.RESERVED: usage.reserved,
        State.ELSEWHERE: usage.elsewhere,
    }
    if usage.capacity:
        yield from ((state.value, count) for state, count in counts.items())
        yield FREE, usage.free


class _Standing(Collector):
    """What is set as a whole, so that no scrape sees half of it, nor a pool that is gone."""

    def __init__(self) -> None:
        self.pools: Mapping[tuple[str, str, str], int] = {}
        self.pending: Mapping[str, int] = {}

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks for at every scrape."""
        pools = GaugeMetricFamily(POOL_ADDRESSES.stem, POOL_ADDRESSES.help, labels=POOL_ADDRESSES.labels)
        for labels, count in self.pools.items():
            pools.add_metric(labels, count)
        yield pools
        pending = GaugeMetricFamily(PENDING_SERVICES.stem, PENDING_SERVICES.help, labels=PENDING_SERVICES.labels)
        for reason, count in self.pending.items():
            pending.add_metric((reason,), count)
        yield pending
        build: Any = InfoMetricFamily(BUILD.stem, BUILD.help)
        build.add_metric((), {"version": __version__, "python_version": platform.python_version()})
        yield build
