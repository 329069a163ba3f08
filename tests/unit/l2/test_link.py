"""The link on a real wire: what it answers, what its machine hears, and what becomes of it when things die."""

from __future__ import annotations

import contextlib
import operator
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from itertools import cycle
from pathlib import Path

import pytest

from lbctl.addresses import Address
from lbctl.l2 import arp, ndp
from lbctl.l2.ethernet import group_mac, parse_mac
from lbctl.l2.frames import Advertisement, Arp, Frame, Op, Solicitation, encode
from lbctl.l2.interfaces import Interface, why_not
from lbctl.l2.linux import Link
from lbctl.l2.ndp import ALL_NODES, solicited_node
from tests.testbed.wire import CLIENT4, CLIENT6, NODE4, SECONDS, Station, Wire, mac_of

V4, V6 = IPv4Address("192.0.2.240"), IPv6Address("2001:db8::2:240")
OTHER4, OTHER6 = IPv4Address("192.0.2.241"), IPv6Address("2001:db8::2:241")
STRANGER = parse_mac("02:00:00:00:00:99")
SILENCE = (
    0.5  # seconds after which nothing more is expected; the kernel's own answer to a later question ends it sooner
)
ROOT = Path(__file__).parents[3]


class Machine:
    """A link in the node's namespace, and what it told."""

    def __init__(self, wire: Wire, patience: float = 3600.0, spare: int = 2) -> None:
        self.heard: queue.Queue[tuple[str, Frame]] = queue.Queue()
        self.changes: queue.Queue[Mapping[int, Interface]] = queue.Queue()
        self._wire = wire
        make = lambda: Link(lambda i, f: self.heard.put((i, f)), self.changes.put, patience, spare)  # noqa: E731
        self.link = wire.node.call(make)
        self.link.start()
        self.link.beat()

    def owns(self, *addresses: Address, interface: str = "eth0") -> None:
        """Answer for these, once the responder has been told."""
        mac = mac_of(self._wire.node, interface)
        # In the namespace, for there more sockets may be made.
        self._wire.node.call(lambda: self.link.watch(interface, addresses))
        for address in addresses:
            self._wire.node.call(partial(self.link.answer, interface, address, mac))

    def close(self) -> None:
        """The end."""
        self.link.close()


@pytest.fixture
def machine(wire: Wire) -> Iterator[Machine]:
    """A link on the wire."""
    with closing(Machine(wire)) as made:
        yield made


def answered(station: Station, question: Frame, seconds: float = SECONDS) -> Frame | None:
    """What comes back about the same address."""
    station.send(question)
    return station.hears(
        lambda frame: isinstance(frame, Arp | Advertisement) and about(frame) == about(question), seconds
    )


def about(frame: Frame) -> Address:
    """The address in question."""
    return frame.sender_ip if isinstance(frame, Arp) and frame.op is Op.REPLY else frame.target_ip


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold in time."""
    until = time.monotonic() + SECONDS
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()


def asked_until(station: Station, question: Frame, wanted: bool) -> bool:
    """Ask again and again until there is an answer, or none; whether it came to that."""
    return eventually(lambda: (answered(station, question, 0.2) is not None) is wanted)


def test_requests_are_answered_to_the_one_who_asked(wire: Wire, machine: Machine) -> None:
    """By broadcast, to our MAC, and as a probe (RFC 826, RFC 5227); for no other address and not for another's MAC."""
    machine.owns(V4)
    station, mac = wire.station, wire.node_mac
    assert asked_until(station, arp.request(station.mac, CLIENT4, V4), True)
    for question in (
        arp.request(station.mac, CLIENT4, V4),
        arp.request(station.mac, CLIENT4, V4, mac),
        arp.probe(station.mac, V4),
    ):
        assert answered(station, question) == arp.reply(question, mac)
    for silent in (
        arp.request(station.mac, CLIENT4, OTHER4),
        arp.request(station.mac, CLIENT4, V4, STRANGER),
        arp.gratuitous(station.mac, V4),
    ):
        assert answered(station, silent, SILENCE) is None
    tagged = bytearray(encode(arp.request(station.mac, CLIENT4, V4)))
    for vlan, wanted in ((10, False), (0, True)):
        station.send(bytes(tagged[:12]) + b"\x81\x00" + vlan.to_bytes(2) + bytes(tagged[12:]))
        heard = station.hears(lambda f: isinstance(f, Arp) and f.sender_ip == V4, SECONDS if wanted else SILENCE)
        assert (heard is not None) is wanted, f"VLAN {vlan}"
    assert machine.link.answered()["eth0"][0] >= 5


