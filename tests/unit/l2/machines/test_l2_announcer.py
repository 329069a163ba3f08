"""One announcer by itself: what it sends and when (RFC 5227, RFC 4861), strangers, several interfaces, stalls."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from lbctl.addresses import Address
from lbctl.l2 import arp, election, ndp
from lbctl.l2.actions import Action, Answer, Duty, Kind, OnConflict, Peer, Report, Send, Silence, Why
from lbctl.l2.announcer import Announcer
from lbctl.l2.arp import Op
from lbctl.l2.frames import BROADCAST, Arp, Frame, Mac
from lbctl.l2.messages import link_local_of

ME, SECOND, HOST, PEER = (bytes((2, 0, 0, 0, 0, n)) for n in (1, 2, 8, 9))
A, SIX = IPv4Address("192.0.2.200"), IPv6Address("2001:db8::1")
ALONE = Duty(("me",), frozenset({"eth0"}))


class Bench:
    """An announcer whose time and frames the test gives; `done` has what it did, and when."""

    def __init__(
        self, duties: dict[Address, Duty | None] | None = None, link: bool = True, node: str = "me", mac: Mac = ME
    ) -> None:
        self.machine = Announcer(node)
        self.now = 10.0
        self.done: list[tuple[float, Action]] = []
        if link:
            self.keep(self.machine.link(self.now, "eth0", True, mac))
        self.keep(self.machine.told(self.now, duties if duties is not None else {A: ALONE}))

    def keep(self, actions: list[Action]) -> None:
        """What a call has done."""
        self.done += [(round(self.now - 10, 3), action) for action in actions]

    def run(self, seconds: float) -> None:
        """Tick whenever it is due."""
        end = self.now + seconds
        while (due := self.machine.due()) is not None and due <= end:
            self.now = max(due, self.now)
            self.keep(self.machine.tick(self.now))
        self.now = end

    def hear(self, frame: Frame, interface: str = "eth0") -> None:
        """A frame comes in."""
        self.keep(self.machine.heard(self.now, interface, frame))

    def sent(self, gratuitous: bool) -> list[tuple[float, Frame]]:
        """Frames, with their time."""
        return [(at, do.frame) for at, do in self.done if isinstance(do, Send) and do.gratuitous is gratuitous]

    def reports(self) -> list[tuple[Kind, Why | None]]:
        """What it told."""
        return [(do.kind, do.why) for _, do in self.done if isinstance(do, Report)]

    @property
    def answers(self) -> bool:
        """Whether the responder answers for the first address."""
        table = [isinstance(do, Answer) for _, do in self.done if isinstance(do, Answer | Silence) and do.address == A]
        return bool(table) and table[-1]


def test_it_asks_twice_then_answers_then_announces() -> None:
    """Two probes 100 ms apart; 100 ms later the responder first, then aloud at 0, 0.1, 0.5, 1 and 2 s (DESIGN 7)."""
    bench = Bench()
    bench.run(5)
    assert bench.sent(gratuitous=False) == [(0.0, arp.probe(ME, A)), (0.1, arp.probe(ME, A))]
    assert bench.sent(gratuitous=True) == [
        (at, arp.gratuitous(ME, A, op)) for at in (0.2, 0.3, 0.7, 1.2, 2.2) for op in (Op.REQUEST, Op.REPLY)
    ]
    order = [type(do) for at, do in bench.done if at == 0.2]
    assert order == [Answer, Report, Send, Send]
    assert bench.machine.announcing() == {("eth0", A): pytest.approx(10.2)}


def test_ipv6_asks_from_its_link_local_address_and_tells_all_nodes() -> None:
    """RFC 4861 7.2.2, 7.2.6: not from ::, or each answer would go to all nodes."""
    bench = Bench({SIX: ALONE})
    bench.run(0.25)
    question = ndp.solicit(ME, link_local_of(ME), SIX)
    assert bench.sent(gratuitous=False) == [(0.0, question), (0.1, question)]
    assert bench.sent(gratuitous=True) == [(0.2, ndp.unsolicited(ME, SIX))]


def test_slow_repeats_are_spread_and_never_more_than_100_s_apart() -> None:
    """Switches forget a MAC in 300 s; 500 addresses go round in slices."""
    addresses: dict[Address, Duty | None] = {IPv4Address("198.18.0.0") + n: ALONE for n in range(500)}
    bench = Bench(addresses)
    bench.run(400)
    late = [(at, f.sender_ip) for at, f in bench.sent(gratuitous=True) if at > 3 and isinstance(f, Arp)]
    times = sorted({at for at, _ in late})
    assert max(sum(1 for at, _ in late if at == time) for time in times) <= 2 * 10
    last = [at for at, address in late if address == IPv4Address("198.18.1.243")]
    assert all(b - a <= 105 for a, b in zip(last[::2], last[2::2], strict=False))
    assert len(last) >= 4


def test_an_address_that_a_host_has_is_left_to_it_and_asked_for_again() -> None:
    """RFC 5227 2.1.1; once more soon, then every 30 s, and taken once nobody answers."""
    bench = Bench()
    bench.hear(arp.reply(arp.probe(ME, A), HOST))
    bench.run(1.55)
    bench.hear(arp.reply(arp.probe(ME, A), HOST))
    bench.run(31)
    assert bench.reports() == [(Kind.REFUSED, Why.STRANGER), (Kind.ANNOUNCING, Why.UNCLAIMED)]
    assert bench.machine.announcing() == {("eth0", A): pytest.approx(41.75)}


def test_force_goes_on_all_the_same() -> None:
    """Without asking; the stranger is reported, and announced against."""
    bench = Bench({A: Duty(("me",), frozenset({"eth0"}), force=True)})
    bench.hear(arp.gratuitous(HOST, A))
    bench.run(1)
    assert bench.reports() == [(Kind.ANNOUNCING, Why.FORCED), (Kind.CONFLICT, Why.STRANGER)]
    assert bench.answers
    bench.now += 1.0  # a stall
    bench.keep(bench.machine.tick(bench.now))
    bench.hear(arp.reply(arp.probe(ME, A), HOST))
    bench.run(1)
    assert bench.answers


def test_a_stranger_that_claims_it_later_is_reported_once_and_answered_every_10_s() -> None:
    """RFC 5227 2.4 c: one announcement in DEFEND_INTERVAL, as long as it lasts; never yielded."""
    bench = Bench()
    bench.run(5)
    before = len(bench.sent(gratuitous=True))
    for _ in range(50):  # 25 s
        bench.hear(arp.request(HOST, A, IPv4Address("192.0.2.1")))
        bench.run(0.5)
    assert bench.sent(gratuitous=True)[before:] == [(at, arp.gratuitous(ME, A)) for at in (5.0, 15.0, 25.0)]
    assert bench.reports()[1:] == [(Kind.CONFLICT, Why.STRANGER)]
    assert bench.answers
    bench.run(301)
    bench.hear(arp.gratuitous(HOST, A))
    bench.run(1)
    assert bench.reports()[2:] == [(Kind.CONFLICT, Why.STRANGER)]


def test_two_strangers_are_reported_each_and_answered_as_one() -> None:
    """They take turns, faster than an unknown MAC turns out a peer's; RFC 5227 2.4 c counts by address."""
    bench = Bench()
    bench.keep(bench.machine.peers(bench.now, {"n2": Peer(frozenset({SECOND}))}, True))
    bench.run(5)
    before = len(bench.sent(gratuitous=True))
    for at in range(24):  # 12 s
        bench.hear(arp.gratuitous((HOST, PEER)[at % 2], A))
        bench.run(0.5)
    assert [at for at, _ in bench.sent(gratuitous=True)[before:]] == [5.0, 15.0]
    assert [do.mac for _, do in bench.done if isinstance(do, Report) and do.kind is Kind.CONFLICT] == [HOST, PEER]


