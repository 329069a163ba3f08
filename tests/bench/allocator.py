"""What one decision of the planner costs, and that it hardly grows with what is held already.

A plan is made for some new Services beside those that hold addresses. Its set-up (reading what is held, once a plan)
and its decisions are timed apart, inside the one run of planner.plan. The time of a decision has all that is done for
one Service, and its share of finding the way past what is held, which lies at the beginning of the pool, as lbctl
itself fills one. CPU time, the least of TURNS: nothing here waits for anything.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from unittest import mock

from lbctl import planner
from lbctl.addresses import Address, AddressSet, Family, from_int
from lbctl.claims import Block, BlockId, Claim, Holder
from lbctl.decisions import Action, Snapshot
from lbctl.pools import Pool, PoolFile
from lbctl.services import Key, Service, parse_service
from tests.bench.figures import Figure

POOLS = {Family.IPV4: "10.0.0.0/12", Family.IPV6: "fd00::/64"}
HELD = (1_000, 10_000, 100_000, 1_000_000)  # the /12 has room for 48,576 more
BULK = 60_000  # held while BULK_DECISIONS are made
DECISIONS, BULK_DECISIONS = 40_000, 100_000
GROWTH = 2.5  # how much dearer a decision may be with the most held than with the least
TURNS = 3
NOW = 1_772_452_800


def run(*, quick: bool) -> Iterator[Figure]:
    """Both pools with 60,000 held, then with 1,000 up to 1,000,000 (`quick`: up to 10,000)."""
    gc.set_threshold(100_000)  # as `lbctl` itself runs (lbctl/__main__.py)
    for family, text in POOLS.items():
        pool = f"/{ip_network(text).prefixlen}"
        if not quick:
            decision, setup = _cost(family, BULK, BULK_DECISIONS)
            yield from _figures(f"{BULK_DECISIONS} out of a {pool}, {BULK} held", decision, setup)
        floor = None
        for held in HELD[:2] if quick else HELD:
            decision, setup = _cost(family, held, DECISIONS)
            last = held == max(HELD)
            yield from _figures(f"out of a {pool}, {held} held", decision, setup, floor, GROWTH if last else None)
            floor = floor or decision


def _figures(
    name: str, decision: float, setup: float, floor: float | None = None, limit: float | None = None
) -> Iterator[Figure]:
    yield Figure(f"a decision, {name}", decision * 1e6, "us", floor and floor * 1e6, limit)
    yield Figure(f"set-up of a plan, {name}", setup * 1e3, "ms")


def _cost(family: Family, held: int, decisions: int) -> tuple[float, float]:
    """Seconds of CPU for one decision, and for the set-up of a plan."""
    pools = PoolFile("pools.yaml", None, (Pool("bulk", AddressSet.parse(POOLS[family])),), "0")
    look, new = _world(family, held, decisions)
    laps = [_laps(look, pools, new) for _ in range(TURNS)]
    words = "; ".join(f"{setup:.3f} and {decided:.3f}" for setup, decided in laps)
    print(f"{family}, {held} held, set-up and {decisions} decisions in s: {words}", file=sys.stderr)
    return min(decided for _, decided in laps) / decisions, min(setup for setup, _ in laps)


class _Clocked(planner._Planner):
    """The planner, which keeps when it was made and when its last decision was."""

    last: _Clocked

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self.made = time.process_time()
        _Clocked.last = self

    def orphans(self, keys: Iterable[Key] | None) -> Any:
        """What a plan asks for once everything is decided."""
        self.decided = time.process_time()
        return super().orphans(keys)


def _laps(look: Snapshot, pools: PoolFile, new: frozenset[Key]) -> tuple[float, float]:
    """Seconds of CPU for a plan's set-up and for its decisions; every new Service must get an address of its own."""
    gc.collect()  # the last turn's plan is no business of this one's
    began = time.process_time()
    with mock.patch.object(planner, "_Planner", _Clocked):
        done = planner.plan(look, pools, new, named=False)
    clocked = _Clocked.last
    given = {a for d in done.decisions if d.action is Action.ASSIGN for a in d.addresses}
    taken = {a for a in given if (block := look.blocks.get(BlockId.of(a))) and a in block.claims}
    if taken or len(given) != len(new):
        raise RuntimeError(f"{len(given)} addresses for {len(new)} Services, {len(taken)} of them held before")
    del _Clocked.last
    return clocked.made - began, clocked.decided - clocked.made


def _world(family: Family, held: int, new: int) -> tuple[Snapshot, frozenset[Key]]:
    """A cluster in which the first addresses of the pool are held, and the Services that have none yet."""
    first = int(ip_network(POOLS[family]).network_address)
    spec = {"type": "LoadBalancer", "ipFamilies": [family.value]}
    meta = {"namespace": "d", "name": "n", "uid": "u", "resourceVersion": "1", "creationTimestamp": "2026-03-02"}
    bare = parse_service({"metadata": meta, "spec": spec})
    services: dict[Key, Service] = {}
    blocks: dict[BlockId, dict[Address, Claim]] = {}
    for number in range(held):
        address = from_int(family, first + number)
        service = _service(bare, f"held{number:07}", address)
        holder = Holder(service.key, service.uid, "1", "old", NOW - 100, bare.ask.digest)
        blocks.setdefault(BlockId.of(address), {})[address] = Claim(address, (holder,), "bulk", NOW - 100, "x")
        services[service.key] = service
    fresh = [_service(bare, f"new{number:07}") for number in range(new)]
    services |= {service.key: service for service in fresh}
    ledger = {at: Block(at, "1", claims) for at, claims in blocks.items()}
    return Snapshot(services, ledger, {}, NOW, "this"), frozenset(service.key for service in fresh)


def _service(bare: Service, name: str, *shown: Address) -> Service:
    return replace(bare, key=Key("d", name), uid=name, status=shown)
