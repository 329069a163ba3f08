"""The filters let through what they should, by an interpreter of this file's own, in at most 4,096 instructions."""

from __future__ import annotations

import random
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest

from lbctl.addresses import Address, AddressSet, Family, Range, family_of
from lbctl.l2 import arp, bpf, ndp
from lbctl.l2.ethernet import parse_mac
from lbctl.l2.frames import Advertisement, Arp, Frame, Op, Solicitation, encode
from tests.unit.l2.generated import frames

SEED = 20_261_125
HOST, BROADCAST, MULTICAST, OTHERHOST, OUTGOING = range(5)
PACKET_TYPE = 0xFFFFF004
A, B = parse_mac("02:00:00:00:00:0a"), parse_mac("02:00:00:00:00:0b")
CLIENT4, CLIENT6 = IPv4Address("192.0.2.10"), IPv6Address("2001:db8::10")


def run(program: tuple[bpf.Instruction, ...], frame: bytes, packet_type: int) -> int:
    """What the kernel does with a program of these instructions: how many bytes of the frame it lets through."""
    loaded, kept, at = 0, 0, 0
    while True:
        code, jt, jf, k = (i := program[at]).code, i.jt, i.jf, i.k
        at += 1
        if code == 0x06:
            return k
        if code in (0x20, 0x28, 0x30):
            size = {0x20: 4, 0x28: 2, 0x30: 1}[code]
            if k == PACKET_TYPE:
                loaded = packet_type
            elif k + size > len(frame):
                return 0
            else:
                loaded = int.from_bytes(frame[k : k + size])
        elif code == 0x07:
            kept = loaded
        elif code == 0x05:
            at += k
        else:
            true = {0x15: loaded == k, 0x1D: loaded == kept, 0x25: loaded > k, 0x35: loaded >= k, 0x45: loaded & k}
            at += jt if true[code] else jf


def valid(program: tuple[bpf.Instruction, ...]) -> bool:
    """What the kernel demands of it (bpf_check_classic): every jump stays inside, and its ends fit one byte."""
    last = len(program) - 1
    for at, i in enumerate(program):
        ends = (
            [at + 1 + i.k]
            if i.code == 0x05
            else []
            if i.code == 0x06
            else [at + 1]
            if i.code == 0x07
            else [at + 1 + i.jt, at + 1 + i.jf]
        )
        if not all(0 <= jump <= 255 for jump in (i.jt, i.jf)) or any(end > last for end in ends):
            return False
    return 0 < len(program) <= bpf.LIMIT and program[-1].code == 0x06


def packet_type(frame: Frame) -> int:
    """As an interface whose MAC is the frame's destination sees it."""
    if isinstance(frame, Arp):
        return BROADCAST if frame.destination == b"\xff" * 6 else HOST
    return MULTICAST if frame.destination[:2] == b"\x33\x33" else HOST


def questions(addresses: AddressSet, frame: Frame) -> bool:
    """What a responder is to hear."""
    if isinstance(frame, Arp):
        return frame.op is Op.REQUEST and not frame.is_gratuitous and frame.target_ip in addresses
    return isinstance(frame, Solicitation) and frame.target_ip in addresses


def claims(addresses: AddressSet, frame: Frame) -> bool:
    """What an announcer is to hear."""
    if isinstance(frame, Arp):
        asks = frame.op is Op.REQUEST and (frame.is_probe or packet_type(frame) == HOST)
        return (frame.target_ip if asks else frame.sender_ip) in addresses
    if isinstance(frame, Solicitation):
        heard = frame.is_probe or frame.sender_ip.is_link_local or packet_type(frame) == HOST
        return heard and frame.target_ip in addresses
    return frame.target_ip in addresses


FILTERS = [
    pytest.param(bpf.arp_questions, questions, Family.IPV4, id="ARP questions"),
    pytest.param(bpf.arp_claims, claims, Family.IPV4, id="ARP claims"),
    pytest.param(bpf.ndp_questions, questions, Family.IPV6, id="NDP questions"),
    pytest.param(bpf.ndp_claims, claims, Family.IPV6, id="NDP claims"),
]
Compile = Callable[[AddressSet, int], bpf.Filter]
Wanted = Callable[[AddressSet, Frame], bool]