def test_macs_that_somebody_makes_up_fill_no_log() -> None:
    """The first few are reported, and more again after five quiet minutes."""
    bench = Bench()
    bench.run(5)
    for number in (*range(100), 200):
        bench.run(400 * (number == 200))
        bench.hear(arp.gratuitous(bytes((2, 0, 0, 0, 9, number)), A))
        bench.run(0.5)
    told = [do.mac[5] for _, do in bench.done if isinstance(do, Report) and do.kind is Kind.CONFLICT and do.mac]
    assert told == [*range(8), 200]


def test_announcements_of_three_owners_do_not_answer_each_other_without_end() -> None:
    """What a peer says before it can have heard us is passed over, whatever another says meanwhile."""
    peers = {"n3": Peer(frozenset({SECOND})), "n4": Peer(frozenset({PEER}))}
    bench = Bench({})
    bench.keep(bench.machine.peers(bench.now, peers, True))
    bench.keep(bench.machine.told(bench.now, {A: Duty(("me", *peers), frozenset({"eth0"}), force=True)}))
    bench.run(0.15)  # it comes before both, and stays
    before = len(bench.sent(gratuitous=True))
    for at in range(50):
        bench.hear(arp.gratuitous((SECOND, PEER)[at % 2], A))
        bench.run(0.001)
    assert bench.answers
    assert len(bench.sent(gratuitous=True)) - before == 2 * 2  # to each once, as a request and as a reply


