"""How much of each pool is in use, by whom, and what is left: what `pools show` and its like tell.

What is in use, the allocator's Index says (promise 2); here it is only counted, and sorted into what lbctl holds, what
lingers after its Service, what the file keeps for one, and what somebody else uses. One pass over what a Snapshot
shows, whatever the size of the pools: a /64 costs what a /28 costs. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lbctl.addresses import Address, AddressSet, Family, Range, from_int
from lbctl.allocator import Index
from lbctl.claims import BLOCK_SIZE, Block, Claim
from lbctl.decisions import Snapshot
from lbctl.pools import Pool, PoolFile


class State(StrEnum):
    """Why an address is not free. The first three are the words of `claims list`."""

    HELD = "held"
    PARKED = "parked"
    RELEASED = "released"
    RESERVED = "reserved"  # in the pool file, and its Service has it not
    ELSEWHERE = "elsewhere"  # a status without a claim, a Node, externalIPs, a block that cannot be read


@dataclass(frozen=True, slots=True)
class Use:
    """Addresses that are not free: one, or the part of a pool in a block of claims that cannot be read. `words` say
    why, where no claim does; `gone` is whether a claim's holders are no more, so that the next run lets go of it."""

    range: Range
    state: State
    claim: Claim | None = None
    words: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """The addresses of one pool and family in numbers: capacity (what Services may get) is held, lingering, reserved,
    elsewhere and free together. `biggest_free` is the longest run of free ones, the first of several."""

    capacity: int
    held: int
    parked: int
    released: int
    reserved: int
    elsewhere: int
    biggest_free: Range | None

    @property
    def lingering(self) -> int:
        """How many had a Service, and nobody has now."""
        return self.parked + self.released

    @property
    def free(self) -> int:
        """How many nobody has, nor had lately, nor is to have."""
        return self.capacity - self.held - self.lingering - self.reserved - self.elsewhere


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """One pool: every use of its addresses, also of those it excludes, IPv4 first, by number; and the numbers."""

    pool: Pool
    uses: tuple[Use, ...]
    families: Mapping[Family, Usage]


def usages(look: Snapshot, pools: PoolFile) -> tuple[PoolUsage, ...]:
    """The usage of each pool, in file order."""
    found: dict[str, list[Use]] = {pool.name: [] for pool in pools.pools}
    index = Index(look.services, look.blocks, look.others, pools, look.now)
    for address in _traced(look, pools):
        pool = pools.pool_of(address)
        if pool is not None and not index.frozen(address) and (use := _use(index, pools, address)) is not None:
            found[pool.name].append(use)
    for block in look.blocks.values():
        for pool in pools.pools if block.unreadable else ():
            found[pool.name] += _frozen(block, pool)
    return tuple(_counted(pool, found[pool.name]) for pool in pools.pools)


def _traced(look: Snapshot, pools: PoolFile) -> set[Address]:
    """Every address that something in the cluster shows, lbctl has written down, or the pool file keeps for one."""
    kept = {a for reservation in pools.reservations for a in reservation.addresses}
    shown = {a for service in look.services.values() for a in (*service.status, *service.external_ips)}
    return kept | shown | set(look.others) | {a for block in look.blocks.values() for a in block.claims}


def _use(index: Index, pools: PoolFile, address: Address) -> Use | None:
    here, claim = Range.one(address), index.claims.get(address)
    if claim is not None and claim.holders:
        return Use(here, State.HELD, claim, gone=not any(map(index.alive, claim.holders)))
    if words := index.user(address):
        return Use(here, State.ELSEWHERE, claim, words)
    if (key := pools.reserved_for(address)) is not None:
        return Use(here, State.RESERVED, claim, f"kept for {key}")
    return Use(here, State(claim.state), claim) if claim is not None else None


def _frozen(block: Block, pool: Pool) -> Iterator[Use]:
    """The parts of a pool that lie in a block which cannot be read: all in use (DESIGN 5)."""
    family, first = block.id.family, block.id.first
    for low, high in pool.addresses.within(Range(family, first, first + BLOCK_SIZE - 1)).ranges(family):
        yield Use(Range(family, low, high), State.ELSEWHERE, words=block.complaint)


def _counted(pool: Pool, uses: list[Use]) -> PoolUsage:
    uses.sort(key=lambda use: use.range)
    return PoolUsage(pool, tuple(uses), {f: _usage(pool, f, [u for u in uses if u.range.family is f]) for f in Family})


def _usage(pool: Pool, family: Family, uses: list[Use]) -> Usage:
    counts = dict.fromkeys(State, 0)
    for use in uses:
        counts[use.state] += offered(pool, use.range)
    free = pool.usable.within(_whole(family)) - AddressSet.of(use.range for use in uses)
    return Usage(
        capacity=pool.count(family),
        held=counts[State.HELD],
        parked=counts[State.PARKED],
        released=counts[State.RELEASED],
        reserved=counts[State.RESERVED],
        elsewhere=counts[State.ELSEWHERE],
        biggest_free=max(_runs(pool, family, free), key=_length, default=None),
    )


def offered(pool: Pool, part: Range) -> int:
    """How many addresses of a range the pool may give to Services; logarithmic in the pool's ranges."""
    if part.low == part.high:
        return int(pool.offers(from_int(part.family, part.low)))
    inside = Pool(pool.name, pool.usable.within(part), avoid_buggy_ips=pool.avoid_buggy_ips)
    return inside.count(part.family)


def _whole(family: Family) -> Range:
    return Range(family, 0, (1 << family.bits) - 1)


def _length(run: Range) -> int:
    return run.high - run.low + 1


def _runs(pool: Pool, family: Family, free: AddressSet) -> Iterator[Range]:
    """Runs of free addresses, the longest of all among them."""
    for low, high in free.ranges(family):
        if pool.avoid_buggy_ips and family is Family.IPV4:
            yield from _between_buggy(low, high)
        else:
            yield Range(family, low, high)


def _between_buggy(low: int, high: int) -> Iterable[Range]:
    """What avoidBuggyIPs leaves of a range: of each 256 those from .1 to .254. The first, second and last runs do: one
    in between is no longer than the second."""
    first, last = low >> 8, high >> 8
    for octets in sorted({first, min(first + 1, last), last}):
        start, end = max(low, octets << 8 | 1), min(high, octets << 8 | 254)
        if start <= end:
            yield Range(Family.IPV4, start, end)
