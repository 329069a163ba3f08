"""Where `lbctl serve` can be asked how it is: /livez, /readyz and /metrics over plain HTTP.

It knows no check and no metric: both are given as callables. The answers to /livez and /readyz are as the API server
gives them, a line a check. Whoever connects may be rude: requests are read within a few seconds or not at all, so many
connections are served at once and no more, and nothing that happens here ends the process.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lbctl.errors import LbctlError, UsageError

OFF = "off"
HINT = "write HOST:PORT, as 127.0.0.1:9655 or [::1]:9655, with port 0 for a free one; or off"

SECONDS = 5.0  # for a request to arrive whole, and for an answer to be taken
LONGEST = 8192  # bytes of a request with its headers; a probe's has 200
MOST = 32  # connections at once: a scraper, probes, and some people
PATIENCE = 0.2  # seconds until another connection is accepted when there was no descriptor for one
TEXT = "text/plain; charset=utf-8"

Check = Callable[[], str | None]  # why it fails, in one sentence; None when it does not
Exposition = Callable[[str], tuple[str, bytes]]  # an Accept header; content type and body
Answer = tuple[HTTPStatus, str, bytes]


def parse_listen(text: str) -> tuple[str, int] | None:
    """The host and port of `--listen`; None for `off`. Raises UsageError."""
    if text == OFF:
        return None
    host, colon, port = text.rpartition(":")
    bracketed = host[:1] == "[" and host[-1:] == "]"
    if not colon or not host or (":" in host) != bracketed or not (port.isascii() and port.isdigit()):
        raise UsageError(f"--listen {text}: that is no address to listen at", hint=HINT)
    if int(port) > 65535:
        raise UsageError(f"--listen {text}: a port is at most 65535", hint=HINT)
    return host.strip("[]"), int(port)


class Endpoints:
    """Answers at one address until `close`. Checks run in the order they are given, at each request."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
        metrics: Exposition,
    ) -> None:
        """Listen; raises LbctlError where that is not possible. Port 0 takes a free one."""
        pages = {
            "/livez": lambda verbose, _: _checked("livez", live, verbose=verbose),
            "/readyz": lambda verbose, _: _checked("readyz", ready, verbose=verbose),
            "/metrics": lambda _, accept: (HTTPStatus.OK, *metrics(accept)),
        }
        try:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self._server = _Server(family, address, pages)
        except (OSError, UnicodeError) as bad:
            raise _unheard(host, port, bad) from bad
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="endpoints", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return f"http://{_joined(str(host), port)}"

    def close(self) -> None:
        """Listen no longer; answers under way are not waited for."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unheard(host: str, port: int, bad: OSError | UnicodeError) -> LbctlError:
    where = _joined(host, port)
    if isinstance(bad, (socket.gaierror, UnicodeError)):  # UnicodeError: no name that DNS could have
        return LbctlError(f"cannot listen at {where}: {host} is no address and no name of one", hint=HINT)
    if bad.errno == errno.EADDRINUSE:
        return LbctlError(
            f"cannot listen at {where}: another process does",
            hint=f"end that one, or choose another port: --listen {_joined(host, 0)} takes a free one; or off",
        )
    return LbctlError(f"cannot listen at {where}: {bad.strerror}", hint="choose another address with --listen, or off")


def _checked(name: str, checks: Mapping[str, Check], *, verbose: bool) -> Answer:
    """As the API server answers: `ok`, or with ?verbose or a failure every check by its name."""
    found = {check: _asked(ask) for check, ask in checks.items()}
    bad = any(found.values())
    if not bad and not verbose:
        return HTTPStatus.OK, TEXT, b"ok"
    lines = [f"[-]{check} failed: {why}" if why else f"[+]{check} ok" for check, why in found.items()]
    lines.append(f"{name} check {'failed' if bad else 'passed'}")
    status = HTTPStatus.SERVICE_UNAVAILABLE if bad else HTTPStatus.OK
    return status, TEXT, "".join(f"{line}\n" for line in lines).encode(errors="replace")


def _asked(check: Check) -> str | None:
    try:
        why = check()
    except Exception as bug:  # noqa: BLE001 because a check that breaks is a check that fails
        why = f"it broke: {bug!r}"
    return None if why is None else " ".join(why.split()) or "no reason given"


class _Server(ThreadingHTTPServer):
    """A thread for each connection, as far as there are threads to be had."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, family: int, address: Any, pages: Mapping[str, Callable[[bool, str], Answer]]) -> None:
        self.address_family = family
        self.pages = pages
        self._slots = threading.BoundedSemaphore(MOST)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the base class's look for the host's name, which may take seconds."""
        if self.address_family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # [::] is every address
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Without a descriptor left the next try waits, for the connection stays there to be accepted."""
        try:
            return super().get_request()
        except OSError as bad:
            if bad.errno in {errno.EMFILE, errno.ENFILE}:
                time.sleep(PATIENCE)  # because nothing tells when a descriptor is closed
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Past the limit the connection is closed at once, for who waits in a queue is told nothing."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread is to be had
            self._slots.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The slot is free again however it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    """One request: none of these clients needs a second on the same connection."""

    server: _Server
    server_version = "lbctl"
    sys_version = ""
    timeout = SECONDS

    def setup(self) -> None:
        """A limit for the whole request: the base class has one for each read, which a drop a second never reaches."""
        super().setup()
        self.rfile.close()
        self.rfile = _Hurried(self.connection, self.timeout)  # type: ignore[assignment] # because it does all of the reader that is used

    def do_GET(self) -> None:
        """Answer a page by its path."""
        parts = urlsplit(self.path)
        page = self.server.pages.get(parts.path)
        if page is None:
            places = " ".join(self.server.pages)
            self._answer(HTTPStatus.NOT_FOUND, TEXT, f"404: there are {places}\n".encode())
            return
        verbose = "verbose" in parse_qs(parts.query, keep_blank_values=True)
        try:
            answer = page(verbose, self.headers.get("Accept") or "")
        except Exception as bug:  # noqa: BLE001 because the scraper is to see it, and serve to go on
            answer = HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, f"500: {bug!r}\n".encode(errors="replace")
        self._answer(*answer)

    do_HEAD = do_GET  # noqa: N815 because the base class looks for it

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, TEXT, b"405: only GET and HEAD\n", ("Allow", "GET, HEAD"))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _refuse  # noqa: N815 because of its names

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, *more: tuple[str, str]) -> None:
        self.send_response(status)
        fields = (("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close"))
        never = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
        for name, value in (*fields, *never, *more):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed: probes come every few seconds."""


class _Hurried:
    """The reading side of a connection, of which all lines must come within so many seconds and bytes in all."""

    closed = False

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._got = b""
        self._taken = 0

    def readline(self, limit: int = -1) -> bytes:
        """One line, or what there is at the end; raises TimeoutError."""
        limit = limit if limit >= 0 else LONGEST
        while b"\n" not in self._got and len(self._got) < limit:
            left = self._deadline - time.monotonic()
            if left <= 0 or self._taken > LONGEST:
                raise TimeoutError("the request is too slow or too long")
            self._connection.settimeout(left)
            more = self._connection.recv(LONGEST)
            if not more:
                break
            self._taken += len(more)
            self._got += more
        end = min(self._got.find(b"\n") + 1 or limit, limit)
        line, self._got = self._got[:end], self._got[end:]
        self._connection.settimeout(self._seconds)
        return line

    def close(self) -> None:
        """The connection is closed elsewhere."""
        self.closed = True
