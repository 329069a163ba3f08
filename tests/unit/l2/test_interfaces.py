"""Which interfaces are announced on: rules over what the kernel says, recorded or built message by message."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbctl.addresses import Address
from lbctl.l2.interfaces import Flag, Interface, WhyNot, why_not
from lbctl.l2.netlink import Links, messages

UP = Flag.UP | Flag.LOWER_UP
MAC = bytes.fromhex("02000000000a")
NEW_LINK, DEL_LINK, NEW_ADDRESS, DEL_ADDRESS = 16, 17, 20, 21
ETHERNET, LOOPBACK, TUNNEL = 1, 772, 768  # ARPHRD


def attribute(kind: int, data: bytes) -> bytes:
    """One struct rtattr, padded."""
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def link(
    index: int,
    name: str,
    *,
    kind: str = "",
    slave: str = "",
    master: int = 0,
    flags: int = UP,
    hardware: int = ETHERNET,
    mac: bytes = MAC,
    family: int = socket.AF_UNSPEC,
) -> bytes:
    """The body of a message about a link, as the kernel builds it (rtnl_fill_ifinfo)."""
    info = (attribute(1, kind.encode()) if kind else b"") + (attribute(4, slave.encode()) if slave else b"")
    parts = [attribute(3, name.encode() + b"\0"), attribute(4, struct.pack("=I", 1500)), attribute(1, mac)]
    parts += [attribute(10, struct.pack("=I", master))] if master else []
    parts += [attribute(18 | 0x8000, info)] if info else []
    return struct.pack("=BxHiII", family, hardware, index, flags, 0) + b"".join(parts)


def placed(index: int, text: str, *, flags: int = 0, peer: str = "") -> bytes:
    """The body of a message about an address (inet_fill_ifaddr, inet6_fill_ifaddr)."""
    address = IPv4Interface(text) if "." in text else IPv6Interface(text)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    parts = attribute(8, struct.pack("=I", flags))
    if peer:
        parts += attribute(1, IPv4Address(peer).packed) + attribute(2, address.ip.packed)
    elif address.version == 4:
        parts += attribute(1, address.ip.packed) + attribute(2, address.ip.packed)
    else:
        parts += attribute(1, address.ip.packed)
    return struct.pack("=BBBBI", family, address.network.prefixlen, flags & 0xFF, 0, index) + parts


def links(*bodies: bytes) -> Links:
    """Links after these messages."""
    made = Links()
    for body in bodies:
        made.take(NEW_LINK, body)
    return made


# One machine with what a node may have; the index of each is its place in the list, from 1.
MACHINE = [
    (link(1, "lo", flags=UP | Flag.LOOPBACK, hardware=LOOPBACK, mac=bytes(6)), WhyNot.LOOPBACK),
    (link(2, "eth0"), None),
    (link(3, "eth1", flags=0), WhyNot.DOWN),
    (link(4, "eth2", flags=Flag.UP), WhyNot.NO_CARRIER),
    (link(5, "eth3", flags=UP | Flag.NO_ARP), WhyNot.NO_ARP),
    (link(6, "eth0.10", kind="vlan"), None),
    (link(7, "bond0", kind="bond"), None),
    (link(8, "eth4", slave="bond", master=7), WhyNot.PORT),
    (link(9, "br0", kind="bridge"), None),
    (link(10, "eth5", slave="bridge", master=9), WhyNot.PORT),
    (link(11, "bond0.20", kind="vlan"), None),
    (link(12, "eth0.30", kind="vlan", slave="bridge", master=9), WhyNot.PORT),
    (link(13, "vrf-blue", kind="vrf", flags=UP | Flag.NO_ARP), WhyNot.NO_ARP),
    (link(14, "eth6", slave="vrf", master=13), None),
    (link(15, "macvlan0", kind="macvlan"), None),
    (link(16, "eth7", master=99), WhyNot.PORT),
    (link(17, "docker0", kind="bridge"), WhyNot.EXCLUDED),
    (link(18, "br-0123456789ab", kind="bridge"), WhyNot.EXCLUDED),
    (link(19, "br-lan", kind="bridge"), None),
    (link(20, "cni0", kind="bridge"), WhyNot.EXCLUDED),
    (link(21, "veth1a2b3c", kind="veth"), WhyNot.EXCLUDED),
    (link(22, "veth4d5e6f", kind="veth", slave="bridge", master=20), WhyNot.PORT),
    (link(23, "cali0123456789a", kind="veth"), WhyNot.EXCLUDED),
    (link(24, "flannel.1", kind="vxlan"), WhyNot.EXCLUDED),
    (link(25, "kube-ipvs0", kind="dummy", flags=Flag.NO_ARP), WhyNot.NO_ARP),
    (link(26, "cbr0", kind="bridge"), WhyNot.EXCLUDED),
    (link(27, "tun0", kind="tun", hardware=65534, mac=b""), WhyNot.NO_ETHERNET),
    (link(28, "tunl0", kind="ipip", hardware=TUNNEL, mac=bytes(4)), WhyNot.NO_ETHERNET),
    (link(29, "ppp0", flags=UP | Flag.POINT_TO_POINT), WhyNot.POINT_TO_POINT),
    (link(30, "cilium_host", kind="veth"), WhyNot.EXCLUDED),
    (link(31, "team0", kind="team"), None),
    (link(32, "eth8", slave="team", master=31), WhyNot.PORT),
    (link(33, "eth9", slave="openvswitch", master=34), WhyNot.PORT),
    (link(34, "ovs-system", kind="openvswitch", flags=0), WhyNot.DOWN),
    (link(35, "br-ex", kind="openvswitch"), None),
    (link(36, "wlan0"), None),
]


@pytest.mark.parametrize(
    ("body", "wanted"), MACHINE, ids=lambda value: str(value) if not isinstance(value, bytes) else ""
)
def test_each_kind_of_interface_has_its_rule(body: bytes, wanted: WhyNot | None) -> None:
    """A LAN is announced on where it is, not at a port of it, not where there are no neighbors, not to containers."""
    index = struct.unpack_from("=BxHi", body)[2]
    every = links(*(each for each, _ in MACHINE)).interfaces()
    assert why_not(every[index], every) is wanted


def test_the_patterns_are_the_users_and_a_name_beats_them() -> None:
    """Other patterns may be given; an interface that a pool names is not excluded by its name, only by what it is."""
    every = links(link(1, "docker0", kind="bridge"), link(2, "eth0"), link(3, "docker1", flags=0)).interfaces()
    named = frozenset({"docker0", "docker1"})
    assert [why_not(i, every, named=named) for i in every.values()] == [None, None, WhyNot.DOWN]
    assert [why_not(i, every, excluded=["eth*"]) for i in every.values()] == [None, WhyNot.EXCLUDED, WhyNot.DOWN]


@pytest.mark.parametrize(
    ("address", "held"),
    [
        (IPv4Address("192.0.2.240"), True),
        (IPv4Address("198.51.100.1"), False),  # a /32 is no subnet
        (IPv4Address("203.0.113.1"), False),
        (IPv6Address("2001:db8::5"), True),
        (IPv6Address("2001:db8:1::1"), False),
        (IPv6Address("::c000:2f0"), False),  # the same number, the other family
    ],
)
def test_an_address_belongs_where_a_subnet_holds_it(address: Address, held: bool) -> None:
    """Addresses of the interface with more than themselves in their prefix."""
    made = links(link(2, "eth0"))
    for text in ("192.0.2.11/24", "198.51.100.1/32", "2001:db8::11/64", "2001:db8:1::1/128", "fe80::1/64"):
        made.take(NEW_ADDRESS, placed(2, text))
    (eth0,) = made.interfaces().values()
    assert eth0.holds(address) is held
    assert eth0.link_local == IPv6Address("fe80::1")


def test_links_and_addresses_come_and_go() -> None:
    """An interface takes its addresses with it, and those that the kernel still tries out are not there yet."""
    made = links(link(2, "eth0"), link(3, "eth1"))
    made.take(NEW_ADDRESS, placed(2, "192.0.2.11/24"))
    made.take(NEW_ADDRESS, placed(3, "2001:db8::11/64", flags=0x40))
    made.take(NEW_ADDRESS, placed(3, "203.0.113.1/32", peer="203.0.113.2"))
    assert made.interfaces()[2] == Interface(2, "eth0", MAC, UP, addresses=(IPv4Interface("192.0.2.11/24"),))
    assert made.interfaces()[3].addresses == (IPv4Interface("203.0.113.1/32"),)
    assert made.interfaces()[3].link_local is None

    made.take(NEW_ADDRESS, placed(3, "2001:db8::11/64"))  # no duplicate was found
    assert IPv6Interface("2001:db8::11/64") in made.interfaces()[3].addresses
    made.take(NEW_ADDRESS, placed(3, "2001:db8::11/64", flags=0x08))  # one was
    assert IPv6Interface("2001:db8::11/64") not in made.interfaces()[3].addresses
    made.take(DEL_ADDRESS, placed(2, "192.0.2.11/24"))
    assert made.interfaces()[2].addresses == ()

    assert not made.take(NEW_LINK, link(2, "lan0"))
    assert made.interfaces()[2].name == "lan0"
    assert made.take(NEW_LINK, link(2, "lan0", flags=Flag.UP)), "its carrier is gone"
    assert not made.take(NEW_LINK, link(2, "lan0"))
    assert made.take(DEL_LINK, link(2, "lan0"))
    assert not made.take(DEL_LINK, link(2, "lan0"))
    assert set(made.interfaces()) == {3}
    made.forget()
    assert made.interfaces() == {}


def test_a_port_that_leaves_its_bridge_is_not_deleted() -> None:
    """The bridge tells of it as a deleted link of family AF_BRIDGE (br_ifinfo_notify); the link is still there."""
    made = links(link(2, "eth0", slave="bridge", master=3), link(3, "br0", kind="bridge"))
    made.take(DEL_LINK, link(2, "eth0", family=socket.AF_BRIDGE, master=3))
    assert set(made.interfaces()) == {2, 3}
    made.take(NEW_LINK, link(2, "eth0"))
    assert why_not(made.interfaces()[2], made.interfaces()) is None


WHOLE = struct.pack("=IHHII", 16 + len(link(2, "eth0")), NEW_LINK, 0, 1, 0) + link(2, "eth0")


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(WHOLE)))
def test_messages_cut_or_changed_never_raise(changes: list[tuple[int, int]], cut: int) -> None:
    """Whatever the lengths in them say."""
    made = Links()
    changed = bytearray(WHOLE)
    for at, value in changes:
        changed[at] = value
    for data in (bytes(changed), WHOLE[:cut]):
        for kind, _, body in messages(data):
            for each in (kind, NEW_LINK, NEW_ADDRESS, DEL_ADDRESS):
                made.take(each, body)
    made.interfaces()


def test_several_messages_in_one_datagram_are_all_read() -> None:
    """A dump has many, each padded to four bytes."""
    first = attribute(0, b"x")  # anything: a length that is not a multiple of four
    data = struct.pack("=IHHII", 16 + 5, 3, 2, 1, 0) + first
    assert [(kind, flags, len(body)) for kind, flags, body in messages(data + WHOLE)] == [
        (3, 2, 5),
        (NEW_LINK, 0, len(link(2, "eth0"))),
    ]
