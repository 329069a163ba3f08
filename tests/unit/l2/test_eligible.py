"""Who may announce an address: every rule by itself, what is judged again after a change, and how it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from lbctl.addresses import Address, AddressSet, Family
from lbctl.keys import Key
from lbctl.l2.actions import Duty, OnConflict
from lbctl.l2.election import order
from lbctl.l2.eligible import Bar, Candidacy, Eligibility
from lbctl.l2.facts import (
    EXCLUDE,
    MOST,
    Announced,
    Exposed,
    Interface,
    Lease,
    Node,
    Presence,
    Slice,
    announces_text,
    parse_announces,
    parse_exposed,
    parse_lease,
    parse_node,
    parse_slice,
    subnets_of,
)
from lbctl.pools import Pool, PoolFile
from lbctl.selectors import Selector

V4, V6, FAR = ip_address("192.0.2.200"), ip_address("2001:db8::200"), ip_address("198.51.100.7")
WEB, DNS = Key("default", "web"), Key("default", "dns")
NODES = ("n1", "n2", "n3")
POOL = Pool("lan", AddressSet.parse("192.0.2.200/29") | AddressSet.parse("2001:db8::200/124"))


def pools(pool: Pool = POOL, load_balancer_class: str | None = None) -> PoolFile:
    """A pool file of one pool."""
    return PoolFile("pools.yaml", load_balancer_class, (pool,), "")


def service(*addresses: Address, key: Key = WEB, local: bool = False, **more: Any) -> Exposed:
    """A Service that shows these addresses."""
    item = {
        "metadata": {"namespace": key.namespace, "name": key.name, "uid": key.name, "resourceVersion": "1"},
        "spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local" if local else "Cluster", **more},
        "status": {"loadBalancer": {"ingress": [{"ip": str(address)} for address in addresses]}},
    }
    return parse_exposed(item)


def presence(node: str, *subnets: str, name: str = "eth0") -> Presence:
    """An announcer with one interface."""
    mac = bytes([2, 0, 0, 0, 0, int(node[1:])])
    return Presence(node, (Interface(name, mac, subnets_of(subnets or ("192.0.2.0/24", "2001:db8::/64"))),))


def endpoints(*ready: str, key: Key = WEB, family: Family = Family.IPV4, draining: tuple[str, ...] = ()) -> Slice:
    """An EndpointSlice."""
    return Slice(key, family, frozenset(ready), frozenset(draining))


def known(pool: Pool = POOL, *, local: bool = False, ignore_exclude_label: bool = False) -> Eligibility:
    """Three nodes that all may announce the Service's address."""
    found = Eligibility(pools(pool), ignore_exclude_label=ignore_exclude_label)
    for node in NODES:
        found.put_node(node, Node(node, {"zone": node}))
        found.put_presence(node, presence(node))
    found.put_service(WEB, service(V4, local=local))
    found.put_slice(Key("default", "web-1"), endpoints(*NODES))
    return found


def judged(found: Eligibility, address: Address = V4) -> Candidacy:
    """What is said of an address that a Service shows."""
    candidacy = found.judge(address)
    assert candidacy is not None
    return candidacy


def test_all_may_in_the_order_of_the_election() -> None:
    """And nothing is to be said of any."""
    assert judged(known()) == Candidacy(V4, (WEB,), order(NODES, V4))


