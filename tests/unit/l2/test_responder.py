"""What the responder answers is what the codecs would, and only while the announcer is alive."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv6Address

import pytest

from lbctl.addresses import Address, AddressSet, Range, family_of
from lbctl.l2 import arp, bpf, ndp, responder
from lbctl.l2.ethernet import parse_mac
from lbctl.l2.frames import Arp, Solicitation, decode, encode
from lbctl.l2.responder import Shared, Table
from tests.unit.l2.generated import frames
from tests.unit.l2.test_bpf import packet_type
from tests.unit.l2.test_bpf import run as filtered

SEED = 20_261_126
MINE = parse_mac("02:00:00:00:00:0f")
SLOT = 3


class Over(Exception):
    """The wire has nothing more; a real one never says so."""


class Recorded:
    """A wire with these frames on it; in between the interface goes down, as a socket says it."""

    def __init__(self, heard: list[bytes]) -> None:
        self._heard = iter(heard)
        self._turn = 0
        self.sent: list[bytes] = []

    def recv(self, size: int) -> bytes:
        """The next frame, cut to size."""
        self._turn += 1
        if self._turn % 7 == 0:
            raise OSError(100, "Network is down")
        for frame in self._heard:
            return frame[:size]
        raise Over

    def send(self, frame: bytes) -> None:
        """Keep it."""
        self.sent.append(frame)


@contextmanager
def page() -> Iterator[Shared]:
    """What the two processes share."""
    descriptor = os.memfd_create("test")
    os.truncate(descriptor, responder.PAGE)
    with closing(Shared(descriptor)) as shared:
        os.close(descriptor)
        yield shared


def answers(serve: Callable[..., None], heard: list[bytes], table: Table, shared: Shared) -> list[bytes]:
    """What is sent for these frames."""
    wire = Recorded(heard)
    with pytest.raises(Over):
        serve(wire, table, shared, SLOT)
    return wire.sent


def tables(addresses: list[Address]) -> tuple[Table, AddressSet]:
    """The responder's table of these, and the set its filter is made of."""
    table = {a.packed: responder.entry(a.packed, MINE) for a in addresses}
    return table, AddressSet.of(Range(family_of(a), int(a), int(a)) for a in addresses)


def test_the_short_way_is_the_codecs_way() -> None:
    """10,000 frames, those that the filter lets through, by the byte: an answer exactly where there should be one."""
    print("seed", SEED)
    every = list(frames(SEED, 10_000))
    four: list[Address] = [IPv4Address(0xC0000200 + n) for n in (0, 1, 5, 9)]
    six: list[Address] = [IPv6Address((0x20010DB8 << 96) + n) for n in (1, 2, 9)]
    with page() as shared:
        shared.beat(60)
        for serve, addresses, kind in (
            (responder.serve_arp, four, bpf.arp_questions),
            (responder.serve_ndp, six, bpf.ndp_questions),
        ):
            table, wanted = tables(addresses)
            program = kind(wanted, bpf.LIMIT).program
            heard = [f for f in every if filtered(program, encode(f), packet_type(f))]
            expected = []
            for frame in heard:
                if isinstance(frame, Arp):
                    expected.append(encode(arp.reply(frame, MINE)))
                elif isinstance(frame, Solicitation):
                    expected.append(encode(ndp.answer(frame, MINE)))
            assert answers(serve, [encode(f) for f in heard], table, shared) == expected
            assert len(expected) == len(heard) > 100
        assert shared.answered(SLOT)[0] > 100
        assert shared.answered(SLOT)[1] > 100
        assert shared.answered(SLOT - 1) == shared.answered(SLOT + 1) == (0, 0)


def test_what_a_coarse_filter_lets_through_is_not_answered() -> None:
    """The table decides; and a solicitation with a wrong checksum is nobody's."""
    asker = parse_mac("02:00:00:00:00:0a")
    table, _ = tables([IPv4Address("192.0.2.240"), IPv6Address("2001:db8::240")])
    other = encode(arp.probe(asker, IPv4Address("192.0.2.241")))
    six = [encode(ndp.probe(asker, IPv6Address(f"2001:db8::{n}"))) for n in (240, 241)]
    broken = six[0][:-1] + b"\0"
    with page() as shared:
        shared.beat(60)
        assert answers(responder.serve_arp, [other], table, shared) == []
        sent = answers(responder.serve_ndp, [six[1], broken, b"", six[0]], table, shared)
        assert [decode(frame) for frame in sent] == [ndp.answer(ndp.probe(asker, IPv6Address("2001:db8::240")), MINE)]


@pytest.mark.parametrize(("serve", "question"), [
    (responder.serve_arp, arp.probe(MINE, IPv4Address("192.0.2.240"))),
    (responder.serve_ndp, ndp.probe(MINE, IPv6Address("2001:db8::240"))),
])  # fmt: skip
def test_nothing_is_answered_for_an_announcer_that_does_not_show_itself(
    serve: Callable[..., None], question: Arp | Solicitation
) -> None:
    """Before the first sign of life, and once its time is over (promise 7)."""
    table, _ = tables([question.target_ip])
    with page() as shared:
        assert not shared.alive()
        assert answers(serve, [encode(question)], table, shared) == []
        shared.beat(60)
        assert shared.alive()
        assert len(answers(serve, [encode(question)], table, shared)) == 1
        shared.beat(-1)
        assert answers(serve, [encode(question)], table, shared) == []


def test_messages_give_back_their_entries() -> None:
    """Both families in one message, with and without MACs; more entries than one thread would read."""
    addresses = [IPv4Address("192.0.2.240").packed, IPv6Address("2001:db8::1").packed, IPv4Address("192.0.2.1").packed]
    with_mac = b"".join(MINE + bytes((len(a),)) + a for a in addresses)
    without = b"".join(bytes((len(a),)) + a for a in addresses)
    assert list(responder.entries(with_mac, True)) == [(MINE, a) for a in addresses]
    assert list(responder.entries(without, False)) == [(b"", a) for a in addresses]
    assert list(responder.entries(b"", True)) == []
