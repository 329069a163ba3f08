"""python -m tests.bench.arp_client ask ADDRESSES COUNT PACE | flood A_SECOND SECONDS: a raw socket on eth0.

`ask` prints, as JSON, p50 and p99 in microseconds of the kernel's answers and of the announcer's.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from ipaddress import IPv4Address

from lbctl.l2 import arp
from lbctl.l2.ethernet import ETHERTYPE_ARP
from tests.bench.arp_node import addresses
from tests.testbed.wire import CLIENT4, NODE4

FOREIGN = IPv4Address("198.19.0.0")  # nobody announces these
REPLY = b"\0\2"


def _question(wire: socket.socket, address: IPv4Address) -> bytes:
    return arp.encode(arp.request(wire.getsockname()[4], CLIENT4, address))


def ask(wire: socket.socket, announced: list[IPv4Address], count: int, pace: float) -> list[tuple[float, float]]:
    """By turns, one question at a time."""
    kernel, ours = (NODE4, _question(wire, NODE4)), [(a, _question(wire, a)) for a in announced]
    times: tuple[list[int], list[int]] = ([], [])
    clock, send, receive, reply = time.perf_counter_ns, wire.send, wire.recv_into, bytearray(128)
    for turn in range(2 * count):
        address, question = ours[turn // 2 % len(ours)] if turn % 2 else kernel
        packed = address.packed
        if pace:
            time.sleep(pace)  # because questions that come one by one are measured
        began = clock()
        send(question)
        while True:
            receive(reply)
            if reply[28:32] == packed and reply[20:22] == REPLY:
                break
        times[turn % 2].append(clock() - began)
    return [(t[len(t) // 2] / 1000, t[len(t) * 99 // 100] / 1000) for t in map(sorted, times)]


def flood(wire: socket.socket, rate: int, seconds: float) -> None:
    """So many questions a second, each for another address."""
    questions = [_question(wire, FOREIGN + n) for n in range(5_000)]
    began, sent = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        while sent < now * rate:
            wire.send(questions[sent % len(questions)])
            sent += 1
        time.sleep(0.001)  # because the rate is to be even


def main() -> None:
    """Do as the command line says."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP))
    wire.bind(("eth0", ETHERTYPE_ARP))
    # The kernel's own timeout: Python's would add a poll before each recv to what is measured.
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 5, 0))
    what, first, second, *rest = sys.argv[1:]
    if what == "ask":
        print(json.dumps(ask(wire, addresses(int(first)), int(second), float(rest[0]))))
    else:
        flood(wire, int(first), float(second))


if __name__ == "__main__":
    main()
