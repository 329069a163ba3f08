"""Frames of every kind, drawn at random: what the codecs, the filters and the answers are held to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address

from lbctl.l2 import ndp
from lbctl.l2.ethernet import BROADCAST
from lbctl.l2.frames import Advertisement, Arp, Frame, Mac, Op, Solicitation


def station(draw: random.Random) -> Mac:
    """The MAC of one station, locally administered."""
    return bytes((2, *draw.randbytes(5)))


def four(draw: random.Random) -> IPv4Address:
    """Any IPv4 address, often of one small network."""
    return IPv4Address(draw.choice([draw.getrandbits(32), 0xC0000200 + draw.getrandbits(4), 0]))


def six(draw: random.Random) -> IPv6Address:
    """An IPv6 address of one station, often of one small network, often link-local."""
    near = (0x20010DB8 << 96) + draw.getrandbits(4)
    return IPv6Address(draw.choice([draw.getrandbits(127), near, (0xFE80 << 112) + draw.getrandbits(64)]) or 1)


def arp_frame(draw: random.Random) -> Arp:
    """An ARP message whose fields need not go together."""
    to = draw.choice([BROADCAST, station(draw)])
    op = draw.choice(list(Op))
    return Arp(station(draw), to, op, station(draw), four(draw), draw.choice([bytes(6), station(draw)]), four(draw))


def solicitation(draw: random.Random) -> Solicitation:
    """A question to the group or to one host, with or without its option, or a probe."""
    source, target = station(draw), six(draw)
    kind = draw.randrange(3)
    if kind == 0:
        return ndp.probe(source, target)
    mac = draw.choice([None, source, station(draw)])
    to = ndp.solicited_node(target) if kind == 1 else target
    return Solicitation(source, station(draw), six(draw), target, mac, to)


def advertisement(draw: random.Random) -> Advertisement:
    """An answer or an announcement, with any flags."""
    to = draw.choice([ndp.ALL_NODES, six(draw)])
    mac = draw.choice([None, station(draw)])
    solicited = draw.random() < 0.5 and not to.is_multicast
    router, override = draw.random() < 0.5, draw.random() < 0.5
    return Advertisement(station(draw), station(draw), six(draw), to, six(draw), mac, router, solicited, override)


_KINDS: tuple[Callable[[random.Random], Frame], ...] = (arp_frame, solicitation, advertisement)


def frames(seed: int, count: int) -> Iterator[Frame]:
    """So many frames of every kind."""
    draw = random.Random(seed)
    for _ in range(count):
        yield draw.choice(_KINDS)(draw)
