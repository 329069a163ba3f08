"""Carries a Plan out, by the protocol of the claims (DESIGN 5), and looks again until nothing is left to do.

The order in one round is the whole of the safety: claims read, Services read, claims written (one compare-and-swap a
block), statuses patched with the resourceVersion of that read, claims dropped against the blocks as this round knows
them. Whatever is lost on the way is planned again from a fresh look; no write is ever repeated as it was.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lbctl.addresses import Address, AddressError, parse_address
from lbctl.ages import timestamp
from lbctl.claims import Block, BlockId, Claim, Holder
from lbctl.decisions import Action, Decision, Plan, Snapshot, Wish
from lbctl.errors import ClusterError
from lbctl.kube.api import Kube
from lbctl.kube.errors import Conflict, Forbidden, Invalid, NotFound, ServerFailed, Throttled, Unreachable
from lbctl.ledger import Ledger, LostRace
from lbctl.planner import droppable, plan, plan_release, still_parked
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.services import CONDITION, Key, Service, parse_service
from lbctl.sidebyside import side_by_side

LACKS = frozenset({Reason.PoolExhausted, Reason.AddressInUse})  # refusals that end when somebody lets go
SIDE_BY_SIDE = 16  # writes at once: what the bench finds best against etcd, which commits in batches

NOT_KEPT: Mapping[str, Any] = {}


def new_attempt() -> str:
    """A name for one look at the cluster and the writes that rest on it."""
    return secrets.token_hex(4)


@dataclass(slots=True)
class Cluster:
    """A cluster at hand: its API, and who we are in the claims (`by`). `others` are addresses in use that no object of
    the API shows (the API server's own), in words; `namespace` is that of bare names; `on_published` is told of each
    status as it is written, by the threads that write; `tell` hears of what is made on first use."""

    kube: Kube
    by: str
    namespace: str = "default"
    others: Mapping[Address, str] = field(default_factory=dict)
    workers: int = SIDE_BY_SIDE
    name_attempt: Callable[[], str] = new_attempt
    attempts: set[str] = field(default_factory=set)
    on_published: Callable[[Decision], None] = lambda _: None
    tell: Callable[[str], None] = lambda _: None

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
        others = {**self.others, **_node_addresses(self.kube.list_nodes().items)}
        return Snapshot({s.key: s for s in services}, blocks, others, int(listed.date), attempt, mine)


def _node_addresses(nodes: Iterable[Mapping[str, Any]]) -> dict[Address, str]:
    found: dict[Address, str] = {}
    for node in nodes:
        for entry in (node.get("status") or {}).get("addresses") or ():
            try:
                found[parse_address(entry.get("address") or "")] = f"node {node['metadata']['name']} has it"
            except AddressError:
                continue  # because a Node's addresses are host names too
    return found


@dataclass(slots=True)
class Round:
    """What one round did: Services settled, and those to plan again, not before `pause` seconds have passed; whether it
    `freed` an address, which may end a refusal."""

    done: dict[Key, Decision] = field(default_factory=dict)
    again: set[Key] = field(default_factory=set)
    freed: bool = False
    pause: float = 0.0

    def outcome(self, decision: Decision) -> Decision:
        """What became of a Decision of the Plan; Action.WAIT when it was overtaken and is to be planned again."""
        if decision.service.key in self.done:
            return decision
        return replace(decision, action=Action.WAIT, reason=Reason.BeingAssigned)


def carry_out(cluster: Cluster, planned: Plan) -> Round:
    """Do one Plan. Raises ClusterError when the cluster can't be reached, or did not take a status, once it has taken
    the others; what was claimed by then stays claimed."""
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
        self._refused: list[ClusterError] = []

    def run(self) -> Round:
        writing = [d for d in self._plan.decisions if d.writes]
        lost = self._write(self._claims(writing))
        ready = [d for d in writing if not any(BlockId.of(a) in lost for a in d.claims)]
        self._again |= {d.service.key for d in writing} - {d.service.key for d in ready}
        after = self._publish(ready)
        freed = self._drop(ready, after) or any(BlockId.of(c.address) not in lost for c, _ in self._plan.orphans)
        self._again |= {d.service.key for d in self._plan.decisions if d.action is Action.WAIT}
        done = {d.service.key: d for d in self._plan.decisions if d.service.key not in self._again}
        if self._refused:
            raise self._refused[0]
        return Round(done, self._again, freed, self._pause)

    def _claims(self, writing: Iterable[Decision]) -> list[Claim]:
        """The claims to write: those of this round's Services, and those that holders who are gone leave behind."""
        changed: dict[Address, Claim] = {}
        for claim, holder in self._plan.orphans:
            before = changed.get(claim.address, claim)
            changed[claim.address] = before.let_go(holder, now=self._now, by=self._cluster.by)
        for decision in writing:
            for address, pool in decision.claims.items():
                changed[address] = self._claim(decision.service, address, pool)
        return list(changed.values())

    def _claim(self, service: Service, address: Address, pool: str) -> Claim:
        snapshot = self._plan.snapshot
        holder = Holder(
            service.key, service.uid, service.resource_version, snapshot.attempt, self._now, service.ask.digest
        )
        block = snapshot.blocks.get(BlockId.of(address))
        before = block.claims.get(address) if block else None
        mine = before.holder(service.key) if before else None
        parks = still_parked(snapshot, before, service.key) if before else ()
        if before and mine and mine.uid == service.uid:  # written anew: since when, and what a newer lbctl put there
            holder, since, extra = replace(holder, extra=mine.extra), before.since, before.extra
            return Claim(address, (holder,), pool, since, self._cluster.by, parks=parks, extra=extra)
        return Claim(address, (holder,), pool, self._now, self._cluster.by, parks=parks)

    def _write(self, claims: Iterable[Claim]) -> set[BlockId]:
        """Write claims, one compare-and-swap a block, side by side; returns the blocks lost to another run."""
        changes: dict[BlockId, list[Claim]] = {}
        for claim in claims:
            changes.setdefault(BlockId.of(claim.address), []).append(claim)
        expired: dict[BlockId, list[Address]] = {}
        for address in self._plan.expired:
            expired.setdefault(BlockId.of(address), []).append(address)

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
            return answer if decision.drops else NOT_KEPT

        answers = zip(ready, side_by_side(one, ready, self._cluster.workers), strict=True)
        after = {decision.service.key: answer for decision, answer in answers if answer is not None}
        self._again |= {d.service.key for d in ready} - set(after)
        return after

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
        gone: list[Claim] = []
        dropped: set[Address] = set()
        for decision in ready:
            if not decision.drops or decision.service.key not in after:
                continue
            service = parse_service(after[decision.service.key])
            for address in decision.drops:
                claim = self._blocks[BlockId.of(address)].claims.get(address)
                holder = claim.holder(decision.service.key) if claim else None
                if claim and holder and droppable(holder, address, service):
                    gone.append(self._let_go(claim, holder, decision))
                elif claim and not claim.holders and decision.at_once and claim.released:
                    gone.append(replace(claim, released=0, by=self._cluster.by))
                elif claim and not claim.holders:
                    dropped.add(address)  # by an earlier run
        dropped |= {c.address for c in gone} - self._addresses_in(self._write(gone), gone)
        self._again |= {d.service.key for d in ready if not set(d.drops) <= dropped}
        return bool(dropped)

    def _addresses_in(self, lost: set[BlockId], claims: Iterable[Claim]) -> set[Address]:
        return {c.address for c in claims if BlockId.of(c.address) in lost}

    def _let_go(self, claim: Claim, holder: Holder, decision: Decision) -> Claim:
        parked = decision.action is Action.RELEASE
        return claim.let_go(holder, now=0 if decision.at_once else self._now, by=self._cluster.by, parked=parked)


def _held(block: Block, address: Address) -> bool:
    claim = block.claims.get(address)
    return claim is not None and bool(claim.holders)


def status_patch(decision: Decision, now: int) -> dict[str, Any]:
    """The strategic merge patch that makes the status show the decision's addresses (none: cleared) and the condition
    say why, with uid and resourceVersion of the read it rests on (rule 2)."""
    service, shown = decision.service, list(decision.addresses)
    text = ", ".join(map(str, shown)) if decision.satisfied and shown else decision.sentence
    condition = {
        "type": CONDITION,
        "status": "True" if decision.satisfied and shown else "False",
        "reason": decision.reason.name,
        "message": text,
        "lastTransitionTime": timestamp(now),
    }
    return {
        "metadata": {"uid": service.uid, "resourceVersion": service.resource_version},
        "status": {"loadBalancer": {"ingress": [{"ip": str(a)} for a in shown] or None}, "conditions": [condition]},
    }


def _until_settled(
    cluster: Cluster,
    selected: frozenset[Key] | None,
    decide: Callable[[Snapshot, frozenset[Key] | None], Plan],
    wait: float,
    sleep: Callable[[float], None],
    first: Plan | None = None,
) -> dict[Key, Decision]:
    """Look, decide and carry out until every selected Service is settled or `wait` seconds have passed.

    Returns the last Decision for each Service; one at Action.WAIT did not settle in time.
    """
    results: dict[Key, Decision] = {}
    waited, pause = 0.0, 0.05
    while True:
        planned, first = first or decide(cluster.snapshot(), selected), None
        done = carry_out(cluster, planned)
        for decision in planned.decisions:
            results[decision.service.key] = done.outcome(decision)
        for key in (selected or frozenset()) - {d.service.key for d in planned.decisions}:
            results.pop(key, None)  # because it is gone, it waits for nothing
        again = set(done.again)
        if done.freed:  # a refusal may rest on what this run has just let go, and nobody else would look again
            again |= {key for key, decision in results.items() if decision.reason in LACKS}
        if not again or waited >= wait:
            return results
        selected = frozenset(again)
        # A Retry-After of an hour is not slept through: a last look when our own time is up, and then we say so.
        step = min(max(done.pause, pause * (0.5 + secrets.randbelow(1000) / 1000)), wait - waited)
        sleep(step)
        waited, pause = waited + step, min(pause * 2, 1.0)


def assign(
    cluster: Cluster,
    pools: PoolFile,
    selected: frozenset[Key] | None = None,
    *,
    named: bool | None = None,
    wish: Wish | None = None,
    first: Plan | None = None,
    wait: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Key, Decision]:
    """Give the selected Services (None: all in scope) what they ask for; the outcome for each that exists.

    `named` and `wish` as for plan(); `first` is the Plan to begin with, which a person has seen.
    """
    by_name = selected is not None if named is None else named

    def decide(look: Snapshot, keys: frozenset[Key] | None) -> Plan:
        return plan(look, pools, keys, named=by_name, wish=wish)

    return _until_settled(cluster, selected, decide, wait, sleep, first)


def release(
    cluster: Cluster,
    selected: frozenset[Key],
    *,
    at_once: bool = False,
    wait: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Key, Decision]:
    """Clear the statuses of the selected Services and park their claims; `at_once` frees the addresses for others."""

    def decide(look: Snapshot, keys: frozenset[Key] | None) -> Plan:
        return plan_release(look, keys or frozenset(), at_once=at_once)

    return _until_settled(cluster, selected, decide, wait, sleep)
