"""Addresses that somebody on the LAN has already: who gives addresses sees them, on the kernel's own ARP and NDP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.announcing import POOLS, SOON, announcers, neighbours, running
from tests.testbed.driver import SERVICES, service, until
from tests.testbed.lab import Lab
from tests.testbed.lan import BY_MAC, HOSTS, PORT

pytestmark = pytest.mark.lab

STRANGER = HOSTS["client"].mac


@pytest.fixture
def pools(tmp_path: Path) -> Path:
    """A pool file."""
    path = tmp_path / "pools.yaml"
    path.write_text(POOLS)
    return path


def told(lab: Lab, *words: str, host: str = "gw") -> tuple[list[str], list[str], int]:
    """What another lbctl says on both outputs, and its exit status."""
    with running(lab, host, *words) as one:
        assert one.child.stdout is not None
        out = one.child.stdout.read().splitlines()
        code = one.wait()
        return out, one.said, code


def create(lab: Lab, *names: str, family: str = "IPv4") -> None:
    """Make Services on the lab's pods."""
    for name in names:
        item = service(name)
        item["spec"] |= {"selector": {"app": "web"}, "ipFamilies": [family]}
        status, answer = lab.hand.admin.request("POST", SERVICES, item)
        assert status == 201, answer


def taken(lab: Lab, *addresses: str) -> None:
    """The client has these, too."""
    for address in addresses:
        whole = f"{address}/128 dev {PORT} nodad" if ":" in address else f"{address}/32 dev {PORT}"
        lab.space("client").run("ip", "address", "add", *whole.split())


@contextlib.contextmanager
def router(lab: Lab) -> Iterator[None]:
    """The client answers for the whole pool, as a router with proxy ARP (the kernel's own answers to no probe)."""
    addresses = [f"192.0.2.{number}" for number in range(200, 221)]
    with running(lab, "client", "arp-announce", *addresses, "--force") as one:
        one.waits(f"address={addresses[-1]}")
        yield


@pytest.mark.parametrize(
    ("family", "first", "second"),
    [("IPv4", "192.0.2.200", "192.0.2.201"), ("IPv6", "2001:db8::200", "2001:db8::201")],
)
def test_assign_passes_over_what_a_host_has(lab: Lab, pools: Path, family: str, first: str, second: str) -> None:
    """And refuses it to who asks for it by name; with its MAC either way, and in a dry run, too."""
    taken(lab, first)
    create(lab, "web", family=family)
    found = f"AddressInUseOnLan: {first} is in use on the LAN: {STRANGER} answers for it"
    said = [f"warning: {found}, so it is passed over"]
    file = f"--pools={pools}"
    dry = [f"default/web {second} (Assigned) (dry run)"]
    assert told(lab, "assign", "web", "--dry-run", file) == (dry, said, 0)
    refused = [
        f"error: default/web: {found}",
        "hint: find the machine by its MAC and give it another address, or exclude the address from its pool",
    ]
    assert told(lab, "assign", "web", f"--ip={first}", file) == ([], refused, 1)
    assert told(lab, "assign", "web", file) == ([f"default/web {second} (Assigned)"], said, 0)
    # What it holds is not asked for, nor taken away; and nobody is asked where that is not wanted.
    taken(lab, second)
    assert told(lab, "assign", "--all", file) == ([], [], 0)
    create(lab, "other", family=family)
    assert told(lab, "assign", "other", "--probe=off", file) == ([f"default/other {first} (Assigned)"], [], 0)


def test_a_router_that_answers_for_whatever_it_is_asked_does_not_empty_the_pool(lab: Lab, pools: Path) -> None:
    """It is told of once, and the first address is given."""
    create(lab, "web", "other")
    words = "answers for whatever address it is asked for (proxy ARP), so its answers do not count"
    with router(lab):
        assert told(lab, "assign", "--all", "--probe=on", f"--pools={pools}") == (
            ["default/other 192.0.2.200 (Assigned)", "default/web 192.0.2.201 (Assigned)"],
            [f"warning: {STRANGER} {words}"],
            0,
        )


def test_what_a_node_still_announces_is_refused_with_the_node(lab: Lab, pools: Path) -> None:
    """It was cut off from the API server when the Service went."""
    address, file = "192.0.2.200", f"--pools={pools}"
    with announcers(lab, pools, serve=False):
        create(lab, "web")
        told(lab, "assign", "web", file)
        until(lambda: lab.reaches(address), f"{address} to be reached", seconds=SOON)
        mac = neighbours(lab, address)
        node = BY_MAC[mac]
        lab.cut_api(node)
        lab.hand.admin.request("DELETE", f"{SERVICES}/web", None)
        create(lab, "other")
        out, said, code = told(lab, "assign", "other", f"--ip={address}", file)
        found = f"StillAnnounced: {address} is still announced by node {node} ({mac})"
        assert (out, said[0], code) == ([], f"error: default/other: {found}", 1)


