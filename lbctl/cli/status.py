"""lbctl status: who announces each address since when, or why nobody does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbctl.cli import options
from lbctl.cli.output import table
from lbctl.cli.where import Where, with_where

if TYPE_CHECKING:
    from lbctl.l2.standing import Standing, View
    from lbctl.pools import PoolFile
    from lbctl.rounds import Cluster

NOBODY = "<nobody>"


@with_where
def status(where: Where, pools: options.Pools = None) -> None:
    """Say which node announces each address of a Service since when, or why none does."""
    pool_file = options.pools_if_any(pools)
    cluster = where.cluster("status", pool_file)
    view = announcing(cluster, pool_file)
    shown = [one for one in view.all() if where.namespace in (None, *(key.namespace for key in one.services))]
    if not shown:
        where.talk().say("no Service shows an address of lbctl's" if not where.namespace else "no Service there does")
        return
    table(("ADDRESS", "SERVICE", "NODE", "SINCE", "WHY"), [_row(one, view.now) for one in shown])


def announcing(cluster: Cluster, pools: PoolFile) -> View:
    """One look at what the announcers rest on and say. Raises ClusterError."""
    from lbctl.claims import NAMESPACE
    from lbctl.l2.facts import ANNOUNCES_LABEL, LEASE_LABEL
    from lbctl.l2.standing import view

    kube = cluster.kube
    leases = kube.list_leases(NAMESPACE, f"{LEASE_LABEL}=v1")
    return view(
        pools,
        kube.list_services().items,
        kube.list_endpoint_slices().items,
        kube.list_nodes().items,
        leases.items,
        kube.list_leases(NAMESPACE, f"{ANNOUNCES_LABEL}=v1").items,
        leases.date,
    )


def _row(one: Standing, now: float) -> tuple[str, str, str, str, str]:
    from lbctl.ages import lasting

    services = ",".join(map(str, one.services))
    if not one.by:
        return str(one.address), services, NOBODY, "", one.why
    nodes = ",".join(dict.fromkeys(by.node for by in one.by))
    return str(one.address), services, nodes, lasting(now - min(by.since for by in one.by)), ""


def drain(cluster: Cluster, pools: PoolFile, node: str) -> list[tuple[str, str, str, str]]:
    """What a drain of a node would move: address, Services, whereto, and why nowhere. Raises LbctlError."""
    from lbctl.errors import LbctlError

    view = announcing(cluster, pools)
    if node not in view.known.nodes:
        hint = f"there are {', '.join(sorted(view.known.nodes)) or 'none'}"
        raise LbctlError(f"there is no Node {node}", hint=hint)
    return [
        (str(one.address), ",".join(map(str, one.services)), next(iter(after.order), NOBODY), after.why)
        for one, after in view.drained(node)
    ]
