"""Metrics as a scraper reads them: true, named after the conventions, documented, and bounded in number."""

from __future__ import annotations

import re
import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from lbctl import metrics as room
from lbctl.addresses import AddressSet, Family, Range
from lbctl.announcer_metrics import ALL as ANNOUNCERS
from lbctl.announcer_metrics import AnnouncerMetrics, Asked
from lbctl.l2.actions import Kind as Happened
from lbctl.l2.actions import Report, Why
from lbctl.metrics import ALL, Kind, Metrics
from lbctl.pools import Pool
from lbctl.reasons import Reason
from lbctl.usage import PoolUsage, Usage
from tests.docs.metrics import OF_THE_PROCESS, RULES, STATES

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def pool(name: str) -> Pool:
    """A pool of eight IPv4 addresses."""
    first = int(ip_address("192.0.2.8"))
    return Pool(name, AddressSet.of([Range(Family.IPV4, first, first + 7)]))


def usage(name: str = "lan", *, capacity: int = 8) -> PoolUsage:
    """Eight addresses, of which one is of each state but free; and none of IPv6."""
    numbers = Usage(capacity, 1, 1, 1, 1, 1, None)
    return PoolUsage(pool(name), (), {Family.IPV4: numbers, Family.IPV6: Usage(0, 0, 0, 0, 0, 0, None)})


def everything() -> Metrics:
    """Metrics in which every method has been called."""
    metrics = Metrics()
    metrics.pools([usage()])
    metrics.pending({Reason.PoolExhausted: 2})
    metrics.waited(0.2)
    metrics.round(0.004)
    metrics.request("list", 200)
    metrics.request("patch", None)
    metrics.watch_restarted("gone")
    metrics.conflict()
    metrics.loaded(1772452800)
    metrics.reloaded(1772452860, accepted=True)
    metrics.leader(True)
    return metrics


