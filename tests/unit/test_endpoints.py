"""The endpoints over real connections on loopback: what they answer, and that no client can hang or end them."""

from __future__ import annotations

import http.client
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lbctl import endpoints as room
from lbctl.endpoints import MOST, Endpoints, parse_listen
from lbctl.errors import LbctlError, UsageError

SECONDS = 20  # how long a test waits for an answer before it fails


class House:
    """Endpoints whose checks the test decides."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.stuck: str | None = None
        self.broken = False
        self.at = Endpoints(
            host,
            0,
            live={"loop": lambda: self.stuck},
            ready={"synced": lambda: None, "pools": self._pools},
            metrics=lambda accept: ("text/plain; version=1.0.0", f"accept {accept}\n".encode()),
        )
        self.address = self.at.url.removeprefix("http://")

    def _pools(self) -> str | None:
        if self.broken:
            raise RuntimeError("no\nluck")
        return None

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers."""
        connection = http.client.HTTPConnection(self.address, timeout=SECONDS)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def dial(self) -> socket.socket:
        """A bare connection."""
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), SECONDS)


@pytest.fixture
def house() -> Iterator[House]:
    """One that listens on loopback."""
    one = House()
    yield one
    one.at.close()


def test_all_is_well(house: House) -> None:
    """`ok`, as the API server says it; with ?verbose each check by its name."""
    assert house.ask("/livez")[:2] == (200, "ok")
    assert house.ask("/readyz")[:2] == (200, "ok")
    assert house.ask("/readyz?verbose")[:2] == (200, "[+]synced ok\n[+]pools ok\nreadyz check passed\n")
    assert house.ask("/livez?verbose=1")[:2] == (200, "[+]loop ok\nlivez check passed\n")


def test_a_check_that_fails_says_why(house: House) -> None:
    """503, on one line, beside those that do not fail; liveness and readiness are apart."""
    house.stuck = "no round has ended\nfor 61 s"
    assert house.ask("/livez")[:2] == (503, "[-]loop failed: no round has ended for 61 s\nlivez check failed\n")
    assert house.ask("/readyz")[0] == 200


def test_a_check_that_breaks_is_a_check_that_fails(house: House) -> None:
    """And nothing else breaks."""
    house.broken = True
    status, body, _ = house.ask("/readyz")
    assert (status, body) == (
        503,
        "[+]synced ok\n[-]pools failed: it broke: RuntimeError('no\\nluck')\nreadyz check failed\n",
    )


def test_metrics_are_as_the_scraper_likes_them(house: House) -> None:
    """The Accept header goes to who writes them; the length is right, and nobody keeps them."""
    status, body, headers = house.ask("/metrics", Accept="application/openmetrics-text")
    assert (status, body) == (200, "accept application/openmetrics-text\n")
    assert headers["Content-Type"] == "text/plain; version=1.0.0"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Cache-Control"] == "no-store"


def test_head_is_get_without_a_body(house: House) -> None:
    """Of every page."""
    for path in ("/livez", "/readyz?verbose", "/metrics", "/nothing"):
        got, body, headers = house.ask(path)
        status, nothing, same = house.ask(path, "HEAD")
        assert (status, nothing, same["Content-Length"]) == (got, "", str(len(body.encode()))), path
        assert headers["Content-Type"] == same["Content-Type"]


