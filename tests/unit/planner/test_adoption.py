"""What adopt, repair and prune decide, and what they write: claims for what is shown, and no status but lbctl's own."""

from __future__ import annotations

from typing import Any

import pytest

from lbctl.adoption import plan_adopt
from lbctl.apply import adopt, assign
from lbctl.decisions import Action, Snapshot
from lbctl.reasons import Reason
from lbctl.rivals import Origin
from lbctl.services import Key, parse_service
from tests.unit.planner.filled import (
    KEY,
    LAN,
    WEB,
    adopted,
    filled,
    said_of,
    sharer,
    theirs,
)
from tests.unit.planner.values import (
    NOW,
    Api,
    Json,
    blocks,
    frozen,
    held,
    pool,
    pools,
    released,
    service,
    snapshot,
)

# adopt: whose it is


@pytest.mark.parametrize(
    ("origin", "item"),
    [
        (Origin.METALLB, theirs("web", "192.0.2.1")),
        (Origin.METALLB, filled("web", "192.0.2.1", notes={"metallb.universe.tf/ip-allocated-from-pool": "lan"})),
        (Origin.PURELB, filled("web", "192.0.2.1", notes={"purelb.io/allocated-by": "PureLB"})),
        (Origin.KUBE_VIP, filled("web", "192.0.2.1", notes={"kube-vip.io/vipHost": "n1"})),
        (Origin.KUBE_VIP, filled("web", "192.0.2.1", by="kube-vip")),
        (Origin.CILIUM, filled("web", "192.0.2.1", by="cilium-operator")),
        (Origin.KLIPPER, filled("web", "192.0.2.1", by="k3s")),
        (Origin.ANY, filled("web", "192.0.2.1", by="controller")),
        (Origin.ANY, filled("web", "192.0.2.1")),
        (Origin.ANY, theirs("web", "192.0.2.1")),
    ],
)
def test_what_an_origin_has_assigned_is_adopted(origin: Origin, item: Json) -> None:
    """Told by the marks on the Service, or by managedFields; any asks for none."""
    decision = adopted(snapshot([item]), origin)["web"]
    assert (said_of(decision), {str(a): p for a, p in decision.claims.items()}) == (
        (Action.ADOPT, Reason.Adopted, ""),
        {"192.0.2.1": "p"},
    )


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (filled("web", "192.0.2.1", by="kube-vip"), "kube-vip wrote its status, not MetalLB; --from any does not ask"),
        (
            filled("web", "192.0.2.1", by="x"),
            "nothing says who wrote its status, not MetalLB; --from any does not ask",
        ),
    ],
)
def test_what_another_has_assigned_is_left_alone(item: Json, words: str) -> None:
    """It is said who it was, where anything says so."""
    decision = adopted(snapshot([item]), Origin.METALLB)["web"]
    assert said_of(decision) == (Action.SKIP, Reason.ForeignOwner, words)


# adopt: what stands in the way


def _hosted() -> Json:
    item = theirs("web", "192.0.2.1")
    item["status"]["loadBalancer"]["ingress"].append({"hostname": "lb.example.com"})
    return item


@pytest.mark.parametrize(
    ("item", "said"),
    [
        pytest.param(
            theirs("web", "198.51.100.1"),
            (Action.REFUSE, Reason.AddressOutsidePools, "198.51.100.1 is in no pool"),
            id="no pool of ours says that it is ours to hold",
        ),
        pytest.param(
            _hosted(),
            (Action.REFUSE, Reason.ForeignOwner, "its status shows lb.example.com, which is no address"),
            id="a status is adopted whole or not at all",
        ),
        pytest.param(
            theirs("web", "192.0.2.1", loadBalancerClass="example.com/lan"),
            (
                Action.REFUSE,
                Reason.ForeignClass,
                "its loadBalancerClass is example.com/lan, and the pool file serves those without a class",
            ),
            id="the class to put into the pool file is named",
        ),
        pytest.param(
            theirs("web", "192.0.2.1", families=("IPv6",)),
            (Action.REFUSE, Reason.FamilyMismatch, "192.0.2.1 is IPv4; the Service is IPv6"),
            id="the next assign would replace it",
        ),
        pytest.param(
            theirs("web", "192.0.2.1", notes={KEY: "k"}, ports=[{"port": 2 * n} for n in range(1, 66)]),
            (Action.REFUSE, Reason.TooManyPorts, "it has 65 ranges of ports, and shares"),
            id="a claim does not hold its ports",
        ),
        pytest.param(
            theirs("web", "192.0.2.1", type="ClusterIP"),
            (Action.SKIP, Reason.NotLoadBalancer, ""),
            id="no LoadBalancer",
        ),
        pytest.param(
            theirs("web", "192.0.2.1", notes={"lbctl/ignore": "true"}),
            (Action.SKIP, Reason.Ignored, ""),
            id="ignored",
        ),
        pytest.param(theirs("web"), (Action.SKIP, Reason.Pending, ""), id="there is nothing to adopt yet"),
    ],
)
def test_what_cannot_be_adopted_is_said_by_its_reason(item: Json, said: tuple[Action, Reason, str]) -> None:
    """And nothing is claimed."""
    decision = adopted(snapshot([item]), Origin.METALLB)["web"]
    assert (said_of(decision), dict(decision.claims)) == (said, {})


