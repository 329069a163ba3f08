"""How much `lbctl assign --all` costs over the status PATCHes that it can't do without.

Floor: as many PATCHes with the bodies that lbctl sends, from a bare client, the best of 1, 4 and 16 at once. lbctl: the
whole process, from its start to its end. Both by turns, three times; the ratio is that of the medians. etcd runs
without fsync, which makes the floor low and the ratio hard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lbctl.addresses import AddressSet
from lbctl.decisions import Action, Decision
from lbctl.reasons import Reason
from lbctl.rounds import status_patch
from lbctl.services import parse_service
from tests.bench.figures import Figure
from tests.testbed.client import Request
from tests.testbed.driver import CLAIMS, SERVICES, Bed, service

SIZES = {2_000: (1.5, 1.3), 10_000: (1.5, 1.2)}  # Services: limit and aim of the ratio
TURNS = 3
POOL = "198.18.0.0/15"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: the floor's seconds, lbctl's seconds and its greatest memory in MB."""

    floor: float
    seconds: float
    memory: float


def run(*, quick: bool) -> Iterator[Figure]:
    """2,000 and 10,000 Services (`quick`: 2,000)."""
    for size, (limit, aim) in SIZES.items():
        if quick and size > min(SIZES):
            continue
        with Bed() as bed:
            bench = _Bench(bed, size)
            turns = [bench.turn() for _ in range(TURNS)]
        floor = median(t.floor for t in turns)
        yield Figure(f"assign {size}", median(t.seconds for t in turns), "s", floor, limit, aim)
        yield Figure(f"assign {size}, peak memory", max(t.memory for t in turns), "MB", limit=200)


class _Bench:
    def __init__(self, bed: Bed, size: int) -> None:
        self._bed = bed
        self._size = size
        self._admin = bed.admin
        self._pools = bed.dir / "pools.yaml"
        self._pools.write_text(f"pools:\n- name: bulk\n  addresses: [{POOL}]\n")
        self._admin.send([("POST", SERVICES, json.dumps(service(f"s{n:05}")).encode()) for n in range(size)])

    def turn(self) -> Turn:
        floors = [floor_of(self._bed, workers) for workers in (1, 4, 16)]
        seconds, memory = self._lbctl()
        clear(self._bed)
        print(
            f"floor {', '.join(f'{f:.2f}' for f in floors)} s; lbctl {seconds:.2f} s, {memory:.0f} MB", file=sys.stderr
        )
        return Turn(min(floors), seconds, memory)

    def _lbctl(self) -> tuple[float, float]:
        """Seconds and MB of one `lbctl assign --all`; every Service must have an address afterwards."""
        command = [str(Path(sys.executable).parent / "lbctl"), "assign", "--all", "--context=lbctl", "--pools"]
        env = {**os.environ, "KUBECONFIG": str(self._bed.kubeconfig)}
        began = time.perf_counter()
        child = subprocess.Popen([*command, str(self._pools)], env=env, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        shown = {address for shown in self._bed.shown().values() for address in shown}
        if child.returncode or len(shown) != self._size:
            raise RuntimeError(f"lbctl ended with {child.returncode}; {len(shown)} of {self._size} have an address")
        return seconds, usage.ru_maxrss / 1024


def floor_of(bed: Bed, workers: int) -> float:
    """Seconds for as many status PATCHes as there are Services, by a bare client; all is as before afterwards."""
    seconds = bed.admin.send(_patches(bed), workers)
    clear(bed)
    return seconds


def _patches(bed: Bed) -> list[Request]:
    """What lbctl would send, each with the resourceVersion its Service has now."""
    addresses = iter(AddressSet.parse(POOL))
    now = int(time.time())
    patches: list[Request] = []
    for item in bed.admin.get(SERVICES)["items"]:
        seen = parse_service(item)
        if seen.is_load_balancer:
            decision = Decision(seen, Action.ASSIGN, Reason.Assigned, addresses=(next(addresses),))
            body = json.dumps(status_patch(decision, now), separators=(",", ":")).encode()
            patches.append(("PATCH", f"{SERVICES}/{seen.key.name}/status?fieldManager=lbctl", body))
    return patches


def clear(bed: Bed) -> None:
    """Back to the beginning: no statuses, no claims."""
    nothing = b'{"status":{"loadBalancer":{"ingress":null},"conditions":null}}'
    shown = [name for name, addresses in bed.shown().items() if addresses]
    bed.admin.send([("PATCH", f"{SERVICES}/{name}/status", nothing) for name in shown])
    blocks = bed.admin.get(CLAIMS)["items"]
    bed.admin.send([("DELETE", f"{CLAIMS}/{b['metadata']['name']}", None) for b in blocks])
