"""What MetalLB has becomes what lbctl has, by MetalLB's own reading of it; what cannot is said."""

from __future__ import annotations

import pytest

from tests.unit.imports.convert import convert

POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: {name}
  namespace: metallb-system
spec:
"""


def _pool(spec: str, name: str = "lan") -> str:
    lines = "".join(f"  {line}\n" for line in spec.splitlines())
    return POOL.format(name=name) + lines


ADDRESSES = "addresses: [192.0.2.0/28]"


def _allocated(allocation: str) -> str:
    return _pool(f"{ADDRESSES}\nserviceAllocation: {allocation}")


def test_a_plain_pool() -> None:
    """Ranges, CIDRs and both families go over as they are written, in their order."""
    got = convert(_pool('addresses:\n- 192.0.2.200 - 192.0.2.220\n- 198.51.100.0/28\n- "2001:db8::/120"'))
    assert got.body == (
        '- name: lan\n  addresses:\n  - 192.0.2.200-192.0.2.220\n  - 198.51.100.0/28\n  - "2001:db8::/120"'
    )
    assert got.remarks == []


def test_everything_a_pool_file_can_say_too() -> None:
    """avoidBuggyIPs, autoAssign, priority, namespaces, one selector of each kind."""
    got = convert(
        _pool(
            f"{ADDRESSES}\navoidBuggyIPs: true\nautoAssign: false\nserviceAllocation:\n  priority: 50\n"
            "  namespaces: [prod, dev]\n  namespaceSelectors: [{matchLabels: {env: prod}}]\n"
            "  serviceSelectors:\n  - matchLabels: {app: web}\n"
            "    matchExpressions: [{key: tier, operator: NotIn, values: [back]}, {key: x, operator: Exists}]"
        )
    )
    assert got.body == (
        "- name: lan\n  addresses:\n  - 192.0.2.0/28\n  avoidBuggyIPs: true\n  autoAssign: false\n  priority: 50\n"
        "  namespaces: [prod, dev]\n  namespaceSelector:\n    matchLabels:\n      env: prod\n"
        "  serviceSelector:\n    matchLabels:\n      app: web\n    matchExpressions:\n"
        "    - {key: tier, operator: NotIn, values: [back]}\n    - {key: x, operator: Exists}"
    )
    assert got.remarks == []


def test_host_bits_are_masked_as_metallb_does_and_said() -> None:
    """192.0.2.17/28 is .16 to .31 there, which surprises many; the file shows it."""
    got = convert(_pool("addresses: [192.0.2.17/28]"))
    assert "  - 192.0.2.16/28" in got.body
    assert got.remarks == [
        "in.yaml:1: IPAddressPool metallb-system/lan: spec.addresses[0]: 192.0.2.17/28 has host bits set; "
        "MetalLB reads it as 192.0.2.16/28, and so it is written"
    ]
    assert "# spec.addresses[0]: 192.0.2.17/28 has host bits set; " in got.text


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.300/32", "'192.0.2.300' is not an IP address; it is not carried over"),
        ("192.0.2.9-192.0.2.1", "the range 192.0.2.9-192.0.2.1 is reversed; it is not carried over"),
        ("192.0.2.1/33", "'192.0.2.1/33' is not a CIDR; it is not carried over"),
        ("127.0.0.0/30", "no Service can have 127.0.0.0/30: loopback (127.0.0.0/8); it is not carried over"),
        ("[1]", "this is no text, and is not carried over"),
        ("", "this is no text, and is not carried over"),
    ],
)
def test_an_address_that_no_pool_can_hold_is_left_out(address: str, why: str) -> None:
    """The rest of the pool goes over."""
    got = convert(_pool(f"addresses:\n- 192.0.2.0/28\n- {address}"))
    assert "".join(got.body.splitlines()[2:]) == "  - 192.0.2.0/28"
    assert got.remarks == [f"in.yaml:1: IPAddressPool metallb-system/lan: spec.addresses[1]: {why}"]


@pytest.mark.parametrize("priority", ["0", "null"])
def test_priority_0_is_none(priority: str) -> None:
    """MetalLB puts it last; in a pool file 0 would be first."""
    got = convert(_allocated(f"{{priority: {priority}, namespaces: [prod]}}"))
    assert got.pool("lan").priority is None


def test_a_priority_too_large_keeps_its_place() -> None:
    """A pool file has nine digits."""
    got = convert(_allocated("{priority: 2147483647, namespaces: [prod]}"))
    assert got.pool("lan").priority == 999999999
    assert got.remarks == [
        "in.yaml:1: IPAddressPool metallb-system/lan: spec.serviceAllocation.priority: 2147483647 is written as "
        "999999999, the furthest there is"
    ]


@pytest.mark.parametrize("allocation", ["{priority: 10}", "{}"])
def test_a_serviceallocation_that_selects_nothing_gives_nothing_unasked(allocation: str) -> None:
    """MetalLB skips such a pool, which many take for one with a priority."""
    got = convert(_allocated(allocation))
    assert not got.pool("lan").auto_assign
    assert got.remarks == [
        "in.yaml:1: IPAddressPool metallb-system/lan: spec.serviceAllocation: it selects neither namespaces nor "
        "Services, and then MetalLB gives no address of it unasked: written as autoAssign: false"
    ]


@pytest.mark.parametrize(
    ("selectors", "written"),
    [
        (
            "[{matchLabels: {env: prod}}, {matchLabels: {env: test}}]",
            "    matchExpressions:\n    - {key: env, operator: In, values: [prod, test]}",
        ),
        ("[{matchLabels: {env: prod}}, {}]", None),
        ("[{matchLabels: {env: prod}}, {matchLabels: {env: prod}}]", "    matchLabels:\n      env: prod"),
    ],
    ids=["one key", "everything", "the same twice"],
)
def test_alternatives_that_one_selector_can_say(selectors: str, written: str | None) -> None:
    """Those become one, exactly; a selector of everything stays one, for such a pool goes before the open ones."""
    for key in ("namespaceSelector", "serviceSelector"):
        got = convert(_allocated(f"{{{key}s: {selectors}}}"))
        assert got.body.endswith(f"  {key}:\n{written}" if written else f"  {key}: {{}}")
        assert got.remarks == []


def test_a_namespace_selector_of_names_is_namespaces() -> None:
    """The label that Kubernetes puts on each namespace is its name."""
    name = "kubernetes.io/metadata.name"
    got = convert(_allocated(f"{{namespaces: [a], namespaceSelectors: [{{matchLabels: {{{name}: b}}}}]}}"))
    assert (got.pool("lan").namespaces, got.pool("lan").namespace_selector) == (("a", "b"), None)


@pytest.mark.parametrize("key", ["namespaceSelectors", "serviceSelectors"])
def test_alternatives_that_no_selector_can_say_disable_the_pool(key: str) -> None:
    """Neither may everybody have the addresses, nor is one of the two picked: a person has to."""
    got = convert(_allocated(f"{{priority: 3, {key}: [{{matchLabels: {{a: b}}}}, {{matchLabels: {{c: d}}}}]}}"))
    assert got.pool("lan").disabled
    assert got.remarks == [
        f"in.yaml:1: IPAddressPool metallb-system/lan: spec.serviceAllocation.{key}: a pool has one selector, and this "
        "is a=b or c=d: the pool is disabled until you choose one of them, or give each a pool with addresses of "
        "its own"
    ]


@pytest.mark.parametrize(
    ("allocation", "where"),
    [
        ("{namespaces: prod}", "namespaces: this is no list"),
        ("{namespaces: [Prod_1]}", "namespaces[0]: no namespace can be named 'Prod_1'"),
        ("{serviceSelectors: {}}", "serviceSelectors: this is no list"),
        (
            "{serviceSelectors: [{matchLables: {a: b}}]}",
            "serviceSelectors[0].matchLables: Kubernetes knows no such label selector",
        ),
        (
            "{serviceSelectors: [{matchExpressions: [{key: a, operator: Is, values: [b]}]}]}",
            "serviceSelectors[0].matchExpressions[0].operator: Kubernetes knows no such label selector",
        ),
        (
            "{serviceSelectors: [{matchExpressions: [{key: a, operator: In}]}]}",
            "serviceSelectors[0].matchExpressions[0]: In takes values",
        ),
        (
            "{namespaceSelectors: [{matchLabels: {a: b c}}]}",
            "namespaceSelectors[0].matchLabels.a: Kubernetes knows no such label selector",
        ),
    ],
)
def test_what_cannot_be_read_disables_the_pool(allocation: str, where: str) -> None:
    """Of a pool whose audience is unknown nobody gets an address."""
    got = convert(_allocated(allocation))
    assert got.pool("lan").disabled
    assert got.remarks == [
        f"in.yaml:1: IPAddressPool metallb-system/lan: spec.serviceAllocation.{where}; nobody knows whom the pool is "
        "for, so it is disabled"
    ]


def test_a_serviceallocation_of_another_type_disables_the_pool() -> None:
    """A word where a mapping should be."""
    assert convert(_allocated("prod")).pool("lan").disabled


@pytest.mark.parametrize(("word", "auto"), [("no", False), ("Off", False), ("yes", True), ("maybe", False)])
def test_booleans_as_kubectl_reads_them(word: str, auto: bool) -> None:
    """YAML 1.1's words count; what is none of them is taken for the narrower."""
    got = convert(_pool(f"{ADDRESSES}\nautoAssign: {word}"))
    assert got.pool("lan").auto_assign is auto
    assert len(got.remarks) == (word == "maybe")


