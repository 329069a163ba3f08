"""Neighbor Discovery for IPv6 over Ethernet (RFC 4861, RFC 4862): solicitations, advertisements, their bytes.

Pure and symmetrical: `decode(encode(x)) == x`, and `decode` never raises. What RFC 4861 7.1 tells a host to discard is
None here, and cannot be built either: the rules stand once, at the values.

    Ethernet 14 | IPv6 40: version, length, next header 58, hop limit 255, source, destination
    ICMPv6: type, code, checksum, flags (4) | target (16) | options: type, length in units of 8, ...
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address

from lbctl.l2.ethernet import ETHERTYPE_IPV6, Mac, checksum, group_mac, header, is_station, open_frame, require_mac

_IPV6 = struct.Struct("!IHBB16s16s")
_ICMP = struct.Struct("!BBHI16s")
_VERSION = 6 << 28
_ICMPV6 = 58
_HOP_LIMIT = 255  # nothing that a router has passed on is believed (RFC 4861 3.1)
_SOLICITATION, _ADVERTISEMENT = 135, 136
_ROUTER, _SOLICITED, _OVERRIDE = 1 << 31, 1 << 30, 1 << 29
_SOURCE_MAC, _TARGET_MAC = 1, 2  # options (RFC 4861 4.6.1)

ANY = IPv6Address(0)  # who tries an address out has none yet (RFC 4862 5.4.2)
ALL_NODES = IPv6Address("ff02::1")
_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))


def solicited_node(address: IPv6Address) -> IPv6Address:
    """The group that a solicitation for the address is sent to (RFC 4291 2.7.1)."""
    return IPv6Address(_SOLICITED_NODE | int(address) & 0xFFFFFF)


def _require(message: Solicitation | Advertisement, mac: Mac | None) -> None:
    """What holds for both kinds; raises ValueError."""
    require_mac(message.source, "source")
    require_mac(message.destination, "destination")
    if mac is not None:
        require_mac(mac, "the link-layer option")
    if not is_station(message.source):
        raise ValueError("a frame comes from one station")
    if message.target_ip.is_multicast:
        raise ValueError("nobody has a group as an address (RFC 4861 7.1)")
    if message.sender_ip.is_multicast:
        raise ValueError("no packet comes from a group (RFC 4291 2.7)")


@dataclass(frozen=True, slots=True)
class Solicitation:
    """A Neighbor Solicitation: who has `target_ip`? `sender_mac` is its source link-layer option; `source` and
    `destination` are the frame's MACs, `sender_ip` and `to_ip` the packet's addresses."""

    source: Mac
    destination: Mac
    sender_ip: IPv6Address
    target_ip: IPv6Address
    sender_mac: Mac | None
    to_ip: IPv6Address

    def __post_init__(self) -> None:
        """Raises ValueError for what RFC 4861 7.1.1 tells a host to discard."""
        _require(self, self.sender_mac)
        if self.sender_ip == ANY:
            if self.to_ip != solicited_node(self.target_ip):
                raise ValueError("a probe from :: goes to the solicited-node group (RFC 4861 7.1.1)")
            if self.sender_mac is not None:
                raise ValueError("a probe from :: has no source link-layer option (RFC 4861 7.1.1)")

    @property
    def is_probe(self) -> bool:
        """Whether its sender tries the address out for itself (RFC 4862 5.4.2)."""
        return self.sender_ip == ANY


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A Neighbor Advertisement: `target_ip` is at `target_mac`, its target link-layer option."""

    source: Mac
    destination: Mac
    sender_ip: IPv6Address
    to_ip: IPv6Address
    target_ip: IPv6Address
    target_mac: Mac | None
    router: bool
    solicited: bool
    override: bool

    def __post_init__(self) -> None:
        """Raises ValueError for what RFC 4861 7.1.2 tells a host to discard."""
        _require(self, self.target_mac)
        if self.to_ip.is_multicast and self.solicited:
            raise ValueError("what goes to a group answers nobody (RFC 4861 7.1.2)")


def solicit(
    mac: Mac, sender: IPv6Address, target: IPv6Address, at: Mac | None = None, to_ip: IPv6Address | None = None
) -> Solicitation:
    """Who has `target`, tell `sender`; sent to its group, or as a reachability probe to the target `at` one MAC
    (RFC 4861 7.2.2), or to `to_ip` instead."""
    group = solicited_node(target)
    to = to_ip or (group if at is None else target)
    return Solicitation(mac, at or group_mac(group), sender, target, mac if sender != ANY else None, to)


