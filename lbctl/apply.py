"""Carries a Plan out, by the protocol of the claims (DESIGN 5), and looks again until nothing is left to do.

The order in one round is the whole of the safety: claims read, Services read, claims written (one compare-and-swap a
block), statuses patched with the resourceVersion of that read, claims dropped against the blocks as this round knows
them. Whatever is lost on the way is planned again from a fresh look; no write is ever repeated as it was.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from lbctl.addresses import Address, AddressError, parse_address
from lbctl.claims import Block, BlockId, Claim, Holder
from lbctl.errors import ClusterError, LbctlError
from lbctl.kube.api import Kube
from lbctl.kube.errors import Conflict, Invalid, NotFound
from lbctl.ledger import Ledger, LostRace
from lbctl.planner import Action, Decision, Plan, Snapshot, plan
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.services import CONDITION, Key, Service, parse_service

T = TypeVar("T")
R = TypeVar("R")

SIDE_BY_SIDE = 8  # PATCHes at once: measured, more gains nothing on a small control plane


@dataclass(slots=True)
class Cluster:
    """A cluster at hand: its API, its ledger, and who we are in the claims. `others` are addresses known from outside
    the API's objects (the API server's own), in words."""

    kube: Kube
    by: str
    others: Mapping[Address, str] = field(default_factory=dict)
    attempts: set[str] = field(default_factory=set)

    @property
    def ledger(self) -> Ledger:
        """The claims of this cluster."""
        return Ledger(self.kube)

    def snapshot(self) -> Snapshot:
        """Look: the claims first, then the Services, then the Nodes, each by a quorum read."""
        blocks = self.ledger.read()
        listed = self.kube.list_services()
        services = [parse_service(item) for item in listed.items]
        attempt = secrets.token_hex(4)
        snapshot = Snapshot(
            services={s.key: s for s in services},
            blocks=blocks,
            others={**self.others, **_node_addresses(self.kube.list_nodes().items)},
            now=int(listed.date),
            attempt=attempt,
            mine=frozenset(self.attempts),
        )
        self.attempts.add(attempt)
        return snapshot


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
    """What one round did: Services done, and those to plan again."""

    done: dict[Key, Decision] = field(default_factory=dict)
    again: set[Key] = field(default_factory=set)


def carry_out(cluster: Cluster, planned: Plan) -> Round:
    """Do one Plan. Raises ClusterError when the cluster can't be reached; what was claimed by then stays claimed."""
    return _Carrier(cluster, planned).run()


class _Carrier:
    """One round in the making."""

    def __init__(self, cluster: Cluster, planned: Plan) -> None:
        self._cluster = cluster
        self._ledger = cluster.ledger
        self._plan = planned
        self._now = planned.snapshot.now
        self._blocks: dict[BlockId, Block] = dict(planned.snapshot.blocks)
        self._round = Round()

    def run(self) -> Round:
        todo = [d for d in self._plan.decisions if d.action is Action.ASSIGN]
        lost = self._write(self._claims(todo))
        ready = [d for d in todo if not any(BlockId.of(a) in lost for a in d.claims)]
        self._round.again |= {d.service.key for d in todo if d not in ready} if lost else set()
        after = self._publish(ready)
        self._write(self._dropped(ready, after))
        for decision in self._plan.decisions:
            if decision.action is Action.WAIT:
                self._round.again.add(decision.service.key)
            elif decision.action is not Action.ASSIGN:
                self._round.done[decision.service.key] = decision
        return self._round

    def _claims(self, todo: Iterable[Decision]) -> dict[BlockId, list[Claim]]:
        """The claims to write, a block each: those of this round's Services, and those whose Service is gone."""
        changed: dict[Address, Claim] = {}
        for claim, holder in self._plan.orphans:
            before = changed.get(claim.address, claim)
            changed[claim.address] = before.let_go(holder, now=self._now, by=self._cluster.by, parked=False)
        for decision in todo:
            for address, pool in zip(decision.claims, decision.pools, strict=True):
                changed[address] = self._claim(decision.service, address, pool)
        return _by_block(changed.values())

    def _claim(self, service: Service, address: Address, pool: str) -> Claim:
        snapshot = self._plan.snapshot
        holder = Holder(
            service.key, service.uid, service.resource_version, snapshot.attempt, self._now, service.ask.digest
        )
        block = snapshot.blocks.get(BlockId.of(address))
        before = block.claims.get(address) if block else None
        held = before is not None and (mine := before.holder(service.key)) is not None and mine.uid == service.uid
        since = before.since if held and before is not None else self._now
        return Claim(address, (holder,), pool, since, self._cluster.by)

    def _write(self, changes: Mapping[BlockId, list[Claim]]) -> set[BlockId]:
        """Write the changed blocks side by side; returns those that were lost to another run."""

        def one(block_id: BlockId) -> BlockId | None:
            block = self._blocks.get(block_id) or Block(block_id, None, {})
            try:
                written = self._ledger.write(block.with_claims(changes[block_id]), self._plan.snapshot.attempt)
            except LostRace:
                return block_id
            self._blocks[block_id] = written
            return None

        return {lost for lost in _side_by_side(one, list(changes)) if lost is not None}

    def _publish(self, ready: list[Decision]) -> dict[Key, Service]:
        """PATCH each status; the Services as the answers show them."""

        def one(decision: Decision) -> Service | LbctlError:
            service = decision.service
            body = status_patch(service, decision.addresses, Reason.Assigned, self._now)
            try:
                key = service.key
                return parse_service(self._cluster.kube.patch_service_status(key.namespace, key.name, body))
            except (Conflict, Invalid, NotFound) as stale:
                return stale

        after: dict[Key, Service] = {}
        for decision, answer in zip(ready, _side_by_side(one, ready), strict=True):
            if isinstance(answer, Service):
                after[decision.service.key] = answer
                self._round.done[decision.service.key] = decision
            else:
                self._round.again.add(decision.service.key)
        return after

    def _dropped(self, ready: Iterable[Decision], after: Mapping[Key, Service]) -> dict[BlockId, list[Claim]]:
        """The claims that a move leaves behind, where the answer to our PATCH proves that none can land (rule 3)."""
        gone: list[Claim] = []
        for decision in ready:
            service = after.get(decision.service.key)
            for address in decision.drops if service else ():
                claim = self._blocks[BlockId.of(address)].claims.get(address)
                holder = claim.holder(decision.service.key) if claim else None
                if claim and holder and service and droppable(holder, address, service):
                    gone.append(claim.let_go(holder, now=self._now, by=self._cluster.by, parked=False))
        return _by_block(gone)


