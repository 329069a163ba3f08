"""The ConfigMap of the kube-vip cloud provider, key by key."""

from __future__ import annotations

import pytest

from tests.unit.imports.convert import Result, convert


def _configmap(**data: str) -> Result:
    lines = "".join(f"  {key.replace('_', '-')}: {value!r}\n" for key, value in data.items())
    return convert(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: kubevip, namespace: kube-system}}\ndata:\n{lines}"
    )


LABEL = "in.yaml:1: ConfigMap kube-system/kubevip: "


def test_a_global_range() -> None:
    """The one line that most clusters have."""
    got = _configmap(range_global="192.0.2.200-192.0.2.220,2001:db8::10-2001:db8::1f")
    assert got.body == '- name: global\n  addresses:\n  - 192.0.2.200-192.0.2.220\n  - "2001:db8::10-2001:db8::1f"'
    assert got.remarks == []


def test_namespaces_with_addresses_of_their_own_get_no_others() -> None:
    """As there: the global pool is for the rest, full or not."""
    got = _configmap(range_global="192.0.2.1-192.0.2.9", range_prod="192.0.2.11-192.0.2.19", cidr_dev="192.0.2.32/32")
    assert [(pool.name, pool.namespaces) for pool in got.pools] == [
        ("global", ()),
        ("prod", ("prod",)),
        ("dev", ("dev",)),
    ]
    name = "kubernetes.io/metadata.name"
    for space, admitted in {"prod": False, "dev": False, "web": True}.items():
        assert (got.pool("global").admits(space, {name: space}, {}) == "") is admitted
    assert got.remarks == [
        f"{LABEL}*-global: kube-vip gives no address of it to prod, dev, and so the pool selects the other namespaces "
        "alone"
    ]


def test_a_key_that_another_goes_before_is_dead() -> None:
    """cidr goes before range, and the global cidr even before a namespace's range: giving those out would be new."""
    got = _configmap(
        cidr_global="192.0.2.1/32", range_global="192.0.2.2-192.0.2.3", range_prod="192.0.2.4-192.0.2.5",
        cidr_dev="192.0.2.6/32", range_dev="192.0.2.7-192.0.2.8",
    )  # fmt: skip
    assert [(pool.name, str(pool.addresses)) for pool in got.pools] == [("global", "192.0.2.1"), ("dev", "192.0.2.6")]
    dead = "goes before it, so it is never used; it is not carried over"
    assert [remark for remark in got.remarks if dead in remark] == [
        f"{LABEL}range-global: cidr-global {dead}",
        f"{LABEL}range-prod: cidr-global {dead}",
        f"{LABEL}range-dev: cidr-dev {dead}",
    ]


def test_the_ends_of_cidrs() -> None:
    """Kept back where the ConfigMap says so, of IPv4 CIDRs as they are when put together."""
    got = _configmap(
        cidr_global="192.0.2.0/25,192.0.2.128/25,198.51.100.8/31,2001:db8::/120", skip_end_ips_in_cidr="true"
    )
    assert str(got.pool("global").exclude) == "192.0.2.0, 192.0.2.255"
    assert got.remarks == []


def test_the_ends_of_cidrs_when_nothing_is_said() -> None:
    """The file has them, and says that old versions of the provider had not."""
    got = _configmap(cidr_global="192.0.2.220/29")
    assert str(got.pool("global").usable) == "192.0.2.216-192.0.2.223"
    assert got.remarks == [
        f"{LABEL}cidr-global: 192.0.2.220/29 has host bits set; kube-vip reads it as 192.0.2.216/29, and so it is "
        "written",
        f"{LABEL}cidr-global: the first and last address of an IPv4 CIDR are carried over, for skip-end-ips-in-cidr is "
        "not set; old versions of the provider left them out all the same",
    ]


def test_dhcp_is_not_for_lbctl() -> None:
    """0.0.0.0/32 is no address."""
    got = _configmap(cidr_global="0.0.0.0/32")
    assert (got.text, got.remarks) == (
        "",
        [
            f"{LABEL}cidr-global: 0.0.0.0/32 stands for DHCP, which lbctl does not do; it is not carried over",
            f"{LABEL}no address of it can be carried over, so it becomes no pool",
        ],
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("allow_share_global", "true", "Services share an address only where their annotation lbctl/share says so"),
        ("allow_share_prod", "false", ""),
        ("interface_global", "eth0", "a pool file says nothing of interfaces"),
        ("search_order", "desc", "lbctl hands out the lowest address first"),
        ("search_order", "asc", ""),
        ("colour", "blue", "lbctl does not know this key"),
    ],
)
def test_other_keys(key: str, value: str, said: str) -> None:
    """What has no counterpart is said, and what changes nothing is not."""
    got = _configmap(range_global="192.0.2.1-192.0.2.9", **{key: value})
    name = key.replace("_", "-")
    assert got.remarks == ([f"{LABEL}{name}: {said}; it is not carried over"] if said else [])


def test_a_key_of_no_namespace_is_disabled() -> None:
    """Nobody could have had those addresses."""
    got = _configmap(**{"range_Prod.1": "192.0.2.1-192.0.2.9", "range_global": "192.0.2.11-192.0.2.19"})
    assert [(pool.name, pool.disabled) for pool in got.pools] == [("prod-1", True), ("global", False)]


def test_other_configmaps_are_not_read() -> None:
    """A ConfigMap is the provider's by its name and keys."""
    got = convert("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {range-x: 192.0.2.1-192.0.2.2}\n")
    assert got.text == ""
