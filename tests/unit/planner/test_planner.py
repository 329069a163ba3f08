"""What the planner decides in the corners: claims that outlived what they were made for."""

from __future__ import annotations

from typing import Any

import pytest

from lbctl.addresses import Address, parse_address
from lbctl.decisions import Action, Decision, Plan, Snapshot
from lbctl.planner import plan, plan_release
from lbctl.pools import Pool, PoolFile
from lbctl.reasons import Reason
from lbctl.services import Key
from tests.unit.planner.values import NOW, blocks, frozen, held, pool, pools, released, service, snapshot

LAN = pools(pool("192.0.2.0/29"))
HOUR = 3600


def _one(look: Snapshot, file: PoolFile = LAN, name: str = "web") -> Decision:
    """The decision for one Service in a plan for all."""
    return next(d for d in plan(look, file).decisions if d.service.key == Key("d", name))


def _orphans(done: Plan) -> list[str]:
    return [f"{claim.address} of {holder.key}" for claim, holder in done.orphans]


@pytest.mark.parametrize(
    ("age", "action"),
    [(0, Action.WAIT), (4, Action.WAIT), (5, Action.ASSIGN), (-4, Action.WAIT), (-HOUR, Action.ASSIGN)],
)
def test_a_claim_without_an_address_is_left_to_its_run_for_5_s(age: int, action: Action) -> None:
    """Also when another API server's clock, an hour ahead, has dated it: that is no reason to wait for an hour."""
    web = service("web")
    decision = _one(snapshot([web], blocks(held("192.0.2.1", web, at=NOW - age))))
    assert decision.action is action
    assert list(map(str, decision.claims)) == (["192.0.2.1"] if action is Action.ASSIGN else [])


def test_an_address_in_a_block_that_cannot_be_read_stays_and_the_config_map_is_named() -> None:
    """It is not another controller's: who clears it would break a Service for nothing."""
    decision = _one(snapshot([service("web", "192.0.2.1")], frozen("192.0.2.1")))
    assert (decision.action, decision.reason, decision.addresses) == (
        Action.REFUSE,
        Reason.LedgerUnreadable,
        decision.service.status,
    )
    assert decision.message == (
        "the claim for 192.0.2.1 stands in ConfigMap lbctl-claims-192.0.2.0, which cannot be read: "
        "its ledger version is v2; this lbctl reads v1"
    )


def test_what_stands_in_a_block_that_cannot_be_read_is_not_released() -> None:
    """Nor said to be nobody's."""
    (decision,) = plan_release(
        snapshot([service("web", "192.0.2.1")], frozen("192.0.2.1")), frozenset({Key("d", "web")}), at_once=False
    ).decisions
    assert (decision.action, decision.reason) == (Action.REFUSE, Reason.LedgerUnreadable)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            "192.0.2.1",
            "192.0.2.1 is in use: ConfigMap lbctl-claims-192.0.2.0 cannot be read: "
            "its ledger version is v2; this lbctl reads v1",
        ),
        (
            "",
            "no IPv4 address is free in p: ConfigMap lbctl-claims-192.0.2.0 cannot be read: "
            "its ledger version is v2; this lbctl reads v1",
        ),
    ],
)
def test_a_refusal_for_a_block_that_cannot_be_read_names_its_config_map(ask: str, message: str) -> None:
    """All its addresses count as in use, and that is what is to be mended, not the pool."""
    decision = _one(snapshot([service("web", ask=ask)], frozen("192.0.2.1")))
    assert (decision.reason, decision.message) == (Reason.LedgerUnreadable, message)


def test_another_block_of_the_pool_serves_while_one_cannot_be_read() -> None:
    """Only its own addresses are frozen."""
    decision = _one(snapshot([service("web")], frozen("192.0.2.1")), pools(pool("192.0.2.0-192.0.2.64")))
    assert list(map(str, decision.addresses)) == ["192.0.2.64"]


def test_a_claim_of_a_service_that_came_back_with_another_class_is_let_go() -> None:
    """Through ClusterIP a Service may change its class and keep its uid; what is another controller's holds nothing."""
    web = service("web", version="9", loadBalancerClass="example.com/other")
    assert _orphans(plan(snapshot([web], blocks(held("192.0.2.1", web))), LAN)) == ["192.0.2.1 of d/web"]


