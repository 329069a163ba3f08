"""What adopt, repair and prune decide, and what they write: claims for what is shown, and no status but lbctl's own."""

from __future__ import annotations

from typing import Any

import pytest

from lbctl.adoption import contradictions, plan_adopt, plan_prune, plan_repair, wrote
from lbctl.apply import adopt, assign, prune, repair
from lbctl.decisions import Action, Decision, Plan, Snapshot
from lbctl.kube.errors import Conflict
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.rivals import Origin
from lbctl.services import CONDITION, Key, parse_service
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

LAN = pools(pool("192.0.2.0/29"))
WEB = Key("d", "web")
METALLB = "metallb.io/ip-allocated-from-pool"
KEY = "metallb.io/allow-shared-ip"


def _of(name: str, *shown: str, by: str = "", notes: dict[str, str] | None = None, **more: Any) -> Json:
    """A Service whose status this field manager wrote, with annotations."""
    item = service(name, *shown, **more)
    item["metadata"]["annotations"] |= notes or {}
    if by:
        fields: Json = {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
        item["metadata"]["managedFields"] = [{"manager": by, "operation": "Update", "fieldsV1": fields}]
    return item


def _metallb(name: str, *shown: str, **more: Any) -> Json:
    notes = {METALLB: "lan", **more.pop("notes", {})}
    return _of(name, *shown, by="controller", notes=notes, **more)


def _ours(name: str, *shown: str, **more: Any) -> Json:
    return _of(name, *shown, by="lbctl", **more)


def _sharer(name: str, port: int, *, key: str = "k", mine: bool = False) -> Json:
    make = _ours if mine else _metallb
    return make(name, "192.0.2.1", notes={KEY: key}, ports=[{"port": port}])


def _made(item: Json, when: str) -> Json:
    item["metadata"]["creationTimestamp"] = when
    return item


def _adopted(look: Snapshot, origin: Origin = Origin.ANY, file: PoolFile = LAN) -> dict[str, Decision]:
    return {d.service.key.name: d for d in plan_adopt(look, file, origin).decisions}


def _said(decision: Decision) -> tuple[Action, Reason, str]:
    return decision.action, decision.reason, decision.message


# adopt: whose it is


@pytest.mark.parametrize(
    ("origin", "item"),
    [
        (Origin.METALLB, _metallb("web", "192.0.2.1")),
        (Origin.METALLB, _of("web", "192.0.2.1", notes={"metallb.universe.tf/ip-allocated-from-pool": "lan"})),
        (Origin.PURELB, _of("web", "192.0.2.1", notes={"purelb.io/allocated-by": "PureLB"})),
        (Origin.KUBE_VIP, _of("web", "192.0.2.1", notes={"kube-vip.io/vipHost": "n1"})),
        (Origin.KUBE_VIP, _of("web", "192.0.2.1", by="kube-vip")),
        (Origin.CILIUM, _of("web", "192.0.2.1", by="cilium-operator")),
        (Origin.KLIPPER, _of("web", "192.0.2.1", by="k3s")),
        (Origin.ANY, _of("web", "192.0.2.1", by="controller")),
        (Origin.ANY, _of("web", "192.0.2.1")),
        (Origin.ANY, _metallb("web", "192.0.2.1")),
    ],
)
def test_what_an_origin_has_assigned_is_adopted(origin: Origin, item: Json) -> None:
    """Told by the marks on the Service, or by managedFields; any asks for none."""
    decision = _adopted(snapshot([item]), origin)["web"]
    assert (_said(decision), {str(a): p for a, p in decision.claims.items()}) == (
        (Action.ADOPT, Reason.Adopted, ""),
        {"192.0.2.1": "p"},
    )


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (_of("web", "192.0.2.1", by="kube-vip"), "kube-vip wrote its status, not MetalLB; --from any does not ask"),
        (
            _of("web", "192.0.2.1", by="x"),
            "nothing says who wrote its status, not MetalLB; --from any does not ask",
        ),
    ],
)
def test_what_another_has_assigned_is_left_alone(item: Json, words: str) -> None:
    """It is said who it was, where anything says so."""
    decision = _adopted(snapshot([item]), Origin.METALLB)["web"]
    assert _said(decision) == (Action.SKIP, Reason.ForeignOwner, words)