def test_where_the_lan_cannot_be_asked_that_is_an_error_if_it_must_be(lab: Lab, tmp_path: Path) -> None:
    """By itself, nothing is said of it."""
    pools = tmp_path / "far.yaml"
    pools.write_text("pools:\n- {name: far, addresses: [198.51.100.7]}\n")
    create(lab, "web")
    file = f"--pools={pools}"
    assert told(lab, "assign", "web", "--probe=on", file) == (
        [],
        [
            "error: whether 198.51.100.7 is in use cannot be asked here: no interface is on its subnet",
            "hint: run it on a machine of that LAN, such as a node, or leave it out with --probe=off",
        ],
        1,
    )
    assert told(lab, "assign", "web", file) == (["default/web 198.51.100.7 (Assigned)"], [], 0)
    assert told(lab, "serve", "--probe=on", "--listen=off", file) == (
        [],
        [
            "error: no interface of this machine is on the subnet of a pool",
            "hint: run it on a machine of that LAN, such as a node, or leave it out with --probe=off",
        ],
        1,
    )


def test_pools_check_lists_who_answers(lab: Lab, pools: Path) -> None:
    """Nodes for the Services that they announce, strangers as a warning, a router with proxy ARP once."""
    stranger, file = "192.0.2.210", f"--pools={pools}"
    with announcers(lab, pools, serve=False):
        create(lab, "web")
        told(lab, "assign", "web", file)
        until(lambda: lab.reaches("192.0.2.200"), "the address to be reached", seconds=SOON)
        mac = neighbours(lab, "192.0.2.200")
        taken(lab, stranger, "2001:db8::209")
        out, said, code = told(lab, "pools", "check", "--probe", "--strict", file)
    assert [line.split(maxsplit=2) for line in out[:4]] == [
        ["ADDRESS", "MAC", "WHO"],
        ["192.0.2.200", mac, f"node {BY_MAC[mac]}; Service default/web shows it"],
        [stranger, STRANGER, "a stranger"],
        ["2001:db8::209", STRANGER, "a stranger"],
    ]
    warned = [line.partition("LB205 warning: ")[2] for line in out if "LB205" in line]
    assert warned == [
        f"pool lan: {address} is in use on the LAN: {STRANGER} answers for it"
        for address in (stranger, "2001:db8::209")
    ]
    assert (said[0], code) == (f"error: {pools} has 2 warnings", 1)
    with router(lab):
        out, _, code = told(lab, "pools", "check", "--probe", file)
    assert [line.partition("LB207 note: ")[2] for line in out if "LB2" in line] == [
        f"pool lan: {STRANGER} answers for whatever address it is asked for (proxy ARP), so its answers do not count"
    ]


def shown(lab: Lab, name: str) -> list[str]:
    """The addresses that a Service shows."""
    status = lab.hand.admin.get(f"{SERVICES}/{name}")["status"]
    return [entry["ip"] for entry in status["loadBalancer"].get("ingress", ())]


def test_serve_gives_silent_addresses(lab: Lab, pools: Path) -> None:
    """From the start on, and to who comes later; a stranger is told of once, and who names its address is refused."""
    taken(lab, "192.0.2.200", "192.0.2.202", "2001:db8::200")
    create(lab, "early")
    command = ("serve", f"--pools={pools}", "--listen=off", "--no-leader-elect", "--probe=on")
    with running(lab, "gw", *command) as serve:
        until(lambda: shown(lab, "early") == ["192.0.2.201"], "the first to be served", seconds=SOON)
        create(lab, "late")
        create(lab, "six", family="IPv6")
        until(lambda: shown(lab, "late") == ["192.0.2.203"], "the next to be served", seconds=SOON)
        until(lambda: shown(lab, "six") == ["2001:db8::201"], "the next to be served", seconds=SOON)
        for name, address in (("named", "192.0.2.219"), ("refused", "192.0.2.202")):
            item = service(name)
            item["spec"] |= {"ipFamilies": ["IPv4"]}
            item["metadata"]["annotations"] = {"lbctl/addresses": address}
            lab.hand.admin.request("POST", SERVICES, item)
        until(lambda: shown(lab, "named") == ["192.0.2.219"], "a silent one to be given by name", seconds=SOON)
        serve.waits("service=default/refused")
        assert shown(lab, "refused") == []
        serve.end()
    warned = [line.partition(" ")[2] for line in serve.said if "warning" in line]
    there = {a: f"{a} is in use on the LAN: {STRANGER} answers for it" for a in ("192.0.2.200", "192.0.2.202")}
    six = f"2001:db8::200 is in use on the LAN: {STRANGER} answers for it"
    assert sorted(warned) == sorted(
        [
            *(f"warning: AddressInUseOnLan: {words}, so it is passed over" for words in (*there.values(), six)),
            f"warning: {there['192.0.2.202']} service=default/refused reason=AddressInUseOnLan",
        ]
    )
