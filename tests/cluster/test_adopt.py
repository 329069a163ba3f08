"""On a real API server: what another controller assigned becomes lbctl's as it is; a lost ledger is written anew; an
address that stands in two statuses is healed (DESIGN 5, Recovery; promises 1 to 3).

lbctl runs as the least Role; the other controller's hand is cluster-admin's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.testbed.driver import CLAIMS, SERVICES, Bed, service

pytestmark = pytest.mark.cluster

METALLB = {"metallb.io/ip-allocated-from-pool": "lan"}


@pytest.fixture
def pools(tmp_path: Path) -> str:
    """The flag for a pool of eight addresses."""
    path = tmp_path / "pools.yaml"
    path.write_text("pools:\n- name: lan\n  addresses: [198.51.100.16/29]\n")
    return f"--pools={path}"


def _create(bed: Bed, name: str, notes: dict[str, str] | None = None, **spec: Any) -> None:
    body = service(name)
    body["metadata"]["annotations"] = dict(notes or {})
    body["spec"] |= spec
    status, answer = bed.admin.request("POST", SERVICES, body)
    assert status == 201, answer


def _fill(bed: Bed, name: str, *ingress: dict[str, str], manager: str = "controller") -> None:
    """Write a status as a controller of this name does."""
    body = {"status": {"loadBalancer": {"ingress": list(ingress)}}}
    status, answer = bed.admin.request("PATCH", f"{SERVICES}/{name}/status?fieldManager={manager}", body)
    assert status == 200, answer


def _versions(bed: Bed) -> dict[str, str]:
    return {i["metadata"]["name"]: i["metadata"]["resourceVersion"] for i in bed.admin.get(SERVICES)["items"]}


def _lose_the_ledger(bed: Bed) -> None:
    bed.kubectl("-n", "lbctl-system", "delete", "configmaps", "--all")
    assert bed.claims() == {}


def test_what_metallb_assigned_becomes_lbctls_and_no_service_is_written_to(bed: Bed, pools: str) -> None:
    """Not by adopt, not by its dry runs, not by its refusals, and not by the assign after it."""
    sharing = {**METALLB, "metallb.io/allow-shared-ip": "dns"}
    _create(bed, "web", METALLB)
    _create(bed, "dns-tcp", sharing, ports=[{"port": 53, "protocol": "TCP"}])
    _create(bed, "dns-udp", sharing, ports=[{"port": 53, "protocol": "UDP"}])
    _create(bed, "far", METALLB)
    _create(bed, "twin", METALLB)
    _create(bed, "twin-too", METALLB)
    _create(bed, "other")
    for name, address in (
        ("web", "198.51.100.17"),
        ("dns-tcp", "198.51.100.18"),
        ("dns-udp", "198.51.100.18"),
        ("far", "203.0.113.1"),
        ("twin", "198.51.100.19"),
        ("twin-too", "198.51.100.19"),
        ("other", "198.51.100.20"),
    ):
        _fill(bed, name, {"ip": address})
    before, shown = _versions(bed), bed.shown()
    words = ("adopt", "--all", "--from", "metallb", pools)
    adopted = [f"default/{name} {shown[name][0]} (Adopted)" for name in ("dns-tcp", "dns-udp", "web")]
    for flag, suffix in (("--dry-run", " (dry run)"), ("--dry-run=server", " (server dry run)")):
        out, _, code = bed.run(*words, flag)
        assert (sorted(out.splitlines()), code) == ([line + suffix for line in adopted], 1)
        assert bed.claims() == {}
    out, err, code = bed.run(*words)
    assert (sorted(out.splitlines()), code) == (adopted, 1)
    assert "error: default/far: AddressOutsidePools: 203.0.113.1 is in no pool\n" in err
    assert "error: default/twin: AddressInUse: 198.51.100.19 is in use: Service default/twin-too shows it\n" in err
    assert err.count("warning: while MetalLB runs, it may go on writing these Services\n") == 1
    assert bed.held() == {name: shown[name] for name in ("dns-tcp", "dns-udp", "web")}
    holders = {h["svc"]: h for claim in bed.claims().values() for h in claim["holders"]}
    assert holders["default/web"]["rv"] == before["web"]
    assert bed.run("assign", "--all", pools)[::2] == ("", 0)
    out, _, code = bed.run("assign", "web", "dns-tcp", "dns-udp", pools)
    assert (sorted(out.splitlines()), code) == ([line.replace("Adopted", "Assigned") for line in adopted], 0)
    assert (_versions(bed), bed.shown()) == (before, shown)


def test_what_the_other_clears_as_it_goes_is_put_back(bed: Bed, pools: str) -> None:
    """The claim keeps it: no other Service gets the address meanwhile."""
    _create(bed, "web", METALLB)
    _fill(bed, "web", {"ip": "198.51.100.16"})
    assert bed.run("adopt", "web", "--from", "any", pools)[::2] == ("default/web 198.51.100.16 (Adopted)\n", 0)
    _fill(bed, "web")
    _create(bed, "new")
    bed.run("assign", "new", pools)
    assert bed.shown() == {"web": [], "new": ["198.51.100.17"]}
    bed.run("assign", "--all", pools)
    assert bed.shown() == {"web": ["198.51.100.16"], "new": ["198.51.100.17"]}


def test_a_nodes_address_and_a_hostname_are_not_adopted(bed: Bed, tmp_path: Path) -> None:
    """ServiceLB of k3s shows the nodes' own."""
    path = tmp_path / "nodes.yaml"
    path.write_text("pools:\n- name: nodes\n  addresses: [203.0.113.80/29]\n")
    node = {"metadata": {"name": "adopted-from"}}
    status, answer = bed.admin.request("POST", "/api/v1/nodes", node)
    assert status == 201, answer
    try:
        body = {"status": {"addresses": [{"type": "InternalIP", "address": "203.0.113.81"}]}}
        status, answer = bed.admin.request("PATCH", "/api/v1/nodes/adopted-from/status", body)
        assert status == 200, answer
        for name in ("bare", "hosted"):
            _create(bed, name)
        _fill(bed, "bare", {"ip": "203.0.113.81"}, manager="k3s")
        _fill(bed, "hosted", {"hostname": "lb.example.com"}, manager="k3s")
        said = (
            "error: default/bare: AddressInUse: 203.0.113.81 is in use: node adopted-from has it\n"
            "hint: ask for another address, or release the one who holds it\n"
            "error: default/hosted: ForeignOwner: its status shows lb.example.com, which is no address\n"
            "hint: remove the other controller's address first, or take it over with lbctl adopt\n"
        )
        assert bed.run("adopt", "--all", "--from", "klipper", f"--pools={path}") == ("", said, 1)
        assert bed.claims() == {}
    finally:
        bed.admin.request("DELETE", "/api/v1/nodes/adopted-from")