def test_a_nodes_address_is_not_adopted() -> None:
    """ServiceLB of k3s shows those of the nodes, which a node goes on having."""
    look = Snapshot(
        snapshot([filled("web", "192.0.2.1", by="k3s")]).services,
        {},
        {parse_service(service("x", "192.0.2.1")).status[0]: "node n1 has it"},
        NOW,
        "this",
    )
    assert said_of(adopted(look, Origin.KLIPPER)["web"]) == (
        Action.REFUSE,
        Reason.AddressInUse,
        "192.0.2.1 is in use: node n1 has it",
    )


def test_an_address_in_another_services_external_ips_is_not_adopted() -> None:
    """Of whatever type that is."""
    other = service("other", type="ClusterIP", externalIPs=["192.0.2.1"])
    decision = adopted(snapshot([theirs("web", "192.0.2.1"), other]))["web"]
    assert said_of(decision)[1:] == (
        Reason.AddressInUse,
        "192.0.2.1 is in use: Service d/other has it in externalIPs",
    )


def test_an_address_that_a_live_service_holds_is_not_adopted_for_another() -> None:
    """Its PATCH may be under way."""
    holder = service("holder")
    decision = adopted(snapshot([theirs("web", "192.0.2.1"), holder], blocks(held("192.0.2.1", holder))))["web"]
    assert said_of(decision) == (Action.REFUSE, Reason.AddressInUse, "192.0.2.1 is in use: Service d/holder holds it")


def test_an_address_in_a_block_that_cannot_be_read_is_not_adopted() -> None:
    """Who holds it already, nobody can say."""
    decision = adopted(snapshot([theirs("web", "192.0.2.1")], frozen("192.0.2.1")))["web"]
    assert said_of(decision) == (
        Action.REFUSE,
        Reason.LedgerUnreadable,
        "192.0.2.1 is in use: ConfigMap lbctl-claims-192.0.2.0 cannot be read: "
        "its ledger version is v2; this lbctl reads v1",
    )


@pytest.mark.parametrize(
    "given",
    [
        pool("192.0.2.0/29", disabled=True),
        pool("192.0.2.0/29", auto_assign=False),
        pool("192.0.2.0/29", namespaces=frozenset({"other"})),
        pool("192.0.2.0/29", avoid_buggy_ips=True),
    ],
)
def test_what_a_pool_would_not_give_now_is_adopted_all_the_same(given: Any) -> None:
    """It is in the status: adopting it gives nobody anything."""
    assert adopted(snapshot([theirs("web", "192.0.2.0")]), file=pools(given))["web"].action is Action.ADOPT


# adopt: two on one address


@pytest.mark.parametrize(
    ("other", "reason", "words"),
    [
        (theirs("other", "192.0.2.1"), Reason.AddressInUse, "192.0.2.1 is in use: Service d/other shows it"),
        (
            sharer("other", 80),
            Reason.SharingConflict,
            "192.0.2.1 cannot be shared with Service d/other: both use TCP/80",
        ),
        (
            sharer("other", 443, key="another"),
            Reason.SharingConflict,
            "192.0.2.1 cannot be shared with Service d/other: its sharing key is another",
        ),
    ],
)
def test_two_that_show_one_address_and_may_not_share_it_are_both_refused(
    other: Json, reason: Reason, words: str
) -> None:
    """lbctl would hold twice what it never gives twice."""
    said = adopted(snapshot([sharer("web", 80), other]))
    assert (said_of(said["web"]), said["other"].action) == ((Action.REFUSE, reason, words), Action.REFUSE)