# adopt: what stands in the way


def _hosted() -> Json:
    item = _metallb("web", "192.0.2.1")
    item["status"]["loadBalancer"]["ingress"].append({"hostname": "lb.example.com"})
    return item


@pytest.mark.parametrize(
    ("item", "said"),
    [
        pytest.param(
            _metallb("web", "198.51.100.1"),
            (Action.REFUSE, Reason.AddressOutsidePools, "198.51.100.1 is in no pool"),
            id="no pool of ours says that it is ours to hold",
        ),
        pytest.param(
            _hosted(),
            (Action.REFUSE, Reason.ForeignOwner, "its status shows lb.example.com, which is no address"),
            id="a status is adopted whole or not at all",
        ),
        pytest.param(
            _metallb("web", "192.0.2.1", loadBalancerClass="example.com/lan"),
            (
                Action.REFUSE,
                Reason.ForeignClass,
                "its loadBalancerClass is example.com/lan, and the pool file serves those without a class",
            ),
            id="the class to put into the pool file is named",
        ),
        pytest.param(
            _metallb("web", "192.0.2.1", families=("IPv6",)),
            (Action.REFUSE, Reason.FamilyMismatch, "192.0.2.1 is IPv4; the Service is IPv6"),
            id="the next assign would replace it",
        ),
        pytest.param(
            _metallb("web", "192.0.2.1", notes={KEY: "k"}, ports=[{"port": 2 * n} for n in range(1, 66)]),
            (Action.REFUSE, Reason.TooManyPorts, "it has 65 ranges of ports, and shares"),
            id="a claim does not hold its ports",
        ),
        pytest.param(
            _metallb("web", "192.0.2.1", type="ClusterIP"),
            (Action.SKIP, Reason.NotLoadBalancer, ""),
            id="no LoadBalancer",
        ),
        pytest.param(
            _metallb("web", "192.0.2.1", notes={"lbctl/ignore": "true"}),
            (Action.SKIP, Reason.Ignored, ""),
            id="ignored",
        ),
        pytest.param(_metallb("web"), (Action.SKIP, Reason.Pending, ""), id="there is nothing to adopt yet"),
    ],
)
def test_what_cannot_be_adopted_is_said_by_its_reason(item: Json, said: tuple[Action, Reason, str]) -> None:
    """And nothing is claimed."""
    decision = _adopted(snapshot([item]), Origin.METALLB)["web"]
    assert (_said(decision), dict(decision.claims)) == (said, {})


def test_a_nodes_address_is_not_adopted() -> None:
    """ServiceLB of k3s shows those of the nodes, which a node goes on having."""
    look = Snapshot(
        snapshot([_of("web", "192.0.2.1", by="k3s")]).services,
        {},
        {parse_service(service("x", "192.0.2.1")).status[0]: "node n1 has it"},
        NOW,
        "this",
    )
    assert _said(_adopted(look, Origin.KLIPPER)["web"]) == (
        Action.REFUSE,
        Reason.AddressInUse,
        "192.0.2.1 is in use: node n1 has it",
    )


def test_an_address_in_another_services_external_ips_is_not_adopted() -> None:
    """Of whatever type that is."""
    other = service("other", type="ClusterIP", externalIPs=["192.0.2.1"])
    decision = _adopted(snapshot([_metallb("web", "192.0.2.1"), other]))["web"]
    assert _said(decision)[1:] == (
        Reason.AddressInUse,
        "192.0.2.1 is in use: Service d/other has it in externalIPs",
    )


def test_an_address_that_a_live_service_holds_is_not_adopted_for_another() -> None:
    """Its PATCH may be under way."""
    holder = service("holder")
    decision = _adopted(snapshot([_metallb("web", "192.0.2.1"), holder], blocks(held("192.0.2.1", holder))))["web"]
    assert _said(decision) == (Action.REFUSE, Reason.AddressInUse, "192.0.2.1 is in use: Service d/holder holds it")


