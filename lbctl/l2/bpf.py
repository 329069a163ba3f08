"""Classic BPF programs that let through what concerns a set of addresses, so that a flood about others wakes nobody.

Pure: an AddressSet in, instructions out; `linux` attaches them. Addresses are searched as ranges by halving: a program
of N ranges has about 2 N instructions and runs about log N of them. The kernel takes 4,096 (BPF_MAXINSNS); where
scattered ranges need more, the narrowest gaps between them are filled until it fits, `Filter.spare` says with how many
addresses, and whoever reads the socket looks each up in its own table anyway. The same holds for a lower limit: a
kernel also bounds the memory of a socket's options (net.core.optmem_max).

Programs are assembled from their end: a jump of classic BPF goes forward only, and a condition reaches 255
instructions. What lies further is reached through a jump (or a return) of its own within reach.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lbctl.addresses import AddressSet, Family, Span, Spans

LIMIT = 4096  # BPF_MAXINSNS
_REACH = 250  # of 255: what is put between a condition and its targets takes a few
_WHOLE = 0xFFFF  # bytes of a frame that is let through

# Instructions (linux/bpf_common.h).
_LD_WORD, _LD_HALF, _LD_BYTE = 0x20, 0x28, 0x30
_JA, _JEQ, _JGT, _JGE, _JSET, _RET = 0x05, 0x15, 0x25, 0x35, 0x45, 0x06
_TAX, _JEQ_X = 0x07, 0x1D  # keep what was loaded, and compare with what was kept
_PACKET_TYPE = 0xFFFFF000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE (linux/filter.h)
_HOST, _MULTICAST = 0, 2  # linux/if_packet.h: to us, to all, to a group; then to others, our own, looped back

# Where things stand in an untagged frame; the kernel has taken a VLAN's tag out before a socket sees the frame.
_ARP_KINDS, _ARP_LENGTHS, _ARP_OP, _ARP_SENDER, _ARP_TARGET = 14, 18, 20, 28, 38
_IP6_NEXT, _IP6_HOPS, _IP6_SOURCE, _ICMP_TYPE, _ND_TARGET = 20, 21, 22, 54, 62
_SOURCE, _ETHERTYPE = 6, 12


@dataclass(frozen=True, slots=True)
class Instruction:
    """One struct sock_filter: the code, how many instructions to skip when true and when false, and the operand."""

    code: int
    jt: int
    jf: int
    k: int


@dataclass(frozen=True, slots=True)
class Filter:
    """A program, and how many addresses it lets through that were not asked for."""

    program: tuple[Instruction, ...]
    spare: int = 0

    def packed(self) -> bytes:
        """The program as the kernel reads it, in the machine's own byte order."""
        return b"".join(struct.pack("=HBBI", i.code, i.jt, i.jf, i.k) for i in self.program)


NOTHING = Filter((Instruction(_RET, 0, 0, 0),))


def arp_questions(addresses: AddressSet, limit: int = LIMIT) -> Filter:
    """ARP requests to us or to all for one of the addresses: what a responder answers. An announcement (RFC 5227 1.1),
    which names its sender as the target, is no question, and a group is not answered."""

    def body(code: _Code, spans: Sequence[Span]) -> _Label:
        found = code.search(spans, _ARP_TARGET, 1)
        found = code.load(_LD_WORD, _ARP_TARGET, code.test(_JEQ_X, 0, _DROP, found))
        found = code.load(_LD_WORD, _ARP_SENDER, code.keep(found))
        found = code.load(_LD_BYTE, _SOURCE, code.test(_JSET, 1, _DROP, found))
        return code.arp(request=found, reply=_DROP)

    return _fitting(addresses.ranges(Family.IPV4), limit, body)


def arp_claims(addresses: AddressSet, limit: int = LIMIT) -> Filter:
    """What an announcer must hear of ARP: whoever claims one of the addresses as its sender, and of the questions for
    one the probes (RFC 5227: from 0.0.0.0) and those sent to us alone, as peers ask; not the questions of clients."""

    def body(code: _Code, spans: Sequence[Span]) -> _Label:
        claimed = code.search(spans, _ARP_SENDER, 1)
        asked = code.search(spans, _ARP_TARGET, 1)
        broadcast = code.load(_LD_WORD, _ARP_SENDER, code.test(_JEQ, 0, asked, claimed))
        request = code.load(_LD_WORD, _PACKET_TYPE, code.test(_JEQ, _HOST, asked, broadcast))
        return code.arp(request, reply=claimed)

    return _fitting(addresses.ranges(Family.IPV4), limit, body)


