"""AddressSet does what netaddr.IPSet does, on both families and at both ends of each."""

from __future__ import annotations

import random
from collections.abc import Iterable
from time import process_time

import netaddr
from hypothesis import given, settings
from hypothesis import strategies as st

from lbctl.addresses import AddressSet, Family, Range, from_int, parse_range

SEED = 20_240_607
OPERATIONS = 10_000
LAST = {family: (1 << family.bits) - 1 for family in Family}
# Where carries and ends go wrong: the lowest and highest numbers, and a byte's edge in the middle.
CENTRES = {Family.IPV4: (0, 0xC00002FF, LAST[Family.IPV4]), Family.IPV6: (0, 0x20010DB8 << 96, LAST[Family.IPV6])}

few = settings(derandomize=True, max_examples=300, deadline=None)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """A range of up to 40 addresses near one of the centres."""
    family = draw(st.sampled_from(Family))
    centre = draw(st.sampled_from(CENTRES[family]))
    low = min(max(centre + draw(st.integers(-60, 60)), 0), LAST[family])
    return Range(family, low, min(low + draw(st.integers(0, 39)), LAST[family]))


range_lists = st.lists(ranges(), max_size=12)


def oracle(parts: Iterable[Range]) -> netaddr.IPSet:
    """The same addresses as a netaddr.IPSet."""
    found = netaddr.IPSet()
    for family, low, high in parts:
        found.add(oracle_range(family, low, high))
    return found


def oracle_range(family: Family, low: int, high: int) -> netaddr.IPRange:
    """The same addresses as a netaddr.IPRange."""
    first, last = (netaddr.IPAddress(number, 4 if family is Family.IPV4 else 6) for number in (low, high))
    return netaddr.IPRange(first, last)


def spans(addresses: AddressSet) -> dict[Family, list[tuple[int, int]]]:
    """An AddressSet's ranges by family."""
    return {family: list(addresses.ranges(family)) for family in Family}


def oracle_spans(addresses: netaddr.IPSet) -> dict[Family, list[tuple[int, int]]]:
    """An IPSet's ranges by family."""
    found: dict[Family, list[tuple[int, int]]] = {family: [] for family in Family}
    for part in addresses.iter_ipranges():
        found[Family.IPV4 if part.version == 4 else Family.IPV6].append((part.first, part.last))
    return found


@few
@given(range_lists, range_lists)
def test_the_operators_agree_with_netaddr(left: list[Range], right: list[Range]) -> None:
    """Union, intersection and difference give netaddr's ranges, sorted and merged where they touch."""
    ours, theirs = AddressSet.of(left), AddressSet.of(right)
    assert spans(ours) == oracle_spans(oracle(left))
    assert spans(ours | theirs) == oracle_spans(oracle(left) | oracle(right))
    assert spans(ours & theirs) == oracle_spans(oracle(left) & oracle(right))
    assert spans(ours - theirs) == oracle_spans(oracle(left) - oracle(right))


@few
@given(range_lists, ranges())
def test_size_membership_and_iteration_agree_with_netaddr(parts: list[Range], probe: Range) -> None:
    """What is counted is what is in it, address by address, and `covers` and `within` mean that too."""
    ours, theirs = AddressSet.of(parts), oracle(parts)
    assert ours.size() == theirs.size == len(list(ours)) == sum(ours.size(family) for family in Family)
    assert [str(address) for address in ours] == [str(address) for address in theirs]
    probed = [from_int(probe.family, number) for number in range(probe.low, probe.high + 1)]
    assert [a in ours for a in probed] == [netaddr.IPAddress(str(a)) in theirs for a in probed]
    assert ours.covers(probe) == all(a in ours for a in probed)
    assert list(ours.within(probe)) == [a for a in probed if a in ours]
    assert bool(ours) == bool(theirs)


@few
@given(range_lists, range_lists)
def test_equal_sets_are_equal_values(left: list[Range], right: list[Range]) -> None:
    """Two ways to the same addresses compare and hash equal, so sets can be compared as values."""
    ours = AddressSet.of(left) | AddressSet.of(right)
    again = AddressSet.of([*right, *left, *right])
    assert ours == again
    assert hash(ours) == hash(again)


@few
@given(ranges())
def test_a_range_survives_being_written_and_read(part: Range) -> None:
    """What __str__ writes, parse_range reads (but for addresses it refuses: IPv4 mapped into IPv6)."""
    assert parse_range(str(part)) == part


def test_ten_thousand_operations_in_a_row_agree_with_netaddr() -> None:
    """A set that lives long, cut and mended at random, never drifts from netaddr's: its ranges, its size, what is in
    it, and, while it is small, what it goes through one by one."""
    print(f"seed {SEED}")
    choose = random.Random(SEED)
    ours, theirs, walked = AddressSet(), netaddr.IPSet(), 0
    for _ in range(OPERATIONS):
        family = choose.choice(list(Family))
        low = min(max(choose.choice(CENTRES[family]) + choose.randint(-64, 64), 0), LAST[family])
        adding = choose.random() < 0.5
        part = Range(family, low, min(low + choose.randint(0, 10 if adding else 60), LAST[family]))
        if adding:
            ours |= AddressSet.of([part])
            theirs.add(oracle_range(*part))
        else:
            ours -= AddressSet.of([part])
            theirs.remove(oracle_range(*part))
        assert spans(ours) == oracle_spans(theirs)
        assert ours.size() == theirs.size
        probe = from_int(family, min(max(low + choose.randint(-40, 40), 0), LAST[family]))
        assert (probe in ours) == (netaddr.IPAddress(str(probe)) in theirs)
        if ours.size() <= 100:
            walked += 1
            assert [(a.version, int(a)) for a in ours] == [(a.version, int(a)) for a in theirs]
    assert walked > OPERATIONS / 10


def test_the_operators_take_linear_time() -> None:
    """50,000 ranges on either side cost well under a second of CPU; a quadratic cut would take minutes."""
    evens = AddressSet.of(Range(Family.IPV6, n, n + 1) for n in range(0, 400_000, 8))
    odds = AddressSet.of(Range(Family.IPV6, n, n + 3) for n in range(1, 400_000, 8))
    before = process_time()
    assert len((evens | odds).ranges(Family.IPV6)) == len((evens & odds).ranges(Family.IPV6)) == 50_000
    assert (evens - odds).size() == 50_000
    assert process_time() - before < 1
