"""Who has which address, and which are free.

The Index answers questions about a cluster: who uses an address, may this Service stand on it with them, which is the
next free one of a pool, which claims has a Service. It is told of each Service and each block, once or again and again:
a change costs what it changes, however much there is (`serve` keeps one Index for ever). What a plan hands out counts
as used until the plan is over. An address in any status, in externalIPs, on a Node, or in a block that can't be read is
in use, whoever put it there (promise 2). Pure: no clock, no randomness; `now` is seconds since the epoch by the API
server's clock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import cast

from lbctl.addresses import Address, Family, family_of, from_int
from lbctl.claims import BLOCK_SIZE, MOST_HOLDERS, Block, BlockId, Claim, Holder
from lbctl.pools import REUSE_AFTER, Pool, PoolFile
from lbctl.reasons import Reason
from lbctl.services import Key, Service
from lbctl.sharing import Sharing, obstacle

Spot = tuple[str, Family]  # a pool's name and one family: where a search for free addresses goes on

NOBODY = Key("", "")  # no Service bears this name


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
    """Uses and claims by address and by Service, and for each pool where its free addresses begin."""

    def __init__(
        self,
        services: Mapping[Key, Service],
        blocks: Mapping[BlockId, Block],
        others: Mapping[Address, str],
        pools: PoolFile,
        now: int,
    ) -> None:
        self.now = now
        self.claims: dict[Address, Claim] = {}
        self.released: dict[Address, Claim] = {}
        self._pools = pools
        self._services: dict[Key, Service] = {}
        self._blocks: dict[BlockId, Block] = {}
        self._others = others
        self._shown: dict[Address, dict[Key, Service]] = {}  # in a status
        self._external: dict[Address, dict[Key, Service]] = {}  # in externalIPs
        self._taken: dict[Address, list[Service]] = {}
        self._held: dict[Key, dict[Address, Holder]] = {}
        self._names: dict[Key, set[Address]] = {}  # released or parked by a Service of this name, or once so
        self._shared: dict[str, set[Address]] = {}  # by sharing key; some may be shared no more
        self._occupied: dict[Family, list[int]] = {}  # sorted, made when first asked for out of
        self._unsure = False  # whether something noted may have lost its trace
        self._noted: dict[Family, list[int]] = {f: [int(a) for a in others if family_of(a) is f] for f in Family}
        self._lan: Mapping[Address, Refusal] = {}  # what somebody on the LAN answers for
        self._low: dict[Spot, int] = {}  # below it nothing is free
        self._lingering: dict[Spot, list[Address]] = {}
        self._cooling: dict[Spot, int | None] = {}
        for service in services.values():
            self.put_service(service)
        for block in blocks.values():
            self.put_block(block)

    # What it is told.

    def put_service(self, service: Service) -> None:
        """A Service as it is now."""
        self.drop_service(service.key, but=service)
        self._services[service.key] = service
        for found, addresses in ((self._shown, service.status), (self._external, service.external_ips)):
            for address in addresses:
                found.setdefault(address, {})[service.key] = service
                self._retrace(address)

    def drop_service(self, key: Key, *, but: Service | None = None) -> None:
        """A Service that is gone; `but` is what it is from now on."""
        before = self._services.pop(key, None)
        if before is None:
            return
        self._unsure = True
        kept = {*but.status, *but.external_ips} if but else set()
        for found, addresses in ((self._shown, before.status), (self._external, before.external_ips)):
            for address in addresses:
                if uses := found.get(address):
                    uses.pop(key, None)
                    if not uses:
                        del found[address]
                if address not in kept:
                    self._retrace(address)

    def put_block(self, block: Block) -> None:
        """A block of claims as it is now."""
        before = self._blocks.get(block.id)
        self._blocks[block.id] = block
        if before is not None and before.unreadable and not block.unreadable:
            self._low.clear()
        old: Mapping[Address, Claim] = before.claims if before else {}
        for address in old.keys() | block.claims.keys():
            if old.get(address) is not block.claims.get(address):
                self._put_claim(address, block.claims.get(address))

    def put_others(self, others: Mapping[Address, str]) -> None:
        """What uses addresses beside Services, in words, as it is now."""
        changed = self._others.keys() ^ others.keys()
        self._others = others
        for address in changed:
            self._retrace(address)

    def put_lan(self, lan: Mapping[Address, Refusal]) -> None:
        """What somebody on the LAN answers for, as it is now; never the same mapping with other contents."""
        if lan is not self._lan:
            before, self._lan = self._lan, lan
            for address in before.keys() - lan.keys():
                self._lower(address)

    def begin(self, pools: PoolFile, now: int) -> None:
        """Another plan: what the one before handed out has been told by now, or was not done."""
        if pools is not self._pools:
            self._pools = pools
            self._low.clear()
        self.now = now
        taken, self._taken = self._taken, {}
        for address in taken:
            self._lower(address)
        self._lingering.clear()
        self._cooling.clear()

    def _put_claim(self, address: Address, claim: Claim | None) -> None:
        self._unsure = self._unsure or claim is None
        before = self.claims.pop(address, None)
        self.released.pop(address, None)
        for holder in before.holders if before else ():
            self._held[holder.key].pop(address, None)
        if claim is not None:
            self.claims[address] = claim
            if not claim.holders:
                self.released[address] = claim
            for holder in claim.holders:
                self._held.setdefault(holder.key, {})[address] = holder
                if holder.share is not None:
                    self._shared.setdefault(holder.share.key, set()).add(address)
            for last in (*claim.all_parked, *((claim.last,) if claim.last else ())):
                self._names.setdefault(last.key, set()).add(address)
        self._retrace(address)

    def _retrace(self, address: Address) -> None:
        """Note whether there is any trace of the address by now."""
        family, number = family_of(address), int(address)
        occupied = self._occupied.get(family)
        if occupied is None:
            self._noted[family].append(number)
            return
        at = bisect_left(occupied, number)
        was, now = at < len(occupied) and occupied[at] == number, self._traced(address)
        if now and not was:
            insort(occupied, number)
        elif was and not now:
            del occupied[at]
            self._lower(address)

    def _lower(self, address: Address) -> None:
        """An address has become free: the search of its pool must not begin above it."""
        pool = self._pools.pool_of(address)
        if pool is not None:
            spot = pool.name, family_of(address)
            self._low[spot] = min(self._low.get(spot, 0), int(address))

    def _traced(self, address: Address) -> bool:
        return address in self.claims or address in self._shown or address in self._external or address in self._others

    # What it is asked: claims.

    def held(self, key: Key) -> list[tuple[Claim, Holder]]:
        """The claims in which a Service of this name is a holder."""
        return [(self.claims[a], h) for a, h in self._held.get(key, {}).items()]

    def holders(self) -> Iterator[tuple[Claim, Holder]]:
        """Every claim with each of its holders."""
        for key in list(self._held):
            yield from self.held(key)

    def had(self, key: Key) -> list[Claim]:
        """The claims that a Service of this name was the last to hold, and nobody holds now."""
        return [c for a in self._names.get(key, ()) if (c := self.released.get(a)) and c.last and c.last.key == key]

    def parks(self, key: Key) -> list[Claim]:
        """The claims that remember that a Service of this name was released by hand."""
        found = (self.claims.get(a) for a in self._names.get(key, ()))
        return [c for c in found if c is not None and any(last.key == key for last in c.all_parked)]

    def alive(self, holder: Holder) -> bool:
        """Whether a claim's holder still stands: the same Service, of type LoadBalancer.

        False is the proof that rule 3 of the protocol asks for, when the Services were read after the claims.
        """
        service = self._services.get(holder.key)
        return service is not None and service.uid == holder.uid and service.is_load_balancer

    # What it is asked: uses.

    def frozen(self, address: Address) -> str:
        """The complaint of the address's block, if that cannot be read."""
        block = self._blocks.get(BlockId.of(address))
        return block.complaint if block is not None else ""

    def user(self, address: Address, key: Key = NOBODY) -> str:
        """Who but this Service (by default: whoever it be) uses the address, in words; empty when nobody does."""
        return self.frozen(address) or next((use.words for use in self._used_by_others(address, key)), "")

    def _used_by_others(self, address: Address, key: Key) -> Iterator[Use]:
        if address in self._others:
            yield Use(None, self._others[address])
        claim = self.claims.get(address)
        # By name, for the one told of must not depend on how the API lists them.
        for _, service in sorted(self._shown.get(address, {}).items()):
            if service.key != key:
                # Whoever holds no claim was put there by somebody else, who knows nothing of sharing with us.
                ours = claim is not None and claim.holder(service.key) is not None
                yield Use(service.key, f"Service {service.key} shows it", _shares(service) if ours else ())
        for _, service in sorted(self._external.get(address, {}).items()):
            yield Use(None, f"Service {service.key} has it in externalIPs")
        for service in self._taken.get(address, ()):
            if service.key != key:
                yield Use(service.key, f"Service {service.key} is given it", _shares(service))
        for holder in claim.holders if claim else ():
            if holder.key != key and self.alive(holder):
                now = self._services[holder.key].sharing
                both = (holder.share, now) if holder.share is not None and now is not None else ()
                yield Use(holder.key, f"Service {holder.key} holds it", both)

    def conflict(self, service: Service, address: Address, *, newcomer: bool = False) -> Refusal | None:
        """Why the Service may not stand on the address with those who use it; None when it may (see sharing).

        A newcomer must suit what the ledger says of each holder and what the cluster shows. Who holds the address must
        suit, as the cluster shows them by now, those who held it before: of holders who no longer go together the one
        that joined last moves (DESIGN, promise 1); unless it is to be judged as a `newcomer` all the same.
        """
        if why := self.frozen(address):
            return Refusal(Reason.LedgerUnreadable, f"{address} is in use: {why}")
        before, after = self._holders_around(service, address) if not newcomer else (set(), set())
        sharers: set[Key] = set()
        for use in self._used_by_others(address, service.key):
            if use.key in after:
                continue
            fellow = use.key is not None and use.key in before
            if not fellow and (service.sharing is None or use.key is None or not use.sharing):
                return Refusal(Reason.AddressInUse, f"{address} is in use: {use.words}")
            if why := self._obstacle(service, address, use, fellow=fellow):
                words = f"{address} cannot be shared with Service {use.key}: {why}"
                return Refusal(Reason.SharingConflict, words)
            sharers.add(cast("Key", use.key))
        if len(sharers) >= MOST_HOLDERS:
            return Refusal(
                Reason.SharingConflict, f"{len(sharers)} Services share {address} already, which is the most"
            )
        return None

    def _obstacle(self, service: Service, address: Address, use: Use, *, fellow: bool) -> str:
        """Why the Service may not share the address with this user of it."""
        key = cast("Key", use.key)
        theirs = self._services[key].sharing if fellow else None
        every = (theirs,) if theirs is not None else () if fellow else use.sharing
        if service.sharing is None or not every:
            return "one of them has no sharing key any more"
        pool, same = self._pools.pool_of(address), key.namespace == service.key.namespace
        # What a pool file says by now parts nobody who shares already.
        across = fellow or (pool is not None and pool.share_across_namespaces)
        why = (obstacle(service.sharing, other, same_namespace=same, across=across) for other in every)
        return next(filter(None, why), "")

    def on_lan(self, address: Address) -> Refusal | None:
        """Why the address is not given to anybody anew: somebody on the LAN answers for it, and no Service holds it."""
        return None if self.is_held(address) else self._lan.get(address)

    def is_held(self, address: Address) -> bool:
        """Whether a Service that still stands holds the address."""
        claim = self.claims.get(address)
        return claim is not None and any(map(self.alive, claim.holders))

    def _holders_around(self, service: Service, address: Address) -> tuple[set[Key], set[Key]]:
        """Who of the living holds the address, and joined before this Service, and after it; if it holds it itself."""
        claim = self.claims.get(address)
        holders = [h for h in claim.holders if h.key == service.key or self.alive(h)] if claim is not None else []
        at = next((n for n, h in enumerate(holders) if (h.key, h.uid) == (service.key, service.uid)), None)
        if at is None:
            return set(), set()
        given = {s.key for s in self._taken.get(address, ())}  # who joins in this plan suits all who were there
        before, after = {h.key for h in holders[:at]}, {h.key for h in holders[at + 1 :]}
        return before, after | (given - before)

    def under_key(self, service: Service, family: Family) -> list[Address]:
        """The addresses of one family on which others stand under this Service's sharing key, by number."""
        key = service.sharing.key if service.sharing is not None else ""
        found = (a for a in self._shared.get(key, ()) if family_of(a) is family)
        return sorted((a for a in found if self.user(a, service.key)), key=int)

    def take(self, address: Address, service: Service) -> None:
        """Count an address as used by this Service until the plan is over."""
        self._taken.setdefault(address, []).append(service)
        if service.sharing is not None:
            self._shared.setdefault(service.sharing.key, set()).add(address)

    # What it is asked: free addresses.

    @property
    def given(self) -> int:
        """How many addresses this plan has taken so far."""
        return len(self._taken)

    def next_free(self, pool: Pool, family: Family, key: Key) -> Address | None:
        """The pool's next address that nobody uses: untouched ones by number, then the longest released."""
        spot = pool.name, family
        if (number := next(self._untouched(pool, family, self._low.get(spot, 0)), None)) is not None:
            self._low[spot] = number
            return from_int(family, number)
        self._low[spot] = 1 << family.bits
        if spot not in self._lingering:
            self._lingering[spot] = self._rested(pool, family)
        rested = self._lingering[spot]
        while rested and (rested[-1] in self._lan or self.user(rested[-1], key)):
            rested.pop()
        return rested[-1] if rested else None

    def coming(self, pool: Pool, family: Family, count: int) -> list[Address]:
        """The next so many that next_free() would give, if each were taken."""
        untouched = self._untouched(pool, family, self._low.get((pool.name, family), 0))
        found = [from_int(family, number) for number in islice(untouched, count)]
        if len(found) < count:  # else none of the released, who may be many, is looked at
            rested = reversed(self._rested(pool, family))
            free = (a for a in rested if a not in self._lan and not self.user(a))
            found += islice(free, count - len(found))
        return found

    def passed_over(self, pools: Iterable[Pool], family: Family) -> int:
        """How many addresses of these pools would be free, if nobody on the LAN answered for them."""
        found = (a for a in self._lan if family_of(a) is family and any(pool.offers(a) for pool in pools))
        free = (a for a in found if not self.user(a) and self._pools.reserved_for(a) is None)
        return sum(1 for a in free if a not in self.released or not self.cooling(self.released[a]))

    def _untouched(self, pool: Pool, family: Family, start: int) -> Iterator[int]:
        """The addresses that bear no trace and may be given to anybody, by number."""
        occupied = self._occupied_in(family)
        for low, high in pool.usable.ranges(family):
            number = max(low, start)
            at = bisect_left(occupied, number)
            while number <= high:
                if at < len(occupied) and occupied[at] == number:
                    end = _run_end(occupied, at)
                    number, at = number + end - at, end
                else:
                    if self._may_be_given(pool, from_int(family, number)):
                        yield number
                    number += 1

    def _may_be_given(self, pool: Pool, address: Address) -> bool:
        return (
            address not in self._taken
            and address not in self._lan
            and pool.hands_out(address)
            and self._pools.reserved_for(address) is None
            and not self.frozen(address)
        )

    def _occupied_in(self, family: Family) -> list[int]:
        if family not in self._occupied:
            noted = sorted(set(self._noted.pop(family)))
            if self._unsure:
                noted = [n for n in noted if self._traced(from_int(family, n))]
            self._occupied[family] = noted
        return self._occupied[family]

    def _rested(self, pool: Pool, family: Family) -> list[Address]:
        """Released addresses that another Service may have by now; the longest released last."""
        wait = pool.reuse_after.total_seconds()
        ready = [
            (claim.released or 0, int(a), a)
            for a, claim in self._left_in(pool, family)
            if (claim.released or 0) + wait <= self.now
        ]
        return [a for _, _, a in sorted(ready, reverse=True)]

    def _left_in(self, pool: Pool, family: Family) -> Iterator[tuple[Address, Claim]]:
        for address, claim in self.released.items():
            if family_of(address) is family and pool.offers(address) and self._pools.reserved_for(address) is None:
                yield address, claim

    def next_cooled(self, pools: Iterable[Pool], family: Family) -> int | None:
        """Seconds until the first address that is cooling may be given away, None when none is."""
        waits = [wait for pool in pools if (wait := self._coolest(pool, family)) is not None]
        return min(waits, default=None)

    def _coolest(self, pool: Pool, family: Family) -> int | None:
        spot = (pool.name, family)
        if spot not in self._cooling:  # once a plan: a pool that is full is asked by every Service it refuses
            wait = int(pool.reuse_after.total_seconds())
            waits = [(claim.released or 0) + wait - self.now for _, claim in self._left_in(pool, family)]
            self._cooling[spot] = min((wait for wait in waits if wait > 0), default=None)
        return self._cooling[spot]

    def cooling(self, claim: Claim) -> bool:
        """Whether a released claim still keeps its address from other Services (reuseAfter)."""
        pool = self._pools.pool_of(claim.address)
        wait = (pool.reuse_after if pool else REUSE_AFTER).total_seconds()
        return claim.released is not None and self.now < claim.released + wait

    def frozen_in(self, pools: Iterable[Pool], family: Family) -> list[str]:
        """The complaints of blocks that cannot be read and hold addresses of these pools."""
        frozen = {b.id: b.complaint for b in self._blocks.values() if b.unreadable}
        ranges = [span for pool in pools for span in pool.usable.ranges(family)] if frozen else []
        return [
            complaint
            for block, complaint in sorted(frozen.items())
            if block.family is family
            and any(low < block.first + BLOCK_SIZE and high >= block.first for low, high in ranges)
        ]


def _run_end(occupied: list[int], at: int) -> int:
    """Where the run of neighbours that begins `at` ends. The numbers are sorted and each is there once, so that a
    number stands as many places on as it is greater just as long as the run goes on: the end is found by halves."""
    return bisect_right(range(len(occupied)), occupied[at] - at, lo=at, key=lambda n: occupied[n] - n)


def _shares(service: Service) -> tuple[Sharing, ...]:
    return (service.sharing,) if service.sharing is not None else ()
