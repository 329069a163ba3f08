"""The agent that drives the machine: what reaches the link and in which order, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_interface

import pytest

from lbctl.addresses import Address
from lbctl.announcing import Agent, presence_of
from lbctl.l2.actions import Duty, Kind, Why
from lbctl.l2.facts import Interface as Shown
from lbctl.l2.facts import Presence, subnets_of
from lbctl.l2.frames import Arp, Frame, Mac, Op, decode
from lbctl.l2.interfaces import Flag, Interface

V4, OTHER = ip_address("192.0.2.200"), ip_address("192.0.2.201")
MAC, STRANGER = bytes([2, 0, 0, 0, 0, 1]), bytes([2, 0, 0, 0, 0, 99])
UP = Flag.UP | Flag.LOWER_UP
ETH0 = Interface(2, "eth0", MAC, UP, addresses=(ip_interface("192.0.2.11/24"), ip_interface("192.0.2.50/32")))
LO = Interface(1, "lo", bytes(6), UP | Flag.LOOPBACK, hardware=772)
VETH = Interface(7, "veth7", bytes([2, 0, 0, 0, 0, 7]), UP)


class Wire:
    """A link that keeps what it is told; use it from the agent's thread."""

    def __init__(self, *interfaces: Interface) -> None:
        self.there = {one.index: one for one in interfaces}
        self.done: list[str] = []
        self.sent: list[Frame] = []
        self.beats = 0
        self.silent = threading.Event()

    def interfaces(self) -> Mapping[int, Interface]:
        """All of them."""
        return self.there

    def watch(self, interface: str, addresses: Iterable[Address]) -> None:
        """Kept."""
        self.done.append(f"watch {interface} {' '.join(sorted(map(str, addresses)))}")

    def answer(self, interface: str, address: Address, mac: Mac) -> None:
        """Kept."""
        self.done.append(f"answer {interface} {address} {mac.hex(':')}")

    def silence(self, interface: str, address: Address) -> None:
        """Kept."""
        self.done.append(f"silence {interface} {address}")

    def send(self, interface: str, frame: bytes) -> bool:
        """Kept."""
        found = decode(frame)
        assert found is not None
        self.sent.append(found)
        return interface == "eth0"

    def beat(self) -> None:
        """Counted."""
        self.beats += 1


@pytest.fixture
def wire() -> Wire:
    """A machine with a card, the loopback, and a container's veth."""
    return Wire(LO, ETH0, VETH)


@pytest.fixture
def agent(wire: Wire) -> Iterator[Agent]:
    """An agent at work."""
    agent = Agent("n1", wire)
    agent.start()
    yield agent
    assert agent.stop()
    assert agent.failed is None


def duty(*interfaces: str, force: bool = False) -> Duty:
    """This node's alone."""
    return Duty(("n1",), frozenset(interfaces or ("eth0",)), force=force)


def reported(agent: Agent, kind: Kind) -> Address | None:
    """Wait for a report of this kind; its address."""
    while (report := agent.reports.get(timeout=10)).kind is not kind:
        pass
    return report.address


def test_it_hears_before_it_asks_and_answers_after(wire: Wire, agent: Agent) -> None:
    """The order on the link: what is to be heard, the probes, the answer; then what was sent unasked is counted."""
    agent.duties({V4: duty()})
    assert reported(agent, Kind.ANNOUNCING) == V4
    assert wire.done == [f"watch eth0 {V4}", f"answer eth0 {V4} {MAC.hex(':')}"]
    probes = [frame for frame in wire.sent if isinstance(frame, Arp) and frame.sender_ip == ip_address("0.0.0.0")]
    assert probes
    assert wire.sent[: len(probes)] == probes
    assert set(agent.owned()) == {("eth0", V4)}
    assert agent.gratuitous["eth0"] >= 1


def test_what_another_machine_has_is_not_announced(wire: Wire, agent: Agent) -> None:
    """Its answer to the probe is heard, reported, and nothing is answered."""
    answer = Arp(STRANGER, MAC, Op.REPLY, STRANGER, V4, MAC, ip_address("0.0.0.0"))  # type: ignore[arg-type]
    agent.duties({V4: duty()})
    agent.heard("eth0", answer)
    assert reported(agent, Kind.REFUSED) == V4
    assert wire.done == [f"watch eth0 {V4}"]
    assert agent.owned() == {}


def test_leaving_falls_silent(wire: Wire) -> None:
    """stop() comes back once nothing is answered any more."""
    agent = Agent("n1", wire)
    agent.start()
    agent.duties({V4: duty(force=True), OTHER: duty(force=True)})
    reported(agent, Kind.ANNOUNCING)
    reported(agent, Kind.ANNOUNCING)
    assert agent.stop()
    assert {f"silence eth0 {V4}", f"silence eth0 {OTHER}"} <= set(wire.done)
    assert agent.owned() == {}


def test_the_responder_hears_that_it_is_alive(wire: Wire, agent: Agent) -> None:
    """Also while nothing happens."""
    agent.duties({V4: duty(force=True)})
    reported(agent, Kind.ANNOUNCING)
    before = wire.beats
    deadline = time.monotonic() + 10
    while wire.beats < before + 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_link_that_goes_is_left_and_one_that_comes_is_asked(wire: Wire, agent: Agent) -> None:
    """Down and up again: the address is announced again, after a new question."""
    agent.duties({V4: duty(force=True)})
    reported(agent, Kind.ANNOUNCING)
    agent.changed({1: LO})
    assert reported(agent, Kind.LEFT) == V4
    assert agent.owned() == {}
    agent.changed(wire.there)
    assert reported(agent, Kind.ANNOUNCING) == V4


def test_a_container_s_interface_is_good_only_by_name(wire: Wire) -> None:
    """What the Lease shows: the card with its subnet; the veth once the pool file names it."""
    shown: list[Presence] = []
    told = threading.Semaphore(0)

    def show(presence: Presence) -> None:
        shown.append(presence)
        told.release()

    agent = Agent("n1", wire, shown=show)
    agent.start()
    assert told.acquire(timeout=10)
    eth0 = Shown("eth0", MAC, subnets_of(["192.0.2.0/24"]))
    assert shown == [Presence("n1", (eth0,))]
    agent.name(frozenset({"veth7"}))
    assert told.acquire(timeout=10)
    assert shown[1] == Presence("n1", (eth0, Shown("veth7", VETH.mac, ())))
    assert agent.stop()


def test_a_subnet_is_more_than_an_address() -> None:
    """No /32, no link-local."""
    one = Interface(2, "eth0", MAC, UP, addresses=(ip_interface("fe80::1/64"), ip_interface("192.0.2.50/32")))
    assert presence_of("n1", [one]) == Presence("n1", (Shown("eth0", MAC, ()),))


def test_why_it_announces_is_said(agent: Agent) -> None:
    """In the report."""
    agent.duties({V4: duty(force=True)})
    report = agent.reports.get(timeout=10)
    assert (report.kind, report.why) == (Kind.ANNOUNCING, Why.FORCED)