def droppable(holder: Holder, address: Address, service: Service) -> bool:
    """Rule 3: whether this read of the holder's Service proves that no PATCH under the claim can land any more."""
    if service.uid != holder.uid or not service.is_load_balancer:
        return True
    return service.resource_version != holder.rv and address not in service.status


def status_patch(
    service: Service, addresses: Iterable[Address], reason: Reason, now: int, note: str = ""
) -> dict[str, Any]:
    """The strategic merge patch that makes the status show these addresses (none: cleared), with uid and
    resourceVersion of the read it rests on."""
    shown = list(addresses)
    condition = {
        "type": CONDITION,
        "status": "True" if shown else "False",
        "reason": reason.name,
        "message": note or (", ".join(map(str, shown)) if shown else reason.sentence),
        "lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
    }
    ingress = [{"ip": str(a)} for a in shown] or None
    return {
        "metadata": {"uid": service.uid, "resourceVersion": service.resource_version},
        "status": {"loadBalancer": {"ingress": ingress}, "conditions": [condition]},
    }


def _by_block(claims: Iterable[Claim]) -> dict[BlockId, list[Claim]]:
    blocks: dict[BlockId, list[Claim]] = {}
    for claim in claims:
        blocks.setdefault(BlockId.of(claim.address), []).append(claim)
    return blocks


def _side_by_side(work: Callable[[T], R], items: list[T]) -> list[R]:
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(work, items))


def assign(
    cluster: Cluster,
    pools: PoolFile,
    selected: frozenset[Key] | None = None,
    *,
    wait: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Key, Decision]:
    """Look, plan and carry out until every selected Service is settled or `wait` seconds have passed.

    Returns the last Decision for each Service; one still at Action.WAIT did not settle in time.
    """
    deadline = clock() + wait
    named = selected is not None
    results: dict[Key, Decision] = {}
    pause = 0.05
    while True:
        planned = plan(cluster.snapshot(), pools, selected, named=named)
        done = carry_out(cluster, planned)
        results.update({d.service.key: d for d in planned.decisions if d.service.key not in results})
        results.update(done.done)
        for key in done.again:
            results[key] = replace(_of(planned, key), action=Action.WAIT, reason=Reason.BeingAssigned)
        if not done.again or clock() >= deadline:
            return results
        selected = frozenset(done.again)
        sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
        pause = min(pause * 2, 1.0)


def _of(planned: Plan, key: Key) -> Decision:
    return next(d for d in planned.decisions if d.service.key == key)


def release(cluster: Cluster, key: Key, *, now: bool = False) -> tuple[Address, ...]:
    """Clear a Service's status and park its claims; `now` frees the addresses for others at once.

    Returns the addresses released. Raises LbctlError when the Service is unknown, holds nothing of ours, or changed
    meanwhile.
    """
    blocks = dict(cluster.ledger.read())
    try:
        service = parse_service(cluster.kube.get_service(key.namespace, key.name).object)
    except NotFound as missing:
        raise LbctlError(f"there is no Service {key}", hint="kubectl get svc -A") from missing
    held = [(b, c, h) for b in blocks.values() for c in b.claims.values() for h in c.holders if h.key == key]
    held = [(b, c, h) for b, c, h in held if h.uid == service.uid]
    if not held:
        raise LbctlError(f"{key}: {Reason.NotOurs.sentence}", hint=Reason.NotOurs.hint, reason=Reason.NotOurs)
    ours = {c.address for _, c, _ in held}
    stamp = int(time.time())
    left = [a for a in service.status if a not in ours]
    body = status_patch(service, left, Reason.Released, stamp)
    try:
        after = parse_service(cluster.kube.patch_service_status(key.namespace, key.name, body))
    except (Conflict, Invalid) as changed:
        raise LbctlError(f"{key} was changed meanwhile; nothing was released", hint="run it again") from changed
    gone = [
        c.let_go(h, now=0 if now else stamp, by=cluster.by, parked=True)
        for _, c, h in held
        if droppable(h, c.address, after)
    ]
    for block_id, claims in _by_block(gone).items():
        try:
            cluster.ledger.write(blocks[block_id].with_claims(claims), "")
        except LostRace as lost:
            raise ClusterError(f"the claims of {key} were changed meanwhile", hint="run it again") from lost
    return tuple(c.address for c in gone)