def test_what_the_advertisements_say_is_said() -> None:
    """Each field that a pool file has no word for has its line, and so has a pool that no L2 announces."""
    got = convert(
        _pool(ADDRESSES, "one")
        + "---\n"
        + _pool("addresses: [192.0.2.16/28]", "two").replace("namespace:", "labels: {team: a}\n  namespace:")
        + "---\n"
        + _pool("addresses: [192.0.2.32/28]", "three")
        + """\
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: l2, namespace: metallb-system}
spec:
  ipAddressPools: [one]
  interfaces: [eth0, eth1]
  nodeSelectors: [{matchLabels: {rack: a}}, {matchExpressions: [{key: gpu, operator: DoesNotExist}]}]
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: bgp, namespace: metallb-system}
spec: {ipAddressPoolSelectors: [{matchLabels: {team: a}}]}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
"""
    )
    assert got.remarks == [
        "in.yaml:9: IPAddressPool metallb-system/two: BGP alone announces it",
        "in.yaml:18: IPAddressPool metallb-system/three: no advertisement here announces it",
        "in.yaml:26: L2Advertisement metallb-system/l2: spec.interfaces: eth0, eth1: a pool file says nothing of this; "
        "it is not carried over",
        "in.yaml:26: L2Advertisement metallb-system/l2: spec.nodeSelectors: rack=a or !gpu: a pool file says nothing "
        "of this; it is not carried over",
        "in.yaml:34: BGPAdvertisement metallb-system/bgp: lbctl does not speak BGP; it is not carried over",
        "in.yaml:39: BGPPeer metallb-system/router: lbctl does not speak BGP; it is not carried over",
    ]