SETS = {
    "one of each": "192.0.2.240 2001:db8::1",
    "pools": "192.0.2.200-192.0.2.220 192.0.2.240/28 2001:db8::100/120 2001:db8:1::/64",
    "everything": "0.0.0.0/0 ::/0",
    "the ends": "0.0.0.0 255.255.255.255 :: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "across words": "0.255.255.255-1.0.0.1 2001:db8::ffff:ffff-2001:db8::1:0:0 ::ffff:ffff:ffff:ffff-0:0:1::5:0:0",
    "whole words": "192.0.2.8/29 2001:db8::/32 2001:db8::/64 fe80::/10",
}


def of(text: str) -> AddressSet:
    """A set of both families, as text."""
    found = AddressSet()
    for part in text.split():
        found |= AddressSet.parse(part)
    return found


def scattered(family: Family, count: int, seed: int = SEED) -> AddressSet:
    """So many ranges of one family, few near each other."""
    draw = random.Random(seed)
    top = (1 << family.bits) - 1
    lows = (draw.randrange(top) for _ in range(count))
    return AddressSet.of(Range(family, low, min(low + draw.choice([0, 0, 7]), top)) for low in lows)


def around(addresses: AddressSet, family: Family, draw: random.Random, count: int) -> list[Address]:
    """Addresses of the set, at both ends of its ranges and next to them, and of anywhere."""
    top = (1 << family.bits) - 1
    spans = addresses.ranges(family)
    numbers = [
        n for span in draw.sample(spans, min(count, len(spans))) for end in span for n in (end - 1, end, end + 1)
    ]
    numbers += [draw.randint(0, top) for _ in range(count)]
    make = IPv4Address if family is Family.IPV4 else IPv6Address
    return [make(n) for n in numbers if 0 <= n <= top]


def asking(address: Address, draw: random.Random) -> list[Frame]:
    """Every kind of frame about an address."""
    if isinstance(address, IPv4Address):
        whole = [arp.request(A, CLIENT4, address), arp.request(A, CLIENT4, address, B), arp.probe(A, address)]
        return [*whole, *(arp.gratuitous(A, address, op) for op in Op), arp.reply(arp.request(A, CLIENT4, address), B)]
    if address.is_multicast:
        return []
    asked = [ndp.solicit(A, CLIENT6, address), ndp.solicit(A, CLIENT6, address, B), ndp.probe(A, address)]
    asked.append(ndp.solicit(A, IPv6Address(f"fe80::{draw.randint(1, 9)}"), address))
    return [*asked, ndp.unsolicited(A, address)]


@pytest.mark.parametrize(("compile_", "wanted", "family"), FILTERS)
@pytest.mark.parametrize("name", SETS)
def test_a_filter_lets_through_what_is_asked_for(compile_: Compile, wanted: Wanted, family: Family, name: str) -> None:
    """At both ends of every range, beside them and anywhere: through exactly when it should be."""
    print("seed", SEED)
    draw = random.Random(SEED)
    addresses = of(SETS[name])
    made = compile_(addresses, bpf.LIMIT)
    assert valid(made.program)
    assert made.spare == 0
    seen = [frame for address in around(addresses, family, draw, 40) for frame in asking(address, draw)]
    for frame in [*seen, *frames(SEED, 500)]:
        ours = isinstance(frame, Arp) == (family is Family.IPV4)
        passed = run(made.program, encode(frame), packet_type(frame)) > 0
        assert passed == (ours and wanted(addresses, frame)), frame


@pytest.mark.parametrize(("compile_", "wanted", "family"), FILTERS)
@pytest.mark.parametrize("count", [3, 100, 300])
def test_scattered_ranges_are_searched_exactly(compile_: Compile, wanted: Wanted, family: Family, count: int) -> None:
    """Far jumps are taken through near ones, and lead where they should."""
    draw = random.Random(SEED)
    addresses = scattered(family, count)
    made = compile_(addresses, bpf.LIMIT)
    assert valid(made.program)
    assert made.spare == 0
    for address in around(addresses, family, draw, 200):
        for frame in asking(address, draw):
            assert (run(made.program, encode(frame), packet_type(frame)) > 0) == wanted(addresses, frame), frame


@pytest.mark.parametrize(("compile_", "wanted", "family"), FILTERS)
def test_too_many_ranges_are_coarsened_never_cut(compile_: Compile, wanted: Wanted, family: Family) -> None:
    """10,000 scattered ranges fit because gaps are filled: nothing that is wanted is lost, and the filter says how much
    more it lets through."""
    draw = random.Random(SEED)
    addresses = scattered(family, 10_000)
    made = compile_(addresses, bpf.LIMIT)
    assert valid(made.program)
    assert made.spare > 0
    for address in around(addresses, family, draw, 300):
        for frame in asking(address, draw):
            if wanted(addresses, frame):
                assert run(made.program, encode(frame), packet_type(frame)) > 0, frame


