"""docs/metrics.md: every metric of lbctl serve, from the table that makes them."""

from __future__ import annotations

from lbctl.announcer_metrics import ALL as ANNOUNCERS
from lbctl.metrics import ALL, FREE, Described, Kind
from lbctl.usage import State
from tests.docs.markdown import code, page, table

OF_THE_PROCESS = {
    "process_cpu_seconds_total": "User and system CPU time.",
    "process_resident_memory_bytes": "Memory that is resident.",
    "process_virtual_memory_bytes": "Memory that is mapped.",
    "process_open_fds": "Open file descriptors.",
    "process_max_fds": "The limit of those.",
    "process_start_time_seconds": "When the process started, in seconds since the epoch.",
}

STATES = {
    State.HELD: "a Service has it",
    State.PARKED: "it was released by hand and is kept for its Service",
    State.RELEASED: "its Service is gone, and it lingers",
    State.RESERVED: "the pool file keeps it for a Service that has it not",
    State.ELSEWHERE: "something that lbctl holds no claim for uses it, or its block of claims cannot be read",
    FREE: "nobody has it",
}


def metrics_page() -> str:
    """The page."""
    return page(
        "Metrics",
        HEAD,
        table(("metric", "type", "labels", "what it says"), map(_row, ALL)),
        LABELS,
        table(("`state`", "of an address"), ((f"`{state!s}`", words) for state, words in STATES.items())),
        "## Buckets",
        table(("histogram", "upper bounds, in seconds"), ((f"`{m.name}`", _bounds(m)) for m in ALL if m.buckets)),
        "## Of announcers",
        OF_ANNOUNCERS,
        table(("metric", "type", "labels", "what it says"), map(_row, ANNOUNCERS)),
        "## Of the process",
        "On Linux, as every program that uses a Prometheus client has them.",
        table(("metric", "what it says"), ((f"`{name}`", words) for name, words in OF_THE_PROCESS.items())),
        "## Alerts to start from",
        ALERTS,
        code(RULES, "yaml"),
    )


def _row(metric: Described) -> tuple[str, str, str, str]:
    kind = "gauge" if metric.kind is Kind.INFO else metric.kind.value
    return f"`{metric.name}`", kind, ", ".join(f"`{label}`" for label in metric.labels), metric.help


def _bounds(metric: Described) -> str:
    return ", ".join(f"{bound:g}" for bound in metric.buckets)


HEAD = """\
lbctl serve answers at `/metrics` in the text format of Prometheus, and in OpenMetrics to who asks for it. No label
holds an address, a Service or a namespace: how many series there are depends on the pool file alone."""

LABELS = """\
`reason` is one of the [reasons](reasons.md); one that was seen stays, at 0 when no Service has it any more. `verb` is
RBAC's: `get`, `list`, `watch`, `create`, `update`, `patch`. `family` is `IPv4` or `IPv6`. `state` says who has an
address of a pool:"""

OF_ANNOUNCERS = """\
lbctl arp-announce answers at `/metrics` too, by itself at 127.0.0.1:9656. `interface` is one of the node's, `protocol`
is `arp` or `ndp`. `why` is one of a few words: `unclaimed` (asked, and nobody answered), `silence` (the owner fell
silent), `handover` (the owner may no longer, or ends), `unreachable` (the owner has lost the API server), `duplicate`
(two announced it), `forced`; and of yields `stranger` (another machine has it), `duty` (this node may no longer),
`link`, `stall`, `stop`."""

ALERTS = """\
Every replica reports what it sees of pools and Services, whether it leads or not: hence `max` and `min`, no sums."""

RULES = """\
groups:
- name: lbctl
  rules:
  - alert: LbctlHasNoLeader
    expr: sum(lbctl_leader) < 1
    for: 1m
  - alert: LbctlPoolFileRefused
    expr: lbctl_pool_file_last_reload_successful == 0
    for: 5m
  - alert: LbctlPoolAlmostFull
    expr: min by (pool, family) (lbctl_pool_addresses{state="free"}) < 5
    for: 15m
  - alert: LbctlAddressNotAnnounced
    expr: max(lbctl_announcer_unannounced_addresses) > 0
    for: 5m
  - alert: LbctlAddressConflict
    expr: sum(increase(lbctl_announcer_conflicts_total[10m])) > 0
  - alert: LbctlAnnouncerCutOff
    expr: lbctl_announcer_seconds_since_renewal > 60
    for: 1m
  - alert: LbctlServicesPending
    expr: max by (reason) (lbctl_pending_services) > 0
    for: 15m
"""
