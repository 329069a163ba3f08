"""The second request on a connection takes a shorter way than the first: both must read every answer alike."""

from __future__ import annotations

import gzip
import socket
from pathlib import Path

import pytest

from lbctl.errors import LbctlError
from lbctl.kube.api import Kube
from lbctl.kube.transport import connect
from tests.unit.loopback import (
    Reply,
    drip,
    empty_list,
    hang_up,
    http,
    kubeconfig,
    loopback,
    reset,
    silence,
    status,
    told,
)
from tests.unit.test_transport_garbage import FOREIGN, half

PACKED = gzip.compress(b'{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"8"},"items":[{}]}')


def chunked(sock: socket.socket) -> None:
    """A list in chunks, as the API server sends a long one."""
    body = empty_list().partition(b"\r\n\r\n")[2]
    sock.sendall(b"HTTP/1.1 200 OK\r\nDate: Tue, 01 Oct 2024 12:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n")
    for at in range(0, len(body), 7):
        sock.sendall(b"%x\r\n%s\r\n" % (len(body[at : at + 7]), body[at : at + 7]))
    sock.sendall(b"0\r\n\r\n")


def chunks_cut_off(sock: socket.socket) -> None:
    """The connection ends within a chunk."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{")


def no_http(sock: socket.socket) -> None:
    """Another protocol."""
    sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def until_closed(sock: socket.socket) -> None:
    """A list whose end is the end of the connection."""
    sock.sendall(
        b"HTTP/1.0 200 OK\r\nDate: Tue, 01 Oct 2024 12:00:00 GMT\r\n\r\n" + empty_list().partition(b"\r\n\r\n")[2]
    )


REPLIES: dict[str, Reply] = {
    "a list": empty_list(),
    "in chunks": chunked,
    "packed": http(200, PACKED, Content_Encoding="gzip"),
    "no gzip": http(200, b"{}", Content_Encoding="gzip"),
    "until the connection ends": until_closed,
    "half": half,
    "chunks cut off": chunks_cut_off,
    "nothing": hang_up,
    "a reset": reset,
    "silence": silence,
    "a byte now and then": drip(empty_list()),
    "no HTTP": no_http,
    "a line that is no field": b"HTTP/1.1 200 OK\r\nwhat\r\n\r\n",
    "no end of fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    "gone": status(410, "Expired", "too old"),
    "forbidden": status(403, "Forbidden", 'User "x" cannot list resource "services"'),
    "a 500": status(500, "InternalError", "no"),
    **{f"foreign: {name}": reply for name, (reply, _) in FOREIGN.items()},
}


def outcome(path: Path, url: str, *, warm: bool) -> str:
    """What listing the Services ends with, told without the server's port."""
    kube = Kube(connect(str(path), request_timeout=0.5))
    if warm:
        kube.list_configmaps("default")
    try:
        said = str(kube.list_services())
    except LbctlError as error:
        said = f"{type(error).__name__} {told(error)} {getattr(error, 'sent', '')} {getattr(error, 'reset', '')}"
    return said.replace(url, "URL")


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
def test_an_answer_on_an_open_connection_means_what_it_means_on_a_new_one(tmp_path: Path, reply: Reply) -> None:
    """The same object, or the same error with the same proof of what may have been done."""
    path = tmp_path / "config"
    with loopback(reply, reply, reply, reply, reply, reply) as server:
        cold = outcome(kubeconfig(path, server.url), server.url, warm=False)
    with loopback(empty_list(), reply) as server:
        warm = outcome(kubeconfig(path, server.url), server.url, warm=True)
        assert server.asked[1].headers == {**server.asked[0].headers, "host": server.asked[1].headers["host"]}
    assert warm == cold


def test_a_connection_that_broke_is_not_used_again(tmp_path: Path) -> None:
    """After a broken answer, and after one that ends the connection, a new one is opened."""
    with loopback(empty_list(), until_closed, empty_list(), half, empty_list()) as server:
        kube = Kube(connect(str(kubeconfig(tmp_path / "config", server.url)), request_timeout=0.5))
        for _ in range(3):
            assert kube.list_services().items == []
        assert server.connections == 2
        with pytest.raises(LbctlError):
            kube.list_services()
        assert kube.list_services().items == []
        assert server.connections == 3


def test_no_line_break_gets_into_a_request(tmp_path: Path) -> None:
    """It would be another header, or another request."""
    with loopback(empty_list()) as server:
        transport = connect(str(kubeconfig(tmp_path / "config", server.url)))
        transport.request("GET", "/api/v1/services")
        with pytest.raises(ValueError, match="line break"):
            transport.request("GET", "/api/v1/services\r\nX: y")
        assert len(server.asked) == 1
