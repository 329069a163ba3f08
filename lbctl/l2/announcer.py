"""The announcer of one node: for which addresses it answers on which interfaces, and when it takes one over.

A machine without a socket, clock or thread: what the API says, what is heard and the time come in, actions come out.
The API says who may announce (Duty, Peer); the wire says who is alive: the owner of an address is the announcer that
answers for it (DESIGN section 7). It keeps promise 7: two announcers of one address notice each other, and one yields.

How to drive it, from one thread (or under one lock), with times of one monotonic clock in seconds:

    actions = announcer.peers(now, ...)     first, so that a peer's MAC is not taken for a stranger's
    actions = announcer.told(now, ...)      only what changed
    actions = announcer.link(now, ...)      each interface that comes, goes, or changes its MAC
    actions = announcer.heard(now, ...)     frames, before tick: an answer that waits in a queue reads as silence
    actions = announcer.tick(now)           no later than due()

`told`, `peers` and `link` cost what changed; `heard` and `tick` cost what is due, and one owner's addresses are watched
together, so that 2,000 addresses are neither 2,000 timers nor 2,000 questions.

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
from lbctl.l2.actions import Action, Duty, Kind, Peer, Report
from lbctl.l2.directory import Directory
from lbctl.l2.frames import Frame, Mac
from lbctl.l2.messages import Voice, link_local_of
from lbctl.l2.port import Port
from lbctl.l2.seats import Phase

STALL = 0.6  # seconds between two calls that mean a stall (DESIGN 7); below the 0.9 s of silence that others wait for
PULSE = 0.25  # seconds after which tick is wanted whatever is due, for a stall is seen by the gap


class Announcer:
    """The machine of one node, for all its addresses and interfaces."""

    def __init__(self, node: str) -> None:
        """`node` is the name by which `Duty.order` and the peers know this one; any, without a cluster."""
        self._directory = Directory(node)
        self._duties: dict[Address, Duty] = {}
        self._ports: dict[str, Port] = {}
        self._actions: list[Action] = []
        self._last: float | None = None
        self._stopping = False

    def peers(self, now: float, peers: Mapping[str, Peer], connected: bool) -> list[Action]:
        """All other announcers by node name, and whether this node reaches the API itself (its Lease is renewed).

        A peer that is missing now and was there before has given its Lease back: what it still answers for is handed
        over, and its MACs are no stranger's for five minutes more.
        """
        self._awake(now)
        self._directory.update(now, peers, connected)
        for port in self._ports.values():
            port.reviewed(now)
        return self._done(now)

    def told(self, now: float, duties: Mapping[Address, Duty | None]) -> list[Action]:
        """What the API says of these addresses from now on; None when nothing is to be announced there any more.

        Addresses that are not named stay as they are, so the cost is that of what changed.
        """
        self._awake(now)
        changed = {address: duty for address, duty in duties.items() if duty != self._duties.get(address)}
        for address, duty in changed.items():
            if duty is None:
                del self._duties[address]
            else:
                self._duties[address] = duty
        if not self._stopping:
            for port in self._ports.values():
                port.assign(now, changed.items())
        return self._done(now)

    def link(
        self, now: float, interface: str, up: bool, mac: Mac, link_local: IPv6Address | None = None
    ) -> list[Action]:
        """An interface came up (or has another MAC), or went down or away (`up` False, `mac` of no meaning).

        `link_local` is the source of NDP questions; without it that of EUI-64 is used (RFC 4291 appendix A).
        """
        self._awake(now)
        port = self._ports.get(interface)
        own = {known: name for known, name in self._directory.own.items() if name != interface}
        self._directory.own = own | ({mac: interface} if up else {})
        voice = Voice(mac, link_local or link_local_of(mac)) if up else None
        if voice is None:
            if port is not None:
                port.down(now)
                del self._ports[interface]
        elif port is not None:
            port.speak(now, voice)
        elif not self._stopping:
            self._ports[interface] = port = Port(interface, voice, self._directory, self._actions.append)
            port.assign(now, self._duties.items())
        return self._done(now)

    def heard(self, now: float, interface: str, frame: Frame) -> list[Action]:
        """A frame that came in; our own are passed over."""
        self._awake(now)
        port = self._ports.get(interface)
        if port is not None:
            port.heard(now, frame)
        return self._done(now)

    def tick(self, now: float) -> list[Action]:
        """Whatever is due by now."""
        self._awake(now)
        for port in self._ports.values():
            port.tick(now)
        return self._done(now)

    def stop(self, now: float) -> list[Action]:
        """Begin to leave (SIGTERM): where others may announce it answers on until one does, a second at most. Give the
        Lease back at once, so that they know; go on calling until `stopped`."""
        self._awake(now)
        self._stopping = True
        for port in self._ports.values():
            port.stop(now)
        return self._done(now)

    @property
    def stopped(self) -> bool:
        """Whether nothing is answered any more after `stop`."""
        return self._stopping and not any(port.seats for port in self._ports.values())

    def due(self) -> float | None:
        """When tick is wanted next; None when nothing is to be done until something comes in."""
        times = [at for port in self._ports.values() if (at := port.due()) is not None]
        if self._last is not None and any(port.seats for port in self._ports.values()):
            times.append(self._last + PULSE)
        return min(times, default=None)

    def announcing(self) -> dict[tuple[str, Address], float]:
        """(interface, address) -> since when it is answered for."""
        return {
            (interface, seat.address): seat.since
            for interface, port in self._ports.items()
            for seat in port.seats.values()
            if seat.phase in (Phase.ANNOUNCING, Phase.LEAVING)
        }

    def owners(self) -> dict[tuple[str, Address], Mac]:
        """(interface, address) -> who answers for it as far as is known, where another may be asked: a peer's MAC, or a
        stranger's."""
        return {
            (interface, seat.address): seat.owner
            for interface, port in self._ports.items()
            for seat in port.seats.values()
            if seat.owner is not None
        }

    def _awake(self, now: float) -> None:
        """At the begin of each call: have we stood still since the last one?"""
        stalled = self._last is not None and now - self._last > STALL
        self._last = now
        if stalled:
            answered = [port.stalled(now) for port in self._ports.values()]
            if any(answered):
                self._actions.append(Report(Kind.STALLED))

    def _done(self, now: float) -> list[Action]:
        """At the end of each call: what it has come to."""
        for port in self._ports.values():
            port.settle(now)
        actions, self._actions[:] = list(self._actions), []
        return actions
