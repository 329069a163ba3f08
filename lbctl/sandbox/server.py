"""HTTP on loopback: paths to verbs, answers to bytes, and watches that last.

An answer leaves in one write with Nagle's algorithm off: in two, a client that delays its ACK would wait 40 ms for the
second. Every connection has a thread; stopping ends them all.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from lbctl.sandbox import openapi
from lbctl.sandbox.discovery import PAGES
from lbctl.sandbox.refusals import Object, Refusal
from lbctl.sandbox.registry import Registry
from lbctl.sandbox.routes import Answer, Ask, answer
from lbctl.sandbox.views import encoded
from lbctl.sandbox.watches import Watching

MAX_BODY = 3 * 1024 * 1024  # what the real one takes
LOOK_ROUND = 1.0  # seconds after which a silent watch looks whether its client is still there
LAST_WORDS = 2.0  # seconds that an answer under way has when the server stops


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    server_version = "lbctl-sandbox"
    default_request_version = "HTTP/1.1"  # so that what is no request at all gets a status line too
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def _serve(self) -> None:
        try:
            body = self._body()
            reply = self._answer(body)
        except Refusal as refusal:
            wait = (refusal.details or {}).get("retryAfterSeconds", 0)
            reply = Answer(refusal.code, encoded(refusal.status()), refusal.warnings, retry_after=wait)
        except Exception as fault:  # noqa: BLE001 because this is the thread's top, and the client must hear of it
            self.server.faults.append(fault)
            internal = Refusal(500, "InternalError", f"Internal error occurred: {fault!r}", {})
            reply = Answer(500, encoded(internal.status()))
        if isinstance(reply, Watching):
            self._watch(reply)
        else:
            self._send(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815 because http.server looks for these names

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise Refusal(411, "LengthRequired", "a body needs a Content-Length")
        if int(length) > MAX_BODY:
            self.close_connection = True
            raise Refusal(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")
        return self.rfile.read(int(length))

    def _answer(self, body: bytes) -> Answer | Watching:
        url = urlsplit(self.path)
        if page := _page(unquote(url.path).rstrip("/") or "/"):
            return page if self.command in ("GET", "HEAD") else Answer(405, b"")
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        return answer(
            self.server.registry, Ask(self.command, url.path, params, self._headers(), body, time.monotonic())
        )

    def _headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _head(self, status: int, fields: list[tuple[str, str]]) -> bytes:
        phrase = HTTPStatus(status).phrase
        lines = [f"HTTP/1.1 {status} {phrase}", f"Date: {formatdate(self.server.registry.clock(), usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in fields]
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode()

    def _send(self, reply: Answer) -> None:
        fields = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
        if reply.retry_after:
            fields.append(("Retry-After", str(reply.retry_after)))
        for warning in reply.warnings:
            text = warning.replace("\\", "\\\\").replace('"', '\\"')
            fields.append(("Warning", f'299 - "{text}"'))
        body = b"" if self.command == "HEAD" else reply.body
        self.wfile.write(self._head(reply.status, fields) + body)

    def _watch(self, watching: Watching) -> None:
        """Send events, a chunk each, until the time is up, the client is gone or the server stops."""
        self.close_connection = True
        fields = [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
        self.wfile.write(self._head(200, fields))
        while not self.server.registry.store.closed:
            lines = watching.next_lines(time.monotonic())
            if lines:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(lines), lines))
            now = time.monotonic()
            if watching.over or now >= watching.ends or self._gone():
                break
            watching.wait(now, LOOK_ROUND)
        self.wfile.write(b"0\r\n\r\n")

    def _gone(self) -> bool:
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 because the base class calls it so
        """Requests are not logged."""


def _page(path: str) -> Answer | None:
    """The pages that are no objects."""
    if path in ("/livez", "/readyz", "/healthz"):
        return Answer(200, b"ok", content_type="text/plain; charset=utf-8")
    makers: dict[str, Callable[[], Object]] = {
        **PAGES,
        "/openapi/v3": openapi.index,
        **{f"/openapi/v3/{path}": partial(openapi.document, path) for path in openapi.PATHS},
        "/": lambda: {"paths": sorted([*PAGES, "/healthz", "/livez", "/openapi/v3", "/readyz"])},
    }
    return Answer(200, encoded(makers[path]())) if path in makers else None


class Server(HTTPServer):
    """Listens, and has a thread for each connection."""

    request_queue_size = 128

    def __init__(self, registry: Registry, host: str, port: int) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"{host} is no loopback address, and the sandbox lets everybody in")
        self.registry = registry
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self.faults: list[Exception] = []
        super().__init__((host, port), Handler)
        self._accepting = threading.Thread(target=self._accept, name="lbctl-sandbox", daemon=True)

    def server_bind(self) -> None:
        """Bind without asking DNS for our name, which the base class does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def start(self) -> None:
        """Begin to answer."""
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self.socket.accept()
            except OSError:
                return  # because stop() has shut the socket
            thread = threading.Thread(target=self._talk, args=(connection, address), daemon=True)
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _talk(self, connection: socket.socket, address: Any) -> None:
        try:
            self.finish_request(connection, address)
        except OSError:
            pass  # because the client went
        except Exception as fault:  # noqa: BLE001 because this is the thread's top; a watch's fault has no answer to be in
            self.faults.append(fault)
        with self._lock:
            self._connections.pop(connection, None)
        self.shutdown_request(connection)

    def stop(self) -> None:
        """Stop listening, end the watches, let answers under way go out, and end every thread."""
        self.registry.store.close()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._accepting.join()
        self._shut(socket.SHUT_RD)
        ends = time.monotonic() + LAST_WORDS
        for thread in self._threads():
            thread.join(max(0.0, ends - time.monotonic()))
        self._shut(socket.SHUT_RDWR)
        for thread in self._threads():
            thread.join()

    def _threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._connections.values())

    def _shut(self, how: int) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(how)
