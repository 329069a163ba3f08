"""Service: what allocation needs from the API's JSON, and nothing else.

Everything that reads a Service's spec, annotations or status stands here, so that the rest of lbctl never sees the
API's JSON. Annotations of other systems are read for a change-over without edits. No I/O, no policy: what a Service
asks for is a fact, what it gets is the planner's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from lbctl.addresses import Address, AddressError, Family, family_of, parse_address
from lbctl.keys import Key as Key
from lbctl.reasons import Reason
from lbctl.rivals import rival_of, status_managers
from lbctl.sharing import Sharing, digest, spans

CONDITION = "lbctl/AddressAssigned"
MANAGER = "lbctl"  # the field manager that lbctl writes statuses as

IGNORE = ("lbctl/ignore", "kube-vip.io/ignore")
ADDRESSES = "lbctl/addresses"
ADDRESSES_COMPAT = (
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
    "kube-vip.io/loadbalancerIPs",
    "lbipam.cilium.io/ips",
    "purelb.io/addresses",
)
SHARE = (
    "lbctl/share",
    "metallb.io/allow-shared-ip",
    "metallb.universe.tf/allow-shared-ip",
    "lbipam.cilium.io/sharing-key",
)
POOL = (
    "lbctl/pool",
    "metallb.io/address-pool",
    "metallb.universe.tf/address-pool",
    "purelb.io/service-group",
)
OURS = "lbctl/"  # what all of lbctl's annotations begin with
KNOWN = (ADDRESSES, IGNORE[0], POOL[0], SHARE[0])


@dataclass(frozen=True, slots=True)
class Ask:
    """What a Service asks for: addresses, a pool, families, and with whom to `share`; `source`, `pool_source` and
    `share_source` say where.

    `error` says why the request cannot be read, `conflict` what in it excludes what. `wished` is the digest of the
    Service's own ask when a person asks for more by flag.
    """

    addresses: tuple[Address, ...] = ()
    pool: str | None = None
    families: tuple[Family, ...] = (Family.IPV4,)
    require_all: bool = True
    share: str = ""
    error: str = ""
    source: str = ""
    pool_source: str = ""
    conflict: str = ""
    wished: str = ""
    share_source: str = ""

    @property
    def digest(self) -> str:
        """Eight hex digits that change when the Service's own ask does; kept in the claim (DESIGN: changes)."""
        if self.wished:
            return self.wished
        facts = [[str(a) for a in self.addresses], self.pool, list(self.families), self.require_all]
        more = [text for text in (self.share, self.error) if text]  # so that most digests are of four facts
        return digest([*facts, *more])

    def with_wish(self, addresses: tuple[Address, ...], pool: str | None) -> Ask:
        """The ask with what a person wants by flag for once; it may add to the Service's own, never gainsay it.

        The claim records the Service's own ask, so that the next run sees no change in it.
        """
        conflict = ""
        if addresses and self.addresses and set(addresses) != set(self.addresses):
            conflict = f"--ip is {_comma(addresses)}, but {self.source} is {_comma(self.addresses)}"
        elif pool and self.pool and pool != self.pool:
            conflict = f"--pool is {pool}, but {self.pool_source} is {self.pool}"
        return replace(
            self,
            addresses=addresses or self.addresses,
            pool=pool or self.pool,
            source="--ip" if addresses else self.source,
            pool_source="--pool" if pool else self.pool_source,
            conflict=conflict,
            wished=self.digest,
        )

    def __str__(self) -> str:
        """What it asks for, in words."""
        families = " and ".join(self.families) if self.require_all else f"{self.families[0]}, better both families"
        words = [f"{_comma(self.addresses)} ({self.source})"] if self.addresses else [f"any address, {families}"]
        if self.pool:
            words.append(f"of pool {self.pool} ({self.pool_source})")
        if self.share:
            words.append(f"shared under the key {self.share}")
        return self.error or " ".join(words)


def _comma(addresses: Iterable[Address]) -> str:
    return ",".join(map(str, addresses))


class Port(NamedTuple):
    """One port of a Service; `node_port` is 0 where none is allocated."""

    number: int
    protocol: str
    node_port: int

    def __str__(self) -> str:
        """As kubectl prints it."""
        node = f":{self.node_port}" if self.node_port else ""
        return f"{self.number}{node}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Service:
    """One Service as one read of the API showed it; `rival` is another controller whose marks it bears, `sharing` what
    it may share an address by, None when it has no key, `writers` the field managers of the addresses it shows."""

    key: Key
    uid: str
    resource_version: str
    created: str
    is_load_balancer: bool
    class_name: str | None
    deleting: bool
    ignored: bool
    ask: Ask
    status: tuple[Address, ...]
    foreign_status: tuple[str, ...]
    condition: Mapping[str, Any] | None = field(compare=False)
    external_ips: tuple[Address, ...] = ()
    ports: tuple[Port, ...] = ()
    cluster_ip: str = ""
    rival: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    sharing: Sharing | None = None
    writers: tuple[str, ...] = ()

    @property
    def pending(self) -> bool:
        """Whether it is of type LoadBalancer and shows nothing: where kubectl prints <pending>."""
        return self.is_load_balancer and not self.status and not self.foreign_status


