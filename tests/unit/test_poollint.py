"""What `pools check` finds in a valid file: each kind of finding, at its place, and nothing where nothing is wrong."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from lbctl import poollint, yamltext
from lbctl.addresses import parse_address, parse_range
from lbctl.l2.probe import Found, Use
from lbctl.poollint import Code, Facts, Finding, Machine, lint, pod_cidrs, service_cidrs
from lbctl.pools import parse_pools
from tests.unit.planner.values import service, snapshot

EMPTY = snapshot([])


def _lint(text: str, facts: Facts) -> list[Finding]:
    data = text.encode()
    root = yamltext.read(data).root
    assert root is not None
    return lint(parse_pools("pools.yaml", data), root, facts)


def _said(text: str, facts: Facts) -> list[str]:
    return [f"{f.place.line}:{f.place.column} {f.code.name} {f.sentence}" for f in _lint(text, facts)]


def _pool(*addresses: str, more: str = "") -> str:
    """A pool file of one pool with an item on each line, from line 4 on, at column 5."""
    items = "".join(f"  - {address}\n" for address in addresses)
    return f"pools:\n- name: lan\n  addresses:\n{items}{more}"


def _machine(*interfaces: str, gateways: tuple[str, ...] = ()) -> Facts:
    addresses = tuple(map(ip_interface, interfaces))
    return Facts(Machine(addresses, tuple(map(ip_address, gateways))))


def _answers(*found: Found) -> Facts:
    return Facts(look=EMPTY, answers={one.address: one for one in found})


HOST = bytes((2, 0, 0, 0, 0, 1))
NODE: dict[str, Any] = {"metadata": {"name": "n1"}, "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]}}
CIDRS = {"spec": {"cidrs": ["10.96.0.0/16", "fd00:10:96::/112"]}}
FACTS: dict[str, Facts] = {
    "LB101": Facts(look=replace(EMPTY, others={parse_address("192.0.2.11"): "node n1 has it"})),
    "LB102": Facts(look=EMPTY, pod_cidrs=pod_cidrs([NODE])),
    "LB103": Facts(look=EMPTY, service_cidrs=service_cidrs([CIDRS])),
    "LB104": Facts(look=snapshot([service("web", clusterIP="10.96.0.9")])),
    "LB201": _machine("192.0.2.5/24"),
    "LB202": _machine(gateways=("192.0.2.1", "fe80::1")),
    "LB203": _machine("192.0.2.5/24"),
    "LB204": _machine("192.0.2.5/24", "2001:db8::5/64"),
    "LB205": _answers(Found(parse_address("192.0.2.201"), Use.STRANGER, HOST)),
    "LB206": _answers(Found(parse_address("192.0.2.201"), Use.PEER, HOST, "n2")),
    "LB207": _answers(*(Found(parse_address(f"192.0.2.{n}"), Use.PROXY, HOST) for n in (201, 202))),
    "LB301": Facts(look=snapshot([service("web")])),
    "LB302": _machine("192.0.2.5/24"),
}
RESERVED = "reservations:\n- {service: d/web, addresses: [192.0.2.200]}\n- {service: d/nix, addresses: [192.0.2.201]}\n"


@pytest.mark.parametrize(
    ("facts", "text", "said"),
    [
        (
            "LB101",
            _pool("192.0.2.0-192.0.2.9", "192.0.2.10/31"),
            "5:5 LB101 pool lan: 192.0.2.11 is in use: node n1 has it",
        ),
        (
            "LB102",
            _pool("10.244.0.250-10.244.1.3"),
            "4:5 LB102 pool lan: 10.244.1.0-10.244.1.3 lies in the pod CIDR 10.244.1.0/24 of node n1",
        ),
        (
            "LB103",
            _pool("10.96.7.0/24"),
            "4:5 LB103 pool lan: 10.96.7.0-10.96.7.255 lies in the Service CIDR 10.96.0.0/16",
        ),
        ("LB104", _pool("10.96.0.0/28"), "4:5 LB104 pool lan: 10.96.0.9 is the ClusterIP of Service d/web"),
        ("LB201", _pool("192.0.2.2-192.0.2.9"), "4:5 LB201 pool lan: 192.0.2.5 is this machine's own"),
        ("LB202", _pool("192.0.2.0/28"), "4:5 LB202 pool lan: 192.0.2.1 is this machine's default gateway"),
        (
            "LB203",
            _pool("192.0.2.240/28"),
            "4:5 LB203 pool lan: 192.0.2.255 is the broadcast address of 192.0.2.0/24",
        ),
        (
            "LB204",
            _pool("198.51.100.0/24", "203.0.113.7"),
            "4:5 LB204 pool lan lies outside every subnet of this machine (192.0.2.0/24, 2001:db8::/64)",
        ),
        (
            "LB205",
            _pool("192.0.2.199", "192.0.2.200/30"),
            "5:5 LB205 pool lan: 192.0.2.201 is in use on the LAN: 02:00:00:00:00:01 answers for it",
        ),
        (
            "LB206",
            _pool("192.0.2.200/30"),
            "4:5 LB206 pool lan: 192.0.2.201 is still announced by node n2 (02:00:00:00:00:01)",
        ),
        (
            "LB207",
            _pool("192.0.2.199", "192.0.2.200/30"),
            "5:5 LB207 pool lan: 02:00:00:00:00:01 answers for whatever address it is asked for (proxy ARP), "
            "so its answers do not count",
        ),
        ("LB301", _pool("192.0.2.200/30", more=RESERVED), "7:13 LB301 there is no Service d/nix"),
        (
            "LB302",
            _pool("192.0.2.200/30", more="  exclude: [192.0.2.200-192.0.2.203]\n"),
            "4:5 LB302 pool lan has no address to give: all are left out",
        ),
        (
            "LB302",
            _pool("192.0.2.0", "192.0.2.255", more="  avoidBuggyIPs: true\n"),
            "4:5 LB302 pool lan has no address to give: all are left out",
        ),
    ],
    ids=lambda value: value if value in FACTS else "",
)
def test_each_kind_of_finding_stands_at_its_item(facts: str, text: str, said: str) -> None:
    """The item that meets something is named, the others are not."""
    assert _said(text, FACTS[facts]) == [said]


def test_there_is_a_case_for_every_code() -> None:
    """A code without a test is a promise without one."""
    assert set(FACTS) == {code.name for code in Code}


@pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)
def test_a_wise_file_has_no_findings(facts: Facts) -> None:
    """Neither beside what is taken nor where it is excluded."""
    more = "  - 10.96.0.9\n  exclude: [192.0.2.0-192.0.2.11, 192.0.2.201-192.0.2.202, 192.0.2.255, 10.96.0.9]\n"
    assert _said(_pool("192.0.2.0/24", more=more), facts) == []


def test_a_cidr_that_covers_items_is_told_at_each() -> None:
    """Also when others begin between it and them, and end before."""
    cidrs = {"the wide": parse_range("10.0.0.0/8"), "the narrow": parse_range("10.1.0.0/16")}
    assert _said(_pool("10.2.0.1", "11.0.0.1", "10.3.0.1"), Facts(look=EMPTY, pod_cidrs=cidrs)) == [
        "4:5 LB102 pool lan: 10.2.0.1 lies in the wide",
        "6:5 LB102 pool lan: 10.3.0.1 lies in the wide",
    ]


def test_of_many_only_a_few_are_named() -> None:
    """In the order of their addresses."""
    nodes = {parse_address(f"192.0.2.{n}"): f"node n{n} has it" for n in range(9, 0, -1)}
    assert _said(_pool("192.0.2.0/28"), Facts(look=replace(EMPTY, others=nodes))) == [
        "4:5 LB101 pool lan: 192.0.2.1 is in use: node n1 has it; 192.0.2.2 is in use: node n2 has it; "
        "192.0.2.3 is in use: node n3 has it; and 6 more"
    ]


def test_what_is_never_given_needs_no_warning() -> None:
    """avoidBuggyIPs leaves the network and the broadcast address out already."""
    assert _said(_pool("192.0.2.240/28", more="  avoidBuggyIPs: true\n"), FACTS["LB203"]) == []


def test_a_service_address_on_this_machine_is_no_mistake() -> None:
    """README says to put it there; and a Node's own address is told once, as the Node's."""
    machine = _machine("192.0.2.200/32", "192.0.2.11/32").machine
    look = replace(snapshot([service("web", "192.0.2.200")]), others={parse_address("192.0.2.11"): "node n1 has it"})
    assert _said(_pool("192.0.2.0/24"), Facts(machine, look)) == [
        "4:5 LB101 pool lan: 192.0.2.11 is in use: node n1 has it"
    ]


@pytest.mark.parametrize("interface", ["192.0.2.4/31", "192.0.2.4/32", "2001:db8::4/127", "2001:db8::4/128"])
def test_a_link_of_two_has_no_network_address(interface: str) -> None:
    """RFC 3021 and RFC 6164."""
    assert [f.code for f in _lint(_pool("192.0.2.0/29", "'2001:db8::/125'"), _machine(interface))] == [Code.LB201]


def test_the_anycast_address_of_an_ipv6_subnet() -> None:
    """RFC 4291 2.6.1; there is no broadcast in IPv6."""
    assert _said(_pool("'2001:db8::/64'"), _machine("2001:db8::5/64")) == [
        "4:5 LB201 pool lan: 2001:db8::5 is this machine's own",
        "4:5 LB203 pool lan: 2001:db8:: is the subnet-router anycast address of 2001:db8::/64",
    ]


@pytest.mark.parametrize("interfaces", [(), ("127.0.0.1/8", "::1/128"), ("fe80::1/64",), ("198.51.100.1/32",)])
def test_nothing_is_far_from_a_machine_without_a_lan(interfaces: tuple[str, ...]) -> None:
    """In a container, say."""
    assert _said(_pool("203.0.113.0/24"), _machine(*interfaces)) == []


def test_cidrs_are_read_as_the_api_has_them() -> None:
    """Old Nodes have podCIDR alone; without a CIDR there is none; what cannot be read is left out."""
    nodes = [{"metadata": {"name": n}, "spec": s} for n, s in (("a", {}), ("b", {"podCIDR": "10.0.0.0/24"}))]
    broken = {"metadata": {"name": "c"}, "spec": {"podCIDRs": ["10.0.0.1/24", "fd00::/64"]}}
    assert list(pod_cidrs([*nodes, {"metadata": {"name": "d"}}, broken])) == [
        "the pod CIDR 10.0.0.0/24 of node b",
        "the pod CIDR fd00::/64 of node c",
    ]
    assert service_cidrs([{}, {"spec": {"cidrs": ["10.96.0.0/12"]}}]) == {
        "the Service CIDR 10.96.0.0/12": parse_range("10.96.0.0/12")
    }


def test_a_finding_is_told_like_an_error_of_the_file() -> None:
    """Path, line, column, code, sentence, the line with a caret, a hint."""
    text = _pool("192.0.2.0/28")
    (finding,) = _lint(text, FACTS["LB202"])
    assert finding.render("./pools.yaml", text.splitlines()) == (
        "./pools.yaml:4:5: LB202 warning: pool lan: 192.0.2.1 is this machine's default gateway\n"
        "  - 192.0.2.0/28\n"
        "    ^\n"
        "hint: exclude it: whoever answers for it cuts the LAN off"
    )


def test_five_thousand_items_are_not_held_against_every_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted and swept: each is compared with what it meets, and with little else."""
    compared = 0

    def counted(item: poollint.Item, meeting: Any) -> str:
        nonlocal compared
        compared += 1
        return told(item, meeting)

    told = poollint._told
    monkeypatch.setattr(poollint, "_told", counted)
    others = {parse_address(f"10.0.{n // 250}.{n % 250}"): f"node n{n} has it" for n in range(5_000)}
    cidrs = {f"the pod CIDR of n{n}": parse_range(f"10.{n // 256 + 100}.{n % 256}.0/24") for n in range(5_000)}
    text = _pool(*(f"10.{n // 256 + 100}.{n % 256}.7" for n in range(5_000)))
    found = _lint(text, Facts(look=replace(EMPTY, others=others), pod_cidrs=cidrs))
    assert [f.code for f in found] == [Code.LB102] * 5_000
    assert compared < 20_000