def test_on_conflict_yield_stops_and_asks_again_after_30_s() -> None:
    """`onConflict: yield`."""
    bench = Bench({A: Duty(("me",), frozenset({"eth0"}), OnConflict.YIELD)})
    bench.run(5)
    bench.hear(arp.gratuitous(HOST, A))
    bench.run(0.1)
    assert bench.reports()[1:] == [(Kind.CONFLICT, Why.STRANGER), (Kind.YIELDED, Why.STRANGER)]
    assert not bench.answers
    assert bench.machine.owners() == {("eth0", A): HOST}
    assert all(at < 5 for at, _ in bench.sent(gratuitous=True))
    bench.run(31)
    assert bench.answers


def test_an_unknown_mac_may_turn_out_a_peers() -> None:
    """Its Lease is seen a moment later than its announcement: no conflict, and no second owner."""
    order = Duty(("me", "n2"), frozenset({"eth0"}))
    bench = Bench({}, link=True)
    bench.keep(bench.machine.peers(bench.now, {"n3": Peer(frozenset({SECOND}))}, True))
    bench.keep(bench.machine.told(bench.now, {A: order}))
    bench.hear(arp.gratuitous(PEER, A))
    bench.run(0.5)
    bench.keep(bench.machine.peers(bench.now, {"n2": Peer(frozenset({PEER}))}, True))
    bench.run(0.5)
    assert bench.reports() == []
    assert bench.machine.owners() == {("eth0", A): PEER}


def test_a_link_that_goes_silences_and_one_that_comes_asks_first() -> None:
    """Also one that appears after the start, and one that nobody knew."""
    bench = Bench(link=False)
    assert bench.machine.due() is None
    bench.keep(bench.machine.link(bench.now, "eth0", False, ME))
    bench.keep(bench.machine.heard(bench.now, "eth9", arp.probe(HOST, A)))
    bench.keep(bench.machine.link(bench.now, "eth0", True, ME))
    bench.run(1)
    assert bench.answers
    bench.keep(bench.machine.link(bench.now, "eth0", False, ME))
    assert not bench.answers
    assert bench.reports()[-1] == (Kind.LEFT, Why.LINK)
    assert bench.machine.due() is None


def test_another_mac_is_answered_with_and_announced() -> None:
    """A bond whose MAC changed; another link-local address alone changes nothing aloud."""
    bench = Bench()
    bench.run(5)
    count = len(bench.sent(gratuitous=True))
    bench.keep(bench.machine.link(bench.now, "eth0", True, ME, IPv6Address("fe80::1")))
    assert len(bench.sent(gratuitous=True)) == count
    bench.keep(bench.machine.link(bench.now, "eth0", True, SECOND))
    assert (5.0, Answer("eth0", A, SECOND)) in bench.done
    assert bench.sent(gratuitous=True)[-1] == (5.0, arp.gratuitous(SECOND, A, Op.REPLY))


def test_two_interfaces_on_one_lan_end_with_one_that_answers() -> None:
    """The second hears the first as it hears a peer: the lower MAC stays."""
    bench = Bench({A: Duty(("me",), frozenset({"eth0", "eth1"}))})
    bench.keep(bench.machine.link(bench.now, "eth1", True, SECOND))
    bench.run(0.25)
    assert set(bench.machine.announcing()) == {("eth0", A), ("eth1", A)}  # two LANs, as far as it knows
    bench.hear(arp.gratuitous(ME, A), "eth1")
    bench.hear(arp.gratuitous(SECOND, A), "eth0")
    assert set(bench.machine.announcing()) == {("eth0", A)}
    bench.keep(bench.machine.told(bench.now, {A: Duty(("me",), frozenset({"eth1"}))}))
    bench.run(0.2)
    assert ("eth1", A) in bench.machine.announcing()


def test_what_is_not_ours_any_more_is_silent_at_once_where_nobody_else_may() -> None:
    """No endpoint, or no Service: nobody answers."""
    for duty in (None, Duty((), frozenset({"eth0"}))):
        bench = Bench()
        bench.run(1)
        bench.keep(bench.machine.told(bench.now, {A: duty}))
        assert not bench.answers
        assert bench.reports()[-1] == (Kind.LEFT, Why.DUTY)
        bench.keep(bench.machine.told(bench.now, {A: duty}))


