"""What the lab's switch passes on: who answers for an address, when, and whether two did at once.

The bridge sees each frame that it takes from a port once; one of a host that is cut off in the switch never. Only ARP
and Neighbor Discovery are kept. The bytes are read here again, not by lbctl's codecs, so that neither hides the other's
faults. Times are time.monotonic() of this machine, stamped by the kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from tests.testbed.lan import BRIDGE, BY_MAC
from tests.testbed.netns import Namespace

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4

# Classic BPF: ARP, and of IPv6 only ICMPv6 neighbor solicitations and advertisements.
FILTER = (
    (0x28, 0, 0, 12),  # the EtherType
    (0x15, 6, 0, 0x0806),
    (0x15, 0, 6, 0x86DD),
    (0x30, 0, 0, 20),  # the next header
    (0x15, 0, 4, 58),
    (0x30, 0, 0, 54),  # the ICMPv6 type
    (0x15, 1, 0, 135),
    (0x15, 0, 1, 136),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame at the switch: when, from which host (its name, else its MAC), what it is, of which address.

    kind: "request" and "probe" ask for an address; "reply", "gratuitous" and "advertisement" claim it, with `mac`.
    """

    at: float
    host: str
    kind: str
    address: str
    mac: str
    to: str  # the MAC that it is sent to

    @property
    def claims(self) -> bool:
        """Whether it says who has the address."""
        return self.kind in ("reply", "gratuitous", "advertisement")


class Capture:
    """Frames from now on until it is closed; use it as a context manager."""

    def __init__(self, switch: Namespace) -> None:
        self.frames: list[Seen] = []
        self._socket = switch.call(_open)
        self._offset = time.monotonic() - time.time()
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; what it has seen stays."""
        self._ended = True
        self._thread.join()
        self._socket.close()

    def answers(self, address: str, since: float = 0.0) -> list[Seen]:
        """All claims of an address, in order."""
        wanted = str(ipaddress.ip_address(address))
        return [seen for seen in list(self.frames) if seen.claims and seen.address == wanted and seen.at >= since]

    def owners(self, address: str, since: float = 0.0) -> list[str]:
        """The hosts that claimed it, in order, each again only after another."""
        names: list[str] = []
        for seen in self.answers(address, since):
            if not names or names[-1] != seen.host:
                names.append(seen.host)
        return names

    def _read(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                data, notes, _, where = self._socket.recvmsg(2048, 64)
                if where[2] != PACKET_OUTGOING and (seen := decode(data, self._stamp(notes))) is not None:
                    self.frames.append(seen)

    def _stamp(self, notes: Iterable[tuple[int, int, bytes]]) -> float:
        for level, kind, data in notes:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("@ll", data[:16])
                return float(seconds + nanoseconds / 1e9 + self._offset)
        return time.monotonic()


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # bound later, so that nothing comes before the filter
    code = b"".join(struct.pack("HBBI", *step) for step in FILTER)
    program = ctypes.create_string_buffer(code)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(FILTER), ctypes.addressof(program)))
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.settimeout(0.1)
    sock.bind((BRIDGE, ETH_P_ALL))
    return sock


def decode(frame: bytes, at: float) -> Seen | None:
    """What an Ethernet frame asks or claims; None when it is neither ARP nor Neighbor Discovery."""
    to, source = frame[:6].hex(":"), frame[6:12].hex(":")
    host = BY_MAC.get(source, source)
    if frame[12:14] == b"\x08\x06" and len(frame) >= 42:
        operation = frame[21]
        mac, sender, target = frame[22:28].hex(":"), frame[28:32], frame[38:42]
        kind = (
            "reply" if operation == 2 else "gratuitous" if sender == target else "request" if any(sender) else "probe"
        )
        about = target if kind in ("request", "probe") else sender
        return Seen(at, host, kind, str(ipaddress.IPv4Address(about)), mac, to)
    if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and len(frame) >= 78 and frame[54] in (135, 136):
        kind = "advertisement" if frame[54] == 136 else "request" if any(frame[22:38]) else "probe"
        option = frame[80:86].hex(":") if len(frame) >= 86 else source
        return Seen(at, host, kind, str(ipaddress.IPv6Address(frame[62:78])), option, to)
    return None


def stretches(answers: Iterable[Seen], gap: float = 1.0) -> list[tuple[str, float, float]]:
    """Who answered from when to when: a host's answers with no pause of more than `gap` seconds are one stretch."""
    found: list[tuple[str, float, float]] = []
    open_now: dict[str, tuple[float, float]] = {}
    for seen in answers:
        began, last = open_now.get(seen.host, (seen.at, seen.at))
        if seen.at - last > gap:
            found.append((seen.host, began, last))
            began = seen.at
        open_now[seen.host] = began, seen.at
    found.extend((host, began, last) for host, (began, last) in open_now.items())
    return sorted(found, key=lambda stretch: stretch[1])


def overlap(answers: Iterable[Seen], gap: float = 1.0) -> float:
    """The longest time, in seconds, that two hosts both answered for the address. Somebody must ask all the time."""
    pairs = combinations(stretches(answers, gap), 2)
    both = (min(one[2], other[2]) - max(one[1], other[1]) for one, other in pairs if one[0] != other[0])
    return max(0.0, *both, 0.0)
