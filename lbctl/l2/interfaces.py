"""The network interfaces of this machine as values, and the rules that say where an address can be announced.

Pure: `netlink` reads links and addresses from the kernel, these rules judge them. An address is announced where a LAN
is: on a bond, a bridge, a VLAN or a card, never on the port of one, never on what a container network made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntFlag, StrEnum
from fnmatch import fnmatchcase
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface

from lbctl.addresses import Address
from lbctl.l2.ethernet import Mac, is_station

Placed = IPv4Interface | IPv6Interface  # an address of the machine with its subnet


class Flag(IntFlag):
    """Flags of an interface (linux/if.h) that the rules look at."""

    UP = 1 << 0
    LOOPBACK = 1 << 3
    POINT_TO_POINT = 1 << 4
    NO_ARP = 1 << 7
    LOWER_UP = 1 << 16  # the carrier is there


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface: `hardware` is its ARPHRD number (1: Ethernet), `kind` the driver's name for a virtual one (bond,
    bridge, vlan, veth, ...; empty for a card), `master` the index of the interface whose port it is (0: none)."""

    index: int
    name: str
    mac: Mac
    flags: int
    hardware: int = 1
    kind: str = ""
    master: int = 0
    addresses: tuple[Placed, ...] = ()

    @property
    def up(self) -> bool:
        """Up, and its carrier is there."""
        return self.flags & (Flag.UP | Flag.LOWER_UP) == Flag.UP | Flag.LOWER_UP

    def holds(self, address: Address) -> bool:
        """Whether the address lies in a subnet of this interface; its own address alone (/32, /128) is no subnet."""
        return any(
            p.version == address.version and p.network.num_addresses > 1 and address in p.network
            for p in self.addresses
        )

    @property
    def link_local(self) -> IPv6Address | None:
        """Its link-local IPv6 address, which questions of Neighbor Discovery come from."""
        return next((p.ip for p in self.addresses if isinstance(p, IPv6Interface) and p.ip.is_link_local), None)


class WhyNot(StrEnum):
    """Why nothing is announced on an interface."""

    DOWN = "it is down"
    NO_CARRIER = "it has no carrier"
    LOOPBACK = "it is the loopback"
    POINT_TO_POINT = "it is point-to-point, with no neighbors to ask"
    NO_ARP = "it has ARP turned off"
    NO_ETHERNET = "it is not Ethernet"
    PORT = "it is a port of another interface, which stands for it"
    EXCLUDED = "its name is that of a container network's"


# Names that container networks, their tunnels and virtual machines give to what is no LAN. A bridge of Docker's own
# networks is br- and twelve hexadecimal digits; people's bridges are not.
EXCLUDED = (
    "antrea-*",
    "azv*",
    "br-" + "[0-9a-f]" * 12,
    "cali*",
    "cbr*",
    "cilium_*",
    "cni*",
    "docker*",
    "dummy*",
    "flannel*",
    "genev_sys_*",
    "kube-bridge",
    "kube-dummy-if",
    "kube-ipvs*",
    "lxc*",
    "lxd*",
    "nerdctl*",
    "nodelocaldns*",
    "ovn-k8s-*",
    "podman*",
    "tailscale*",
    "tunl*",
    "veth*",
    "virbr*",
    "vxlan.calico",
    "vxlan-v6.calico",
    "weave*",
    "wg*",
)

# The first that applies is what is said. A port of a VRF is a router's own interface, not a port of a LAN.
_RULES: tuple[tuple[Callable[[Interface, Interface | None], bool], WhyNot], ...] = (
    (lambda i, _: bool(i.flags & Flag.LOOPBACK), WhyNot.LOOPBACK),
    (lambda i, _: i.hardware != 1 or not is_station(i.mac), WhyNot.NO_ETHERNET),
    (lambda i, master: i.master != 0 and (master is None or master.kind != "vrf"), WhyNot.PORT),
    (lambda i, _: bool(i.flags & Flag.NO_ARP), WhyNot.NO_ARP),
    (lambda i, _: bool(i.flags & Flag.POINT_TO_POINT), WhyNot.POINT_TO_POINT),
    (lambda i, _: not i.flags & Flag.UP, WhyNot.DOWN),
    (lambda i, _: not i.flags & Flag.LOWER_UP, WhyNot.NO_CARRIER),
)


def why_not(
    interface: Interface,
    others: Mapping[int, Interface],
    excluded: Iterable[str] = EXCLUDED,
    named: frozenset[str] = frozenset(),
) -> WhyNot | None:
    """Why nothing is announced on it, or None where something can be. `others` are all by index, for its master;
    `excluded` are patterns as the shell has them; an interface that somebody `named` is not excluded by its name."""
    master = others.get(interface.master)
    for applies, why in _RULES:
        if applies(interface, master):
            return why
    if interface.name not in named and any(fnmatchcase(interface.name, pattern) for pattern in excluded):
        return WhyNot.EXCLUDED
    return None
