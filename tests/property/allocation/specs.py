"""What users write, as the model knows it: Services and pools, in words of its own beside those that lbctl reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lbctl.addresses import AddressSet, parse_address
from lbctl.keys import Key
from lbctl.pools import Pool, PoolFile, Reservation
from lbctl.selectors import Selector

Json = dict[str, Any]
Name = tuple[str, str]  # namespace and name

NAMES: tuple[Name, ...] = (("d", "a"), ("d", "b"), ("d", "c"), ("e", "a"), ("e", "b"), ("e", "c"))
NAMESPACES = {"d": {"env": "prod"}, "e": {"env": "test"}}

# Where each pool's addresses may lie: two blocks of claims in the first, both families in the second.
UNIVERSE = {
    "p": ("192.0.2.61", "192.0.2.62", "192.0.2.63", "192.0.2.64", "192.0.2.65"),
    "q": ("192.0.2.255", "198.51.100.0", "2001:db8::1", "2001:db8::2", "2001:db8::3"),
    "r": ("203.0.113.1", "203.0.113.2", "2001:db8::41"),
}
OUTSIDE = ("192.0.2.99", "2001:db8::99")
EVERY = tuple(a for addresses in UNIVERSE.values() for a in addresses)
DHCP, NONSENSE = "0.0.0.0", "192.0.2.300"

PORTS = ((("TCP", 80),), (("TCP", 443),), (("UDP", 53), ("TCP", 53)), (("UDP", 80),), (("TCP", 80), ("TCP", 81)))
POLICIES = (
    (("IPv4",), "SingleStack"),
    (("IPv4", "IPv6"), "RequireDualStack"),
    (("IPv4", "IPv6"), "PreferDualStack"),
    (("IPv6", "IPv4"), "PreferDualStack"),
    (("IPv6",), "SingleStack"),
)


def family(address: str) -> str:
    """Its IP family."""
    return "IPv6" if ":" in address else "IPv4"


@dataclass(frozen=True, slots=True)
class Spec:
    """A Service as its owner wrote it."""

    name: Name
    uid: str
    created: int
    balancer: bool = True
    class_name: str | None = None
    ignored: bool = False
    deleting: bool = False
    families: tuple[str, ...] = ("IPv4",)
    policy: str = "SingleStack"
    addresses: tuple[str, ...] = ()
    pool: str = ""
    share: str = ""
    ports: tuple[tuple[str, int], ...] = PORTS[0]
    local: bool = False
    selector: str = ""
    tier: str = ""
    external: tuple[str, ...] = ()

    @property
    def require(self) -> bool:
        """Whether less than all of its families will not do."""
        return self.policy != "PreferDualStack"

    @property
    def ask(self) -> tuple[object, ...]:
        """What decides whether a Service that has an address is looked at again."""
        return self.addresses, self.pool, self.families, self.require, self.share

    @property
    def in_scope(self) -> bool:
        """Whether lbctl is to give it addresses; its pool files name no class here."""
        return self.balancer and not self.ignored and not self.deleting and self.class_name is None

    def to_json(self, version: str, status: Json) -> Json:
        """The Service as the API shows it."""
        notes = {"lbctl/addresses": ",".join(self.addresses), "lbctl/pool": self.pool, "lbctl/share": self.share}
        meta: Json = {
            "namespace": self.name[0],
            "name": self.name[1],
            "uid": self.uid,
            "resourceVersion": version,
            "creationTimestamp": f"2026-01-01T00:{self.created // 60:02}:{self.created % 60:02}Z",
            "labels": {"tier": self.tier} if self.tier else {},
            "annotations": {k: v for k, v in notes.items() if v} | ({"lbctl/ignore": "true"} if self.ignored else {}),
        }
        if self.deleting:
            meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        spec: Json = {
            "type": "LoadBalancer" if self.balancer else "ClusterIP",
            "ipFamilies": list(self.families),
            "ipFamilyPolicy": self.policy,
            "ports": [{"protocol": protocol, "port": port} for protocol, port in self.ports],
            "externalTrafficPolicy": "Local" if self.local else "Cluster",
            "selector": {"app": self.selector} if self.selector else {},
            "externalIPs": list(self.external),
        }
        if self.class_name is not None:
            spec["loadBalancerClass"] = self.class_name
        return {"metadata": meta, "spec": spec, "status": status}


def may_share(one: Spec, other: Spec, *, across: bool) -> bool:
    """Whether two Services may stand on one address: DESIGN 6 said again. `across`: the pool lets namespaces mix."""
    same = one.name[0] == other.name[0]
    if not one.share or one.share != other.share or not (same or across):
        return False
    if set(one.ports) & set(other.ports) or one.local != other.local:
        return False
    return not one.local or (same and bool(one.selector) and one.selector == other.selector)


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool as its file has it; times in seconds."""

    name: str
    addresses: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    avoid_buggy: bool = False
    auto: bool = True
    priority: int | None = None
    namespaces: tuple[str, ...] = ()
    env: str = ""  # of its namespaceSelector
    tier: str = ""  # of its serviceSelector
    across: bool = False
    reuse: int = 60
    keep: int = 86_400
    disabled: bool = False

    @property
    def restricted(self) -> bool:
        """Whether it says whom it is for."""
        return bool(self.namespaces or self.env or self.tier)

    def admits(self, spec: Spec) -> bool:
        """Whether the Service may have an address of it."""
        if self.disabled or (self.tier and spec.tier != self.tier):
            return False
        if not (self.namespaces or self.env):
            return True
        return spec.name[0] in self.namespaces or bool(self.env and NAMESPACES[spec.name[0]]["env"] == self.env)

    def offers(self, address: str) -> bool:
        """Whether it may give the address away."""
        buggy = self.avoid_buggy and ":" not in address and address.rpartition(".")[2] in ("0", "255")
        return address in self.addresses and address not in self.exclude and not buggy

    def to_pool(self) -> Pool:
        """As lbctl reads it."""
        return Pool(
            self.name,
            _set(self.addresses),
            _set(self.exclude),
            avoid_buggy_ips=self.avoid_buggy,
            auto_assign=self.auto,
            priority=self.priority,
            reuse_after=timedelta(seconds=self.reuse),
            keep_for=timedelta(seconds=self.keep),
            namespaces=self.namespaces,
            namespace_selector=Selector.of({"env": self.env}, ()) if self.env else None,
            service_selector=Selector.of({"tier": self.tier}, ()) if self.tier else None,
            share_across_namespaces=self.across,
            disabled=self.disabled,
        )


