"""What the API says that announcing rests on: Services, EndpointSlices, Nodes, and the announcers' Leases, as values.

The API's JSON is read here and nowhere else in this room. Only what decides is kept, so that two objects that differ
in nothing of importance (a Node's heartbeat, a renewed Lease) are equal. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from lbctl.addresses import Address, Family, parse_address
from lbctl.keys import Key
from lbctl.l2.frames import Mac, mac_text, parse_mac
from lbctl.pools import PoolFile
from lbctl.services import Service, parse_service

Network = IPv4Network | IPv6Network

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
SERVICE_NAME = "kubernetes.io/service-name"  # the label by which an EndpointSlice says whose it is

LEASE = "lbctl-announcer-"  # and the node's name
LEASE_LABEL = "lbctl/announcer"
ANNOUNCES = "lbctl-announces-"  # likewise, for what a node announces
ANNOUNCES_LABEL = "lbctl/announces"
NOTE = "lbctl/announcer"  # the annotation that says it: the node's interfaces, or the addresses
MANAGED = {"app.kubernetes.io/managed-by": "lbctl"}


@dataclass(frozen=True, slots=True)
class Exposed:
    """A Service, and whether only nodes with an endpoint of its own may take its traffic (externalTrafficPolicy)."""

    service: Service
    local: bool

    def addresses(self, pools: PoolFile) -> tuple[Address, ...]:
        """What of its status is to be announced: what lbctl says it gave, and what is in a pool, whoever wrote it.

        Nothing of a Service that lbctl leaves alone. One that is being deleted has its address until it is gone.
        """
        service = self.service
        if not service.is_load_balancer or service.ignored or service.class_name != pools.load_balancer_class:
            return ()
        if (service.condition or {}).get("status") == "True":
            return service.status
        return tuple(address for address in service.status if pools.pool_of(address) is not None)


def parse_exposed(item: Mapping[str, Any]) -> Exposed:
    """Read a Service."""
    return Exposed(parse_service(item), (item.get("spec") or {}).get("externalTrafficPolicy") == "Local")


@dataclass(frozen=True, slots=True)
class Slice:
    """An EndpointSlice: whose it is, and which nodes have endpoints ("" for one that is on no node).

    `ready` are those that kube-proxy sends to, `draining` those that end and still serve, for where none is ready.
    """

    service: Key
    family: Family
    ready: frozenset[str] = frozenset()
    draining: frozenset[str] = frozenset()


def parse_slice(item: Mapping[str, Any]) -> Slice | None:
    """Read an EndpointSlice; None when it is no Service's, or of names instead of addresses (FQDN)."""
    meta = item["metadata"]
    owner = (meta.get("labels") or {}).get(SERVICE_NAME)
    if not owner or item.get("addressType") not in list(Family):
        return None
    ready, draining = set(), set()
    for endpoint in item.get("endpoints") or ():
        node = endpoint.get("nodeName") or ""
        conditions = endpoint.get("conditions") or {}
        if conditions.get("ready") is not False:  # missing is ready, as the API says
            ready.add(node)
        elif conditions.get("serving") and conditions.get("terminating"):
            draining.add(node)
    return Slice(Key(meta["namespace"], owner), Family(item["addressType"]), frozenset(ready), frozenset(draining))


@dataclass(frozen=True, slots=True)
class Node:
    """A Node's word on whether it may take traffic from outside."""

    uid: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    ready: bool = True
    network: bool = True

    @property
    def excluded(self) -> bool:
        """Whether it bears the label that keeps load balancers away, whatever its value (KEP-1143)."""
        return EXCLUDE in self.labels


def parse_node(item: Mapping[str, Any]) -> Node:
    """Read a Node. One without a condition Ready has no kubelet that speaks for it."""
    meta = item["metadata"]
    conditions = {c.get("type"): c.get("status") for c in (item.get("status") or {}).get("conditions") or ()}
    return Node(
        meta["uid"],
        meta.get("labels") or {},
        conditions.get("Ready") == "True",
        conditions.get("NetworkUnavailable") != "True",
    )


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface on which an announcer may answer: its MAC, and the subnets of its addresses."""

    name: str
    mac: Mac
    subnets: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Presence:
    """A node's announcer as its Lease shows it; `left` once it has given the Lease back."""

    node: str
    interfaces: tuple[Interface, ...] = ()
    left: bool = False

    @property
    def macs(self) -> frozenset[Mac]:
        """What it answers with."""
        return frozenset(interface.mac for interface in self.interfaces)

    def note(self) -> str:
        """The text of the annotation."""
        return json.dumps(
            {
                "node": self.node,
                "interfaces": [
                    {"name": i.name, "mac": mac_text(i.mac), "subnets": list(map(str, i.subnets))}
                    for i in self.interfaces
                ],
            },
            separators=(",", ":"),
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease of an announcer: when it was renewed, in its holder's words, and for how many seconds."""

    presence: Presence
    renewed: str
    seconds: int


def parse_lease(item: Mapping[str, Any]) -> Lease | None:
    """Read a Lease; None when it is no announcer's, or somebody has made it unreadable."""
    meta, spec = item["metadata"], item.get("spec") or {}
    text = (meta.get("annotations") or {}).get(NOTE)
    if not str(meta["name"]).startswith(LEASE) or not isinstance(text, str):
        return None
    try:
        said = json.loads(text)
        interfaces = tuple(map(_interface, said["interfaces"]))
        presence = Presence(str(said["node"]), interfaces, left=not spec.get("holderIdentity"))
        return Lease(presence, str(spec.get("renewTime") or ""), int(spec.get("leaseDurationSeconds") or 0))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _interface(said: Mapping[str, Any]) -> Interface:
    return Interface(str(said["name"]), parse_mac(said["mac"]), subnets_of(said["subnets"]))


def subnets_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of addresses with a prefix length, each once, sorted; raises ValueError."""
    found = {ip_network(text, strict=False) for text in texts}
    return tuple(sorted(found, key=lambda n: (n.version, int(n.network_address), n.prefixlen)))


@dataclass(frozen=True, slots=True)
class Announced:
    """An address that a node answers for on an interface, since when (seconds since the epoch)."""

    node: str
    address: Address
    interface: str
    since: int


MOST = 200_000  # bytes of what is announced: the API server takes 256 KiB of annotations in all


def announces_text(found: Iterable[tuple[Address, str, int]]) -> str:
    """What a node announces, a line an address: address, interface, since; cut where the API would refuse it."""
    text = "".join(f"{address} {interface} {since}\n" for address, interface, since in found)
    return text if len(text) <= MOST else text[: text.rindex("\n", 0, MOST) + 1]


def parse_announces(item: Mapping[str, Any]) -> tuple[Announced, ...]:
    """Read a node's second Lease; lines that are none are passed over."""
    meta = item["metadata"]
    node = str(meta["name"]).removeprefix(ANNOUNCES)
    text = (meta.get("annotations") or {}).get(NOTE) or ""
    return tuple(found for line in text.splitlines() if (found := _announced(node, line.split())) is not None)


def _announced(node: str, words: list[str]) -> Announced | None:
    try:
        address, interface, since = words
        return Announced(node, parse_address(address), interface, int(since))
    except ValueError:
        return None
