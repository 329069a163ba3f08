"""The process that answers: who has this address? I have. It looks it up in a table, and knows nothing else.

A process of its own, for a Python thread waits for its turn: beside a thread that parses, half of the answers took
over 0.5 ms and some 10 ms, whatever the switch interval. Alone, with a thread for each socket that blocks in recv (to
wait in epoll first costs a tenth more), the median is about 2.5 times the kernel's own time on a virtual machine, of
which two wake-ups that the kernel does not need are 1.7: as much as a program in C takes. It needs no privilege and has
none, and it fails safe (promise 7): it ends when the other end of its control socket does, and keeps silent while the
announcer has not shown for a while that it is alive, for then nobody yields the addresses to a peer.

What the announcer says is one datagram each: a letter, the slot's number, and

    P  two descriptors: an ARP socket and an IPv6 socket, filtered and bound by the announcer, for ever
    C  forget the slot's table
    A  entries to answer for: MAC, address length, address
    S  entries to be silent about: address length, address

A slot is one interface's pair of sockets. What both sides share besides is a page of numbers (`Shared`).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator

from lbctl.l2 import ndp, privileges
from lbctl.l2.ethernet import Mac

SLOTS = 254
PAGE = 8 * (1 + 2 * SLOTS)  # bytes
DATAGRAM = 1 << 16  # bytes of one message, at most
_MESSAGE = struct.Struct("=cH")

Table = dict[bytes, bytes]
_REPLY = bytes.fromhex("08060001080006040002")  # an ARP reply for IPv4 over Ethernet, from the EtherType on


class Shared:
    """A page that both processes see: until when the announcer is believed to be alive, and how much was answered.

    Numbers of 8 bytes, each written by one side alone: the first is a time of CLOCK_MONOTONIC in nanoseconds, which is
    one clock for all processes; then for each slot the ARP and the NDP answers.
    """

    def __init__(self, descriptor: int) -> None:
        self._page = mmap.mmap(descriptor, PAGE)
        self.numbers = memoryview(self._page).cast("q")

    def close(self) -> None:
        """Let go of the page."""
        self.numbers.release()
        self._page.close()

    def beat(self, patience: float) -> None:
        """The announcer is alive, and is believed to be for `patience` seconds."""
        self.numbers[0] = time.monotonic_ns() + int(patience * 1e9)

    def alive(self) -> bool:
        """Whether the announcer has shown itself lately."""
        return time.monotonic_ns() < self.numbers[0]

    @staticmethod
    def counter(slot: int) -> int:
        """Which number counts a slot's ARP answers; the next counts those of NDP."""
        return 1 + 2 * slot

    def answered(self, slot: int) -> tuple[int, int]:
        """How many ARP requests and how many solicitations a slot has answered."""
        at = self.counter(slot)
        return self.numbers[at], self.numbers[at + 1]


def entry(address: bytes, mac: Mac) -> bytes:
    """What a table holds for an address: of an ARP reply all that stands between what is copied from the request; for
    IPv6 the MAC."""
    return mac + _REPLY + mac + address if len(address) == 4 else mac


def serve_arp(wire: socket.socket, table: Table, shared: Shared, slot: int) -> None:
    """Answer the ARP requests that come on one socket, for ever.

    What comes is what `bpf.arp_questions` lets through, so that its form need not be looked at again. The reply is
    `arp.encode(arp.reply(arp.decode(frame), mac))` without the values in between and without a call: after a pause
    each step costs ten times what it costs in a loop, and the steps before `send` are what an answer waits for.
    """
    receive, send, mine, clock, numbers = wire.recv, wire.send, table.get, time.monotonic_ns, shared.numbers
    counter = Shared.counter(slot)
    while True:
        # An interface that goes down or away says so once, and is heard again when it is back.
        with contextlib.suppress(OSError):
            while True:
                frame = receive(64)
                middle = mine(frame[38:42])
                if middle is not None and clock() < numbers[0]:
                    send(frame[6:12] + middle + frame[22:32])
                    numbers[counter] += 1


def serve_ndp(wire: socket.socket, table: Table, shared: Shared, slot: int) -> None:
    """Answer the solicitations that come on one socket, for ever."""
    counter = Shared.counter(slot) + 1
    while True:
        with contextlib.suppress(OSError):
            while True:
                asked = ndp.decode(wire.recv(2048))
                mac = table.get(asked.target_ip.packed) if isinstance(asked, ndp.Solicitation) else None
                if isinstance(asked, ndp.Solicitation) and mac is not None and shared.alive():
                    wire.send(ndp.encode(ndp.answer(asked, mac)))
                    shared.numbers[counter] += 1


class _Slot:
    """One interface: its table, and its threads."""

    def __init__(self, number: int, sockets: list[socket.socket], shared: Shared) -> None:
        self.table: Table = {}
        for wire, serve in zip(sockets, (serve_arp, serve_ndp), strict=True):
            threading.Thread(target=serve, args=(wire, self.table, shared, number), daemon=True).start()

    def obey(self, letter: bytes, body: bytes) -> None:
        """Change the table."""
        if letter == b"C":
            self.table.clear()
        for mac, address in entries(body, letter == b"A"):
            if letter == b"A":
                self.table[address] = entry(address, mac)
            else:
                self.table.pop(address, None)


def entries(body: bytes, with_mac: bool) -> Iterator[tuple[Mac, bytes]]:
    """The entries of a message."""
    at, skip = 0, 6 if with_mac else 0
    while at < len(body):
        mac, size = body[at : at + skip], body[at + skip]
        at += skip + 1
        yield mac, body[at : at + size]
        at += size


def message(letter: str, slot: int, body: bytes = b"") -> bytes:
    """A message of the announcer."""
    return _MESSAGE.pack(letter.encode(), slot) + body


def obey(control: socket.socket, shared: Shared) -> None:
    """Do what the announcer says, until it is gone."""
    slots: dict[int, _Slot] = {}
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, DATAGRAM, 2)
        if not data:
            return
        letter, number = _MESSAGE.unpack_from(data)
        if letter == b"P":
            slots[number] = _Slot(number, [socket.socket(fileno=d) for d in descriptors], shared)
        else:
            slots[number].obey(letter, data[_MESSAGE.size :])


def main() -> None:
    """Run with the descriptors of the control socket and of the shared page as arguments."""
    # Ctrl-C and systemd's SIGTERM reach every process of a group; the announcer decides when the answers end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    privileges.drop()
    obey(socket.socket(fileno=int(sys.argv[1])), Shared(int(sys.argv[2])))
    os._exit(0)  # the threads wait in recv, and nothing is to be put away
