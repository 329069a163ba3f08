"""A script as mypy sees it: the types that lbctl.api promises (test_typing.py, and make lint)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

from lbctl import api


def look(cluster: api.Cluster) -> None:
    """What a Snapshot shows."""
    assert_type(cluster.namespace, str)
    snapshot = cluster.snapshot()
    assert_type(snapshot, api.Snapshot)
    assert_type(snapshot.now, int)
    assert_type(snapshot.services, Mapping[api.Key, api.Service])
    assert_type(snapshot.claims, tuple[api.Claim, ...])
    for key, service in snapshot.services.items():
        assert_type(key.namespace, str)
        assert_type(service.status, tuple[api.Address, ...])
        assert_type(service.foreign_status, tuple[str, ...])
        assert_type(service.pending, bool)
        assert_type(service.created, str)
        assert_type(service.class_name, str | None)
        assert_type(service.ports, tuple[api.Port, ...])
    for claim in snapshot.claims:
        assert_type(claim.address, api.Address)
        assert_type(claim.state, str)
        assert_type(claim.pool, str)
        assert_type(claim.since, int)
        assert_type(claim.by, str)
        assert_type([holder.key for holder in claim.holders], list[api.Key])
        assert_type(claim.last.key if claim.last else None, api.Key | None)


def work() -> None:
    """The whole way, with every form of every argument."""
    cluster = assert_type(api.connect(), api.Cluster)
    api.connect("kubeconfig")
    api.connect(kubeconfig=Path("kubeconfig"), context="admin")
    pools = assert_type(api.load_pools("pools.yaml"), api.PoolFile)
    assert_type(pools.pools, tuple[api.Pool, ...])
    assert_type(api.load_pools(Path("pools.yaml")).pool("lan"), api.Pool | None)
    snapshot = cluster.snapshot()
    api.plan(snapshot, pools, select=None)
    api.plan(snapshot, pools, {api.Key("default", "web")}, pool="lan")
    api.plan(snapshot, pools, select=lambda service: service.key.namespace == "prod")
    planned = api.plan(snapshot, pools, ["default/web"], addresses=["192.0.2.210"])
    assert_type(planned, api.Plan)
    assert_type(planned.decisions, tuple[api.Decision, ...])
    for decision in assert_type(api.apply(cluster, planned), tuple[api.Decision, ...]):
        assert_type(decision.service, api.Service)
        assert_type(decision.action, api.Action)
        assert_type(decision.reason, api.Reason)
        assert_type(decision.addresses, tuple[api.Address, ...])
        assert_type(decision.claims, Mapping[api.Address, str])
        assert_type(decision.satisfied, bool)
        assert_type(decision.writes, bool)
        assert_type(decision.sentence, str)
        assert_type(decision.hint, str)


def fail() -> None:
    """What an error says."""
    try:
        work()
    except (api.PoolFileError, api.ClusterError) as error:
        assert_type(error.message, str)
        assert_type(error.hint, str)
        assert_type(error.reason, api.Reason | None)