def test_an_advertisement_of_all_pools_loses_nothing() -> None:
    """Most clusters have just this one."""
    l2 = "---\napiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: l2}\n"
    assert convert(_pool(ADDRESSES) + l2).remarks == []


def test_the_configmap_of_old() -> None:
    """What MetalLB read up to v0.12, its keys written with dashes."""
    got = convert(
        """\
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: metallb-system}
data:
  config: |
    peers: [{peer-address: 192.0.2.1}]
    address-pools:
    - {name: lan, protocol: layer2, addresses: [192.0.2.0/28], auto-assign: false, avoid-buggy-ips: true}
    - {name: wan, protocol: bgp, addresses: [198.51.100.0/28], bgp-advertisements: []}
"""
    )
    assert [(p.name, p.auto_assign, p.avoid_buggy_ips) for p in got.pools] == [
        ("lan", False, True),
        ("wan", True, False),
    ]
    label = "in.yaml:1: ConfigMap metallb-system/config: data.config."
    assert got.remarks == [
        f"{label}peers: lbctl does not speak BGP; it is not carried over",
        f"{label}address-pools[1].protocol: lbctl does not speak BGP; the addresses alone are carried over",
    ]


def test_the_kind_before_ipaddresspool() -> None:
    """AddressPool of v0.13."""
    got = convert(_pool(f"protocol: layer2\n{ADDRESSES}").replace("IPAddressPool", "AddressPool"))
    assert got.body == "- name: lan\n  addresses:\n  - 192.0.2.0/28"


def test_the_name_that_services_ask_for() -> None:
    """A name with dots is made one that a pool can have, and whoever asks by annotation has to know."""
    got = convert(_pool(ADDRESSES, "Lan.example.com"))
    assert got.remarks == [
        "in.yaml:1: IPAddressPool metallb-system/Lan.example.com: the pool is named lan-example-com, because a pool "
        "cannot have its name; Services that ask for it by metallb.io/address-pool have to ask for lan-example-com"
    ]


def test_a_pool_without_addresses_is_none() -> None:
    """There is nothing to import, and why is said."""
    got = convert(_pool("addresses: []"))
    assert (got.text, got.remarks) == (
        "",
        ["in.yaml:1: IPAddressPool metallb-system/lan: no address of it can be carried over, so it becomes no pool"],
    )