def ndp_questions(addresses: AddressSet, limit: int = LIMIT) -> Filter:
    """Neighbor Solicitations for one of the addresses, whatever they are sent to: what a responder answers."""

    def body(code: _Code, spans: Sequence[Span]) -> _Label:
        return code.ndp(solicitation=code.search(spans, _ND_TARGET, 4), advertisement=_DROP)

    return _fitting(addresses.ranges(Family.IPV6), limit, body)


def ndp_claims(addresses: AddressSet, limit: int = LIMIT) -> Filter:
    """What an announcer must hear of Neighbor Discovery: advertisements of one of the addresses, and of the
    solicitations for one the probes (RFC 4862: from ::), those from a link-local address, as peers ask, and those sent
    to us alone; not the rest of what clients ask."""

    def body(code: _Code, spans: Sequence[Span]) -> _Label:
        found = code.search(spans, _ND_TARGET, 4)
        unspecified = found
        for offset in range(_IP6_SOURCE + 12, _IP6_SOURCE, -4):
            unspecified = code.load(_LD_WORD, offset, code.test(_JEQ, 0, unspecified, _DROP))
        link_local = code.test(_JGE, 0xFE800000, code.test(_JGT, 0xFEBFFFFF, _DROP, found), _DROP)
        group = code.load(_LD_WORD, _IP6_SOURCE, code.test(_JEQ, 0, unspecified, link_local))
        solicitation = code.load(_LD_WORD, _PACKET_TYPE, code.test(_JEQ, _HOST, found, group))
        return code.ndp(solicitation, advertisement=found)

    return _fitting(addresses.ranges(Family.IPV6), limit, body)


class _Label(int):
    """Where an instruction stands, counted from the program's end, which is known first; negative: a return."""


_ACCEPT, _DROP = _Label(-1), _Label(-2)


class _Code:
    """A program as it grows, the last instruction first. Nothing falls through into what was assembled before it, so
    that a jump may be put in anywhere between two blocks."""

    def __init__(self) -> None:
        self._reversed: list[Instruction] = []
        self._near: dict[_Label, _Label] = {}  # the latest place that leads there

    def finished(self, start: _Label) -> tuple[Instruction, ...]:
        """The program in the order it runs; `start` must be the instruction assembled last."""
        assert start == len(self._reversed) - 1
        return tuple(reversed(self._reversed))

    def load(self, code: int, offset: int, then: _Label) -> _Label:
        """Load from the frame (past its end the kernel drops it), then go on."""
        if then < 0:
            self._return(then)
        elif then != len(self._reversed) - 1:
            self._jump(then)
        return self._put(Instruction(code, 0, 0, offset))

    def keep(self, then: _Label) -> _Label:
        """Keep what was loaded, to compare with."""
        assert then == len(self._reversed) - 1
        return self._put(Instruction(_TAX, 0, 0, 0))

    def test(self, code: int, k: int, true: _Label, false: _Label) -> _Label:
        """Compare what was loaded with k."""
        true, false = self._reach(true), self._reach(false)
        last = len(self._reversed) - 1
        return self._put(Instruction(code, last - true, last - false, k))

    def arp(self, request: _Label, reply: _Label) -> _Label:
        """The way to a request or a reply of ARP for IPv4 over Ethernet."""
        kind = self.load(_LD_HALF, _ARP_OP, self.test(_JEQ, 1, request, self.test(_JEQ, 2, reply, _DROP)))
        kind = self.load(_LD_HALF, _ARP_LENGTHS, self.test(_JEQ, 0x0604, kind, _DROP))
        kind = self.load(_LD_WORD, _ARP_KINDS, self.test(_JEQ, 0x00010800, kind, _DROP))
        return self._frame(0x0806, kind)

    def ndp(self, solicitation: _Label, advertisement: _Label) -> _Label:
        """The way to a solicitation or an advertisement, directly behind an IPv6 header with hop limit 255."""
        other = self.test(_JEQ, 136, advertisement, _DROP)
        kind = self.load(_LD_BYTE, _ICMP_TYPE, self.test(_JEQ, 135, solicitation, other))
        kind = self.load(_LD_BYTE, _IP6_HOPS, self.test(_JEQ, 255, kind, _DROP))
        kind = self.load(_LD_BYTE, _IP6_NEXT, self.test(_JEQ, 58, kind, _DROP))
        return self._frame(0x86DD, kind)

    def _frame(self, ethertype: int, then: _Label) -> _Label:
        """Not for another MAC, which a bridge or a sniffer makes the interface hear; nor of a VLAN that has no
        interface here: the kernel gives those out as another's, too."""
        then = self.load(_LD_HALF, _ETHERTYPE, self.test(_JEQ, ethertype, then, _DROP))
        return self.load(_LD_WORD, _PACKET_TYPE, self.test(_JGT, _MULTICAST, _DROP, then))

    def search(self, spans: Sequence[Span], offset: int, words: int) -> _Label:
        """Accept when the number of so many words at the offset lies in one of the spans (sorted, disjoint)."""
        cells = _cells(spans, words - 1)
        inner = [_ACCEPT if c.rest is None else self.search(c.rest, offset + 4, words - 1) for c in reversed(cells)]
        inner.reverse()
        return self.load(_LD_WORD, offset, self._halved(cells, inner, 0, 0xFFFFFFFF))

    def _halved(self, cells: Sequence[_Cell], inner: Sequence[_Label], floor: int, ceiling: int) -> _Label:
        """The search among cells, knowing that the word is from floor to ceiling."""
        if len(cells) > 1:
            half = len(cells) // 2
            pivot = cells[half].low
            right = self._halved(cells[half:], inner[half:], pivot, ceiling)
            left = self._halved(cells[:half], inner[:half], floor, pivot - 1)
            return self.test(_JGE, pivot, right, left)
        (cell,), (hit,) = cells, inner
        if cell.low == cell.high:
            return self.test(_JEQ, cell.low, hit, _DROP) if floor < ceiling else hit
        if cell.high < ceiling:
            hit = self.test(_JGT, cell.high, _DROP, hit)
        if cell.low > floor:
            hit = self.test(_JGE, cell.low, hit, _DROP)
        return hit

    def _reach(self, target: _Label) -> _Label:
        """A place that leads to the target, near enough for a condition that is put next."""
        near = self._near.get(target, target)
        if near < 0 or len(self._reversed) - near > _REACH:
            near = self._near[target] = self._return(target) if target < 0 else self._jump(target)
        return near

    def _return(self, target: _Label) -> _Label:
        return self._put(Instruction(_RET, 0, 0, _WHOLE if target == _ACCEPT else 0))

    def _jump(self, target: _Label) -> _Label:
        return self._put(Instruction(_JA, 0, 0, len(self._reversed) - 1 - target))

    def _put(self, instruction: Instruction) -> _Label:
        self._reversed.append(instruction)
        return _Label(len(self._reversed) - 1)