def series(metrics: Metrics | AnnouncerMetrics) -> Series:
    """Every sample by its name and labels, as prometheus-client's parser reads them."""
    _, body = metrics.exposed()
    found = [s for family in plain(body.decode()) for s in family.samples]
    assert len({(s.name, frozenset(s.labels.items())) for s in found}) == len(found), "a series is there twice"
    return {(s.name, frozenset(s.labels.items())): s.value for s in found}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One sample; None when there is none."""
    return series(metrics).get((name, frozenset(labels.items())))


def test_how_a_pool_is_used() -> None:
    """Its states add up to its capacity; a family that it has no addresses of is not there."""
    metrics = everything()
    found = {
        dict(labels)["state"]: n for (name, labels), n in series(metrics).items() if name == "lbctl_pool_addresses"
    }
    assert found == {"held": 1, "parked": 1, "released": 1, "reserved": 1, "elsewhere": 1, "free": 3}
    assert value(metrics, "lbctl_pool_addresses", pool="lan", family="IPv4", state="free") == 3


def test_a_pool_that_is_gone_is_gone_from_the_metrics() -> None:
    """Whatever name it had; and a /64 is no trouble."""
    metrics = everything()
    odd = 'a"b\\c\nd'
    metrics.pools([usage(odd, capacity=2**64)])
    names = {dict(labels)["pool"] for (name, labels) in series(metrics) if name == "lbctl_pool_addresses"}
    assert names == {odd}
    assert value(metrics, "lbctl_pool_addresses", pool=odd, family="IPv4", state="free") == pytest.approx(2**64)


def test_pending_services_by_reason() -> None:
    """A reason that no Service has any more says 0, so that an alert sees it end."""
    metrics = everything()
    metrics.pending({Reason.NoMatchingPool: 1})
    assert value(metrics, "lbctl_pending_services", reason="NoMatchingPool") == 1
    assert value(metrics, "lbctl_pending_services", reason="PoolExhausted") == 0
    assert value(metrics, "lbctl_pending_services", reason="Assigned") is None


def test_times_are_histograms() -> None:
    """In seconds."""
    metrics = everything()
    metrics.waited(90000)
    assert value(metrics, "lbctl_service_pending_seconds_bucket", le="0.25") == 1
    assert value(metrics, "lbctl_service_pending_seconds_bucket", le="86400.0") == 1
    assert value(metrics, "lbctl_service_pending_seconds_bucket", le="+Inf") == 2
    assert value(metrics, "lbctl_service_pending_seconds_sum") == pytest.approx(90000.2)
    assert value(metrics, "lbctl_reconcile_duration_seconds_bucket", le="0.0025") == 0
    assert value(metrics, "lbctl_reconcile_duration_seconds_bucket", le="0.005") == 1


def test_what_is_counted() -> None:
    """Requests by verb and code, watches by cause, conflicts."""
    metrics = everything()
    metrics.request("list", 200)
    metrics.conflict()
    assert value(metrics, "lbctl_api_requests_total", verb="list", code="200") == 2
    assert value(metrics, "lbctl_api_requests_total", verb="patch", code="none") == 1
    assert value(metrics, "lbctl_watch_restarts_total", cause="gone") == 1
    assert value(metrics, "lbctl_claim_conflicts_total") == 2


def test_a_refused_pool_file_shows_until_it_is_right_again() -> None:
    """The time stays that of the file in use."""
    metrics = Metrics()
    assert value(metrics, "lbctl_pool_file_reloads_total", outcome="refused") == 0
    metrics.loaded(100)
    metrics.reloaded(200, accepted=False)
    found = [
        value(metrics, "lbctl_pool_file_last_reload_successful"),
        value(metrics, "lbctl_pool_file_last_reload_success_timestamp_seconds"),
        value(metrics, "lbctl_pool_file_reloads_total", outcome="refused"),
    ]
    assert found == [0, 100, 1]
    metrics.reloaded(300, accepted=True)
    assert value(metrics, "lbctl_pool_file_last_reload_successful") == 1
    assert value(metrics, "lbctl_pool_file_last_reload_success_timestamp_seconds") == 300


def test_who_leads() -> None:
    """1 or 0, and 0 before it is known."""
    metrics = Metrics()
    assert value(metrics, "lbctl_leader") == 0
    metrics.leader(True)
    assert value(metrics, "lbctl_leader") == 1
    metrics.leader(False)
    assert value(metrics, "lbctl_leader") == 0


def test_two_are_apart() -> None:
    """Each has a registry of its own; nothing is global."""
    one, other = Metrics(), Metrics()
    one.conflict()
    assert (value(one, "lbctl_claim_conflicts_total"), value(other, "lbctl_claim_conflicts_total")) == (1, 0)


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"])
def test_prometheus_client_s_own_parsers_read_it(accept: str) -> None:
    """Plain text for who says nothing, OpenMetrics for who asks; the same metrics in both."""
    kind, body = everything().exposed(accept)
    parse: Any = open_metrics if kind.startswith("application/openmetrics-text") else plain
    assert kind.startswith("application/openmetrics-text" if "openmetrics" in accept else "text/plain")
    families = {family.name for family in parse(body.decode())}
    assert families >= {metric.stem.removesuffix("_info") for metric in ALL if metric.kind is not Kind.INFO}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="NOT RUN: there is no promtool (Debian: prometheus)")
def test_promtool_has_nothing_to_say() -> None:
    """It knows the conventions."""
    _, body = everything().exposed()
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="NOT RUN: there is no promtool (Debian: prometheus)")
def test_promtool_takes_the_alerts_of_the_page(tmp_path: Path) -> None:
    """They can be used as they stand."""
    (tmp_path / "rules.yaml").write_text(RULES)
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yaml"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


def test_the_alerts_name_metrics_that_there_are() -> None:
    """And labels too."""
    names = {metric.name for metric in (*ALL, *ANNOUNCERS)}
    for expression in re.findall(r"expr: (.*)", RULES):
        assert set(re.findall(r"lbctl_\w+", expression)) <= names
        for label in re.findall(r"by \(([^)]*)\)", expression):
            assert set(label.split(", ")) <= {label for metric in ALL for label in metric.labels}


@pytest.mark.parametrize("metric", dict.fromkeys((*ALL, *ANNOUNCERS)), ids=lambda metric: metric.name)
def test_a_name_follows_the_conventions(metric: room.Described) -> None:
    """Prefix, base units, `_total` for counters and for nothing else, no colons, one sentence of help."""
    assert re.fullmatch(r"lbctl_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.name.endswith("_info") == (metric.kind is Kind.INFO)
    assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith("_seconds")
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert not re.search("milli|micro|minutes|_ms|percent", metric.name)
    assert metric.help.endswith(".")


def test_every_metric_is_documented() -> None:
    """What a scraper finds, not only what the table says; nothing is documented that there is not."""
    text = PAGE.read_text()
    _, body = everything().exposed()
    scraped = {line.split()[2] for line in body.decode().splitlines() if line.startswith("# TYPE")}
    assert [name for name in sorted(scraped) if f"`{name}`" not in text] == []
    assert set(re.findall(r"`((?:lbctl|process)_\w+)`", text)) == {m.name for m in (*ALL, *ANNOUNCERS)} | set(
        OF_THE_PROCESS
    )
    assert scraped >= {metric.name for metric in ALL}


def announcer() -> AnnouncerMetrics:
    """An announcer's metrics in which every method has been called."""
    asked = Asked(
        addresses=lambda: {"eth0": 3},
        replies=lambda: {"eth0": (5, 2)},
        gratuitous=lambda: {"eth0": 7},
        unannounced=lambda: 1,
        restarts=lambda: 0,
        renewed=lambda: 4.5,
    )
    metrics = AnnouncerMetrics(asked)
    for kind in Happened:
        metrics.report(Report(kind, "eth0", why=Why.SILENCE))
    metrics.request("list", 200)
    metrics.watch_restarted("gone")
    return metrics


