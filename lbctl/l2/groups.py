"""The solicited-node groups of IPv6 addresses, joined so that cards, and switches that snoop on MLD, let questions in.

A socket holds as many memberships as net.core.optmem_max has room for (2,340 by default on 64 bits); further ones are
opened as needed. It needs no privilege.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv6Address

from lbctl.l2.ndp import solicited_node

_Group = tuple[int, IPv6Address]  # index of the interface, group


class Groups:
    """Memberships by interface. Addresses that end in the same 24 bits share a group, left with the last of them."""

    def __init__(self) -> None:
        self._members: dict[_Group, set[IPv6Address]] = {}
        self._holders: dict[_Group, socket.socket] = {}
        self._sockets: list[socket.socket] = []

    def join(self, index: int, address: IPv6Address) -> bool:
        """Be in the address's group on an interface. False when that cannot be: the interface is gone, or has IPv6
        turned off."""
        group = (index, solicited_node(address))
        if group not in self._members and not self._join(group):
            return False
        self._members.setdefault(group, set()).add(address)
        return True

    def leave(self, index: int, address: IPv6Address) -> None:
        """Be in its group no longer, unless for another address."""
        group = (index, solicited_node(address))
        members = self._members.get(group, set())
        members.discard(address)
        if not members and self._members.pop(group, None) is not None:
            # The interface may be gone, and the membership with it.
            with contextlib.suppress(OSError):
                self._holders.pop(group).setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, _request(group))

    def close(self) -> None:
        """Leave them all."""
        for each in self._sockets:
            each.close()
        self._members.clear()

    def _join(self, group: _Group) -> bool:
        for holder in self._with_room():
            try:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _request(group))
            except OSError as error:
                if error.errno in (errno.ENOMEM, errno.ENOBUFS):
                    continue
                return False
            self._holders[group] = holder
            return True
        self._sockets.pop().close()  # there was no room in a new one either
        return False

    def _with_room(self) -> Iterator[socket.socket]:
        """The sockets that may have room, the latest first, then a new one."""
        yield from reversed(self._sockets)
        self._sockets.append(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC))
        yield self._sockets[-1]


def _request(group: _Group) -> bytes:
    """struct ipv6_mreq."""
    return group[1].packed + struct.pack("=i", group[0])