def test_an_address_in_a_block_that_cannot_be_read_is_not_adopted() -> None:
    """Who holds it already, nobody can say."""
    decision = _adopted(snapshot([_metallb("web", "192.0.2.1")], frozen("192.0.2.1")))["web"]
    assert _said(decision) == (
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
    assert _adopted(snapshot([_metallb("web", "192.0.2.0")]), file=pools(given))["web"].action is Action.ADOPT


# adopt: two on one address


@pytest.mark.parametrize(
    ("other", "reason", "words"),
    [
        (_metallb("other", "192.0.2.1"), Reason.AddressInUse, "192.0.2.1 is in use: Service d/other shows it"),
        (
            _sharer("other", 80),
            Reason.SharingConflict,
            "192.0.2.1 cannot be shared with Service d/other: both use TCP/80",
        ),
        (
            _sharer("other", 443, key="another"),
            Reason.SharingConflict,
            "192.0.2.1 cannot be shared with Service d/other: its sharing key is another",
        ),
    ],
)
def test_two_that_show_one_address_and_may_not_share_it_are_both_refused(
    other: Json, reason: Reason, words: str
) -> None:
    """lbctl would hold twice what it never gives twice."""
    said = _adopted(snapshot([_sharer("web", 80), other]))
    assert (_said(said["web"]), said["other"].action) == ((Action.REFUSE, reason, words), Action.REFUSE)


def test_two_that_share_an_address_are_adopted_into_one_claim() -> None:
    """And a later one joins them."""
    api = Api([_sharer("web", 80), _sharer("other", 443)])
    adopt(api.cluster(), LAN, Origin.METALLB, frozenset({WEB}))
    assert [h.key.name for h in api.claims()["192.0.2.1"].holders] == ["web"]
    adopt(api.cluster(), LAN, Origin.METALLB)
    assert [h.key.name for h in api.claims()["192.0.2.1"].holders] == ["web", "other"]
    assert {d.action for d in assign(api.cluster(), LAN).values()} == {Action.KEEP}


# adopt: what is written


def test_adopting_writes_claims_and_no_service() -> None:
    """resourceVersions stay, refusals leave no condition, and assign then finds what it would have given itself."""
    items = [_metallb("web", "192.0.2.1"), _metallb("out", "198.51.100.1"), _metallb("dup", "192.0.2.2")]
    items.append(_metallb("dup2", "192.0.2.2"))
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
    api = Api([_metallb("web", "192.0.2.1")])
    adopt(api.cluster(), LAN, Origin.METALLB)
    before = api.blocks
    assert _said(adopt(api.cluster(), LAN, Origin.METALLB)[WEB]) == (Action.KEEP, Reason.Assigned, "")
    assert api.blocks == before


def test_an_adoption_that_loses_its_block_looks_again() -> None:
    """Compare-and-swap, as for any claim."""
    api = Api([_metallb("web", "192.0.2.1"), service("new")])
    cluster = api.cluster()
    planned = plan_adopt(cluster.snapshot(), LAN, Origin.METALLB)
    assign(api.cluster(), LAN, frozenset({Key("d", "new")}))
    assert adopt(cluster, LAN, Origin.METALLB, first=planned)[WEB].action is Action.ADOPT
    assert api.held() == {"192.0.2.0": "new", "192.0.2.1": "web"}


def test_a_claim_that_somebody_gone_has_left_becomes_the_adopted_ones() -> None:
    """Released, or held by who is gone."""
    for claim in (held("192.0.2.1", service("gone")), released("192.0.2.1", service("gone"), ago=5)):
        api = Api([_metallb("web", "192.0.2.1")], blocks(claim))
        adopt(api.cluster(), LAN, Origin.METALLB)
        assert api.held() == {"192.0.2.1": "web"}


def test_every_address_of_a_status_is_adopted_and_kept() -> None:
    """Also two of one family, which lbctl itself never gives."""
    api = Api([_metallb("web", "192.0.2.1", "192.0.2.2")])
    adopt(api.cluster(), LAN, Origin.METALLB)
    assert assign(api.cluster(), LAN)[WEB].action is Action.KEEP
    assert api.shown() == {"web": ["192.0.2.1", "192.0.2.2"]}


def test_what_a_service_asks_for_by_now_does_not_move_what_was_adopted() -> None:
    """The other system let it stand, too; a change of the ask after that is one."""
    api = Api([_metallb("web", "192.0.2.1", ask="192.0.2.5")])
    adopt(api.cluster(), LAN, Origin.METALLB)
    assert assign(api.cluster(), LAN)[WEB].action is Action.KEEP


# repair


def _told(item: Json, message: str, status: str = "True") -> Json:
    item["status"]["conditions"] = [{"type": CONDITION, "status": status, "reason": "Assigned", "message": message}]
    return item


@pytest.mark.parametrize(
    ("item", "ours"),
    [
        pytest.param(_ours("web", "192.0.2.1"), True, id="managedFields say so"),
        pytest.param(_metallb("web", "192.0.2.1"), False, id="managedFields name another"),
        pytest.param(_told(service("web", "192.0.2.1"), "192.0.2.1"), True, id="the condition says so"),
        pytest.param(_told(service("web", "192.0.2.1"), "192.0.2.2"), False, id="the condition names another address"),
        pytest.param(_told(service("web", "192.0.2.1"), "192.0.2.1", "False"), False, id="the condition is a refusal"),
        pytest.param(_told(_metallb("web", "192.0.2.1"), "192.0.2.1"), False, id="managedFields know better"),
        pytest.param(service("web", "192.0.2.1"), False, id="nothing says so"),
    ],
)
def test_whether_lbctl_wrote_a_status(item: Json, ours: bool) -> None:
    """By managedFields, which the API server keeps; by its condition where those were taken away."""
    assert wrote(parse_service(item)) is ours


def _repaired(look: Snapshot, file: PoolFile = LAN) -> dict[str, Decision]:
    return {d.service.key.name: d for d in plan_repair(look, file).decisions}


def test_a_lost_ledger_is_written_anew_from_what_lbctl_published() -> None:
    """Everybody keeps what is shown, also what is in none of this pool file; what others wrote is not claimed."""
    items = [_ours("web", "192.0.2.1"), _ours("out", "198.51.100.1"), _metallb("other", "192.0.2.2"), service("new")]
    api = Api(items)
    versions = {path: item["metadata"]["resourceVersion"] for path, item in api.services.items()}
    results = repair(api.cluster(), LAN)
    assert {k.name: (d.action, d.reason) for k, d in results.items()} == {
        "web": (Action.ADOPT, Reason.Assigned),
        "out": (Action.ADOPT, Reason.Assigned),
    }
    assert api.held() == {"192.0.2.1": "web", "198.51.100.1": "out"}
    assert [api.claims()[a].pool for a in ("192.0.2.1", "198.51.100.1")] == ["p", "unknown"]
    assert {path: item["metadata"]["resourceVersion"] for path, item in api.services.items()} == versions
    assert {d.action for d in repair(api.cluster(), LAN).values()} == {Action.KEEP}


def test_of_two_that_show_one_address_the_older_keeps_it() -> None:
    """The other gets another, make before break."""
    young, old = _made(_ours("a", "192.0.2.0"), "2026-02-01T00:00:00Z"), _made(_ours("b", "192.0.2.0"), "2026-01-01")
    api = Api([young, old])
    repair(api.cluster(), LAN)
    assert api.shown() == {"a": ["192.0.2.1"], "b": ["192.0.2.0"]}
    assert api.held() == {"192.0.2.0": "b", "192.0.2.1": "a"}
    assert [c.split()[0] for c in api.calls].index("POST") < [c.split()[0] for c in api.calls].index("PATCH")


def test_of_two_that_show_one_address_its_holder_keeps_it() -> None:
    """However young it is."""
    holder, old = _made(_ours("holder", "192.0.2.0"), "2026-02-01"), _made(_ours("old", "192.0.2.0"), "2026-01-01")
    api = Api([holder, old], blocks(held("192.0.2.0", holder)))
    repair(api.cluster(), LAN)
    assert api.shown() == {"holder": ["192.0.2.0"], "old": ["192.0.2.1"]}


def test_two_that_may_share_are_claimed_as_one() -> None:
    """A key that came through the loss."""
    api = Api([_sharer("web", 80, mine=True), _sharer("other", 443, mine=True)])
    repair(api.cluster(), LAN)
    assert sorted(h.key.name for h in api.claims()["192.0.2.1"].holders) == ["other", "web"]
    assert api.shown() == {"web": ["192.0.2.1"], "other": ["192.0.2.1"]}


def test_a_dual_stack_service_loses_only_the_address_that_another_keeps() -> None:
    """The other family stays as it is."""
    both = ("IPv4", "IPv6")
    loser = _made(_ours("loser", "192.0.2.0", "2001:db8::1", families=both), "2026-02-01")
    api = Api([loser, _made(_ours("old", "192.0.2.0"), "2026-01-01")])
    repair(api.cluster(), pools(pool("192.0.2.0/29", "2001:db8::/124")))
    assert api.shown() == {"loser": ["192.0.2.1", "2001:db8::1"], "old": ["192.0.2.0"]}
    assert api.held() == {"192.0.2.0": "old", "192.0.2.1": "loser", "2001:db8::1": "loser"}


@pytest.mark.parametrize(
    ("loser", "file", "reason", "words"),
    [
        pytest.param(
            _ours("loser", "192.0.2.0"),
            pools(pool("192.0.2.0")),
            Reason.PoolExhausted,
            "192.0.2.0 is in use: Service d/a shows it; no IPv4 address is free in p",
            id="nothing is free",
        ),
        pytest.param(
            _ours("loser", "192.0.2.0", ask="192.0.2.0"),
            LAN,
            Reason.AddressInUse,
            "192.0.2.0 is in use: Service d/a shows it",
            id="it asks for this one",
        ),
        pytest.param(
            _told(service("loser", "192.0.2.0"), "192.0.2.0"),
            LAN,
            Reason.AddressInUse,
            "192.0.2.0 is in use: Service d/a shows it",
            id="its condition alone does not let lbctl clear it",
        ),
    ],
)
def test_who_cannot_be_moved_keeps_the_address_and_is_told(
    loser: Json, file: PoolFile, reason: Reason, words: str
) -> None:
    """Never left without."""
    keeper = _made(_ours("a", "192.0.2.0"), "2026-01-01")
    api = Api([keeper, _made(loser, "2026-02-01")])
    results = repair(api.cluster(), file, wait=0)
    assert _said(results[Key("d", "loser")]) == (Action.REFUSE, reason, words)
    assert api.shown() == {"a": ["192.0.2.0"], "loser": ["192.0.2.0"]}
    assert api.held() == {"192.0.2.0": "a"}


def test_an_address_of_ours_that_another_controller_gave_away_too_is_claimed_and_told() -> None:
    """Nobody is moved for what lbctl has not done."""
    look = snapshot([_ours("web", "192.0.2.1"), _metallb("other", "192.0.2.1")])
    assert _repaired(look)["web"].action is Action.ADOPT
    web = _ours("web", "192.0.2.1")
    after = snapshot([web, _metallb("other", "192.0.2.1")], blocks(held("192.0.2.1", web)))
    assert list(contradictions(after)) == ["d/other shows 192.0.2.1, which lbctl did not write there and d/web holds"]


def test_a_block_that_cannot_be_read_is_not_touched() -> None:
    """And its Services are told."""
    decision = _repaired(snapshot([_ours("web", "192.0.2.1")], frozen("192.0.2.1")))["web"]
    assert _said(decision) == (
        Action.REFUSE,
        Reason.LedgerUnreadable,
        "ConfigMap lbctl-claims-192.0.2.0 cannot be read: its ledger version is v2; this lbctl reads v1",
    )


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([_ours("web", "192.0.2.1")], []),
        (
            [_ours("web", "192.0.2.2")],
            ["192.0.2.1 is held by d/web, which shows 192.0.2.2: lbctl assign d/web settles it"],
        ),
        ([service("web")], ["192.0.2.1 is held by d/web, which shows nothing: lbctl assign d/web settles it"]),
        ([], ["192.0.2.1 is held by d/web, which is gone: lbctl claims prune lets it go"]),
        (
            [service("web", uid="new")],
            ["192.0.2.1 is held by d/web, which was deleted and created again: lbctl claims prune lets it go"],
        ),
    ],
)
def test_what_contradicts_a_claim_is_said(items: list[Json], said: list[str]) -> None:
    """With the command that settles it."""
    assert list(contradictions(snapshot(items, blocks(held("192.0.2.1", service("web")))))) == said


