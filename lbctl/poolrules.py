"""What a pool file must keep to beside its keys and types: addresses, exclusions, selectors, reservations.

Each item is read once, each rule says everything it finds, and none is quadratic: ranges are sorted and swept. Rules
look at whatever can be read of a file that is wrong elsewhere, so that all errors are told at once.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from lbctl.addresses import (
    Address,
    AddressError,
    AddressSet,
    Family,
    Range,
    family_of,
    is_buggy,
    parse_address,
    parse_range,
)
from lbctl.problems import Place, Problem
from lbctl.yamltext import Node

# No router delivers to these, or not to one machine, so none can be a LoadBalancer's address; RFC 6890 and RFC 5771.
_UNFIT = (
    (parse_range("0.0.0.0/8"), "unspecified (0.0.0.0/8)"),
    (parse_range("127.0.0.0/8"), "loopback (127.0.0.0/8)"),
    (parse_range("169.254.0.0/16"), "link-local (169.254.0.0/16)"),
    (parse_range("224.0.0.0/4"), "multicast (224.0.0.0/4)"),
    (parse_range("255.255.255.255"), "broadcast (255.255.255.255)"),
    (parse_range("::"), "unspecified (::)"),
    (parse_range("::1"), "loopback (::1)"),
    (Range(Family.IPV6, 0xFFFF << 32, (0x10000 << 32) - 1), "IPv4-mapped (::ffff:0:0/96)"),
    (parse_range("fe80::/10"), "link-local (fe80::/10)"),
    (parse_range("ff00::/8"), "multicast (ff00::/8)"),
)
_MEETINGS = 3  # an item is told of so many others it meets: of more, a file of copies would bury everything else


@dataclass(frozen=True, slots=True)
class Item:
    """One item of `addresses` or `exclude`, and the pool it stands in, as users call it."""

    range: Range
    text: str
    node: Node
    pool: str
    number: int


@dataclass(frozen=True, slots=True)
class PoolSets:
    """The addresses of one pool and those it excludes."""

    addresses: AddressSet
    exclude: AddressSet


def check(root: Node) -> tuple[list[PoolSets], list[Problem]]:
    """The sets of each pool, in file order; and everything that is wrong beside keys and types."""
    pools = [node for node in _list(root, "pools") if isinstance(node.value, dict)]
    problems = list(_same_names(pools))
    found: list[PoolSets] = []
    everywhere: list[Item] = []
    excluded: list[Item] = []
    whole = len(pools) == len(_list(root, "pools"))
    for number, pool in enumerate(pools):
        addresses = [_read(node, pool, number, problems) for node in _list(pool, "addresses")]
        exclude = [_read(node, pool, number, problems) for node in _list(pool, "exclude")]
        items, holes = [i for i in addresses if i is not None], [i for i in exclude if i is not None]
        found.append(PoolSets(_set(items), _set(holes)))
        problems += _unfit(items)
        if len(items) == len(addresses):  # else a hole may well lie in what could not be read
            problems += _outside(holes, found[-1].addresses)
        problems += _values(pool)
        everywhere += items
        excluded += holes
        whole = whole and 0 < len(items) == len(addresses)
    if reservations := _list(root, "reservations"):
        avoiding = {number for number, pool in enumerate(pools) if _text(pool, "avoidBuggyIPs") == "true"}
        problems += _reservations(reservations, _Offer(_Finder(everywhere), _Finder(excluded), avoiding, whole))
    return found, problems + list(_overlaps(everywhere))


def _list(mapping: Node, key: str) -> list[Node]:
    node = mapping.value.get(key) if isinstance(mapping.value, dict) else None
    return node.value if node is not None and isinstance(node.value, list) else []


def _text(mapping: Node, key: str) -> str | None:
    node = mapping.value.get(key) if isinstance(mapping.value, dict) else None
    return node.value if node is not None and isinstance(node.value, str) else None


def _set(items: Iterable[Item]) -> AddressSet:
    return AddressSet.of(item.range for item in items)


def _name(pool: Node) -> Node | None:
    name = pool.value.get("name") if isinstance(pool.value, dict) else None
    return name if name is not None and isinstance(name.value, str) else None


def _same_names(pools: Iterable[Node]) -> Iterator[Problem]:
    first: dict[str, Node] = {}
    for name in filter(None, map(_name, pools)):
        other = first.setdefault(str(name.value), name)
        if other is not name:
            sentence = f"the name {name.value!r} is taken by the pool on line {other.place.line}"
            yield Problem(name.place, sentence, "give each pool a name of its own")


def _read(node: Node, pool: Node, number: int, problems: list[Problem]) -> Item | None:
    if not isinstance(node.value, str):
        return None  # because the schema says so already
    try:
        read = parse_range(node.value)
    except AddressError as bad:
        problems.append(Problem(node.place, str(bad), bad.hint))
        return None
    name = _name(pool)
    words = f"pool {_shown(str(name.value))}" if name else "the pool"
    return Item(read, "".join(node.value.split()), node, words, number)


def unfit(part: Range) -> list[str]:
    """What of a range no Service can have, in words, such as `loopback (127.0.0.0/8)`; empty when it may have all."""
    family, low, high = part
    return [what for bad, what in _UNFIT if bad.family is family and low <= bad.high and bad.low <= high]


def _unfit(items: Iterable[Item]) -> Iterator[Problem]:
    for item in items:
        if bad := unfit(item.range):
            sentence = f"no Service can have {item.text}: {', '.join(bad)}"
            yield Problem(item.node.place, sentence, "write addresses of your own network")


def _outside(holes: Iterable[Item], addresses: AddressSet) -> Iterator[Problem]:
    for hole in holes:
        if not addresses.covers(hole.range):
            inside = addresses.within(hole.range)
            sentence = f"exclude {hole.text} lies {'partly ' if inside else ''}outside {hole.pool}"
            hint = f"write {inside}" if inside else "remove it, or write addresses that the pool has"
            yield Problem(hole.node.place, sentence, hint)


def _overlaps(items: list[Item]) -> Iterator[Problem]:
    """Every two items that share addresses, the later in the file told of the earlier; once for each pool it meets.

    One pass by first address: an item meets just those begun before it that have not ended.
    """
    told: set[tuple[int, int]] = set()
    begun: list[Item] = []  # in file order; what has ended goes when it is met
    for item in sorted(items, key=lambda item: item.range):
        for other in _not_ended(begun, item.range):
            first, second = sorted((other, item), key=_in_file)
            if (id(second), first.number) not in told:
                told.add((id(second), first.number))
                yield _overlap(first, second)
        insort(begun, item, key=_in_file)


def _not_ended(begun: list[Item], now: Range) -> list[Item]:
    found: list[Item] = []
    while len(found) < min(_MEETINGS, len(begun)):
        item = begun[len(found)]
        if item.range.family is now.family and item.range.high >= now.low:
            found.append(item)
        else:
            del begun[len(found)]
    return found


def _in_file(item: Item) -> tuple[int, Place]:
    return item.number, item.node.place


def _overlap(first: Item, second: Item) -> Problem:
    low, high = max(first.range.low, second.range.low), min(first.range.high, second.range.high)
    common, line = Range(first.range.family, low, high), first.node.place.line
    if first.number == second.number:
        sentence = f"{common} stands twice in {first.pool}, the first time on line {line}"
        return Problem(second.node.place, sentence, "write each address once")
    sentence = f"{second.pool} overlaps {first.pool} on line {line}: both have {common}"
    return Problem(second.node.place, sentence, "give each address to one pool only")


def _values(pool: Node) -> Iterator[Problem]:
    """Expressions of the pool's selectors whose operator and values do not go together."""
    selectors = [pool.value.get(key) for key in ("namespaceSelector", "serviceSelector", "nodeSelector")]  # type: ignore[union-attr] # because a pool is a mapping by now
    expressions = [e for selector in selectors if selector is not None for e in _list(selector, "matchExpressions")]
    if not expressions:
        return
    from lbctl.selectors import Operator

    known = {str(operator): operator for operator in Operator}
    for expression in expressions:
        if (
            not isinstance(expression.value, dict)
            or (operator := known.get(_text(expression, "operator") or "")) is None
        ):
            continue  # because the schema says so already
        values = expression.value.get("values")
        if operator.takes_values and (values is None or values.value == []):
            node = values or expression.value["operator"]
            yield Problem(node.place, f"{operator} needs at least one value", "write values: [front, back]")
        if not operator.takes_values and values is not None and isinstance(values.value, list) and values.value:
            other = "In" if operator is Operator.EXISTS else "NotIn"
            yield Problem(values.place, f"{operator} takes no values", f"remove values, or write operator: {other}")


