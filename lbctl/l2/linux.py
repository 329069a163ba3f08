"""The link between an announcer's machine and this machine's LANs: what it hears, what it sends, what is answered.

The answers come from a process of their own (`responder`), out of a table that is changed here; the machine hears from
a thread of this one what claims its addresses, and what links and addresses come and go. An address is never put on an
interface, so nothing is left behind when the process dies (promise 7).

    link = Link(heard, changed, patience)     opens the sockets: CAP_NET_RAW
    privileges.drop()                         from here on it needs none
    link.start()
    link.watch("eth0", addresses)             what is let in
    link.answer("eth0", address, mac)         what is answered, as long as `beat` is called
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import IPv6Address

from lbctl.addresses import Address, AddressSet, Range
from lbctl.l2.answering import Answering
from lbctl.l2.ethernet import Mac
from lbctl.l2.frames import Frame, decode
from lbctl.l2.groups import Groups
from lbctl.l2.interfaces import Interface
from lbctl.l2.netlink import Monitor
from lbctl.l2.privileges import MissingCapability, missing
from lbctl.l2.slots import Slot

# Slots made at the start, of four descriptors each: as many interfaces as a node has LANs. More are made while there is
# the capability; the kernel takes 12 ms to close a raw socket, so that a great stock is slow to die.
SPARE = 8
DEATHS = 10  # of the responder, within as many seconds: it cannot live here, and whoever runs us has to know
_NONE = AddressSet()


class Link:
    """All interfaces of the network namespace it was made in. Its methods may be called from any thread; the two
    callbacks come from the thread that `start` begins, one after the other, and hold up what is heard next.

    `heard(interface, frame)`: of the watched addresses every claim (replies, advertisements, announcements, from
    anybody), every probe (from 0.0.0.0 or ::), and every question that was sent to this machine alone or comes from a
    link-local address, as peers ask. What clients ask all is answered without a word.
    `changed(interfaces)`: links or addresses have changed; all interfaces by index. One that goes down is told of
    before it comes up again. Its answers are forgotten, as they are when it goes away: after that one asks first.
    """

    def __init__(
        self,
        heard: Callable[[str, Frame], None],
        changed: Callable[[Mapping[int, Interface]], None],
        patience: float,
        spare: int = SPARE,
    ) -> None:
        """`patience`: for how many seconds after a `beat` questions are answered. Raises MissingCapability."""
        self._heard, self._changed, self._patience = heard, changed, patience
        self._lock = threading.RLock()
        self._watched: dict[str, AddressSet] = {}
        self._answers: dict[str, dict[Address, Mac]] = {}
        self._slots: dict[str, Slot] = {}
        self._every: list[Slot] = []
        self._before: dict[str, tuple[int, int]] = {}  # interface -> what was answered on slots it had before
        self._groups = Groups()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._failure: BaseException | None = None
        self.restarts = 0  # how often the responder had to be begun anew
        self._deaths: deque[float] = deque(maxlen=DEATHS)  # when it ended
        # First of all descriptors, for a killed process closes the lowest first: with it the answers end.
        self._answering = Answering()
        try:
            self._free = [self._made() for _ in range(spare)][::-1]
        except BaseException:
            self._answering.close()
            self._close_sockets()
            raise
        self._monitor = Monitor()
        self._interfaces = self._monitor.links.interfaces()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._monitor, selectors.EVENT_READ, self._relink)
        self._selector.register(self._answering, selectors.EVENT_READ, self._revive)
        self._selector.register(self._woken, selectors.EVENT_READ, lambda: None)
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        """Begin to hear."""
        self._thread.start()

    def close(self) -> None:
        """Answer and hear nothing any more."""
        self._stopping = True
        self._wake.send(b"\0")
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        with self._lock:
            self._answering.close()
            self._monitor.close()
            self._close_sockets()
            self._wake.close()
            self._woken.close()

    def _close_sockets(self) -> None:
        self._selector.close()
        self._groups.close()
        for slot in self._every:
            slot.close()

    def interfaces(self) -> dict[int, Interface]:
        """All interfaces by index, as of now."""
        with self._lock:
            return self._interfaces

    def watch(self, interface: str, addresses: Iterable[Address] | AddressSet) -> int:
        """Let in what concerns these addresses, and answer for no others. An interface that does not exist is heard
        when it comes. How many addresses more the kernel's filter lets through: more than 0 only with many scattered
        ones. Raises MissingCapability where there are more interfaces than the stock was made for."""
        if not isinstance(addresses, AddressSet):
            addresses = AddressSet.of(map(Range.one, addresses))
        with self._lock:
            self._watched[interface] = addresses
            for address in [a for a in self._answers.get(interface, ()) if a not in addresses]:
                self.silence(interface, address)
            slot = self._slot(interface)
            return slot.listen(addresses) if slot else 0

    def answer(self, interface: str, address: Address, mac: Mac) -> None:
        """From now on the responder says that the address is at this MAC."""
        with self._lock:
            watched = self._watched.get(interface, _NONE)
            if address not in watched:
                self.watch(interface, watched | AddressSet.of([Range.one(address)]))
            slot = self._slot(interface)
            if slot is None:
                return  # it went away, and whoever answers there will hear of it
            self._answers.setdefault(interface, {})[address] = mac
            self._answering.put(slot.number, {address: mac})
            if isinstance(address, IPv6Address):
                self._groups.join(slot.index, address)

    def silence(self, interface: str, address: Address) -> None:
        """From now on the responder says nothing about the address."""
        with self._lock:
            slot = self._slots.get(interface)
            if slot is None or self._answers.get(interface, {}).pop(address, None) is None:
                return
            self._answering.drop(slot.number, address)
            if isinstance(address, IPv6Address):
                self._groups.leave(slot.index, address)

    def send(self, interface: str, frame: bytes) -> bool:
        """Put a frame on the wire. False when the interface is down or not there."""
        with self._lock:
            slot = self._slot(interface)
            return slot is not None and slot.send(frame)

    def beat(self) -> None:
        """The machine is alive and has carried out what it decided: the responder answers for `patience` more seconds.

        After a stall of its own a machine first silences what it is no longer sure of, and then calls this. Raises what
        ended the thread that hears, if something did: who hears nothing must not go on answering.
        """
        if self._failure is not None:
            raise self._failure
        self._answering.shared.beat(self._patience)

    @property
    def responder(self) -> int:
        """The id of the process that answers."""
        return self._answering.pid

    def answered(self) -> dict[str, tuple[int, int]]:
        """Interface -> how many ARP requests and how many solicitations were answered there since the start."""
        with self._lock:
            return {name: self._counted(name) for name in self._before.keys() | self._slots.keys()}

    def _counted(self, name: str) -> tuple[int, int]:
        arp, ndp = self._before.get(name, (0, 0))
        if slot := self._slots.get(name):
            now = self._answering.shared.answered(slot.number)
            arp, ndp = arp + now[0] - slot.base[0], ndp + now[1] - slot.base[1]
        return arp, ndp

    # An interface has a slot as soon as somebody watches or sends there.

    def _made(self) -> Slot:
        try:
            slot = Slot(len(self._every))
        except PermissionError:
            raise missing() from None
        self._every.append(slot)
        for wire in slot.hearing:
            self._selector.register(wire, selectors.EVENT_READ, partial(self._receive, slot, wire))
        return slot

    def _slot(self, name: str) -> Slot | None:
        """The slot of an interface, bound; None while there is no such interface."""
        if found := self._slots.get(name):
            return found
        index = next((i.index for i in self._interfaces.values() if i.name == name), 0)
        if not index:
            return None
        slot = self._free.pop() if self._free else self._made()
        slot.listen(self._watched.get(name, _NONE))
        self._answering.give(slot.number, slot.answering)
        slot.base = self._answering.shared.answered(slot.number)
        try:
            slot.bind(name, index)
        except OSError:  # it went away just now, which is yet to be heard
            self._free.append(slot)
            return None
        self._slots[name] = slot
        return slot

    def _settle(self) -> None:
        """Forget the answers where the link is down; let go of the slots of interfaces that went, take some for those
        that came."""
        for name, slot in list(self._slots.items()):
            now = self._interfaces.get(slot.index)
            gone = now is None or now.name != name
            if gone or (now is not None and not now.up):
                for address in self._answers.pop(name, {}):
                    if isinstance(address, IPv6Address):
                        self._groups.leave(slot.index, address)
                self._answering.clear(slot.number)
            if gone:
                self._before[name] = self._counted(name)
                self._free.append(self._slots.pop(name))
                slot.let_go()
        for name in self._watched:
            # With the stock used up and the capability gone, the next to watch or to answer there hears of it.
            with contextlib.suppress(MissingCapability):
                self._slot(name)

    # What the thread does.

    def _run(self) -> None:
        try:
            while not self._stopping:
                for key, _ in self._selector.select():
                    key.data()
        except Exception as failure:  # because beat() raises it where the machine hears of it
            self._failure = failure
            raise

    def _receive(self, slot: Slot, wire: socket.socket) -> None:
        for data in slot.receive(wire):
            frame, name = decode(data), slot.name
            if frame is not None and name:
                self._heard(name, frame)

    def _relink(self) -> None:
        more = True
        while more and not self._stopping:
            more = self._monitor.read()
            with self._lock:
                before, self._interfaces = self._interfaces, self._monitor.links.interfaces()
                now = self._interfaces
                self._settle()
            if now != before:
                self._changed(now)

    def _revive(self) -> None:
        """The responder has died, by the kernel's hand or somebody's: another one goes on, unless they die and die."""
        self._deaths.append(time.monotonic())
        if len(self._deaths) == DEATHS and self._deaths[-1] - self._deaths[0] < DEATHS:
            raise RuntimeError(f"the process that answers has ended {DEATHS} times within {DEATHS} s")
        with self._lock:
            self._selector.unregister(self._answering)
            self._answering.restart()
            self.restarts += 1
            self._selector.register(self._answering, selectors.EVENT_READ, self._revive)
