"""`lbctl pools check` against a real kube-apiserver, as the least Role: its Nodes, its pod and Service CIDRs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.driver import RBAC, Bed

pytestmark = pytest.mark.cluster
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "pools-check", "labels": {"lbctl-test": "yes"}},
    "spec": {"podCIDRs": ["198.18.5.0/24"], "podCIDR": "198.18.5.0/24"},
    "status": {"addresses": [{"type": "InternalIP", "address": "198.18.0.11"}]},
}
LB103 = "LB103 warning: pool service: 10.96.3.0-10.96.3.15 lies in the Service CIDR 10.96.0.0/16"


@pytest.fixture
def pools(bed: Bed, tmp_path: Path) -> Iterator[Path]:
    """A pool file that meets all of them, beside a Node of our own."""
    path = tmp_path / "pools.yaml"
    path.write_text(
        "pools:\n"
        "- {name: node, addresses: [198.18.0.10-198.18.0.12]}\n"
        "- {name: pod, addresses: [198.18.5.0/30]}\n"
        "- {name: service, addresses: [10.96.3.0/28, 10.96.0.1]}\n"
    )
    status, answer = bed.admin.request("POST", "/api/v1/nodes", NODE)
    assert status == 201, answer
    yield path
    bed.admin.request("DELETE", "/api/v1/nodes/pools-check", None)


def _found(bed: Bed, pools: Path) -> list[str]:
    """The warnings about the cluster; what is found of this machine depends on the machine."""
    out, err, code = bed.run("pools", "check", f"--pools={pools}")
    assert (err, code) == ("", 0)
    return [line.partition(": ")[2] for line in out.splitlines() if " LB10" in line]


def test_the_clusters_own_addresses_are_found(bed: Bed, pools: Path) -> None:
    """By the Role in examples/kubernetes."""
    assert _found(bed, pools) == [
        "LB101 warning: pool node: 198.18.0.11 is in use: node pools-check has it",
        "LB102 warning: pool pod: 198.18.5.0-198.18.5.3 lies in the pod CIDR 198.18.5.0/24 of node pools-check",
        LB103,
        "LB103 warning: pool service: 10.96.0.1 lies in the Service CIDR 10.96.0.0/16",
    ]


def test_without_the_right_to_read_service_cidrs_the_cluster_ips_stand_for_them(bed: Bed, pools: Path) -> None:
    """403 is no failure."""
    role = bed.get("clusterrole", "lbctl")
    rules = [rule for rule in role["rules"] if rule["resources"] != ["servicecidrs"]]
    assert len(rules) == len(role["rules"]) - 1
    try:
        bed.kubectl("patch", "clusterrole", "lbctl", "--type=merge", "-p", json.dumps({"rules": rules}))
        assert _found(bed, pools)[2:] == [
            "LB104 warning: pool service: 10.96.0.1 is the ClusterIP of Service default/kubernetes"
        ]
    finally:
        bed.kubectl("apply", "-f", str(RBAC))
