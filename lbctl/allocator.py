"""Who may have which address.

The Index answers three questions about one state of the cluster: who uses an address, is it free for this Service, and
which is the next free one of a pool. It counts what the planner hands out as used at once, so one Index serves one
plan. An address in any status, in externalIPs, on a Node, or in a block that can't be read is in use, whoever put it
there (promise 2). Pure: no clock, no randomness; `now` is seconds since the epoch by the API server's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from lbctl.addresses import Address, Family, family_of, from_int
from lbctl.claims import BLOCK_SIZE, Block, BlockId, Claim, Holder
from lbctl.pools import REUSE_AFTER, Pool, PoolFile
from lbctl.reasons import Reason
from lbctl.services import Key, Service


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a Service does not get what it asks for: the reason, and the sentence with the particulars."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one pool has for one Service, in words."""

    pool: str
    words: str


@dataclass(frozen=True, slots=True)
class Use:
    """One use of an address: by a Service (`key`) or by something else (None), in words."""

    key: Key | None
    words: str


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
        for service in services.values():
            self._note_service(service)
        self._streams: dict[tuple[str, Family], Iterator[Address]] = {}
        self._heads: dict[tuple[str, Family], Address | None] = {}
        self._cooling: dict[tuple[str, Family], int | None] = {}

    def _note_service(self, service: Service) -> None:
        for address in service.status:
            self._uses.setdefault(address, []).append(Use(service.key, f"Service {service.key} shows it"))
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
        if why := self.frozen(address):
            return why
        for use in self._uses.get(address, ()):
            if use.key != key:
                return use.words
        claim = self.claims.get(address)
        for holder in claim.holders if claim else ():
            if holder.key != key and self.alive(holder):
                return f"Service {holder.key} holds it"
        return ""

    def take(self, address: Address, key: Key) -> None:
        """Count an address as used by this Service from here on."""
        self._uses.setdefault(address, []).append(Use(key, f"Service {key} is given it"))

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
        for low, high in pool.usable.ranges(family):
            for number in range(low, high + 1):
                address = from_int(family, number)
                if address in self._uses or address in self.claims or not pool.hands_out(address):
                    continue
                yield address

    def _lingering(self, pool: Pool, family: Family) -> Iterator[Address]:
        ready = [
            (claim.released or 0, int(a), a)
            for a, claim in self.claims.items()
            if not claim.holders and family_of(a) is family and pool.offers(a)
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
                if not claim.holders and claim.released is not None and family_of(a) is family and pool.offers(a)
            ]
            self._cooling[at] = min((wait for wait in waits if wait > 0), default=None)
        return self._cooling[at]

    def cooling(self, claim: Claim) -> bool:
        """Whether a released claim still keeps its address from other Services (reuseAfter)."""
        pool = self._pools.pool_of(claim.address)
        wait = (pool.reuse_after if pool else REUSE_AFTER).total_seconds()
        return claim.released is not None and self._now < claim.released + wait

    def check_request(self, service: Service, address: Address) -> Pool | Refusal:
        """The pool an asked-for address comes from, or why the Service can't have it."""
        ask, pool = service.ask, self._pools.pool_of(address)
        family = family_of(address)
        if family not in ask.families:
            wants = " and ".join(ask.families)
            return Refusal(Reason.FamilyMismatch, f"{address} is {family}; the Service is {wants}")
        if pool is None:
            return Refusal(Reason.AddressOutsidePools, f"{address} is in no pool")
        if not pool.offers(address):
            return Refusal(Reason.AddressExcluded, f"pool {pool.name} excludes {address}")
        if ask.pool is not None and ask.pool != pool.name:
            words = f"{address} is in pool {pool.name}, and the Service names pool {ask.pool}"
            return Refusal(Reason.RequestConflict, words)
        if user := self.user(address, service.key):
            reason = Reason.LedgerUnreadable if self.frozen(address) else Reason.AddressInUse
            return Refusal(reason, f"{address} is in use: {user}")
        return pool

    def choose(
        self, service: Service, families: tuple[Family, ...]
    ) -> tuple[dict[Family, tuple[Address, Pool]], Refusal | None]:
        """A free address for each of the families, from one pool if one has all, else from several.

        Returns what could be had, and why the rest could not.
        """
        pools = self._candidates(service)
        if isinstance(pools, Refusal):
            return {}, pools
        split: dict[Family, tuple[Address, Pool]] = {}
        for pool in pools:
            here = {f: (a, pool) for f in families if (a := self.next_free(pool, f, service.key)) is not None}
            if len(here) == len(families):
                return here, None
            split = {**here, **split}
        missing = [f for f in families if f not in split]
        if not missing:
            return split, None
        return split, self._lack(pools, missing[0])

    def verdicts(self, service: Service) -> tuple[Verdict, ...]:
        """What each pool, in the order they are asked, has for this Service."""
        return tuple(Verdict(pool.name, self._verdict(pool, service)) for pool in self._pools.by_priority())

    def _verdict(self, pool: Pool, service: Service) -> str:
        if asked := [a for a in service.ask.addresses if a in pool.addresses]:
            found = [(a, self.check_request(service, a)) for a in asked]
            return "; ".join(f"{a} is free" if isinstance(r, Pool) else r.message for a, r in found)
        if service.ask.addresses:
            return "does not hold the address asked for"
        return self._passed_over(pool, service) or "; ".join(self._room(pool, f, service) for f in service.ask.families)

    def _room(self, pool: Pool, family: Family, service: Service) -> str:
        if (free := self.next_free(pool, family, service.key)) is not None:
            return f"{free} is free"
        return self._lack((pool,), family).message

    def _passed_over(self, pool: Pool, service: Service) -> str:
        """Why a Service that asks for no address gets none from this pool, whatever is free in it."""
        if service.ask.pool is not None:
            return "" if service.ask.pool == pool.name else f"the Service names pool {service.ask.pool}"
        return "" if pool.auto_assign else "gives addresses only to Services that ask for them (autoAssign: false)"

    def _candidates(self, service: Service) -> tuple[Pool, ...] | Refusal:
        name = service.ask.pool
        if name is not None and self._pools.pool(name) is None:
            return Refusal(Reason.PoolNotFound, f"there is no pool {name} in {self._pools.path}")
        pools = tuple(p for p in self._pools.by_priority() if not self._passed_over(p, service))
        return pools or Refusal(Reason.NoMatchingPool, "every pool has autoAssign: false")

    def _lack(self, pools: tuple[Pool, ...], family: Family) -> Refusal:
        names = ", ".join(p.name for p in pools)
        having = [p for p in pools if p.count(family)]
        if not having:
            return Refusal(Reason.FamilyUnavailable, f"no {family} addresses in {names}")
        words = f"no {family} address is free in {names}"
        if frozen := self._frozen_in(having, family):
            return Refusal(Reason.LedgerUnreadable, f"{words}: {'; '.join(frozen)}")
        if (seconds := self.next_cooled(having, family)) is not None:
            words += f"; the next released one is free in {seconds} s"
        return Refusal(Reason.PoolExhausted, words)

    def _frozen_in(self, pools: Iterable[Pool], family: Family) -> list[str]:
        """The complaints of blocks that cannot be read and hold addresses of these pools."""
        ranges = [span for pool in pools for span in pool.usable.ranges(family)] if self._frozen else []
        return [
            complaint
            for block, complaint in sorted(self._frozen.items())
            if block.family is family
            and any(low < block.first + BLOCK_SIZE and high >= block.first for low, high in ranges)
        ]
