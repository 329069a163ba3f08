"""What each pool says of one Service, in words: what of it the Service has, what it would give, or why nothing.

No rule stands here: the Chooser is asked, pool by pool, in the order in which it asks them. What is said of an address
in use is who holds it, and since when. Pure: the time is the Index's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lbctl.addresses import Address, Family, family_of
from lbctl.ages import ago, instant
from lbctl.allocator import Refusal
from lbctl.chooser import Chooser, keep_for
from lbctl.claims import Claim, Holder
from lbctl.pools import Pool, PoolFile
from lbctl.reasons import Reason
from lbctl.services import Service


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one pool has for one Service, in words: addresses that the Service `has` of it, and those that the pool
    `gives` it, if it is the one that is chosen."""

    pool: str
    words: str
    has: tuple[Address, ...] = ()
    gives: tuple[Address, ...] = ()


def since(claim: Claim, holder: Holder) -> int:
    """When a holder got the address: alone on it, with the claim; else when it joined, as far as the claim knows."""
    return claim.since if len(claim.holders) == 1 else holder.at


def kept_until(claim: Claim, pools: PoolFile) -> int | None:
    """Until when a released address is kept for its name (keepFor); None when it is for others at once."""
    return int(claim.released + keep_for(claim, pools).total_seconds()) if claim.released else None


def outgrown_words(chooser: Chooser, service: Service, address: Address) -> str:
    """Why the pool file would not give the Service this address of its today; empty when it would."""
    if not chooser.outgrown(service, address):
        return ""
    pool = chooser.pools.pool_of(address)
    if pool is None:
        return f"no pool holds {address}"
    if (why := chooser.barred(service, pool) or chooser.withheld(service, address, pool)) is not None:
        return why.message
    return f"{' and '.join(map(str, chooser.pools.reservation(service.key)))} is reserved for it"


def verdicts(chooser: Chooser, service: Service, stays: Iterable[Address], *, chosen: bool) -> tuple[Verdict, ...]:
    """The verdicts in the order in which the pools are asked; `stays` are the addresses that the Service keeps.

    Not `chosen`: nothing is chosen for the Service, so that only pools that hold an address of its say something.
    """
    case = _Case(chooser, service, frozenset(map(family_of, stays)), chosen and chooser.unanswerable(service) is None)
    return tuple(v for v in map(case.verdict, chooser.pools.in_turn()) if v.words)


@dataclass(slots=True)
class _Said:
    """A verdict in the making."""

    words: list[str] = field(default_factory=list)
    gives: list[Address] = field(default_factory=list)

    def free(self, address: Address, words: str) -> None:
        self.gives.append(address)
        self.words.append(words)


