"""What a changed pool file would change: never more than the planner says with both files, and never less."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

import pytest

from lbctl.addresses import AddressSet, Family, parse_address
from lbctl.claims import Claim
from lbctl.decisions import Action, Snapshot
from lbctl.durations import duration_text, parse_duration
from lbctl.planner import plan
from lbctl.pooldiff import Change, Diff, Effect, compare
from lbctl.pools import Pool, PoolFile, Reservation
from lbctl.reasons import Reason
from lbctl.selectors import Selector
from lbctl.services import Key
from tests.unit.planner.values import Json, blocks, held, pool, pools, released, service, snapshot

LAN, SMALL, NEXT = pool("192.0.2.0/29", name="lan"), pool("192.0.2.0/31", name="lan"), pool("192.0.2.8/29", name="next")
PUBLIC = pool("203.0.113.0/29", name="public", auto_assign=False)
BOTH = ("IPv4", "IPv6")
OUTSIDE = "outside AddressOutsidePools no pool holds 192.0.2.4"


def _reserving(file: PoolFile, **kept: str) -> PoolFile:
    return replace(file, reservations=tuple(Reservation(Key("d", n), (parse_address(a),)) for n, a in kept.items()))


def _named(item: Json, name: str) -> Json:
    item["metadata"]["annotations"]["lbctl/pool"] = name
    return item


@dataclass(frozen=True)
class Case:
    """Two files and a cluster, and what is said of each Service: effect, now, then, why."""

    says: list[str]
    old: PoolFile
    new: PoolFile
    services: tuple[Json, ...]
    claims: tuple[Claim, ...] = ()
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)

    def diff(self) -> Diff:
        """What changes."""
        look = snapshot(self.services, blocks(*self.claims))
        return compare(self.old, self.new, replace(look, namespaces=self.namespaces))


WEB, FAR = service("web", "192.0.2.1"), service("web", "192.0.2.4")
HELD, FAR_HELD = held("192.0.2.1", WEB), held("192.0.2.4", FAR)

CASES = {
    "it keeps what both files have": Case(
        ["web keeps 192.0.2.1 192.0.2.1 "], pools(LAN), pools(SMALL), (WEB,), (HELD,)
    ),
    "a pool by another name is no move": Case(
        ["web keeps 192.0.2.1 192.0.2.1 "], pools(LAN), pools(replace(LAN, name="net")), (WEB,), (HELD,)
    ),
    "it moves when no pool holds its address": Case(
        [f"web moves 192.0.2.4 192.0.2.0 {OUTSIDE}"],
        pools(LAN),
        pools(SMALL),
        (FAR,),
        (FAR_HELD,),
    ),
    "it moves when its pool is for others": Case(
        ["web moves 192.0.2.1 192.0.2.8 Assigned pool lan is for namespace prod"],
        pools(LAN, NEXT),
        pools(replace(LAN, namespaces=("prod",)), NEXT),
        (WEB,),
        (HELD,),
    ),
    "it moves when its pool is disabled": Case(
        ["web moves 192.0.2.1 192.0.2.8 Assigned pool lan is disabled: it hands out nothing new"],
        pools(LAN, NEXT),
        pools(replace(LAN, disabled=True), NEXT),
        (WEB,),
        (HELD,),
    ),
    "it moves when its address is excluded": Case(
        ["web moves 192.0.2.1 192.0.2.0 Assigned pool lan excludes 192.0.2.1"],
        pools(LAN),
        pools(replace(LAN, exclude=AddressSet.parse("192.0.2.1"))),
        (WEB,),
        (HELD,),
    ),
    "it moves when its address is reserved for another": Case(
        ["web moves 192.0.2.1 192.0.2.0 Assigned 192.0.2.1 is reserved for Service d/other"],
        pools(LAN),
        _reserving(pools(LAN), other="192.0.2.1"),
        (WEB,),
        (HELD,),
    ),
    "it moves when another address is reserved for it": Case(
        ["web moves 192.0.2.1 192.0.2.5 Assigned 192.0.2.5 is reserved for it"],
        pools(LAN),
        _reserving(pools(LAN), web="192.0.2.5"),
        (WEB,),
        (HELD,),
    ),
    "it stays outside when there is nothing else": Case(
        [f"web stays 192.0.2.4 192.0.2.4 {OUTSIDE}; no IPv4 address is free in lan"],
        pools(LAN),
        pools(pool("192.0.2.0", name="lan")),
        (FAR, service("wild", "192.0.2.0")),
        (FAR_HELD,),
    ),
    "it stays where it asked to be": Case(
        [f"web stays 192.0.2.4 192.0.2.4 {OUTSIDE}; 192.0.2.4 is in no pool"],
        pools(LAN),
        pools(SMALL),
        (service("web", "192.0.2.4", ask="192.0.2.4"),),
        (held("192.0.2.4", service("web", ask="192.0.2.4")),),
    ),
    "it stays in a disabled pool when there is no other": Case(
        ["web stays 192.0.2.1 192.0.2.1 Assigned pool lan is disabled: it hands out nothing new"],
        pools(LAN),
        pools(replace(LAN, disabled=True)),
        (WEB,),
        (HELD,),
    ),
    "a move that the old file calls for as well is no change": Case(
        ["web keeps 192.0.2.4 192.0.2.4 outside AddressOutsidePools "],
        pools(SMALL),
        pools(SMALL, PUBLIC),
        (FAR,),
        (FAR_HELD,),
    ),
    "a move to another address than by the old file is one": Case(
        [f"web moves 192.0.2.4 192.0.2.8 {OUTSIDE}"],
        pools(SMALL),
        pools(NEXT),
        (FAR,),
        (FAR_HELD,),
    ),
    "it settles when its address is in a pool again": Case(
        ["web settles 192.0.2.4 192.0.2.4 "], pools(SMALL), pools(LAN), (FAR,), (FAR_HELD,)
    ),
    "it is served by a pool that was not there": Case(
        ["web served  203.0.113.0 "],
        pools(LAN),
        pools(LAN, PUBLIC),
        (_named(service("web"), "public"),),
    ),
    "it is refused by a pool that is gone": Case(
        ["web refused   PoolNotFound there is no pool public in pools.yaml"],
        pools(LAN, PUBLIC),
        pools(LAN),
        (_named(service("web"), "public"),),
    ),
    "refused as before is no change": Case([], pools(LAN), pools(NEXT), (_named(service("web"), "public"),)),
    "it gets another address": Case(["web other  192.0.2.8 "], pools(LAN), pools(NEXT), (service("web"),)),
    "the same address of another pool is no change": Case(
        [], pools(LAN), pools(replace(LAN, name="net")), (service("web"),)
    ),
    "a second family is served": Case(
        ["web other 192.0.2.1 192.0.2.1,2001:db8:: "],
        pools(LAN),
        pools(LAN, pool("2001:db8::/125", name="six")),
        (service("web", "192.0.2.1", families=BOTH, policy="PreferDualStack"),),
        (held("192.0.2.1", service("web", families=BOTH, policy="PreferDualStack")),),
    ),
    "it is left alone by its class": Case(
        [
            "web left alone 192.0.2.1 192.0.2.1 ForeignClass it has no loadBalancerClass, and the pool file serves "
            "those of class example.com/lan"
        ],
        pools(LAN),
        pools(LAN, load_balancer_class="example.com/lan"),
        (WEB,),
        (HELD,),
    ),
    "it is taken on by its class": Case(
        ["web taken on  192.0.2.0 "],
        pools(LAN),
        pools(LAN, load_balancer_class="example.com/lan"),
        (service("web", loadBalancerClass="example.com/lan"),),
    ),
    "what another controller wrote is none of it": Case([], pools(LAN), pools(NEXT), (WEB,)),
    "what a person released stays so": Case(
        [], pools(LAN), pools(NEXT), (service("web"),), (released("192.0.2.1", service("web"), ago=10, parked=True),)
    ),
    "what is left goes to who comes first": Case(
        [
            "late refused   PoolExhausted no IPv4 address is free in lan",
            f"web stays 192.0.2.4 192.0.2.4 {OUTSIDE}; no IPv4 address is free in lan",
        ],
        pools(LAN),
        pools(SMALL),
        (FAR, service("late"), service("wild", "192.0.2.1"), service("early")),
        (FAR_HELD,),
    ),
}


def _said(diff: Diff) -> list[str]:
    lines = []
    for fate in diff.services:
        now, then = (",".join(map(str, addresses)) for addresses in (fate.now, fate.then))
        reason = "" if fate.reason is Reason.Assigned and not fate.message else f"{fate.reason.name} "
        outside = "outside " * fate.outside
        lines.append(f"{fate.service.key.name} {fate.effect} {now} {then} {outside}{reason}{fate.message}")
    return lines


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_a_service(name: str) -> None:
    """Effect, addresses, reason and why."""
    assert _said(CASES[name].diff()) == CASES[name].says


@pytest.mark.parametrize("name", CASES)
def test_no_file_differs_from_itself(name: str) -> None:
    """Exit code 0, whatever the cluster is like."""
    case = CASES[name]
    for file in (case.old, case.new):
        same = compare(
            file, replace(file, path="other.yaml", digest="1"), snapshot(case.services, blocks(*case.claims))
        )
        assert not same.changed
        assert {pool.change for pool in same.pools} == {Change.SAME}


def _snapshot(seed: int) -> Snapshot:
    """Some Services with and without addresses, of both files' pools and of none."""
    random.seed(seed)
    services, claims = [], []
    for n, last in enumerate(random.sample(range(24), 10)):
        shown = random.random() < 0.6
        item = service(
            f"s{n}", *[f"192.0.2.{last}"] * shown, ask=random.choice(("", "", f"192.0.2.{random.randrange(24)}"))
        )
        services.append(item)
        if shown and random.random() < 0.8:
            claims.append(held(f"192.0.2.{last}", item))
    return snapshot(services, blocks(*claims))


