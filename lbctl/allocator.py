"""Who has which address, and which are free.

The Index answers questions about one state of the cluster: who uses an address, may this Service stand on it with them,
and which is the next free one of a pool. It counts what the planner hands out as used at once, so one Index serves one
plan. An address in any status, in externalIPs, on a Node, or in a block that can't be read is in use, whoever put it
there (promise 2). Pure: no clock, no randomness; `now` is seconds since the epoch by the API server's clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from lbctl.addresses import Address, Family, family_of, from_int
from lbctl.claims import BLOCK_SIZE, MOST_HOLDERS, Block, BlockId, Claim, Holder
from lbctl.pools import REUSE_AFTER, Pool, PoolFile
from lbctl.reasons import Reason
from lbctl.services import Key, Service
from lbctl.sharing import Sharing, obstacle


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a Service does not get what it asks for: the reason, and the sentence with the particulars."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Use:
    """One use of an address, in words: by a Service (`key`) or by something else (None). `sharing` is what the Service
    may share it by, once for each place that says so; empty where nobody may share."""

    key: Key | None
    words: str
    sharing: tuple[Sharing, ...] = ()


class Index:
    """Uses and claims by address, and a cursor per pool and family."""

    def __init__(
        self,
        services: Mapping[Key, Service],
        blocks: Mapping[BlockId, Block],
        others: Mapping[Address, str],
        pools: PoolFile,
        now: int,
    ) -> None:
        self._services = services
        self._pools = pools
        self._now = now
        self._frozen = {b.id: b.complaint for b in blocks.values() if b.unreadable}
        self.claims: dict[Address, Claim] = {a: c for b in blocks.values() for a, c in b.claims.items()}
        self._uses: dict[Address, list[Use]] = {a: [Use(None, words)] for a, words in others.items()}
        self._shared: dict[str, set[Address]] = {}
        for service in services.values():
            self._note_service(service)
        for address, claim in self.claims.items():
            for holder in claim.holders:
                if holder.share is not None:
                    self._shared.setdefault(holder.share.key, set()).add(address)
        self._streams: dict[tuple[str, Family], Iterator[Address]] = {}
        self._heads: dict[tuple[str, Family], Address | None] = {}
        self._cooling: dict[tuple[str, Family], int | None] = {}
        self._occupied: dict[Family, list[int]] = {}

    def _note_service(self, service: Service) -> None:
        for address in service.status:
            # Whoever holds no claim was put there by somebody else, who knows nothing of sharing with us.
            ours = address in self.claims and self.claims[address].holder(service.key) is not None
            sharing = (service.sharing,) if ours and service.sharing is not None else ()
            self._uses.setdefault(address, []).append(Use(service.key, f"Service {service.key} shows it", sharing))
        for address in service.external_ips:
            self._uses.setdefault(address, []).append(Use(None, f"Service {service.key} has it in externalIPs"))

    def alive(self, holder: Holder) -> bool:
        """Whether a claim's holder still stands: the same Service, of type LoadBalancer.

        False is the proof that rule 3 of the protocol asks for, when the Services were read after the claims.
        """
        service = self._services.get(holder.key)
        return service is not None and service.uid == holder.uid and service.is_load_balancer

    def frozen(self, address: Address) -> str:
        """The complaint of the address's block, if that cannot be read."""
        return self._frozen.get(BlockId.of(address), "") if self._frozen else ""

    def user(self, address: Address, key: Key) -> str:
        """Who but this Service uses the address, in words; empty when nobody does."""
        return self.frozen(address) or next((use.words for use in self._used_by_others(address, key)), "")

    def _used_by_others(self, address: Address, key: Key) -> Iterator[Use]:
        for use in self._uses.get(address, ()):
            if use.key != key:
                yield use
        claim = self.claims.get(address)
        for holder in claim.holders if claim else ():
            if holder.key != key and self.alive(holder):
                now = self._services[holder.key].sharing
                both = (holder.share, now) if holder.share is not None and now is not None else ()
                yield Use(holder.key, f"Service {holder.key} holds it", both)

    def conflict(self, service: Service, address: Address) -> Refusal | None:
        """Why the Service may not stand on the address with those who use it; None when it may (see sharing)."""
        if why := self.frozen(address):
            return Refusal(Reason.LedgerUnreadable, f"{address} is in use: {why}")
        sharers: set[Key] = set()
        for use in self._used_by_others(address, service.key):
            if service.sharing is None or use.key is None or not use.sharing:
                return Refusal(Reason.AddressInUse, f"{address} is in use: {use.words}")
            pool, same = self._pools.pool_of(address), use.key.namespace == service.key.namespace
            across = pool is not None and pool.share_across_namespaces
            for other in use.sharing:
                if why := obstacle(service.sharing, other, same_namespace=same, across=across):
                    words = f"{address} cannot be shared with Service {use.key}: {why}"
                    return Refusal(Reason.SharingConflict, words)
            sharers.add(use.key)
        if len(sharers) >= MOST_HOLDERS:
            return Refusal(
                Reason.SharingConflict, f"{len(sharers)} Services share {address} already, which is the most"
            )
        return None

    def under_key(self, sharing: Sharing, family: Family) -> list[Address]:
        """The addresses of one family on which Services stand under this key, by number."""
        return sorted((a for a in self._shared.get(sharing.key, ()) if family_of(a) is family), key=int)

    def take(self, address: Address, service: Service) -> None:
        """Count an address as used by this Service from here on."""
        sharing = (service.sharing,) if service.sharing is not None else ()
        self._uses.setdefault(address, []).append(Use(service.key, f"Service {service.key} is given it", sharing))
        if service.sharing is not None:
            self._shared.setdefault(service.sharing.key, set()).add(address)

    def next_free(self, pool: Pool, family: Family, key: Key) -> Address | None:
        """The pool's next address that nobody uses: untouched ones by number, then the longest released."""
        at = (pool.name, family)
        if at not in self._streams:
            self._streams[at] = chain(self._untouched(pool, family), self._lingering(pool, family))
            self._heads[at] = next(self._streams[at], None)
        # The head stays until it is taken: a pool that is asked and then not chosen loses nothing.
        while (head := self._heads[at]) is not None and self.user(head, key):
            self._heads[at] = next(self._streams[at], None)
        return head

    def _untouched(self, pool: Pool, family: Family) -> Iterator[Address]:
        """The pool's addresses that bore no trace when the plan began, by number: gap by gap, for a pool may hold a
        million that do."""
        occupied = self._occupied_in(family)
        for low, high in pool.usable.ranges(family):
            at = bisect_left(occupied, low)
            while low <= high:
                end = min(high, occupied[at] - 1) if at < len(occupied) else high
                for number in range(low, end + 1):
                    address = from_int(family, number)
                    if pool.hands_out(address) and self._pools.reserved_for(address) is None:
                        yield address
                low, at = end + 2, at + 1

    def _occupied_in(self, family: Family) -> list[int]:
        if family not in self._occupied:
            traced = self._uses.keys() | self.claims.keys()
            self._occupied[family] = sorted(int(a) for a in traced if family_of(a) is family)
        return self._occupied[family]

    def _lingering(self, pool: Pool, family: Family) -> Iterator[Address]:
        ready = [
            (claim.released or 0, int(a), a)
            for a, claim in self.claims.items()
            if not claim.holders and family_of(a) is family and pool.offers(a) and not self._pools.reserved_for(a)
        ]
        return (a for when, _, a in sorted(ready) if when + pool.reuse_after.total_seconds() <= self._now)

    def next_cooled(self, pools: Iterable[Pool], family: Family) -> int | None:
        """Seconds until the first address that is cooling may be given away, None when none is."""
        waits = [wait for pool in pools if (wait := self._coolest(pool, family)) is not None]
        return min(waits, default=None)

    def _coolest(self, pool: Pool, family: Family) -> int | None:
        at = (pool.name, family)
        if at not in self._cooling:  # once a plan: a pool that is full is asked by every Service it refuses
            waits = [
                claim.released + int(pool.reuse_after.total_seconds()) - self._now
                for a, claim in self.claims.items()
                if not claim.holders and claim.released is not None and family_of(a) is family
                if pool.offers(a) and not self._pools.reserved_for(a)
            ]
            self._cooling[at] = min((wait for wait in waits if wait > 0), default=None)
        return self._cooling[at]

    def cooling(self, claim: Claim) -> bool:
        """Whether a released claim still keeps its address from other Services (reuseAfter)."""
        pool = self._pools.pool_of(claim.address)
        wait = (pool.reuse_after if pool else REUSE_AFTER).total_seconds()
        return claim.released is not None and self._now < claim.released + wait

    def frozen_in(self, pools: Iterable[Pool], family: Family) -> list[str]:
        """The complaints of blocks that cannot be read and hold addresses of these pools."""
        ranges = [span for pool in pools for span in pool.usable.ranges(family)] if self._frozen else []
        return [
            complaint
            for block, complaint in sorted(self._frozen.items())
            if block.family is family
            and any(low < block.first + BLOCK_SIZE and high >= block.first for low, high in ranges)
        ]