class _Finder:
    """Finds an item that holds an address, in logarithmic time, also where items overlap."""

    def __init__(self, items: Iterable[Item]) -> None:
        ordered = sorted(items, key=lambda item: item.range)
        self._begins = [(item.range.family, item.range.low) for item in ordered]
        # For each item, the one that reaches farthest of it and those before it.
        self._farthest = list(accumulate(ordered, _farther))

    def find(self, address: Address) -> Item | None:
        """One of the items that hold the address."""
        family, number = family_of(address), int(address)
        at = bisect_right(self._begins, (family, number))
        item = self._farthest[at - 1] if at else None
        return item if item is not None and item.range.family is family and number <= item.range.high else None


def _farther(one: Item, other: Item) -> Item:
    return max(one, other, key=lambda item: (item.range.family, item.range.high))


@dataclass(frozen=True, slots=True)
class _Offer:
    """What all pools together hold and exclude, which (by number) avoid buggy IPs, and whether all could be read."""

    held: _Finder
    excluded: _Finder
    avoiding: set[int]
    whole: bool

    def lacks(self, address: Address) -> tuple[str, str] | None:
        """Why no pool hands the address out, and what to do; None when one does, or may."""
        item, hole = self.held.find(address), self.excluded.find(address)
        if hole is not None:
            sentence = f"{address} is excluded from {hole.pool} on line {hole.node.place.line}"
            return sentence, "remove it from exclude, or reserve another address"
        if item is None:
            return (f"{address} is in no pool", "reserve an address that a pool has") if self.whole else None
        if item.number in self.avoiding and is_buggy(address):
            sentence = f"{item.pool} leaves {address} out, because of its avoidBuggyIPs"
            return sentence, "reserve an address that does not end in .0 or .255"
        return None


