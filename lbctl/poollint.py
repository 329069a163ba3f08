"""What is unwise in a pool file that is valid: where its addresses meet the cluster's own and this machine's.

Each finding has a code, which is never renamed, a sentence, a place in the file and a hint. What is known of the
cluster and of the machine comes in as values, so that any can be given; what is not known finds nothing. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Interface, IPv6Interface
from itertools import accumulate
from typing import Any, NamedTuple

from lbctl.addresses import Address, AddressError, AddressSet, Family, Range, parse_address, parse_range
from lbctl.answers import refusal, router_words
from lbctl.decisions import Snapshot
from lbctl.l2.ethernet import Mac
from lbctl.l2.probe import Found, Use
from lbctl.pools import Pool, PoolFile
from lbctl.problems import Place, Problem
from lbctl.reasons import Reason
from lbctl.services import Service
from lbctl.yamltext import Node

Interface = IPv4Interface | IPv6Interface
_NAMED = 3  # how many of those that an item meets are named; of more, only the number


class Code(Enum):
    """The kinds of findings: (whether it is a warning, or else a note; what it is about; what to do)."""

    LB101 = (True, "addresses of Nodes or of the API server", "exclude them: Services never get them")
    LB102 = (True, "a Node's pod CIDR", "give the pool addresses that pods cannot have")
    LB103 = (True, "the cluster's Service CIDR", "give the pool addresses outside the Service CIDR")
    LB104 = (True, "ClusterIPs", "give the pool addresses outside the Service CIDR")
    LB201 = (True, "this machine's own addresses", "exclude them, or take them off this machine")
    LB202 = (True, "this machine's default gateway", "exclude it: whoever answers for it cuts the LAN off")
    LB203 = (True, "network or broadcast addresses of a subnet", "exclude them: no machine can have them")
    LB204 = (
        False,
        "a pool outside every subnet of this machine",
        "this is right where a router sends them on to the nodes",
    )
    LB205 = (
        True,
        "free addresses that another machine on the LAN has (`--probe`)",
        "find the machine by its MAC and give it another address, or exclude the address",
    )
    LB206 = (
        False,
        "free addresses that a node still announces (`--probe`)",
        "look again in a few seconds; if it goes on, see why that node's announcer does not reach the API server",
    )
    LB207 = (
        False,
        "addresses that a router with proxy ARP answers for (`--probe`)",
        "nothing: behind such a router no other machine is seen",
    )
    LB301 = (False, "reservations for Services that do not exist", "remove the reservation, or make the Service")
    LB302 = (True, "pools that have no address to give", "add addresses, or take some out of exclude or avoidBuggyIPs")

    @property
    def warning(self) -> bool:
        """Whether `--strict` makes it an error."""
        return bool(self.value[0])

    @property
    def about(self) -> str:
        """What it is about, for the documentation."""
        return str(self.value[1])

    @property
    def hint(self) -> str:
        """What to do."""
        return str(self.value[2])


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is unwise, at one place."""

    code: Code
    place: Place
    sentence: str

    def render(self, path: str, lines: list[str]) -> str:
        """As an error of the file is told, with the code: `PATH:LINE:COLUMN: LB101 warning: sentence`."""
        kind = "warning" if self.code.warning else "note"
        return Problem(self.place, f"{self.code.name} {kind}: {self.sentence}", self.code.hint).render(path, lines)


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine's addresses, each with its subnet, and its default gateways; `unread` says what is not known of it,
    in words."""

    addresses: tuple[Interface, ...] = ()
    gateways: tuple[Address, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the pools are held against. Of a cluster that was not asked, `look` is None. `pod_cidrs` and
    `service_cidrs` are ranges by what they are called; `service_cidrs` is None where they may not be read. `answers`
    are those of the LAN for `free` addresses, where it was asked."""

    machine: Machine = field(default_factory=Machine)
    look: Snapshot | None = None
    pod_cidrs: Mapping[str, Range] = field(default_factory=dict)
    service_cidrs: Mapping[str, Range] | None = None
    answers: Mapping[Address, Found] = field(default_factory=dict)


class Item(NamedTuple):
    """One item of a pool's `addresses`, and where it stands."""

    range: Range
    place: Place
    pool: Pool


class _Meeting(NamedTuple):
    """Something that a pool's addresses may meet: where it lies, and what it is called after the addresses."""

    range: Range
    words: str


