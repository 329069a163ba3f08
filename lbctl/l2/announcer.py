"""The announcer of one node: for which addresses it answers on which interfaces, and when it takes one over.

A machine without a socket, clock or thread: what the API says, what is heard and the time come in, actions come out. The
API says who may announce (Duty, Peer); the wire says who is alive: the owner of an address is the announcer that
answers for it (DESIGN section 7). It keeps promise 7: two announcers of one address notice each other, and one yields.

How to drive it, from one thread (or under one lock), with times of one monotonic clock in seconds:

    actions = announcer.peers(now, ...)     first, so that a peer's MAC is not taken for a stranger's
    actions = announcer.told(now, ...)      only what changed
    actions = announcer.link(now, ...)      each interface that comes, goes, or changes its MAC
    actions = announcer.heard(now, ...)     frames, before tick: an answer that waits in a queue reads as silence
    actions = announcer.tick(now)           no later than due()

Between two calls no more than STALL may pass while it announces; else it was stalled, and asks before it answers again.
So that nothing is answered meanwhile, the responder should keep silent itself once its table was not refreshed for
STALL (a process that stood still wakes with a socket full of requests).

What it must hear: replies, advertisements and announcements about our addresses from anybody, and everything from a
peer's MAC (its unicast and broadcast probes show that it is alive), also of addresses that are answered elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address

from lbctl.addresses import Address
from lbctl.l2.actions import Action, Duty, Peer
from lbctl.l2.frames import Frame, Mac

STALL = (
    0.6  # seconds between two calls that mean a stall (DESIGN 7); well below the silence of 0.9 s that others wait for
)


class Announcer:
    """The machine of one node, for all its addresses and interfaces."""

    def __init__(self, node: str) -> None:
        """`node` is the name by which `Duty.order` and the peers know this one; any, without a cluster."""

    def peers(self, now: float, peers: Mapping[str, Peer], connected: bool) -> list[Action]:
        """All other announcers by node name, and whether this node reaches the API itself (its Lease is renewed).

        A peer that is missing now and was there before has given its Lease back: what it still answers for is handed
        over, and its MACs are no stranger's for five minutes more.
        """

    def told(self, now: float, duties: Mapping[Address, Duty | None]) -> list[Action]:
        """What the API says of these addresses from now on; None when nothing is to be announced there any more.

        Addresses that are not named stay as they are, so the cost is that of what changed.
        """

    def link(
        self, now: float, interface: str, up: bool, mac: Mac, link_local: IPv6Address | None = None
    ) -> list[Action]:
        """An interface came up (or has another MAC), or went down or away (`up` False, `mac` of no meaning).

        `link_local` is the source of NDP questions; without it that of EUI-64 is used (RFC 4291 appendix A).
        """

    def heard(self, now: float, interface: str, frame: Frame) -> list[Action]:
        """A frame that came in; our own are passed over."""

    def tick(self, now: float) -> list[Action]:
        """Whatever is due by now."""

    def stop(self, now: float) -> list[Action]:
        """Begin to leave (SIGTERM): where others may announce it answers on until one does, a second at most. Give the
        Lease back at once, so that they know; go on calling until `stopped`."""

    @property
    def stopped(self) -> bool:
        """Whether nothing is answered any more after `stop`."""

    def due(self) -> float | None:
        """When tick is wanted next; None when nothing is to be done until something comes in."""

    def announcing(self) -> dict[tuple[str, Address], float]:
        """(interface, address) -> since when it is answered for."""
