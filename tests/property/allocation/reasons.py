"""Whether a reason that lbctl gives for a refusal is so (promise 5), said again by rules of the model's own.

Each stands by itself: which of two reasons that both hold is given is not judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.property.allocation.cluster import Look
from tests.property.allocation.specs import DHCP, EVERY, NONSENSE, FileSpec, PoolSpec, Spec, family


@dataclass(frozen=True, slots=True)
class Case:
    """One Service, what it asks for (a person's flags included), the pool file, and the cluster before and after."""

    spec: Spec
    pools: FileSpec
    before: Look
    after: Look
    reassign: bool = False  # then what the pool file would not give it now is not good enough

    @property
    def exact(self) -> tuple[str, ...]:
        """The addresses that it must have, and no other: those asked for, else those reserved."""
        reserved = (a for a in self.pools.kept_for(self.spec.name) if family(a) in self.spec.families)
        return self.spec.addresses or tuple(reserved)

    def pool_of_exact(self) -> Iterable[PoolSpec]:
        """The pools of those addresses, and the pool it names."""
        found = (self.pools.pool_of(a) for a in self.exact)
        named = self.pools.named(self.spec.pool)
        return (p for p in (*found, named) if p is not None)

    def candidates(self) -> tuple[PoolSpec, ...]:
        """The pools it may have an address of that it does not name."""
        if self.spec.pool:
            named = self.pools.named(self.spec.pool)
            return (named,) if named and named.admits(self.spec) else ()
        return tuple(p for p in self.pools.in_turn() if p.auto and p.admits(self.spec))

    def suits(self, address: str) -> bool:
        """Whether an address is what it asks for."""
        if family(address) not in self.spec.families:
            return False
        if self.spec.addresses:
            return address in self.spec.addresses
        pool = self.pools.pool_of(address)
        return not self.spec.pool or (pool is not None and pool.name == self.spec.pool)

    def allowed(self, address: str) -> bool:
        """Whether the pool file lets it have the address."""
        pool = self.pools.pool_of(address)
        return pool is not None and pool.admits(self.spec) and self.pools.offers(address, self.spec.name)

    def free(self, address: str, pool: PoolSpec) -> bool:
        """Whether nothing kept the address from it, from before the run to after it."""
        if not pool.offers(address) or address in dict(self.pools.reserved):
            return False
        if address in self.before.holders:  # let go in this run, after others were decided on
            return False
        name, after = self.spec.name, self.after
        if after.untouched(address, name):
            return True
        left = after.released.get(address)
        return left is not None and left.since + pool.reuse <= self.before.now and not after.users(address, name)

    def had(self) -> list[str]:
        """The addresses that one of its name had before and gets back, the last one first."""
        spec, look = self.spec, self.before
        older = [a for a, hs in look.holders.items() if any(n == spec.name and u != spec.uid for n, u, _ in hs)]
        kept: list[tuple[int, str]] = []
        for address, left in look.released.items():
            pool = self.pools.pool_of(address)
            if left.name == spec.name and pool is not None and self.after.now - left.since < pool.keep:
                kept.append((-left.since, address))
        return sorted(older) + [a for _, a in sorted(kept)]

    def joinable(self, address: str) -> bool:
        """Whether it may share the address with who stands there."""
        pool, stands = self.pools.pool_of(address), self.after.users(address, self.spec.name)
        return pool in self.candidates() and bool(stands) and self.stands(address)

    def stands(self, address: str) -> bool:
        """Whether it may have the address beside its users, whatever else."""
        return self.after.may_stand(self.spec, address, self.pools)

    def exhausted(self, wants: str) -> bool:
        """Whether really no address of this family can be had."""
        here = [(a, p) for p in self.candidates() for a in p.addresses if family(a) == wants]
        if any(self.free(a, p) or (self.allowed(a) and self.joinable(a)) for a, p in here):
            return False
        return not any(family(a) == wants and self.allowed(a) and self.suits(a) and self.stands(a) for a in self.had())

    def lacking(self) -> list[str]:
        """The families in which it shows nothing that it asks for and may have."""
        shown = (a for a in self.after.status[self.spec.name] if self.suits(a) and self.stands(a))
        has = {family(a) for a in shown if not self.reassign or self.allowed(a)}
        return [f for f in self.spec.families if f not in has]


def _bad_request(case: Case) -> bool:
    return NONSENSE in case.spec.addresses


def _conflicting(case: Case) -> bool:
    pools = [case.pools.pool_of(a) for a in case.exact]
    return bool(case.spec.pool) and any(p is not None and p.name != case.spec.pool for p in pools)


def _mismatched(case: Case) -> bool:
    asked, wants = case.spec.addresses, case.spec.families
    return any(family(a) not in wants for a in asked) or (case.spec.require and len(asked) < len(wants))


def _outside(case: Case) -> bool:
    return any(case.pools.pool_of(a) is None for a in case.exact)


def _excluded(case: Case) -> bool:
    return any((p := case.pools.pool_of(a)) and not p.offers(a) for a in case.exact)


def _reserved(case: Case) -> bool:
    return any(dict(case.pools.reserved).get(a, case.spec.name) != case.spec.name for a in case.exact)


def _at_stake(case: Case) -> set[str]:
    """What it must have, what it has, and what others have under its key."""
    key, look = case.spec.share, case.after
    under = (a for a in EVERY if any(o and look.specs[o].share == key for o, _ in look.users(a, case.spec.name)))
    return {*case.exact, *look.status[case.spec.name], *(under if key else ())}


def _in_use(case: Case) -> bool:
    # Before the run or after it: in between a claim may have been written anew by what its holder may share by now.
    uses = [
        by for a in _at_stake(case) for look in (case.before, case.after) for _, by in look.users(a, case.spec.name)
    ]
    return any(not case.spec.share or not by for by in uses)


def _unshareable(case: Case) -> bool:
    return any(case.after.users(a, case.spec.name) and not case.stands(a) for a in _at_stake(case))


def _not_found(case: Case) -> bool:
    return bool(case.spec.pool) and case.pools.named(case.spec.pool) is None


def _barred(case: Case) -> bool:
    return any(not p.admits(case.spec) for p in case.pool_of_exact())


def _disabled(case: Case) -> bool:
    every = [p for p in case.pools.pools if p.auto]
    return any(p.disabled for p in case.pool_of_exact()) or all(p.disabled for p in every)


def _no_match(case: Case) -> bool:
    return not case.candidates()


def _no_family(case: Case) -> bool:
    had = {family(a) for p in case.candidates() for a in p.addresses if p.offers(a)}
    return any(f not in had for f in case.lacking())


def _exhausted(case: Case) -> bool:
    return any(case.exhausted(f) for f in case.lacking())


HOLDS: dict[str, Callable[[Case], bool]] = {
    "InvalidRequest": _bad_request,
    "RequestConflict": _conflicting,
    "DhcpNotSupported": lambda case: DHCP in case.spec.addresses,
    "FamilyMismatch": _mismatched,
    "AddressOutsidePools": _outside,
    "AddressExcluded": _excluded,
    "AddressReserved": _reserved,
    "AddressInUse": _in_use,
    "SharingConflict": _unshareable,
    "PoolNotFound": _not_found,
    "PoolNotAllowed": _barred,
    "PoolDisabled": _disabled,
    "NoMatchingPool": _no_match,
    "FamilyUnavailable": _no_family,
    "PoolExhausted": _exhausted,
}

assert {DHCP, NONSENSE}.isdisjoint(EVERY)
