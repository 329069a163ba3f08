"""lbctl for admin scripts: look at a cluster, decide, carry it out.

    from lbctl.api import apply, connect, load_pools, plan

    cluster = connect()
    for decision in apply(cluster, plan(cluster.snapshot(), load_pools("pools.yaml"))):
        print(decision.service.key, decision.action, *decision.addresses)

What `__all__` names here is public and keeps to semantic versioning; every other module may change from one release to
the next. It is the command line's own planner and protocol (a plan is the truth): no rule stands here a second time.
Nothing here prints, and nothing ends the process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace

from lbctl import access, planner, pools, rounds
from lbctl.addresses import Address, AddressError, Family
from lbctl.claims import Claim
from lbctl.decisions import Action, Decision, Plan, Snapshot, Wish
from lbctl.errors import ClusterError, LbctlError, PoolFileError
from lbctl.pools import Pool, PoolFile
from lbctl.reasons import Reason
from lbctl.services import Key, Port, Service, parse_addresses

__all__ = [
    "Action",
    "Address",
    "AddressError",
    "Claim",
    "Cluster",
    "ClusterError",
    "Decision",
    "Family",
    "Key",
    "LbctlError",
    "Plan",
    "Pool",
    "PoolFile",
    "PoolFileError",
    "Port",
    "Reason",
    "Select",
    "Service",
    "Snapshot",
    "apply",
    "connect",
    "load_pools",
    "plan",
]

Select = Iterable[str | Key] | Callable[[Service], bool] | None
"""Which Services: names ("namespace/name" or Key), a predicate, or None for every one in scope."""


class Cluster:
    """A cluster at hand; connect() makes it. Keep it as long as the script runs: it knows the script's own writes from
    another run's. One thread at a time may use it."""

    __slots__ = ("_inner",)

    def __init__(self, inner: rounds.Cluster) -> None:
        self._inner = inner

    @property
    def namespace(self) -> str:
        """The namespace of bare names: the context's, in a pod the service account's, else `default`."""
        return self._inner.namespace

    def snapshot(self) -> Snapshot:
        """Look at the whole cluster: `services` by Key, `claims` by address, and `now`, the API server's time in
        seconds since the epoch.

        Four requests, each answered within 30 s or not at all; nothing is written. Raises ClusterError when the
        cluster is out of reach or forbids it.
        """
        return self._inner.snapshot()


def load_pools(path: str | os.PathLike[str]) -> PoolFile:
    """Read a pool file: `pools` in file order, `load_balancer_class`, `pool(name)`, `pool_of(address)`.

    Raises PoolFileError, whose message has every error in the file at its line and column.
    """
    return pools.load_pools(os.fspath(path))


def connect(kubeconfig: str | os.PathLike[str] | None = None, context: str | None = None) -> Cluster:
    """The cluster of a kubeconfig and one of its contexts; without them of KUBECONFIG, ~/.kube/config, or the pod that
    the script runs in, as kubectl looks for it.

    Nothing is asked of the cluster yet. Raises ClusterError when there is no such file or context, or when what it says
    cannot be used. The claims will name the script as their writer.
    """
    command = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
    inner = access.reach(None if kubeconfig is None else os.fspath(kubeconfig), context, command)
    inner.with_namespaces = True  # because the pool file, which may have a namespaceSelector, is not known yet
    return Cluster(inner)


def plan(
    snapshot: Snapshot,
    pools: PoolFile,
    select: Select = None,
    *,
    pool: str | None = None,
    addresses: Iterable[str | Address] = (),
    reassign: bool = False,
) -> Plan:
    """Decide what each selected Service gets; asks and changes nothing. `decisions` are in the snapshot's order.

    `select` None is `lbctl assign --all`: every Service, with Action.SKIP for those that are not lbctl's to act on. A
    predicate narrows that, as `-l` does. Names are `lbctl assign NAMESPACE/NAME`: a Service that was released by hand
    gets an address again only so. A name that is not in the snapshot has no Decision.

    `pool` and `addresses` (at most one a family) are what `--pool` and `--ip` are: asked for once, for each selected
    Service, beside what it asks for itself. `reassign` is `--reassign`: those whose address the pool file would not
    give them now are moved.

    Raises ValueError for a name that is not "namespace/name", AddressError (a ValueError) for what is no address, and
    TypeError when `select` is one string. A Service that cannot have what it asks for is no error: its Decision says
    Action.REFUSE, with a Reason, a sentence and a hint.
    """
    asked = parse_addresses(",".join(map(str, wanted))) if (wanted := list(addresses)) else ()
    wish = Wish(asked, pool) if asked or pool else None
    chosen, named = _selected(snapshot, select), _by_name(select)
    return planner.plan(snapshot, pools, chosen, named=named, wish=wish, reassign=reassign)


def apply(cluster: Cluster, plan: Plan) -> tuple[Decision, ...]:
    """Carry out this plan, once, and say what became of each of its Decisions, in their order.

    Nothing but what the plan says is done, and each write only if the cluster is still as the plan's snapshot saw it.
    Where another run was faster, or the Service has changed since, the Decision comes back with Action.WAIT and
    Reason.BeingAssigned: take a new snapshot, plan again, apply that. A plan applied twice comes back so too.

    Raises ClusterError when the cluster cannot be reached or forbids a write. What was written by then stays, and the
    next plan carries on from there; so it does after a KeyboardInterrupt, or when the process is killed.
    """
    inner = cluster._inner
    # The claims say by which pool file, as those of the command line do; a Cluster may be used with several.
    done = rounds.carry_out(replace(inner, by=f"{inner.by} {plan.digest}".rstrip()), plan)
    return tuple(done.outcome(decision) for decision in plan.decisions)


def _by_name(select: Select) -> bool:
    return select is not None and not callable(select)


def _selected(snapshot: Snapshot, select: Select) -> frozenset[Key] | None:
    if select is None:
        return None
    if isinstance(select, str):
        raise TypeError(f"select is one string; write select=[{select!r}]")
    if callable(select):
        return frozenset(key for key, service in snapshot.services.items() if select(service))
    return frozenset(name if isinstance(name, Key) else _key(name) for name in select)


def _key(name: str) -> Key:
    key = Key.parse(name)
    if not key.namespace or not key.name or "/" in key.name:
        raise ValueError(f"{name!r} is no Service name; write namespace/name")
    return key