def test_solicitations_are_answered_by_rfc_4861(wire: Wire, machine: Machine) -> None:
    """With and without the source link-layer option, to the group and to our MAC; a DAD probe to all nodes."""
    machine.owns(V6)
    station, mac = wire.station, wire.node_mac
    group = solicited_node(V6)
    plain = Solicitation(station.mac, group_mac(group), CLIENT6, V6, None, group)
    assert asked_until(station, plain, True)
    answer = Advertisement(mac, station.mac, V6, CLIENT6, V6, mac, False, True, True)
    assert answered(station, plain) == answer
    assert answered(station, ndp.solicit(station.mac, CLIENT6, V6)) == answer
    assert answered(station, ndp.solicit(station.mac, CLIENT6, V6, at=mac)) == answer
    everybody = Advertisement(mac, group_mac(ALL_NODES), V6, ALL_NODES, V6, mac, False, False, True)
    assert answered(station, ndp.probe(station.mac, V6)) == everybody
    assert answered(station, ndp.solicit(station.mac, CLIENT6, OTHER6), SILENCE) is None
    assert machine.link.answered()["eth0"][1] >= 4


def test_the_group_of_an_address_is_joined_and_left(wire: Wire, machine: Machine) -> None:
    """So that a switch that snoops on MLD lets its questions through; a group that two addresses share stays."""
    same = IPv6Address("2001:db8:1::2:240")

    def groups() -> str:
        return wire.node.run("ip", "maddress", "show", "dev", "eth0")

    assert str(solicited_node(V6)) not in groups()
    machine.owns(V6, same, V4)
    assert str(solicited_node(V6)) in groups()
    machine.link.silence("eth0", V6)
    assert str(solicited_node(V6)) in groups()
    machine.link.silence("eth0", same)
    assert str(solicited_node(V6)) not in groups()


def test_groups_go_to_further_sockets_when_one_is_full(wire: Wire) -> None:
    """3,000 groups are more than one socket's memory holds."""
    addresses = [IPv6Address((0x20010DB8 << 96) + n) for n in range(1, 3_001)]
    with closing(Machine(wire)) as machine:
        machine.owns(*addresses)
        joined = wire.node.run("ip", "-6", "maddress", "show", "dev", "eth0").count("ff02::1:ff")
        assert joined >= 3_000
        assert asked_until(wire.station, ndp.solicit(wire.station.mac, CLIENT6, addresses[-1]), True)


def test_a_silenced_address_is_not_answered(wire: Wire, machine: Machine) -> None:
    """One falls silent while another goes on; what is no longer watched falls silent too."""
    machine.owns(V4, OTHER4)
    station = wire.station
    one, other = (arp.request(station.mac, CLIENT4, a) for a in (V4, OTHER4))
    assert asked_until(station, one, True)
    machine.link.silence("eth0", V4)
    machine.link.silence("eth0", V4)
    assert asked_until(station, one, False)
    assert asked_until(station, other, True)
    machine.link.watch("eth0", [V4])
    assert asked_until(station, other, False)


def test_the_machine_hears_claims_probes_and_peers(wire: Wire, machine: Machine) -> None:
    """What it must know of, in order; and not what clients ask, or what is said of other addresses."""
    machine.owns(V4, V6)
    station, mac = wire.station, wire.node_mac
    link_local = IPv6Address("fe80::99")
    wanted: list[Frame] = [
        arp.gratuitous(station.mac, V4),
        arp.gratuitous(station.mac, V4, Op.REPLY),
        arp.probe(station.mac, V4),
        arp.request(station.mac, CLIENT4, V4, mac),
        arp.request(station.mac, V4, NODE4),
        Arp(station.mac, mac, Op.REPLY, station.mac, V4, mac, NODE4),
        ndp.unsolicited(station.mac, V6),
        ndp.probe(station.mac, V6),
        ndp.solicit(station.mac, link_local, V6),
        ndp.solicit(station.mac, CLIENT6, V6, at=mac),
    ]
    passed_over: list[Frame] = [
        arp.request(station.mac, CLIENT4, V4),
        arp.request(station.mac, CLIENT4, OTHER4),
        arp.gratuitous(station.mac, OTHER4),
        arp.probe(STRANGER, V4, to=STRANGER),
        ndp.solicit(station.mac, CLIENT6, V6),
        ndp.unsolicited(station.mac, OTHER6),
        ndp.probe(station.mac, OTHER6),
    ]
    for other, frame in zip(cycle(passed_over), wanted, strict=False):
        station.send(other)
        station.send(frame)
        # ARP and NDP come on two sockets: each is waited for, so that the order is that of the wire.
        assert machine.heard.get(timeout=SECONDS) == ("eth0", frame)
    assert machine.heard.empty()


