"""What apply does with a plan, on an API server in memory: nothing of what it has just written is undone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lbctl.addresses import parse_address
from lbctl.apply import assign, release
from lbctl.decisions import Action
from lbctl.errors import ClusterError
from lbctl.kube.errors import Forbidden, Throttled, Unreachable
from lbctl.planner import plan
from lbctl.pools import Reservation
from lbctl.reasons import Reason
from lbctl.services import Key
from tests.unit.planner.values import Api, blocks, held, pool, pools, released, service

LAN = pools(pool("192.0.2.0/29"))
WEB = Key("d", "web")


def test_an_old_address_handed_out_again_keeps_its_new_claim_when_another_moves_in_its_block() -> None:
    """The claim of an address that nobody will get back is cleared away only while nobody holds it."""
    mover, newcomer = service("mover", "192.0.2.1", ask="192.0.2.2"), service("newcomer")
    before = service("mover", "192.0.2.1", ask="192.0.2.1")
    api = Api([mover, newcomer], blocks(held("192.0.2.1", before), released("192.0.2.3", service("gone"), ago=100_000)))
    assign(api.cluster(), pools(pool("192.0.2.1-192.0.2.3")))
    assert api.shown() == {"mover": ["192.0.2.2"], "newcomer": ["192.0.2.3"]}
    assert api.held() == {"192.0.2.2": "mover", "192.0.2.3": "newcomer"}


@pytest.mark.parametrize("at_once", [False, True])
def test_a_release_whose_last_answer_is_lost_is_done_when_the_block_says_so(at_once: bool) -> None:
    """A write that only lets go bears no attempt to be looked for: what the block holds now is what it was to hold."""
    web = service("web", "192.0.2.1")
    api = Api([web], blocks(held("192.0.2.1", web)))
    api.faults["PUT"] = Unreachable("no answer")
    results = release(api.cluster(), frozenset({WEB}), at_once=at_once)
    assert (results[WEB].reason, api.claims()["192.0.2.1"].state) == (Reason.Released, "parked")
    assert [call.partition(" ")[0] for call in api.calls] == ["GET", "GET", "GET", "PATCH", "PUT", "GET"]


def test_a_block_deleted_under_a_run_is_read_anew() -> None:
    """Somebody may delete the ledger at any time; the run then plans from what there is."""
    web, other = service("web"), service("other", "192.0.2.1")
    api = Api([web, other], blocks(held("192.0.2.1", other)))
    cluster = api.cluster()
    planned = plan(cluster.snapshot(), LAN)
    api.blocks.clear()
    assert assign(cluster, LAN, first=planned)[WEB].action is Action.ASSIGN
    assert api.shown()["web"] == ["192.0.2.0"]
    assert api.held() == {"192.0.2.0": "web"}


def test_a_retry_after_longer_than_the_wait_is_not_slept_through() -> None:
    """One more look when our own time is up; then it is said that nothing has come of it."""
    api = Api([service("web")])
    api.faults["PATCH"] = Throttled("busy", retry_after=3600.0)
    slept: list[float] = []
    results = assign(api.cluster(), LAN, wait=10.0, sleep=slept.append)
    assert (slept, results[WEB].action) == ([10.0], Action.ASSIGN)


def test_the_namespace_is_made_on_first_use_and_it_is_said() -> None:
    """Where the user may."""
    api = Api([service("web")])
    api.namespace = False
    said: list[str] = []
    cluster = api.cluster()
    cluster.tell = said.append
    assign(cluster, LAN)
    assert said == ["made the namespace lbctl-system, which holds lbctl's claims"]
    assert api.shown() == {"web": ["192.0.2.0"]}


def test_who_may_not_make_the_namespace_is_told_the_line_that_makes_it() -> None:
    """And nothing is published."""
    api = Api([service("web")])
    api.namespace = False
    api.refused = Forbidden("no")
    with pytest.raises(ClusterError) as caught:
        assign(api.cluster(), LAN)
    assert (caught.value.message, caught.value.hint, caught.value.reason) == (
        "the namespace lbctl-system, which holds lbctl's claims, does not exist and you may not create it",
        "kubectl create namespace lbctl-system",
        Reason.LedgerUnavailable,
    )
    assert api.shown() == {"web": []}


def test_a_release_said_again_is_done_again() -> None:
    """A script may repeat it; only what was never lbctl's is refused."""
    web = service("web", "192.0.2.1")
    api = Api([web, service("never")], blocks(held("192.0.2.1", web)))
    for _ in range(2):
        results = release(api.cluster(), frozenset({WEB, Key("d", "never")}))
        assert {key.name: (d.action, d.reason) for key, d in results.items()} == {
            "never": (Action.REFUSE, Reason.NotOurs),
            "web": (Action.RELEASE, Reason.Released),
        }
        assert (api.shown()["web"], api.claims()["192.0.2.1"].parked) == ([], True)


