"""A connection of its own to the API server, for one thread: whole answers within a time, and the bytes of a watch as
they come. Another thread can cut it at any moment, whatever the first is waiting for.

A transport's request() waits in places that nobody can end: a pause before a repeat, a TLS handshake, an answer. What
runs until it is told to stop can't have that. It also wants each failure at once, for pauses are its own business.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlencode

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ProxyError

from lbctl.kube import clocked
from lbctl.kube.answers import Call, Heard, understood
from lbctl.kube.faults import unreachable
from lbctl.kube.login import Login, Session

PIECE = 65536  # bytes read at once
LONGEST_HEAD = 65536
MOST_REFUSED = 2**20  # bytes of an answer that refuses a watch; a Status is a few hundred
# A peer that has lost its power, or its place in a NAT's table, sends no end: after 30 s without a word of its kernel
# it counts as gone. macOS has other names for it.
ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
)
SHORTEST = 0.001  # seconds: a socket's timeout of 0 would mean not to wait for a TLS record's second half


class Line:
    """One connection; `headers` go with each request, of which `log` and `told` (verb in RBAC's words; status, None: no
    answer) hear. Every method but cut() is for one thread.

    Raises ApiError or ClusterError as a transport does, without a repeat; Unreachable after cut().
    """

    def __init__(
        self,
        session: Session,
        headers: Mapping[str, str],
        log: Callable[[str], None] | None = None,
        told: Callable[[str, int | None], object] = lambda *_: None,
    ) -> None:
        self._session = session
        self._headers = headers
        self._log = log
        self._told = told
        self._hold = _Hold()
        self._pool: HTTPConnectionPool | None = None
        self._connection: HTTPConnection | None = None
        self._body: _Body | None = None
        self._rest = b""

    def get(self, path: str, params: Mapping[str, str], timeout: float) -> dict[str, Any]:
        """The object that a GET is answered with, within `timeout` seconds."""
        call, target = Call.of("GET", path), _target(path, params)

        def once(login: Login, left: float) -> Heard:
            sock = self._asked(login, target, self._headers, left)
            answer = clocked.DirectAnswer(sock, method="GET")
            try:
                answer.begin()
                heard = Heard(answer.status, cast("Mapping[str, str]", answer.headers), clocked.unpacked(answer))
            finally:
                answer.close()
            if answer.will_close:
                self.close()
            return heard

        heard = self._signed(call.verb, target, once, timeout)
        return understood(heard, call, self._session.place)[0]

    def watch(self, path: str, params: Mapping[str, str], timeout: float) -> None:
        """Begin to stream the answer of a GET; within `timeout` seconds its head is there."""
        call, target = replace(Call.of("GET", path), verb="watch"), _target(path, params)

        def once(login: Login, left: float) -> Heard:
            deadline = time.monotonic() + left
            # Not packed, which the API server doesn't do to a watch, and what stands between shall not do either.
            sock = self._asked(login, target, {**self._headers, "Accept-Encoding": "identity"}, left)
            status, fields, self._rest = _head(sock, deadline)
            self._body = _Body(fields)
            if status == 200:
                return Heard(status, fields, b"")
            data = b""
            while (more := self._next(deadline - time.monotonic())) and len(data) < MOST_REFUSED:
                data += more
            return Heard(status, fields, data)

        self.close()
        heard = self._signed(call.verb, target, once, timeout)
        if heard.status != 200:
            self.close()
            understood(heard, call, self._session.place)

    def read(self, timeout: float) -> bytes | None:
        """Bytes of the watch; None when none came within `timeout` seconds, empty when it has ended in good order."""
        with self._translated(timeout):
            try:
                return self._next(timeout)
            except TimeoutError:
                return None

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._pool = self._body = None
        self._hold.drop()

    def cut(self) -> None:
        """From another thread: end what is under way at once, and refuse whatever comes after."""
        self._hold.cut()

    def _signed(self, verb: str, target: str, once: Callable[[Login, float], Heard], timeout: float) -> Heard:
        """Send it as whoever we are; once more with a new login if the old one has just expired."""
        login = self._session.login()
        heard = self._noted(verb, target, once, login, timeout)
        if heard.status == 401:
            fresh = self._session.renewed(login)
            if fresh is not None:
                self.close()
                heard = self._noted(verb, target, once, fresh, timeout)
        return heard

    def _noted(
        self, verb: str, target: str, once: Callable[[Login, float], Heard], login: Login, timeout: float
    ) -> Heard:
        began, status = time.monotonic(), None
        try:
            with self._translated(timeout):
                heard = once(login, timeout)
            status = heard.status
            return heard
        finally:
            self._told(verb, status)
            if self._log is not None:
                self._log(f"GET {target}: {status or 'no answer'}, {(time.monotonic() - began) * 1000:.0f} ms")

    def _asked(self, login: Login, target: str, headers: Mapping[str, str], timeout: float) -> socket.socket:
        """Send a GET on the connection, opened if need be; its socket, which has the time that is left."""
        deadline = time.monotonic() + timeout
        if self._connection is None or self._pool is not login.pool:
            self.close()
            self._pool = login.pool
            self._connection = _dialled(login.pool, timeout, self._hold)
        sock = cast("socket.socket", self._connection.sock)
        sock.settimeout(max(deadline - time.monotonic(), SHORTEST))
        signed = login.signed(headers)
        sock.sendall(clocked.request_head(self._connection, "GET", login.prefix + target, None, signed))
        return sock

    def _next(self, timeout: float) -> bytes:
        """The next bytes of the body; empty at its end. TimeoutError when none came."""
        body, deadline = cast("_Body", self._body), time.monotonic() + timeout
        sock = cast("socket.socket", cast("HTTPConnection", self._connection).sock)
        while True:
            data, self._rest = body.feed(self._rest), b""
            if data or body.done:
                return data
            more = _received(sock, deadline)
            if not more:
                body.end()
                return b""
            self._rest = more

    @contextlib.contextmanager
    def _translated(self, timeout: float) -> Iterator[None]:
        """What goes wrong below, as the transport says it; the connection is closed then."""
        try:
            yield
        except Exception as fault:  # because a connection that failed in any way is closed; what is unknown goes on up
            known = clocked.as_urllib3(cast("HTTPConnectionPool", self._pool), fault)
            self.close()
            if known is None:
                raise
            raise unreachable(known, self._session.place, timeout) from fault


class _Hold:
    """The socket of a line, from the moment it exists, for whoever wants to cut it.

    As a second descriptor of the same connection: TLS takes the first away, and its number may soon be another's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._cut = False

    def take(self, sock: socket.socket) -> None:
        """Hold this one; ConnectionAbortedError when all is to be cut."""
        self.drop()
        with self._lock:
            if self._cut:
                raise ConnectionAbortedError("the line has been cut")
            self._sock = socket.fromfd(sock.fileno(), sock.family, sock.type)  # which TLS does not forbid, as dup()

    def drop(self) -> None:
        """Hold none."""
        with self._lock:
            if self._sock is not None:
                self._sock.close()
            self._sock = None

    def cut(self) -> None:
        """End the connection, and each that would be made."""
        with self._lock:
            self._cut = True
            if self._sock is not None:
                with contextlib.suppress(OSError):  # because the peer may have ended it
                    self._sock.shutdown(socket.SHUT_RDWR)


