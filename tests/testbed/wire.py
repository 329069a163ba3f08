"""Two machines on one wire: network namespaces with a veth between them, and a station that sends and hears frames."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from lbctl.l2.frames import Frame, Mac, decode, encode, parse_mac
from tests.testbed.netns import Namespace

CLIENT4, NODE4 = IPv4Address("192.0.2.10"), IPv4Address("192.0.2.11")
CLIENT6, NODE6 = IPv6Address("2001:db8::10"), IPv6Address("2001:db8::11")
SECONDS = 5.0  # within which what is expected must come


class Station:
    """A raw socket on an interface; it hears everything, in order."""

    def __init__(self, namespace: Namespace, interface: str) -> None:
        self._wire = namespace.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        self._wire.bind((interface, 3))
        self._wire.settimeout(0.05)
        self.mac: Mac = self._wire.getsockname()[4]

    def send(self, frame: Frame | bytes) -> None:
        """Put it on the wire."""
        self._wire.send(frame if isinstance(frame, bytes) else encode(frame))

    def hears(self, wanted: Callable[[Frame], bool], seconds: float = SECONDS) -> Frame | None:
        """The first frame from others that is wanted, or None when none came in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                data, address = self._wire.recvfrom(2048)
                frame = decode(data)
                if frame is not None and address[2] != socket.PACKET_OUTGOING and wanted(frame):
                    return frame
        return None

    def close(self) -> None:
        """Hear no more."""
        self._wire.close()


def mac_of(namespace: Namespace, interface: str) -> Mac:
    """The MAC of an interface, as the kernel says now."""
    (link,) = json.loads(namespace.run("ip", "-j", "link", "show", "dev", interface))
    return parse_mac(link["address"])


class Wire:
    """`client` and `node`, each with eth0 on the wire between them."""

    def __init__(self) -> None:
        self.client, self.node = Namespace("client"), Namespace("node")
        self.client.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.node.path)
        for namespace, four, six in ((self.client, CLIENT4, CLIENT6), (self.node, NODE4, NODE6)):
            namespace.run("ip", "address", "add", f"{four}/24", "dev", "eth0")
            namespace.run("ip", "address", "add", f"{six}/64", "dev", "eth0", "nodad")
            namespace.run("ip", "link", "set", "eth0", "up")
        self.station = Station(self.client, "eth0")

    @property
    def node_mac(self) -> Mac:
        """The node's MAC on the wire."""
        return mac_of(self.node, "eth0")

    def close(self) -> None:
        """Both are gone."""
        self.station.close()
        self.client.close()
        self.node.close()
