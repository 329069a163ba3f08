"""The protocol's rules, each to be switched off: what remains must be found unsafe, or the search sees nothing.

The switches sit at the edges (Kube, Ledger, Cluster.snapshot) wherever the rule shows there, so that rounds.py may be
rearranged under them; one that no longer changes anything fails, for then no violation is found.

Rule 4 has no switch: lbctl never undoes a claim. One whose PATCH was not sent is finished, or let go by rule 3. Nor has
the random attempt: while a claim names the `rv` of its PATCH, written again unchanged it still covers just that PATCH.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from lbctl import allocator, apply, planner, rounds
from lbctl.addresses import Address
from lbctl.claims import NAMESPACE, SELECTOR, Block, Claim, Holder, parse_block
from lbctl.decisions import Plan, Snapshot
from lbctl.kube.api import Dated, Kube, Listed
from lbctl.kube.errors import Conflict, Unreachable
from lbctl.ledger import Ledger, LostRace
from lbctl.pools import PoolFile
from lbctl.rounds import Cluster
from lbctl.services import Key, Service, parse_service
from tests.property import world

Patch = pytest.MonkeyPatch
Json = dict[str, Any]
Seen = Service | None


# Rule 1: publish only under a claim written for it, after a look made after the claims were read.


def publish_under_an_old_claim(patch: Patch) -> None:
    """Rule 1: a claim that another attempt wrote is no licence to publish."""
    write = Ledger.write

    def lazy(ledger: Ledger, block: Block, attempt: str) -> Block:
        before = parse_block(block.raw).claims if block.raw else {}

        def uids(claim: Claim | None) -> list[str]:
            return [h.uid for h in claim.holders] if claim else []

        claims = {a: before[a] if c.holders and uids(before.get(a)) == uids(c) else c for a, c in block.claims.items()}
        return block if claims == before else write(ledger, replace(block, claims=claims), attempt)

    patch.setattr(Ledger, "write", lazy)


def publish_though_a_block_was_lost(patch: Patch) -> None:
    """Rule 1: every address that a PATCH adds needs its claim written, not just one of them."""
    write = Ledger.write

    def lossy(ledger: Ledger, block: Block, attempt: str) -> Block:
        try:
            return write(ledger, block, attempt)
        except LostRace:
            return block

    patch.setattr(Ledger, "write", lossy)


def services_before_claims(patch: Patch) -> None:
    """Rules 1 and 3: Services read before the claims prove nothing about who holds them."""
    _look_twice(patch, lambda old, _: old)


def write_over_a_claim_after_an_older_read(patch: Patch) -> None:
    """Rule 1: a claim already there is written over only after a read of its Service made after the block's."""

    def pick(old: Seen, new: Seen) -> Seen:
        alike = old and new and (old.uid, old.is_load_balancer) == (new.uid, new.is_load_balancer)
        return old if alike else new

    _look_twice(patch, pick)


def _look_twice(patch: Patch, pick: Callable[[Seen, Seen], Seen]) -> None:
    """Read the Services before the claims, too, and go by one or the other read of each."""
    look = Cluster.snapshot

    def snapshot(cluster: Cluster) -> Snapshot:
        listed = [parse_service(item) for item in cluster.kube.list_services().items]
        old, seen = {s.key: s for s in listed}, look(cluster)
        keys = sorted({*old, *seen.services})
        picked = {key: pick(old.get(key), seen.services.get(key)) for key in keys}
        return replace(seen, services={key: service for key, service in picked.items() if service})

    patch.setattr(Cluster, "snapshot", snapshot)


# Rule 2: a PATCH lands on the Service that was read before its claims were written, or not at all.


def patch_without_resource_version(patch: Patch) -> None:
    """Rule 2: a PATCH without resourceVersion lands on a Service that has changed since."""
    _patch_with(patch, lambda _, meta: {"uid": meta["uid"]})


def patch_without_uid(patch: Patch) -> None:
    """Rule 2: a PATCH without uid may land on another Service of that name, where resourceVersions come back."""
    _patch_with(patch, lambda _, meta: {"resourceVersion": meta["resourceVersion"]})


