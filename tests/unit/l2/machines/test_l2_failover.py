"""One thing breaks in a LAN of announcers: how long nobody answers, and how often the address moves."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from lbctl.l2.actions import Kind, Why
from lbctl.l2.arp import Arp
from lbctl.l2.messages import read
from tests.unit.l2.machines.segment import Node, Segment

ADDRESSES = ("192.0.2.200", "2001:db8::1")
SEEDS = range(8)
Break = Callable[[Segment, Node], None]


def _drain(lan: Segment, node: Node) -> None:
    node.eligible = False
    lan.tell()


def _undrain(lan: Segment, node: Node) -> None:
    node.eligible = True
    lan.tell()


def _cut_without_api(lan: Segment, node: Node) -> None:
    lan.stop_api()
    lan.run(60)
    lan.cut(node)


# What breaks, how it is mended, why the next takes over, and within how many seconds.
CASES = [
    pytest.param(Segment.cut, Segment.mend, Why.SILENCE, 1.25, id="link cut"),
    pytest.param(lambda s, n: s.cut(n, carrier=False), Segment.mend, Why.SILENCE, 1.25, id="link cut in the switch"),
    pytest.param(_cut_without_api, Segment.mend, Why.SILENCE, 1.25, id="API server gone, then link cut"),
    pytest.param(Segment.kill, Segment.start, Why.SILENCE, 1.25, id="SIGKILL"),
    pytest.param(lambda s, n: s.stall(n, 4.0), lambda *_: None, Why.SILENCE, 1.25, id="SIGSTOP for 4 s"),
    pytest.param(Segment.stop, Segment.start, Why.HANDOVER, 0.2, id="SIGTERM"),
    pytest.param(_drain, _undrain, Why.HANDOVER, 0.2, id="drained"),
]


@pytest.mark.parametrize("nodes", [2, 3, 5])
@pytest.mark.parametrize(("breaks", "mends", "why", "bound"), CASES)
def test_the_next_takes_over_once_and_who_comes_back_stays_behind_it(
    nodes: int, breaks: Break, mends: Break, why: Why, bound: float
) -> None:
    """One change of MAC a failure, none at the return; the aim is 1.2 s, with 50 ms for how late a timer may be."""
    for seed in SEEDS:
        lan = Segment(nodes, ADDRESSES, seed)
        lan.start_all()
        lan.run(5 + random.Random(seed).random())
        broken = lan.owner()
        assert broken is lan.in_order()[0]
        began = len(lan.changes)
        breaks(lan, broken)
        broke = lan.now
        lan.run(4)
        taken = [(at, name) for at, name, which, on in lan.changes[began:] if on and which == lan.addresses[0]]
        assert [name for _, name in taken] == [lan.in_order()[1].name], f"seed {seed}"
        assert taken[0][0] - broke <= bound, f"seed {seed}"
        reports = [r for r in lan.said(Kind.ANNOUNCING) if r.address == lan.addresses[0]]
        assert [r.why for r in reports] == [Why.UNCLAIMED, why]
        assert reports[1].peer == broken.name
        mends(lan, broken)
        lan.run(8)
        assert lan.owners() == [taken[0][1]], f"seed {seed}"
        assert lan.moves() == 1, f"seed {seed}"


def test_a_short_stall_moves_nothing_and_a_longer_one_asks_first() -> None:
    """0.3 s go unnoticed; after 0.62 s it asks before it answers, and nobody else has taken over yet."""
    for seconds, stalls in ((0.3, 0), (0.62, 1)):
        for seed in SEEDS:
            lan = Segment(3, ADDRESSES[:1], seed)
            lan.start_all()
            lan.run(4 + random.Random(seed).random())
            owner = lan.owner()
            lan.stall(owner, seconds)
            lan.run(3)
            assert lan.owner() is owner
            assert lan.moves() == 0
            assert len(lan.said(Kind.STALLED)) == stalls


def test_an_owner_without_api_is_replaced_a_minute_after_its_lease_ran_out() -> None:
    """Its kube-proxy goes stale; until then nothing moves, and it moves once."""
    lan = Segment(3, ADDRESSES)
    lan.start_all()
    lan.run(15)
    owner = lan.owner()
    lan.lose_api(owner)
    lan.run(75)
    assert lan.owner() is owner
    lan.run(30)
    assert lan.owner() is lan.in_order()[1]
    assert lan.said(Kind.ANNOUNCING)[-1].why is Why.UNREACHABLE
    lan.find_api(owner)
    lan.run(60)
    assert lan.owner() is lan.in_order()[1]
    assert lan.moves() == 1


def test_an_owner_without_api_yields_at_once_also_to_whom_it_took_over_from() -> None:
    """Both were owners once; the one that was silent stands behind the other since, and is replaced by word of the API:
    one change, and no moment in which both answer on."""
    lan = Segment(2, ADDRESSES[:1])
    lan.start_all()
    lan.run(15)
    first, second = lan.in_order()
    lan.cut(first, carrier=False)
    lan.run(3)
    lan.mend(first)
    lan.run(30)
    assert lan.owner() is second
    lan.lose_api(second)
    lan.run(110)
    assert lan.owner() is first
    assert lan.said(Kind.ANNOUNCING)[-1].why is Why.UNREACHABLE
    began, ended = (at for at, _, _, _ in lan.changes[-2:])
    assert ended - began < 0.05


def test_the_api_gone_for_all_moves_nothing_nor_does_its_return() -> None:
    """All Leases look as if they had run out long ago; only silence counts."""
    lan = Segment(4, ADDRESSES)
    lan.start_all()
    lan.run(15)
    owner = lan.owner()
    lan.stop_api()
    lan.run(300)
    lan.start_api()
    lan.run(120)
    assert lan.owner() is owner
    assert lan.moves() == 0


def test_all_start_at_once_and_the_first_in_the_order_announces_alone() -> None:
    """Each asks, hears that another asks, too, and lets the first go first: no second owner, not for a moment."""
    for seed in range(30):
        lan = Segment(5, ADDRESSES, seed)
        lan.start_all(apart=0.02)
        lan.run(5)
        for address in lan.addresses:
            ever = [name for _, name, which, on in lan.changes if which == address and on]
            assert ever == [lan.in_order(address)[0].name], f"seed {seed}"


def test_who_starts_while_the_owner_leaves_waits_no_half_minute() -> None:
    """Its Lease is gone already, so the newcomer takes its MAC for a stranger's; a rollout does just that."""
    lan = Segment(2, ADDRESSES[:1])
    lan.start(lan.nodes[0])
    lan.run(20)
    lan.stop(lan.nodes[0])
    lan.at(0.02, lambda: lan.start(lan.nodes[1]))
    lan.run(3)
    assert lan.owner() is lan.nodes[1]


