"""What a status shows already, and what the ledger must say of it: adopt, repair, prune (DESIGN 5, Recovery).

Adoption writes claims for addresses that another system assigned; repair writes those that the ledger has lost; prune
takes out those that nobody needs. A status is a fact: no address moves by an adoption, and by a repair only one of two
that lbctl itself has published twice, to where the planner's own rules send it. Pure, as the planner is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lbctl.addresses import Address, family_of
from lbctl.allocator import Index, Refusal
from lbctl.claims import Block, BlockId, Claim, Holder
from lbctl.decisions import Action, Decision, Plan, Snapshot
from lbctl.planner import YOUNG, plan, standing
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.rivals import Origin
from lbctl.services import MANAGER, Key, Service, class_words, out_of_scope

NOBODY = frozenset[Key]()
UNKNOWN = "unknown"  # the pool in a claim written anew for an address that is in none of this pool file


def plan_adopt(snapshot: Snapshot, pools: PoolFile, origin: Origin, selected: frozenset[Key] | None = None) -> Plan:
    """Claim for the selected Services (None: all) what their statuses show and `origin` assigned.

    Excluded or reserved addresses, disabled pools and pools for others are no obstacle, for the address stays where it
    is; one in no pool of ours is. Nothing is written to a Service, refusals included.
    """
    adopter = _Adopter(snapshot, pools, origin)
    chosen = (s for s in snapshot.services.values() if selected is None or s.key in selected)
    return replace(plan(snapshot, pools, NOBODY), decisions=tuple(map(adopter.decide, chosen)), tells=False)


class _Adopter:
    """One plan of adoptions in the making."""

    def __init__(self, snapshot: Snapshot, pools: PoolFile, origin: Origin) -> None:
        self._snapshot = snapshot
        self._pools = pools
        self._origin = origin
        # Who may share an address, the Index says of those who hold it: so it is asked as if all that show one did.
        blocks = dict(snapshot.blocks)
        for service in snapshot.services.values():
            if service.is_load_balancer:
                _hold(blocks, snapshot, service, _unclaimed(snapshot, service), pools)
        self._index = Index(snapshot.services, blocks, snapshot.others, pools, snapshot.now)

    def decide(self, service: Service) -> Decision:
        """What becomes of one Service."""
        scope = out_of_scope(service, self._pools.load_balancer_class)
        if scope is not None and scope is not Reason.ForeignClass:
            return Decision(service, Action.SKIP, scope, addresses=service.status)
        if service.pending:
            return Decision(service, Action.SKIP, scope or Reason.Pending)
        unclaimed = _unclaimed(self._snapshot, service)
        if not unclaimed and not service.foreign_status:
            return Decision(service, Action.KEEP, Reason.Assigned, addresses=service.status)
        if self._origin.rival not in ("", service.rival):
            who = f"{service.rival} wrote its status" if service.rival else "nothing says who wrote its status"
            words = f"{who}, not {self._origin.rival}; --from any does not ask"
            return Decision(service, Action.SKIP, Reason.ForeignOwner, words, service.status)
        if scope is not None:
            words = class_words(service, self._pools.load_balancer_class)
            return Decision(service, Action.REFUSE, scope, words, service.status)
        if (refusal := self._obstacle(service, unclaimed)) is not None:
            return Decision(service, Action.REFUSE, refusal.reason, refusal.message, service.status)
        claims = {address: _pool_name(self._pools, address) for address in unclaimed}
        return Decision(service, Action.ADOPT, Reason.Adopted, addresses=service.status, claims=claims)

    def _obstacle(self, service: Service, unclaimed: tuple[Address, ...]) -> Refusal | None:
        """Why lbctl may not hold what the Service shows."""
        if service.foreign_status:
            words = f"its status shows {', '.join(service.foreign_status)}, which is no address"
            return Refusal(Reason.ForeignOwner, words)
        for address in unclaimed:
            family = family_of(address)
            if family not in service.ask.families:  # lbctl would replace it
                wants = " and ".join(service.ask.families)
                return Refusal(Reason.FamilyMismatch, f"{address} is {family}; the Service is {wants}")
            if self._pools.pool_of(address) is None:
                return Refusal(Reason.AddressOutsidePools, f"{address} is in no pool")
            if (conflict := self._index.conflict(service, address, newcomer=True)) is not None:
                return conflict
        if service.sharing is not None and service.sharing.too_many_ports:
            return Refusal(Reason.TooManyPorts, f"it has {len(service.sharing.ports)} ranges of ports, and shares")
        return None


def plan_repair(snapshot: Snapshot, pools: PoolFile, selected: frozenset[Key] | None = None) -> Plan:
    """Claim anew what lbctl itself has published and holds no claim for; one Decision for each such Service.

    Of two that show one address and may not share it, who holds its claim keeps it, else the older; the other gets
    another address by the rules of plan(), or is refused by them.
    """
    decisions = _Repairer(snapshot, pools).decisions()
    chosen = tuple(d for d in decisions if selected is None or d.service.key in selected)
    return replace(plan(snapshot, pools, NOBODY), decisions=chosen)


class _Repairer:
    """One plan of repairs in the making: the ledger as it is to be, Service by Service, the oldest first."""

    def __init__(self, snapshot: Snapshot, pools: PoolFile) -> None:
        self._snapshot = snapshot
        self._pools = pools
        self._blocks = dict(snapshot.blocks)
        # The world in which nobody shows but what he holds: then conflict() tells whom the ledger knows already.
        self._world = {
            s.key: replace(s, status=_claimed(snapshot, s), external_ips=()) for s in snapshot.services.values()
        }
        self._index = Index(self._world, self._blocks, {}, pools, snapshot.now)

    def decisions(self) -> list[Decision]:
        """For every Service that shows what lbctl wrote: kept, claimed anew, moved, or refused."""
        ours = [s for s in self._snapshot.services.values() if s.is_load_balancer and s.status and wrote(s)]
        done: dict[Key, Decision] = {}
        clashes: dict[Key, str] = {}
        for service in sorted(ours, key=lambda s: (s.created, s.key)):
            if (frozen := self._frozen(service)) is not None:
                done[service.key] = frozen
                continue
            claims, clash = self._claim(service)
            if clash:
                clashes[service.key] = clash
            action = Action.ADOPT if claims else Action.KEEP
            done[service.key] = Decision(service, action, Reason.Assigned, addresses=service.status, claims=claims)
        moved = self._moves(clashes) if clashes else {}
        return [moved.get(s.key, done[s.key]) for s in ours]

    def _frozen(self, service: Service) -> Decision | None:
        complaints = [complaint for a in service.status if (complaint := self._index.frozen(a))]
        if not complaints:
            return None
        return Decision(service, Action.REFUSE, Reason.LedgerUnreadable, complaints[0], service.status)

    def _claim(self, service: Service) -> tuple[dict[Address, str], str]:
        """The claims it can have of what it shows, and in words why it cannot have the rest."""
        claims, clash = {}, []
        for address in _unclaimed(self._snapshot, service):
            if (conflict := self._index.conflict(service, address, newcomer=True)) is not None:
                clash.append(conflict.message)
                continue
            claims[address] = _pool_name(self._pools, address)
        if claims:
            for block_id in _hold(self._blocks, self._snapshot, service, tuple(claims), self._pools):
                self._index.put_block(self._blocks[block_id])
            shown = tuple(a for a in service.status if a in claims or a in self._world[service.key].status)
            self._world[service.key] = replace(service, status=shown, external_ips=())
            self._index.put_service(self._world[service.key])
        return claims, "; ".join(clash)

    def _moves(self, clashes: Mapping[Key, str]) -> dict[Key, Decision]:
        """Another address for those who must leave one, planned as if they showed only what they keep."""
        left = {k: replace(self._snapshot.services[k], status=self._world[k].status) for k in clashes}
        services = {**self._snapshot.services, **left}
        planned = plan(replace(self._snapshot, services=services, blocks=self._blocks), self._pools, frozenset(left))
        return {d.service.key: self._move(d, clashes[d.service.key]) for d in planned.decisions}

    def _move(self, planned: Decision, clash: str) -> Decision:
        service = self._snapshot.services[planned.service.key]
        if MANAGER not in service.writers:  # a condition is enough to claim by, not to clear by (promise 2)
            return Decision(service, Action.REFUSE, Reason.AddressInUse, clash, service.status)
        if planned.action is Action.KEEP:  # it has another of that family
            claims = {a: _pool_name(self._pools, a) for a in planned.addresses}
            return Decision(service, Action.ASSIGN, Reason.Assigned, addresses=planned.addresses, claims=claims)
        if planned.action in (Action.ASSIGN, Action.WAIT):
            return replace(planned, service=service)
        words = clash if planned.sentence in clash else f"{clash}; {planned.sentence}"
        return Decision(service, Action.REFUSE, planned.reason, words, service.status)


def wrote(service: Service) -> bool:
    """Whether lbctl wrote what the status shows: by managedFields; by its condition only where those are silent."""
    if service.writers:
        return MANAGER in service.writers
    said = service.condition or {}
    return said.get("status") == "True" and said.get("message") == ", ".join(map(str, service.status))


def contradictions(snapshot: Snapshot) -> Iterator[str]:
    """Where the ledger and the statuses say different things that no repair settles, a sentence each."""
    shown: dict[Address, list[Service]] = {}
    for service in snapshot.services.values():
        for address in service.status:
            shown.setdefault(address, []).append(service)
    for claim in snapshot.claims:
        for holder in claim.holders:
            if words := _contradiction(snapshot, claim.address, holder):
                yield f"{claim.address} is held by {holder.key}, which {words}"
        names = ", ".join(str(holder.key) for holder in claim.holders)
        for service in shown.get(claim.address, ()) if names else ():
            if claim.holder(service.key) is None and not wrote(service):
                yield f"{service.key} shows {claim.address}, which lbctl did not write there and {names} holds"


def _contradiction(snapshot: Snapshot, address: Address, holder: Holder) -> str:
    service = snapshot.services.get(holder.key)
    if service is None or service.uid != holder.uid or not service.is_load_balancer:
        return f"{fate(snapshot, holder)}: lbctl claims prune lets it go"
    if address in service.status or abs(snapshot.now - holder.at) < YOUNG:
        return ""
    shows = ", ".join([*map(str, service.status), *service.foreign_status])
    return f"shows {shows or 'nothing'}: lbctl assign {holder.key} settles it"


def fate(snapshot: Snapshot, holder: Holder) -> str:
    """What has become of the Service that a claim was written for, in words."""
    service = snapshot.services.get(holder.key)
    if service is None:
        return "is gone"
    if service.uid != holder.uid:
        return "was deleted and created again"
    return "has another class now" if service.is_load_balancer else "is no longer of type LoadBalancer"


def plan_prune(snapshot: Snapshot, pools: PoolFile, *, at_once: bool = False, namespace: str | None = None) -> Plan:
    """Let go of holders whose Service is gone, and take out released claims that are past keepFor and reuseAfter.

    `at_once` takes out every released claim; what a person parked stays parked all the same. `namespace` narrows both.
    """
    every = plan(snapshot, pools, NOBODY)
    released = {c.address: c for c in snapshot.claims if not c.holders}
    expired = set(every.expired)
    if at_once:
        expired |= {a for a, c in released.items() if not any(standing(snapshot, p) for p in c.all_parked)}
    here = {a for a in expired if namespace in (None, _last_namespace(released[a]))}
    orphans = tuple((c, h) for c, h in every.orphans if namespace in (None, h.key.namespace))
    return replace(every, orphans=orphans, expired=frozenset(here), sweeps=True)


def _last_namespace(claim: Claim) -> str:
    return claim.last.key.namespace if claim.last else ""


def _claimed(snapshot: Snapshot, service: Service) -> tuple[Address, ...]:
    return tuple(a for a in service.status if snapshot.claim_of(service, a) is not None)


def _unclaimed(snapshot: Snapshot, service: Service) -> tuple[Address, ...]:
    """What the Service shows and holds no claim for."""
    return tuple(a for a in service.status if snapshot.claim_of(service, a) is None)


def _pool_name(pools: PoolFile, address: Address) -> str:
    pool = pools.pool_of(address)
    return pool.name if pool else UNKNOWN


def _hold(
    blocks: dict[BlockId, Block], snapshot: Snapshot, service: Service, addresses: tuple[Address, ...], pools: PoolFile
) -> set[BlockId]:
    """Write into these blocks, but for frozen ones, that the Service holds the addresses too; the blocks changed."""
    changed = set()
    for address in addresses:
        block = blocks.get(BlockId.of(address)) or Block(BlockId.of(address), None, {})
        if block.unreadable:
            continue
        holder = Holder(
            service.key,
            service.uid,
            service.resource_version,
            snapshot.attempt,
            snapshot.now,
            service.ask.digest,
            share=service.sharing,
        )
        before = block.claims.get(address)
        claim = Claim(address, (holder,), _pool_name(pools, address), snapshot.now, "")
        blocks[block.id] = block.with_claims([before.joined(holder) if before and before.holders else claim])
        changed.add(block.id)
    return changed
