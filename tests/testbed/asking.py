"""Asks the LAN for an address all the time, so that a capture shows at every moment who answers for it; or claims it.

It asks from a host that no test connects from, because the answers bring the asking host's neighbour entry up to date.
The frames are put together here, not by lbctl's codecs, so that neither hides the other's faults.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Callable

from tests.testbed.lan import HOSTS, PORT, Host
from tests.testbed.netns import Namespace

EVERYBODY = b"\xff" * 6
ALL_NODES = ipaddress.IPv6Address("ff02::1").packed
GROUP = ipaddress.IPv6Address("ff02::1:ff00:0").packed  # the solicited-node groups, but for their last three bytes


class Repeating:
    """Says the same about addresses again and again, from a host; use it as a context manager."""

    def __init__(
        self, space: Namespace, *addresses: str, frame: Callable[[Host, str], bytes], period: float = 0.1
    ) -> None:
        self._frames = [frame(HOSTS[space.name], address) for address in addresses]
        self._period = period
        self._socket = space.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        self._socket.bind((PORT, 0))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Repeating:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while True:
            for frame in self._frames:
                with contextlib.suppress(OSError):  # while the host's own link is down
                    self._socket.send(frame)
            if self._ended.wait(self._period):
                return


def question(host: Host, address: str) -> bytes:
    """The frame by which a host asks who has an address: an ARP request (RFC 826) or a solicitation (RFC 4861 4.3)."""
    target, mac = ipaddress.ip_address(address), bytes.fromhex(host.mac.replace(":", ""))
    if target.version == 4:
        arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
        return EVERYBODY + mac + b"\x08\x06" + arp + mac + socket.inet_aton(host.ipv4) + bytes(6) + target.packed
    source = socket.inet_pton(socket.AF_INET6, host.ipv6)
    group = GROUP[:13] + target.packed[13:]
    return _icmp(mac, 135, source, group, bytes(4) + target.packed + b"\x01\x01" + mac)


def claim(host: Host, address: str) -> bytes:
    """The frame by which a host tells all that it has an address: a gratuitous ARP request (RFC 5227 2.3), or an
    unsolicited advertisement (RFC 4861 7.2.6)."""
    target, mac = ipaddress.ip_address(address), bytes.fromhex(host.mac.replace(":", ""))
    if target.version == 4:
        arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
        return EVERYBODY + mac + b"\x08\x06" + arp + mac + target.packed + bytes(6) + target.packed
    return _icmp(mac, 136, target.packed, ALL_NODES, b"\x20" + bytes(3) + target.packed + b"\x02\x01" + mac)


def _icmp(mac: bytes, kind: int, source: bytes, group: bytes, body: bytes) -> bytes:
    """An ICMPv6 message to a group."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    message = message[:2] + _checksum(source, group, message) + body
    header = struct.pack("!IHBB", 0x60000000, len(message), 58, 255)
    return b"\x33\x33" + group[12:] + mac + b"\x86\xdd" + header + source + group + message


def _checksum(source: bytes, destination: bytes, message: bytes) -> bytes:
    """The ICMPv6 checksum (RFC 4443 2.3)."""
    pseudo = source + destination + struct.pack("!IHBB", len(message), 0, 0, 58) + message
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)