def test_frames_are_sent_as_they_are(wire: Wire, machine: Machine) -> None:
    """Of both families; where there is no such interface, it says so."""
    for frame in (arp.gratuitous(STRANGER, V4), ndp.unsolicited(STRANGER, V6)):
        assert machine.link.send("eth0", encode(frame))
        assert wire.station.hears(partial(operator.eq, frame))
    assert not machine.link.send("eth9", encode(arp.gratuitous(STRANGER, V4)))


@pytest.mark.parametrize("kind", ["veth", "macvlan", "bridge"])
def test_an_interface_that_appears_later_answers(wire: Wire, machine: Machine, kind: str) -> None:
    """Watched before it is there, answered on once it is; forgotten when it goes, and told anew when it is back."""
    node, client = wire.node, wire.client
    machine.link.watch("lan1", [V4])
    for turn in range(2):
        if kind == "veth":
            node.run("ip", "link", "add", "lan1", "type", "veth", "peer", "name", "far1", "netns", client.path)
            client.run("ip", "link", "set", "far1", "up")
            far = "far1"
        elif kind == "macvlan":
            node.run("ip", "link", "add", "lan1", "link", "eth0", "type", "macvlan", "mode", "bridge")
            far = "eth0"
        else:
            node.run("ip", "link", "add", "lan1", "type", "bridge", "forward_delay", "0")
            node.run("ip", "link", "set", "eth0", "master", "lan1")
            far = "eth0"
        node.run("ip", "link", "set", "lan1", "up")
        assert eventually(lambda: any(i.name == "lan1" and i.up for i in machine.link.interfaces().values())), turn
        every = machine.link.interfaces()
        said = {i.name: why_not(i, every) for i in every.values()}
        assert said["lan1"] is None
        assert (said["eth0"] is None) is (kind != "bridge"), "a bridge's port is not announced on"
        mac = mac_of(node, "lan1")
        machine.link.answer("lan1", V4, mac)
        with closing(Station(client, far)) as station:
            question = arp.probe(station.mac, V4)
            assert asked_until(station, question, True)
            assert answered(station, question) == arp.reply(question, mac)
        node.run("ip", "link", "del", "lan1")
        assert eventually(lambda: all(i.name != "lan1" for i in machine.link.interfaces().values()))
    assert machine.link.answered()["lan1"][0] >= 4


def test_a_link_that_goes_down_forgets_its_answers_and_says_so(wire: Wire, machine: Machine) -> None:
    """Even when it is up again at once: after a cut somebody else may answer, so the machine asks first."""
    machine.owns(V4)
    question = arp.request(wire.station.mac, CLIENT4, V4)
    assert asked_until(wire.station, question, True)
    wire.node.run("sh", "-c", "ip link set eth0 down && ip link set eth0 up")
    ups: list[bool] = []
    while ups[-2:] != [False, True]:
        ups += [i.up for i in machine.changes.get(timeout=SECONDS).values() if i.name == "eth0"]
    assert answered(wire.station, question, SILENCE) is None
    machine.owns(V4)
    assert asked_until(wire.station, question, True)


def test_a_responder_that_dies_is_begun_anew_with_all_it_was_told(wire: Wire, machine: Machine) -> None:
    """By the out-of-memory killer, say."""
    machine.owns(V4, V6)
    station = wire.station
    assert asked_until(station, ndp.probe(station.mac, V6), True)
    first = machine.link.responder
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: machine.link.restarts == 1)
    assert asked_until(station, arp.probe(station.mac, V4), True)
    assert asked_until(station, ndp.probe(station.mac, V6), True)
    assert machine.link.responder != first


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_responders_that_die_and_die_end_the_announcer(machine: Machine) -> None:
    """Who can't answer must not say that it does, nor begin processes for ever."""

    def killed() -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(machine.link.responder, signal.SIGKILL)
        try:
            machine.link.beat()
        except RuntimeError as failure:
            return str(failure) == "the process that answers has ended 10 times within 10 s"
        return False

    assert eventually(killed)
    assert machine.link.restarts == 9


