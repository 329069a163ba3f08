"""One look at the cluster, and one Plan carried out by the protocol of the claims (DESIGN 5).

The order in one round is the whole of the safety: claims read, Services read, claims written (one compare-and-swap a
block), statuses patched with the resourceVersion of that read, claims dropped against the blocks as this round knows
them. Whatever is lost on the way is planned again from a fresh look; no write is ever repeated as it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lbctl.addresses import Address
from lbctl.ages import seconds_of, timestamp
from lbctl.claims import Block, BlockId, Claim, Holder
from lbctl.decisions import Action, Decision, Plan, Snapshot
from lbctl.errors import ClusterError
from lbctl.kube.api import Kube
from lbctl.kube.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, ServerFailed, Throttled, Unreachable
from lbctl.ledger import Ledger, LostRace
from lbctl.planner import droppable, still_parked
from lbctl.reasons import Reason
from lbctl.services import CONDITION, Key, Service, parse_service
from lbctl.sidebyside import side_by_side
from lbctl.world import node_addresses

if TYPE_CHECKING:  # because most runs tell of nothing
    from lbctl.kube.events import Kind

SIDE_BY_SIDE = 16  # writes at once: what the bench finds best against etcd, which commits in batches

QUIET = 60  # seconds for which a condition is left alone: a reason that changes to and fro must not write each time

NOT_TOLD = frozenset({Reason.NotOurs, Reason.ForeignOwner, Reason.LedgerUnreadable})  # where nothing of it is ours

NOT_KEPT: Mapping[str, Any] = {}


def new_attempt() -> str:
    """A name for one look at the cluster and the writes that rest on it."""
    return secrets.token_hex(4)


@dataclass(slots=True)
class Cluster:
    """A cluster at hand: its API, and who we are in the claims (`by`). `others` are addresses in use that no object of
    the API shows (the API server's own), in words; `namespace` is that of bare names; `with_namespaces`: their labels
    are asked for, which a pool file with a namespaceSelector needs; `on_published` is told of each status as it is
    written, by the threads that write; `tell` hears of what is made on first use, `event` of what a Service's Events
    are to say."""

    kube: Kube
    by: str
    namespace: str = "default"
    others: Mapping[Address, str] = field(default_factory=dict)
    with_namespaces: bool = False
    workers: int = SIDE_BY_SIDE
    name_attempt: Callable[[], str] = new_attempt
    attempts: set[str] = field(default_factory=set)
    on_published: Callable[[Decision], None] = lambda _: None
    tell: Callable[[str], None] = lambda _: None
    event: Callable[[Service, Kind, Reason, str, int], None] = lambda *_: None

    @property
    def ledger(self) -> Ledger:
        """The claims of this cluster."""
        return Ledger(self.kube, self.tell)

    def snapshot(self) -> Snapshot:
        """Look: the claims first, then the Services, then the Nodes, each by a quorum read."""
        blocks = self.ledger.read()
        listed = self.kube.list_services()
        services = [parse_service(item) for item in listed.items]
        attempt, mine = self.name_attempt(), frozenset(self.attempts)
        self.attempts.add(attempt)
        others = {**self.others, **node_addresses(self.kube.list_nodes().items)}
        labels = _labels(self.kube.list_namespaces().items) if self.with_namespaces else {}
        return Snapshot({s.key: s for s in services}, blocks, others, int(listed.date), attempt, mine, labels)


def _labels(namespaces: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, str]]:
    return {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in namespaces}


@dataclass(slots=True)
class Round:
    """What one round did: Services settled, and those to plan again, not before `pause` seconds have passed; whether it
    `freed` an address, be it for who shares it, which may end a refusal; the `blocks` of claims as they are now; the
    first status that the API server `refused` to take though nothing was wrong with it; how many blocks another run
    wrote first (`lost`)."""

    done: dict[Key, Decision] = field(default_factory=dict)
    again: set[Key] = field(default_factory=set)
    freed: bool = False
    pause: float = 0.0
    blocks: Mapping[BlockId, Block] = field(default_factory=dict)
    refused: ClusterError | None = None
    lost: int = 0

    def outcome(self, decision: Decision) -> Decision:
        """What became of a Decision of the Plan; Action.WAIT when it was overtaken and is to be planned again."""
        if decision.service.key in self.done:
            return decision
        return replace(decision, action=Action.WAIT, reason=Reason.BeingAssigned)


def carry_out(cluster: Cluster, planned: Plan) -> Round:
    """Do one Plan. Raises ClusterError when the cluster can't be reached, or did not take a status, once it has taken
    the others; what was claimed by then stays claimed."""
    done = do_round(cluster, planned)
    if done.refused is not None:
        raise done.refused
    return done


def do_round(cluster: Cluster, planned: Plan) -> Round:
    """Do one Plan, and leave it to the caller what a status that was not taken means. Raises ClusterError when the
    cluster can't be reached."""
    return _Carrier(cluster, planned).run()


class _Carrier:
    """One round in the making."""

    def __init__(self, cluster: Cluster, planned: Plan) -> None:
        self._cluster = cluster
        self._ledger = cluster.ledger
        self._plan = planned
        self._now = planned.snapshot.now
        self._blocks: dict[BlockId, Block] = dict(planned.snapshot.blocks)
        self._again: set[Key] = set()
        self._pause = 0.0
        self._silence = False
        self._any_published = False
        self._reshared = False  # whether a claim says by now of a holder that it shares by something else
        self._refused: list[ClusterError] = []

    def run(self) -> Round:
        writing = [d for d in self._plan.decisions if d.writes]
        lost = self._write(self._claims(writing), sweep=self._plan.sweeps)
        ready = [d for d in writing if not any(BlockId.of(a) in lost for a in (*d.claims, *d.unparks))]
        self._again |= {d.service.key for d in writing} - {d.service.key for d in ready}
        after = self._publish([d for d in ready if d.action is not Action.ADOPT])
        if self._plan.tells:
            self._tell_refusals()
        freed = self._drop(ready, after) or any(BlockId.of(c.address) not in lost for c, _ in self._plan.orphans)
        freed = freed or self._reshared
        self._again |= {d.service.key for d in self._plan.decisions if d.action is Action.WAIT}
        done = {d.service.key: d for d in self._plan.decisions if d.service.key not in self._again}
        return Round(done, self._again, freed, self._pause, self._blocks, next(iter(self._refused), None), len(lost))

    def _claims(self, writing: Iterable[Decision]) -> list[Claim]:
        """The claims to write: those of this round's Services, and those that holders who are gone leave behind."""
        changed: dict[Address, Claim] = {}
        for claim, holder in self._plan.orphans:
            left = changed.get(claim.address, claim)
            changed[claim.address] = left.let_go(holder, now=self._now, by=self._cluster.by)
        for decision in writing:
            for address, pool in decision.claims.items():
                before = changed.get(address) or self._before(address)
                changed[address] = self._claim(decision.service, address, pool, before)
            for address in decision.unparks:
                if (parked := changed.get(address) or self._before(address)) is not None:
                    changed[address] = parked.unparked(decision.service.key, by=self._cluster.by)
        return list(changed.values())

    def _before(self, address: Address) -> Claim | None:
        block = self._blocks.get(BlockId.of(address))
        return block.claims.get(address) if block else None

    def _claim(self, service: Service, address: Address, pool: str, before: Claim | None) -> Claim:
        """The claim as it is to be once this Service holds it too."""
        snapshot, by = self._plan.snapshot, self._cluster.by
        ask, share = service.ask.digest, service.sharing
        holder = Holder(
            service.key, service.uid, service.resource_version, snapshot.attempt, self._now, ask, share=share
        )
        if before is None:
            return Claim(address, (holder,), pool, self._now, by)
        parks = still_parked(snapshot, before, service.key)
        mine = before.holder(service.key)
        if mine and mine.uid == service.uid:
            self._reshared = self._reshared or mine.share != share
            # Written anew: since when, and what a newer lbctl put there, stays.
            return replace(before.joined(replace(holder, extra=mine.extra)), pool=pool, by=by, parks=parks)
        if before.holders and any(h.key != service.key for h in before.holders):  # who shares it with others
            return replace(before.joined(holder), by=by, parks=parks)
        return Claim(address, (holder,), pool, self._now, by, parks=parks)

    def _write(self, claims: Iterable[Claim], *, sweep: bool = False) -> set[BlockId]:
        """Write claims, one compare-and-swap a block, side by side; returns the blocks lost to another run.

        Expired claims of the blocks written go with it, and those of all blocks in a `sweep`.
        """
        changes: dict[BlockId, list[Claim]] = {}
        for claim in claims:
            changes.setdefault(BlockId.of(claim.address), []).append(claim)
        expired: dict[BlockId, list[Address]] = {}
        for address in self._plan.expired:
            expired.setdefault(BlockId.of(address), []).append(address)
            if sweep:
                changes.setdefault(BlockId.of(address), [])

        def one(block_id: BlockId) -> BlockId | None:
            block = self._blocks.get(block_id) or Block(block_id, None, {})
            written = {c.address for c in changes[block_id]}
            # Not what this round has given to somebody in its first write of the block.
            gone = [a for a in expired.get(block_id, ()) if a not in written and not _held(block, a)]
            try:
                new = self._ledger.write(block.with_claims(changes[block_id], gone), self._plan.snapshot.attempt)
            except LostRace:
                return block_id
            except Throttled as full:
                self._throttled(full)
                return block_id
            self._blocks[block_id] = new
            return None

        return {lost for lost in side_by_side(one, list(changes), self._cluster.workers) if lost is not None}

    def _publish(self, ready: list[Decision]) -> dict[Key, Mapping[str, Any]]:
        """PATCH each status; the Services as the answers show them, unparsed, and kept only where one will be looked
        into: 10,000 of them are 70 MB."""

        def one(decision: Decision) -> Mapping[str, Any] | None:
            if self._silence:
                return None
            key, body = decision.service.key, status_patch(decision, self._now)
            try:
                answer = self._cluster.kube.patch_service_status(key.namespace, key.name, body)
            except (Conflict, Invalid, NotFound):
                return None  # because it changed since this round's look: plan it again
            except Throttled as full:
                self._throttled(full)
                return None
            except Unreachable as unknown:
                if not unknown.sent:
                    raise
                # An API server that hangs is asked no more in this round: thousands would wait out their time in turn.
                self._silence = self._silence or not unknown.reset
                return None  # because it may land yet: in flight, not failed (rule 2)
            except (Forbidden, ServerFailed) as refused:
                self._set_aside(refused)
                return None
            self._any_published = True
            self._cluster.on_published(decision)
            if decision.action is Action.ASSIGN and decision.service.status and decision.drops:
                moved = f"moved from {_listed(decision.drops)} to {_listed(decision.addresses)}"
                self._cluster.event(decision.service, "Normal", decision.reason, moved, self._now)
            return answer if decision.drops else NOT_KEPT

        answers = zip(ready, side_by_side(one, ready, self._cluster.workers), strict=True)
        after = {decision.service.key: answer for decision, answer in answers if answer is not None}
        self._again |= {d.service.key for d in ready} - set(after)
        return after

    def _tell_refusals(self) -> None:
        """Say in the Service's condition, and in an Event, why it does not get what it asks for; nothing depends on it,
        so what the API server does not take is not asked again."""

        def one(decision: Decision) -> None:
            if self._silence:
                return
            key = decision.service.key
            try:
                self._cluster.kube.patch_service_status(key.namespace, key.name, condition_patch(decision, self._now))
            except (ApiError, ServerFailed):
                return  # because it changed, or a policy refuses it
            except Unreachable as unknown:
                self._silence = self._silence or not unknown.reset
                return
            words = f"{decision.sentence}; {decision.hint}" if decision.hint else decision.sentence
            self._cluster.event(decision.service, "Warning", decision.reason, words, self._now)

        due = [d for d in self._plan.decisions if condition_due(d, self._now)]
        side_by_side(one, due, self._cluster.workers)

    def _set_aside(self, refused: ClusterError) -> None:
        """One namespace's policy or webhook must not keep the addresses of all others: raised when the rest is done,
        but where nothing at all gets through, sooner."""
        self._refused.append(refused)
        self._silence = self._silence or (not self._any_published and len(self._refused) >= self._cluster.workers)

    def _throttled(self, full: Throttled) -> None:
        """Turned away before anything was done: to be planned again, once the API server has room."""
        self._pause = max(self._pause, full.retry_after or 1.0)

    def _drop(self, ready: Iterable[Decision], after: Mapping[Key, Mapping[str, Any]]) -> bool:
        """Drop what a move or a release leaves behind, where the answer to our own PATCH proves that no other can land
        under the claim (rule 3); returns whether anything was."""
        gone: dict[Address, Claim] = {}
        dropped: set[Address] = set()
        for decision in ready:
            if not decision.drops or decision.service.key not in after:
                continue
            service = parse_service(after[decision.service.key])
            for address in decision.drops:
                claim = gone.get(address) or self._before(address)
                holder = claim.holder(decision.service.key) if claim else None
                if claim and holder and droppable(holder, address, service):
                    gone[address] = self._let_go(claim, holder, decision)
                elif claim and not claim.holders and decision.at_once and claim.released:
                    gone[address] = replace(claim, released=0, by=self._cluster.by)
                elif claim and not claim.holders:
                    dropped.add(address)  # by an earlier run
        dropped |= set(gone) - self._addresses_in(self._write(gone.values()), gone.values())
        self._again |= {d.service.key for d in ready if not set(d.drops) <= dropped}
        return bool(dropped)

    def _addresses_in(self, lost: set[BlockId], claims: Iterable[Claim]) -> set[Address]:
        return {c.address for c in claims if BlockId.of(c.address) in lost}

    def _let_go(self, claim: Claim, holder: Holder, decision: Decision) -> Claim:
        parked = decision.action is Action.RELEASE
        if parked:  # for what it asks by now: it stays parked until that changes
            holder = replace(holder, ask=decision.service.ask.digest)
        return claim.let_go(holder, now=0 if decision.at_once else self._now, by=self._cluster.by, parked=parked)


def _listed(addresses: Iterable[Address]) -> str:
    return ", ".join(map(str, addresses))


def _held(block: Block, address: Address) -> bool:
    claim = block.claims.get(address)
    return claim is not None and bool(claim.holders)


def condition_due(decision: Decision, now: int) -> bool:
    """Whether a refusal is to be written: it is of what the Service itself asks, its status is ours to write, and the
    condition has said something else for a minute."""
    told = decision.action is Action.REFUSE and decision.reason not in NOT_TOLD and not decision.writes
    if not told or decision.service.ask.wished:
        return False
    before = decision.service.condition
    if before is None:
        return True
    since = seconds_of(str(before.get("lastTransitionTime") or ""))
    return before.get("reason") != decision.reason.name and abs(now - since) >= QUIET


def _condition(decision: Decision, now: int) -> dict[str, Any]:
    shown = list(decision.addresses) if decision.satisfied else []
    return {
        "type": CONDITION,
        "status": "True" if shown else "False",
        "reason": decision.reason.name,
        "message": ", ".join(map(str, shown)) or decision.sentence,
        "lastTransitionTime": timestamp(now),
    }


def condition_patch(decision: Decision, now: int) -> dict[str, Any]:
    """The strategic merge patch that makes the condition alone say why, with the uid and resourceVersion of the read it
    rests on: it lands on nothing newer."""
    service = decision.service
    meta = {"uid": service.uid, "resourceVersion": service.resource_version}
    return {"metadata": meta, "status": {"conditions": [_condition(decision, now)]}}


def status_patch(decision: Decision, now: int) -> dict[str, Any]:
    """The strategic merge patch that makes the status show the decision's addresses (none: cleared) and the condition
    say why, with uid and resourceVersion of the read it rests on (rule 2)."""
    patch = condition_patch(decision, now)
    patch["status"]["loadBalancer"] = {"ingress": [{"ip": str(a)} for a in decision.addresses] or None}
    return patch
