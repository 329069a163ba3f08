"""A LAN on a virtual clock: nodes with an announcer and a responder each, a client that listens, and all that breaks.

One queue of things to happen: no thread, no sleep, no socket. A responder answers by itself, as the real one does; an
agent may be killed, stand still, or lose the API; links lose, delay and are cut, with the carrier or without.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address

from lbctl.addresses import Address
from lbctl.l2 import arp, election, ndp
from lbctl.l2.actions import Action, Answer, Duty, Kind, OnConflict, Peer, Report, Send, Silence
from lbctl.l2.announcer import STALL, Announcer
from lbctl.l2.frames import Arp, Frame, Mac, Op, Solicitation
from lbctl.l2.messages import Manner, read

ETH0 = "eth0"
LEASE = 30.0  # seconds that a Lease lasts for who sees it unchanged
RENEW = 10.0
FORGIVEN = 15.0  # seconds without a renewal after which an agent knows that it has lost the API


@dataclass(eq=False)
class Node:
    """One node: its agent, what its responder answers for, and what it knows of the API."""

    name: str
    mac: Mac
    announcer: Announcer | None = None
    answers: dict[Address, Mac] = field(default_factory=dict)
    mute: set[Address] = field(default_factory=set)  # what its responder does not answer for, unknown to its machine
    carrier: bool = True
    side: int = 0  # nodes hear each other that are on the same side of the switch; the client is on side 0
    stalled: bool = False
    stalled_at: float = 0.0
    queue: list[Frame] = field(default_factory=list)  # what came in while it stood still
    api: bool = True
    eligible: bool = True
    stopping: bool = False
    life: int = 0  # counts the agent's starts
    renewed: float = 0.0
    lease: int = 0  # changes with each renewal; 0: none, or given back
    seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    told: dict[Address, Duty] = field(default_factory=dict)
    shown: tuple[dict[str, Peer], bool] | None = None

    @property
    def running(self) -> bool:
        """Whether its agent is there and not standing still."""
        return self.announcer is not None and not self.stalled


class Segment:
    """Nodes n1, n2, ... and the addresses that they announce."""

    def __init__(
        self, nodes: int, addresses: Sequence[str], seed: int = 0, on_conflict: OnConflict = OnConflict.DEFEND
    ) -> None:
        self.now = 100.0
        self.random = random.Random(seed)
        self.loss = 0.0
        self.delay = 0.0003
        self.on_conflict = on_conflict
        self.addresses: list[Address] = [ip_address(address) for address in addresses]
        self.nodes = [Node(f"n{i}", bytes((2, 0, 0, 0, 0, i))) for i in range(1, nodes + 1)]
        self.api_up = True
        self.reports: list[tuple[float, str, Report]] = []
        self.sent: list[tuple[float, str, Frame]] = []
        self.client: dict[Address, list[Mac]] = {address: [] for address in self.addresses}  # as it learned them
        self.changes: list[tuple[float, str, Address, bool]] = []  # who began or ceased to answer
        self.watch: Callable[[], None] = lambda: None  # called after everything that happens
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, after: float, do: Callable[[], None]) -> None:
        """Let something happen, some seconds from now."""
        heapq.heappush(self._queue, (self.now + after, next(self._numbers), do))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, do = heapq.heappop(self._queue)
            do()
            self.watch()
        self.now = end

    def node(self, name: str) -> Node:
        """One of them by name."""
        return next(node for node in self.nodes if node.name == name)

    def owners(self, address: Address | None = None) -> list[str]:
        """Who answers for an address (the first, if none is named)."""
        return [node.name for node in self.nodes if (address or self.addresses[0]) in node.answers]

    def owner(self, address: Address | None = None) -> Node:
        """The one that answers."""
        (name,) = self.owners(address)
        return self.node(name)

    def in_order(self, address: Address | None = None) -> list[Node]:
        """All nodes in the order for an address."""
        names = election.order((node.name for node in self.nodes), address or self.addresses[0])
        return [self.node(name) for name in names]

    def moves(self, address: Address | None = None) -> int:
        """How often the client has seen the address's MAC change."""
        return len(self.client[address or self.addresses[0]]) - 1

    def said(self, kind: Kind) -> list[Report]:
        """The reports of one kind."""
        return [report for _, _, report in self.reports if report.kind is kind]

    def hear_each_other(self, one: Node, other: Node) -> bool:
        """Whether frames pass between two nodes."""
        return one.carrier and other.carrier and one.side == other.side

    # What an agent does.

    def start(self, node: Node) -> None:
        """The agent starts: it reads the API, then opens its interface."""
        node.life += 1
        node.announcer, node.stopping, node.stalled = Announcer(node.name), False, False
        node.seen, node.told, node.shown = {}, {}, None
        self._renew(node, node.life)
        self._poll(node, node.life)
        if node.carrier:
            self.do(node, node.announcer.link(self.now, ETH0, True, node.mac))

    def start_all(self, apart: float = 0.0) -> None:
        """All agents start, some seconds apart."""
        for number, node in enumerate(self.nodes):
            self.at(number * apart, partial(self.start, node))

    def _renew(self, node: Node, life: int) -> None:
        if node.life != life or node.announcer is None or node.stopping:
            return
        if node.api and self.api_up and not node.stalled:
            node.lease, node.renewed = node.lease + 1, self.now
            self.tell()
        self.at(RENEW, partial(self._renew, node, life))

    def _poll(self, node: Node, life: int = 0) -> None:
        """What the agent learns from the API, and from its absence; without an event it looks once a second."""
        if life and node.life == life:
            self.at(1.0, partial(self._poll, node, life))
        if node.announcer is None or node.stalled or (life and node.life != life):
            return
        duties: dict[Address, Duty | None] = {}
        if node.api and self.api_up:
            for other in self.nodes:
                if other is not node and node.seen.get(other.name, (0, 0.0))[0] != other.lease:
                    node.seen[other.name] = other.lease, self.now
            names = [other.name for other in self.nodes if other.eligible and other.lease]
            for address in self.addresses:
                duty = Duty(election.order(names, address), frozenset({ETH0}), self.on_conflict)
                if node.told.get(address) != duty:
                    duties[address] = node.told[address] = duty
        peers = {
            name: Peer(frozenset({self.node(name).mac}), at + LEASE if self.now > at + LEASE else None)
            for name, (lease, at) in node.seen.items()
            if lease
        }
        shown = peers, self.now - node.renewed < FORGIVEN
        if shown != node.shown:
            node.shown = shown
            self.do(node, node.announcer.peers(self.now, *shown))
        self.do(node, node.announcer.told(self.now, duties))

    def tell(self) -> None:
        """Something changed in the API: each node hears of it a moment later."""
        for node in self.nodes:
            self.at(self.random.uniform(0.002, 0.05), partial(self._poll, node))

    def do(self, node: Node, actions: Iterable[Action]) -> None:
        """Carry actions out."""
        for action in actions:
            match action:
                case Send(_, frame):
                    self.send(node, frame)
                case Answer(_, address, mac):
                    if address not in node.answers:
                        self.changes.append((self.now, node.name, address, True))
                    node.answers[address] = mac
                case Silence(_, address):
                    del node.answers[address]
                    self.changes.append((self.now, node.name, address, False))
                case Report():
                    self.reports.append((self.now, node.name, action))
        assert node.announcer is not None
        due = node.announcer.due()
        if due is not None:
            late = self.random.uniform(0.0, 0.002)
            self.at(max(due - self.now, 0.0) + late, partial(self._tick, node, node.life))

    def _tick(self, node: Node, life: int) -> None:
        if node.life != life or node.announcer is None or node.stalled:
            return
        due = node.announcer.due()
        if due is not None and due <= self.now:  # else another call has done it
            self.do(node, node.announcer.tick(self.now))

    # The wire.

    def send(self, sender: Node, frame: Frame) -> None:
        """A frame leaves a node: to all that hear it, or to the one whose MAC it bears."""
        self.sent.append((self.now, sender.name, frame))
        if not sender.carrier:
            return
        for node in self.nodes:
            to_it = bool(frame.destination[0] & 1) or frame.destination == node.mac
            if (
                node is not sender
                and to_it
                and self.hear_each_other(sender, node)
                and self.random.random() >= self.loss
            ):
                self.at(self.delay * self.random.uniform(0.5, 1.5), partial(self._arrive, node, frame))
        claim, _ = read(frame)
        if claim and claim.manner is Manner.ALOUD and sender.side == 0 and claim.address in self.client:
            macs = self.client[claim.address]
            if macs[-1:] != [claim.mac]:
                macs.append(claim.mac)

    def _arrive(self, node: Node, frame: Frame) -> None:
        if node.announcer is None or not node.carrier:
            return
        if node.stalled:
            node.queue.append(frame)
            return
        self._respond(node, frame)
        self.do(node, node.announcer.heard(self.now, ETH0, frame))

    def _respond(self, node: Node, frame: Frame) -> None:
        """The responder's own thread."""
        if not isinstance(frame, Arp | Solicitation) or frame.target_ip in node.mute:
            return
        if isinstance(frame, Arp) and frame.op is Op.REQUEST and not frame.is_gratuitous:
            if frame.target_ip in node.answers:
                self.send(node, arp.reply(frame, node.answers[frame.target_ip]))
        elif isinstance(frame, Solicitation) and frame.target_ip in node.answers:
            self.send(node, ndp.answer(frame, node.answers[frame.target_ip]))

    # What breaks.

    def cut(self, node: Node, carrier: bool = True) -> None:
        """The node's link is cut: with the carrier gone, or inside the switch."""
        if not carrier:
            node.side = 100 + self.nodes.index(node)
        elif node.carrier:
            node.carrier = False
            if node.running and node.announcer is not None:
                self.do(node, node.announcer.link(self.now, ETH0, False, node.mac))

    def mend(self, node: Node) -> None:
        """Its link is whole again."""
        node.side = 0
        if not node.carrier:
            node.carrier = True
            if node.running and node.announcer is not None:
                self.do(node, node.announcer.link(self.now, ETH0, True, node.mac))

    def kill(self, node: Node) -> None:
        """SIGKILL: nothing is answered any more, and nobody is told."""
        self.changes += [(self.now, node.name, address, False) for address in node.answers]
        node.announcer, node.stalled = None, False
        node.answers.clear()
        node.queue.clear()

    def stop(self, node: Node) -> None:
        """SIGTERM: its Lease goes at once, and it leaves when its announcer has."""
        if node.running and node.announcer is not None and not node.stopping:
            node.stopping = True
            if node.api and self.api_up:
                node.lease = 0
                self.tell()
            self.do(node, node.announcer.stop(self.now))
            self._await_stop(node, node.life)

    def _await_stop(self, node: Node, life: int) -> None:
        if node.life == life and node.announcer is not None:
            if node.announcer.stopped:
                self.kill(node)
            else:
                self.at(0.05, partial(self._await_stop, node, life))

    def stall(self, node: Node, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after some seconds."""
        if node.running:
            node.stalled, node.stalled_at = True, self.now
            self.at(seconds, partial(self._wake, node, node.life))

    def _wake(self, node: Node, life: int) -> None:
        if node.life != life or node.announcer is None:
            return
        node.stalled = False
        frames, node.queue = node.queue, []
        for frame in frames:
            if self.now - node.stalled_at <= STALL:  # else the responder sees that its table is old, and is silent
                self._respond(node, frame)
            self.do(node, node.announcer.heard(self.now, ETH0, frame))
        # The carrier may have come or gone meanwhile, and netlink tells so now.
        self.do(node, node.announcer.link(self.now, ETH0, node.carrier, node.mac))
        self.do(node, node.announcer.tick(self.now))

    def lose_api(self, node: Node) -> None:
        """Only this node reaches the API no more."""
        node.api = False

    def find_api(self, node: Node) -> None:
        """It does again, and renews its Lease at once."""
        node.api = True
        self._renewed(node)

    def stop_api(self) -> None:
        """The API server is gone."""
        self.api_up = False

    def start_api(self) -> None:
        """It is back, and all renew within a second."""
        self.api_up = True
        for node in self.nodes:
            self.at(self.random.uniform(0.0, 1.0), partial(self._renewed, node))

    def _renewed(self, node: Node) -> None:
        if node.running and not node.stopping and node.api and self.api_up:
            node.lease, node.renewed = node.lease + 1, self.now
            self.tell()
