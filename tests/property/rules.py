"""The protocol's rules, each to be switched off: what remains must be found unsafe, or the search sees nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from lbctl import apply
from lbctl.addresses import Address
from lbctl.apply import Cluster, _Carrier
from lbctl.claims import BlockId, Claim, Holder
from lbctl.kube.api import Kube
from lbctl.kube.errors import Conflict
from lbctl.planner import Decision, Snapshot
from lbctl.services import Service
from tests.property import world

Patch = pytest.MonkeyPatch
Json = dict[str, Any]


def services_before_claims(patch: Patch) -> None:
    """Rules 1 and 3: a Service read before the claims proves nothing about who holds them."""
    look = Cluster.snapshot

    def snapshot(cluster: Cluster) -> Snapshot:
        services = cluster.kube.list_services()
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(Kube, "list_services", lambda _: services)
            return look(cluster)

    patch.setattr(Cluster, "snapshot", snapshot)


def publish_under_an_old_claim(patch: Patch) -> None:
    """Rule 1: a claim that another attempt wrote is no licence to publish."""
    write = _Carrier._claims

    def claims(carrier: _Carrier, writing: Iterable[Decision]) -> list[Claim]:
        held = {c.address: c for b in carrier._blocks.values() for c in b.claims.values()}

        def old(claim: Claim) -> bool:
            before = held.get(claim.address)
            return before is not None and [h.uid for h in before.holders] == [h.uid for h in claim.holders]

        return [claim for claim in write(carrier, writing) if not old(claim)]

    patch.setattr(_Carrier, "_claims", claims)


def publish_though_a_block_was_lost(patch: Patch) -> None:
    """Rule 1: every address that a PATCH adds needs its claim written, not just one of them."""
    write = _Carrier._write

    def lossy(carrier: _Carrier, claims: Iterable[Claim]) -> set[BlockId]:
        write(carrier, claims)
        return set()

    patch.setattr(_Carrier, "_write", lossy)


def claims_written_alike(patch: Patch) -> None:
    """Rule 1: without an attempt of its own a claim written again changes nothing, and swaps nothing."""
    claim = _Carrier._claim

    def nameless(carrier: _Carrier, service: Service, address: Address, pool: str) -> Claim:
        made = claim(carrier, service, address, pool)
        return replace(made, holders=tuple(replace(h, attempt="same") for h in made.holders))

    patch.setattr(_Carrier, "_claim", nameless)


def patch_whatever_stands_there(patch: Patch) -> None:
    """Rule 2: a PATCH without uid and resourceVersion lands on a Service that nobody looked at."""
    made = apply.status_patch

    def bare(decision: Decision, now: int) -> Json:
        return {**made(decision, now), "metadata": {}}

    patch.setattr(apply, "status_patch", bare)


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


def drop_what_a_patch_may_still_reach(patch: Patch) -> None:
    """Rule 3: a Service that stands at the claim's `rv` can still be reached by a PATCH under it."""

    def hasty(holder: Holder, address: Address, service: Service) -> bool:
        return service.uid != holder.uid or address not in service.status

    patch.setattr(apply, "droppable", hasty)


def drop_before_the_status_is_cleared(patch: Patch) -> None:
    """Rule 3: release is status first, claim after."""
    write = _Carrier._claims

    def claims(carrier: _Carrier, writing: Iterable[Decision]) -> list[Claim]:
        decisions = list(writing)
        gone = [
            carrier._let_go(claim, holder, d)
            for d in decisions
            for address in d.drops
            if (claim := carrier._blocks[BlockId.of(address)].claims.get(address))
            if (holder := claim.holder(d.service.key))
        ]
        return [*write(carrier, decisions), *gone]

    patch.setattr(_Carrier, "_claims", claims)


def write_blocks_unconditionally(patch: Patch) -> None:
    """Claims are compare-and-swapped: a PUT without resourceVersion erases another run's."""
    write = world.write_block

    def blind(ledger: str, method: str, body: Json) -> tuple[str, int]:
        meta = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
        return write(ledger, method, {**body, "metadata": meta})

    patch.setattr(world, "write_block", blind)


SWITCHES: tuple[Callable[[Patch], None], ...] = (
    services_before_claims,
    publish_under_an_old_claim,
    publish_though_a_block_was_lost,
    patch_whatever_stands_there,
    patch_again_after_a_conflict,
    drop_what_a_patch_may_still_reach,
    drop_before_the_status_is_cleared,
    write_blocks_unconditionally,
)
