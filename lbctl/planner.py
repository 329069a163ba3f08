"""Snapshot -> Plan: what should happen, as values (promise 6).

`lbctl assign`, its dry run, `explain` and `serve` all call plan(), `lbctl release` calls plan_release(); nothing else
decides. Pure: the Snapshot carries the cluster, its time and the name of this attempt; the Decisions carry everything
that apply needs and everything that a person is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lbctl.addresses import Address, family_of
from lbctl.allocator import Index, Refusal
from lbctl.chooser import Chooser, kept_for_its_name
from lbctl.claims import MOST_PARKS, Block, BlockId, Claim, Holder, Last
from lbctl.decisions import Action, Decision, Plan, Snapshot, Wish
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.services import MANAGER, Key, Service, class_words, out_of_scope
from lbctl.verdicts import Verdict, verdicts

DIGEST = re.compile("[0-9a-f]{8}")  # of a pool file, the last word of a claim's `by`
HOUR = 3600  # seconds for which a claim written with another pool file is told of
YOUNG = 5  # seconds a claim without an address is left to the run that wrote it (DESIGN 5, Recovery)


def plan(
    snapshot: Snapshot,
    pools: PoolFile,
    selected: frozenset[Key] | None = None,
    *,
    named: bool | None = None,
    wish: Wish | None = None,
    reassign: bool = False,
    traced: Key | None = None,
    index: Index | None = None,
) -> Plan:
    """Decide for the selected Services (None: every one in scope); all Services are looked at.

    `named`: the Services were named by a person, which gives a released one an address again (default: when selected).
    `wish` is for each of the selected. `reassign` moves those whose address the pool file would not give them now. The
    Decision for `traced` carries the verdicts of the pools in its turn, whatever is decided.

    `index` is one that is kept (`serve`) and knows what the Snapshot shows: then a plan for some Services costs what
    those cost, for of claims to let go of it looks at those of the selected names alone.
    """
    by_name = selected is not None if named is None else named
    planner = _Planner(snapshot, pools, index, named=by_name, reassign=reassign)
    chosen = _chosen(snapshot, selected, by_name=index is not None)
    if wish is not None:
        chosen = [replace(s, ask=s.ask.with_wish(wish.addresses, wish.pool)) for s in chosen]
    decided: dict[Key, Decision] = {}
    todo: list[Service] = []
    for service in chosen:
        if (settled := planner.settled(service)) is not None:
            trace = planner.trace(service, settled) if service.key == traced else ()
            decided[service.key] = replace(settled, trace=trace) if trace else settled
        else:
            todo.append(service)
    # What is held stays; then requests, reservations, the rest; each by age, then name: so that the outcome is the same
    # for every process that looks at the same cluster.
    for service in sorted(todo, key=lambda s: (_turn(s, pools), s.created, s.key)):
        # Asked before it is decided, for afterwards its own address is no longer free.
        trace = planner.trace(service) if service.key == traced else ()
        decision = planner.allocate(service)
        decided[service.key] = replace(decision, trace=trace) if trace else decision
    decisions = tuple(decided[s.key] for s in chosen)
    if index is not None and selected is not None:
        return Plan(snapshot, decisions, planner.orphans(selected | planner.bereft(decisions)), digest=pools.digest)
    others = _other_files(snapshot, pools.digest)
    return Plan(snapshot, decisions, planner.orphans(None), planner.expired(), pools.digest, others)


def _chosen(snapshot: Snapshot, selected: frozenset[Key] | None, *, by_name: bool) -> list[Service]:
    services = snapshot.services
    if selected is None:
        return list(services.values())
    if by_name:
        return [services[key] for key in sorted(selected) if key in services]
    return [service for service in services.values() if service.key in selected]


def _turn(service: Service, pools: PoolFile) -> int:
    """Whose turn comes first: who asks for an address, who has one reserved, everybody else."""
    return 0 if service.ask.addresses else 1 if pools.reservation(service.key) else 2


def _other_files(snapshot: Snapshot, digest: str) -> tuple[str, ...]:
    """Who has written claims with another pool file than that of this digest within the last hour."""
    strange: dict[str, bool] = {}  # by who wrote; they are few, whereas claims may be a million
    found = set()
    for block in snapshot.blocks.values():
        for claim in block.claims.values():
            if claim.by not in strange:
                file = claim.by.rpartition(" ")[2]
                strange[claim.by] = bool(digest) and file != digest and DIGEST.fullmatch(file) is not None
            if strange[claim.by]:
                when = max((h.at for h in claim.holders), default=claim.released or 0)
                if snapshot.now - when < HOUR:
                    found.add(claim.by)
    return tuple(sorted(found))


def plan_release(snapshot: Snapshot, selected: frozenset[Key], *, at_once: bool) -> Plan:
    """Clear the selected Services and park their claims; those that do not exist are left out."""
    holders, parked = _by_key(snapshot.blocks), _parked_by_key(snapshot.blocks)
    chosen = [snapshot.services[key] for key in sorted(selected) if key in snapshot.services]
    return Plan(
        snapshot, tuple(_release(snapshot, s, holders.get(s.key, []), parked.get(s.key, []), at_once) for s in chosen)
    )


def _release(
    snapshot: Snapshot, service: Service, claims: list[tuple[Claim, Holder]], parked: list[Claim], at_once: bool
) -> Decision:
    ours = [c.address for c, h in claims if h.uid == service.uid]
    strange = _strange(service, ours)
    if (unreadable := _unreadable(service, snapshot.blocks)) is not None:
        return unreadable
    if strange and ours:
        words = f"its status also shows {', '.join(strange)}, so it is left whole"
        return Decision(service, Action.REFUSE, Reason.ForeignOwner, words, service.status)
    if not ours and not strange:
        # Said again it is done again: the run before may have died with its last answer, or have spared the address.
        ours = [c.address for c in parked if c.last is not None and c.last.uid == service.uid]
    if not ours:
        return Decision(service, Action.REFUSE, Reason.NotOurs, "lbctl holds no claim for it", service.status)
    return Decision(service, Action.RELEASE, Reason.Released, drops=tuple(ours), at_once=at_once)


def _by_key(blocks: Mapping[BlockId, Block]) -> dict[Key, list[tuple[Claim, Holder]]]:
    held: dict[Key, list[tuple[Claim, Holder]]] = {}
    for block in blocks.values():
        for claim in block.claims.values():
            for holder in claim.holders:
                held.setdefault(holder.key, []).append((claim, holder))
    return held


def _parked_by_key(blocks: Mapping[BlockId, Block]) -> dict[Key, list[Claim]]:
    found: dict[Key, list[Claim]] = {}
    for block in blocks.values():
        for claim in block.claims.values():
            if claim.parked and claim.last is not None and not claim.holders:
                found.setdefault(claim.last.key, []).append(claim)
    return found


def _strange(service: Service, ours: list[Address]) -> list[str]:
    """What its status shows that lbctl holds no claim for."""
    return [str(a) for a in service.status if a not in ours] + list(service.foreign_status)


def _unreadable(service: Service, blocks: Mapping[BlockId, Block]) -> Decision | None:
    """The Decision for a Service with an address in a block that cannot be read: whose it is, nobody can say."""
    for address in service.status:
        block = blocks.get(BlockId.of(address))
        if block is not None and block.unreadable:
            where = f"ConfigMap {block.id.name}, which cannot be read: {block.unreadable}"
            words = f"the claim for {address} stands in {where}"
            return Decision(service, Action.REFUSE, Reason.LedgerUnreadable, words, service.status)
    return None


def standing(snapshot: Snapshot, parked: Last) -> bool:
    """Whether a Service that a person released still stands and still asks for the same: it then stays parked."""
    service = snapshot.services.get(parked.key)
    return service is not None and service.uid == parked.uid and service.ask.digest == parked.ask


def still_parked(snapshot: Snapshot, claim: Claim, taker: Key) -> tuple[Last, ...]:
    """Whom a claim goes on to park once another Service takes the address."""
    return tuple(p for p in claim.all_parked if p.key != taker and standing(snapshot, p))[-MOST_PARKS:]


def droppable(holder: Holder, address: Address, service: Service) -> bool:
    """Rule 3: whether this read of the holder's Service proves that no PATCH under the claim can land any more."""
    if service.uid != holder.uid or not service.is_load_balancer:
        return True
    return service.resource_version != holder.rv and address not in service.status


