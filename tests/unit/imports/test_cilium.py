"""Cilium's pools: blocks, first and last addresses, and a selector that knows of namespaces and names."""

from __future__ import annotations

import pytest

from tests.unit.imports.convert import Result, convert

SPACE, NAME = "io.kubernetes.service.namespace", "io.kubernetes.service.name"


def _pool(spec: str, version: str = "v2") -> Result:
    lines = "".join(f"  {line}\n" for line in spec.splitlines())
    return convert(
        f"apiVersion: cilium.io/{version}\nkind: CiliumLoadBalancerIPPool\nmetadata: {{name: blue}}\nspec:\n{lines}"
    )


def _selected(selector: str) -> Result:
    return _pool(f"blocks: [{{cidr: 192.0.2.0/28}}]\nserviceSelector: {selector}")


def test_blocks() -> None:
    """CIDRs, ranges, and a start alone, which is one address."""
    got = _pool("blocks:\n- cidr: 192.0.2.0/28\n- {start: 192.0.2.100, stop: 192.0.2.110}\n- start: '2001:db8::7'")
    assert got.body == ('- name: blue\n  addresses:\n  - 192.0.2.0/28\n  - 192.0.2.100-192.0.2.110\n  - "2001:db8::7"')
    assert got.remarks == []


def test_host_bits() -> None:
    """Masked, as Cilium does."""
    assert "  - 192.0.2.0/28" in _pool("blocks: [{cidr: 192.0.2.5/28}]").body


def test_first_and_last_addresses_kept_back() -> None:
    """Of every CIDR with more than two addresses; a range has no ends to keep back."""
    got = _pool(
        "allowFirstLastIPs: 'No'\nblocks:\n- cidr: 192.0.2.0/28\n- cidr: 192.0.2.32/31\n- cidr: 192.0.2.40/32\n"
        "- {start: 192.0.2.100, stop: 192.0.2.110}\n- cidr: '2001:db8::/126'"
    )
    assert str(got.pool("blue").exclude) == "192.0.2.0, 192.0.2.15, 2001:db8::, 2001:db8::3"
    assert got.remarks == []


@pytest.mark.parametrize(
    ("version", "key", "excluded"),
    [("v2", "blocks", False), ("v2alpha1", "blocks", True), ("v2alpha1", "cidrs", True)],
)
def test_first_and_last_addresses_when_nothing_is_said(version: str, key: str, excluded: bool) -> None:
    """v2 gives them out; with v2alpha1 it depends on Cilium's version, so they are kept back, and it is said."""
    got = _pool(f"{key}: [{{cidr: 192.0.2.0/28}}]", version)
    assert bool(got.pool("blue").exclude) is excluded
    said = (
        "in.yaml:1: CiliumLoadBalancerIPPool blue: spec.allowFirstLastIPs: it is not set, which means No up to Cilium "
        "1.15 and Yes from 1.16 on: the first and last address of each CIDR are written as exclude, which you can take "
        "out for 1.16 or newer"
    )
    assert got.remarks == [said] * excluded


def test_first_and_last_addresses_said_to_be_given_out() -> None:
    """Then no version differs."""
    got = _pool("allowFirstLastIPs: 'Yes'\ncidrs: [{cidr: 192.0.2.0/28}]", "v2alpha1")
    assert (got.remarks, bool(got.pool("blue").exclude)) == ([], False)


def test_disabled() -> None:
    """Disabled there is disabled here."""
    assert _pool("disabled: true\nblocks: [{cidr: 192.0.2.0/28}]").pool("blue").disabled


@pytest.mark.parametrize(
    ("selector", "written"),
    [
        ("{}", ""),
        ("null", ""),
        ("{matchLabels: {color: blue}}", "\n  serviceSelector:\n    matchLabels:\n      color: blue"),
        (f"{{matchLabels: {{{SPACE}: prod}}}}", "\n  namespaces: [prod]"),
        (
            f"{{matchLabels: {{color: blue}}, matchExpressions: [{{key: {SPACE}, operator: In, values: [a, b]}}]}}",
            "\n  namespaces: [a, b]\n  serviceSelector:\n    matchLabels:\n      color: blue",
        ),
        (
            f"{{matchExpressions: [{{key: {SPACE}, operator: NotIn, values: [b, a]}}]}}",
            "\n  namespaceSelector:\n    matchExpressions:\n"
            "    - {key: kubernetes.io/metadata.name, operator: NotIn, values: [a, b]}",
        ),
        (
            f"{{matchExpressions: [{{key: {SPACE}, operator: In, values: [a, b, c]}}, "
            f"{{key: {SPACE}, operator: In, values: [b, c]}}, {{key: {SPACE}, operator: NotIn, values: [c]}}]}}",
            "\n  namespaces: [b]",
        ),
        (f"{{matchExpressions: [{{key: {SPACE}, operator: Exists}}]}}", ""),
    ],
)
def test_selectors(selector: str, written: str) -> None:
    """The label that Cilium makes of a Service's namespace becomes what a pool file says of namespaces, exactly."""
    got = _selected(selector)
    assert got.body == f"- name: blue\n  addresses:\n  - 192.0.2.0/28{written}"
    assert got.remarks == []


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        (
            f"{{matchLabels: {{{SPACE}: prod, {NAME}: web}}}}",
            f": {SPACE}=prod,{NAME}=web: a pool cannot be for Services by name, so it is disabled; give them a label, "
            "and select that",
        ),
        (
            f"{{matchExpressions: [{{key: {SPACE}, operator: DoesNotExist}}]}}",
            f": !{SPACE} fits no Service, so the pool is disabled",
        ),
        (f"{{matchLabels: {{{SPACE}: A_b}}}}", ": no namespace can be named 'A_b', so the pool is disabled"),
        ("[]", ": this is no mapping; nobody knows whom the pool is for, so it is disabled"),
    ],
)
def test_selectors_that_a_pool_file_cannot_say(selector: str, why: str) -> None:
    """Nobody gets an address of such a pool until a person has looked."""
    got = _selected(selector)
    assert got.pool("blue").disabled
    assert [remark.replace("spec.serviceSelector[0]", "spec.serviceSelector") for remark in got.remarks] == [
        f"in.yaml:1: CiliumLoadBalancerIPPool blue: spec.serviceSelector{why}"
    ]


def test_the_rest_of_cilium() -> None:
    """Who announces is said not to go over; what has nothing to do with it is passed over."""
    got = convert(
        "apiVersion: cilium.io/v2alpha1\nkind: CiliumL2AnnouncementPolicy\nmetadata: {name: all}\n---\n"
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: deny}\n"
    )
    assert got.remarks == [
        "in.yaml:1: CiliumL2AnnouncementPolicy all: a pool file says nothing of who announces where; it is not carried "
        "over"
    ]