@pytest.mark.parametrize(
    ("version", "shown", "at", "file"),
    [
        pytest.param("1", [], NOW - HOUR, LAN, id="a PATCH under it may land yet"),
        pytest.param("9", ["192.0.2.1"], NOW - HOUR, LAN, id="it is shown"),
        pytest.param("9", [], NOW - 1, LAN, id="it is young"),
        pytest.param("9", [], NOW - HOUR, pools(pool("198.51.100.0/24")), id="it belongs to another pool file"),
    ],
)
def test_a_claim_of_another_class_stays_while(version: str, shown: list[str], at: int, file: PoolFile) -> None:
    """Rule 3, and two pool files with a class each do not clear away one another's claims."""
    web = service("web", *shown, version=version, loadBalancerClass="example.com/other")
    assert _orphans(plan(snapshot([web], blocks(held("192.0.2.1", web, at=at))), file)) == []


def test_a_released_claim_outside_our_pools_is_kept_as_long_as_one_of_a_pool_of_ours() -> None:
    """Another admin's pool file may hold it: the run of one does not forget for the other."""
    gone = service("gone")
    for ago, expired in ((HOUR, set()), (25 * HOUR, {"198.51.100.9"})):
        done = plan(snapshot([], blocks(released("198.51.100.9", gone, ago=ago))), LAN)
        assert set(map(str, done.expired)) == expired


def test_a_plan_does_not_depend_on_the_order_in_which_the_api_lists_things() -> None:
    """Nor does what is told of a move."""
    how: dict[str, Any] = {"families": ("IPv4", "IPv6"), "policy": "PreferDualStack"}
    before = service("web", "192.0.2.1", "2001:db8::1", **how)
    web = service("web", "192.0.2.1", "2001:db8::1", ask="192.0.2.2", **how)
    ledger = blocks(held("192.0.2.1", before), held("2001:db8::1", before))
    one, other = (plan(snapshot([web], dict(order)), LAN) for order in (ledger.items(), reversed(ledger.items())))
    assert one.decisions == other.decisions
    assert one.decisions[0].drops == (parse_address("192.0.2.1"), parse_address("2001:db8::1"))


def test_of_addresses_let_go_in_one_second_the_lower_is_given_back() -> None:
    """Every process that looks at the same cluster decides alike."""
    gone = service("web", uid="old")
    for last in range(1, 7):
        ledger = blocks(*(released(f"192.0.2.{n}", gone, ago=5) for n in range(6, last - 1, -1)))
        assert _one(snapshot([service("web")], ledger), LAN, "web").addresses == (parse_address(f"192.0.2.{last}"),)


def test_of_several_who_use_an_address_the_same_one_is_told_of() -> None:
    """In whatever order the API lists them."""
    several = [service(name, "192.0.2.1") for name in ("c", "b", "d")]
    web = service("web", ask="192.0.2.1")
    for services in ([*several, web], [web, *reversed(several)]):
        assert _one(snapshot(services), LAN, "web").message == "192.0.2.1 is in use: Service d/b shows it"


def test_a_refusal_says_when_the_next_address_is_free_not_when_one_was() -> None:
    """An address that this plan has given away is not free in 0 s."""
    gone = service("gone")
    ledger = blocks(released("192.0.2.1", gone, ago=100), released("192.0.2.2", gone, ago=20))
    look = snapshot([service("a"), service("b")], ledger)
    file = pools(pool("192.0.2.1-192.0.2.2"))
    assert _one(look, file, "a").action is Action.ASSIGN
    assert _one(look, file, "b").message == ("no IPv4 address is free in p; the next released one is free in 40 s")


def test_refused_services_do_not_walk_through_all_claims_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that is full is asked once when its next address is free, not by each of the thousands it refuses."""
    asked = 0

    def counted(claims: Pool, address: Address) -> bool:
        nonlocal asked
        asked += 1
        return offers(claims, address)

    offers = Pool.offers
    monkeypatch.setattr(Pool, "offers", counted)
    gone = service("gone")
    ledger = blocks(*(released(f"198.18.0.{n}", gone, ago=0) for n in range(256)))
    done = plan(snapshot([service(f"w{n}") for n in range(1000)], ledger), pools(pool("198.18.0.0/24")))
    assert {d.reason for d in done.decisions} == {Reason.PoolExhausted}
    assert asked < 2000
