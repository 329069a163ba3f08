"""Why a Service has its address, or has none: all that there is to say of one, as values.

Whether lbctl looks after it, what it asks for and where that is written, what it has and by whose claim, what the pool
file keeps for it, what its name had before, and the Decision of the planner with the pools' verdicts. `lbctl explain`
prints it. Pure: the Snapshot carries the cluster and its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lbctl.addresses import Address
from lbctl.ages import ago, instant
from lbctl.allocator import NOBODY, Index
from lbctl.claims import Claim
from lbctl.decisions import Decision, Snapshot
from lbctl.planner import plan
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.services import Key, Service, class_words, out_of_scope
from lbctl.verdicts import kept_until, since


class Request(NamedTuple):
    """One thing that a Service asks for, and where that is written. `kind` is address, pool, families or sharing."""

    kind: str
    words: str
    source: str

    def __str__(self) -> str:
        """In words."""
        return f"{self.words} ({self.source})" if self.source else self.words


@dataclass(frozen=True, slots=True)
class Had:
    """One entry of a Service's status, in words. `claim` is its own for the address; `others` hold that too, since
    when (seconds since the epoch)."""

    text: str
    words: str
    claim: Claim | None = None
    others: tuple[tuple[Key, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """An address that a Service of this name had; `until` is when it is no more kept for the name, None when it is not
    kept at all, or for as long as nobody asks."""

    address: Address
    words: str
    released: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All of it. `out` is why lbctl leaves the Service alone, None when it does not; `scope` says so in words."""

    decision: Decision
    out: Reason | None
    scope: str
    asks: tuple[Request, ...]
    has: tuple[Had, ...]
    reserved: tuple[Address, ...]
    before: tuple[Before, ...]


def explain(look: Snapshot, pools: PoolFile, key: Key) -> Explanation | None:
    """Explain one Service; None when there is none of this name.

    All are planned, for who comes first is part of why another gets nothing.
    """
    service = look.services.get(key)
    if service is None:
        return None
    index = Index(look.services, look.blocks, look.others, pools, look.now)
    has, before = tuple(_has(look, index, service)), tuple(_before(look, index, pools, service))
    decision = next(d for d in plan(look, pools, traced=key, index=index).decisions if d.service.key == key)
    out = out_of_scope(service, pools.load_balancer_class)
    return Explanation(
        decision, out, _scope(service, out, pools), requests(service), has, pools.reservation(key), before
    )


def _scope(service: Service, out: Reason | None, pools: PoolFile) -> str:
    if out is Reason.ForeignClass:
        return class_words(service, pools.load_balancer_class)
    if out is not None:
        return out.sentence
    if not pools.path:
        return "of type LoadBalancer"
    return f"of type LoadBalancer; {class_words(service, pools.load_balancer_class)}"


def requests(service: Service) -> tuple[Request, ...]:
    """What it asks for, each with its source; nothing while it is of another type."""
    ask = service.ask
    if not service.is_load_balancer:
        return ()
    found = []
    if ask.error:
        found.append(Request("address", f"something that cannot be read: {ask.error}", ""))
    elif ask.addresses:
        found.append(Request("address", " and ".join(map(str, ask.addresses)), ask.source))
    else:
        found.append(Request("address", "any address", ""))
    if ask.pool:
        found.append(Request("pool", f"of pool {ask.pool}", ask.pool_source))
    found.append(_families(service))
    if service.sharing is not None:
        ports = ", ".join(map(str, service.sharing.ports))
        policy = "Local" if service.sharing.local else "Cluster"
        words = f"to share it under the key {ask.share}, with {ports} and externalTrafficPolicy {policy}"
        found.append(Request("sharing", words, ask.share_source))
    return tuple(found)


def _families(service: Service) -> Request:
    families, prefers = service.ask.families, not service.ask.require_all
    if len(families) == 1:
        return Request("families", families[0], "spec.ipFamilies")
    if prefers:
        words = f"{families[0]}, and {families[1]} where there is one"
        return Request("families", words, "spec.ipFamilyPolicy PreferDualStack")
    return Request("families", f"both {' and '.join(families)}", "spec.ipFamilyPolicy RequireDualStack")


def _has(look: Snapshot, index: Index, service: Service) -> Iterator[Had]:
    for entry in service.foreign_status:
        yield Had(entry, f"{entry}, which lbctl did not write")
    for address in service.status:
        claim = look.claim_of(service, address)
        others: tuple[tuple[Key, int], ...] = ()
        words = f"{address}, which lbctl holds no claim for"
        if claim is not None:
            words = f"{address} of pool {claim.pool} since {_when(claim.since, look)}, by {claim.by}"
            others = tuple((h.key, since(claim, h)) for h in claim.holders if h.key != service.key and index.alive(h))
        words += "".join(f"; shared with {key} since {_when(at, look)}" for key, at in others)
        if not others and (user := index.user(address, service.key)):
            words += f"; also in use: {user}"
        yield Had(str(address), words, claim, others)


def _before(look: Snapshot, index: Index, pools: PoolFile, service: Service) -> Iterator[Before]:
    key = service.key
    for claim, holder in index.held(key):
        if holder.uid != service.uid:
            words = f"{claim.address} of pool {claim.pool}, of an older Service of this name (uid {holder.uid})"
            yield Before(claim.address, words)
    told = set()
    for claim in sorted(index.had(key), key=lambda c: -(c.released or 0)):
        told.add(claim.address)
        yield _released(look, index, pools, claim)
    for claim in index.parks(key):
        if claim.address not in told and claim.holder(key) is None:
            who = ", ".join(str(h.key) for h in claim.holders) or (claim.last and str(claim.last.key))
            yield Before(claim.address, f"{claim.address}, released by hand; Service {who} has had it since")


def _released(look: Snapshot, index: Index, pools: PoolFile, claim: Claim) -> Before:
    how = "released by hand" if claim.parked else "released"
    words = f"{claim.address} of pool {claim.pool}, {how}"
    until = kept_until(claim, pools)
    if until is None or claim.released is None:
        return Before(claim.address, f"{words} for others at once")
    words += f" at {_when(claim.released, look)}"
    if user := index.user(claim.address, claim.last.key if claim.last else NOBODY):
        return Before(claim.address, f"{words}; in use by now: {user}", claim.released)
    if until <= look.now:
        return Before(claim.address, f"{words}, and no more kept for it", claim.released)
    return Before(claim.address, f"{words}, and kept for it until {instant(until)}", claim.released, until)


def _when(seconds: int, look: Snapshot) -> str:
    return f"{instant(seconds)} ({ago(seconds, look.now)})"
