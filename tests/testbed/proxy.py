"""A fault proxy in front of the API server: cuts, delays, rewrites, answers itself, kills the client at request n.

It owns one listening socket, plain http on loopback, and a thread for each connection with a connection of its own to
the API server. What is to go wrong is given as values (`Rule`), what went by is kept (`requests`), numbered from 1 in
the order it arrived whole. Headers pass through, but for Accept-Encoding: a packed answer can't be rewritten.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PIECE = 65536  # bytes of a streamed answer passed on at once
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
}  # each side has its own (RFC 9110, 7.6.1)


class When(StrEnum):
    """Before: the request is not forwarded. After: it is carried out, and the answer is never delivered."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it went by."""

    number: int
    method: str
    path: str
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL the client; nothing that it sends besides is forwarded any more."""

    when: When


@dataclass(frozen=True, slots=True)
class Cut:
    """Reset the connection."""

    when: When


@dataclass(frozen=True, slots=True)
class Delay:
    """Pass the request on after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Instead:
    """Answer with a Status of this code in place of the API server; `retry_after` is in seconds."""

    code: int
    reason: str = "InternalError"
    message: str = "the fault proxy says so"
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Change the JSON of the answer on its way back."""

    change: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Stream:
    """Change a watch on its way back: a function from its lines to bytes, which may wait, and raise End or Reset."""

    change: Callable[[Iterator[bytes]], Iterable[bytes]]


class Reset(Exception):
    """The connection to the client is to be reset."""


class End(Exception):
    """The connection to the client is to end within the answer."""


@dataclass(frozen=True, slots=True)
class Do:
    """Run something, then pass the request on: what happens in the cluster just before it."""

    deed: Callable[[], object]


Fault = Kill | Cut | Delay | Instead | Rewrite | Stream | Do


@dataclass(frozen=True, slots=True)
class Rule:
    """What goes wrong with which requests: number, method and a part of the path each narrow it; `times` is how often
    it happens (None: always)."""

    fault: Fault
    number: int | None = None
    method: str = ""
    path: str = ""
    times: int | None = 1

    def fits(self, request: Request) -> bool:
        """Whether it is about this request."""
        numbered = self.number in (None, request.number)
        return numbered and self.method in ("", request.method) and self.path in request.path


class Proxy:
    """The proxy; use it as a context manager. Of the rules the first that fits a request holds for it.

    `one_by_one`: a request waits until the one before is answered, so that "request n" means the same in every run.
    """

    def __init__(
        self, url: str, certificate: Path | None, rules: Sequence[Rule] = (), *, one_by_one: bool = False
    ) -> None:
        self.requests: list[Request] = []
        self._upstream = urlsplit(url)
        self._tls = ssl.create_default_context(cafile=certificate) if certificate else None
        self._rules = list(rules)
        self._used = [0] * len(self._rules)
        self._lock = threading.Lock()
        self._turn = threading.Lock() if one_by_one else contextlib.nullcontext()
        self._client: Future[subprocess.Popen[Any]] = Future()
        self._dead = threading.Event()
        self._server = _Listener(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.cut_all()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def calls(self) -> list[str]:
        """Methods and paths of the requests so far, without queries."""
        return [f"{r.method} {r.path.partition('?')[0]}" for r in self.requests]

    def use(self, *rules: Rule) -> None:
        """Let other rules hold from now on; what an earlier one does to a connection goes on."""
        with self._lock:
            self._rules, self._used = list(rules), [0] * len(rules)

    def cut(self) -> None:
        """End every connection that stands."""
        self._server.cut_all()

    def client(self, process: subprocess.Popen[Any]) -> None:
        """Name the process that Kill is about; a request that comes earlier waits for it."""
        self._client.set_result(process)

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the API server."""
        host, port = self._upstream.hostname or "", self._upstream.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port)
        return http.client.HTTPSConnection(host, port, context=self._tls)

    def pass_on(self, connection: _Connection, method: str, path: str, body: bytes) -> None:
        """Take one request through; raises Reset or End when its connection is to be cut."""
        with self._turn:
            if self._dead.is_set():
                raise Reset
            fault = self._fault(method, path, body)
            self._before(fault)
            if isinstance(fault, Instead):
                connection.answer_status(fault)
                return
            answer = connection.ask(method, path, body)
            if isinstance(fault, (Kill, Cut)):
                answer.read()  # because it is carried out once the answer is whole
                self._hang_up(fault)
            if isinstance(fault, Stream):
                connection.stream(answer, fault.change(_lines(answer)))
            else:
                connection.deliver(answer, fault.change if isinstance(fault, Rewrite) else None)

    def _fault(self, method: str, path: str, body: bytes) -> Fault | None:
        with self._lock:
            request = Request(len(self.requests) + 1, method, path, body)
            self.requests.append(request)
            for at, rule in enumerate(self._rules):
                if rule.fits(request) and (rule.times is None or self._used[at] < rule.times):
                    self._used[at] += 1
                    return rule.fault
            return None

    def _before(self, fault: Fault | None) -> None:
        if isinstance(fault, (Kill, Cut)) and fault.when is When.BEFORE:
            self._hang_up(fault)
        if isinstance(fault, Delay):
            time.sleep(fault.seconds)  # because to be slow is what was asked for
        if isinstance(fault, Do):
            fault.deed()

    def _hang_up(self, fault: Kill | Cut) -> None:
        if isinstance(fault, Kill):
            self._dead.set()
            self._client.result(timeout=10).kill()
        raise Reset


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := answer.readline():
        yield line