def probe(mac: Mac, target: IPv6Address) -> Solicitation:
    """Does anybody use `target` (RFC 4862 5.4.2)? The answer goes to all nodes."""
    return solicit(mac, ANY, target)


def answer(asked: Solicitation, mac: Mac) -> Advertisement:
    """The answer that `mac` has what was asked for (RFC 4861 7.2.4): to the one who asked, or to all nodes when it was
    a probe from ::. Without a link-layer option in the question it goes to the MAC that the question came from."""
    to, at, solicited = asked.sender_ip, asked.sender_mac or asked.source, True
    if asked.is_probe:
        to, at, solicited = ALL_NODES, group_mac(ALL_NODES), False
    return Advertisement(mac, at, asked.target_ip, to, asked.target_ip, mac, False, solicited, True)


def unsolicited(mac: Mac, address: IPv6Address) -> Advertisement:
    """All on the LAN hear that `mac` has the address (RFC 4861 7.2.6)."""
    return Advertisement(mac, group_mac(ALL_NODES), address, ALL_NODES, address, mac, False, False, True)


def encode(message: Solicitation | Advertisement) -> bytes:
    """The frame, with its checksum."""
    if isinstance(message, Solicitation):
        kind, flags, option, mac = _SOLICITATION, 0, _SOURCE_MAC, message.sender_mac
    else:
        flags = message.router * _ROUTER | message.solicited * _SOLICITED | message.override * _OVERRIDE
        kind, option, mac = _ADVERTISEMENT, _TARGET_MAC, message.target_mac
    options = b"" if mac is None else bytes((option, 1)) + mac
    addresses = message.sender_ip.packed + message.to_ip.packed
    target = message.target_ip.packed
    total = _sum(addresses, _ICMP.pack(kind, 0, 0, flags, target) + options)
    icmp = _ICMP.pack(kind, 0, total, flags, target) + options
    ip = _IPV6.pack(_VERSION, len(icmp), _ICMPV6, _HOP_LIMIT, addresses[:16], addresses[16:])
    return header(message.destination, message.source, ETHERTYPE_IPV6) + ip + icmp


def decode(frame: bytes) -> Solicitation | Advertisement | None:
    """The solicitation or advertisement in a frame, or None: something else, or what RFC 4861 7.1 discards."""
    opened = open_frame(frame)
    if opened is None or opened[0] != ETHERTYPE_IPV6 or len(opened[1]) < _IPV6.size + _ICMP.size:
        return None
    first, length, following, hops, sender, to = _IPV6.unpack_from(opened[1])
    icmp = opened[1][_IPV6.size : _IPV6.size + length]  # what follows is Ethernet's padding
    if first >> 28 != 6 or following != _ICMPV6 or hops != _HOP_LIMIT or not _ICMP.size <= length == len(icmp):
        return None
    kind, code, _, flags, target = _ICMP.unpack_from(icmp)
    options = _options(icmp[_ICMP.size :])
    if kind not in (_SOLICITATION, _ADVERTISEMENT) or code or options is None or _sum(sender + to, icmp):
        return None
    source, destination, sender_ip, to_ip = frame[6:12], frame[:6], IPv6Address(sender), IPv6Address(to)
    try:
        if kind == _SOLICITATION:
            mac = options.get(_SOURCE_MAC)
            return Solicitation(source, destination, sender_ip, IPv6Address(target), mac, to_ip)
        return Advertisement(
            source,
            destination,
            sender_ip,
            to_ip,
            IPv6Address(target),
            options.get(_TARGET_MAC),
            bool(flags & _ROUTER),
            bool(flags & _SOLICITED),
            bool(flags & _OVERRIDE),
        )
    except ValueError:
        return None


def _sum(addresses: bytes, icmp: bytes) -> int:
    """The checksum over the pseudo-header (RFC 8200 8.1) and the message; 0 when the one inside is right."""
    return checksum(addresses + struct.pack("!II", len(icmp), _ICMPV6) + icmp)


def _options(data: bytes) -> dict[int, bytes] | None:
    """The link-layer options by type, the first of each; unknown ones and other lengths are passed over. None when one
    has length 0 or reaches past the end: such a message is discarded (RFC 4861 4.6)."""
    found: dict[int, bytes] = {}
    while data:
        size = data[1] * 8 if len(data) > 1 else 0
        if not 0 < size <= len(data):
            return None
        if size == 8:  # a MAC has 6 bytes
            found.setdefault(data[0], data[2:8])
        data = data[size:]
    return found
