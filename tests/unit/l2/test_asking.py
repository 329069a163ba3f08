"""Asking on the kernel's own wire: where an address can be asked for, who answers, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from lbctl.addresses import Address, parse_address
from lbctl.l2.ethernet import Mac
from lbctl.l2.privileges import capable
from lbctl.l2.probe import Found, Use
from lbctl.pools import Pool, PoolFile
from lbctl.probing import CannotProbe, Prober
from tests.testbed.wire import CLIENT4, CLIENT6, Wire
from tests.unit.planner.values import pool, pools

FREE4, FREE6, FAR = (parse_address(a) for a in ("192.0.2.99", "2001:db8::99", "198.51.100.1"))
HERE = pool("192.0.2.0/24", "2001:db8::/64", "198.51.100.0/24")


def ask(
    wire: Wire, *addresses: Address, one: Pool = HERE, must: bool = False, peers: dict[Mac, str] | None = None
) -> dict[Address, Found]:
    """What the node finds out."""
    return wire.node.call(lambda: Prober(pools(one), lambda: peers or {}, must=must)(addresses, []))


def test_hosts_are_found_by_both_families_in_a_third_of_a_second(wire: Wire) -> None:
    """With their MACs; what is on no subnet is left out."""
    mac = wire.station.mac
    began = time.monotonic()
    assert ask(wire, CLIENT4, CLIENT6, FREE4, FREE6, FAR) == {
        CLIENT4: Found(CLIENT4, Use.STRANGER, mac),
        CLIENT6: Found(CLIENT6, Use.STRANGER, mac),
        FREE4: Found(FREE4, Use.FREE),
        FREE6: Found(FREE6, Use.FREE),
    }
    assert 0.3 <= time.monotonic() - began < 5


def test_an_announcer_of_ours_is_known_by_its_mac(wire: Wire) -> None:
    """From its Lease."""
    mac = wire.station.mac
    assert ask(wire, CLIENT4, peers={mac: "n2"}) == {CLIENT4: Found(CLIENT4, Use.PEER, mac, "n2")}


def test_what_another_interface_of_this_machine_answers_is_no_news(wire: Wire) -> None:
    """Both are on one LAN, and our own announcer answers on both."""
    wire.node.run("ip", "link", "add", "link", "eth0", "name", "eth1", "type", "macvlan", "mode", "bridge")
    wire.node.run("ip", "link", "set", "eth1", "up")
    wire.node.run("ip", "address", "add", f"{FREE4}/24", "dev", "eth1")
    found = ask(wire, FREE4, CLIENT4)
    assert (found[FREE4].use, found[CLIENT4].use) == (Use.FREE, Use.STRANGER)


def test_an_interface_without_a_mac_does_not_matter(wire: Wire) -> None:
    """A tunnel has none, and the addresses are on another."""
    wire.node.run("ip", "tuntap", "add", "tun0", "mode", "tun")
    assert ask(wire, CLIENT4)[CLIENT4].use is Use.STRANGER


def test_an_interface_that_the_pool_names_is_asked_where_it_must_be(wire: Wire) -> None:
    """Otherwise not: an interface of that name may be on another LAN. Without any it is an error."""
    wire.client.run("ip", "address", "add", f"{FAR}/32", "dev", "eth0")
    named = replace(HERE, interfaces=("eth0", "nix"))
    assert ask(wire, FAR, one=named) == {}
    assert ask(wire, FAR, one=named, must=True)[FAR].use is Use.STRANGER
    with pytest.raises(CannotProbe) as caught:
        ask(wire, FAR, must=True)
    assert (caught.value.message, caught.value.hint) == (
        "whether 198.51.100.1 is in use cannot be asked here: no interface is on its subnet",
        "run it on a machine of that LAN, such as a node, or leave it out with --probe=off",
    )


@pytest.mark.parametrize(
    ("texts", "near"),
    [(["192.0.2.200"], True), (["198.51.100.0/24", "2001:db8::/120"], True), (["192.0.3.0/24"], False), ([], False)],
)
def test_near_is_a_pool_with_an_address_on_a_subnet_of_this_machine(
    wire: Wire, texts: Collection[str], near: bool
) -> None:
    """Of whatever family."""
    file = pools(pool(*texts)) if texts else PoolFile("", None, (), "")
    assert wire.node.call(lambda: Prober(file, dict, must=False).near) is near


@pytest.mark.parametrize(
    ("status", "may"),
    [
        ("CapEff:\t0000000000002000\n", True),
        ("Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000001fff\n", False),
        ("", False),
        (None, False),
    ],
)
def test_the_capability_is_read_from_the_kernel(tmp_path: Path, status: str | None, may: bool) -> None:
    """Without /proc there is none."""
    if status is not None:
        (tmp_path / "status").write_text(status)
    assert capable(tmp_path / "status") is may
