"""What announcers say to each other: in no other words than ARP's and NDP's, so that any host understands them.

Both families look the same from here on: a question to all or to one, a claim, an announcement.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from lbctl.addresses import Address
from lbctl.l2 import arp, ndp
from lbctl.l2.frames import Advertisement, Arp, Frame, Mac, Op


class Manner(Enum):
    """How a claim was made."""

    ANSWER = "answer"  # to one who asked
    ALOUD = "aloud"  # to all of the LAN: gratuitous
    USE = "use"  # a packet that has the address as its sender: who sends it has taken it (RFC 5227 2.4)


@dataclass(frozen=True, slots=True)
class Claim:
    """`mac` says that it has the address."""

    address: Address
    mac: Mac
    manner: Manner


@dataclass(frozen=True, slots=True)
class Question:
    """Who has the address? To all of the LAN, or to one station."""

    address: Address
    to_all: bool


def read(frame: Frame) -> tuple[Claim | None, Question | None]:
    """What a frame claims and what it asks; addresses of all zeros are nobody's and match nothing."""
    if isinstance(frame, Advertisement):
        # RFC 4861 7.2.6; the answer to a DAD probe (7.2.4) goes to all, too.
        manner = Manner.ANSWER if frame.solicited else Manner.ALOUD
        return Claim(frame.target_ip, frame.target_mac or frame.source, manner), None
    question = Question(frame.target_ip, bool(frame.destination[0] & 1))
    if isinstance(frame, Arp):
        if frame.is_gratuitous:  # RFC 5227 2.3, as a request or as a reply
            return Claim(frame.sender_ip, frame.sender_mac, Manner.ALOUD), None
        if frame.op is Op.REPLY:
            return Claim(frame.sender_ip, frame.sender_mac, Manner.ANSWER), None
        return Claim(frame.sender_ip, frame.sender_mac, Manner.USE), question
    return Claim(frame.sender_ip, frame.sender_mac or frame.source, Manner.USE), question


def link_local_of(mac: Mac) -> IPv6Address:
    """The link-local address that an interface has by itself (RFC 4291 appendix A)."""
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:])


@dataclass(frozen=True, slots=True)
class Voice:
    """One interface speaking: its MAC, and the source of its NDP questions."""

    mac: Mac
    link_local: IPv6Address

    def ask(self, address: Address, to: Mac | None = None) -> Frame:
        """Who has the address? To all, or to one station as a reachability probe.

        In ARP as a probe from 0.0.0.0, from which no cache learns (RFC 5227 1.1). In NDP from the link-local address:
        the answer to a question from :: would go to all nodes each time (RFC 4861 7.2.4). And to the group's address
        even where it is sent to one MAC (RFC 6085): the kernel there does not have the address, and a node routes, so
        that it would pass on a packet to it, and ask the LAN where to.
        """
        if isinstance(address, IPv4Address):
            return arp.probe(self.mac, address, to) if to else arp.probe(self.mac, address)
        return ndp.solicit(self.mac, self.link_local, address, to, ndp.solicited_node(address))

    def probe(self, address: Address) -> Frame:
        """Does anybody use the address? As one asks who wants it for himself (RFC 5227 2.1.1, RFC 4862 5.4.2)."""
        return arp.probe(self.mac, address) if isinstance(address, IPv4Address) else ndp.probe(self.mac, address)

    def announce(self, address: Address) -> list[Frame]:
        """All hear that we have it; in ARP as a request and as a reply, for stacks differ in which they listen to."""
        if isinstance(address, IPv4Address):
            return [arp.gratuitous(self.mac, address, op) for op in (Op.REQUEST, Op.REPLY)]
        return [ndp.unsolicited(self.mac, address)]

    def defend(self, address: Address) -> Frame:
        """One announcement against a stranger (RFC 5227 2.4 c)."""
        return self.announce(address)[0]