def pod_cidrs(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Range]:
    """The pod CIDRs of Node objects (JSON of core/v1)."""
    found: dict[str, Range] = {}
    for node in nodes:
        spec = node.get("spec") or {}
        for text in spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else ()):
            found |= _cidr(text, f"the pod CIDR {text} of node {node['metadata']['name']}")
    return found


def service_cidrs(items: Iterable[Mapping[str, Any]]) -> dict[str, Range]:
    """The CIDRs of ServiceCIDR objects (JSON of networking.k8s.io/v1)."""
    texts = [text for item in items for text in (item.get("spec") or {}).get("cidrs") or ()]
    return {words: part for text in texts for words, part in _cidr(text, f"the Service CIDR {text}").items()}


def _cidr(text: str, words: str) -> dict[str, Range]:
    try:
        return {words: parse_range(text)}
    except AddressError:
        return {}  # because the API server accepts forms here that lbctl reads nowhere


def items_of(pools: PoolFile, root: Node) -> list[Item]:
    """Every item of the pools' addresses, in file order; `root` is the document that the pools were read from."""
    found = []
    for pool, node in zip(pools.pools, _list(root, "pools"), strict=True):
        found += [Item(parse_range(str(item.value)), item.place, pool) for item in _list(node, "addresses")]
    return found


def _list(node: Node, key: str) -> list[Node]:
    value = node.value[key].value if isinstance(node.value, dict) and key in node.value else None
    return value if isinstance(value, list) else []


def lint(pools: PoolFile, root: Node, facts: Facts) -> list[Finding]:
    """Everything that is unwise, in file order."""
    items = sorted(items_of(pools, root), key=lambda item: item.range)
    found = [
        finding
        for code, meetings in _meetings(facts)
        for finding in _met(code, items, sorted(meetings, key=lambda meeting: meeting.range))
    ]
    firsts = _firsts(items)
    found += _empty(firsts)
    found += _far_away(firsts, facts.machine)
    found += _routers(items, facts.answers.values())
    found += _for_nobody(pools, root, facts.look)
    return sorted(found, key=lambda finding: (finding.place, finding.code.name))


def _meetings(facts: Facts) -> Iterator[tuple[Code, list[_Meeting]]]:
    """What no pool should hold, by code."""
    known = facts.look.others if facts.look else {}
    yield Code.LB101, [_one(address, words) for address, words in known.items()]
    yield Code.LB102, [_Meeting(part, words) for words, part in facts.pod_cidrs.items()]
    if facts.service_cidrs is not None:
        yield Code.LB103, [_Meeting(part, words) for words, part in facts.service_cidrs.items()]
    elif facts.look is not None:
        yield Code.LB104, list(_cluster_ips(facts.look.services.values()))
    machine = facts.machine
    # What a Service shows may well be on this machine: that is one way to have the LAN find it.
    theirs = {a for s in facts.look.services.values() for a in s.status} | set(known) if facts.look else set()
    own = {i.ip: i for i in machine.addresses if i.ip not in theirs}
    yield Code.LB201, [_one(address, "is this machine's own") for address in own]
    yield Code.LB202, [_one(address, "is this machine's default gateway") for address in set(machine.gateways)]
    yield Code.LB203, [m for i in {i.network: i for i in machine.addresses}.values() for m in _edges(i)]
    refused = [(a, why) for a, one in facts.answers.items() if (why := refusal(one)) is not None]
    for code, reason in ((Code.LB205, Reason.AddressInUseOnLan), (Code.LB206, Reason.StillAnnounced)):
        yield code, [_one(a, why.message.removeprefix(f"{a} ")) for a, why in refused if why.reason is reason]


def _routers(items: list[Item], answers: Iterable[Found]) -> Iterator[Finding]:
    """A note for each router with proxy ARP, at the first item that it answers for."""
    found: dict[Mac, list[Address]] = {}
    for one in answers:
        if one.use is Use.PROXY and one.mac is not None:
            found.setdefault(one.mac, []).append(one.address)
    for mac, addresses in found.items():
        for item in (i for i in items if any(a in i.pool.usable.within(i.range) for a in addresses)):
            yield Finding(Code.LB207, item.place, f"pool {item.pool.name}: {router_words(mac)}")
            break


def _one(address: Address, words: str) -> _Meeting:
    return _Meeting(Range.one(address), words)


def _cluster_ips(services: Iterable[Service]) -> Iterator[_Meeting]:
    for service in services:
        try:
            yield _one(parse_address(service.cluster_ip), f"is the ClusterIP of Service {service.key}")
        except AddressError:
            continue  # because it is headless, or an ExternalName


