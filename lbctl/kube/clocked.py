"""A connection pool whose timeouts bound a whole thing: all addresses of a name and the TLS handshake together, and
status line, headers and body of an answer together.

A socket's timeout bounds one `recv` alone, so a server that drips a byte a second would hold us for ever; and by the
time a body is read in pieces, its headers may have dripped already. So the raw socket below the answer looks at the
clock, and whatever is read above it is bounded. In the same way urllib3 gives each address of a name the whole time.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DecodeError, HTTPError, ProtocolError, ReadTimeoutError, SSLError

from lbctl.kube.answers import Heard

MOST_FIELDS, LONGEST_FIELD = 100, 65_536  # as http.client has them
GZIP = zlib.MAX_WBITS | 16  # what zlib is told so that it expects gzip's header


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
    """An answer that is read through the clock, and whose head is read as RFC 9112 has it (2.1, 4, 6.3).

    Not http.client's own, which parses header fields as those of an e-mail: that takes as long as all the rest of an
    answer.
    """

    fields_type: Callable[[list[tuple[str, str]]], Any] = staticmethod(lambda pairs: _message(pairs))

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Clocked(self.fp.detach(), sock))

    def begin(self) -> None:
        """Read status line and header fields; HTTPException when they are none."""
        if self.headers is not None:
            return
        version, status, reason = self._read_status()
        while status == http.client.CONTINUE:
            fields_of(self.fp)
            version, status, reason = self._read_status()
        if not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.version = 10 if version == "HTTP/1.0" else 11
        self.code = self.status = status
        self.reason = reason.strip()
        self.headers = self.msg = fields = self.fields_type(fields_of(self.fp))
        self.chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = fields.get("content-length", "")
        self.length = int(length) if length.isdecimal() and not self.chunked else None
        if status in (http.client.NO_CONTENT, http.client.NOT_MODIFIED) or self._method == "HEAD":
            self.length = 0
        self.will_close = self._check_close() or (not self.chunked and self.length is None)


class Fields(dict[str, str]):
    """Header fields by name, in any case; of a name that stands twice the last."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__((name.lower(), value) for name, value in pairs)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, or the default."""
        return super().get(name.lower(), default)


class DirectAnswer(_Answer):
    """An answer that urllib3 doesn't see, so that its fields need not be an e-mail's."""

    fields_type = Fields


def _message(pairs: Iterable[tuple[str, str]]) -> http.client.HTTPMessage:
    message = http.client.HTTPMessage()
    for name, value in pairs:
        message[name] = value
    return message


def fields_of(stream: io.BufferedIOBase) -> list[tuple[str, str]]:
    """The header fields up to the empty line; HTTPException when there is no end of them, or a line is none."""
    fields: list[tuple[str, str]] = []
    for _ in range(MOST_FIELDS):
        line = stream.readline(LONGEST_FIELD + 1)
        if line in (b"\r\n", b"\n", b""):
            return fields
        name, colon, value = line.decode("iso-8859-1").partition(":")
        if len(line) > LONGEST_FIELD or not colon or not name.strip() or name != name.strip():
            raise http.client.HTTPException("a line among the headers is no header field")
        fields.append((name, value.strip()))
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


class Dialling(HTTPConnection):
    """A connection that sends the head and the body of a request in one write: half the system calls, TLS records and
    wake-ups of the server, which is 5 % of a bulk assign. It may be told how to connect."""

    _held: list[bytes] | None = None
    dial: Callable[[], socket.socket] | None = None  # how to connect, when not as urllib3 does

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


class _Plain(Dialling):
    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        return _connected(self, self.dial or super()._new_conn)


class _Secure(Dialling, HTTPSConnection):
    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        return _connected(self, self.dial or super()._new_conn)


class DirectPool(HTTPConnectionPool):
    """A pool that can also exchange a request for an answer past urllib3's layers, on a connection that is open.

    Those layers take twice as long as all else that a PATCH costs us, which is a sixth of a bulk assign.
    """

    def exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Heard | None:
        """The whole answer within `timeout` seconds; None when no connection is open: nothing has been sent then.

        Raises HTTPError as urlopen() does.
        """
        if self.proxy is not None:
            return None
        connection = cast("HTTPConnection", self._get_conn())
        sock = connection.sock
        if sock is None:
            self._put_conn(connection)
            return None
        answer = None
        try:
            sock.settimeout(timeout)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # because it may have answered already
                sock.sendall(request_head(connection, method, target, body, headers) + (body or b""))
            answer = DirectAnswer(sock, method=method)
            answer.begin()
            heard = Heard(answer.status, cast("Mapping[str, str]", answer.headers), unpacked(answer))
        except BaseException as fault:
            if answer is not None:
                answer.close()
            connection.close()
            self._put_conn(None)
            if (known := as_urllib3(self, fault)) is not None:
                raise known from fault
            raise
        if answer.will_close:
            connection.close()
        self._put_conn(connection)
        return heard


def as_urllib3(pool: HTTPConnectionPool, fault: BaseException) -> HTTPError | None:
    """What urlopen() would have raised; None for what is no fault of the connection."""
    if isinstance(fault, HTTPError):
        return fault
    if isinstance(fault, TimeoutError):
        return ReadTimeoutError(pool, "", "no whole answer in time")
    if isinstance(fault, ssl.SSLError):
        return SSLError(fault)
    if isinstance(fault, zlib.error):
        return DecodeError("its gzip is broken", fault)
    if isinstance(fault, (OSError, http.client.HTTPException)):
        return ProtocolError("connection broken", fault)
    return None


def request_head(
    connection: HTTPConnection, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
) -> bytes:
    """A request's head (RFC 9112, 3 and 6.2)."""
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}:{connection.port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a line break in a request's head would begin another header")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def unpacked(answer: http.client.HTTPResponse) -> bytes:
    data = answer.read()
    return zlib.decompress(data, GZIP) if answer.headers.get("Content-Encoding") == "gzip" and data else data


class _PlainPool(DirectPool):
    ConnectionCls = _Plain


class _SecurePool(DirectPool, HTTPSConnectionPool):
    ConnectionCls = _Secure


POOLS = {"http": _PlainPool, "https": _SecurePool}
