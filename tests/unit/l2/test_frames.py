"""The codecs say what scapy says, give back what they were given, and raise for no bytes at all."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from lbctl.l2 import arp, ndp
from lbctl.l2.ethernet import checksum, group_mac, mac_text, parse_mac
from lbctl.l2.frames import Advertisement, Arp, Frame, Op, Solicitation, decode, encode
from tests.unit.l2.generated import frames

SEED = 20_261_125
FRAMES = 10_000
A, B = parse_mac("02:00:00:00:00:0a"), parse_mac("02:00:00:00:00:0b")
V4, CLIENT4 = IPv4Address("192.0.2.240"), IPv4Address("192.0.2.10")
V6, CLIENT6 = IPv6Address("2001:db8::1:2:240"), IPv6Address("2001:db8::10")
SOLICITED = IPv6Address("ff02::1:ff02:240")


def scapys(frame: Frame) -> Packet:
    """The same frame as scapy builds it, checksum and lengths its own."""
    ether = Ether(src=mac_text(frame.source), dst=mac_text(frame.destination))
    if isinstance(frame, Arp):
        hw = {"hwsrc": mac_text(frame.sender_mac), "hwdst": mac_text(frame.target_mac)}
        return ether / ARP(op=int(frame.op), psrc=str(frame.sender_ip), pdst=str(frame.target_ip), **hw)
    ip = ether / IPv6(src=str(frame.sender_ip), dst=str(frame.to_ip), hlim=255)
    if isinstance(frame, Solicitation):
        ip /= ICMPv6ND_NS(tgt=str(frame.target_ip))
        return ip if frame.sender_mac is None else ip / ICMPv6NDOptSrcLLAddr(lladdr=mac_text(frame.sender_mac))
    flags = {"R": int(frame.router), "S": int(frame.solicited), "O": int(frame.override)}
    ip /= ICMPv6ND_NA(tgt=str(frame.target_ip), **flags)
    return ip if frame.target_mac is None else ip / ICMPv6NDOptDstLLAddr(lladdr=mac_text(frame.target_mac))


def test_the_bytes_are_those_of_scapy() -> None:
    """10,000 frames of every kind: scapy builds the same bytes, and they are read back as they were."""
    print("seed", SEED)
    kinds = set()
    for frame in frames(SEED, FRAMES):
        data = encode(frame)
        assert data == bytes(scapys(frame)), frame
        assert decode(data) == frame
        assert decode(data + bytes(60 - len(data) if len(data) < 60 else 4)) == frame, "padding changes nothing"
        kinds.add(type(frame))
    assert kinds == {Arp, Solicitation, Advertisement}


@settings(max_examples=2_000, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_no_bytes_raise(data: st.DataObject, seed: int) -> None:
    """A frame cut anywhere, or with bytes changed, is read or is None; read, it is written back as it was read."""
    whole = bytearray(encode(next(frames(seed, 1))))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)):
        whole[at] = value
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for frame in (cut, bytes(whole)):
        read = decode(frame)
        assert read is None or decode(encode(read)) == read


@settings(max_examples=1_000, deadline=None)
@given(st.binary(max_size=120), st.sampled_from([b"", b"\x08\x06", b"\x86\xdd", b"\x81\x00"]))
def test_no_noise_raises(noise: bytes, ethertype: bytes) -> None:
    """Noise behind any EtherType is read or is None."""
    decode(noise[:12] + ethertype + noise[12:])


def test_every_cut_of_a_frame_is_none() -> None:
    """A frame that lacks a byte of what it says is not read."""
    for frame in frames(SEED, 30):
        data = encode(frame)
        assert [decode(data[:n]) for n in range(len(data))] == [None] * len(data)


def test_a_changed_byte_of_icmp_is_noticed() -> None:
    """The checksum covers the addresses and the message: any one bit of them changed, and nothing is read."""
    data = encode(ndp.solicit(A, CLIENT6, V6))
    for bit in range(22 * 8, len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert decode(bytes(changed)) is None, bit


NS = ICMPv6ND_NS(tgt=str(V6))
NA = ICMPv6ND_NA(tgt=str(V6))
LL = ICMPv6NDOptSrcLLAddr(lladdr=mac_text(A))
ETHER = Ether(src=mac_text(A), dst=mac_text(B))
UNICAST = {"src": str(CLIENT6), "dst": str(V6)}


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(ETHER / IPv6(**UNICAST, hlim=254) / NS, id="hop limit 254"),
        pytest.param(ETHER / IPv6(**UNICAST, hlim=255) / ICMPv6ND_NS(tgt=str(V6), code=1), id="code 1"),
        pytest.param(ETHER / IPv6(**UNICAST, hlim=255) / ICMPv6ND_NS(tgt="ff02::1"), id="target a group"),
        pytest.param(ETHER / IPv6(src="ff02::2", dst=str(V6), hlim=255) / NS, id="from a group"),
        pytest.param(ETHER / IPv6(src="::", dst=str(V6), hlim=255) / NS, id="from :: to one host"),
        pytest.param(ETHER / IPv6(src="::", dst=str(SOLICITED), hlim=255) / NS / LL, id="from :: with an option"),
        pytest.param(ETHER / IPv6(**UNICAST, hlim=255) / NS / Raw(bytes(8)), id="option of length 0"),
        pytest.param(ETHER / IPv6(**UNICAST, hlim=255) / NS / Raw(b"\x01\x02" + bytes(6)), id="option past the end"),
        pytest.param(ETHER / IPv6(**UNICAST, hlim=255) / NS / Raw(b"\x01"), id="option of one byte"),
        pytest.param(
            ETHER / IPv6(src=str(V6), dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=str(V6), S=1), id="S to a group"
        ),
        pytest.param(ETHER / IPv6(**UNICAST, hlim=255, plen=23) / NS, id="payload shorter than a solicitation"),
        pytest.param(ETHER / IPv6(**UNICAST, hlim=255, plen=40) / NS, id="payload longer than the frame"),
        pytest.param(Ether(src="03:00:00:00:00:01", dst=mac_text(B)) / IPv6(**UNICAST, hlim=255) / NS, id="group MAC"),
        pytest.param(ETHER / ARP(op=3, psrc="192.0.2.1", pdst="192.0.2.2"), id="RARP"),
        pytest.param(ETHER / ARP(hwtype=6, psrc="192.0.2.1", pdst="192.0.2.2"), id="another hardware"),
    ],
)
def test_what_the_rfcs_discard_is_none(frame: Packet) -> None:
    """RFC 4861 7.1.1 and 7.1.2, RFC 826: discarded silently."""
    assert decode(bytes(frame)) is None


def test_options_that_are_unknown_are_passed_over() -> None:
    """A nonce (RFC 7527) and a link-layer address of another length do no harm; the first address counts."""
    nonce, long = b"\x0e\x01" + bytes(6), b"\x01\x02" + bytes(14)
    second = ICMPv6NDOptSrcLLAddr(lladdr=mac_text(B))
    read = decode(bytes(ETHER / IPv6(**UNICAST, hlim=255) / NS / Raw(nonce) / Raw(long) / LL / second))
    assert read == Solicitation(A, B, CLIENT6, V6, A, V6)


@pytest.mark.parametrize("frame", [arp.probe(A, V4), ndp.probe(A, V6)])
def test_a_tag_of_vlan_0_is_none_and_any_other_is_not_ours(frame: Frame) -> None:
    """A priority tag is no VLAN; a frame of a VLAN belongs to another interface, and so does one with two tags."""
    data = encode(frame)
    tagged = {tag: data[:12] + b"\x81\x00" + tag.to_bytes(2) + data[12:] for tag in (0, 7 << 13, 10, 7 << 13 | 10)}
    assert [decode(t) for t in tagged.values()] == [frame, frame, None, None]
    assert decode(data[:12] + b"\x81\x00\0\0" + tagged[0][12:]) is None
    assert decode(tagged[0][:15]) is None


def test_answers_go_to_the_one_who_asked() -> None:
    """RFC 826; RFC 4861 7.2.4: without a link-layer option to the MAC it came from, of a probe to all nodes."""
    asked = arp.request(A, CLIENT4, V4)
    assert arp.reply(asked, B) == Arp(B, A, Op.REPLY, B, V4, A, CLIENT4)
    assert arp.reply(arp.probe(A, V4), B) == Arp(B, A, Op.REPLY, B, V4, A, IPv4Address(0))

    all_nodes = parse_mac("33:33:00:00:00:01")
    plain = Solicitation(A, group_mac(SOLICITED), CLIENT6, V6, None, SOLICITED)
    answered = Advertisement(B, A, V6, CLIENT6, V6, B, False, True, True)
    assert ndp.answer(plain, B) == answered
    assert ndp.answer(ndp.solicit(A, CLIENT6, V6, at=B), B) == answered
    assert ndp.answer(ndp.probe(A, V6), B) == Advertisement(B, all_nodes, V6, ndp.ALL_NODES, V6, B, False, False, True)
    assert ndp.unsolicited(B, V6) == ndp.answer(ndp.probe(A, V6), B)


def test_announcements_and_probes_are_told_apart() -> None:
    """RFC 5227 1.1; RFC 4862 5.4.2."""
    assert arp.probe(A, V4).is_probe
    assert not arp.request(A, CLIENT4, V4).is_probe
    assert all(arp.gratuitous(A, V4, op).is_gratuitous for op in Op)
    assert not arp.probe(A, V4).is_gratuitous
    assert ndp.probe(A, V6).is_probe
    assert not ndp.solicit(A, CLIENT6, V6).is_probe
    assert ndp.solicit(A, CLIENT6, V6).to_ip == SOLICITED
    assert ndp.solicit(A, CLIENT6, V6, at=B).to_ip == V6


@pytest.mark.parametrize("mac", [b"", bytes(5), bytes(7)])
def test_a_mac_has_six_bytes(mac: bytes) -> None:
    """A value that cannot be put on the wire is not built."""
    with pytest.raises(ValueError, match=f"sender_mac has {len(mac)} bytes, and a MAC has 6"):
        Arp(A, B, Op.REQUEST, mac, V4, B, V4)
    with pytest.raises(ValueError, match=f"the link-layer option has {len(mac)} bytes, and a MAC has 6"):
        Solicitation(A, B, CLIENT6, V6, mac, V6)


@pytest.mark.parametrize("text", ["02:00:00:00:00:0a", "02-00-00-00-00-0A", "02000000000a"])
def test_macs_are_read_as_people_write_them(text: str) -> None:
    """With colons, dashes or nothing; written with colons."""
    assert mac_text(parse_mac(text)) == "02:00:00:00:00:0a"


@pytest.mark.parametrize(
    "text", ["", "02:00:00:00:00", "02:00-00:00:00:0a", "0g:00:00:00:00:0a", "02:00:00:00:00:0a\n"]
)
def test_what_is_no_mac_says_so(text: str) -> None:
    """A MAC is read exactly."""
    with pytest.raises(ValueError, match=r"is not a MAC address such as 02:00:00:00:00:0a$"):
        parse_mac(text)


def test_the_checksum_is_that_of_rfc_1071() -> None:
    """The RFC's own example; word by word for noise; zero over data that holds its own checksum."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2
    draw = random.Random(SEED)
    for _ in range(500):
        data = draw.randbytes(draw.randrange(1, 80)) if draw.random() < 0.9 else bytes(8)
        total = sum(int.from_bytes((data + b"\0")[at : at + 2]) for at in range(0, len(data), 2))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        assert checksum(data) == total ^ 0xFFFF
