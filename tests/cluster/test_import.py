"""`pools import --from-cluster` on a real API server with the other systems' CRDs, which prune nothing here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lbctl.pools import load_pools
from tests.conftest import started
from tests.testbed.driver import Bed

pytestmark = pytest.mark.cluster

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  scope: {scope}
  names: {{kind: {kind}, plural: {plural}}}
  versions:
{versions}
"""
VERSION = """\
  - name: {name}
    served: true
    storage: {storage}
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}"""


def _crd(group: str, kind: str, *versions: str, scope: str = "Namespaced") -> str:
    rows = [VERSION.format(name=v, storage=str(v == versions[0]).lower()) for v in versions]
    return CRD.format(group=group, kind=kind, plural=f"{kind.lower()}s", scope=scope, versions="\n".join(rows))


CRDS = [
    _crd("metallb.io", "IPAddressPool", "v1beta1"),
    _crd("metallb.io", "L2Advertisement", "v1beta1"),
    _crd("cilium.io", "CiliumLoadBalancerIPPool", "v2", "v2alpha1", scope="Cluster"),
    _crd("purelb.io", "ServiceGroup", "v2"),
]
OBJECTS = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: default}
spec: {addresses: [192.0.2.200-192.0.2.220], autoAssign: false, serviceAllocation: {priority: 5, namespaces: [prod]}}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: l2, namespace: default}
spec: {interfaces: [eth1]}
---
apiVersion: cilium.io/v2alpha1
kind: CiliumLoadBalancerIPPool
metadata: {name: blue}
spec: {blocks: [{cidr: 198.51.100.0/28}], disabled: true}
---
apiVersion: purelb.io/v2
kind: ServiceGroup
metadata: {name: default, namespace: default}
spec: {local: {v4pool: {subnet: 203.0.113.0/24, pool: 203.0.113.16/29}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kubevip, namespace: kube-system}
data: {range-global: 203.0.113.100-203.0.113.109}
"""


@pytest.fixture(scope="module")
def bare() -> Iterator[Bed]:
    """A control plane where nothing is installed."""
    with started(Bed) as bed:
        yield bed


@pytest.fixture(scope="module")
def crowded(bare: Bed) -> Bed:
    """The same, with all the systems' pools."""
    bare.kubectl("apply", "-f", "-", stdin="---\n".join(CRDS))
    bare.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    bare.kubectl("apply", "-f", "-", stdin=OBJECTS)
    return bare


def _as_admin(bed: Bed, folder: Path, *flags: str) -> tuple[str, str, int]:
    config = folder / "kubeconfig"
    config.write_text(bed.kubeconfig_for(bed.url).replace("token: lbctl", "token: admin"))
    return bed.run("pools", "import", "--from-cluster", *flags, kubeconfig=config)


def test_without_any_of_them_there_is_nothing_to_import(bare: Bed, tmp_path: Path) -> None:
    """Groups that are not installed are no error, but no pool either."""
    out, said, code = _as_admin(bare, tmp_path)
    assert (out, code) == ("", 1)
    assert said.startswith("error: the cluster has no pool that can be carried over\nhint: ")


def test_what_the_cluster_has_becomes_a_pool_file(crowded: Bed, tmp_path: Path) -> None:
    """The file loads, and each remark names the object; a cluster has no line numbers."""
    path = tmp_path / "pools.yaml"
    out, said, code = _as_admin(crowded, tmp_path, f"-o{path}")
    assert (out, code) == ("", 0)
    assert said == (
        "L2Advertisement default/l2: spec.interfaces: eth1: a pool file says nothing of this; it is not carried over\n"
        "the cluster: 4 pools, 1 remark\n"
    )
    pools = {pool.name: pool for pool in load_pools(str(path)).pools}
    assert {name: str(pool.addresses) for name, pool in pools.items()} == {
        "lan": "192.0.2.200-192.0.2.220",
        "blue": "198.51.100.0-198.51.100.15",
        "global": "203.0.113.100-203.0.113.109",
        "default": "203.0.113.16-203.0.113.23",
    }
    assert (pools["lan"].priority, pools["lan"].namespaces, pools["lan"].auto_assign) == (5, ("prod",), False)
    assert pools["blue"].disabled


def test_what_may_not_be_read_is_named(crowded: Bed) -> None:
    """The least Role gives none of these rights; verb, resource and the rule to ask for are told, and it ends 4."""
    out, said, code = crowded.run("pools", "import", "--from-cluster")
    assert (out, code) == ("", 4)
    for system, group, resource in (
        ("MetalLB", "metallb.io", "ipaddresspools"),
        ("MetalLB", "metallb.io", "l2advertisements"),
        ("Cilium", "cilium.io", "ciliumloadbalancerippools"),
        ("PureLB", "purelb.io", "servicegroups"),
    ):
        assert (
            f"error: {system} is not read: you may not list {resource} in all namespaces at {crowded.url} as user "
            f'"lbctl"\nhint: it takes a ClusterRole with apiGroups: [{group}], resources: [{resource}], verbs: [list]\n'
        ) in said
    assert (
        "error: kube-vip's ConfigMap is not read: you may not get configmaps in namespace kube-system at "
        f'{crowded.url} as user "lbctl"\n'
        "hint: it takes a Role in kube-system with apiGroups: [''], resources: [configmaps], resourceNames: [kubevip], "
        "verbs: [get]\n"
    ) in said