def _number(claim: Claim) -> tuple[int, int]:
    return claim.address.version, int(claim.address)


class _Planner:
    """One plan in the making."""

    def __init__(
        self, snapshot: Snapshot, pools: PoolFile, index: Index | None, *, named: bool, reassign: bool
    ) -> None:
        self.snapshot = snapshot
        self.pools = pools
        self.named = named
        self.reassign = reassign
        self.index = index or Index(snapshot.services, snapshot.blocks, snapshot.others, pools, snapshot.now)
        self.index.put_lan(snapshot.lan)
        self.chooser = Chooser(self.index, pools, snapshot.namespaces, self._before)

    def orphans(self, keys: Iterable[Key] | None) -> tuple[tuple[Claim, Holder], ...]:
        """Holders whose Service is gone, another, or no longer one that lbctl gives addresses to; of all names, or of
        these alone."""
        pairs = self.index.holders() if keys is None else (pair for key in keys for pair in self.index.held(key))
        return tuple((c, h) for c, h in pairs if not self.index.alive(h) or self._reclassed(c, h))

    def _reclassed(self, claim: Claim, holder: Holder) -> bool:
        """Whether the Service was ClusterIP in between and came back with another controller's class.

        Only an address of our pools, for the class is a pool file's: two of them must not clear away each other's.
        """
        service = self.snapshot.services[holder.key]
        foreign = out_of_scope(service, self.pools.load_balancer_class) is Reason.ForeignClass
        if not foreign or self._young(holder) or self.pools.pool_of(claim.address) is None:
            return False
        return droppable(holder, claim.address, service)

    def bereft(self, decisions: Iterable[Decision]) -> frozenset[Key]:
        """The names of holders who are gone, in claims that these decisions write over."""
        claims = (self.index.claims.get(address) for decision in decisions for address in decision.claims)
        return frozenset(h.key for c in claims if c is not None for h in c.holders if not self.index.alive(h))

    def expired(self) -> frozenset[Address]:
        """Released claims past keepFor and reuseAfter; a parked one only when its Service's ask or uid has changed."""
        gone = (c for c in self.index.released.values() if not self._kept(c) and not self.index.cooling(c))
        return frozenset(c.address for c in gone if not any(standing(self.snapshot, p) for p in c.all_parked))

    def _before(self, service: Service) -> Iterable[Claim]:
        """What a Service of this name had: of an older uid, then what was released within keepFor, the last one first,
        for that is where its clients still look."""
        kept = [c for c in self.index.had(service.key) if self._kept(c)]
        older = [c for c, h in self.index.held(service.key) if h.uid != service.uid]
        if not older and not kept:
            return ()  # as nearly always
        return sorted(older, key=_number) + sorted(kept, key=lambda c: (-(c.released or 0), *_number(c)))

    def _kept(self, claim: Claim) -> bool:
        return kept_for_its_name(claim, self.pools, self.snapshot.now)

    def held(self, service: Service) -> list[tuple[Claim, Holder]]:
        """The claims in which this very Service (name and uid) is a holder, by address: in whatever order the API lists
        them, the plan is the same."""
        pairs = [(c, h) for c, h in self.index.held(service.key) if h.uid == service.uid]
        return sorted(pairs, key=lambda pair: _number(pair[0])) if len(pairs) > 1 else pairs

    def settled(self, service: Service) -> Decision | None:
        """The Decision for a Service that needs no address chosen, or None."""
        if (reason := out_of_scope(service, self.pools.load_balancer_class)) is not None:
            words = class_words(service, self.pools.load_balancer_class) if reason is Reason.ForeignClass else ""
            return Decision(service, Action.SKIP, reason, words, service.status)
        held = self.held(service)
        if (unreadable := _unreadable(service, self.snapshot.blocks)) is not None:
            return unreadable
        if strange := _strange(service, [c.address for c, _ in held]):
            words = f"its status shows {', '.join(strange)}, which lbctl holds no claim for"
            if MANAGER in service.writers:
                return Decision(service, Action.SKIP, Reason.ClaimLost, f"{words}: lbctl wrote it", service.status)
            if service.rival:
                words += f": {service.rival} wrote it"
            elif named := [w for w in service.writers if w not in ("", "unknown")]:  # as a client without a name is
                words += f": field manager {' and '.join(named)} wrote it"
            return Decision(service, Action.SKIP, Reason.ForeignOwner, words, service.status)
        if any(c.address not in service.status and self._young(h) for c, h in held):
            return Decision(service, Action.WAIT, Reason.BeingAssigned, addresses=service.status)
        if not self.named and not held and self._is_parked(service):
            return Decision(service, Action.SKIP, Reason.Released)
        return self._keep(service, held)

    def _is_parked(self, service: Service) -> bool:
        return bool(self._parks(service))

    def _parks(self, service: Service) -> list[Claim]:
        """The claims by which this very Service is parked, for what it asks now."""

        def parked(last: Last) -> bool:
            return last.key == service.key and standing(self.snapshot, last)

        return [claim for claim in self.index.parks(service.key) if any(map(parked, claim.all_parked))]

    def _young(self, holder: Holder) -> bool:
        # A claim of the future was dated by another API server, whose clock is ahead: no reason to wait that long.
        return holder.attempt not in self.snapshot.mine and abs(self.snapshot.now - holder.at) < YOUNG

    def _keep(self, service: Service, held: list[tuple[Claim, Holder]]) -> Decision | None:
        """Keep when the status shows all that is asked and the claims were written for this ask."""
        shown = {c.address for c, _ in held if c.address in service.status}
        families = tuple(dict.fromkeys(map(family_of, service.status)))  # of adopted ones there may be two of one
        complete = len(shown) == len(held) and families == service.ask.families
        if not held or not complete or not self._as_written(held, service) or not self._as_wished(held, service):
            return None
        if self.reassign and any(self.chooser.outgrown(service, a) for a in shown):
            return None
        if any(len(c.holders) > 1 and self.index.conflict(service, c.address) for c, _ in held):
            return None  # because somebody who held it before no longer goes together with it
        if outside := [str(a) for a in service.status if self.pools.pool_of(a) is None]:
            words = f"{', '.join(outside)} is in no pool; the Service keeps it"
            return Decision(service, Action.KEEP, Reason.AddressOutsidePools, words, service.status)
        return Decision(service, Action.KEEP, Reason.Assigned, addresses=service.status)

    def _as_wished(self, held: list[tuple[Claim, Holder]], service: Service) -> bool:
        """Whether what a person asks for by flag is what it has already."""
        ask = service.ask
        if not ask.wished:
            return True
        if ask.conflict:  # a pool may bear another name by now than its claims say
            return False
        pools = {c.pool for c, _ in held}
        return set(ask.addresses) <= {c.address for c, _ in held} and (ask.pool is None or pools == {ask.pool})

    def _same_ask(self, held: list[tuple[Claim, Holder]], service: Service) -> bool:
        return all(h.ask == service.ask.digest for _, h in held)

    def _as_written(self, held: list[tuple[Claim, Holder]], service: Service) -> bool:
        """Whether the claims say of the Service what is so: what it asks, and what it may share by."""
        return self._same_ask(held, service) and all(h.share == service.sharing for _, h in held)

    def allocate(self, service: Service) -> Decision:
        """Choose addresses for a Service that lacks some, or whose ask has changed; never drops one in order to try."""
        held = self.held(service)
        claims, same = {c.address: c for c, _ in held}, self._same_ask(held, service)
        got = self.chooser.wanted(service, claims, same_ask=same, reassign=self.reassign)
        if isinstance(got, Refusal):
            # A claim that an earlier ask left unpublished goes; what the status shows stays.
            unshown = tuple(c.address for c, _ in held if c.address not in service.status)
            return Decision(service, Action.REFUSE, got.reason, got.message, service.status, drops=unshown)
        for address in got:
            self.index.take(address, service)
        order = {family: n for n, family in enumerate(service.ask.families)}
        addresses = tuple(sorted(got, key=lambda a: order[family_of(a)]))
        drops = tuple(c.address for c, _ in held if c.address not in got)
        if addresses == service.status and not drops and self._as_written(held, service):
            return Decision(service, Action.KEEP, Reason.Assigned, addresses=addresses)
        # Who has been named is parked no more, or would be again whenever it loses what it is given now.
        unparks = tuple(sorted({c.address for c in self._parks(service)} - set(got), key=lambda a: (a.version, int(a))))
        return Decision(
            service, Action.ASSIGN, Reason.Assigned, addresses=addresses, claims=got, drops=drops, unparks=unparks
        )

    def trace(self, service: Service, settled: Decision | None = None) -> tuple[Verdict, ...]:
        """What each pool says of the Service as things stand; where nothing is chosen, those that hold its addresses.

        Of one that was released by hand it is what they would say if a person named it.
        """
        chosen = settled is None or settled.action is Action.KEEP or settled.reason is Reason.Released
        held = self.held(service)
        claims, same = {c.address: c for c, _ in held}, self._same_ask(held, service)
        stays = self.chooser.kept(service, claims, same_ask=same, reassign=self.reassign)
        return verdicts(self.chooser, service, () if isinstance(stays, Refusal) else stays, chosen=chosen)