def parse_service(item: Mapping[str, Any]) -> Service:
    """Read one Service object of the API (a dict of core/v1 JSON)."""
    meta, spec = item["metadata"], item.get("spec") or {}
    status = item.get("status") or {}
    notes = meta.get("annotations") or {}
    ours, foreign = _ingress((status.get("loadBalancer") or {}).get("ingress") or ())
    ports = tuple(_port(p) for p in spec.get("ports") or ())
    ask = _ask(spec, notes)
    return Service(
        key=Key(meta["namespace"], meta["name"]),
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        created=meta.get("creationTimestamp") or "",
        is_load_balancer=spec.get("type") == "LoadBalancer",
        class_name=spec.get("loadBalancerClass"),
        deleting=bool(meta.get("deletionTimestamp")),
        ignored=any(notes.get(note) == "true" for note in IGNORE),
        ask=ask,
        status=ours,
        foreign_status=foreign,
        condition=next((c for c in status.get("conditions") or () if c.get("type") == CONDITION), None),
        external_ips=tuple(_parsed(spec.get("externalIPs") or ())),
        ports=ports,
        cluster_ip=spec.get("clusterIP") or "",
        rival=rival_of(item),
        labels=meta.get("labels") or {},
        sharing=_sharing(ask.share, spec, ports) if ask.share else None,
        writers=tuple(status_managers(item)) if ours or foreign else (),
    )


def _sharing(key: str, spec: Mapping[str, Any], ports: Iterable[Port]) -> Sharing:
    selector = spec.get("selector") or {}
    return Sharing(
        key=digest(key),
        local=spec.get("externalTrafficPolicy") == "Local",
        selector=digest(selector) if selector else "",
        ports=spans((port.protocol, port.number) for port in ports),
    )


def _port(port: Mapping[str, Any]) -> Port:
    return Port(port["port"], port.get("protocol") or "TCP", port.get("nodePort") or 0)


def _parsed(texts: Iterable[str]) -> Iterable[Address]:
    for text in texts:
        try:
            yield parse_address(text)
        except AddressError:
            continue  # because the API server accepts forms here that no allocator can hand out either


def _ingress(entries: Iterable[Mapping[str, Any]]) -> tuple[tuple[Address, ...], tuple[str, ...]]:
    """Split a status into addresses and entries no lbctl writes (hostnames, what does not parse)."""
    addresses: list[Address] = []
    foreign: list[str] = []
    for entry in entries:
        try:
            addresses.append(parse_address(entry.get("ip") or ""))
        except AddressError:
            foreign.append(entry.get("hostname") or entry.get("ip") or "?")
    return tuple(addresses), tuple(foreign)


def _ask(spec: Mapping[str, Any], notes: Mapping[str, str]) -> Ask:
    families = tuple(Family(f) for f in spec.get("ipFamilies") or ("IPv4",))
    policy = spec.get("ipFamilyPolicy") or "SingleStack"
    pool_note = next((note for note in POOL if notes.get(note)), "")
    source, text = _requested(spec, notes)
    error = _misspelt(notes) if notes else ""
    addresses: tuple[Address, ...] = ()
    if text is not None:
        try:
            addresses = parse_addresses(text)
        except AddressError as bad:
            error = f"{source} is {text!r}: {bad}"
    pool, pool_source = (notes[pool_note], f"annotation {pool_note}") if pool_note else (None, "")
    share_note = next((note for note in SHARE if notes.get(note)), "")
    share, share_source = (notes[share_note], f"annotation {share_note}") if share_note else ("", "")
    require_all = policy != "PreferDualStack"
    return Ask(addresses, pool, families, require_all, share, error, source, pool_source, share_source=share_source)


def _misspelt(notes: Mapping[str, str]) -> str:
    """What stands under lbctl's own prefix and means nothing: whoever wrote it meant something else."""
    for note in sorted(note for note in notes if note.startswith(OURS) and note not in KNOWN):
        from difflib import get_close_matches

        near = get_close_matches(note.removeprefix(OURS), [known.removeprefix(OURS) for known in KNOWN], 1)
        means = f"did you mean {OURS}{near[0]}?" if near else f"known: {', '.join(KNOWN)}"
        return f"there is no annotation {note}; {means}"
    if (ignore := notes.get(IGNORE[0], "true")) not in {"true", "false"}:
        return f'annotation {IGNORE[0]} is {ignore!r}, and neither "true" nor "false"'
    return ""


def parse_addresses(text: str) -> tuple[Address, ...]:
    """Read a request: addresses joined by commas, at most one a family; raises AddressError."""
    addresses = tuple(parse_address(part.strip()) for part in text.split(","))
    if len({family_of(a) for a in addresses}) < len(addresses):
        raise AddressError("at most one address per family", "write 192.0.2.10 or 192.0.2.10,2001:db8::10")
    return addresses


def _requested(spec: Mapping[str, Any], notes: Mapping[str, str]) -> tuple[str, str | None]:
    """Where the request for an address stands and its text; the first that says something wins."""
    if text := notes.get(ADDRESSES):
        return f"annotation {ADDRESSES}", text
    if text := spec.get("loadBalancerIP"):
        return "spec.loadBalancerIP", text
    for note in ADDRESSES_COMPAT:
        if text := notes.get(note):
            return f"annotation {note}", text
    return "", None


def out_of_scope(service: Service, load_balancer_class: str | None) -> Reason | None:
    """Why lbctl leaves this Service alone, or None when it is in scope (DESIGN 6)."""
    if not service.is_load_balancer:
        return Reason.NotLoadBalancer
    if service.ignored:
        return Reason.Ignored
    if service.class_name != load_balancer_class:
        return Reason.ForeignClass
    if service.deleting:
        return Reason.Deleting
    return None


def class_words(service: Service, load_balancer_class: str | None) -> str:
    """How the Service's class and the one that the pool file serves compare, as the end of a sentence about it."""
    its = f"its loadBalancerClass is {service.class_name}" if service.class_name else "it has no loadBalancerClass"
    if service.class_name == load_balancer_class:
        return f"{its}, as in the pool file" if load_balancer_class else f"{its}, and neither has the pool file"
    serves = f"those of class {load_balancer_class}" if load_balancer_class else "those without a class"
    return f"{its}, and the pool file serves {serves}"