def _set(addresses: tuple[str, ...]) -> AddressSet:
    every = AddressSet()
    for text in addresses:
        every = every | AddressSet.parse(text)
    return every


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A pool file: its pools, and the addresses reserved for a name."""

    pools: tuple[PoolSpec, ...]
    reserved: tuple[tuple[str, Name], ...] = ()  # an address of a pool, and whom it is for

    def pool_of(self, address: str) -> PoolSpec | None:
        """The pool the address is in."""
        return next((p for p in self.pools if address in p.addresses), None)

    def named(self, name: str) -> PoolSpec | None:
        """The pool of that name."""
        return next((p for p in self.pools if p.name == name), None)

    def kept_for(self, name: Name) -> tuple[str, ...]:
        """The addresses reserved for a Service."""
        return tuple(a for a, whose in self.reserved if whose == name)

    def offers(self, address: str, to: Name) -> bool:
        """Whether this Service may be given it as far as the address goes."""
        pool = self.pool_of(address)
        kept = dict(self.reserved).get(address, to)
        return pool is not None and pool.offers(address) and kept == to

    def in_turn(self) -> tuple[PoolSpec, ...]:
        """Those that say whom they are for first, then by priority."""
        order = {p.name: n for n, p in enumerate(self.pools)}
        last = 1_000_000
        rank = lambda p: (not p.restricted, last if p.priority is None else p.priority, order[p.name])  # noqa: E731
        return tuple(sorted(self.pools, key=rank))

    def sound(self) -> FileSpec:
        """Without the reservations that a pool does not offer, which lbctl would not load."""
        return FileSpec(self.pools, tuple((a, n) for a, n in self.reserved if (p := self.pool_of(a)) and p.offers(a)))

    def to_pool_file(self) -> PoolFile:
        """As lbctl reads it."""
        names = dict.fromkeys(name for _, name in self.reserved)
        kept = tuple(Reservation(Key(*n), tuple(map(parse_address, self.kept_for(n)))) for n in names)
        return PoolFile("pools.yaml", None, tuple(p.to_pool() for p in self.pools), "0", kept)
