"""The kernel's links and addresses, as they come and go (rtnetlink(7)).

`Links` is pure: messages in, interfaces out. `Monitor` is its socket. A library for this costs 180 ms of every start
and a thread of its own, for two kinds of message that are read here in a hundred lines; nothing is changed through it.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface

from lbctl.l2.interfaces import Interface, Placed

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, hardware, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix, flags, scope, index
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr: length, type

_ERROR, _DONE = 2, 3
_NEW_LINK, _DEL_LINK, _GET_LINK, _NEW_ADDRESS, _DEL_ADDRESS, _GET_ADDRESS = 16, 17, 18, 20, 21, 22
_REQUEST, _DUMP, _DUMP_INTERRUPTED = 0x1, 0x300, 0x10
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _INFO_KIND = 1, 3, 10, 18, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_UNUSABLE = 0x08 | 0x40  # IFA_F_DADFAILED, IFA_F_TENTATIVE: not this machine's, or not yet
_TYPES = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER


class Links:
    """The interfaces of one network namespace, kept by the messages about them."""

    def __init__(self) -> None:
        self._links: dict[int, Interface] = {}
        self._addresses: dict[int, dict[Placed, None]] = {}

    def interfaces(self) -> dict[int, Interface]:
        """All by index, with their addresses in the order they came."""
        placed = self._addresses
        return {i: replace(link, addresses=tuple(placed.get(i, ()))) for i, link in self._links.items()}

    def forget(self) -> None:
        """Before a dump: what was told may have changed unheard."""
        self._links.clear()
        self._addresses.clear()

    def take(self, kind: int, body: bytes) -> bool:
        """One message; what is cut short or of another kind is passed over. Whether it took a link down or away."""
        with contextlib.suppress(struct.error, ValueError):
            if kind in (_NEW_LINK, _DEL_LINK):
                return self._take_link(kind, body)
            if kind in (_NEW_ADDRESS, _DEL_ADDRESS):
                self._take_address(kind, body)
        return False

    def _take_link(self, kind: int, body: bytes) -> bool:
        family, hardware, index, flags, _ = _LINK.unpack_from(body)
        if family != socket.AF_UNSPEC:
            return False  # AF_BRIDGE tells of a port: "deleted" there is a link that left its bridge
        was_up = index in self._links and self._links[index].up
        if kind == _DEL_LINK:
            self._links.pop(index, None)
            self._addresses.pop(index, None)
            return was_up
        found = _attributes(body[_LINK.size :])
        info = _attributes(found.get(_IFLA_LINKINFO, b""))
        name, of_kind = _text(found.get(_IFLA_IFNAME, b"")), _text(info.get(_INFO_KIND, b""))
        mac, master = found.get(_IFLA_ADDRESS, b""), int.from_bytes(found.get(_IFLA_MASTER, b""), sys.byteorder)
        self._links[index] = Interface(index, name, mac, flags, hardware, of_kind, master)
        return was_up and not self._links[index].up

    def _take_address(self, kind: int, body: bytes) -> None:
        family, prefix, flags, _, index = _ADDRESS.unpack_from(body)
        found = _attributes(body[_ADDRESS.size :])
        # Of a point-to-point link ADDRESS is the other end, and LOCAL ours.
        packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS, b"")
        flags = int.from_bytes(found.get(_IFA_FLAGS, bytes((flags,))), sys.byteorder)
        placed: Placed = (IPv4Interface if family == socket.AF_INET else IPv6Interface)((packed, prefix))
        here = self._addresses.setdefault(index, {})
        if kind == _NEW_ADDRESS and not flags & _UNUSABLE:
            here[placed] = None
        else:
            here.pop(placed, None)


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages in one datagram: type, flags, body; nothing past one whose length cannot be."""
    while len(data) >= _HEADER.size:
        length, kind, flags, _, _ = _HEADER.unpack_from(data)
        if not _HEADER.size <= length <= len(data):
            return
        yield kind, flags, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def _attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by type, up to one whose length cannot be."""
    found: dict[int, bytes] = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            break
        found[kind & _TYPES] = data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    return found


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")


def interfaces() -> dict[int, Interface]:
    """All interfaces by index, as of now."""
    with contextlib.closing(Monitor()) as monitor:
        return monitor.links.interfaces()


class Monitor:
    """The links of the network namespace it was made in. It needs no privilege."""

    def __init__(self) -> None:
        self.links = Links()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((0, _GROUPS))
        self._dump()

    def fileno(self) -> int:
        """For a selector: it is readable when something has changed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    def read(self) -> bool:
        """Take in what has come, without waiting, up to a link that goes down: True then, for there may be more, such
        as that it is up again. When the kernel had more to say than fits, all is asked anew."""
        try:
            while True:
                data = self._socket.recv(1 << 16, socket.MSG_DONTWAIT)
                downs = [self.links.take(kind, body) for kind, _, body in messages(data)]
                if any(downs):
                    return True
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._dump()
            return True

    def _dump(self) -> None:
        while True:
            self.links.forget()
            whole = [
                self._ask(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0)),
                self._ask(_GET_ADDRESS, _ADDRESS.pack(0, 0, 0, 0, 0)),
            ]
            if all(whole):
                return

    def _ask(self, kind: int, body: bytes) -> bool:
        """Ask for all of a kind; what comes between is about the same. False when a change cut into the answer."""
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _DUMP, 1, 0) + body)
        whole = True
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                whole = False
                continue
            for answered, flags, answer in messages(data):
                whole = whole and not flags & _DUMP_INTERRUPTED
                if answered in (_DONE, _ERROR):
                    return whole and answered == _DONE
                self.links.take(answered, answer)
