"""Pools of several systems in one file: names are unique, and of two that have an address the narrower keeps it."""

from __future__ import annotations

from tests.unit.imports.convert import Result, convert


def _metallb(name: str, addresses: str, more: str = "") -> str:
    meta = f"metadata: {{name: {name}, namespace: metallb-system}}"
    return f"apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n{meta}\nspec: {{addresses: [{addresses}]{more}}}\n"


def _cilium(name: str, cidr: str, more: str = "") -> str:
    meta = f"metadata: {{name: {name}}}"
    kind = "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool"
    return f"{kind}\n{meta}\nspec: {{blocks: [{{cidr: {cidr}}}]{more}}}\n"


def _both(*documents: str) -> Result:
    return convert("---\n".join(documents))


def test_two_pools_of_one_name() -> None:
    """The second is named for its system, a third gets a number."""
    got = _both(
        _cilium("lan", "192.0.2.0/28"),
        _metallb("lan", "192.0.2.16/28"),
        _metallb("lan.", "192.0.2.32/28"),
        _metallb("LAN", "192.0.2.48/28"),
    )
    assert [pool.name for pool in got.pools] == ["lan", "lan-metallb", "lan-metallb-2", "lan-cilium"]
    assert got.remarks[0] == (
        "in.yaml:1: CiliumLoadBalancerIPPool lan: the pool is named lan-cilium, because another pool has its name"
    )


def test_a_name_too_long() -> None:
    """63 characters are left of it, also with the system's name behind."""
    got = _both(_metallb("a" * 70, "192.0.2.0/28"), _metallb("a" * 71, "192.0.2.16/28"))
    assert [pool.name for pool in got.pools] == ["a" * 63, "a" * 55 + "-metallb"]


def test_a_name_with_nothing_left() -> None:
    """Something has to be written."""
    assert _both(_metallb("'...'", "192.0.2.0/28")).pools[0].name == "pool"


def test_the_later_of_two_open_pools_loses_what_both_have() -> None:
    """What is left of it is written as ranges, and what is lost is said."""
    got = _both(_metallb("one", "192.0.2.4-192.0.2.7"), _metallb("two", "192.0.2.0/28"))
    assert str(got.pool("two").addresses) == "192.0.2.0-192.0.2.3, 192.0.2.8-192.0.2.15"
    assert got.remarks == [
        "in.yaml:6: IPAddressPool metallb-system/two: spec.addresses[0]: 192.0.2.4-192.0.2.7 is in pool one of MetalLB "
        "already, and is left out here"
    ]


def test_the_narrower_of_two_pools_keeps_what_both_have() -> None:
    """Whatever their order: disabled, then for some Services, then only asked for, then open."""
    more = [", autoAssign: false", ", serviceAllocation: {namespaces: [prod]}", ", serviceAllocation: {namespaces: 0}"]
    documents = [_metallb("p0", "192.0.2.0/30")]
    documents += [_metallb(f"p{n}", f"192.0.2.{n}-192.0.2.{n + 1}", text) for n, text in enumerate(more, 1)]
    got = _both(*documents)
    assert {pool.name: str(pool.addresses) for pool in got.pools} == {
        "p0": "192.0.2.0",
        "p1": "192.0.2.1",
        "p2": "192.0.2.2",
        "p3": "192.0.2.3-192.0.2.4",
    }


def test_a_pool_with_nothing_left_is_none() -> None:
    """It is said, and the file does without it."""
    got = _both(_metallb("one", "192.0.2.0/24"), _cilium("two", "192.0.2.0/28", ", allowFirstLastIPs: 'No'"))
    assert [pool.name for pool in got.pools] == ["one"]
    assert got.remarks[-1] == (
        "in.yaml:6: CiliumLoadBalancerIPPool two: no address of it can be carried over, so it becomes no pool"
    )


def test_an_address_twice_in_one_pool() -> None:
    """It is written once."""
    got = _both(_metallb("one", "192.0.2.0/28, 192.0.2.8-192.0.2.20, 192.0.2.3/32"))
    assert [line.strip("- ") for line in got.body.splitlines()[2:]] == ["192.0.2.0/28", "192.0.2.16-192.0.2.20"]
    assert [remark.partition("spec.")[2] for remark in got.remarks] == [
        "addresses[1]: 192.0.2.8-192.0.2.15 is in this pool already, and is left out here",
        "addresses[2]: 192.0.2.3 is in this pool already, and is left out here",
    ]


def test_what_is_excluded_goes_with_its_addresses() -> None:
    """An exclusion of an address that the pool lost would be an error in the file."""
    got = _both(_metallb("one", "192.0.2.0-192.0.2.7"), _cilium("two", "192.0.2.0/28", ", allowFirstLastIPs: 'No'"))
    assert (str(got.pool("two").addresses), str(got.pool("two").exclude)) == ("192.0.2.8-192.0.2.15", "192.0.2.15")


def test_the_last_of_two_objects_of_one_name_counts() -> None:
    """As `kubectl apply` leaves it."""
    got = _both(_metallb("lan", "192.0.2.0/28"), _metallb("lan", "192.0.2.64/28"))
    assert [str(pool.addresses) for pool in got.pools] == ["192.0.2.64-192.0.2.79"]
    assert got.remarks == [
        "in.yaml:1: IPAddressPool metallb-system/lan: it stands here again further down, and is read there alone"
    ]


def test_text_that_could_end_a_comment_does_not() -> None:
    """Somebody else's names and values stand in comments; none of them becomes a line of the file."""
    evil = '"x\\n- name: evil\\n  addresses: [203.0.113.1]\\u2028\\u001b[31m"'
    got = _both(_metallb(evil, f"192.0.2.0/28, {evil}", f", serviceAllocation: {{namespaces: [{evil}]}}"))
    assert [(pool.name, str(pool.addresses)) for pool in got.pools] == [
        ("x-name-evil-addresses-203-0-113-1-31m", "192.0.2.0-192.0.2.15")
    ]
    assert "\x1b" not in got.text + "".join(got.remarks)
    assert not [remark for remark in got.remarks if len(remark.splitlines()) > 1]
