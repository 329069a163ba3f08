"""Addresses and sets of them: sorted disjoint integer ranges per family, so that a /64 costs what a /32 costs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address


class AddressError(ValueError):
    """Text that is no address, range or CIDR; `hint` says how to write it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Family(StrEnum):
    """An IP family, named as in spec.ipFamilies."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


def family_of(address: Address) -> Family:
    """The family of one address."""
    return Family.IPV4 if address.version == 4 else Family.IPV6


def from_int(family: Family, number: int) -> Address:
    """The address with that number."""
    return IPv4Address(number) if family is Family.IPV4 else IPv6Address(number)


def parse_address(text: str) -> Address:
    """Read one address; raises AddressError."""
    try:
        address = ip_address(text)
    except ValueError:
        raise AddressError(f"{text!r} is not an IP address") from None
    if isinstance(address, IPv6Address) and (address.scope_id or address.ipv4_mapped):
        raise AddressError(f"{text!r} has a zone or maps an IPv4 address; neither can be handed out")
    return address


Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class AddressSet:
    """An immutable set of addresses."""

    _ranges: Mapping[Family, Ranges] = field(default_factory=dict)

    @classmethod
    def from_ranges(cls, family: Family, pairs: Iterable[tuple[int, int]]) -> AddressSet:
        """The union of inclusive ranges of one family."""
        merged: list[tuple[int, int]] = []
        for low, high in sorted(pairs):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return cls({family: tuple(merged)} if merged else {})

    @classmethod
    def parse(cls, text: str) -> AddressSet:
        """Read `a-b`, a CIDR or a single address; raises AddressError."""
        if "/" in text:
            return cls._parse_cidr(text.strip())
        first, dash, last = text.partition("-")
        low = parse_address(first.strip())
        high = parse_address(last.strip()) if dash else low
        if low.version != high.version:
            raise AddressError(f"the range {text} goes from one family to the other", "write one range per family")
        if int(low) > int(high):
            raise AddressError(f"the range {text} is reversed", f"write {high}-{low}")
        return cls.from_ranges(family_of(low), [(int(low), int(high))])

    @classmethod
    def _parse_cidr(cls, text: str) -> AddressSet:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise AddressError(f"{text!r} is not a CIDR") from None
        low, high = network[0], network[-1]
        if parse_address(text.split("/")[0]) != low:
            raise AddressError(
                f"{text} has host bits set; the network is {network} ({low}-{high})", "write the range you mean"
            )
        return cls.from_ranges(family_of(low), [(int(low), int(high))])

    def ranges(self, family: Family) -> Ranges:
        """The inclusive integer ranges of one family, sorted and disjoint."""
        return self._ranges.get(family, ())

    def size(self, family: Family | None = None) -> int:
        """How many addresses, of one family or of both."""
        return sum(high - low + 1 for f, rs in self._ranges.items() if family in (None, f) for low, high in rs)

    def __or__(self, other: AddressSet) -> AddressSet:
        both = {f: [*self.ranges(f), *other.ranges(f)] for f in Family}
        return AddressSet({f: s.ranges(f) for f, rs in both.items() if (s := AddressSet.from_ranges(f, rs))})

    def __sub__(self, other: AddressSet) -> AddressSet:
        left = {f: tuple(_cut(self.ranges(f), other.ranges(f))) for f in self._ranges}
        return AddressSet({f: rs for f, rs in left.items() if rs})

    def __and__(self, other: AddressSet) -> AddressSet:
        return self - (self - other)

    def __contains__(self, address: Address) -> bool:
        ranges, number = self.ranges(family_of(address)), int(address)
        at = bisect_right(ranges, number, key=lambda r: r[0])
        return at > 0 and number <= ranges[at - 1][1]

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __iter__(self) -> Iterator[Address]:
        for family in Family:
            for low, high in self.ranges(family):
                for number in range(low, high + 1):
                    yield from_int(family, number)

    def __str__(self) -> str:
        spans = [(from_int(f, a), from_int(f, b)) for f in Family for a, b in self.ranges(f)]
        return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def _cut(ranges: Ranges, holes: Ranges) -> Iterator[tuple[int, int]]:
    for start, high in ranges:
        low = start
        for hole_low, hole_high in holes:
            if hole_high < low or hole_low > high:
                continue
            if hole_low > low:
                yield low, hole_low - 1
            low = hole_high + 1
        if low <= high:
            yield low, high
