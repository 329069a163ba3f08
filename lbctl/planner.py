"""Snapshot -> Plan: what should happen, as values (promise 6).

`lbctl assign`, its dry run, `explain` and `serve` all call plan(); nothing else decides. Pure: the Snapshot carries the
cluster, its time and the name of this attempt; the Decisions carry everything that apply needs and everything that a
person is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lbctl.addresses import Address, Family, family_of
from lbctl.allocator import Index, Refusal
from lbctl.claims import Block, BlockId, Claim, Holder
from lbctl.pools import Pool, PoolFile
from lbctl.reasons import Reason
from lbctl.services import Key, Service, out_of_scope

YOUNG = 5  # seconds a claim without an address is left to the run that wrote it


class Action(StrEnum):
    """What a Decision does. The words are those of `--dry-run` and of JSON."""

    KEEP = "keep"  # nothing to do
    ASSIGN = "assign"  # claim, then publish: the status grows or changes
    WAIT = "wait"  # another run is at it
    REFUSE = "refuse"  # the Service stays as it is, without what it asks for
    SKIP = "skip"  # not ours to act on


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster as one look saw it: the claims read first, then the Services (rule 3 rests on that order).

    `others` are addresses in use by Nodes and the API server, in words; `now` is the API server's time in seconds since
    the epoch; `attempt` names this look, `mine` the attempts of the same process, whose claims need not be waited for.
    """

    services: Mapping[Key, Service]
    blocks: Mapping[BlockId, Block]
    others: Mapping[Address, str]
    now: int
    attempt: str
    mine: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one Service. `addresses` is what its status shall show, `claims` what is claimed for it before,
    `drops` the addresses whose claims go after."""

    service: Service
    action: Action
    reason: Reason
    message: str = ""
    addresses: tuple[Address, ...] = ()
    pools: tuple[str, ...] = ()
    claims: tuple[Address, ...] = ()
    drops: tuple[Address, ...] = ()

    @property
    def satisfied(self) -> bool:
        """Whether the Service has, or will have, what it asks for."""
        return self.action in (Action.KEEP, Action.ASSIGN)

    @property
    def sentence(self) -> str:
        """The particulars, or what the reason always means."""
        return self.message or self.reason.sentence


@dataclass(frozen=True, slots=True)
class Plan:
    """The Decisions in the order of their rank, and the claims whose Service is gone."""

    decisions: tuple[Decision, ...]
    orphans: tuple[tuple[Claim, Holder], ...] = ()
    snapshot: Snapshot = field(repr=False, default_factory=lambda: Snapshot({}, {}, {}, 0, ""))


def plan(
    snapshot: Snapshot, pools: PoolFile, selected: frozenset[Key] | None = None, *, named: bool | None = None
) -> Plan:
    """Decide for the selected Services (None: every one in scope); all Services are looked at.

    `named`: the Services were named by a person, which gives a released one an address again (default: when selected).
    """
    planner = _Planner(snapshot, pools, named=selected is not None if named is None else named)
    chosen = [s for s in snapshot.services.values() if selected is None or s.key in selected]
    decided: dict[Key, Decision] = {}
    todo: list[Service] = []
    for service in chosen:
        if (settled := planner.settled(service)) is not None:
            decided[service.key] = settled
        else:
            todo.append(service)
    # What is held stays; then requests, then the rest; each by age, then name: so that the outcome is the same for
    # every process that looks at the same cluster.
    for service in sorted(todo, key=lambda s: (not s.ask.addresses, s.created, s.key)):
        decided[service.key] = planner.allocate(service)
    orphans = tuple(
        (claim, holder)
        for block in snapshot.blocks.values()
        for claim in block.claims.values()
        for holder in claim.holders
        if not planner.index.alive(holder)
    )
    return Plan(tuple(decided[s.key] for s in chosen if s.key in decided), orphans, snapshot)


class _Planner:
    """One plan in the making."""

    def __init__(self, snapshot: Snapshot, pools: PoolFile, *, named: bool) -> None:
        self.snapshot = snapshot
        self.pools = pools
        self.named = named
        self.index = Index(snapshot.services, snapshot.blocks, snapshot.others, pools, snapshot.now)
        self._held: dict[Key, list[tuple[Claim, Holder]]] = {}
        self._last: dict[Key, list[Claim]] = {}
        for claim in self.index.claims.values():
            for holder in claim.holders:
                self._held.setdefault(holder.key, []).append((claim, holder))
            if not claim.holders and claim.last is not None:
                self._last.setdefault(claim.last.key, []).append(claim)

    def held(self, service: Service) -> list[tuple[Claim, Holder]]:
        """The claims in which this very Service (name and uid) is a holder."""
        return [(c, h) for c, h in self._held.get(service.key, ()) if h.uid == service.uid]

    def settled(self, service: Service) -> Decision | None:
        """The Decision for a Service that needs no address chosen, or None."""
        if (reason := out_of_scope(service, self.pools.load_balancer_class)) is not None:
            return Decision(service, Action.SKIP, reason, addresses=service.status)
        held = self.held(service)
        ours = {claim.address for claim, _ in held}
        strange = [str(a) for a in service.status if a not in ours] + list(service.foreign_status)
        if strange:
            words = f"its status shows {', '.join(strange)}, which lbctl holds no claim for"
            return Decision(service, Action.SKIP, Reason.ForeignOwner, words, service.status)
        young = [h for c, h in held if c.address not in service.status and self._young(h)]
        if young:
            return Decision(service, Action.WAIT, Reason.BeingAssigned, addresses=service.status)
        if self._parked(service) and not self.named:
            return Decision(service, Action.SKIP, Reason.Released)
        return self._keep(service, held)

    def _young(self, holder: Holder) -> bool:
        return holder.attempt not in self.snapshot.mine and self.snapshot.now - holder.at < YOUNG

    def _parked(self, service: Service) -> bool:
        return any(
            c.parked and c.last is not None and c.last.uid == service.uid and c.last.ask == service.ask.digest
            for c in self._last.get(service.key, ())
        )

    def _keep(self, service: Service, held: list[tuple[Claim, Holder]]) -> Decision | None:
        """Keep when the status shows all that is asked and the claims were written for this ask."""
        shown = {c.address for c, _ in held if c.address in service.status}
        families = {family_of(a) for a in shown}
        if (
            not held
            or not self._same_ask(service)
            or shown != {c.address for c, _ in held}
            or set(service.ask.families) - families
        ):
            return None
        names = tuple(c.pool for c, _ in held)
        if outside := [str(a) for a in service.status if self.pools.pool_of(a) is None]:
            words = f"{', '.join(outside)} is in no pool; it keeps it"
            return Decision(service, Action.KEEP, Reason.AddressOutsidePools, words, service.status, names)
        return Decision(service, Action.KEEP, Reason.Assigned, addresses=service.status, pools=names)

    def allocate(self, service: Service) -> Decision:
        """Choose addresses for a Service that lacks some, or whose ask has changed; never drops one in order to try."""
        held = {c.address: c for c, _ in self.held(service)}
        if service.ask.error:
            return self._refuse(service, Refusal(Reason.InvalidRequest, service.ask.error))
        got = self._requested(service) if service.ask.addresses else self._unasked(service, held)
        if isinstance(got, Refusal):
            return self._refuse(service, got)
        for address in got:
            self.index.take(address, service.key)
        order = {family: n for n, family in enumerate(service.ask.families)}
        addresses = tuple(sorted(got, key=lambda a: order[family_of(a)]))
        drops = tuple(a for a in held if a not in got)
        names = tuple(got[a] for a in addresses)
        if addresses == service.status and not drops and self._same_ask(service):
            return Decision(service, Action.KEEP, Reason.Assigned, "", addresses, names)
        return Decision(service, Action.ASSIGN, Reason.Assigned, "", addresses, names, addresses, drops)

    def _same_ask(self, service: Service) -> bool:
        return all(h.ask == service.ask.digest for _, h in self.held(service))

    def _refuse(self, service: Service, refusal: Refusal) -> Decision:
        return Decision(service, Action.REFUSE, refusal.reason, refusal.message, service.status)

    def _requested(self, service: Service) -> dict[Address, str] | Refusal:
        got: dict[Address, str] = {}
        for address in service.ask.addresses:
            pool, refusal = self.index.check_request(service, address)
            if refusal is not None:
                return refusal
            assert pool is not None
            got[address] = pool.name
        if service.ask.require_all and len(got) < len(service.ask.families):
            wants = " and ".join(service.ask.families)
            return Refusal(Reason.FamilyMismatch, f"{service.ask.source} has one address; the Service needs {wants}")
        return got

    def _unasked(self, service: Service, held: Mapping[Address, Claim]) -> dict[Address, str] | Refusal:
        """Held addresses that still suit, those of a Service of this name before, then free ones."""
        got: dict[Address, str] = {}
        for address in sorted(held, key=lambda a: a not in service.status):
            if family_of(address) not in {family_of(a) for a in got} and self._suits(service, address):
                got[address] = held[address].pool
        self._take_back(service, got)
        missing = tuple(f for f in service.ask.families if f not in {family_of(a) for a in got})
        if missing:
            found, refusal = self.index.choose(service, missing)
            if refusal is not None and not self._enough(service, got, found):
                return refusal
            got.update({address: pool.name for address, pool in found.values()})
        return got

    def _enough(
        self, service: Service, got: Mapping[Address, str], found: Mapping[Family, tuple[Address, Pool]]
    ) -> bool:
        """PreferDualStack makes do with the first family."""
        families = {family_of(a) for a in got} | set(found)
        return not service.ask.require_all and service.ask.families[0] in families

    def _suits(self, service: Service, address: Address) -> bool:
        pool = self.pools.pool_of(address)
        right_pool = service.ask.pool is None or (pool is not None and pool.name == service.ask.pool)
        return right_pool and family_of(address) in service.ask.families and not self.index.user(address, service.key)

    def _take_back(self, service: Service, got: dict[Address, str]) -> None:
        """Addresses that this namespace/name had before: of an older uid, or released within keepFor."""
        before = [c for c, h in self._held.get(service.key, ()) if h.uid != service.uid]
        before += [c for c in self._last.get(service.key, ()) if self._kept(c)]
        for claim in before:
            family = family_of(claim.address)
            pool = self.pools.pool_of(claim.address)
            if pool is None or not pool.hands_out(claim.address) or claim.address not in pool.usable:
                continue
            if family not in {family_of(a) for a in got} and self._suits(service, claim.address):
                got[claim.address] = pool.name

    def _kept(self, claim: Claim) -> bool:
        pool = self.pools.pool_of(claim.address)
        if pool is None or claim.released is None:
            return False
        return self.snapshot.now - claim.released < pool.keep_for.total_seconds()
