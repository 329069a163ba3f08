"""The fault proxy does what it is told to, on loopback, and nothing else."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.testbed.proxy import (
    Cut,
    Delay,
    Do,
    End,
    Fault,
    Instead,
    Kill,
    Proxy,
    Request,
    Reset,
    Rewrite,
    Rule,
    Stream,
    When,
)
from tests.unit.loopback import Judge, loopback
from tests.unit.loopback import http as answer

OK = answer(200, {"kind": "Service"})


def _client(proxy: Proxy) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=5)


def _ask(connection: http.client.HTTPConnection, method: str = "GET", path: str = "/x") -> tuple[int, object]:
    connection.request(method, path, headers={"Authorization": "Bearer t"})
    got = connection.getresponse()
    return got.status, json.loads(got.read())


def test_requests_pass_and_are_counted_over_one_connection() -> None:
    """Method, path, body and Authorization arrive as they were sent; both sides keep their connection alive."""
    with loopback(OK) as server, Proxy(server.url, None) as proxy:
        client = _client(proxy)
        client.request("PUT", "/a?b=c", b"body", {"Authorization": "Bearer t"})
        assert client.getresponse().read() == b'{"kind": "Service"}'
        assert _ask(client, path="/d") == (200, {"kind": "Service"})
        client.close()
    first = server.asked[0]
    assert (first.method, first.target, first.body) == ("PUT", "/a?b=c", b"body")
    assert first.headers["authorization"] == "Bearer t"
    assert proxy.requests == [Request(1, "PUT", "/a?b=c", b"body"), Request(2, "GET", "/d")]
    assert proxy.calls == ["PUT /a", "GET /d"]
    assert server.connections == 1


@pytest.mark.parametrize(("when", "carried_out"), [(When.BEFORE, 1), (When.AFTER, 2)])
def test_a_cut_falls_before_the_request_is_carried_out_or_after(when: When, carried_out: int) -> None:
    """The client sees a reset, and a new connection works again."""
    with loopback(OK) as server, Proxy(server.url, None, [Rule(Cut(when), number=2)]) as proxy:
        client = _client(proxy)
        _ask(client)
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            _ask(client)
        assert len(server.asked) == carried_out
        client.close()
        assert _ask(client)[0] == 200
        client.close()


@pytest.mark.parametrize(("when", "carried_out"), [(When.BEFORE, 0), (When.AFTER, 1)])
def test_the_client_is_killed_before_the_request_is_carried_out_or_after(when: When, carried_out: int) -> None:
    """SIGKILL, and nothing that the dead client may have sent besides is forwarded."""
    with loopback(OK) as server, Proxy(server.url, None, [Rule(Kill(when), number=1)]) as proxy:
        command = [sys.executable, "-c", f"import urllib.request as r; r.urlopen('{proxy.url}/x')"]
        child = subprocess.Popen(command)
        proxy.client(child)
        assert child.wait(10) == -9
        client = _client(proxy)
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            _ask(client)
        client.close()
    assert len(server.asked) == carried_out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Rewrite(lambda body: {**body, "more": 1}), (200, {"kind": "Service", "more": 1})),
        (Delay(0.0), (200, {"kind": "Service"})),
    ],
)
def test_an_answer_is_rewritten_or_delayed(fault: Fault, said: tuple[int, object]) -> None:
    """What comes back is what was asked for."""
    with loopback(OK) as server, Proxy(server.url, None, [Rule(fault)]) as proxy:
        client = _client(proxy)
        assert _ask(client) == said
        client.close()


def test_a_rule_is_used_up_and_the_next_one_holds() -> None:
    """Two PATCHes answered 409, one 429 with Retry-After; then the API server's word; a GET was never touched."""
    rules = [
        Rule(Instead(409, "Conflict"), method="PATCH", times=2),
        Rule(Instead(429, "TooManyRequests", retry_after=3), path="/status"),
    ]
    with loopback(OK) as server, Proxy(server.url, None, rules) as proxy:
        client = _client(proxy)
        codes = [
            _ask(client, method, "/s/status" if n == 3 else "/s")[0] for n, method in enumerate(["GET", *["PATCH"] * 4])
        ]
        client.close()
    assert codes == [200, 409, 409, 429, 200]
    assert len(server.asked) == 2


def test_something_happens_just_before_a_request_is_forwarded() -> None:
    """The deed is done when the API server is asked."""
    done: list[str] = []
    judge = Judge(lambda _: answer(200, {"done": list(done)}))
    with loopback(judge) as server, Proxy(server.url, None, [Rule(Do(lambda: done.append("it")))]) as proxy:
        client = _client(proxy)
        assert _ask(client) == (200, {"done": ["it"]})
        client.close()


def test_a_streamed_answer_comes_through_piece_by_piece() -> None:
    """A watch: its first event is there before its second is sent."""
    seen = threading.Event()

    def events(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n1\n\r\n")
        assert seen.wait(5)
        sock.sendall(b"2\r\n2\n\r\n0\r\n\r\n")

    with loopback(events) as server, Proxy(server.url, None) as proxy:
        client = _client(proxy)
        client.request("GET", "/watch")
        got = client.getresponse()
        assert got.readline() == b"1\n"
        seen.set()
        assert (got.readline(), got.readline()) == (b"2\n", b"")
        client.close()


@pytest.mark.parametrize(
    ("fault", "error"), [(End, http.client.IncompleteRead), (Reset, ConnectionResetError), (None, None)]
)
def test_a_watch_is_changed_line_by_line_and_may_end_anywhere(
    fault: type[Exception] | None, error: type[Exception] | None
) -> None:
    """Half a line and an end, a reset, or the whole of it with one line twice; and then other rules hold."""

    def change(lines: Iterator[bytes]) -> Iterator[bytes]:
        yield next(lines) * 2
        yield b""
        if fault is not None:
            raise fault
        yield from lines

    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1\n2\n\r\n0\r\n\r\n"
    with loopback(body) as server, Proxy(server.url, None, [Rule(Stream(change), path="/watch")]) as proxy:
        client = _client(proxy)
        client.request("GET", "/watch")
        got = client.getresponse()
        if error is None:
            assert got.read() == b"1\n1\n2\n"
        else:
            with pytest.raises(error):
                got.read()
        got.close()
        client.close()
        proxy.use(Rule(Instead(500), path="/watch"))
        assert _ask(client, path="/watch")[0] == 500
        client.close()