def test_a_lost_ledger_is_written_anew_from_the_statuses(bed: Bed, pools: str) -> None:
    """Claims equal statuses again, no status is written, and what another controller wrote is not claimed."""
    for name in ("web", "api"):
        _create(bed, name)
    bed.run("assign", "--all", pools)
    _create(bed, "theirs", METALLB)
    _fill(bed, "theirs", {"ip": "198.51.100.20"})
    before, shown = _versions(bed), bed.shown()
    _lose_the_ledger(bed)
    assert "lbctl claims repair makes it lbctl's again" in bed.run("assign", "web", pools)[1]
    anew = [f"default/{name} {shown[name][0]} (claimed anew)" for name in ("api", "web")]
    out, err, code = bed.run("claims", "repair", "--dry-run", pools)
    assert (out.splitlines(), err, code) == ([f"{line} (dry run)" for line in anew], "", 0)
    assert bed.claims() == {}
    out, err, code = bed.run("claims", "repair", pools)
    assert (out.splitlines(), err, code) == (anew, "", 0)
    assert bed.held() == {name: shown[name] for name in ("web", "api")}
    assert bed.run("claims", "repair", pools) == ("", "nothing to repair\n", 0)
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    assert (_versions(bed), bed.shown()) == (before, shown)


def test_two_that_show_one_address_once_the_ledger_was_lost_are_healed(bed: Bed, pools: str) -> None:
    """The older keeps it and is not written to; the younger moves, its new claim first."""
    _create(bed, "web")
    bed.run("assign", "web", pools)
    before = _versions(bed)["web"]
    _lose_the_ledger(bed)
    _create(bed, "zoe")
    _fill(bed, "zoe", {"ip": "198.51.100.16"}, manager="lbctl")
    assert bed.shown() == {"web": ["198.51.100.16"], "zoe": ["198.51.100.16"]}
    said = "default/web 198.51.100.16 (claimed anew)\ndefault/zoe 198.51.100.17 (moved from 198.51.100.16)\n"
    assert bed.run("claims", "repair", pools) == (said, "", 0)
    assert bed.shown() == bed.held() == {"web": ["198.51.100.16"], "zoe": ["198.51.100.17"]}
    assert _versions(bed)["web"] == before


def test_prune_lets_go_of_who_is_gone_and_takes_out_what_was_released(bed: Bed, pools: str) -> None:
    """Said line by line; of what a person released nothing is taken out."""
    for name in ("web", "parked"):
        _create(bed, name)
    bed.run("assign", "--all", pools)
    bed.run("release", "parked")
    address = bed.shown()["web"][0]
    status, answer = bed.admin.request("DELETE", f"{SERVICES}/web")
    assert status == 200, answer
    assert bed.run("claims", "prune", pools) == (f"{address} released: default/web is gone\n", "", 0)
    assert bed.run("claims", "prune", pools) == ("", "nothing to prune\n", 0)
    said = f"{address} removed: default/web held it last\n"
    assert bed.run("claims", "prune", "--now", pools) == (said, "", 0)
    assert [c["last"]["svc"] for c in bed.claims().values()] == ["default/parked"]
    assert bed.admin.get(CLAIMS)["items"]