def _dialled(pool: HTTPConnectionPool, timeout: float, hold: _Hold) -> HTTPConnection:
    """A connection of the pool's kind that the pool does not know of, open."""
    connection = cast("HTTPConnection", pool._new_conn())
    connection.timeout = timeout
    if isinstance(connection, clocked.Dialling):
        connection.dial = functools.partial(_dial, connection, hold)
    try:
        if pool.proxy is not None and pool.scheme == "https":
            pool._prepare_proxy(connection)
        else:
            connection.connect()
        hold.take(connection.sock)  # again, for one that comes by SOCKS
    except BaseException as fault:
        connection.close()
        if pool.proxy is not None and isinstance(fault, OSError | ConnectTimeoutError | NewConnectionError):
            raise ProxyError("cannot connect to the proxy", fault) from fault
        raise
    return connection


def _dial(connection: HTTPConnection, hold: _Hold) -> socket.socket:
    """Connect as urllib3 does (`_new_conn`), but hold each socket before it is connected."""
    last: OSError = OSError("its name has no address")
    try:
        found = socket.getaddrinfo(connection.host.strip("[]"), connection.port, type=socket.SOCK_STREAM)
    except socket.gaierror as bad:
        raise NameResolutionError(connection.host, connection, bad) from bad
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            hold.take(sock)
            for option in (*(connection.socket_options or ()), *ALIVE):
                sock.setsockopt(*option)
            sock.settimeout(connection.timeout)
            sock.connect(address)
            return sock
        except OSError as bad:
            sock.close()
            last = bad
    if isinstance(last, TimeoutError):
        raise ConnectTimeoutError(connection, f"no connection within {connection.timeout} s") from last
    raise NewConnectionError(connection, str(last)) from last


