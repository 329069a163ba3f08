"""The order of the candidates, and who of two owners yields: both sides come to the same answer without a word."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from lbctl.l2.election import RULES, Heard, Standing, ahead, keeps, order, place

A = IPv4Address("192.0.2.200")
NODES = ("n1", "n2", "n3", "n4")


def test_the_order_is_everybodys_and_does_not_change_between_versions() -> None:
    """Two nodes with two versions of lbctl must agree."""
    assert order(NODES, A) == order(reversed(NODES), A) == ("n2", "n4", "n1", "n3")
    assert order(["n1", "n1"], IPv6Address("2001:db8::1")) == ("n1",)
    assert sorted(order(NODES, IPv6Address("::c000:2c8"))) == sorted(NODES)


def test_a_node_that_goes_moves_its_own_addresses_and_to_all_that_stay() -> None:
    """2,000 addresses, four nodes: each has a quarter, and a third of that goes to each of the others."""
    addresses = [IPv4Address("198.18.0.0") + n for n in range(2000)]
    heirs: Counter[tuple[str, str]] = Counter()
    for address in addresses:
        before = order(NODES, address)
        after = order([node for node in NODES if node != "n2"], address)
        assert after == tuple(node for node in before if node != "n2")
        heirs[before[0], after[0]] += 1
    assert {pair for pair in heirs if pair[0] != pair[1]} == {("n2", node) for node in ("n1", "n3", "n4")}
    assert all(120 < heirs["n2", node] < 220 for node in ("n1", "n3", "n4")), heirs


@pytest.mark.parametrize(
    ("node", "fresh", "without", "places"),
    [
        pytest.param("n2", NODES, "", 0, id="the first"),
        pytest.param("n3", NODES, "", 3, id="the last"),
        pytest.param("n9", NODES, "", 4, id="who is no candidate comes after all"),
        pytest.param("n3", NODES, "n4", 2, id="the owner that fell silent does not count"),
        pytest.param("n3", ("n2", "n3"), "", 1, id="nor do those whose Lease ran out"),
        pytest.param("n3", ("n2", "n3"), "n2", 0, id="nor both"),
    ],
)
def test_the_place_in_the_order(node: str, fresh: tuple[str, ...], without: str, places: int) -> None:
    """How many steps of 300 ms to wait."""
    assert place(node, order(NODES, A), fresh.__contains__, without) == places


def test_two_interfaces_of_one_node_are_in_an_order_too() -> None:
    """By their MAC."""
    assert ahead("n1", "n1", A, b"\2", b"\3")
    assert not ahead("n1", "n1", A, b"\3", b"\2")
    assert ahead("n2", "n1", A, b"\3", b"\2")


@pytest.mark.parametrize(
    ("rule", "standing", "heard", "stays"),
    [
        (0, Standing(interrupted=True, ahead=True), Heard(again=3), True),
        (0, Standing(succeeded=True, away=True), Heard(again=3), False),
        (1, Standing(interrupted=True, succeeded=True, away=True, ahead=True), Heard(), False),
        (2, Standing(lonely=True, succeeded=True), Heard(again=1), False),
        (2, Standing(lonely=True, succeeded=True, ahead=True), Heard(again=2), False),
        (3, Standing(lonely=True), Heard(), True),
        (3, Standing(lonely=True, ahead=True), Heard(again=1), True),
        (4, Standing(succeeded=True), Heard(), True),
        (4, Standing(succeeded=True), Heard(again=1), True),
        (5, Standing(away=True), Heard(again=1), True),
        (6, Standing(connected=False, ahead=True), Heard(aloud=True), False),
        (7, Standing(connected=False, ahead=True), Heard(), True),
        (7, Standing(connected=False, recent=True, ahead=True), Heard(aloud=True), True),
        (7, Standing(ahead=True), Heard(aloud=True), True),
        (7, Standing(), Heard(aloud=True), False),
    ],
)
def test_each_rule_decides_where_it_applies(rule: int, standing: Standing, heard: Heard, stays: bool) -> None:
    """The first that applies, in the order of RULES."""
    assert next(number for number, r in enumerate(RULES) if r.applies(standing, heard)) == rule
    assert keeps(standing, heard) is stays


def test_when_both_insist_exactly_one_stays() -> None:
    """Whatever either knows: the fourth time only the order counts, and it is the same for both."""
    flags = [field.name for field in fields(Standing) if field.name != "ahead"]
    every = [
        replace(Standing(), **dict(zip(flags, values, strict=True)))
        for values in itertools.product((False, True), repeat=len(flags))
    ]
    for one, other, aloud in itertools.product(every, every, (False, True)):
        heard = Heard(aloud, again=3)
        assert keeps(replace(one, ahead=True), heard)
        assert not keeps(replace(other, ahead=False), heard)


def test_of_two_that_took_it_alone_not_both_yield() -> None:
    """They insist at the same moments: when one lets go, the other has not yet."""
    assert keeps(Standing(lonely=True, ahead=True), Heard(again=1))
    assert not keeps(Standing(lonely=True), Heard(again=1))
