"""PureLB's ServiceGroups: where their addresses stand, and whom they are for."""

from __future__ import annotations

import pytest

from tests.unit.imports.convert import Result, convert

LABEL = "in.yaml:1: ServiceGroup purelb/default: "


def _group(spec: str, name: str = "default", version: str = "v2") -> str:
    lines = "".join(f"  {line}\n" for line in spec.splitlines())
    meta = f"metadata: {{name: {name}, namespace: purelb}}"
    return f"apiVersion: purelb.io/{version}\nkind: ServiceGroup\n{meta}\nspec:\n{lines}"


def _groups(**specs: str) -> Result:
    return convert("---\n".join(_group(spec, name) for name, spec in specs.items()))


def _local(last: int) -> str:
    return f"local: {{v4pool: {{subnet: 192.0.2.0/24, pool: 192.0.2.{last}/32}}}}"


def test_v1() -> None:
    """One pool of one subnet."""
    got = convert(_group("local: {subnet: 192.0.2.0/24, pool: 192.0.2.200-192.0.2.220}", version="v1"))
    assert got.body == "- name: default\n  addresses:\n  - 192.0.2.200-192.0.2.220"
    assert got.remarks == []


def test_v2() -> None:
    """Both families, single and in lists, and what only the announcing needs."""
    got = convert(
        _group(
            "local:\n  v4pool: {subnet: 192.0.2.0/24, pool: 192.0.2.8/29, aggregation: default}\n"
            "  v6pools: [{subnet: '2001:db8::/64', pool: '2001:db8::10-2001:db8::1f', aggregation: /128}]\n"
            "  balancePools: true\n  skipIPv6DAD: false"
        )
    )
    assert got.body == '- name: default\n  addresses:\n  - 192.0.2.8/29\n  - "2001:db8::10-2001:db8::1f"'
    assert got.remarks == [
        f"{LABEL}spec.local.balancePools: lbctl fills one range after the other; it is not carried over",
        f"{LABEL}spec.local.v6pools[0].aggregation: /128: lbctl announces no routes; it is not carried over",
    ]


def test_a_remote_group() -> None:
    """Its addresses go over, its routes do not."""
    got = convert(_group("remote: {v4pool: {subnet: 203.0.113.0/24, pool: 203.0.113.16/29}}"))
    assert got.remarks == [f"{LABEL}spec.remote: lbctl announces no routes; the addresses alone are carried over"]


@pytest.mark.parametrize("kind", ["external", "netbox", "epic"])
def test_addresses_of_another_system(kind: str) -> None:
    """There are none to carry over."""
    got = convert(_group(f"{kind}: {{url: https://ipam.example.com}}"))
    assert got.text == ""
    assert got.remarks[0] == f"{LABEL}spec.{kind}: its addresses come from another system; it is not carried over"


def test_a_cidr_with_host_bits_begins_where_it_is_written() -> None:
    """PureLB counts from the address, not from the network."""
    got = convert(_group("local: {subnet: 192.0.2.0/24, pool: 192.0.2.20/28}", version="v1"))
    assert str(got.pool("default").addresses) == "192.0.2.20-192.0.2.31"
    assert got.remarks == [
        f"{LABEL}spec.local.pool: 192.0.2.20/28 has host bits set; PureLB reads it as 192.0.2.20-192.0.2.31, and so it "
        "is written"
    ]


def test_a_group_that_nobody_gets_unasked() -> None:
    """Only the group named default is given to Services that name none."""
    got = _groups(default=_local(1), public=_local(2))
    assert [(pool.name, pool.auto_assign) for pool in got.pools] == [("default", True), ("public", False)]


def test_a_group_for_namespaces() -> None:
    """It is for them alone here, and they get nothing of the default group."""
    got = _groups(default=_local(1), team=f"{_local(2)}\nnamespaces: [a, b]")
    assert (got.pool("team").namespaces, got.pool("team").auto_assign) == (("a", "b"), True)
    name = "kubernetes.io/metadata.name"
    assert [space for space in "abc" if not got.pool("default").admits(space, {name: space}, {})] == ["c"]
    assert got.remarks == [
        f"{LABEL}a, b: these have groups of their own, so the pool selects the other namespaces alone",
        "in.yaml:7: ServiceGroup purelb/team: spec.namespaces: PureLB gives its addresses to other namespaces too "
        "where a Service names it; here it is for these alone",
    ]


def test_a_fence_holds_in_both_directions() -> None:
    """A namespace that is confined gets nothing of a group that does not name it, asked for or not."""
    got = _groups(public=_local(1), team=f"{_local(2)}\nnamespaces: [a]\nenforceNamespaces: true")
    name = "kubernetes.io/metadata.name"
    assert [space for space in "ab" if not got.pool("public").admits(space, {name: space}, {})] == ["b"]
    assert got.pool("team").auto_assign
    assert not [remark for remark in got.remarks if "purelb/team" in remark]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("false", "false", (False, False)), ("true", "false", (True, False)), ("true", "true", (False, False))],
)
def test_two_groups_of_one_namespace(first: str, second: str, expected: tuple[bool, bool]) -> None:
    """The one that is marked is given unasked; none is when it is not just one."""
    got = _groups(
        one=f"{_local(1)}\nnamespaces: [a]\nnamespaceDefault: {first}",
        two=f"{_local(2)}\nnamespaces: [a]\nnamespaceDefault: {second}",
    )
    assert tuple(pool.auto_assign for pool in got.pools) == expected


def test_the_default_group_for_namespaces_is_for_all() -> None:
    """Whoever names no group comes to it, named in it or not."""
    got = _groups(default=f"{_local(1)}\nnamespaces: [a]")
    assert got.pool("default").namespaces == ()
    assert got.remarks == [
        f"{LABEL}spec.namespaces: PureLB gives addresses of the group default to all namespaces, and so does the pool"
    ]


def test_namespaces_that_cannot_be_read_disable_the_pool() -> None:
    """Of a pool whose audience is unknown nobody gets an address."""
    assert _groups(team=f"{_local(1)}\nnamespaces: [A_b]").pool("team").disabled