@pytest.mark.parametrize("seed", range(60))
def test_it_says_what_the_commands_would_do(seed: int) -> None:
    """A plan is the truth: what it shows for MOVES is what --reassign does, and for the others what --all does."""
    look = _snapshot(seed)
    files = [pools(LAN, NEXT), pools(replace(LAN, disabled=True), NEXT), pools(SMALL), pools(NEXT, PUBLIC)]
    old, new = random.choice(files), random.choice(files)
    diff = compare(old, new, look)
    plain = {d.service.key: d for d in plan(look, new).decisions}
    again = {d.service.key: d for d in plan(look, new, reassign=True).decisions}
    assert diff.changed or old == new
    for fate in diff.services:
        decided = (again if fate.effect is Effect.MOVES else plain)[fate.service.key]
        assert fate.then == decided.addresses, f"seed {seed}"
        assert (fate.effect is Effect.MOVES) <= (decided.action is Action.ASSIGN)
    told = {fate.service.key for fate in diff.services}
    had = {d.service.key for d in plain.values() if d.action is not Action.SKIP and d.service.status}
    assert had <= told, f"seed {seed}: each that has an address is told of"


RULES: dict[str, tuple[Any, str]] = {
    "addresses": (AddressSet.parse("192.0.2.4-192.0.2.9"), "addresses: + 192.0.2.8-192.0.2.9; - 192.0.2.0-192.0.2.3"),
    "exclude": (AddressSet.parse("192.0.2.1"), "exclude: + 192.0.2.1"),
    "avoid_buggy_ips": (True, "avoidBuggyIPs: false -> true"),
    "auto_assign": (False, "autoAssign: true -> false"),
    "priority": (5, "priority: none -> 5"),
    "reuse_after": (timedelta(minutes=90), "reuseAfter: 1m -> 1h30m"),
    "keep_for": (timedelta(0), "keepFor: 24h -> 0s"),
    "namespaces": (("b", "a"), "namespaces: none -> a, b"),
    "namespace_selector": (Selector(), "namespaceSelector: none -> all"),
    "service_selector": (Selector((("app", "web"),)), "serviceSelector: none -> app=web"),
    "share_across_namespaces": (True, "shareAcrossNamespaces: false -> true"),
    "disabled": (True, "disabled: false -> true"),
    "interfaces": (("eth1", "eth0"), "interfaces: all -> eth0, eth1"),
    "node_selector": (Selector((("lan", "yes"),)), "nodeSelector: none -> lan=yes"),
    "on_conflict": ("yield", "onConflict: defend -> yield"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_changed_rule_is_told(name: str) -> None:
    """By its key in the pool file, without a cluster too."""
    value, words = RULES[name]
    diff = compare(pools(LAN), pools(replace(LAN, **{name: value})), snapshot([]))
    assert [(pool.change, *pool.rules) for pool in diff.pools] == [(Change.CHANGED, words)]
    assert diff.changed


def test_every_rule_of_a_pool_can_be_told() -> None:
    """A rule that is added to Pool must be added here, or a change of it would go unsaid."""
    assert {f.name for f in fields(Pool) if f.compare} == {"name", *RULES}


def test_what_is_no_pools_own() -> None:
    """The class, reservations, and the order in which pools are asked."""
    old = _reserving(pools(LAN, NEXT), a="192.0.2.1", b="192.0.2.2")
    new = _reserving(pools(NEXT, LAN, load_balancer_class="example.com/lan"), a="192.0.2.1", c="192.0.2.3")
    assert compare(old, new, snapshot([])).file == (
        "loadBalancerClass: none -> example.com/lan",
        "reservations: d/b: - 192.0.2.2",
        "reservations: d/c: + 192.0.2.3",
        "pools are asked in another order: lan, next -> next, lan",
    )


def test_pools_come_and_go_with_what_they_hold() -> None:
    """Capacity and free addresses by family, before and after; None where the file has no such pool."""
    look = snapshot([WEB], blocks(HELD))
    diff = compare(pools(LAN, PUBLIC), pools(SMALL, replace(NEXT, priority=1)), look)
    numbers = {p.name: tuple(u and (u.capacity, u.free) for u in p.usage[Family.IPV4]) for p in diff.pools}
    assert numbers == {"lan": ((8, 7), (2, 1)), "next": (None, (8, 8)), "public": ((8, 8), None)}
    assert [(p.name, p.change, p.rules) for p in diff.pools] == [
        ("lan", Change.CHANGED, ("addresses: - 192.0.2.2-192.0.2.7",)),
        ("next", Change.ADDED, ("addresses: + 192.0.2.8-192.0.2.15", "priority: none -> 1")),
        ("public", Change.REMOVED, ()),
    ]


@pytest.mark.parametrize("text", ["0s", "1s", "1m", "90m", "24h", "1h1m1s", "500ms", "1us", "1.5s"])
def test_a_duration_is_written_as_it_can_be_read(text: str) -> None:
    """There and back."""
    assert parse_duration(duration_text(parse_duration(text))) == parse_duration(text)
    assert duration_text(timedelta(hours=1, minutes=30)) == "1h30m"
