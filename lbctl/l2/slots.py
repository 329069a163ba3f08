"""The raw sockets of one interface: two that the responder answers on, and two that the announcer hears and sends on.

Making one needs CAP_NET_RAW, binding it does not: so a stock of slots is made at the start, and the capability can be
given up although interfaces come later. A socket is made for no protocol, gets its filter, and is bound last: what
comes between would slip in. Bound to one protocol it hears nothing of what this machine sends (packet(7)).
"""

from __future__ import annotations

import array
import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Iterator

from lbctl.addresses import AddressSet
from lbctl.l2 import bpf
from lbctl.l2.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV6

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_PROTOCOLS = (ETHERTYPE_ARP, ETHERTYPE_IPV6)
_FRAME = 2048
_AT_ONCE = 256  # frames taken from one socket before the others have their turn


class Slot:
    """Four sockets, or two where nothing is answered; `number` is what the responder knows them by, `name` the
    interface they are bound to."""

    def __init__(self, number: int, *, answers: bool = True) -> None:
        """Raises PermissionError without CAP_NET_RAW."""
        self.number = number
        self.name = ""
        self.index = 0
        self.base = (0, 0)  # what it had answered when it was bound
        made: list[socket.socket] = []
        count = 4 if answers else 2
        try:
            made.extend(socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) for _ in range(count))
        except OSError:
            for each in made:
                each.close()
            raise
        self.answering, self.hearing = made[:-2], made[-2:]
        self.listen(AddressSet())

    def listen(self, addresses: AddressSet) -> int:
        """Let through what concerns these addresses, and from now on nothing else. How many addresses more the coarsest
        filter lets through."""
        kinds = (bpf.arp_questions, bpf.ndp_questions, bpf.arp_claims, bpf.ndp_claims)
        wires = self.answering + self.hearing
        return max(_narrow(wire, kind, addresses) for wire, kind in zip(wires, kinds[-len(wires) :], strict=True))

    def bind(self, name: str, index: int) -> None:
        """Hear this interface. Raises OSError when it is gone."""
        for pair in filter(None, (self.answering, self.hearing)):
            for wire, protocol in zip(pair, _PROTOCOLS, strict=True):
                wire.bind((name, protocol))
        self.name, self.index = name, index

    def let_go(self) -> None:
        """The interface is gone: hear nothing until the next."""
        self.name, self.index = "", 0
        self.listen(AddressSet())

    def send(self, frame: bytes) -> bool:
        """Put a frame on the wire; False when the interface is down or gone."""
        protocol = int.from_bytes(frame[12:14])
        try:
            self.hearing[protocol == ETHERTYPE_IPV6].send(frame)
        except OSError:
            return False
        return True

    def receive(self, wire: socket.socket) -> Iterator[bytes]:
        """What has come, without waiting."""
        # An interface that goes down says so once, as an error.
        with contextlib.suppress(OSError):
            for _ in range(_AT_ONCE):
                yield wire.recv(_FRAME, socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Give the sockets back."""
        for wire in self.answering + self.hearing:
            wire.close()


def _narrow(wire: socket.socket, kind: Callable[[AddressSet, int], bpf.Filter], addresses: AddressSet) -> int:
    """Attach the finest filter that the kernel has memory for (net.core.optmem_max); how coarse it is."""
    limit = bpf.LIMIT
    while True:
        program = kind(addresses, limit)
        # The old one counts until the new one is in its place: where both do not fit, nothing is heard for a moment.
        for last in (False, True):
            try:
                attach(wire, program)
            except OSError as error:
                if error.errno != errno.ENOMEM:
                    raise
                if not last:
                    attach(wire, bpf.NOTHING)
            else:
                return program.spare
        limit = len(program.program) // 2


def attach(wire: socket.socket, program: bpf.Filter) -> None:
    """Filter what the socket hears from now on; the kernel exchanges one program for another in one step."""
    data = array.array("B", program.packed())
    address, _ = data.buffer_info()
    wire.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program.program), address))