NODE = Node("n1", {"zone": "n1"})
RULES: dict[str, tuple[Callable[[Eligibility], object], Bar]] = {
    "no announcer": (lambda e: e.put_presence("n1", None), Bar.NO_ANNOUNCER),
    "given back": (lambda e: e.put_presence("n1", replace(presence("n1"), left=True)), Bar.NO_ANNOUNCER),
    "run out": (lambda e: e.lapse(frozenset({"n1"})), Bar.LAPSED),
    "no node": (lambda e: e.put_node("n1", None), Bar.NO_NODE),
    "not ready": (lambda e: e.put_node("n1", replace(NODE, ready=False)), Bar.NOT_READY),
    "no network": (lambda e: e.put_node("n1", replace(NODE, network=False)), Bar.NO_NETWORK),
    "excluded": (lambda e: e.put_node("n1", Node("n1", {EXCLUDE: ""})), Bar.EXCLUDED),
    "no subnet": (lambda e: e.put_presence("n1", presence("n1", "198.51.100.0/24")), Bar.NO_INTERFACE),
    "no interface": (lambda e: e.put_presence("n1", Presence("n1")), Bar.NO_INTERFACE),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_node_may_not(rule: str) -> None:
    """Each rule by itself: the node is out, why is said, and the others stay in their order."""
    act, bar = RULES[rule]
    found = known()
    found.drain()
    act(found)
    assert found.drain() == {V4}
    assert judged(found) == Candidacy(V4, (WEB,), order({"n2", "n3"}, V4), {"n1": bar})


def test_the_rules_of_a_pool() -> None:
    """nodeSelector selects nodes; interfaces are named, whatever their subnets."""
    selects = known(replace(POOL, node_selector=Selector((("zone", "n2"),))))
    assert judged(selects) == Candidacy(V4, (WEB,), ("n2",), dict.fromkeys(("n1", "n3"), Bar.NOT_SELECTED))
    names = known(replace(POOL, interfaces=("eth1",), on_conflict="yield"))
    assert judged(names).barred == dict.fromkeys(NODES, Bar.NO_INTERFACE)
    names.put_presence("n2", presence("n2", "198.51.100.0/24", name="eth1"))
    assert judged(names).order == ("n2",)
    assert names.duty("n2", judged(names)) == Duty(("n2",), frozenset({"eth1"}), OnConflict.YIELD)


def test_the_label_that_excludes() -> None:
    """That it leaves nobody is said; told to ignore it, it bars nobody."""
    for found, barred in ((known(), True), (known(ignore_exclude_label=True), False)):
        for node in NODES:
            found.put_node(node, Node(node, {EXCLUDE: "false"}))
        candidacy = judged(found)
        assert bool(candidacy.order) is not barred
        assert candidacy.excluded is barred
        assert candidacy.why == (f"every node that could announce it is labelled {EXCLUDE}" if barred else "")


def test_no_label_is_blamed_for_what_it_did_not_do() -> None:
    """A node that is labelled and could not announce it either."""
    found = known()
    for node in NODES:
        found.put_node(node, Node(node, {EXCLUDE: ""}, ready=False))
    assert not judged(found).excluded
    assert judged(found).why == "n1, n2, n3 are not Ready"


LOCAL: dict[str, tuple[tuple[Slice, ...], set[str]]] = {
    "ready on two": ((endpoints("n1"), endpoints("n3")), {"n1", "n3"}),
    "one of them draining": ((endpoints("n1", draining=("n3",)),), {"n1"}),
    "none ready, two draining": ((endpoints(draining=("n2", "n3")),), {"n2", "n3"}),
    "of no node": ((endpoints("", "n1"),), {"n1"}),
    "of the other family": ((endpoints("n2", family=Family.IPV6), endpoints("n1")), {"n1"}),
    "of another Service": ((endpoints("n2", key=DNS), endpoints("n1")), {"n1"}),
}


@pytest.mark.parametrize("case", LOCAL)
def test_with_local_only_nodes_that_serve(case: str) -> None:
    """externalTrafficPolicy Local: nodes with an endpoint that kube-proxy there would send to."""
    slices, nodes = LOCAL[case]
    found = known(local=True)
    found.put_slice(Key("default", "web-1"), None)
    for number, part in enumerate(slices):
        found.put_slice(Key("default", f"s{number}"), part)
    assert judged(found) == Candidacy(V4, (WEB,), order(nodes, V4), dict.fromkeys(set(NODES) - nodes, Bar.NO_ENDPOINT))


@pytest.mark.parametrize("local", [False, True])
def test_without_endpoints_nobody_may(local: bool) -> None:
    """With either policy; an endpoint that ends is better than none."""
    found = known(local=local)
    found.put_slice(Key("default", "web-1"), endpoints())
    assert judged(found) == Candidacy(V4, (WEB,), idle=True)
    assert judged(found).why == "no Service on it has a ready endpoint"
    assert found.duty("n1", judged(found)) is None
    found.put_slice(Key("default", "web-1"), endpoints(draining=("n1",)))
    assert set(judged(found).order) == ({"n1"} if local else set(NODES))


def test_of_a_shared_address_a_node_may_when_it_may_for_one() -> None:
    """Local for one with a pod on n1, and for another with one on n2; one without endpoints takes nothing away."""
    found = known(local=True)
    found.put_slice(Key("default", "web-1"), endpoints("n1"))
    found.put_service(DNS, service(V4, key=DNS, local=True))
    assert judged(found).services == (DNS, WEB)
    assert set(judged(found).order) == {"n1"}
    found.put_slice(Key("default", "dns-1"), endpoints("n2", key=DNS))
    assert set(judged(found).order) == {"n1", "n2"}
    found.put_service(DNS, service(V4, key=DNS))
    assert set(judged(found).order) == set(NODES)


def test_whose_addresses_are_announced() -> None:
    """LoadBalancer Services in scope: what is in a pool, and what lbctl says it gave; nothing else."""
    given = {"status": "True", "type": "lbctl/AddressAssigned"}
    item = service(V4, FAR)
    assert item.addresses(pools()) == (V4,)
    ours = replace(item, service=replace(item.service, condition=given))
    assert ours.addresses(pools()) == (V4, FAR)
    assert replace(item, service=replace(item.service, ignored=True)).addresses(pools()) == ()
    assert item.addresses(pools(load_balancer_class="example.com/lan")) == ()
    assert service(V4, type="ClusterIP").addresses(pools()) == ()


def test_only_what_changed_is_judged_again() -> None:
    """A slice: its Service's addresses. A Service: what it had and has. What says nothing new: nothing."""
    found = known()
    other = ip_address("192.0.2.201")
    found.put_service(DNS, service(other, key=DNS))
    assert found.drain() == {V4, other}
    found.put_slice(Key("default", "web-1"), endpoints(*NODES))
    found.put_node("n1", Node("n1", {"zone": "n1"}))
    found.put_presence("n1", presence("n1"))
    found.put_service(WEB, service(V4))
    assert found.drain() == set()
    found.put_slice(Key("default", "web-1"), endpoints("n1"))
    assert found.drain() == {V4}
    found.put_service(DNS, None)
    assert found.drain() == {other}
    assert found.judge(other) is None
    found.use_pools(pools(replace(POOL, addresses=AddressSet.parse("192.0.2.0/28"))))
    assert found.drain() == {V4}
    assert found.judge(V4) is None


def test_a_drain_is_only_thought() -> None:
    """Without a node: what the label would do, and afterwards all is as it was."""
    found = known()
    first = judged(found).order[0]
    without = found.judge(V4, without=frozenset({first}))
    assert without is not None
    assert (without.order, without.barred) == (judged(found).order[1:], {first: Bar.EXCLUDED})
    everybody = found.judge(V4, without=frozenset(NODES))
    assert everybody is not None
    assert everybody.excluded
    assert judged(found).barred == {}


def test_why_nobody_may_is_one_sentence() -> None:
    """By rule, a few nodes by name, with what to do about the last of them."""
    found = known()
    found.put_presence("n1", None)
    found.put_presence("n2", presence("n2", "198.51.100.0/24"))
    found.put_node("n3", replace(Node("n3", {"zone": "n3"}), ready=False))
    assert judged(found).why == "n1 runs no announcer; n3 is not Ready; n2 has no interface on its subnet"
    assert judged(found).hint == Bar.NO_INTERFACE.hint
    for number in range(4, 9):
        found.put_node(f"n{number}", Node(f"n{number}"))
    assert judged(found).why.startswith("n1, n4, n5 and 3 more run no announcer; ")
    assert Eligibility(pools()).judge(V4) is None


# The API's JSON.


def _slice(*conditions: Mapping[str, Any] | None, **more: Any) -> dict[str, Any]:
    ends = [{"addresses": ["10.0.0.1"], "nodeName": f"n{n}", "conditions": c} for n, c in enumerate(conditions, 1)]
    meta = {"namespace": "default", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}
    return {"metadata": meta, "addressType": "IPv4", "endpoints": ends, **more}


def test_endpoints_are_read_as_the_api_means_them() -> None:
    """Ready when it is true or not said; one that ends and still serves apart; what does neither not at all."""
    ending = {"ready": False, "serving": True, "terminating": True}
    lost = {"ready": False, "serving": False, "terminating": True}
    unready = {"ready": False, "serving": True, "terminating": False}
    item = _slice(None, {"ready": None}, {"ready": True}, ending, lost, unready, {"ready": False})
    assert parse_slice(item) == endpoints("n1", "n2", "n3", draining=("n4",))
    assert parse_slice(_slice(endpoints=None)) == endpoints()
    assert parse_slice(_slice(addressType="FQDN")) is None
    assert parse_slice({**_slice(), "metadata": {"namespace": "default", "name": "stray"}}) is None


def test_a_node_is_ready_when_its_kubelet_says_so() -> None:
    """Unknown is not ready; a network that nothing is said of is there."""
    for status, ready in (("True", True), ("False", False), ("Unknown", False)):
        item = {"metadata": {"uid": "u"}, "status": {"conditions": [{"type": "Ready", "status": status}]}}
        assert parse_node(item) == Node("u", {}, ready)
    assert not parse_node({"metadata": {"uid": "u"}}).ready
    item = {"metadata": {"uid": "u"}, "status": {"conditions": [{"type": "NetworkUnavailable", "status": "True"}]}}
    assert not parse_node(item).network


def _lease(note: str, **spec: Any) -> dict[str, Any]:
    meta = {"name": "lbctl-announcer-n1", "annotations": {"lbctl/announcer": note}}
    return {"metadata": meta, "spec": {"holderIdentity": "h", "renewTime": "t", "leaseDurationSeconds": 40, **spec}}


def test_a_lease_tells_what_its_announcer_answers_with() -> None:
    """What is written is what is read; without a holder it was given back."""
    here = presence("n1")
    assert parse_lease(_lease(here.note())) == Lease(here, "t", 40)
    assert parse_lease(_lease(here.note(), holderIdentity="")) == Lease(replace(here, left=True), "t", 40)
    assert here.macs == {bytes([2, 0, 0, 0, 0, 1])}


@pytest.mark.parametrize("note", ["", "{", "[]", "null", '{"node": "n1"}', '{"node": "n1", "interfaces": [{}]}'])
def test_a_lease_that_somebody_has_edited_is_none(note: str) -> None:
    """Whatever stands there."""
    assert parse_lease(_lease(note)) is None
    assert parse_lease({"metadata": {"name": "lbctl-serve"}}) is None


def test_what_is_announced_is_cut_at_what_the_api_takes() -> None:
    """Line by line; lines that are none are passed over."""
    text = announces_text((V6, "eth0", n) for n in range(20000))
    assert MOST - 100 < len(text) <= MOST
    assert text.endswith("\n")

    def item(said: str) -> dict[str, Any]:
        return {"metadata": {"name": "lbctl-announces-n1", "annotations": {"lbctl/announcer": said}}}

    assert len(parse_announces(item(text))) == text.count("\n")
    said = f"{V4} eth0 5\nnonsense\n{V4} eth0 soon\n\n"
    assert parse_announces(item(said)) == (Announced("n1", V4, "eth0", 5),)