def patch_with_a_version_read_after_the_claim(patch: Patch) -> None:
    """Rule 2: the resourceVersion is of a read made before the first claim write."""

    def later(service: Json, meta: Json) -> Json:
        return {**meta, "resourceVersion": service["metadata"]["resourceVersion"]}

    _patch_with(patch, later, reads=True)


def _patch_with(patch: Patch, made: Callable[[Json, Json], Json], *, reads: bool = False) -> None:
    """Send PATCHes with other metadata, made of the Service as it is now (if it `reads`) and the metadata meant."""
    send = Kube.patch_service_status

    def other(kube: Kube, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        now = dict(kube.get_service(namespace, name).object) if reads else {}
        return send(kube, namespace, name, {**body, "metadata": made(now, body["metadata"])})

    patch.setattr(Kube, "patch_service_status", other)


def patch_again_after_a_conflict(patch: Patch) -> None:
    """Rule 2: a PATCH repeated with the resourceVersion of a later read outruns its claim."""
    send = Kube.patch_service_status

    def stubborn(kube: Kube, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        try:
            return send(kube, namespace, name, body)
        except Conflict:
            meta = kube.get_service(namespace, name).object["metadata"]
            now = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
            return send(kube, namespace, name, {**body, "metadata": now})

    patch.setattr(Kube, "patch_service_status", stubborn)


def read_the_service_again_for_a_second_block(patch: Patch) -> None:
    """Rule 2: when a second block is lost, only the block is read again; a later read of the Service would leave the
    first block's claim with a version that is past."""
    write, send = Ledger.write, Kube.patch_service_status
    versions: WeakKeyDictionary[Kube, str] = WeakKeyDictionary()

    def stubborn(ledger: Ledger, block: Block, attempt: str) -> Block:
        try:
            return write(ledger, block, attempt)
        except LostRace:
            kube = ledger._kube
            found = parse_block(kube.get_configmap(NAMESPACE, block.id.name).object)
            mine = [(c, h) for c in block.claims.values() for h in c.holders if h.attempt == attempt]
            if not mine or any(h.key != mine[0][1].key for c in found.claims.values() for h in c.holders):
                raise
            key = mine[0][1].key
            version = kube.get_service(key.namespace, key.name).object["metadata"]["resourceVersion"]
            versions[kube] = version
            again = [replace(claim, holders=(replace(holder, rv=version),)) for claim, holder in mine]
            return write(ledger, found.with_claims(again), attempt)

    def late(kube: Kube, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        meta = body["metadata"]
        version = versions.get(kube, meta["resourceVersion"])
        return send(kube, namespace, name, {**body, "metadata": {**meta, "resourceVersion": version}})

    patch.setattr(Ledger, "write", stubborn)
    patch.setattr(Kube, "patch_service_status", late)


def take_a_timeout_for_a_failure(patch: Patch) -> None:
    """Rule 2: a PATCH that timed out is in flight, so its claim stays."""
    send = Kube.patch_service_status

    def hasty(kube: Kube, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        try:
            return send(kube, namespace, name, body)
        except Unreachable:
            _let_go(kube, Key(namespace, name), kube.list_configmaps(NAMESPACE, SELECTOR))
            raise

    patch.setattr(Kube, "patch_service_status", hasty)


def _let_go(kube: Kube, key: Key, blocks: Listed) -> None:
    """Drop all claims of a Service, compare-and-swapped against this read of the blocks, but without any proof."""
    for item in blocks.items:
        block = parse_block(item)
        gone = [c.let_go(h, now=0, by="x") for c in block.claims.values() if (h := c.holder(key))]
        if gone and block.resource_version:
            with suppress(Conflict):
                body = block.with_claims(gone).to_object()
                kube.replace_configmap(NAMESPACE, block.id.name, body, block.resource_version)


# Rule 3: a claim goes only on proof that no PATCH under it can land.


def gone_by_an_older_read(patch: Patch) -> None:
    """Rule 3: that a Service was gone before the block was read proves nothing: it may have been created since."""
    _look_twice(patch, lambda old, new: new if old else None)


def another_by_an_older_read(patch: Patch) -> None:
    """Rule 3: that a Service had another uid before the block was read proves nothing: the claim may be the newer."""
    _look_twice(patch, lambda old, new: old if old and new and old.uid != new.uid else new)


def no_load_balancer_by_an_older_read(patch: Patch) -> None:
    """Rule 3: that a Service was no LoadBalancer before the block was read proves nothing: it may be one since."""
    _look_twice(patch, lambda old, new: old if old and new and not old.is_load_balancer else new)


def unseen_is_gone(patch: Patch) -> None:
    """Rule 3: 404 only; a Service that one did not look at, or may not see, is not gone."""
    decide = planner.plan

    def narrow(look: Snapshot, pools: PoolFile, keys: frozenset[Key] | None, **how: Any) -> Plan:
        seen = {key: service for key, service in look.services.items() if keys is None or key in keys}
        return decide(replace(look, services=seen), pools, keys, **how)

    patch.setattr(apply, "plan", narrow)


def drop_what_a_patch_may_still_reach(patch: Patch) -> None:
    """Rule 3: a Service that stands at the claim's `rv` can still be reached by a PATCH under it."""

    def hasty(holder: Holder, address: Address, service: Service) -> bool:
        return service.uid != holder.uid or address not in service.status

    patch.setattr(rounds, "droppable", hasty)


def drop_what_is_shown(patch: Patch) -> None:
    """Rule 3: another resourceVersion proves nothing while the Service shows the address."""
    send = Kube.patch_service_status

    def hasty(kube: Kube, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        blocks = kube.list_configmaps(NAMESPACE, SELECTOR)
        answer = send(kube, namespace, name, body)
        if answer["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            _let_go(kube, Key(namespace, name), blocks)
        return answer

    patch.setattr(Kube, "patch_service_status", hasty)


def drop_before_the_status_is_cleared(patch: Patch) -> None:
    """Rule 3: release is status first, claim after."""
    send = Kube.patch_service_status

    def reversed_(kube: Kube, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        if "loadBalancer" in body["status"] and not body["status"]["loadBalancer"]["ingress"]:
            _let_go(kube, Key(namespace, name), kube.list_configmaps(NAMESPACE, SELECTOR))
        return send(kube, namespace, name, body)

    patch.setattr(Kube, "patch_service_status", reversed_)


def drop_against_a_later_read_of_the_block(patch: Patch) -> None:
    """Rule 3: a claim is dropped against the read of the block that the proof rests on, or not at all."""
    put = Kube.replace_configmap

    def stubborn(kube: Kube, namespace: str, name: str, body: Mapping[str, Any], version: str) -> Dated:
        try:
            return put(kube, namespace, name, body, version)
        except Conflict:
            found = parse_block(kube.get_configmap(namespace, name).object)
            meant = [c for c in parse_block(body).claims.values() if not c.holders]
            gone = [c for c in meant if c.last and (now := found.claims.get(c.address)) and now.holder(c.last.key)]
            if not gone or not found.resource_version:
                raise
            return put(kube, namespace, name, found.with_claims(gone).to_object(), found.resource_version)

    patch.setattr(Kube, "replace_configmap", stubborn)


def a_leaver_takes_the_claim_with_it(patch: Patch) -> None:
    """Of a claim with two holders only the one who leaves goes."""
    let_go = Claim.let_go

    def greedy(claim: Claim, holder: Holder, **how: Any) -> Claim:
        return let_go(replace(claim, holders=(holder,)), holder, **how)

    patch.setattr(Claim, "let_go", greedy)


def a_joiner_forgets_the_others(patch: Patch) -> None:
    """Who joins a claim writes down those who hold it, too."""
    patch.setattr(Claim, "joined", lambda claim, holder: replace(claim, holders=(holder,)))


def join_whatever_the_key(patch: Patch) -> None:
    """Only who has the same key may join."""
    patch.setattr(allocator, "obstacle", lambda *_, **__: "")


def write_blocks_unconditionally(patch: Patch) -> None:
    """Claims are compare-and-swapped: a PUT without resourceVersion erases another run's."""
    write = world.write_block

    def blind(ledger: str, method: str, body: Json) -> tuple[str, int]:
        meta = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
        return write(ledger, method, {**body, "metadata": meta})

    patch.setattr(world, "write_block", blind)