def test_stop_where_nobody_else_may_is_at_once_else_within_a_second() -> None:
    """DESIGN 7: the old one answers until it hears the next, a second at most; what comes later is passed over."""
    bench = Bench()
    bench.run(1)
    assert not bench.machine.stopped
    bench.keep(bench.machine.stop(bench.now))
    assert bench.machine.stopped
    bench = Bench({})
    bench.keep(bench.machine.peers(bench.now, {"n2": Peer(frozenset({PEER}))}, True))
    bench.keep(bench.machine.told(bench.now, {A: Duty(("me", "n2"), frozenset({"eth0"}))}))
    bench.run(1)
    bench.keep(bench.machine.stop(bench.now))
    bench.keep(bench.machine.told(bench.now, {SIX: ALONE}))
    bench.keep(bench.machine.link(bench.now, "eth1", True, SECOND))
    bench.run(0.9)
    assert bench.answers
    assert not bench.machine.stopped
    bench.run(0.2)
    assert not bench.answers
    assert bench.machine.stopped


def test_who_keeps_it_has_the_last_word() -> None:
    """A peer's announcement crosses ours, and then it yields: else clients would believe it until the slow repeat."""
    first, second = election.order(("me", "n2"), A)
    mine, its = (ME, PEER) if first == "me" else (PEER, ME)
    bench = Bench({A: Duty((first, second), frozenset({"eth0"}))}, node=first, mac=mine)
    bench.keep(bench.machine.peers(bench.now, {second: Peer(frozenset({its}))}, True))
    bench.hear(arp.request(its, IPv4Address("192.0.2.9"), IPv4Address("192.0.2.1")))  # it is there
    bench.run(0.8)
    for _ in range(2):
        bench.hear(arp.gratuitous(its, A))
    bench.run(0.4)
    assert [at for at, _ in bench.sent(gratuitous=True)[::2]] == [0.2, 0.3, 0.7, 0.8, 1.1, 1.2]
    assert bench.answers


def test_it_may_again_before_it_has_left() -> None:
    """The drain is taken back within the second: it never ceased to answer."""
    bench = Bench({})
    bench.keep(bench.machine.peers(bench.now, {"n2": Peer(frozenset({PEER}))}, True))
    both, other = (Duty(order, frozenset({"eth0"})) for order in (("me", "n2"), ("n2",)))
    bench.keep(bench.machine.told(bench.now, {A: both}))
    bench.run(1)
    bench.keep(bench.machine.told(bench.now, {A: other}))
    bench.run(0.5)
    bench.keep(bench.machine.told(bench.now, {A: both}))
    bench.run(2)
    assert bench.answers
    assert not any(isinstance(do, Silence) for _, do in bench.done)


def test_a_stall_is_seen_by_the_gap_and_told_once() -> None:
    """0.6 s between two calls: silent first, two probes, then it answers again."""
    bench = Bench()
    bench.run(5)
    bench.now += 0.7
    bench.keep(bench.machine.tick(bench.now))
    assert not bench.answers
    bench.run(0.3)
    assert bench.answers
    assert bench.reports()[1:] == [(Kind.STALLED, None), (Kind.ANNOUNCING, Why.STALL)]
    assert [at for at, _ in bench.sent(gratuitous=False)] == [0.0, 0.1, 5.7, 5.8]
    idle = Bench({}, link=False)
    idle.now += 100
    idle.keep(idle.machine.tick(idle.now))
    assert idle.done == []


def test_what_is_no_claim_moves_nothing() -> None:
    """What a peer's kernel sends with one of our addresses is no claim, and a frame of our own is none either."""
    bench = Bench({})
    bench.keep(bench.machine.peers(bench.now, {"n2": Peer(frozenset({PEER}))}, True))
    bench.keep(bench.machine.told(bench.now, {A: Duty(("me", "n2"), frozenset({"eth0"}))}))
    bench.run(3)
    bench.hear(arp.request(PEER, A, IPv4Address("192.0.2.1")))
    bench.hear(Arp(ME, BROADCAST, Op.REQUEST, ME, A, bytes(6), A))
    assert bench.answers


def test_no_branch_of_the_machine_is_untested(tmp_path: Path) -> None:
    """These files run all of it, every branch both ways."""
    coverage = [sys.executable, "-m", "coverage"]
    data = f"--data-file={tmp_path / 'data'}"
    here = Path(__file__).parent
    tests = [str(here / f"test_l2_{name}.py") for name in ("announcer", "election")]
    ran = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not untested", *tests]
    files = "--include=*/lbctl/l2/announcer.py,*/lbctl/l2/election.py"
    for command in (["run", "--branch", data, files, *ran], ["report", "--show-missing", "--fail-under=100", data]):
        done = subprocess.run([*coverage, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
