"""What kernels make of an announcer's answers: reachability probes, DAD, and interfaces that come after the start."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from lbctl.l2.frames import Advertisement, Mac, parse_mac
from lbctl.l2.ndp import ALL_NODES, Solicitation, solicited_node
from tests.lab.announcing import BOTH, SOON, V4, V6, announcers, article, explained, neighbours, owner, reached, running
from tests.testbed.driver import until
from tests.testbed.lab import Lab
from tests.testbed.lan import BRIDGE, HOSTS, PORT, sysctl
from tests.testbed.wire import Station, mac_of

pytestmark = pytest.mark.lab

CLIENT, N1 = HOSTS["client"], HOSTS["n1"]
BURST = 3.0  # seconds after which the advertisements of a takeover are over, which would do the same as an answer
TARGET, ASKER = IPv6Address(V6), IPv6Address(CLIENT.ipv6)
EVERYBODY = "33:33:00:00:00:01"
MACS = (CLIENT.mac, N1.mac)
LATE4, LATE6 = "198.51.100.200", "2001:db8:1::200"
LATE_POOLS = f"pools:\n- {{name: late, addresses: [{LATE4}, '{LATE6}']}}\n"


@contextlib.contextmanager
def announced(lab: Lab, address: str) -> Iterator[None]:
    """n1 announces it, and has said so for the last time."""
    with running(lab, "n1", "arp-announce", address) as one:
        one.waits("the address is announced from here")
        time.sleep(BURST)
        yield


@pytest.mark.parametrize("address", [V4, V6])
def test_a_kernel_s_reachability_probe_is_answered(lab: Lab, address: str) -> None:
    """By unicast to the one who asked, by unicast (RFC 4861 7.3.3, RFC 1122 2.3.2.1)."""
    client = lab.space("client")
    with announced(lab, address), lab.capture() as seen:
        client.run("ip", "neigh", "replace", address, "lladdr", N1.mac, "dev", PORT, "nud", "probe")
        until(lambda: "REACHABLE" in client.run("ip", "neigh", "show", address), "it to be reachable", seconds=SOON)
    # To all, n1's kernel may ask too: it routes, and passes on what was sent to an address that it does not have.
    found = [(frame.host, frame.to) for frame in seen.frames if frame.address == address and frame.to in MACS]
    assert found == [("client", N1.mac), ("n1", CLIENT.mac)]


@pytest.mark.parametrize("way", ["to all", "to one"])
def test_a_solicitation_without_link_layer_option_is_answered(lab: Lab, way: str) -> None:
    """To the MAC that the frame came from; with the answer's own option (RFC 4861 4.3, 7.2.4)."""
    group = solicited_node(TARGET)
    to_ip, to = (TARGET, parse_mac(N1.mac)) if way == "to one" else (group, Mac(b"\x33\x33" + group.packed[12:]))
    with announced(lab, V6), contextlib.closing(Station(lab.space("client"), PORT)) as station:
        station.send(Solicitation(station.mac, to, ASKER, TARGET, None, to_ip))
        answer = station.hears(lambda frame: isinstance(frame, Advertisement) and frame.target_ip == TARGET)
    mac = parse_mac(N1.mac)
    assert answer == Advertisement(mac, station.mac, TARGET, ASKER, TARGET, mac, False, True, True)


def test_a_host_that_tries_the_address_out_finds_it_taken(lab: Lab) -> None:
    """Its kernel's DAD fails, by one answer to all nodes that is not solicited (RFC 4862 5.4.4, RFC 4861 7.2.4)."""
    client = lab.space("client")
    tries = {f"ipv6/conf/{PORT}/accept_dad": "1", f"ipv6/conf/{PORT}/dad_transmits": "1"}
    sysctl(client, tries)
    try:
        with announced(lab, V6), lab.capture() as seen, contextlib.closing(Station(client, PORT)) as station:
            client.run("ip", "address", "add", f"{V6}/64", "dev", PORT)
            answer = station.hears(lambda frame: isinstance(frame, Advertisement) and frame.target_ip == TARGET)
            shown = ("ip", "-6", "address", "show", "dev", PORT, "to", V6)
            until(lambda: "dadfailed" in client.run(*shown), "DAD to fail", seconds=SOON)
    finally:
        sysctl(client, dict.fromkeys(tries, "0"))
    mac = parse_mac(N1.mac)
    assert answer is not None
    assert answer == Advertisement(mac, answer.destination, TARGET, ALL_NODES, TARGET, mac, False, False, True)
    found = [(frame.host, frame.kind, frame.to) for frame in seen.frames if frame.address == V6]
    assert found == [("client", "probe", "33:33:ff:00:02:00"), ("n1", "advertisement", EVERYBODY)]


def test_what_peers_ask_the_owner_is_not_passed_on_by_its_kernel(lab: Lab, pools: Path) -> None:
    """A node routes. Asked at the address itself, which is not its own, it would ask the LAN for it all the time."""
    with announcers(lab, pools):
        article(lab, ipFamilies=["IPv6"])
        reached(lab, V6, 1)
        space = lab.space(owner(lab, V6))
        space.run("ip", "neigh", "flush", "to", V6, "nud", "all")  # of connections that came before kube-proxy knew
        with lab.capture() as seen:
            until(lambda: len(seen.answers(V6)) > 20, "its peers to ask it", seconds=SOON)
        assert not space.run("ip", "neigh", "show", "to", V6, "nud", "all")


def add_interface(lab: Lab, kind: str) -> None:
    """n1 has another interface on the LAN, with subnets that no other node is on."""
    node = lab.space("n1")
    if kind == "macvlan":
        node.run("ip", "link", "add", "lan1", "link", PORT, "type", "macvlan", "mode", "bridge")
    else:
        far = lab.space("switch").path
        node.run("ip", "link", "add", "lan1", "type", "veth", "peer", "name", "n1-lan1", "netns", far)
        lab.space("switch").run("ip", "link", "set", "n1-lan1", "master", BRIDGE, "up")
    node.run("ip", "link", "set", "lan1", "up")
    node.run("ip", "address", "add", "198.51.100.11/24", "dev", "lan1")
    node.run("ip", "address", "add", "2001:db8:1::11/64", "dev", "lan1", "nodad")


@pytest.mark.parametrize("kind", ["macvlan", "veth"])
def test_an_interface_that_appears_later_is_announced_on(lab: Lab, tmp_path: Path, kind: str) -> None:
    """Before that nobody announces, and explain says why; the same when it is deleted and made again."""
    pools = tmp_path / "pools.yaml"
    pools.write_text(LATE_POOLS)
    client, node = lab.space("client"), lab.space("n1")
    client.run("ip", "address", "add", "198.51.100.10/24", "dev", PORT)
    client.run("ip", "address", "add", "2001:db8:1::10/64", "dev", PORT, "nodad")
    with announcers(lab, pools):
        article(lab, **BOTH)
        until(lambda: "no interface on its subnet" in explained(lab, pools), "explain to say why", seconds=SOON)
        macs = []
        for _ in range(2):
            add_interface(lab, kind)
            try:
                mac = mac_of(node, "lan1").hex(":")
                for address in (LATE4, LATE6):
                    until(lambda a=address: lab.reaches(a), f"{address} to be reached", seconds=SOON)  # type: ignore[misc]
                    assert neighbours(lab, address) == mac
                macs.append(mac)
            finally:
                node.run("ip", "link", "delete", "lan1")
        assert len(set(macs)) == 2