def test_an_announcer_counts_by_interface() -> None:
    """What is asked for at the scrape and what was counted, by interface and never by address."""
    eth0 = ("interface", "eth0")
    found = series(announcer())
    assert found["lbctl_announcer_addresses", frozenset({eth0})] == 3
    assert found["lbctl_announcer_replies_total", frozenset({eth0, ("protocol", "arp")})] == 5
    assert found["lbctl_announcer_replies_total", frozenset({eth0, ("protocol", "ndp")})] == 2
    assert found["lbctl_announcer_gratuitous_total", frozenset({eth0})] == 7
    assert found["lbctl_announcer_takeovers_total", frozenset({eth0, ("why", "silence")})] == 1
    assert found["lbctl_announcer_yields_total", frozenset({eth0, ("why", "silence")})] == 2
    assert found["lbctl_announcer_conflicts_total", frozenset({eth0})] == 2
    assert found["lbctl_announcer_stalls_total", frozenset()] == 1
    assert found["lbctl_announcer_seconds_since_renewal", frozenset()] == 4.5
    _, body = announcer().exposed()
    scraped = {line.split()[2] for line in body.decode().splitlines() if line.startswith("# TYPE")}
    assert scraped >= {metric.name for metric in ANNOUNCERS}


def test_every_state_is_documented() -> None:
    """Those that a pool's addresses are counted by."""
    found = {dict(labels)["state"] for (name, labels) in series(everything()) if name == "lbctl_pool_addresses"}
    assert found == {str(state) for state in STATES}


def test_no_label_grows_with_the_cluster() -> None:
    """Each label's values come from the pool file, the API's words or this code."""
    bounded = {"pool", "family", "state", "reason", "verb", "code", "cause", "outcome", "version", "python_version"}
    assert {label for metric in ALL for label in metric.labels} == bounded
    more = {label for metric in ANNOUNCERS for label in metric.labels} - bounded
    assert more == {"interface", "protocol", "why"}
