"""Which addresses a Service gets, or why it gets none: the rules of DESIGN 6 in their order.

What is held stays; then what the Service asks for, to the letter; a reservation of the pool file; what a Service of
this name had before; an address that it may share; a free one, of the pools that say whom they are for before those for
everybody. Pure: one Chooser serves one plan, and counts what it is told has been taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta

from lbctl.addresses import Address, Family, family_of
from lbctl.allocator import Index, Refusal
from lbctl.claims import Claim
from lbctl.pools import KEEP_FOR, Pool, PoolFile
from lbctl.reasons import Reason
from lbctl.services import Service


class Chooser:
    """The rules over one Index. `namespaces` are labels by a namespace's name; `before` gives the claims that a Service
    of this name held and holds no more, the last one first."""

    def __init__(
        self,
        index: Index,
        pools: PoolFile,
        namespaces: Mapping[str, Mapping[str, str]],
        before: Callable[[Service], Iterable[Claim]],
    ) -> None:
        self.index = index
        self.pools = pools
        self._namespaces = namespaces
        self._before = before
        # Worded once while nothing is given: a full pool is asked by every Service it refuses.
        self._lack: dict[tuple[tuple[str, ...], Family, int], Refusal] = {}

    def wanted(
        self, service: Service, held: Mapping[Address, Claim], *, same_ask: bool, reassign: bool
    ) -> dict[Address, str] | Refusal:
        """The addresses the Service is to have and the pool of each, or why it can't have them.

        `same_ask`: what it holds was given for what it asks now, so that it stays, whatever the pool file says by now,
        unless a person wants to `reassign`.
        """
        if (refusal := self.unanswerable(service)) is not None:
            return refusal
        kept = self.kept(service, held, same_ask=same_ask, reassign=reassign)
        if isinstance(kept, Refusal):
            return kept
        if service.ask.addresses:
            return self._requested(service, kept)
        got = self._unasked(service, kept)
        if isinstance(got, Refusal) and (why := self._unshared(service, held)) is not None:
            # Of two reasons the one that somebody can do something about.
            reason = why.reason if held else got.reason
            return Refusal(reason, f"{got.message}; {why.message}" if not held else f"{why.message}; {got.message}")
        return got

    def _unshared(self, service: Service, held: Mapping[Address, Claim]) -> Refusal | None:
        """Why it may not stand on an address that it holds, or that others stand on under its key."""
        under = (a for family in service.ask.families for a in self.index.under_key(service, family))
        conflicts = (self.index.conflict(service, a) for a in (*held, *under))
        return next((c for c in conflicts if c is not None and c.reason is Reason.SharingConflict), None)

    def unanswerable(self, service: Service) -> Refusal | None:
        """Why no pool is asked at all, whatever is in them; None when they are."""
        if service.ask.error:
            return Refusal(Reason.InvalidRequest, service.ask.error)
        if service.ask.conflict:
            return Refusal(Reason.RequestConflict, service.ask.conflict)
        if any(address.is_unspecified for address in service.ask.addresses):
            return Refusal(Reason.DhcpNotSupported, f"{service.ask.source} asks for an address by DHCP")
        if service.sharing is not None and service.sharing.too_many_ports:
            return Refusal(Reason.TooManyPorts, f"it has {len(service.sharing.ports)} ranges of ports, and shares")
        if not self.pools.pools:
            words = f"{self.pools.path} has no pools" if self.pools.path else "no pool file was found"
            return Refusal(Reason.NoPools, words)
        return None

    def outgrown(self, service: Service, address: Address) -> bool:
        """Whether the pool file by now keeps this address from the Service, or another one for it: what `--reassign`
        moves."""
        pool = self.pools.pool_of(address)
        if pool is None or self.barred(service, pool) or self.withheld(service, address, pool):
            return True
        if service.ask.addresses or service.ask.pool is not None:
            return False
        mine = self.pools.reservation(service.key)
        return address not in mine and family_of(address) in {family_of(a) for a in mine}

    def kept(
        self, service: Service, held: Mapping[Address, Claim], *, same_ask: bool, reassign: bool
    ) -> dict[Address, str] | Refusal:
        """What of the held addresses stays, one a family: rather those that the status shows."""
        kept: dict[Address, str] = {}
        for address in sorted(held, key=lambda a: (a not in service.status, int(a))):
            if not _lacks(kept, address) or not self._suits(service, address, same_ask=same_ask):
                continue
            if reassign and self.outgrown(service, address):
                continue
            if (conflict := self.index.conflict(service, address)) is None:
                kept[address] = held[address].pool
            elif same_ask and address in service.status and conflict.reason is not Reason.SharingConflict:
                return conflict  # somebody else has put the same address up: nobody is moved for that
        return kept

    def _suits(self, service: Service, address: Address, *, same_ask: bool) -> bool:
        if family_of(address) not in service.ask.families:
            return False
        if same_ask and not service.ask.wished:
            return True
        if service.ask.addresses:
            return address in service.ask.addresses
        pool = self.pools.pool_of(address)
        return service.ask.pool is None or (pool is not None and pool.name == service.ask.pool)

    def _requested(self, service: Service, kept: Mapping[Address, str]) -> dict[Address, str] | Refusal:
        got: dict[Address, str] = {}
        for address in service.ask.addresses:
            if address in kept:
                got[address] = kept[address]
                continue
            pool = self.check_request(service, address)
            if isinstance(pool, Refusal):
                return pool
            got[address] = pool.name
        if service.ask.require_all and len(got) < len(service.ask.families):
            wants = " and ".join(service.ask.families)
            return Refusal(Reason.FamilyMismatch, f"{service.ask.source} has one address; the Service needs {wants}")
        return got

    def _unasked(self, service: Service, got: dict[Address, str]) -> dict[Address, str] | Refusal:
        """To what is kept: what is reserved, what its name had before, what it may share, what is free."""
        if (refusal := self._reserved(service, got)) is not None:
            return refusal
        self._take_back(service, got)
        for family in _missing(service, got):
            if (joined := next(self.shareable(service, family), None)) is not None:
                got[joined[0]] = joined[1].name
        if missing := _missing(service, got):
            found, lack = self.choose(service, missing)
            got |= {address: pool.name for address, pool in found.values()}
            if lack is not None and not _enough(service, got):
                return lack
        return got

    def _reserved(self, service: Service, got: dict[Address, str]) -> Refusal | None:
        """What the pool file keeps for this Service: exactly that, or a refusal, as if the Service had asked for it."""
        for address in self.pools.reservation(service.key):
            pool = self.pools.pool_of(address)
            elsewhere = service.ask.pool is not None and (pool is None or pool.name != service.ask.pool)
            if elsewhere or not _lacks(got, address) or family_of(address) not in service.ask.families:
                continue
            found = self.check_request(service, address)
            if isinstance(found, Pool):
                got[address] = found.name
            elif self._needs(service, family_of(address)):
                return Refusal(found.reason, f"the pool file reserves {address} for it, and {found.message}")
        return None

    def _needs(self, service: Service, family: Family) -> bool:
        """Whether it must not go without, or by way of another address, in this family: it asks for it, or has one
        already, which it would only leave for one that it has to leave again."""
        must = service.ask.require_all or family is service.ask.families[0]
        return must or any(family_of(a) is family for a in service.status)

    def _take_back(self, service: Service, got: dict[Address, str]) -> None:
        for claim, pool in self.returns(service):
            if _lacks(got, claim.address):
                got[claim.address] = pool.name

    def returns(self, service: Service) -> Iterator[tuple[Claim, Pool]]:
        """What it may have back of what a Service of this namespace/name had (an older uid, or released within
        keepFor), the last one first."""
        for claim in self._before(service):
            address, pool = claim.address, self.pools.pool_of(claim.address)
            if pool is None or self.barred(service, pool) or self.withheld(service, address, pool):
                continue
            # What a node still announces was announced for this very name.
            seen = self.index.on_lan(address)
            if seen is not None and seen.reason is not Reason.StillAnnounced:
                continue
            if self._suits(service, address, same_ask=False) and self.index.conflict(service, address) is None:
                yield claim, pool

    def check_request(self, service: Service, address: Address) -> Pool | Refusal:
        """The pool an asked-for address comes from, or why the Service can't have it."""
        ask, pool = service.ask, self.pools.pool_of(address)
        family = family_of(address)
        if family not in ask.families:
            wants = " and ".join(ask.families)
            return Refusal(Reason.FamilyMismatch, f"{address} is {family}; the Service is {wants}")
        if pool is None:
            return Refusal(Reason.AddressOutsidePools, f"{address} is in no pool")
        if ask.pool is not None and ask.pool != pool.name:
            words = f"{address} is in pool {pool.name}, and the Service names pool {ask.pool}"
            return Refusal(Reason.RequestConflict, words)
        return (
            self.barred(service, pool)
            or self.withheld(service, address, pool)
            or self.index.conflict(service, address)
            or self.index.on_lan(address)
            or pool
        )

    def barred(self, service: Service, pool: Pool) -> Refusal | None:
        """Why the Service may have no address of this pool, whatever is free in it; None when it may."""
        if pool.disabled:
            return Refusal(Reason.PoolDisabled, f"pool {pool.name} is disabled: it hands out nothing new")
        labels = self._namespaces.get(service.key.namespace, {})
        if why := pool.admits(service.key.namespace, labels, service.labels):
            return Refusal(Reason.PoolNotAllowed, f"pool {pool.name} {why}")
        return None

    def withheld(self, service: Service, address: Address, pool: Pool) -> Refusal | None:
        """Why the pool file keeps this address of the pool from the Service; None when it does not."""
        if address not in pool.usable:
            return Refusal(Reason.AddressExcluded, f"pool {pool.name} excludes {address}")
        if not pool.hands_out(address):
            return Refusal(Reason.AddressExcluded, f"pool {pool.name} has avoidBuggyIPs, which leaves out {address}")
        reserved = self.pools.reserved_for(address)
        if reserved is not None and reserved != service.key:
            return Refusal(Reason.AddressReserved, f"{address} is reserved for Service {reserved}")
        return None

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
            here = {f: (a, pool) for f in families if (a := self.index.next_free(pool, f, service.key)) is not None}
            if len(here) == len(families):
                return here, None
            split = {**here, **split}
        missing = [f for f in families if f not in split]
        if not missing:
            return split, None
        return split, self.lack(pools, missing[0])

    def shareable(self, service: Service, family: Family) -> Iterator[tuple[Address, Pool]]:
        """Addresses on which others stand under its key and it may too, of pools it may have one of, lowest first."""
        for address in self.index.under_key(service, family):
            pool = self.pools.pool_of(address)
            if pool is None or self.passed_over(pool, service) or self.withheld(service, address, pool):
                continue
            if self.index.conflict(service, address) is None:
                yield address, pool

    def passed_over(self, pool: Pool, service: Service) -> str:
        """Why a Service that asks for no address gets none from this pool, whatever is free in it."""
        if service.ask.pool is not None and service.ask.pool != pool.name:
            return f"the Service names pool {service.ask.pool}"
        if (barred := self.barred(service, pool)) is not None:
            return barred.message.removeprefix(f"pool {pool.name} ")
        if service.ask.pool is None and not pool.auto_assign:
            return "gives addresses only to Services that ask for them (autoAssign: false)"
        return ""

    def _candidates(self, service: Service) -> tuple[Pool, ...] | Refusal:
        name = service.ask.pool
        if name is not None:
            named = self.pools.pool(name)
            if named is None:
                return Refusal(Reason.PoolNotFound, f"there is no pool {name} in {self.pools.path}")
            return self.barred(service, named) or (named,)
        pools = tuple(p for p in self.pools.in_turn() if not self.passed_over(p, service))
        return pools or self._no_pool(service)

    def _no_pool(self, service: Service) -> Refusal:
        """Why no pool of several is for this Service: all that give addresses unasked, and what bars it from each."""
        open_pools = [p for p in self.pools.in_turn() if p.auto_assign]
        if not open_pools:
            return Refusal(Reason.NoMatchingPool, "every pool has autoAssign: false")
        barred = [b for p in open_pools if (b := self.barred(service, p)) is not None]
        reason = Reason.NoMatchingPool
        if all(b.reason is Reason.PoolDisabled for b in barred):
            reason = Reason.PoolDisabled
        return Refusal(reason, "; ".join(b.message for b in barred))

    def lack(self, pools: tuple[Pool, ...], family: Family) -> Refusal:
        """Why none of these pools has an address of this family to give."""
        case = tuple(p.name for p in pools), family, self.index.given
        if case not in self._lack:
            self._lack[case] = self._worded_lack(pools, family)
        return self._lack[case]

    def _worded_lack(self, pools: tuple[Pool, ...], family: Family) -> Refusal:
        names = ", ".join(p.name for p in pools)
        having = [p for p in pools if p.count(family)]
        if not having:
            return Refusal(Reason.FamilyUnavailable, f"no {family} addresses in {names}")
        words = f"no {family} address is free in {names}"
        if frozen := self.index.frozen_in(having, family):
            return Refusal(Reason.LedgerUnreadable, f"{words}: {'; '.join(frozen)}")
        words += self.passed_on_lan(having, family)
        if (seconds := self.index.next_cooled(having, family)) is not None:
            words += f"; the next released one is free in {seconds} s"
        return Refusal(Reason.PoolExhausted, words)

    def passed_on_lan(self, pools: Iterable[Pool], family: Family) -> str:
        """How many addresses of these pools nobody gets because somebody on the LAN answers for them; as the end of a
        sentence, empty for none."""
        count = self.index.passed_over(pools, family)
        some = f"{count} are passed over, because the LAN answers for them"
        return f"; {some if count > 1 else '1 is passed over, because the LAN answers for it'}" if count else ""


def kept_for_its_name(claim: Claim, pools: PoolFile, now: int) -> bool:
    """Whether a released claim is given back to a Service of the name that held it (keepFor)."""
    return claim.released is not None and now - claim.released < keep_for(claim, pools).total_seconds()


def keep_for(claim: Claim, pools: PoolFile) -> timedelta:
    """How long a released address is kept for its name."""
    pool = pools.pool_of(claim.address)  # none of ours: another pool file may hold the address
    return pool.keep_for if pool else KEEP_FOR


def _lacks(got: Mapping[Address, str], address: Address) -> bool:
    return family_of(address) not in {family_of(a) for a in got}


def _missing(service: Service, got: Mapping[Address, str]) -> tuple[Family, ...]:
    families = {family_of(a) for a in got}
    return tuple(f for f in service.ask.families if f not in families)


def _enough(service: Service, got: Mapping[Address, str]) -> bool:
    """PreferDualStack makes do with the first family."""
    return not service.ask.require_all and service.ask.families[0] in {family_of(a) for a in got}
