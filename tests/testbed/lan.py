"""The wires of the lab: a LAN of namespaces on one switch, pods behind the nodes, and what can go wrong with a wire.

    client .10   n1 .11   n2 .12   n3 .13   gw .20        192.0.2.0/24 and 2001:db8::/64, the same host part
       |          |        |        |        |
       +----------+---- switch -----+--------+            a bridge in a namespace of its own
                  |        |        |
                 p1       p2       p3                     pods, 10.244.N.2 and fd00:10:244:N::2, routed by the nodes

It knows nothing of Kubernetes. The MAC of a host says which it is: its IPv4 address after 02:00.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.testbed.netns import Namespace
from tests.testbed.servers import dies_with_us

NODES = ("n1", "n2", "n3")
PODS = ("p1", "p2", "p3")
PORT = "eth0"  # what each host's end of its wire is called; the switch's end has the host's name
BRIDGE = "br0"
DELAY_LINE = Path(__file__).with_name("delay_line.py")
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23  # packet(7)
ETH_P_ALL = 3

# Kernels keep IPv4 settings of the machine in a new namespace and forget those of IPv6, so all that matter stand here.
# No DAD for a host's own addresses, which would keep them silent for a second.
EVERYWHERE = {
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/arp_ignore": "0",
    "ipv4/conf/default/arp_ignore": "0",
    "ipv4/conf/all/accept_redirects": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/dad_transmits": "0",
    "ipv6/conf/all/accept_ra": "0",
    "ipv6/conf/default/accept_ra": "0",
}
# A node that routes a client's packet to a pod of another node would tell the client to go there itself.
ROUTER = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv6/conf/all/forwarding": "1",
}

# A switch says nothing itself.
SWITCH = {"ipv6/conf/all/disable_ipv6": "1", "ipv6/conf/default/disable_ipv6": "1"}

FAULTS = """
table bridge lab {
  set cut { type ifname; }
  set apart { type ifname . ifname; }
  chain enter { type filter hook prerouting priority -300; iifname @cut drop; }
  chain cross { type filter hook forward priority 0; oifname @cut drop; iifname . oifname @apart drop; }
}
"""


@dataclass(frozen=True, slots=True)
class Host:
    """A host on the LAN: its addresses and its MAC."""

    name: str
    number: int  # the last part of its addresses

    @property
    def ipv4(self) -> str:
        """Its IPv4 address."""
        return f"192.0.2.{self.number}"

    @property
    def ipv6(self) -> str:
        """Its IPv6 address."""
        return f"2001:db8::{self.number}"

    @property
    def mac(self) -> str:
        """Its MAC, as text."""
        return f"02:00:c0:00:02:{self.number:02x}"


HOSTS = {name: Host(name, n) for name, n in (("client", 10), ("n1", 11), ("n2", 12), ("n3", 13), ("gw", 20))}
BY_MAC = {host.mac: name for name, host in HOSTS.items()}


def pod_addresses(node: str) -> tuple[str, str]:
    """The addresses of a node's pod: IPv4, IPv6."""
    number = node.removeprefix("n")
    return f"10.244.{number}.2", f"fd00:10:244:{number}::2"