class _Listener(ThreadingHTTPServer):
    """Accepts connections, and can cut those that stand."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.proxy = proxy
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        self.close_request(request)  # without a shutdown, which would send an end before the reset

    def handle_error(self, *_: object) -> None:
        """A connection that breaks off is a proxy's daily bread; the client's errors are the test's business."""

    def cut_all(self) -> None:
        """End every connection that still stands."""
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _Connection(BaseHTTPRequestHandler):
    """One connection of the client, kept alive, with one to the API server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self._upstream = self.server.proxy.connect()

    def finish(self) -> None:
        self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.server.proxy.pass_on(self, self.command, self.path, body)
        except End:
            self.close_connection = True
        except (Reset, OSError, http.client.HTTPException):
            # A reset, not an end: the client must not take what it has for the whole.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 because the base class looks for these

    def ask(self, method: str, path: str, body: bytes) -> http.client.HTTPResponse:
        """Forward the request; the answer's body is not read yet."""
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP | {"accept-encoding", "host"}}
        self._upstream.request(method, path, body or None, headers)
        return self._upstream.getresponse()

    def deliver(self, answer: http.client.HTTPResponse, change: Callable[[Any], Any] | None) -> None:
        """Pass an answer on: whole when its length is known or it is rewritten, else piece by piece (a watch)."""
        if change is None and answer.length is None:
            self.stream(answer, iter(lambda: answer.read1(PIECE), b""))
            return
        self._head(answer.status, answer.getheaders())
        data = answer.read()
        self._whole(data if change is None else json.dumps(change(json.loads(data))).encode())

    def stream(self, answer: http.client.HTTPResponse, pieces: Iterable[bytes]) -> None:
        """Pass these on as the answer, each as soon as it is there."""
        self._head(answer.status, answer.getheaders())
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in filter(None, pieces):  # because an empty one would be the end
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def answer_status(self, fault: Instead) -> None:
        """Answer as the API server would that refuses."""
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": fault.code}
        headers = [("Content-Type", "application/json"), ("Date", self.date_time_string())]
        if fault.retry_after is not None:
            headers.append(("Retry-After", str(fault.retry_after)))
        self._head(fault.code, headers)
        self._whole(json.dumps({**body, "reason": fault.reason, "message": fault.message}).encode())

    def _head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)

    def _whole(self, data: bytes) -> None:
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing is printed: what went by stands in Proxy.requests."""
