"""Ethernet as ARP and NDP need it: MAC addresses, the header of a frame, and the checksum that ICMPv6 uses.

Pure: bytes in, values out. A MAC is `bytes` of length 6 everywhere; text is for people.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address

Mac = bytes

BROADCAST: Mac = b"\xff" * 6
NO_MAC: Mac = bytes(6)
HEADER = 14  # bytes: destination, source, EtherType
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_VLAN = 0x8100  # IEEE 802.1Q
_TAG = 4
_VID = 0x0FFF  # the lower 12 bits of the tag's second half
_MAC = re.compile(r"[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}", re.ASCII | re.IGNORECASE)


def mac_text(mac: Mac) -> str:
    """A MAC as people write it: 02:00:00:00:00:0a."""
    return mac.hex(":")


def parse_mac(text: str) -> Mac:
    """Read a MAC with colons, dashes or nothing between its bytes; raises ValueError."""
    if not _MAC.fullmatch(text):
        raise ValueError(f"{text!r} is not a MAC address such as 02:00:00:00:00:0a")
    return bytes.fromhex(re.sub("[:-]", "", text))


def is_station(mac: Mac) -> bool:
    """Whether it can be the address of one station: not a group, not all zeros."""
    return len(mac) == 6 and not mac[0] & 1 and mac != NO_MAC


def require_mac(mac: Mac, what: str) -> None:
    """Raises ValueError unless it has six bytes."""
    if len(mac) != 6:
        raise ValueError(f"{what} has {len(mac)} bytes, and a MAC has 6")


def header(destination: Mac, source: Mac, ethertype: int) -> bytes:
    """The 14 bytes that a frame begins with."""
    return destination + source + ethertype.to_bytes(2)


def open_frame(frame: bytes) -> tuple[int, bytes] | None:
    """The EtherType and the payload of a frame, or None when it is too short or belongs to a VLAN.

    A frame with a tag of VLAN 0 only has a priority (IEEE 802.1Q 9.6) and is read as one without a tag. Any other tag
    names a LAN that is not this interface's: it has an interface of its own (eth0.10), which hears the frame untagged.
    """
    if len(frame) < HEADER:
        return None
    ethertype, start = int.from_bytes(frame[12:14]), HEADER
    if ethertype == ETHERTYPE_VLAN:
        if len(frame) < HEADER + _TAG or int.from_bytes(frame[14:16]) & _VID:
            return None
        ethertype, start = int.from_bytes(frame[16:18]), HEADER + _TAG
    return ethertype, frame[start:]


def group_mac(group: IPv6Address) -> Mac:
    """The MAC of a multicast group: 33:33 and its last four bytes (RFC 2464 section 7)."""
    return b"\x33\x33" + group.packed[12:]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): the ones' complement sum of 16-bit words, complemented; 0 over data whose own
    checksum is right."""
    if len(data) % 2:
        data += b"\0"
    # A number modulo 65535 is the ones' complement sum of its 16-bit digits; data that is not all zeros sums to 65535
    # where the remainder is 0.
    number = int.from_bytes(data)
    total = number % 0xFFFF or (0xFFFF if number else 0)
    return ~total & 0xFFFF
