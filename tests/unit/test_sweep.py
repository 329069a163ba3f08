"""Which addresses of the pools a sweep asks for, and whose it says they are."""

from __future__ import annotations

from dataclasses import replace

from lbctl.addresses import parse_address
from lbctl.l2.probe import Found, Use
from lbctl.sweep import MOST, Sweep
from tests.unit.planner.values import blocks, held, pool, pools, released, service, snapshot

HOST, PEER = (bytes((2, 0, 0, 0, 0, n)) for n in (1, 2))
WEB, LATE = service("web", "192.0.2.5"), service("late")
LOOK = replace(
    snapshot(
        [WEB, LATE],
        blocks(held("192.0.2.5", WEB), held("192.0.2.6", LATE), released("192.0.2.7", service("gone"), ago=9)),
    ),
    others={parse_address("192.0.2.4"): "node n1 has it"},
)
FILE = pools(pool("192.0.2.0/29", "2001:db8::/64", exclude=pool("192.0.2.1").usable))


def _found(address: str, use: Use = Use.STRANGER, node: str = "") -> Found:
    return Found(parse_address(address), use, PEER if use is Use.PEER else HOST, node)


def test_of_a_huge_pool_those_in_use_are_asked_for_and_then_the_first() -> None:
    """What is left out is said; an excluded one is not asked for."""
    sweep = Sweep(FILE, LOOK)
    first = ["192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.0", "192.0.2.2", "192.0.2.3", "192.0.2.7", "2001:db8::"]
    assert list(map(str, sweep.addresses))[:8] == first
    assert len(sweep.addresses) == MOST
    assert sweep.cut == [f"pool p has 18446744073709551623 addresses, of which only {MOST} are asked for"]
    assert [a for a in first if parse_address(a) in sweep.free] == [*first[3:]]


def test_pools_on_no_subnet_of_this_machine_are_named() -> None:
    """Nothing of theirs was answered, not even that it is free."""
    sweep = Sweep(pools(pool("192.0.2.0/30"), pool("198.51.100.1", name="far")), None)
    assert sweep.far({parse_address("192.0.2.0"): _found("192.0.2.0", Use.FREE)}) == [
        "pool far is not asked for: no interface of this machine is on its subnet"
    ]


def test_whose_each_is() -> None:
    """By address; who answers for everything is no row."""
    answers = {
        one.address: one
        for one in (
            _found("2001:db8::1"),
            _found("192.0.2.7", Use.PEER, "n2"),
            _found("192.0.2.5", Use.PEER, "n2"),
            _found("192.0.2.6"),
            _found("192.0.2.4"),
            _found("192.0.2.3", Use.PROXY),
            Found(parse_address("192.0.2.2"), Use.FREE),
        )
    }
    host, peer = "02:00:00:00:00:01", "02:00:00:00:00:02"
    assert Sweep(FILE, LOOK).rows(answers) == [
        ("192.0.2.4", host, "node n1 has it"),
        ("192.0.2.5", peer, "node n2; Service d/web shows it"),
        ("192.0.2.6", host, "a stranger; Service d/late holds it"),
        ("192.0.2.7", peer, "node n2, which still announces it"),
        ("2001:db8::1", host, "a stranger"),
    ]
    assert Sweep(FILE, None).rows({a: answers[a] for a in [parse_address("192.0.2.6")]}) == [
        ("192.0.2.6", host, "unknown, for the cluster is left out")
    ]