@pytest.mark.parametrize("path", ["/", "/livez/", "/healthz", "/metrics/../livez", "/%6civez"])
def test_other_paths_are_not_found(house: House, path: str) -> None:
    """It says what there is."""
    assert house.ask(path)[:2] == (404, "404: there are /livez /readyz /metrics\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed_here(house: House, method: str) -> None:
    """405, with what is allowed."""
    status, body, headers = house.ask("/livez", method)
    assert (status, body, headers["Allow"]) == (405, "405: only GET and HEAD\n", "GET, HEAD")


def test_a_page_that_breaks_is_an_answer() -> None:
    """500, and the next request is answered as if nothing were."""

    def broken(_: str) -> tuple[str, bytes]:
        raise RuntimeError

    at = Endpoints("127.0.0.1", 0, live={}, ready={}, metrics=broken)
    connection = http.client.HTTPConnection(at.url.removeprefix("http://"), timeout=SECONDS)
    connection.request("GET", "/metrics")
    assert connection.getresponse().status == 500
    connection.close()
    at.close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost:", id="half a request"),
        pytest.param(b"GET /livez HTTP/1.1\r\n" + b"A: b\r\n" * 3000, id="headers without end"),
        pytest.param(b"A" * 20000, id="a line without end"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
    ],
)
def test_who_sends_no_whole_request_is_hung_up_on(house: House, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time a request has; it gets an error or nothing, and others are answered meanwhile."""
    monkeypatch.setattr(room._Handler, "timeout", 0.2)
    with house.dial() as rude:
        rude.sendall(sent)
        assert house.ask("/livez")[0] == 200
        got = _all(rude)
    assert not got.startswith(b"HTTP/1.0 200")


def test_a_drop_at_a_time_does_not_keep_a_connection_open(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time and the request never does."""
    monkeypatch.setattr(room._Handler, "timeout", 0.2)
    with house.dial() as slow:
        ended = threading.Event()

        def drip() -> None:
            try:
                while not ended.wait(0.02):
                    slow.send(b"a")
            except OSError:
                pass

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert not _all(slow).startswith(b"HTTP/1.0 200")
        finally:
            ended.set()
            thread.join()


def _all(connection: socket.socket) -> bytes:
    """What comes until the other side hangs up."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got


def test_past_a_limit_connections_are_closed_and_none_is_kept_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle ones do not starve a probe for longer than a request may take."""
    monkeypatch.setattr(room._Handler, "timeout", 1.0)
    idle = [house.dial() for _ in range(MOST)]
    try:
        with house.dial() as late:
            assert _all(late) == b""
        for connection in idle:
            assert _all(connection) == b""
        assert house.ask("/livez")[0] == 200
    finally:
        for connection in idle:
            connection.close()


def test_it_says_nothing(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """Not of a request, not of one that breaks off."""
    house.ask("/livez")
    house.ask("/nothing")
    with house.dial() as rude:
        rude.sendall(b"nonsense\r\n\r\n")
        _all(rude)
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_is_an_error_that_says_so(house: House) -> None:
    """Exit code 1."""
    port = int(house.address.rpartition(":")[2])
    with pytest.raises(LbctlError) as caught:
        Endpoints("127.0.0.1", port, live={}, ready={}, metrics=lambda _: ("", b""))
    assert caught.value.message == f"cannot listen at 127.0.0.1:{port}: another process does"
    assert caught.value.hint == "end that one, or choose another port: --listen 127.0.0.1:0 takes a free one; or off"
    assert caught.value.exit_code == 1


def test_an_address_that_is_not_this_machine_s_is_an_error_that_says_so() -> None:
    """Likewise."""
    with pytest.raises(LbctlError) as caught:
        Endpoints("192.0.2.77", 9655, live={}, ready={}, metrics=lambda _: ("", b""))
    assert caught.value.message.startswith("cannot listen at 192.0.2.77:9655: ")


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "999.1.1.1"])
def test_a_host_that_is_none_is_an_error_that_says_so(host: str) -> None:
    """Also where the name is not even one that could be looked up."""
    with pytest.raises(LbctlError) as caught:
        Endpoints(host, 9655, live={}, ready={}, metrics=lambda _: ("", b""))
    assert caught.value.message == f"cannot listen at {host}:9655: {host} is no address and no name of one"


def test_ipv6() -> None:
    """Its URL has the brackets."""
    if not _has_ipv6():
        pytest.skip("NOT RUN: this machine has no IPv6 loopback")
    house = House("::1")
    try:
        assert house.address.startswith("[::1]:")
        assert house.ask("/livez")[:2] == (200, "ok")
    finally:
        house.at.close()


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:9655", ("127.0.0.1", 9655)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:9655", ("::1", 9655)),
        ("[::]:80", ("::", 80)),
        ("localhost:9655", ("localhost", 9655)),
        ("off", None),
    ],
)
def test_where_to_listen(text: str, place: Any) -> None:
    """--listen."""
    assert parse_listen(text) == place


@pytest.mark.parametrize(
    "text",
    ["", "9655", ":9655", "127.0.0.1", "::1:9655", "[::1]", "[::1", "[127.0.0.1]:1", "a:b", "a:-1", "a:٣", "Off"],
)
def test_what_is_no_place_to_listen_is_a_usage_error(text: str) -> None:
    """With how it is written."""
    with pytest.raises(UsageError) as caught:
        parse_listen(text)
    assert caught.value.message == f"--listen {text}: that is no address to listen at"
    assert "[::1]:9655" in caught.value.hint


def test_a_port_has_sixteen_bits() -> None:
    """65535 is the last."""
    assert parse_listen("127.0.0.1:65535")
    with pytest.raises(UsageError, match="a port is at most 65535"):
        parse_listen("127.0.0.1:65536")


def test_many_probes_at_once_are_all_answered(house: House) -> None:
    """As many as there may be."""
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(house.ask("/readyz")[0])) for _ in range(MOST // 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * (MOST // 2)


def test_without_a_descriptor_left_it_waits_for_one(house: House) -> None:
    """It does not try again and again at once, and answers as soon as there is one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with house.dial() as one, socket.socket() as other:
        one.sendall(b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.0 200")
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        try:
            host, _, port = house.address.rpartition(":")
            other.connect((host, int(port)))
            other.sendall(b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n")
            began = time.process_time()
            time.sleep(1)
            assert time.process_time() - began < 0.3
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        other.settimeout(SECONDS)
        assert other.recv(100).startswith(b"HTTP/1.0 200")


def test_it_needs_nothing_but_the_standard_library() -> None:
    """`--listen` costs no start-up time."""
    imported = {name.split(".")[0] for name, thing in vars(room).items() if hasattr(thing, "__file__")}
    assert imported <= set(sys.stdlib_module_names)
