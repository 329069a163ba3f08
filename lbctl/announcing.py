"""The announcer of this machine at work: the thread that drives its machine between the link and what is to be done.

One thread calls the machine, and whatever comes from elsewhere (frames, links, what the API says) waits in its inbox,
in order. Nothing here decides anything about an address: the machine does (l2/announcer.py), and the responder answers
by itself. No one in that thread waits for a log, the API or a person: what there is to tell goes into a queue.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from queue import Queue
from typing import Protocol

from lbctl.addresses import Address
from lbctl.l2.actions import Action, Answer, Duty, Peer, Report, Send, Silence
from lbctl.l2.announcer import Announcer
from lbctl.l2.facts import Interface as Shown
from lbctl.l2.facts import Presence, subnets_of
from lbctl.l2.frames import Frame, Mac, encode
from lbctl.l2.interfaces import EXCLUDED, Interface, why_not

IDLE = 0.2  # seconds between two turns where nothing comes: the responder believes in this thread for a little longer
LEAVING = 1.5  # seconds that leaving may take: an address is answered for a second at most until another has it


class Wire(Protocol):
    """What is needed of l2.linux.Link."""

    def interfaces(self) -> Mapping[int, Interface]:
        """All interfaces by index."""

    def watch(self, interface: str, addresses: Iterable[Address]) -> object:
        """Hear of these addresses."""

    def answer(self, interface: str, address: Address, mac: Mac) -> None:
        """Answer for one."""

    def silence(self, interface: str, address: Address) -> None:
        """Answer for it no more."""

    def send(self, interface: str, frame: bytes) -> bool:
        """Send."""

    def beat(self) -> None:
        """All that was decided is done."""


Work = Callable[[float], list[Action]]


class Agent:
    """Drives the machine of one node: start(), then stop(). The link is whose `heard` and `changed` are this one's.

    `only` are the interfaces to announce on where not on all; `named` are those that are good whatever their name.
    """

    def __init__(
        self,
        node: str,
        wire: Wire,
        *,
        only: frozenset[str] = frozenset(),
        named: frozenset[str] = frozenset(),
        shown: Callable[[Presence], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.reports: Queue[Report] = Queue()  # what there is to tell, for whoever reads it
        self.gratuitous: Counter[str] = Counter()  # sent, by interface
        self._node = node
        self._wire = wire
        self._only, self._named = only, only | named
        self._shown = shown
        self._clock, self._wall = clock, wall
        self._machine = Announcer(node)
        self._inbox: deque[Work] = deque()
        self._wake = threading.Condition()
        self._up: dict[str, Interface] = {}
        self._duties: dict[Address, Duty] = {}
        self._watched: dict[str, frozenset[Address]] = {}
        self._owned: dict[tuple[str, Address], int] = {}
        self._lock = threading.Lock()  # guards _owned
        self._stopped = threading.Event()
        self._failed: BaseException | None = None
        self.turned = clock()  # when the loop last came round
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)

    # For every thread.

    def start(self) -> None:
        """Begin, with the interfaces there are."""
        self.changed(self._wire.interfaces())
        self._thread.start()

    def stop(self) -> bool:
        """Leave: hand over what others may announce, and answer for nothing any more. Whether that came to its end."""
        self.post(self._machine.stop)
        return self._stopped.wait(LEAVING)

    @property
    def failed(self) -> BaseException | None:
        """What the thread died of, which is a bug."""
        return self._failed

    def owned(self) -> dict[tuple[str, Address], int]:
        """What is answered for: interface and address, since when in seconds since the epoch."""
        with self._lock:
            return dict(self._owned)

    def post(self, work: Work) -> None:
        """Have the machine asked something, in its own thread."""
        with self._wake:
            self._inbox.append(work)
            self._wake.notify()

    def heard(self, interface: str, frame: Frame) -> None:
        """A frame that the link let in."""
        self.post(lambda now: self._machine.heard(now, interface, frame))

    def changed(self, interfaces: Mapping[int, Interface]) -> None:
        """The interfaces as they are now."""
        self.post(lambda now: self._relink(now, interfaces))

    def name(self, interfaces: frozenset[str]) -> None:
        """These are good whatever their names say."""

        def named(now: float) -> list[Action]:
            self._named = self._only | interfaces
            return self._relink(now, self._wire.interfaces())

        self.post(named)

    def peers(self, peers: Mapping[str, Peer], connected: bool) -> None:
        """All other announcers, and whether this node reaches the API."""
        self.post(lambda now: self._machine.peers(now, peers, connected))

    def duties(self, duties: Mapping[Address, Duty | None]) -> None:
        """What is to be announced of these addresses, from now on."""
        self.post(lambda now: self._told(now, duties))

    # The thread.

    def _run(self) -> None:
        try:
            while not self._machine.stopped:
                self._wait()
                self._turn()
        except BaseException as bug:
            self._failed = bug
            raise
        finally:
            self._stopped.set()

    def _wait(self) -> None:
        with self._wake:
            due = self._machine.due()
            left = min(IDLE, IDLE if due is None else due - self._clock())
            if not self._inbox and left > 0:
                self._wake.wait(left)

    def _turn(self) -> None:
        # First the machine learns what time it is: after a stall it is sure of nothing, and what the frames say then is
        # judged by that.
        for _ in range(len(self._inbox)):
            self._carry_out(self._inbox.popleft()(self._clock()))
        due = self._machine.due()
        if due is not None and due <= self._clock():
            self._carry_out(self._machine.tick(self._clock()))
        self._wire.beat()
        self.turned = self._clock()

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Send(interface, frame, gratuitous):
                    if self._wire.send(interface, encode(frame)) and gratuitous:
                        self.gratuitous[interface] += 1
                case Answer(interface, address, mac):
                    self._wire.answer(interface, address, mac)
                    with self._lock:
                        self._owned.setdefault((interface, address), int(self._wall()))
                case Silence(interface, address):
                    self._wire.silence(interface, address)
                    with self._lock:
                        self._owned.pop((interface, address), None)
                case Report():
                    self.reports.put(action)

    def _relink(self, now: float, interfaces: Mapping[int, Interface]) -> list[Action]:
        usable = {
            one.name: one
            for one in interfaces.values()
            if (not self._only or one.name in self._only) and why_not(one, interfaces, EXCLUDED, self._named) is None
        }
        actions: list[Action] = []
        for name, was in self._up.items():
            if name not in usable or usable[name].index != was.index:
                actions += self._machine.link(now, name, False, was.mac)
        for name, one in usable.items():
            known = self._up.get(name)
            if known is None or (known.index, known.mac, known.link_local) != (one.index, one.mac, one.link_local):
                actions += self._machine.link(now, name, True, one.mac, one.link_local)
        self._up = usable
        self._shown(presence_of(self._node, usable.values()))
        return actions

    def _told(self, now: float, duties: Mapping[Address, Duty | None]) -> list[Action]:
        for address, duty in duties.items():
            if duty is None:
                self._duties.pop(address, None)
            else:
                self._duties[address] = duty
        # What is no longer to be announced is heard until the machine has let go of it, at the next change.
        wanted: dict[str, set[Address]] = {name: set() for name in self._watched}
        for address, duty in [*self._duties.items(), *((a, d) for a, d in duties.items() if d is not None)]:
            for interface in duty.interfaces:
                wanted.setdefault(interface, set()).add(address)
        with self._lock:
            for interface, address in self._owned:
                wanted.setdefault(interface, set()).add(address)
        for interface, addresses in wanted.items():
            if (found := frozenset(addresses)) != self._watched.get(interface):
                self._watched[interface] = found
                self._wire.watch(interface, found)
        return self._machine.told(now, duties)


def presence_of(node: str, interfaces: Iterable[Interface]) -> Presence:
    """What a node's Lease says of these interfaces. An address alone (/32, /128) is no subnet, and none of Kubernetes'
    addresses is link-local."""
    shown = []
    for one in interfaces:
        nets = [str(p.network) for p in one.addresses if p.network.num_addresses > 1 and not p.is_link_local]
        shown.append(Shown(one.name, one.mac, subnets_of(nets)))
    return Presence(node, tuple(sorted(shown, key=lambda interface: interface.name)))
