"""Look, decide, carry out, and look again until nothing is left to do: what the commands that write are made of."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lbctl.addresses import Address
from lbctl.adoption import plan_adopt, plan_repair
from lbctl.claims import Claim, Holder
from lbctl.decisions import Action, Decision, Plan, Snapshot, Wish
from lbctl.planner import plan, plan_release
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.rivals import Origin
from lbctl.rounds import Cluster, carry_out
from lbctl.services import Key

if TYPE_CHECKING:  # because most runs ask no LAN
    from lbctl.lan import Lan

# Refusals that end when somebody lets go, or comes to share what he has.
LACKS = frozenset({Reason.PoolExhausted, Reason.AddressInUse, Reason.SharingConflict})


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
            key = decision.service.key
            results[key] = _told(results.get(key), done.outcome(decision))
        for key in (selected or frozenset()) - {d.service.key for d in planned.decisions}:
            results.pop(key, None)  # because it is gone, it waits for nothing
        again = set(done.again)
        if done.freed:  # a refusal may rest on what this run has just let go, and nobody else would look again
            again |= {key for key, decision in results.items() if decision.reason in LACKS or _makes_do(decision)}
        if not again or waited >= wait:
            return results
        selected = frozenset(again)
        # A Retry-After of an hour is not slept through: a last look when our own time is up, and then we say so.
        step = min(max(done.pause, pause * (0.5 + secrets.randbelow(1000) / 1000)), wait - waited)
        sleep(step)
        waited, pause = waited + step, min(pause * 2, 1.0)


def _told(before: Decision | None, now: Decision) -> Decision:
    """What to tell of a Service that was looked at again: what this run has done to it, if there was nothing more to
    do."""
    if before is None or (before.action, now.action) != (Action.ASSIGN, Action.KEEP):
        return now
    return before if before.addresses == now.addresses else now


def _makes_do(decision: Decision) -> bool:
    """Whether the Service has less than it would like (PreferDualStack): the other address is added once it is free."""
    given = decision.action in (Action.KEEP, Action.ASSIGN)
    return given and len(decision.addresses) < len(decision.service.ask.families)


def plan_assign(
    look: Snapshot,
    pools: PoolFile,
    selected: frozenset[Key] | None,
    *,
    named: bool,
    wish: Wish | None,
    reassign: bool,
    lan: Lan | None,
) -> Plan:
    """One plan of assign(), with the LAN asked where there is one."""

    def planned(seen: Snapshot) -> Plan:
        return plan(seen, pools, selected, named=named, wish=wish, reassign=reassign)

    return planned(look) if lan is None else lan.planned(planned, look)


def assign(
    cluster: Cluster,
    pools: PoolFile,
    selected: frozenset[Key] | None = None,
    *,
    named: bool | None = None,
    wish: Wish | None = None,
    reassign: bool = False,
    lan: Lan | None = None,
    first: Plan | None = None,
    wait: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Key, Decision]:
    """Give the selected Services (None: all in scope) what they ask for; the outcome for each that exists.

    `named`, `wish` and `reassign` as for plan(); `lan` is asked before an address is given, where there is one; `first`
    is the Plan to begin with, which a person has seen.
    """
    by_name = selected is not None if named is None else named

    def decide(look: Snapshot, keys: frozenset[Key] | None) -> Plan:
        return plan_assign(look, pools, keys, named=by_name, wish=wish, reassign=reassign, lan=lan)

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


def adopt(
    cluster: Cluster,
    pools: PoolFile,
    origin: Origin,
    selected: frozenset[Key] | None = None,
    *,
    first: Plan | None = None,
    wait: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Key, Decision]:
    """Claim what the selected Services (None: all) show and `origin` assigned; no Service is written to."""

    def decide(look: Snapshot, keys: frozenset[Key] | None) -> Plan:
        return plan_adopt(look, pools, origin, keys)

    return _until_settled(cluster, selected, decide, wait, sleep, first)


def repair(
    cluster: Cluster,
    pools: PoolFile,
    selected: frozenset[Key] | None = None,
    *,
    first: Plan | None = None,
    wait: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Key, Decision]:
    """Claim anew what lbctl has published, and move one of two that show one address; the outcome for each of these."""

    def decide(look: Snapshot, keys: frozenset[Key] | None) -> Plan:
        return plan_repair(look, pools, keys)

    return _until_settled(cluster, selected, decide, wait, sleep, first)


Pruned = dict[tuple[Address, Key | None], tuple[Claim, Holder | None]]
"""Holders to let go, and claims to take out (no holder), by what tells them apart."""


def to_prune(planned: Plan) -> Pruned:
    """What a plan of plan_prune() lets go and takes out, by address."""
    claims = {c.address: c for c in planned.snapshot.claims}
    found: Pruned = {(a, None): (claims[a], None) for a in planned.expired}
    found |= {(c.address, h.key): (c, h) for c, h in planned.orphans}
    return dict(sorted(found.items(), key=lambda item: (item[0][0].version, int(item[0][0]), str(item[0][1]))))


def prune(
    cluster: Cluster,
    decide: Callable[[Snapshot], Plan],
    *,
    wait: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Pruned, Pruned]:
    """Carry out what `decide` finds to prune until it finds nothing more: what went, and what is left after `wait`
    seconds because others were writing the same blocks."""
    went: Pruned = {}
    waited, pause = 0.0, 0.05
    while True:
        planned = decide(cluster.snapshot())
        left = to_prune(planned)
        if not left or waited >= wait:
            return {at: one for at, one in went.items() if at not in left}, left
        if left.keys() & went.keys():
            sleep(pause)
            waited, pause = waited + pause, min(pause * 2, 1.0)
        went |= left
        carry_out(cluster, planned)