@dataclass(frozen=True, slots=True)
class _Case:
    """One Service, whose addresses of the families `met` stay."""

    chooser: Chooser
    service: Service
    met: frozenset[Family]
    chosen: bool

    def verdict(self, pool: Pool) -> Verdict:
        said = _Said()
        has = tuple(a for a in self._own() if a in pool.addresses)
        said.words += self._has(has)
        if self.chosen and self.service.ask.addresses:
            self._asked(pool, said)
        elif self.chosen:
            self._unasked(pool, said)
        return Verdict(pool.name, "; ".join(said.words), has, tuple(said.gives))

    def _own(self) -> Iterator[Address]:
        """What its status shows, then what is claimed for it besides."""
        yield from self.service.status
        yield from (a for a in self._claimed() if a not in self.service.status)

    def _claimed(self) -> list[Address]:
        return [c.address for c, h in self.chooser.index.held(self.service.key) if h.uid == self.service.uid]

    def _has(self, has: Iterable[Address]) -> list[str]:
        """What the Service has of a pool, in words, those together of which the same is to be said."""
        found: dict[str, list[str]] = {}
        for address in has:
            found.setdefault(self._how(address), []).append(str(address))
        return [f"holds {' and '.join(addresses)}, which {how}" for how, addresses in found.items()]

    def _how(self, address: Address) -> str:
        if address not in self.service.status:
            return "is claimed for the Service"
        if address not in self._claimed():
            return "the Service shows"
        if not self.chosen or not (why := outgrown_words(self.chooser, self.service, address)):
            return "the Service has"
        return f"the Service has and would not get today: {why}"

    def _asked(self, pool: Pool, said: _Said) -> None:
        """Of the addresses that the Service asks for."""
        own = set(self._own())
        for address in self.service.ask.addresses:
            if address in pool.addresses and address not in own:
                self._one(pool, address, said)
        if not said.words:
            said.words.append(f"does not hold the address{'es' * (len(self.service.ask.addresses) > 1)} asked for")

    def _unasked(self, pool: Pool, said: _Said) -> None:
        lacking = [f for f in self.service.ask.families if f not in self.met]
        why = self.chooser.passed_over(pool, self.service)
        for family in lacking:
            if self._reserved(pool, family, said, why) or self._returned(pool, family, said) or why:
                continue
            if not self._joined(pool, family, said):
                self._room(pool, family, said)
        if why and not said.words:
            said.words.append(why)
        if not said.words:
            said.words.append("is not needed: the Service has what it asks for")

    def _reserved(self, pool: Pool, family: Family, said: _Said, why: str) -> bool:
        """Whether the pool file keeps an address of this family for the Service, in this pool or another; of another
        nothing is said where the pool is passed over anyway."""
        ask, pools = self.service.ask, self.chooser.pools
        for address in pools.reservation(self.service.key):
            home = pools.pool_of(address)
            if family_of(address) is not family or home is None or ask.pool not in (None, home.name):
                continue
            if home is pool:
                self._one(pool, address, said, f"{address} is reserved for it, and ")
                return True
            if not why and (ask.require_all or family is ask.families[0]):
                said.words.append(f"is not asked for {family}: {address} of pool {home.name} is reserved for it")
                return True
        return False

    def _returned(self, pool: Pool, family: Family, said: _Said) -> bool:
        """Whether the pool gives back what a Service of this name had before."""
        for claim, home in self.chooser.returns(self.service):
            if home is pool and family_of(claim.address) is family:
                until = kept_until(claim, self.chooser.pools)
                kept = f"and is kept for it until {instant(until)}" if until else "and nobody has it since"
                said.free(claim.address, f"{claim.address} was this name's before, {kept}")
                return True
        return False

    def _joined(self, pool: Pool, family: Family, said: _Said) -> bool:
        """Whether the Service may join others under its sharing key on an address of this pool."""
        for address, home in self.chooser.shareable(self.service, family):
            if home is pool:
                said.free(address, f"{address} can be shared: {self.chooser.index.user(address, self.service.key)}")
                return True
        return False

    def _room(self, pool: Pool, family: Family, said: _Said) -> None:
        index = self.chooser.index
        if (free := index.next_free(pool, family, self.service.key)) is not None:
            said.free(free, f"{free} is free{self._lately(free)}")
            return
        lack = self.chooser.lack((pool,), family)
        if lack.reason is Reason.FamilyUnavailable:
            said.words.append(f"has no {family} addresses")
            return
        count = pool.count(family)
        words = (
            f"none of its {count} {family} addresses is free" if count > 1 else f"its one {family} address is not free"
        )
        frozen = index.frozen_in((pool,), family)
        words += f": {'; '.join(frozen)}" if frozen else self.chooser.passed_on_lan((pool,), family)
        if not frozen and (seconds := index.next_cooled((pool,), family)) is not None:
            words += f"; the next released one cools until {instant(index.now + seconds)} (another {seconds}s)"
        said.words.append(words)

    def _one(self, pool: Pool, address: Address, said: _Said, before: str = "") -> None:
        """Of an address that must be this one; `before` has named it already, or is empty."""
        found = self.chooser.check_request(self.service, address)
        subject = before or f"{address} is "
        if isinstance(found, Refusal):
            said.words.append(before + self._held(address, _of_pool(pool, found.message), found.reason))
        elif users := self.chooser.index.user(address, self.service.key):
            said.free(address, f"{subject}free to be shared: {users}")
        else:
            said.free(address, f"{subject}free{self._lately(address)}")

    def _lately(self, address: Address) -> str:
        """Who had a free address last, for that is where its clients still look."""
        claim = self.chooser.index.released.get(address)
        if claim is None or claim.last is None:
            return ""
        when = f", released {ago(claim.released, self.chooser.index.now)}" if claim.released else ", released"
        return f" ({claim.last.key} had it{when})"

    def _held(self, address: Address, words: str, reason: Reason) -> str:
        """A refusal, and since when those hold the address who hold it."""
        claim = self.chooser.index.claims.get(address)
        if claim is None or reason not in (Reason.AddressInUse, Reason.SharingConflict):
            return words
        others = [h for h in claim.holders if h.key != self.service.key and self.chooser.index.alive(h)]
        named = [f"Service {holder.key} has it since {self._since(claim, holder)}" for holder in others]
        if len(others) == 1:
            for alike in (f"Service {others[0].key} shows it", f"Service {others[0].key} holds it"):
                words = words.removesuffix(alike)
            return words + named[0] if words.endswith(": ") else f"{words}; {named[0]}"
        return "; ".join([words, *named])

    def _since(self, claim: Claim, holder: Holder) -> str:
        at = since(claim, holder)
        return f"{instant(at)} ({ago(at, self.chooser.index.now)})"


def _of_pool(pool: Pool, words: str) -> str:
    """Words without the pool's name in front, which stands there already."""
    return words.removeprefix(f"pool {pool.name} ")
