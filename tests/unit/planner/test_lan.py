"""What the planner does with addresses that somebody on the LAN answers for: none is given anew, none is taken away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lbctl.addresses import Family, parse_address
from lbctl.allocator import Index, Refusal
from lbctl.claims import Claim
from lbctl.decisions import Action, Decision
from lbctl.planner import plan
from lbctl.pools import PoolFile, Reservation
from lbctl.reasons import Reason
from lbctl.services import Key
from tests.unit.planner.values import NOW, Json, blocks, held, pool, pools, released, service, snapshot

LAN = pools(pool("192.0.2.0/30"))
WEB = Key("d", "web")


def _on_lan(*addresses: str, reason: Reason = Reason.AddressInUseOnLan) -> dict[Any, Refusal]:
    return {parse_address(a): Refusal(reason, f"{a} is taken") for a in addresses}


def _decided(*items: Json, claims: tuple[Claim, ...] = (), file: PoolFile = LAN, **how: Any) -> dict[str, Decision]:
    lan = how.pop("lan")
    look = replace(snapshot(items, blocks(*claims)), lan=lan)
    return {d.service.key.name: d for d in plan(look, file, **how).decisions}


def _given(found: dict[str, Decision]) -> dict[str, list[str]]:
    return {name: list(map(str, d.addresses)) for name, d in found.items()}


def test_the_next_one_that_is_silent_is_given() -> None:
    """To each of several."""
    found = _decided(service("a"), service("b"), lan=_on_lan("192.0.2.0", "192.0.2.2"))
    assert _given(found) == {"a": ["192.0.2.1"], "b": ["192.0.2.3"]}


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (["192.0.2.0"], "1 is passed over, because the LAN answers for it"),
        (["192.0.2.0", "192.0.2.3", "198.51.100.1"], "2 are passed over, because the LAN answers for them"),
    ],
)
def test_who_gets_none_is_told_how_many_were_passed_over(taken: list[str], words: str) -> None:
    """What others hold is no reason, nor what is in no pool of these."""
    others = [service(f"o{n}", f"192.0.2.{n}") for n in range(4) if f"192.0.2.{n}" not in taken]
    claims = tuple(held(f"192.0.2.{o['metadata']['name'][1]}", o) for o in others)
    web = _decided(service("web"), *others, claims=claims, lan=_on_lan(*taken))["web"]
    assert (web.action, web.reason) == (Action.REFUSE, Reason.PoolExhausted)
    assert web.message == f"no IPv4 address is free in p; {words}"


def test_a_verdict_says_so_too() -> None:
    """With the numbers of that pool."""
    look = replace(snapshot([service("web")]), lan=_on_lan("192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"))
    (web,) = plan(look, LAN, traced=WEB).decisions
    assert [verdict.words for verdict in web.trace] == [
        "none of its 4 IPv4 addresses is free; 4 are passed over, because the LAN answers for them"
    ]


@pytest.mark.parametrize("reason", [Reason.AddressInUseOnLan, Reason.StillAnnounced])
def test_one_asked_for_by_name_is_refused_with_what_was_found(reason: Reason) -> None:
    """Whoever it is that answers; make before break: what the Service has stays."""
    web = service("web", "192.0.2.1", ask="192.0.2.2")
    claim = held("192.0.2.1", service("web"))
    found = _decided(web, claims=(claim,), lan=_on_lan("192.0.2.2", reason=reason))["web"]
    assert (found.action, found.reason, found.message) == (Action.REFUSE, reason, "192.0.2.2 is taken")
    assert list(map(str, found.addresses)) == ["192.0.2.1"]


def test_one_that_is_reserved_is_refused_as_if_it_were_asked_for() -> None:
    """And no other is given in its stead."""
    file = replace(LAN, reservations=(Reservation(WEB, (parse_address("192.0.2.2"),)),))
    web = _decided(service("web"), file=file, lan=_on_lan("192.0.2.2"))["web"]
    assert (web.reason, web.message) == (
        Reason.AddressInUseOnLan,
        "the pool file reserves 192.0.2.2 for it, and 192.0.2.2 is taken",
    )


@pytest.mark.parametrize("reassign", [False, True])
def test_what_a_service_holds_stays(reassign: bool) -> None:
    """Its announcer answers for it; whether its status shows the address or is yet to."""
    web, late = service("web", "192.0.2.1"), service("late")
    claims = (held("192.0.2.1", web), held("192.0.2.2", late))
    found = _decided(web, late, claims=claims, lan=_on_lan("192.0.2.1", "192.0.2.2"), reassign=reassign)
    assert _given(found) == {"web": ["192.0.2.1"], "late": ["192.0.2.2"]}


def test_who_may_share_an_address_joins_those_who_hold_it() -> None:
    """Asked for by name or not: their announcer answers for it."""
    first, second, third = (service(n, ports=[{"port": p}]) for n, p in (("one", 80), ("two", 81), ("three", 82)))
    for item in (first, second, third):
        item["metadata"]["annotations"]["lbctl/share"] = "k"
    third["metadata"]["annotations"]["lbctl/addresses"] = "192.0.2.1"
    first["status"] = service("one", "192.0.2.1")["status"]
    claim = held("192.0.2.1", first)
    from lbctl.services import parse_service

    shared = replace(claim, holders=(replace(claim.holders[0], share=parse_service(first).sharing),))
    found = _decided(first, second, third, claims=(shared,), lan=_on_lan("192.0.2.1"))
    assert _given(found) == {name: ["192.0.2.1"] for name in ("one", "two", "three")}


@pytest.mark.parametrize(
    ("reason", "given"), [(Reason.AddressInUseOnLan, "192.0.2.0"), (Reason.StillAnnounced, "192.0.2.2")]
)
def test_its_name_s_former_address_comes_back_unless_a_stranger_has_it(reason: Reason, given: str) -> None:
    """What a node of ours still announces, it announced for this very name."""
    claims = (released("192.0.2.2", service("web", uid="old"), ago=1),)
    assert _given(_decided(service("web"), claims=claims, lan=_on_lan("192.0.2.2", reason=reason))) == {"web": [given]}


def test_a_released_one_is_passed_over_as_well() -> None:
    """Of those that are free again the longest released goes first, if it is silent."""
    gone = service("gone")
    claims = (released("192.0.2.0", gone, ago=900), released("192.0.2.1", gone, ago=800))
    two = pools(pool("192.0.2.0/31"))
    assert _given(_decided(service("web"), claims=claims, file=two, lan=_on_lan("192.0.2.0"))) == {"web": ["192.0.2.1"]}


def test_one_that_falls_silent_is_given_by_an_index_that_is_kept() -> None:
    """The search begins no higher than there; what comes next is told in the order in which it is given."""
    index = Index({}, {}, {}, LAN, NOW)
    (p,) = LAN.pools
    index.put_lan(_on_lan("192.0.2.0", "192.0.2.2"))
    assert list(map(str, index.coming(p, Family.IPV4, 5))) == ["192.0.2.1", "192.0.2.3"]
    assert str(index.next_free(p, Family.IPV4, WEB)) == "192.0.2.1"
    index.put_lan(_on_lan("192.0.2.2"))
    assert list(map(str, index.coming(p, Family.IPV4, 2))) == ["192.0.2.0", "192.0.2.1"]
    assert str(index.next_free(p, Family.IPV4, WEB)) == "192.0.2.0"


def test_what_comes_next_are_untouched_ones_then_the_longest_released() -> None:
    """As next_free() gives them, and not those that still cool."""
    (p,) = LAN.pools
    gone = service("gone")
    ledger = blocks(*(released(f"192.0.2.{n}", gone, ago=ago) for n, ago in ((0, 100), (1, 900), (2, 10))))
    index = Index({}, ledger, {}, LAN, NOW)
    assert list(map(str, index.coming(p, Family.IPV4, 5))) == ["192.0.2.3", "192.0.2.1", "192.0.2.0"]