class Lan:
    """The LAN; use it as a context manager. OSError where this user may not make namespaces."""

    def __init__(self) -> None:
        self.spaces: dict[str, Namespace] = {}
        self._delayed: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Lan:
        try:
            for name in ("switch", *HOSTS, *PODS):
                self.spaces[name] = Namespace(name)
            self._wire()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take it down."""
        self._end_delays()
        for space in self.spaces.values():
            space.close()
        self.spaces.clear()

    def _wire(self) -> None:
        for name, space in self.spaces.items():
            more = ROUTER if name in (*NODES, "gw") else SWITCH if name == "switch" else {}
            sysctl(space, EVERYWHERE | more)
        self._ip("switch", f"link add {BRIDGE} type bridge", f"link set {BRIDGE} promisc on up")
        for host in HOSTS.values():
            self._connect(host)
        for node, pod in zip(NODES, PODS, strict=True):
            self._add_pod(node, pod)
        self.spaces["switch"].run("nft", "-f", "-", stdin=FAULTS)

    def _connect(self, host: Host) -> None:
        far = self.spaces[host.name].path
        self._ip(
            "switch",
            f"link add {host.name} type veth peer name {PORT} address {host.mac} netns {far}",
            f"link set {host.name} master {BRIDGE} up",
        )
        self._ip(
            host.name,
            f"link set {PORT} up",
            f"address add {host.ipv4}/24 dev {PORT}",
            f"address add {host.ipv6}/64 dev {PORT} nodad",
        )

    def _add_pod(self, node: str, pod: str) -> None:
        (v4, v6), far = pod_addresses(node), self.spaces[pod].path
        gateway4, gateway6 = v4[:-1] + "1", v6[:-1] + "1"
        others = [other for other in NODES if other != node]
        self._ip(
            node,
            f"link add pod0 type veth peer name {PORT} netns {far}",
            "link set pod0 up",
            f"address add {gateway4}/24 dev pod0",
            f"address add {gateway6}/64 dev pod0 nodad",
            *(f"route add {pod_addresses(o)[0]}/24 via {HOSTS[o].ipv4}".replace(".2/24", ".0/24") for o in others),
            *(f"route add {pod_addresses(o)[1]}/64 via {HOSTS[o].ipv6}".replace("::2/64", "::/64") for o in others),
        )
        self._ip(
            pod,
            f"link set {PORT} up",
            f"address add {v4}/24 dev {PORT}",
            f"address add {v6}/64 dev {PORT} nodad",
            f"route add default via {gateway4}",
            f"route add default via {gateway6}",
        )

    def _ip(self, where: str, *lines: str) -> None:
        self.spaces[where].run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    # What can go wrong with a wire.

    def cut_link(self, host: str) -> None:
        """Pull the host's cable: it loses its carrier."""
        self._ip("switch", f"link set {host} down")

    def cut_in_switch(self, host: str) -> None:
        """The switch passes nothing from or to the host, whose carrier stays on."""
        self._nft(f"add element bridge lab cut {{ {self._port(host)} }}")

    def partition(self, one: str, other: str) -> None:
        """The switch passes nothing between these two."""
        one, other = self._port(one), self._port(other)
        self._nft(f"add element bridge lab apart {{ {one} . {other}, {other} . {one} }}")

    def delay(self, host: str, seconds: float) -> None:
        """Whatever the host sends or gets from now on is that late; call it before other faults of the host."""
        near, far = f"{host}.near", f"{host}.far"
        self._ip(
            "switch",
            f"link set {host} nomaster",
            f"link add {near} type veth peer name {far}",
            f"link set {far} up",
            f"link set {near} master {BRIDGE} up",
        )
        ends = [self.spaces["switch"].call(lambda name=name: _tap(name)) for name in (host, far)]  # type: ignore[misc]
        numbers = [end.fileno() for end in ends]
        command = [sys.executable, "-IS", str(DELAY_LINE), str(seconds), *map(str, numbers)]
        self._delayed[host] = subprocess.Popen(command, pass_fds=numbers, preexec_fn=dies_with_us())
        for end in ends:
            end.close()

    def restore(self) -> None:
        """All wires are whole again, and as fast as ever."""
        self._nft("flush set bridge lab cut; flush set bridge lab apart")
        for host in list(self._delayed):
            self._ip("switch", f"link delete {host}.near", f"link set {host} master {BRIDGE}")
        self._end_delays()
        self._ip("switch", *(f"link set {host} up" for host in HOSTS))

    def _port(self, host: str) -> str:
        """The bridge's end of the host's wire."""
        return f"{host}.near" if host in self._delayed else host

    def _end_delays(self) -> None:
        for line in self._delayed.values():
            line.kill()
            line.wait()
        self._delayed.clear()

    def _nft(self, rules: str) -> None:
        self.spaces["switch"].run("nft", rules)


def sysctl(space: Namespace, values: Mapping[str, str]) -> None:
    """Set what stands below /proc/sys/net in a namespace."""

    def write() -> None:
        for key, value in values.items():
            with open(f"/proc/sys/net/{key}", "w") as file:
                file.write(value)

    space.call(write)


def _tap(interface: str) -> socket.socket:
    """All frames that come in at an interface; to be called in its namespace."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.bind((interface, ETH_P_ALL))
    return sock