def test_a_claim_under_way_contradicts_nothing() -> None:
    """Its status follows within seconds."""
    look = snapshot([service("web")], blocks(held("192.0.2.1", service("web"), at=NOW - 1)))
    assert list(contradictions(look)) == []


# prune


def _pruned(planned: Plan) -> tuple[list[str], list[str]]:
    return [f"{c.address} of {h.key}" for c, h in planned.orphans], sorted(map(str, planned.expired))


DAY = 86_400


@pytest.mark.parametrize(
    ("at_once", "removed"),
    [(False, ["192.0.2.3"]), (True, ["192.0.2.2", "192.0.2.3"])],
)
def test_what_prune_lets_go_and_takes_out(at_once: bool, removed: list[str]) -> None:
    """Holders who are gone; released claims past keepFor, or all with --now, but no parked one."""
    web, parked = service("web", "192.0.2.0"), service("parked")
    claims = blocks(
        held("192.0.2.0", web),
        held("192.0.2.1", service("gone")),
        released("192.0.2.2", service("late"), ago=100),
        released("192.0.2.3", service("old"), ago=DAY + 1),
        released("192.0.2.4", parked, ago=2 * DAY, parked=True),
    )
    assert _pruned(plan_prune(snapshot([web, parked], claims), LAN, at_once=at_once)) == (
        ["192.0.2.1 of d/gone"],
        removed,
    )