@dataclass(frozen=True, slots=True)
class _Cell:
    """Values of one word from low to high: all of them hit, or the spans of the words after it decide."""

    low: int
    high: int
    rest: Sequence[Span] | None = None


def _cells(spans: Sequence[Span], after: int) -> list[_Cell]:
    """Spans by their first word, `after` words following it."""
    bits = 32 * after
    most = (1 << bits) - 1
    cells: list[_Cell] = []
    parts: dict[int, list[Span]] = {}  # by the word of the cell, which is in `cells` once
    for low, high in spans:
        first, last = low >> bits, high >> bits
        for word in sorted({first, last}):
            part = (low & most if word == first else 0, high & most if word == last else most)
            if part == (0, most):
                continue
            if word not in parts:
                parts[word] = []
                cells.append(_Cell(word, word, parts[word]))
            parts[word].append(part)
        first, last = first + (low & most > 0), last - (high & most < most)
        if first <= last:
            cells.append(_Cell(first, last))
    return sorted(cells, key=lambda cell: cell.low)


def _fitting(exact: Spans, limit: int, body: Callable[[_Code, Sequence[Span]], _Label]) -> Filter:
    """The program of these spans, with gaps filled until it has at most so many instructions."""
    spans = exact
    while spans:
        code = _Code()
        program = code.finished(body(code, spans))
        if len(program) <= limit or len(spans) == 1:
            return Filter(program, _size(spans) - _size(exact))
        spans = _coarser(spans, max(1, len(spans) * limit // (len(program) + limit // 32)))
    return NOTHING


def _coarser(spans: Spans, count: int) -> Spans:
    """So many spans that hold the others, the narrowest gaps filled."""
    gaps = sorted(range(1, len(spans)), key=lambda at: (spans[at - 1][1] - spans[at][0], at))[: count - 1]
    starts = [0, *sorted(gaps)]
    return tuple((spans[a][0], spans[b - 1][1]) for a, b in zip(starts, [*starts[1:], len(spans)], strict=True))


def _size(spans: Spans) -> int:
    return sum(high - low + 1 for low, high in spans)
