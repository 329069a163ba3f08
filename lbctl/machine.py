"""This machine's addresses and default gateways, for whoever holds a pool file against them.

No root is needed. psutil knows the addresses on Linux and macOS alike; the gateways are Linux's own tables in /proc,
and elsewhere they are left out, which is said.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_interface
from pathlib import Path

from lbctl.addresses import Address
from lbctl.poollint import Interface, Machine

PROC = Path("/proc/net")
# kube-proxy in IPVS mode puts every Service's address on an interface of this name: those are none of the machine's.
_NOT_OURS = frozenset({"kube-ipvs0"})
_GATEWAY = 0x2  # RTF_GATEWAY, and RTF_UP beside it (linux/route.h)
_UP = 0x1


def read(proc: Path = PROC) -> Machine:
    """What can be known of this machine; raises nothing."""
    unread = []
    addresses: tuple[Interface, ...] = ()
    try:
        addresses = _addresses()
    except OSError as bad:
        unread.append(f"this machine's addresses cannot be read ({bad.strerror})")
    gateways: tuple[Address, ...] = ()
    try:
        gateways = (*_gateways_v4((proc / "route").read_text()), *_gateways_v6(_text_if_any(proc / "ipv6_route")))
    except OSError:
        unread.append("this machine's default gateway is not known here: only Linux tells it")
    return Machine(addresses, gateways, tuple(unread))


def _text_if_any(path: Path) -> str:
    """A file's text; empty without it, as with IPv6 switched off."""
    return path.read_text() if path.exists() else ""


def _addresses() -> tuple[Interface, ...]:
    import socket

    import psutil  # here because most commands need nothing of it

    ours = (entries for name, entries in sorted(psutil.net_if_addrs().items()) if name not in _NOT_OURS)
    families = (socket.AF_INET, socket.AF_INET6)
    return tuple(interface(e.address, e.netmask) for entries in ours for e in entries if e.family in families)


def interface(address: str, netmask: str | None) -> Interface:
    """An address as psutil writes it, with its netmask written as an address (None on some tunnels: a host alone)."""
    bare = address.partition("%")[0]
    if netmask is None:
        return ip_interface(bare)
    mask = IPv6Address(netmask) if ":" in netmask else IPv4Address(netmask)
    return ip_interface(f"{bare}/{int(mask).bit_count()}")


def _gateways_v4(table: str) -> tuple[Address, ...]:
    """The gateways of the default routes in /proc/net/route: hex in the machine's byte order, which is little-endian
    wherever Kubernetes runs but for s390x."""
    import sys

    found = []
    for line in table.splitlines()[1:]:
        _, destination, gateway, flags, *rest = line.split()
        mask = rest[3]
        if int(destination, 16) == int(mask, 16) == 0 and int(flags, 16) & (_GATEWAY | _UP) == _GATEWAY | _UP:
            found.append(IPv4Address(int(gateway, 16).to_bytes(4, sys.byteorder)))
    return tuple(found)


def _gateways_v6(table: str) -> tuple[Address, ...]:
    """The gateways of the default routes in /proc/net/ipv6_route: 32 hex digits each, as the address is written."""
    found = []
    for line in table.splitlines():
        destination, length, _, _, gateway, _, _, _, flags, *_ = line.split()
        if int(destination, 16) == int(length, 16) == 0 and int(flags, 16) & (_GATEWAY | _UP) == _GATEWAY | _UP:
            found.append(IPv6Address(int(gateway, 16)))
    return tuple(found)