def test_two_that_share_an_address_are_adopted_into_one_claim() -> None:
    """And a later one joins them."""
    api = Api([sharer("web", 80), sharer("other", 443)])
    adopt(api.cluster(), LAN, Origin.METALLB, frozenset({WEB}))
    assert [h.key.name for h in api.claims()["192.0.2.1"].holders] == ["web"]
    adopt(api.cluster(), LAN, Origin.METALLB)
    assert [h.key.name for h in api.claims()["192.0.2.1"].holders] == ["web", "other"]
    assert {d.action for d in assign(api.cluster(), LAN).values()} == {Action.KEEP}


# adopt: what is written


def test_adopting_writes_claims_and_no_service() -> None:
    """resourceVersions stay, refusals leave no condition, and assign then finds what it would have given itself."""
    items = [
        theirs("web", "192.0.2.1"),
        theirs("out", "198.51.100.1"),
        theirs("dup", "192.0.2.2"),
    ]
    items.append(theirs("dup2", "192.0.2.2"))
    api = Api(items)
    before = {path: item["metadata"]["resourceVersion"] for path, item in api.services.items()}
    results = adopt(api.cluster(), LAN, Origin.METALLB)
    assert {k.name: d.action for k, d in results.items()} == {
        "web": Action.ADOPT,
        "out": Action.REFUSE,
        "dup": Action.REFUSE,
        "dup2": Action.REFUSE,
    }
    assert not [call for call in api.calls if call.startswith("PATCH")]
    assert api.held() == {"192.0.2.1": "web"}
    holder = api.claims()["192.0.2.1"].holders[0]
    assert (holder.uid, holder.rv, holder.ask) == ("uid-web", "5", parse_service(items[0]).ask.digest)
    kept = assign(api.cluster(), LAN)[WEB]
    assert (kept.action, kept.reason) == (Action.KEEP, Reason.Assigned)
    assert {path: item["metadata"]["resourceVersion"] for path, item in api.services.items()} == before


def test_adopting_twice_changes_nothing_more() -> None:
    """The second run finds it done."""
    api = Api([theirs("web", "192.0.2.1")])
    adopt(api.cluster(), LAN, Origin.METALLB)
    before = api.blocks
    assert said_of(adopt(api.cluster(), LAN, Origin.METALLB)[WEB]) == (Action.KEEP, Reason.Assigned, "")
    assert api.blocks == before


def test_an_adoption_that_loses_its_block_looks_again() -> None:
    """Compare-and-swap, as for any claim."""
    api = Api([theirs("web", "192.0.2.1"), service("new")])
    cluster = api.cluster()
    planned = plan_adopt(cluster.snapshot(), LAN, Origin.METALLB)
    assign(api.cluster(), LAN, frozenset({Key("d", "new")}))
    assert adopt(cluster, LAN, Origin.METALLB, first=planned)[WEB].action is Action.ADOPT
    assert api.held() == {"192.0.2.0": "new", "192.0.2.1": "web"}


def test_a_claim_that_somebody_gone_has_left_becomes_the_adopted_ones() -> None:
    """Released, or held by who is gone."""
    for claim in (held("192.0.2.1", service("gone")), released("192.0.2.1", service("gone"), ago=5)):
        api = Api([theirs("web", "192.0.2.1")], blocks(claim))
        adopt(api.cluster(), LAN, Origin.METALLB)
        assert api.held() == {"192.0.2.1": "web"}


def test_every_address_of_a_status_is_adopted_and_kept() -> None:
    """Also two of one family, which lbctl itself never gives."""
    api = Api([theirs("web", "192.0.2.1", "192.0.2.2")])
    adopt(api.cluster(), LAN, Origin.METALLB)
    assert assign(api.cluster(), LAN)[WEB].action is Action.KEEP
    assert api.shown() == {"web": ["192.0.2.1", "192.0.2.2"]}


def test_what_a_service_asks_for_by_now_does_not_move_what_was_adopted() -> None:
    """The other system let it stand, too; a change of the ask after that is one."""
    api = Api([theirs("web", "192.0.2.1", ask="192.0.2.5")])
    adopt(api.cluster(), LAN, Origin.METALLB)
    assert assign(api.cluster(), LAN)[WEB].action is Action.KEEP