def test_without_a_sign_of_life_nothing_is_answered(wire: Wire) -> None:
    """An announcer that hangs must not hold its addresses (promise 7)."""

    def alive(machine: Machine, question: Frame) -> bool:
        machine.link.beat()
        return answered(wire.station, question, 0.1) is not None

    with closing(Machine(wire, patience=0.3)) as machine:
        machine.owns(V4)
        question = arp.request(wire.station.mac, CLIENT4, V4)
        assert eventually(lambda: alive(machine, question))
        assert asked_until(wire.station, question, False)
        machine.link.beat()
        assert answered(wire.station, question) is not None


PROGRAM = """
import sys, time
from ipaddress import IPv4Address
from lbctl.l2.linux import Link
from lbctl.l2 import privileges
link = Link(lambda *_: None, lambda *_: None, 3600.0)
privileges.drop()
link.start()
mac = next(i.mac for i in link.interfaces().values() if i.name == "eth0")
link.answer("eth0", IPv4Address("192.0.2.240"), mac)
link.beat()
print(link.responder, flush=True)
time.sleep(3600)
"""


def test_a_killed_announcer_stops_answering(wire: Wire) -> None:
    """kill -9, without a privilege left: nobody answers any more, and no process stays behind (promise 7)."""
    command = wire.node.command(sys.executable, "-c", PROGRAM)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        responder = int(process.stdout.readline())
        question = arp.request(wire.station.mac, CLIENT4, V4)
        try:
            assert asked_until(wire.station, question, True)
            for pid in (process.pid, responder):
                status = Path(f"/proc/{pid}/status").read_text()
                assert "CapEff:\t0000000000000000" in status
                assert "CapPrm:\t0000000000000000" in status
        finally:
            process.kill()
        assert eventually(lambda: not Path(f"/proc/{responder}").exists())
        assert answered(wire.station, question, SILENCE) is None


UNPRIVILEGED = """
from lbctl.l2 import privileges
from lbctl.l2.linux import Link
privileges.drop()
try:
    Link(lambda *_: None, lambda *_: None, 1.0)
except privileges.MissingCapability as error:
    print(error.message)
    print(error.hint)
    raise SystemExit(error.exit_code)
"""


def test_without_the_capability_it_says_how_to_get_it() -> None:
    """One sentence, and the three ways."""
    done = subprocess.run([sys.executable, "-c", UNPRIVILEGED], capture_output=True, text=True, cwd=ROOT, check=False)
    python = os.path.realpath(sys.executable)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "this process may not send and receive ARP and Neighbor Discovery: it lacks CAP_NET_RAW",
        "run it as root, or grant that capability alone:",
        "  on the command line: a copy of the interpreter in the virtual environment that has it: "
        f"cp {python} .venv/bin/python-raw && sudo setcap cap_net_raw=ep .venv/bin/python-raw, "
        "then .venv/bin/python-raw -m lbctl",
        "  in a systemd unit: AmbientCapabilities=CAP_NET_RAW",
        "  in a pod: securityContext: {capabilities: {drop: [ALL], add: [NET_RAW]}}, run as root",
    ]


def test_thousands_of_scattered_addresses_are_let_in(wire: Wire, machine: Machine) -> None:
    """More than the kernel has room for one by one, exchanged twice: coarser, and every one of them is answered."""
    addresses = [IPv4Address(0xC6120000 + 3 * n) for n in range(6_000)]
    assert machine.link.watch("eth0", addresses[:10]) == 0
    assert machine.link.watch("eth0", addresses) > 0
    machine.owns(*addresses)
    for address in (addresses[0], addresses[3_000], addresses[-1]):
        assert asked_until(wire.station, arp.probe(wire.station.mac, address), True), address
    between = IPv4Address(int(addresses[3_000]) + 1)
    assert answered(wire.station, arp.probe(wire.station.mac, between), SILENCE) is None
