"""How long an answer takes that comes from a table in user space, beside the kernel's own for an address it has.

Two namespaces with a veth between them; the client (`arp_client`) asks by turns for the address that the node's kernel
has and for one that is announced there (`arp_node`), so that both see the same machine at the same moment. Asked at a
pace, as a LAN asks: back to back, with all of both processes in the cache and awake, is shown too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure
from tests.testbed.wire import Wire

REQUESTS = 5_000
SIZES = (1, 100, 2_000)
PACE = 0.002  # seconds between two questions
RATIO = 2.0
WORST = 2_000.0  # microseconds, of 99 in 100
FLAT = 1.5  # with 2,000 addresses, in times of one
FLOOD = 20_000  # foreign requests a second
FLOOD_SECONDS = 10.0
OF_A_CORE = 5.0  # per cent
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Times:
    """Microseconds from request to reply: the median, and what 99 of 100 stay within."""

    p50: float
    p99: float


class Node:
    """The announcer's link in a process of its own, in the node's namespace."""

    def __init__(self, wire: Wire, addresses: int, *, busy: bool = False) -> None:
        words = [sys.executable, "-m", "tests.bench.arp_node", str(addresses), *(["busy"] if busy else [])]
        self._process = subprocess.Popen(
            wire.node.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self._process.stdin
        assert self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        assert self._out.readline() == "ready\n"

    def seconds(self) -> float:
        """The processor time, its own and the kernel's for it, that both of its processes have taken."""
        self._in.write("seconds\n")
        self._in.flush()
        return float(self._out.readline())

    def close(self) -> None:
        """End it."""
        self._in.close()
        self._process.wait()
        self._out.close()


def run(*, quick: bool) -> Iterator[Figure]:
    """Answers by size, beside a busy process, and under a flood (`quick`: 500 requests each)."""
    count = REQUESTS // 10 if quick else REQUESTS
    with closing(Wire()) as wire:
        first = 0.0
        for size in SIZES:
            with closing(Node(wire, size)):
                kernel, ours = _ask(wire, size, count, PACE)
                hot_kernel, hot = _ask(wire, size, count, 0)
            name = f"{size:,} address{'es' if size > 1 else ''}"
            yield Figure(f"{name}, p50", ours.p50, "us", kernel.p50, RATIO)
            yield Figure(f"{name}, p99 (kernel {kernel.p99:.0f} us)", ours.p99, "us", limit=WORST)
            yield Figure(f"{name}, back to back, p50", hot.p50, "us", hot_kernel.p50)
            first = first or ours.p50
            if size == SIZES[-1]:
                yield Figure(f"{name} beside one, p50", ours.p50, "us", first, FLAT)
        with closing(Node(wire, SIZES[1], busy=True)):
            kernel, ours = _ask(wire, SIZES[1], count, PACE)
        yield Figure("busy process, p50", ours.p50, "us", kernel.p50, RATIO)
        yield Figure(f"busy process, p99 (kernel {kernel.p99:.0f} us)", ours.p99, "us", limit=WORST)
        yield from _flood(wire, FLOOD_SECONDS / 5 if quick else FLOOD_SECONDS)


def _client(wire: Wire, *words: object) -> str:
    return wire.client.run(
        "env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.bench.arp_client", *map(str, words)
    )


def _ask(wire: Wire, addresses: int, count: int, pace: float) -> tuple[Times, Times]:
    """The kernel's times and ours."""
    kernel, ours = json.loads(_client(wire, "ask", addresses, count, pace))
    return Times(*kernel), Times(*ours)


def _flood(wire: Wire, seconds: float) -> Iterator[Figure]:
    """What requests for addresses of others cost."""
    with closing(Node(wire, SIZES[-1])) as node:
        heard, used, began = _heard(wire), node.seconds(), time.monotonic()
        _client(wire, "flood", FLOOD, seconds)
        used, took = node.seconds() - used, time.monotonic() - began
        rate = (_heard(wire) - heard) / seconds
    assert rate > 0.95 * FLOOD, f"the flood came to {rate:,.0f} requests a second only"
    yield Figure(f"flood of {rate:,.0f} foreign requests a second", 100 * used / took, "% of a core", limit=OF_A_CORE)


def _heard(wire: Wire) -> int:
    (link,) = json.loads(wire.node.run("ip", "-j", "-s", "link", "show", "dev", "eth0"))
    packets: int = link["stats64"]["rx"]["packets"]
    return packets