@pytest.mark.parametrize(("compile_", "wanted", "family"), FILTERS)
def test_a_lower_limit_is_kept(compile_: Compile, wanted: Wanted, family: Family) -> None:
    """Where the kernel has less memory than 4,096 instructions take; a single range is the least there is."""
    addresses = scattered(family, 500)
    for limit in (2_000, 500, 200):
        made = compile_(addresses, limit)
        assert len(made.program) <= limit
        assert made.spare > 0 or limit == 2_000
    least = compile_(addresses, 1)
    assert valid(least.program)
    frame = next(f for f in asking(next(iter(addresses)), random.Random(SEED)) if wanted(addresses, f))
    assert run(least.program, encode(frame), packet_type(frame)) > 0


@pytest.mark.parametrize(("compile_", "wanted", "family"), FILTERS)
def test_only_the_narrowest_gaps_are_filled(compile_: Compile, wanted: Wanted, family: Family) -> None:
    """Two dense blocks far apart stay two: what lies between them is not let through."""
    base = int(IPv4Address("10.0.0.0") if family is Family.IPV4 else IPv6Address("2001:db8::"))
    numbers = [base + far + n for far in (0, 1 << 20) for n in range(0, 20_000, 2)]
    addresses = AddressSet.of(Range(family, n, n) for n in numbers)
    made = compile_(addresses, bpf.LIMIT)
    assert valid(made.program)
    assert 10_000 < made.spare < 20_000
    between = [IPv4Address(base + (1 << 19)) if family is Family.IPV4 else IPv6Address(base + (1 << 19))]
    for frame in asking(between[0], random.Random(SEED)):
        assert run(made.program, encode(frame), packet_type(frame)) == 0
        assert not wanted(addresses, frame)


@pytest.mark.parametrize(("compile_", "wanted", "family"), FILTERS)
def test_two_thousand_addresses_one_by_one_cost_two_instructions_each(
    compile_: Compile, wanted: Wanted, family: Family
) -> None:
    """2,000 addresses with a gap behind each fit exactly where one list is searched; so does any pool in ranges."""
    base = int(IPv4Address("10.0.0.0") if family is Family.IPV4 else IPv6Address("2001:db8::"))
    addresses = AddressSet.of(Range(family, n, n) for n in range(base, base + 4_000, 2))
    made = compile_(addresses, bpf.LIMIT)
    assert valid(made.program)
    assert (made.spare == 0) == (compile_ is not bpf.arp_claims)
    whole = compile_(AddressSet.of([Range(family, base, base + 4_000)]), bpf.LIMIT)
    assert len(whole.program) < 50
    assert wanted(addresses, asking(next(iter(addresses)), random.Random(SEED))[2])


@pytest.mark.parametrize(("compile_", "wanted", "family"), FILTERS)
def test_what_is_for_others_and_cut_short_is_dropped(compile_: Compile, wanted: Wanted, family: Family) -> None:
    """Promiscuous or of an unknown VLAN (the kernel says: for another host), our own, or too short to be read."""
    addresses = of(SETS["one of each"])
    program = compile_(addresses, bpf.LIMIT).program
    address = next(a for a in addresses if family_of(a) is family)
    frame = next(f for f in asking(address, random.Random(SEED)) if wanted(addresses, f))
    data = encode(frame)
    assert run(program, data, packet_type(frame)) > 0
    assert [run(program, data, kind) for kind in (OTHERHOST, OUTGOING)] == [0, 0]
    assert not any(run(program, data[:n], packet_type(frame)) for n in range(78 if family is Family.IPV6 else 32))


@pytest.mark.parametrize(("compile_", "wanted", "family"), FILTERS)
def test_no_addresses_let_nothing_through(compile_: Compile, wanted: Wanted, family: Family) -> None:
    """An empty set is the program that drops, not one that cannot be built."""
    assert compile_(AddressSet(), bpf.LIMIT) == bpf.NOTHING
    other = Range(Family.IPV6 if family is Family.IPV4 else Family.IPV4, 1, 9)
    assert compile_(AddressSet.of([other]), bpf.LIMIT) == bpf.NOTHING
    assert not wanted(AddressSet(), Advertisement(A, B, CLIENT6, CLIENT6, CLIENT6, None, False, False, False))
    assert bpf.NOTHING.packed() == bytes.fromhex("0600000000000000")
