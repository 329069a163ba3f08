"""Servers on loopback that answer as told, kubeconfigs for them, and what a user reads when it goes wrong."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbctl.errors import LbctlError

DATE = "Tue, 01 Oct 2024 12:00:00 GMT"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server saw it; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Judge:
    """A reply that depends on the request."""

    answer: Callable[[Asked], bytes]


Reply = bytes | Judge | Callable[[socket.socket], None]


@dataclass(slots=True)
class Server:
    """A server on loopback and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


def http(status: int, body: object, **headers: str) -> bytes:
    """An HTTP answer; a body that is no bytes goes out as JSON, headers as keywords (`Retry_After="1"`)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, bytes) else "application/json"
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"Date": DATE, "Content-Type": kind, "Content-Length": str(len(data))} | given
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
    return "\r\n".join(lines).encode() + data


def status(code: int, reason: str, message: str, **details: Any) -> bytes:
    """An answer of the API server that is not of success."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return http(code, {**body, "code": code, "details": details})


def empty_list(**headers: str) -> bytes:
    """A list without items."""
    return http(200, {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": []}, **headers)


def reset(sock: socket.socket) -> None:
    """Cut the connection with a TCP reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def hang_up(sock: socket.socket) -> None:
    """Close after the request without a word."""
    sock.shutdown(socket.SHUT_RDWR)


def silence(sock: socket.socket) -> None:
    """Say nothing until the client goes."""
    while sock.recv(65536):
        pass


def drip(data: bytes) -> Reply:
    """Send the data a byte each 20 ms until the client has had enough."""

    def slowly(sock: socket.socket) -> None:
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(0.02)  # because dripping is what this server is about

    return slowly


@contextlib.contextmanager
def loopback(*replies: Reply, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Server]:
    """A server that gives its replies in order, the last one again and again; after a function it hangs up."""
    left, lock = list(replies), threading.Lock()
    listener = socket.create_server((host, 0))
    scheme = "https" if tls else "http"
    server = Server(f"{scheme}://{host}:{listener.getsockname()[1]}")

    def talk(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock, _secured(sock, tls) as peer:
            while asked := _read(peer):
                with lock:
                    server.asked.append(asked)
                    reply = left.pop(0) if len(left) > 1 else left[0]
                if callable(reply):
                    reply(peer)
                    return
                peer.sendall(reply.answer(asked) if isinstance(reply, Judge) else reply)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                server.connections += 1
                threading.Thread(target=talk, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _secured(sock: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
    """The socket with TLS on it; after a failed handshake it stays open until the client has read the alert."""
    if tls is None:
        return sock
    peer = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
    try:
        peer.do_handshake()
    except ssl.SSLError:
        with peer:
            while socket.socket.recv(peer, 65536):
                pass
        raise
    return peer


def _read(sock: socket.socket) -> Asked | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return None
        data += more
        if data.startswith(b"\x16\x03"):  # a TLS hello, which web servers answer as a bad request
            return Asked("", "", {}, data)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        before = headers.get(name.lower())
        headers[name.lower()] = f"{before}, {value.strip()}" if before else value.strip()
    while len(body) < int(headers.get("content-length", "0")):
        body += sock.recv(65536)
    method, target, _ = first.split(" ")
    return Asked(method, target, headers, body)


def kubeconfig(
    path: Path,
    server: str = "https://127.0.0.1:1",
    *,
    user: Mapping[str, Any] | None = None,
    **cluster: object,
) -> Path:
    """Write a kubeconfig of one context `here`, cluster `c`, user `me`; keywords are the cluster's (`proxy_url=`)."""
    stanza = {"server": server, **{name.replace("_", "-"): value for name, value in cluster.items()}}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "me", "namespace": "prod"}}],
        "clusters": [{"name": "c", "cluster": stanza}],
        "users": [{"name": "me", "user": {"token": "s3cr3t-token"} if user is None else dict(user)}],
    }
    path.write_text(json.dumps(document))
    return path


def told(error: LbctlError) -> str:
    """What a user reads on stderr."""
    return f"error: {error.message}\nhint: {error.hint}\n"
