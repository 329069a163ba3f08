"""Beside another LoadBalancer controller: what that one wrote is never touched, and its address is never given.

On a real API server, as the least Role (promise 2). resourceVersions are compared: not one write, not even one that
changes nothing anybody sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cluster.acts import create, get, pool_file, shown, versions, write_status
from tests.testbed.driver import Hand

pytestmark = pytest.mark.cluster

LAN = "pools:\n- {name: lan, addresses: [192.0.2.0/29]}\n"
FOREIGN = "hint: remove the other controller's address first, or take it over with lbctl adopt\n"
LET_ONE = "hint: let only one of them serve a Service: give the pool file a loadBalancerClass, or remove the other\n"
CILIUM = {"type": "cilium.io/IPAMRequestSatisfied", "status": "True", "reason": "satisfied", "message": ""}
CILIUM |= {"lastTransitionTime": "2026-01-01T00:00:00Z"}


def _foreign(bed: Hand) -> dict[str, str]:
    """Services filled by controllers of several makes; what each shows, by its name."""
    create(bed, "metallb-inside", {"metallb.io/ip-allocated-from-pool": "first"})
    create(bed, "metallb-outside", {"metallb.io/ip-allocated-from-pool": "first"})
    create(bed, "unmarked")
    create(bed, "kube-vip", labels={"implementation": "kube-vip"})
    create(bed, "cilium")
    create(bed, "hostname")
    create(bed, "other-class", loadBalancerClass="io.cilium/l2-announcer")
    found = {
        "metallb-inside": ("controller", {"ip": "192.0.2.0"}),
        "metallb-outside": ("controller", {"ip": "203.0.113.7"}),
        "unmarked": ("acme-lb", {"ip": "192.0.2.1"}),
        "kube-vip": ("kube-vip", {"ip": "192.0.2.2"}),
        "cilium": ("cilium-operator-generic", {"ip": "192.0.2.3"}),
        "hostname": ("cloud-controller-manager", {"hostname": "lb.example.com"}),
        "other-class": ("cilium-operator-generic", {"ip": "192.0.2.4"}),
    }
    for name, (manager, entry) in found.items():
        write_status(bed, name, manager, entry)
    path = "/api/v1/namespaces/default/services/cilium/status?fieldManager=cilium-operator-generic"
    assert bed.admin.request("PATCH", path, {"status": {"conditions": [CILIUM]}})[0] == 200
    return {name: entry.get("ip") or entry["hostname"] for name, (_, entry) in found.items()}


WHY = {
    "metallb-inside": "its status shows 192.0.2.0, which lbctl holds no claim for: MetalLB wrote it",
    "metallb-outside": "its status shows 203.0.113.7, which lbctl holds no claim for: MetalLB wrote it",
    "unmarked": "its status shows 192.0.2.1, which lbctl holds no claim for: field manager acme-lb wrote it",
    "kube-vip": "its status shows 192.0.2.2, which lbctl holds no claim for: kube-vip wrote it",
    "cilium": "its status shows 192.0.2.3, which lbctl holds no claim for: Cilium wrote it",
    "hostname": "its status shows lb.example.com, which lbctl holds no claim for: a cloud controller manager wrote it",
}


def test_services_of_another_controller_are_not_touched_by_anything(bed: Hand, tmp_path: Path) -> None:
    """assign --all, assign and release by name, --reassign, dry runs: no write, and nobody is given their addresses."""
    pools = pool_file(tmp_path, LAN)
    found = _foreign(bed)
    was = versions(bed, found)
    create(bed, "ours")
    out, err, code = bed.run("assign", "--all", pools)
    assert (out, code) == ("default/ours 192.0.2.5 (Assigned)\n", 0)
    assert err == (
        "warning: Cilium assigns addresses here too (Service default/cilium and 1 more); lbctl leaves those alone\n"
        f"{LET_ONE}"
        "warning: MetalLB assigns addresses here too (Service default/metallb-inside and 1 more); "
        "lbctl leaves those alone\n"
        f"{LET_ONE}"
        "warning: a cloud controller manager assigns addresses here too (Service default/hostname); "
        "lbctl leaves those alone\n"
        f"{LET_ONE}"
        "warning: kube-vip assigns addresses here too (Service default/kube-vip); lbctl leaves those alone\n"
        f"{LET_ONE}"
    )
    for words in (("assign", "--all"), ("assign", "--all", "--reassign"), ("assign", "--all", "--dry-run=server")):
        assert bed.run(*words, pools) == ("", "", 0)
    assert versions(bed, found) == was
    for name, why in WHY.items():
        out, err, code = bed.run("assign", name, "--reassign", pools)
        assert (out, code) == ("", 1)
        assert err == f"error: default/{name}: ForeignOwner: {why}\n{FOREIGN}"
        out, err, code = bed.run("release", name)
        assert (out, err, code) == (
            "",
            f"error: default/{name}: NotOurs: lbctl holds no claim for it\n"
            "hint: whoever wrote the address must clear it\n",
            1,
        )
    assert bed.run("assign", "other-class", "--ip=192.0.2.4", pools)[2] == 1
    assert bed.run("release", "other-class", "--now")[2] == 1
    assert versions(bed, found) == was
    assert set(bed.claims()) == {"192.0.2.5"}


def test_an_address_of_another_controller_is_given_to_nobody(bed: Hand, tmp_path: Path) -> None:
    """Neither by name nor when nothing else is left; of another class, in externalIPs, on a Node: all the same."""
    pools = pool_file(tmp_path, LAN.replace("192.0.2.0/29", "192.0.2.0-192.0.2.2"))
    create(bed, "other-class", loadBalancerClass="example.com/other")
    write_status(bed, "other-class", "controller", {"ip": "192.0.2.0"})
    create(bed, "external", type="ClusterIP", externalIPs=["192.0.2.1"], allocateLoadBalancerNodePorts=None)
    node = {"metadata": {"name": "n1"}, "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.2"}]}}
    assert bed.admin.request("POST", "/api/v1/nodes", node)[0] == 201
    try:
        bed.kubectl(
            "patch",
            "node",
            "n1",
            "--subresource=status",
            "--type=merge",
            f"-p={json.dumps({'status': node['status']})}",
        )
        create(bed, "any")
        wants = {
            "192.0.2.0": "Service default/other-class shows it",
            "192.0.2.1": "Service default/external has it in externalIPs",
            "192.0.2.2": "node n1 has it",
        }
        error = (
            "error: default/any: PoolExhausted: no IPv4 address is free in lan\n"
            "hint: widen a pool, or release what is no longer needed\n"
        )
        assert bed.run("assign", "--all", pools) == ("", error, 1)
        for address, why in wants.items():
            error = (
                f"error: default/any: AddressInUse: {address} is in use: {why}\n"
                "hint: ask for another address, or release the one who holds it\n"
            )
            assert bed.run("assign", "any", f"--ip={address}", pools) == ("", error, 1)
    finally:
        bed.admin.request("DELETE", "/api/v1/nodes/n1")
    assert bed.claims() == {}


def test_an_entry_that_another_writes_beside_ours_is_left_whole(bed: Hand, tmp_path: Path) -> None:
    """Nothing is added to such a status, nothing taken away, not by release either; and the claim stays."""
    pools = pool_file(tmp_path, LAN)
    create(bed, "web")
    bed.run("assign", "web", pools)
    write_status(bed, "web", "controller", {"ip": "192.0.2.0"}, {"hostname": "lb.example.com"})
    was = versions(bed, ["web"])
    why = "its status shows lb.example.com, which lbctl holds no claim for: field manager controller wrote it"
    out, err, code = bed.run("assign", "web", pools)
    assert (out, code) == ("", 1)
    assert err == f"error: default/web: ForeignOwner: {why}\n{FOREIGN}"
    out, err, code = bed.run("release", "web")
    assert (out, code) == ("", 1)
    why = "its status also shows lb.example.com, so it is left whole"
    assert err == f"error: default/web: ForeignOwner: {why}\n{FOREIGN}"
    assert versions(bed, ["web"]) == was
    assert bed.held() == {"web": ["192.0.2.0"]}


def test_who_replaces_our_address_owns_the_service_from_then_on(bed: Hand, tmp_path: Path) -> None:
    """lbctl keeps off (ForeignOwner), and the address it had published goes to nobody else while its claim stands."""
    pools = pool_file(tmp_path, LAN)
    create(bed, "web")
    bed.run("assign", "web", pools)
    write_status(bed, "web", "controller", {"ip": "203.0.113.50"})
    was = versions(bed, ["web"])
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    assert bed.run("assign", "--all", "--reassign", pools) == ("", "", 0)
    assert versions(bed, ["web"]) == was
    assert shown(bed, "web") == ["203.0.113.50"]
    create(bed, "api")
    assert bed.run("assign", "api", pools) == ("default/api 192.0.2.1 (Assigned)\n", "", 0)


@pytest.mark.parametrize(
    "mark", [{"lbctl/ignore": "true"}, {"kube-vip.io/ignore": "true"}], ids=lambda m: next(iter(m))
)
def test_a_service_marked_to_be_ignored_is(bed: Hand, tmp_path: Path, mark: Mapping[str, str]) -> None:
    """Pending as it is, it is passed over by --all, and by name the mark is named."""
    pools = pool_file(tmp_path, LAN)
    create(bed, "web", mark)
    was = get(bed, "web")["metadata"]["resourceVersion"]
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    error = (
        "error: default/web: Ignored: it is marked to be left alone\n"
        "hint: remove the annotation lbctl/ignore (or kube-vip.io/ignore)\n"
    )
    assert bed.run("assign", "web", pools) == ("", error, 1)
    assert get(bed, "web")["metadata"]["resourceVersion"] == was