def test_prune_of_another_namespace_finds_nothing_here() -> None:
    """-n narrows what is acted on."""
    claims = blocks(held("192.0.2.1", service("gone")), released("192.0.2.3", service("old"), ago=DAY + 1))
    assert _pruned(plan_prune(snapshot([], claims), LAN, namespace="e")) == ([], [])


def test_prune_writes_now_what_would_go_with_the_next_write() -> None:
    """Though nothing else is to be written; with --now who has just let go is taken out as well."""
    gone = blocks(held("192.0.2.1", service("gone")), released("192.0.2.3", service("old"), ago=DAY + 1))
    api = Api([], gone)
    went, left = prune(api.cluster(), lambda look: plan_prune(look, LAN))
    assert (sorted(map(str, (a for a, _ in went))), left) == (["192.0.2.1", "192.0.2.3"], {})
    assert {a: c.state for a, c in api.claims().items()} == {"192.0.2.1": "released"}
    prune(api.cluster(), lambda look: plan_prune(look, LAN, at_once=True))
    assert api.claims() == {}
    calls = len(api.calls)
    assert prune(api.cluster(), lambda look: plan_prune(look, LAN)) == ({}, {})
    assert not any(call.startswith(("PUT", "POST")) for call in api.calls[calls:])


def test_prune_that_loses_its_block_tries_again_and_says_what_is_left() -> None:
    """Others write it all the time."""
    api = Api([], blocks(released("192.0.2.3", service("old"), ago=DAY + 1)))
    api.faults["PUT"] = Conflict("changed")
    slept: list[float] = []
    went, left = prune(api.cluster(), lambda look: plan_prune(look, LAN), wait=0.01, sleep=slept.append)
    assert (len(went), left) == (1, {})
    assert (slept, api.claims()) == ([], {})
