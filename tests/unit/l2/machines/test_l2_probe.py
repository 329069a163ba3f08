"""The probe of a set of addresses: who answers, what a router with proxy ARP is, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from lbctl.addresses import Address
from lbctl.l2 import arp, ndp
from lbctl.l2.arp import Op
from lbctl.l2.frames import BROADCAST, Arp, Frame, Mac
from lbctl.l2.messages import Voice, link_local_of
from lbctl.l2.probe import AT_ONCE, STEP, Found, Probe, Use

ME, HOST, PEER, ROUTER = (bytes((2, 0, 0, 0, 0, n)) for n in (1, 2, 3, 4))
VOICE = Voice(ME, link_local_of(ME))
A, B = IPv4Address("192.0.2.200"), IPv4Address("192.0.2.201")
SIX = IPv6Address("2001:db8::1")


def run(probe: Probe, hosts: dict[Mac, set[Address]]) -> list[tuple[float, Frame]]:
    """Let it run from 0 s on, with hosts that answer at once; what it sent, and when."""
    now, sent = 0.0, [(0.0, frame) for frame in probe.start(0.0)]
    asked = [frame for _, frame in sent]
    while not probe.done:
        for frame in asked:
            for mac, addresses in hosts.items():
                assert isinstance(frame, arp.Arp | ndp.Solicitation)
                if frame.target_ip in addresses:
                    probe.heard(arp.reply(frame, mac) if isinstance(frame, Arp) else ndp.answer(frame, mac))
        due = probe.due()
        assert due is not None
        now = due
        asked = probe.tick(now)
        sent += [(now, frame) for frame in asked]
    assert probe.due() is None
    return [*sent, (now, arp.probe(ME, A))]  # the last is when it ended


def test_three_probes_a_tenth_of_a_second_apart_then_the_address_is_free() -> None:
    """RFC 5227 2.1.1, RFC 4862 5.4.2, shortened: from 0.0.0.0 and ::, so that no cache learns."""
    probe = Probe([A, SIX], VOICE)
    *sent, (end, _) = run(probe, {})
    assert [(round(at, 3), frame) for at, frame in sent] == [
        (at, frame) for at in (0.0, 0.1, 0.2) for frame in (arp.probe(ME, A), ndp.probe(ME, SIX))
    ]
    assert round(end, 3) == 0.3
    assert probe.found() == {A: Found(A, Use.FREE), SIX: Found(SIX, Use.FREE)}


def test_who_answered_is_not_asked_again() -> None:
    """One answer is enough."""
    probe = Probe([A, B, SIX], VOICE, {PEER: "n2"})
    *sent, _ = run(probe, {HOST: {A}, PEER: {SIX}})
    assert [frame.target_ip for _, frame in sent if isinstance(frame, arp.Arp | ndp.Solicitation)] == [A, B, SIX, B, B]
    assert list(probe.found().values()) == [
        Found(A, Use.STRANGER, HOST),
        Found(B, Use.FREE),
        Found(SIX, Use.PEER, PEER, "n2"),
    ]


def test_a_stranger_beside_a_peer_is_what_is_told() -> None:
    """Whichever answered first."""
    probe = Probe([A], VOICE, {PEER: "n2"})
    run(probe, {PEER: {A}, HOST: {A}})
    assert probe.found()[A] == Found(A, Use.STRANGER, HOST)


@pytest.mark.parametrize(
    ("frame", "use"),
    [
        pytest.param(lambda: arp.gratuitous(HOST, A), Use.STRANGER, id="an announcement"),
        pytest.param(lambda: arp.request(HOST, A, B), Use.STRANGER, id="a request from the address"),
        pytest.param(lambda: arp.probe(HOST, A), Use.STRANGER, id="a host that probes it at the same time"),
        pytest.param(lambda: arp.probe(PEER, A), Use.FREE, id="a peer that probes it, too"),
        pytest.param(lambda: arp.probe(ME, A), Use.FREE, id="our own probe, come back"),
        pytest.param(lambda: arp.gratuitous(ME, A), Use.FREE, id="our own MAC"),
        pytest.param(lambda: arp.request(HOST, B, A), Use.FREE, id="somebody who looks for it"),
        pytest.param(lambda: arp.gratuitous(HOST, B), Use.FREE, id="another address"),
    ],
)
def test_what_makes_an_address_used(frame: Callable[[], Frame], use: Use) -> None:
    """RFC 5227 2.1.1: any packet from the address, and another's probe for it."""
    probe = Probe([A], VOICE, {PEER: "n2"})
    probe.start(0.0)
    probe.heard(frame())
    assert probe.found()[A].use is use


def test_a_host_that_tries_the_ipv6_address_out_has_it() -> None:
    """RFC 4862 5.4.3."""
    probe = Probe([SIX], VOICE)
    probe.start(0.0)
    probe.heard(ndp.probe(HOST, SIX))
    assert probe.found()[SIX] == Found(SIX, Use.STRANGER, HOST)


def test_a_router_that_answers_for_all_does_not_empty_the_pool() -> None:
    """One MAC that answers for four free addresses is proxy ARP; the host behind that one answers for itself."""
    addresses = [ip_address("192.0.2.200") + n for n in range(6)]
    probe = Probe(addresses, VOICE)
    run(probe, {ROUTER: set(addresses), HOST: {addresses[3]}})
    assert probe.proxies() == {ROUTER}
    uses = [found.use for found in probe.found().values()]
    assert uses == [Use.PROXY] * 3 + [Use.STRANGER] + [Use.PROXY] * 2


def test_three_are_a_host_and_so_are_four_that_are_in_use() -> None:
    """Who answers for addresses that somebody has may well be the one who has them."""
    addresses = [ip_address("192.0.2.200") + n for n in range(5)]
    probe = Probe(addresses[:3], VOICE)
    run(probe, {HOST: set(addresses)})
    assert {found.use for found in probe.found().values()} == {Use.STRANGER}
    probe = Probe(addresses, VOICE, free=addresses[:3])
    run(probe, {HOST: set(addresses)})
    assert {found.use for found in probe.found().values()} == {Use.STRANGER}
    probe = Probe(addresses, VOICE, {PEER: "n2"})
    run(probe, {PEER: set(addresses)})
    assert {found.use for found in probe.found().values()} == {Use.PEER}


def test_a_large_pool_is_asked_in_steps_and_takes_no_longer_than_them() -> None:
    """2,000 addresses: no more than 256 frames at once, half a second in all."""
    addresses = [ip_address("198.18.0.0") + n for n in range(2000)]
    *sent, (end, _) = run(Probe(addresses, VOICE), {})
    times = [at for at, _ in sent]
    assert len(times) == 6000
    assert max(times.count(at) for at in set(times)) <= AT_ONCE * 3  # where the steps of two rounds meet
    assert round(end, 3) == round(0.3 + 7 * STEP, 3)


def test_nothing_to_ask_is_done_at_once() -> None:
    """An empty set."""
    probe = Probe([], VOICE)
    assert probe.start(5.0) == []
    assert probe.done
    assert probe.found() == {}


def test_a_reply_to_all_counts() -> None:
    """Some stacks send their gratuitous ARP as a reply."""
    probe = Probe([A], VOICE)
    probe.start(0.0)
    probe.heard(Arp(HOST, BROADCAST, Op.REPLY, HOST, A, BROADCAST, A))
    assert probe.found()[A].mac == HOST
