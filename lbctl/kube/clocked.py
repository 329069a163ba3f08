"""A connection pool whose timeouts bound a whole thing: all addresses of a name and the TLS handshake together, and
status line, headers and body of an answer together.

A socket's timeout bounds one `recv` alone, so a server that drips a byte a second would hold us for ever; and by the
time a body is read in pieces, its headers may have dripped already. So the raw socket below the answer looks at the
clock, and whatever is read above it is bounded. In the same way urllib3 gives each address of a name the whole time.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MOST_FIELDS, LONGEST_FIELD = 100, 65_536  # as http.client has them


class _Clocked(io.RawIOBase):
    """A socket's raw stream: each read gets what is left of the time, and none is left after the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        timeout = sock.gettimeout()
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer is not whole in time")
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer that is read through the clock."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Clocked(self.fp.detach(), sock))

    def begin(self) -> None:
        """Read status line and headers, as RFC 9112 has them (2.1, 4, 6.3).

        Not http.client's own, which parses the headers as those of an e-mail: that takes as long as all the rest of an
        answer, a tenth of a bulk assign.
        """
        if self.headers is not None:
            return
        version, status, reason = self._read_status()
        while status == http.client.CONTINUE:
            _fields(self.fp)
            version, status, reason = self._read_status()
        if not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.version = 10 if version == "HTTP/1.0" else 11
        self.code = self.status = status
        self.reason = reason.strip()
        self.headers = self.msg = fields = _fields(self.fp)
        self.chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = fields.get("content-length", "")
        self.length = int(length) if length.isdecimal() and not self.chunked else None
        if status in (http.client.NO_CONTENT, http.client.NOT_MODIFIED) or self._method == "HEAD":
            self.length = 0
        self.will_close = self._check_close() or (not self.chunked and self.length is None)


def _fields(stream: io.BufferedIOBase) -> http.client.HTTPMessage:
    """The header fields up to the empty line; HTTPException when there is no end of them, or a line is none."""
    fields = http.client.HTTPMessage()
    for _ in range(MOST_FIELDS):
        line = stream.readline(LONGEST_FIELD + 1)
        if line in (b"\r\n", b"\n", b""):
            return fields
        name, colon, value = line.decode("iso-8859-1").partition(":")
        if len(line) > LONGEST_FIELD or not colon or not name.strip() or name != name.strip():
            raise http.client.HTTPException("a line among the headers is no header field")
        fields[name] = value.strip()
    raise http.client.HTTPException(f"more than {MOST_FIELDS} header fields")


def _connected(connection: HTTPConnection, connect: Callable[[], socket.socket]) -> socket.socket:
    """Connect with an equal share of the time for each address of the name, and leave the handshake what remains."""
    started, whole = time.monotonic(), connection.timeout
    if whole is None:
        return connect()
    connection.timeout = whole / _addresses(connection.host, connection.port)
    try:
        sock = connect()
    finally:
        connection.timeout = whole
    sock.settimeout(max(started + whole - time.monotonic(), 0.001))
    return sock


def _addresses(host: str, port: int) -> int:
    """How many addresses will be tried."""
    try:
        return len(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM))
    except OSError:
        return 1  # because urllib3 asks again and says it in its own way


class _Sending(HTTPConnection):
    """A connection that sends the head and the body of a request in one write: half the system calls, TLS records and
    wake-ups of the server, which is 5 % of a bulk assign."""

    _held: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._held = []
        try:
            super().request(*args, **kwargs)
            data = b"".join(self._held)
        finally:
            self._held = None
        self.send(data)

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)


class _Plain(_Sending):
    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        return _connected(self, super()._new_conn)


class _Secure(_Sending, HTTPSConnection):
    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        return _connected(self, super()._new_conn)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


POOLS = {"http": _PlainPool, "https": _SecurePool}
