"""Addresses and sets of them: sorted disjoint integer ranges per family, so that a /64 costs what a /32 costs.

Addresses are compared parsed, never as text (promise 2). Text comes in through `parse_address` and `parse_range` alone;
what they refuse, they refuse with a sentence and what to write instead. Nothing here knows of pools or Services.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

Address = IPv4Address | IPv6Address

_ONE = "write an address such as 192.0.2.10 or 2001:db8::10"
_ANY = "write an address (192.0.2.10), a range (192.0.2.200-192.0.2.220) or a CIDR (192.0.2.240/28)"
_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)
_ZERO_PADDED = re.compile(r"\d{1,9}(\.\d{1,9}){3}", re.ASCII)


class AddressError(ValueError):
    """Text that is no address, range or CIDR; `hint` says how to write it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Family(StrEnum):
    """An IP family, named as in spec.ipFamilies."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"

    @property
    def bits(self) -> int:
        """The length of an address in bits."""
        return 32 if self is Family.IPV4 else 128


def family_of(address: Address) -> Family:
    """The family of one address."""
    return Family.IPV4 if address.version == 4 else Family.IPV6


def is_buggy(address: Address) -> bool:
    """Whether it is IPv4 and ends in .0 or .255, which some old routers take for a network or a broadcast."""
    return address.version == 4 and int(address) & 255 in (0, 255)


def from_int(family: Family, number: int) -> Address:
    """The address with that number; raises ValueError when the family has no such number."""
    return IPv4Address(number) if family is Family.IPV4 else IPv6Address(number)


def parse_address(text: str) -> Address:
    """Read one address; raises AddressError, also for a zone and for IPv4 mapped into IPv6."""
    return _parse(text, _ONE)


def _parse(text: str, forms: str) -> Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise _no_address(text, forms) from None
    if isinstance(address, IPv6Address):
        if address.scope_id:
            bare = text.partition("%")[0]
            raise AddressError(f"{text!r} has a zone, and an address to hand out has none", f"write {bare}")
        if address.ipv4_mapped:
            raise AddressError(f"{text!r} is an IPv4 address mapped into IPv6", f"write {address.ipv4_mapped}")
    return address


def _no_address(text: str, forms: str) -> AddressError:
    # Some programs read 010 as ten and some as eight, so ipaddress and kube-apiserver refuse it.
    if _ZERO_PADDED.fullmatch(text) and all(int(part) < 256 for part in text.split(".")):
        plain = ".".join(str(int(part)) for part in text.split("."))
        return AddressError(f"{text!r} has a number with a leading zero", f"write {plain}")
    return AddressError(f"{text!r} is not an IP address", forms)


class Range(NamedTuple):
    """The addresses of one family from the number `low` to the number `high`, both included."""

    family: Family
    low: int
    high: int

    @classmethod
    def one(cls, address: Address) -> Range:
        """That of a single address."""
        return cls(family_of(address), int(address), int(address))

    @classmethod
    def of(cls, network: IPv4Network | IPv6Network) -> Range:
        """That of all addresses of a network."""
        first, last = network.network_address, network.broadcast_address
        return cls(family_of(first), int(first), int(last))

    def __str__(self) -> str:
        low, high = from_int(self.family, self.low), from_int(self.family, self.high)
        return str(low) if low == high else f"{low}-{high}"


def parse_range(text: str) -> Range:
    """Read `a-b`, a CIDR without host bits or a single address, with spaces around; raises AddressError."""
    if "/" in text:
        return _parse_cidr(text.strip())
    first, dash, last = (part.strip() for part in text.partition("-"))
    if dash and not (first and last):
        raise AddressError(f"the range {text.strip()!r} has an address at one end only", _ANY)
    low = _parse(first, _ANY)
    if not dash:
        return Range(family_of(low), int(low), int(low))
    if low.version == 4 and _PREFIX.fullmatch(last):
        whole = f"{first.rpartition('.')[0]}.{last}"
        raise AddressError(f"the range {first}-{last} has no address at its end", f"write {first}-{whole}")
    high = _parse(last, _ANY)
    if low.version != high.version:
        raise AddressError(f"the range {first}-{last} goes from one family to the other", "write one range per family")
    if int(low) > int(high):
        raise AddressError(f"the range {first}-{last} is reversed", f"write {high}-{low}")
    return Range(family_of(low), int(low), int(high))


def _parse_cidr(text: str) -> Range:
    first, _, prefix = text.partition("/")
    address = _parse(first, _ANY)
    family = family_of(address)
    if not _PREFIX.fullmatch(prefix) or int(prefix) > family.bits:
        raise AddressError(
            f"{text!r} is not a CIDR", f"end it with a prefix from /0 to /{family.bits}, such as {first}/{family.bits}"
        )
    size = 1 << (family.bits - int(prefix))
    low = int(address) & -size
    if low != int(address):
        network = Range(family, low, low + size - 1)
        raise AddressError(
            f"{text} has host bits set; the network is {from_int(family, low)}/{prefix} ({network})",
            "write the range you mean",
        )
    return Range(family, low, low + size - 1)


Span = tuple[int, int]
Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class AddressSet:
    """An immutable set of addresses of both families.

    Each family is a tuple of inclusive (low, high) integers, sorted, disjoint and not touching, so equal sets compare
    equal. Build one with `of`; the operators cost time linear in the ranges of both sides, membership its logarithm.
    """

    _ipv4: Spans = ()
    _ipv6: Spans = ()

    @classmethod
    def of(cls, ranges: Iterable[Range]) -> AddressSet:
        """The union of ranges, in any order, overlapping or not."""
        spans: dict[Family, list[Span]] = {family: [] for family in Family}
        for family, low, high in ranges:
            spans[family].append((low, high))
        return cls(*(_merged(spans[family]) for family in Family))

    @classmethod
    def parse(cls, text: str) -> AddressSet:
        """Read `a-b`, a CIDR or a single address; raises AddressError."""
        return cls.of([parse_range(text)])

    def ranges(self, family: Family) -> Spans:
        """The inclusive integer ranges of one family, sorted, disjoint and not touching."""
        return self._ipv4 if family is Family.IPV4 else self._ipv6

    def size(self, family: Family | None = None) -> int:
        """How many addresses, of one family or of both."""
        families = Family if family is None else (family,)
        return sum(high - low + 1 for f in families for low, high in self.ranges(f))

    def covers(self, part: Range) -> bool:
        """Whether every address of a range is in the set."""
        spans = self.ranges(part.family)
        at = bisect_right(spans, part.low, key=_low)
        return at > 0 and part.high <= spans[at - 1][1]

    def within(self, bounds: Range) -> AddressSet:
        """The addresses of the set that a range holds too; logarithmic in the set's ranges."""
        spans = self.ranges(bounds.family)
        start = bisect_left(spans, bounds.low, key=_high)
        stop = bisect_right(spans, bounds.high, key=_low)
        common = _common(spans[start:stop], ((bounds.low, bounds.high),))
        return AddressSet.of(Range(bounds.family, low, high) for low, high in common)

    def __contains__(self, address: Address) -> bool:
        number = int(address)
        return self.covers(Range(family_of(address), number, number))

    def __or__(self, other: AddressSet) -> AddressSet:
        return AddressSet(*(_merged([*self.ranges(f), *other.ranges(f)]) for f in Family))

    def __and__(self, other: AddressSet) -> AddressSet:
        return AddressSet(*(tuple(_common(self.ranges(f), other.ranges(f))) for f in Family))

    def __sub__(self, other: AddressSet) -> AddressSet:
        return AddressSet(*(tuple(_cut(self.ranges(f), other.ranges(f))) for f in Family))

    def __bool__(self) -> bool:
        return bool(self._ipv4 or self._ipv6)

    def __iter__(self) -> Iterator[Address]:
        """Every address by number, IPv4 first."""
        for family in Family:
            for low, high in self.ranges(family):
                for number in range(low, high + 1):
                    yield from_int(family, number)

    def __str__(self) -> str:
        return ", ".join(str(Range(f, low, high)) for f in Family for low, high in self.ranges(f))


def _low(span: Span) -> int:
    return span[0]


def _high(span: Span) -> int:
    return span[1]


def _merged(spans: list[Span]) -> Spans:
    merged: list[Span] = []
    # Two sorted sets laid end to end are two runs to Python's sort, which merges them in linear time.
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _common(left: Spans, right: Spans) -> Iterator[Span]:
    i = j = 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low <= high:
            yield low, high
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1


def _cut(spans: Spans, holes: Spans) -> Iterator[Span]:
    at = 0
    for start, high in spans:
        low = start
        while at < len(holes) and holes[at][0] <= high:
            if holes[at][0] > low:
                yield low, holes[at][0] - 1
            low = max(low, holes[at][1] + 1)
            if low > high:
                break  # the hole may reach into the next span, so it is looked at again there
            at += 1
        if low <= high:
            yield low, high
