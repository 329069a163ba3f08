"""Who may announce an address, and why each other node may not: what the API says, kept as it changes.

One rule an entry of Bar, in the order in which they are looked at. The order among those who may is election.order's;
who of them is alive, and so announces, the wire says and not the API (DESIGN section 7). Pure: no clock, no I/O. It is
kept by one thread, and costs for a change what the addresses cost that the change concerns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from lbctl.addresses import Address, family_of
from lbctl.keys import Key
from lbctl.l2.actions import Duty, OnConflict
from lbctl.l2.election import order
from lbctl.l2.facts import EXCLUDE, Exposed, Network, Node, Presence, Slice
from lbctl.pools import Pool, PoolFile


class Bar(Enum):
    """Why a node may not announce an address: what is true of it, and what to do about it."""

    NO_ANNOUNCER = ("runs no announcer", "start lbctl arp-announce there")
    LAPSED = (
        "has let its announcer's Lease run out",
        "look at lbctl arp-announce there: it has ended, or does not reach the API server",
    )
    NO_NODE = ("is no Node of the cluster", "give its announcer the Node's name with --node-name")
    NOT_READY = ("is not Ready", "kubectl describe node says why")
    NO_NETWORK = ("has no network (NetworkUnavailable)", "kubectl describe node says why")
    EXCLUDED = (
        f"is labelled {EXCLUDE}",
        f"kubectl label node NODE {EXCLUDE}- or start the announcers with --ignore-exclude-label",
    )
    NOT_SELECTED = ("is not selected by the pool", "change nodeSelector in the pool file, or label the node")
    NO_INTERFACE = (
        "has no interface on its subnet",
        "give the node an address of that subnet, or name interfaces in the pool file",
    )
    NO_ENDPOINT = (
        "has no endpoint of the Service, whose externalTrafficPolicy is Local",
        "wait until a pod of it is ready there, or use externalTrafficPolicy Cluster",
    )

    def words(self, nodes: int) -> str:
        """What goes after the name of one node, or the names of several."""
        verb, _, rest = self.value[0].partition(" ")
        return f"{verb if nodes == 1 else _PLURAL[verb]} {rest}"

    @property
    def hint(self) -> str:
        """What to do about it."""
        return self.value[1]


_PLURAL = {"is": "are", "has": "have", "runs": "run"}
NOBODY = "there is no announcer"
NO_ENDPOINTS = "no Service on it has a ready endpoint"
EXCLUDED_ALL = "every node that could announce it is labelled " + EXCLUDE


@dataclass(frozen=True, slots=True)
class Candidacy:
    """One address: the Services that show it, who may announce it (best first), and why each other node may not.

    `idle` when no Service on it has an endpoint: then nobody may, and the nodes are not looked at. `excluded` when
    there would be candidates but for the label that excludes nodes.
    """

    address: Address
    services: tuple[Key, ...]
    order: tuple[str, ...] = ()
    barred: Mapping[str, Bar] = field(default_factory=dict)
    idle: bool = False
    excluded: bool = False

    @property
    def why(self) -> str:
        """Why nobody may announce it, as a sentence; empty when somebody may."""
        if self.order:
            return ""
        if self.idle:
            return NO_ENDPOINTS
        if self.excluded:
            return EXCLUDED_ALL
        return "; ".join(words for _, words in self.grouped()) or NOBODY

    @property
    def hint(self) -> str:
        """What to do about that; empty when there is nothing to do."""
        if self.order:
            return ""
        if self.idle:
            return "kubectl get endpointslices shows who serves it; it is announced as soon as a pod is ready"
        if self.excluded:
            return Bar.EXCLUDED.hint
        bars = [bar for bar, _ in self.grouped()] or [Bar.NO_ANNOUNCER]
        return next((bar for bar in reversed(Bar) if bar in bars), bars[0]).hint

    def grouped(self) -> list[tuple[Bar, str]]:
        """The nodes that may not, by why, in words; by the order of the rules."""
        by: dict[Bar, list[str]] = defaultdict(list)
        for node, bar in self.barred.items():
            by[bar].append(node)
        return [(bar, f"{_names(sorted(by[bar]))} {bar.words(len(by[bar]))}") for bar in Bar if bar in by]


def _names(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@dataclass(slots=True)
class _Base:
    """What holds of the nodes for every address of a pool."""

    fit: frozenset[str]
    barred: Mapping[str, Bar]
    named: frozenset[str] | None  # of those with an interface that the pool names; None when it names none


class Eligibility:
    """All that the API says. Each method that takes something in returns nothing; `drain` says what to judge again."""

    def __init__(self, pools: PoolFile, *, ignore_exclude_label: bool = False) -> None:
        self.pools = pools
        self.services: dict[Key, Exposed] = {}
        self.nodes: dict[str, Node] = {}
        self.presences: dict[str, Presence] = {}
        self._lapsed: frozenset[str] = frozenset()
        self._ignore_label = ignore_exclude_label
        self._slices: dict[Key, dict[Key, Slice]] = defaultdict(dict)
        self._slice_of: dict[Key, Key] = {}
        self._shown: dict[Address, set[Key]] = defaultdict(set)
        self._bases: dict[str | None, _Base] = {}
        self._subnets: dict[Network, frozenset[str]] = {}
        self._dirty: set[Address] = set()

    # What comes in.

    def use_pools(self, pools: PoolFile) -> None:
        """Another pool file."""
        self.pools = pools
        before = set(self._shown)
        self._shown.clear()
        for key, exposed in self.services.items():
            for address in exposed.addresses(pools):
                self._shown[address].add(key)
        self._dirty |= before
        self._anew()

    def put_service(self, key: Key, exposed: Exposed | None) -> None:
        """A Service as it is now; None when it is gone."""
        before = self.services.pop(key, None)
        if exposed is not None:
            self.services[key] = exposed
        old = set(before.addresses(self.pools)) if before else set()
        new = set(exposed.addresses(self.pools)) if exposed else set()
        for address in old - new:
            self._shown[address].discard(key)
            if not self._shown[address]:
                del self._shown[address]
        for address in new:
            self._shown[address].add(key)
        changed = before is None or exposed is None or before.local != exposed.local
        self._dirty |= old | new if changed else old ^ new

    def put_slice(self, key: Key, part: Slice | None) -> None:
        """An EndpointSlice by its own namespace and name; None when it is gone, or none of a Service's."""
        owner = self._slice_of.pop(key, None)
        before = self._slices[owner].pop(key, None) if owner is not None else None
        if before == part:
            if part is not None:
                self._slices[part.service][key], self._slice_of[key] = part, part.service
            return
        if part is not None:
            self._slices[part.service][key], self._slice_of[key] = part, part.service
        for service in {one.service for one in (before, part) if one is not None}:
            if not self._slices[service]:
                del self._slices[service]
            if (exposed := self.services.get(service)) is not None:
                self._dirty |= set(exposed.addresses(self.pools))

    def put_node(self, name: str, node: Node | None) -> None:
        """A Node as it is now; None when it is gone."""
        before = self.nodes.pop(name, None)
        if node is not None:
            self.nodes[name] = node
        if before != node:  # also in a label that nobody asks for: the next pool file may
            self._anew()

    def put_presence(self, node: str, presence: Presence | None) -> None:
        """A node's announcer as it is now; None when its Lease is gone."""
        before = self.presences.pop(node, None)
        if presence is not None:
            self.presences[node] = presence
        if before != presence:
            self._anew()

    def lapse(self, nodes: frozenset[str]) -> None:
        """These nodes' Leases ran out so long ago that nobody waits for them any more."""
        if nodes != self._lapsed:
            self._lapsed = nodes
            self._anew()

    def _anew(self) -> None:
        self._bases.clear()
        self._subnets.clear()
        self._dirty |= self._shown.keys()

    # What comes out.

    @property
    def addresses(self) -> Iterable[Address]:
        """All that are to be announced by somebody."""
        return self._shown.keys()

    def drain(self) -> set[Address]:
        """The addresses of which something has changed since the last time."""
        dirty, self._dirty = self._dirty, set()
        return dirty

    def services_on(self, address: Address) -> tuple[Exposed, ...]:
        """The Services that show an address, by name."""
        return tuple(self.services[key] for key in sorted(self._shown.get(address, ())))

    def judge(self, address: Address, *, without: frozenset[str] = frozenset()) -> Candidacy | None:
        """Who may announce it, as if the nodes `without` bore the excluding label; None when no Service shows it."""
        keys = tuple(sorted(self._shown.get(address, ())))
        if not keys:
            return None
        serving = self._serving(address, keys)
        if serving is not None and not serving:
            return Candidacy(address, keys, idle=True)
        base = self._base(self.pools.pool_of(address))
        near = base.named if base.named is not None else self._near(address)
        barred = dict(base.barred)
        barred |= dict.fromkeys(base.fit - near, Bar.NO_INTERFACE)
        fit = base.fit & near
        if serving is not None:
            barred |= dict.fromkeys(fit - serving, Bar.NO_ENDPOINT)
            fit &= serving
        if without:
            barred |= dict.fromkeys(fit & without, Bar.EXCLUDED)
            fit -= without
        excluded = not fit and self._would(address, barred, serving)
        return Candidacy(address, keys, order(fit, address), barred, excluded=excluded)

    def duty(self, node: str, candidacy: Candidacy) -> Duty | None:
        """What one node has to do about an address; None when nobody may announce it."""
        if not candidacy.order:
            return None
        presence, pool = self.presences.get(node), self.pools.pool_of(candidacy.address)
        found = _interfaces(presence, candidacy.address, pool) if presence else ()
        conflict = OnConflict(pool.on_conflict) if pool else OnConflict.DEFEND
        return Duty(candidacy.order, frozenset(found), conflict)

    def _serving(self, address: Address, keys: Iterable[Key]) -> frozenset[str] | None:
        """The nodes that may take its traffic for one of its Services; None: every node."""
        nodes: set[str] = set()
        for key in keys:
            slices = [s for s in self._slices.get(key, {}).values() if s.family is family_of(address)]
            ready = frozenset[str]().union(*(s.ready for s in slices))
            # As kube-proxy has it (KEP-1669): those that end serve where nobody else does.
            found = ready or frozenset[str]().union(*(s.draining for s in slices))
            if found and not self.services[key].local:
                return None
            nodes |= found - {""}
        return frozenset(nodes)

    def _base(self, pool: Pool | None) -> _Base:
        name = pool.name if pool else None
        if name not in self._bases:
            barred = {node: bar for node in self._known() if (bar := self._bar(node, pool)) is not None}
            fit = frozenset(self._known() - barred.keys())
            named = None
            if pool is not None and pool.interfaces:
                named = frozenset(n for n in fit if {i.name for i in self.presences[n].interfaces} & {*pool.interfaces})
            self._bases[name] = _Base(fit, barred, named)
        return self._bases[name]

    def _known(self) -> set[str]:
        return {*self.nodes, *(name for name, presence in self.presences.items() if not presence.left)}

    def _bar(self, name: str, pool: Pool | None, *, label: bool = True) -> Bar | None:
        node, presence = self.nodes.get(name), self.presences.get(name)
        if node is None:
            return Bar.NO_NODE
        label = label and not self._ignore_label
        selector = pool.node_selector if pool else None
        rules: tuple[tuple[Bar, Callable[[], bool]], ...] = (
            (Bar.NO_ANNOUNCER, lambda: presence is None or presence.left),
            (Bar.LAPSED, lambda: name in self._lapsed),
            (Bar.NOT_READY, lambda: not node.ready),
            (Bar.NO_NETWORK, lambda: not node.network),
            (Bar.EXCLUDED, lambda: label and node.excluded),
            (Bar.NOT_SELECTED, lambda: selector is not None and not selector.matches(node.labels)),
        )
        return next((bar for bar, broken in rules if broken()), None)

    def _near(self, address: Address) -> frozenset[str]:
        """The nodes with an interface on the address's subnet."""
        if not self._subnets:
            by: dict[Network, set[str]] = defaultdict(set)
            for name, presence in self.presences.items():
                for interface in presence.interfaces:
                    for subnet in interface.subnets:
                        by[subnet].add(name)
            self._subnets = {subnet: frozenset(names) for subnet, names in by.items()}
        return frozenset[str]().union(*(names for subnet, names in self._subnets.items() if address in subnet))

    def _would(self, address: Address, barred: Mapping[str, Bar], serving: frozenset[str] | None) -> bool:
        """Whether somebody could announce it but for the excluding label."""
        pool = self.pools.pool_of(address)
        return any(
            bar is Bar.EXCLUDED
            and self._bar(name, pool, label=False) is None
            and _interfaces(self.presences[name], address, pool)
            and (serving is None or name in serving)
            for name, bar in barred.items()
        )


def _interfaces(presence: Presence, address: Address, pool: Pool | None) -> tuple[str, ...]:
    """On which of a node's interfaces an address is announced."""
    if pool is not None and pool.interfaces:
        return tuple(i.name for i in presence.interfaces if i.name in pool.interfaces)
    return tuple(i.name for i in presence.interfaces if any(address in subnet for subnet in i.subnets))