def test_release_now_frees_an_address_that_was_parked_before() -> None:
    """Another Service then gets it at once, where it would have waited for reuseAfter."""
    web = service("web", "192.0.2.1")
    api = Api([web, service("other")], blocks(held("192.0.2.1", web)))
    one = pools(pool("192.0.2.1"))
    release(api.cluster(), frozenset({WEB}))
    assert assign(api.cluster(), one, wait=0)[Key("d", "other")].reason is Reason.PoolExhausted
    release(api.cluster(), frozenset({WEB}), at_once=True)
    assign(api.cluster(), one, wait=0)
    assert api.shown() == {"web": [], "other": ["192.0.2.1"]}


def test_a_released_service_stays_parked_when_another_takes_its_address() -> None:
    """And lets it go again: `--all` gives it none before a person names it."""
    web, two, other = service("web", "192.0.2.0"), pools(pool("192.0.2.0/31")), Key("d", "other")
    api = Api([web, service("other", ask="192.0.2.0")], blocks(held("192.0.2.0", web)))
    release(api.cluster(), frozenset({WEB}), at_once=True)
    for _ in range(2):
        results = assign(api.cluster(), two)
        assert (results[WEB].reason, api.shown()) == (Reason.Released, {"web": [], "other": ["192.0.2.0"]})
    release(api.cluster(), frozenset({other}))
    assert {d.reason for d in assign(api.cluster(), two).values()} == {Reason.Released}
    assign(api.cluster(), two, frozenset({WEB}))
    assert api.shown() == {"web": ["192.0.2.1"], "other": []}


def test_a_service_released_after_its_ask_has_changed_is_parked_for_what_it_asks_by_now() -> None:
    """Its claim was written for what it asked before, to which the release has nothing to say."""
    web = service("web", "192.0.2.1", ask="192.0.2.9")
    api = Api([web], blocks(held("192.0.2.1", service("web"))))
    release(api.cluster(), frozenset({WEB}))
    assert assign(api.cluster(), LAN)[WEB].reason is Reason.Released
    api.services["/api/v1/namespaces/d/services/web"]["metadata"]["annotations"]["lbctl/addresses"] = "192.0.2.2"
    assign(api.cluster(), LAN)
    assert api.shown() == {"web": ["192.0.2.2"]}


def test_a_status_in_the_wrong_order_is_put_right() -> None:
    """A run may have been killed between the claims for what the Service asks by now and its status."""
    web = service("web", "2001:db8::1", "192.0.2.1", families=("IPv4", "IPv6"))
    api = Api([web], blocks(held("192.0.2.1", web), held("2001:db8::1", web)))
    for action in (Action.ASSIGN, Action.KEEP):
        assert assign(api.cluster(), LAN)[WEB].action is action
        assert api.shown() == {"web": ["192.0.2.1", "2001:db8::1"]}


def test_who_has_an_address_does_not_leave_it_for_another_while_the_one_reserved_for_it_is_taken() -> None:
    """Nor in the family it could do without: it would have to move twice."""
    both: dict[str, Any] = {"families": ("IPv6", "IPv4"), "policy": "PreferDualStack"}
    web, other = service("web", "2001:db8::1", "192.0.2.5", **both), service("other", "192.0.2.1")
    api = Api([web, other], blocks(held("2001:db8::1", web), held("192.0.2.5", web), held("192.0.2.1", other)))
    file = replace(
        pools(pool("192.0.2.0/29", "2001:db8::1")), reservations=(Reservation(WEB, (parse_address("192.0.2.1"),)),)
    )
    result = assign(api.cluster(), file, frozenset({WEB}), reassign=True, wait=0)[WEB]
    assert (result.reason, api.shown()["web"]) == (Reason.AddressInUse, ["2001:db8::1", "192.0.2.5"])
    assign(api.cluster(), file, reassign=True, sleep=lambda _: None)
    assert api.shown() == {"web": ["2001:db8::1", "192.0.2.1"], "other": ["192.0.2.0"]}


