"""python -m tests.bench.arp_node ADDRESSES [busy]: announce that many addresses on eth0 until stdin ends.

With `busy` the process reads 100 lists of EndpointSlices a second beside it and counts in Python in between, so that
its interpreter is never idle. Each line on stdin is answered with the seconds of processor time taken so far.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from ipaddress import IPv4Address
from pathlib import Path

import orjson

from lbctl.l2.linux import Link

FIRST = IPv4Address("198.18.0.0")
SLICES = orjson.dumps(
    [{"endpoints": [{"addresses": [f"10.0.0.{n % 250}"], "conditions": {"ready": True}}] * 20} for n in range(100)]
)


def addresses(count: int) -> list[IPv4Address]:
    """Every second one, so that none lies in a range with the next."""
    return [FIRST + 2 * n for n in range(count)]


def _busy() -> None:
    due = time.monotonic()
    while True:
        due += 0.01
        orjson.loads(SLICES)
        while time.monotonic() < due:
            sum(range(100))


def _seconds() -> float:
    """Of this process and of its responder, which is its only child."""
    (child,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    own = os.times()
    return own.user + own.system + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Announce."""
    link = Link(lambda _interface, _frame: None, lambda _interfaces: None, patience=3600.0)
    link.start()
    mac = next(i.mac for i in link.interfaces().values() if i.name == "eth0")
    link.watch("eth0", addresses(int(sys.argv[1])))
    for address in addresses(int(sys.argv[1])):
        link.answer("eth0", address, mac)
    link.beat()
    time.sleep(0.5)  # because nothing says when the responder has read it all
    if sys.argv[2:] == ["busy"]:
        threading.Thread(target=_busy, daemon=True).start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(_seconds(), flush=True)
    link.close()


if __name__ == "__main__":
    main()