class _Body:
    """The body of an answer from the bytes of the connection, however they are cut (RFC 9112, 6.3 and 7.1)."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.done = False
        self._chunked = (fields.get("transfer-encoding") or "").lower() == "chunked"
        length = fields.get("content-length") or ""
        self._left = int(length) if length.isdecimal() and not self._chunked else None
        self._line = b""  # of a chunk's size that is not whole yet
        self._state = "size"

    def feed(self, data: bytes) -> bytes:
        """The part of the body in these bytes."""
        if self._chunked:
            return b"".join(self._chunks(data))
        if self._left is None:
            return data
        data = data[: self._left]
        self._left -= len(data)
        self.done = not self._left
        return data

    def end(self) -> None:
        """The connection has ended: ConnectionResetError when that is not the end of the body."""
        if self._chunked or self._left is not None:
            raise ConnectionResetError("the connection ended within the answer")
        self.done = True

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        while data and not self.done:
            if self._state == "data":
                left = cast("int", self._left)
                piece, data = data[:left], data[left:]
                self._left = left - len(piece)
                self._state = "data" if self._left else "after"
                yield piece
                continue
            line, newline, data = data.partition(b"\n")
            self._line += line
            if len(self._line) > LONGEST_HEAD:
                raise http.client.HTTPException("no end of a chunk's size")
            if newline:
                self._end_of_line(self._line.strip())
                self._line = b""

    def _end_of_line(self, line: bytes) -> None:
        if self._state == "size":
            size = line.partition(b";")[0].strip()
            if not size or size.strip(b"0123456789abcdefABCDEF"):
                raise http.client.HTTPException("a chunk's size is no number")
            self._left = int(size, 16)
            self._state = "data" if self._left else "trailer"
        elif self._state == "after":
            if line:
                raise http.client.HTTPException("a chunk is longer than it says")
            self._state = "size"
        elif not line:  # and so no trailer field
            self.done = True


def _target(path: str, params: Mapping[str, str]) -> str:
    return path + ("?" + urlencode(params) if params else "")


def _received(sock: socket.socket, deadline: float) -> bytes:
    sock.settimeout(max(deadline - time.monotonic(), SHORTEST))
    try:
        return sock.recv(PIECE)
    except ssl.SSLWantReadError as partial:
        raise TimeoutError("half a TLS record") from partial


def _head(sock: socket.socket, deadline: float) -> tuple[int, Mapping[str, str], bytes]:
    """Status, header fields, and what came after them."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = _received(sock, deadline)
        if not more or len(data) > LONGEST_HEAD or time.monotonic() > deadline:
            raise http.client.RemoteDisconnected("no whole head of an answer")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    first, _, lines = head.partition(b"\r\n")
    version, _, status = first.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
        raise http.client.BadStatusLine(repr(first))
    return int(status[:3]), clocked.Fields(clocked.fields_of(io.BytesIO(lines + b"\r\n\r\n"))), rest