def test_who_was_cut_off_and_has_it_still_says_so_when_it_is_back() -> None:
    """Who took over meanwhile is gone, so nobody contests it; clients would wait for the slow repeat."""
    lan = Segment(3, ADDRESSES[:1])
    lan.start_all()
    lan.run(5)
    first, second, _ = lan.in_order()
    lan.cut(first, carrier=False)
    lan.run(3)
    assert lan.client[lan.addresses[0]][-1] == second.mac
    lan.kill(second)
    lan.mend(first)
    lan.run(5)
    assert lan.owner() is first
    assert lan.client[lan.addresses[0]][-1] == first.mac


def test_2000_addresses_of_one_owner_cost_its_standby_four_questions_a_second() -> None:
    """Grouped by owner: no timer and no question an address. All of them move at once, each asked for once."""
    lan = Segment(2, [f"198.18.{n // 250}.{n % 250}" for n in range(2000)])
    lan.start(lan.nodes[0])
    lan.run(3)
    lan.start(lan.nodes[1])
    lan.run(4)
    assert all(lan.owners(address) == ["n1"] for address in lan.addresses)
    began = len(lan.sent)
    lan.run(4)
    asked = [frame for _, name, frame in lan.sent[began:] if name == "n2"]
    assert 14 <= len(asked) <= 17
    lan.cut(lan.nodes[0])
    began = len(lan.sent)
    lan.run(2)
    assert all(lan.owners(address) == ["n2"] for address in lan.addresses)
    probes = [frame for _, _, frame in lan.sent[began:] if isinstance(frame, Arp) and read(frame)[1]]
    assert len(probes) < 2000 + 20


def test_what_one_owner_let_go_of_without_a_word_is_found() -> None:
    """It answers for the others, so it is not silent: the one address is asked for, and taken."""
    lan = Segment(2, [f"192.0.2.{n}" for n in range(200, 208)])
    lan.start(lan.nodes[0])
    lan.run(3)
    lan.start(lan.nodes[1])
    lan.run(3)
    lost = next(address for address in lan.addresses if lan.in_order(address)[0].name == "n2")
    lan.nodes[0].mute.add(lost)
    lan.run(6)
    assert {address for address in lan.addresses if lan.owners(address) == ["n2"]} == {lost}


def test_a_lan_that_breaks_in_two_and_heals_has_one_owner_a_side_and_one_after() -> None:
    """Both sides heard others all the while: the order decides, within a second."""
    for seed in SEEDS:
        lan = Segment(4, ADDRESSES[:1], seed)
        lan.start_all()
        lan.run(5)
        first, second, third, last = lan.in_order()
        second.side = last.side = 1
        lan.run(5)
        assert set(lan.owners()) == {first.name, second.name}
        second.side = last.side = 0
        lan.run(1)
        assert lan.owners() == [first.name], f"seed {seed}"
        lan.run(10)
        assert lan.owners() == [first.name]
        assert third.running