def _reservations(reservations: Iterable[Node], offer: _Offer) -> Iterator[Problem]:
    services: dict[str, Node] = {}
    taken: dict[Address, tuple[str, Node]] = {}
    for reservation in reservations:
        service = reservation.value.get("service") if isinstance(reservation.value, dict) else None
        name = _text(reservation, "service")
        if service is not None and name is not None and (first := services.setdefault(name, service)) is not service:
            sentence = f"{_shown(name)} has a reservation on line {first.place.line} already"
            yield Problem(service.place, sentence, "put its addresses into one reservation")
        families: dict[Family, Address] = {}
        for node in _list(reservation, "addresses"):
            if not isinstance(node.value, str):
                continue  # because the schema says so already
            try:
                address = parse_address(node.value)
            except AddressError as bad:
                yield Problem(node.place, str(bad), bad.hint)
                continue
            if (other := families.setdefault(family_of(address), address)) is not address:
                sentence = f"the reservation has {other} already, and a Service gets one {family_of(address)} address"
                yield Problem(node.place, sentence, "remove one of the two")
                continue
            holder, begun = taken.setdefault(address, (_shown(name) if name else "another Service", node))
            if begun is not node:
                sentence = f"{address} is reserved for {holder} on line {begun.place.line} already"
                yield Problem(node.place, sentence, "reserve each address for one Service")
            if wrong := offer.lacks(address):
                yield Problem(node.place, *wrong)


def _shown(text: str) -> str:
    return text if text.isprintable() else repr(text)
