"""Answers as HTTP/1.x frames them (RFC 9112): each form that a server or a proxy may choose is read to its end."""

from __future__ import annotations

import json
import socket
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.transport import connect
from tests.unit.loopback import DATE, Reply, kubeconfig, loopback
from tests.unit.test_transport_refusals import failed

BODY = json.dumps(
    {"kind": "ServiceList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": []}
).encode()
CHUNKED = b"%x\r\n%b\r\n%x;why=not\r\n%b\r\n0\r\n\r\n" % (9, BODY[:9], len(BODY) - 9, BODY[9:])


def raw(*fields: str, body: bytes = BODY, status: str = "HTTP/1.1 200 OK") -> bytes:
    """An answer to the letter."""
    return "\r\n".join([status, f"Date: {DATE}", *fields, "", ""]).encode() + body


def to_the_end(data: bytes) -> Reply:
    """An answer that ends where the connection does."""

    def send(sock: socket.socket) -> None:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_RDWR)

    return send


LENGTH = f"Content-Length: {len(BODY)}"
GOOD = {
    "a length": raw(LENGTH),
    "names in any case, values without blanks": raw(f"content-LENGTH:{len(BODY)}"),
    "blanks around a value": raw(f"Content-Length: \t {len(BODY)} \t"),
    "chunks": raw("Transfer-Encoding: chunked", body=CHUNKED),
    "chunks go before a length": raw("Transfer-Encoding: Chunked", "Content-Length: 1", body=CHUNKED),
    "a bare line feed ends a line": raw(LENGTH).replace(b"\r\n", b"\n"),
    "100 Continue comes first": b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + raw(LENGTH),
    "the connection ends it": to_the_end(raw("Connection: close")),
    "HTTP/1.0": to_the_end(raw(status="HTTP/1.0 200 OK")),
    "no reason": raw(LENGTH, status="HTTP/1.1 200"),
}


@pytest.mark.parametrize("reply", GOOD.values(), ids=list(GOOD))
def test_answer_is_read_to_its_end(tmp_path: Path, reply: Reply) -> None:
    """And the connection can be asked again, or is made anew."""
    with loopback(reply) as server:
        kube = Kube(connect(str(kubeconfig(tmp_path / "config", server.url))))
        assert [kube.list_services().resource_version for _ in range(3)] == ["7"] * 3


def test_a_connection_is_kept(tmp_path: Path) -> None:
    """Where the server does not close it, the next request goes over the same one."""
    with loopback(raw(LENGTH)) as server:
        kube = Kube(connect(str(kubeconfig(tmp_path / "config", server.url))))
        for _ in range(5):
            kube.list_services()
        assert server.connections == 1


BROKEN = {
    "a line without a colon": raw("what is this", LENGTH),
    "a folded line (RFC 9112, 5.2)": raw("X-A: b", " c", LENGTH),
    "a blank before the colon": raw(f"Content-Length : {len(BODY)}"),
    "fields without end": raw(*(f"X-{n}: y" for n in range(200)), LENGTH),
    "a field without end": raw("X-Long: " + "y" * 70_000, LENGTH),
}


@pytest.mark.parametrize("reply", BROKEN.values(), ids=list(BROKEN))
def test_broken_headers_are_no_answer(tmp_path: Path, reply: Reply) -> None:
    """They are not guessed at: after a write nobody could say what was done."""
    with loopback(reply) as server:
        error = failed(kubeconfig(tmp_path / "config", server.url))
    assert isinstance(error, errors.Unreachable)
    assert error.sent


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_time_is_the_api_servers_whatever_becomes_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """By the Date of its last answer, and the seconds since by a clock that does not jump."""
    with loopback(raw(LENGTH)) as server:
        kube = Kube(connect(str(kubeconfig(tmp_path / "config", server.url))))
        kube.list_services()
        ours = time.time()
        monkeypatch.setattr("time.time", lambda: ours + hours * 3600)
        told = parsedate_to_datetime(DATE).timestamp()
        assert told <= kube.server_time() < told + 60
