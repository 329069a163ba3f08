"""ARP for IPv4 over Ethernet (RFC 826, RFC 5227): a value, its bytes, and the messages that an announcer sends.

Pure and symmetrical: `decode(encode(x)) == x`, and `decode` never raises.

    0      2      4    5    6    8           14         18          24         28
    | htype | ptype |hlen|plen| op | sender MAC | sender IP | target MAC | target IP |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from lbctl.l2.ethernet import BROADCAST, ETHERTYPE_ARP, NO_MAC, Mac, header, is_station, open_frame, require_mac

_BODY = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET_IPV4 = (1, 0x0800, 6, 4)  # hardware type, protocol type, and the lengths of their addresses
ANY = IPv4Address(0)  # who probes has no address yet (RFC 5227 1.1)


class Op(IntEnum):
    """What an ARP message is; decode reads no other."""

    REQUEST = 1
    REPLY = 2


@dataclass(frozen=True, slots=True)
class Arp:
    """One ARP message in its Ethernet frame; `source` and `destination` are the frame's MACs, not the message's."""

    source: Mac
    destination: Mac
    op: Op
    sender_mac: Mac
    sender_ip: IPv4Address
    target_mac: Mac
    target_ip: IPv4Address

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be put on a wire or must not be: a group as the source."""
        for what in ("source", "destination", "sender_mac", "target_mac"):
            require_mac(getattr(self, what), what)
        if not is_station(self.source):
            raise ValueError("a frame comes from one station")

    @property
    def is_probe(self) -> bool:
        """Whether it asks for an address that its sender does not have yet (RFC 5227 1.1)."""
        return self.op is Op.REQUEST and self.sender_ip == ANY

    @property
    def is_gratuitous(self) -> bool:
        """Whether it tells of its sender's own address: an ARP announcement (RFC 5227 1.1), or the same as a reply."""
        return self.sender_ip == self.target_ip


def request(mac: Mac, sender: IPv4Address, target: IPv4Address, to: Mac = BROADCAST) -> Arp:
    """Who has `target`, tell `sender`; `to` one MAC it is a reachability probe."""
    return Arp(mac, to, Op.REQUEST, mac, sender, NO_MAC, target)


def probe(mac: Mac, target: IPv4Address, to: Mac = BROADCAST) -> Arp:
    """Does anybody use `target` (RFC 5227 2.1.1): no cache on the LAN learns from it, as its sender is 0.0.0.0."""
    return request(mac, ANY, target, to)


def reply(asked: Arp, mac: Mac) -> Arp:
    """The answer that `mac` has what was asked for, to the one who asked (RFC 826)."""
    return Arp(mac, asked.source, Op.REPLY, mac, asked.target_ip, asked.sender_mac, asked.sender_ip)


def gratuitous(mac: Mac, address: IPv4Address, op: Op = Op.REQUEST) -> Arp:
    """All on the LAN hear that `mac` has the address (RFC 5227 2.3). Some stacks listen to the request alone, others to
    the reply, so an announcer sends both."""
    return Arp(mac, BROADCAST, op, mac, address, NO_MAC if op is Op.REQUEST else BROADCAST, address)


def encode(message: Arp) -> bytes:
    """The frame, 42 bytes; the driver pads it."""
    return header(message.destination, message.source, ETHERTYPE_ARP) + _BODY.pack(
        *_ETHERNET_IPV4,
        message.op,
        message.sender_mac,
        message.sender_ip.packed,
        message.target_mac,
        message.target_ip.packed,
    )


def decode(frame: bytes) -> Arp | None:
    """The ARP message in a frame, or None: another protocol, cut short, of a VLAN, or neither request nor reply."""
    opened = open_frame(frame)
    if opened is None or opened[0] != ETHERTYPE_ARP or len(opened[1]) < _BODY.size:
        return None
    *kinds, op, sender_mac, sender_ip, target_mac, target_ip = _BODY.unpack_from(opened[1])
    if tuple(kinds) != _ETHERNET_IPV4:
        return None
    try:
        return Arp(
            frame[6:12],
            frame[:6],
            Op(op),
            sender_mac,
            IPv4Address(sender_ip),
            target_mac,
            IPv4Address(target_ip),
        )
    except ValueError:
        return None