def _edges(interface: Interface) -> Iterator[_Meeting]:
    """The addresses of a subnet that no machine can have: RFC 1122 3.2.1.3, and of IPv6 the subnet-router anycast
    address (RFC 4291 2.6.1); a /31 has none (RFC 3021), nor has a /127 (RFC 6164)."""
    network = interface.network
    if network.prefixlen >= network.max_prefixlen - 1:
        return
    if network.version == 4:
        yield _one(network.network_address, f"is the network address of {network}")
        yield _one(network.broadcast_address, f"is the broadcast address of {network}")
    else:
        yield _one(network.network_address, f"is the subnet-router anycast address of {network}")


def _met(code: Code, items: list[Item], meetings: list[_Meeting]) -> Iterator[Finding]:
    """One finding for each item that meets something; both lists are sorted, items disjoint. What meets an item begins
    in it, or before it: a CIDR that covers it."""
    begins = [meeting.range[:2] for meeting in meetings]
    # How far each of them and those before it reach: where that ends before an item, nothing before meets it.
    reach = list(accumulate(((m.range.family, m.range.high) for m in meetings), max))
    for item in items:
        family, low, high = item.range
        first, last = bisect_left(begins, (family, low)), bisect_left(begins, (family, high + 1))
        while first and reach[first - 1] >= (family, low):
            first -= 1
        told = [words for meeting in meetings[first:last] if (words := _told(item, meeting))]
        if told:
            more = len(told) - _NAMED
            words = "; ".join(told[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
            yield Finding(code, item.place, f"pool {item.pool.name}: {words}")


def _told(item: Item, meeting: _Meeting) -> str:
    """What the two have in common that the pool may give away, in words; empty when nothing."""
    family, low, high = meeting.range
    common = Range(family, max(low, item.range.low), min(high, item.range.high))
    usable = item.pool.usable.within(common) if common.low <= common.high else None
    if not usable:
        return ""
    if low < high:
        return f"{usable} lies in {meeting.words}"
    (address,) = usable
    return f"{address} {_verb(meeting)}" if item.pool.hands_out(address) else ""


def _verb(meeting: _Meeting) -> str:
    return meeting.words if meeting.words.startswith("is ") else f"is in use: {meeting.words}"


def _firsts(items: Iterable[Item]) -> Collection[Item]:
    """The first item of each pool."""
    first: dict[str, Item] = {}
    for item in items:
        first[item.pool.name] = min(first.get(item.pool.name, item), item, key=lambda i: i.place)
    return first.values()


def _gives(pool: Pool) -> bool:
    return any(pool.count(family) for family in Family)


def _empty(firsts: Iterable[Item]) -> Iterator[Finding]:
    """A warning for each pool of whose addresses none is left."""
    for item in firsts:
        if not _gives(item.pool):
            yield Finding(Code.LB302, item.place, f"pool {item.pool.name} has no address to give: all are left out")


def _far_away(firsts: Iterable[Item], machine: Machine) -> Iterator[Finding]:
    """A note for each pool that no subnet of this machine touches; none when no subnet is known."""
    # A host's own route (/32, /128) is no LAN, and loopback and link-local addresses are in no pool.
    networks = {
        i.network
        for i in machine.addresses
        if not i.is_loopback and not i.is_link_local and i.network.prefixlen < i.network.max_prefixlen
    }
    near = AddressSet.of(map(Range.of, networks))
    for item in firsts if near else ():
        if _gives(item.pool) and not item.pool.usable & near:
            words = f"pool {item.pool.name} lies outside every subnet of this machine ({_subnets(networks)})"
            yield Finding(Code.LB204, item.place, words)


def _subnets(networks: Iterable[Any]) -> str:
    """The subnets, IPv4 first."""
    ordered = sorted(networks, key=lambda n: (n.version, n.network_address, n.prefixlen))
    more = len(ordered) - _NAMED
    return ", ".join(map(str, ordered[:_NAMED])) + (f" and {more} more" if more > 0 else "")


def _for_nobody(pools: PoolFile, root: Node, look: Snapshot | None) -> Iterator[Finding]:
    """A note for each reservation whose Service does not exist."""
    if look is None:
        return
    for reservation, node in zip(pools.reservations, _list(root, "reservations"), strict=True):
        if reservation.key not in look.services:
            place = node.value["service"].place if isinstance(node.value, dict) else node.place
            yield Finding(Code.LB301, place, f"there is no Service {reservation.key}")