def test_who_comes_to_share_an_address_and_who_joins_it_are_served_by_one_run() -> None:
    """The claim says only once it is written anew by what its holder shares: then the other is looked at again."""
    key: dict[str, Any] = {"annotations": {"lbctl/share": "k"}}
    holder, joins = service("holder", "192.0.2.1"), service("joins")
    api = Api([holder, joins], blocks(held("192.0.2.1", holder)))
    for port, item in enumerate((holder, joins), 80):
        item["metadata"].update(key)
        item["spec"]["ports"] = [{"port": port}]
    assign(api.cluster(), pools(pool("192.0.2.1")), sleep=lambda _: None)
    assert api.shown() == {"holder": ["192.0.2.1"], "joins": ["192.0.2.1"]}


def test_who_makes_do_with_one_family_is_looked_at_again_when_a_run_lets_go_of_an_address() -> None:
    """PreferDualStack: the second is added as soon as it is free."""
    web, gone = service("web", families=("IPv6", "IPv4"), policy="PreferDualStack"), service("gone")
    api = Api([web], blocks(held("192.0.2.1", gone)))
    assign(api.cluster(), pools(pool("192.0.2.1", "2001:db8::1", reuse=0)), sleep=lambda _: None)
    assert api.shown() == {"web": ["2001:db8::1", "192.0.2.1"]}


def test_a_service_that_asks_for_something_else_is_no_longer_parked() -> None:
    """Though another has its address: the ask is a person's word, too."""
    web, two = service("web", "192.0.2.0"), pools(pool("192.0.2.0/31"))
    api = Api([web, service("other", ask="192.0.2.0")], blocks(held("192.0.2.0", web)))
    release(api.cluster(), frozenset({WEB}), at_once=True)
    assign(api.cluster(), two)
    api.services["/api/v1/namespaces/d/services/web"]["metadata"]["annotations"]["lbctl/addresses"] = "192.0.2.1"
    assign(api.cluster(), two)
    assert api.shown() == {"web": ["192.0.2.1"], "other": ["192.0.2.0"]}


def test_what_a_newer_lbctl_put_into_a_claim_is_kept_when_it_is_written_anew() -> None:
    """As long as it is the same Service's."""
    web = service("web", ask="192.0.2.1")
    claim = held("192.0.2.1", service("web"))
    newer = replace(claim, holders=(replace(claim.holders[0], extra={"keyHash": "k"}),), extra={"sharing": "s"})
    api = Api([web], blocks(newer))
    assign(api.cluster(), LAN)
    now = api.claims()["192.0.2.1"]
    assert (now.extra, now.holders[0].extra, now.holders[0].ask) == (
        {"sharing": "s"},
        {"keyHash": "k"},
        plan(api.cluster().snapshot(), LAN).decisions[0].service.ask.digest,
    )


def test_a_block_without_its_label_still_claims_what_stands_in_it() -> None:
    """Not seen, its addresses would be tried again and again, and each write would find the name taken."""
    web, other = service("web"), service("other", "192.0.2.1")
    api = Api([web, other], blocks(held("192.0.2.1", other)))
    del api.blocks["lbctl-claims-192.0.2.0"]["metadata"]["labels"]["lbctl/ledger"]
    results = assign(api.cluster(), LAN, wait=0)
    assert results[WEB].reason is results[Key("d", "other")].reason is Reason.LedgerUnreadable
    assert results[WEB].message == (
        "no IPv4 address is free in p: ConfigMap lbctl-claims-192.0.2.0 cannot be read: "
        "its label lbctl/ledger is gone, which says how to read it"
    )
