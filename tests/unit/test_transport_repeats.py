"""Which requests are sent again, when, and when not: reads within their deadline, writes never."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lbctl.errors import ClusterError
from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.config import find_place
from lbctl.kube.login import Session
from lbctl.kube.transport import KubeTransport, Pace, connect, repeat_after
from tests.unit.loopback import (
    Reply,
    Server,
    drip,
    empty_list,
    http,
    kubeconfig,
    loopback,
    reset,
    silence,
    status,
    told,
)


@dataclass(slots=True)
class Time:
    """A clock that only sleeping moves."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds

    @property
    def pace(self) -> Pace:
        """What the transport is given."""
        return Pace(lambda: self.now, self.sleep, lambda: 0.5)


def kube_at(tmp_path: Path, server: Server, time: Time, timeout: float = 10.0) -> Kube:
    """The API over a transport whose pauses take no time."""
    place = find_place(str(kubeconfig(tmp_path / "config", server.url)), None, {}, Path("/nowhere"))
    return Kube(KubeTransport(Session(place, timeout), timeout, time.pace))


BUSY = status(429, "TooManyRequests", "too many requests, please try again later")
SERVICE = http(200, {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "resourceVersion": "7"}})


def with_header(reply: bytes, line: str) -> bytes:
    """The answer with one more header."""
    first, _, rest = reply.partition(b"\r\n")
    return first + b"\r\n" + line.encode() + b"\r\n" + rest


@pytest.mark.parametrize(
    ("line", "pause"),
    [
        ("Retry-After: 3", 3.0),
        ("Retry-After: Tue, 01 Oct 2024 12:00:04 GMT", 4.0),
        ("Retry-After: 0", 0.2),
        ("Retry-After: soon", 0.2),
        ("X: y", 0.2),
    ],
)
@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_read_is_asked_again_when_the_server_says(tmp_path: Path, code: int, line: str, pause: float) -> None:
    """A busy or failing server is asked again after Retry-After (seconds, or a date by its own clock), else after a
    pause of ours, which is also the least."""
    time, busy = Time(), with_header(status(code, "X", "words"), line)
    with loopback(busy, empty_list()) as server:
        assert kube_at(tmp_path, server, time).list_services().items == []
    assert (time.slept, len(server.asked)) == ([pause], 2)


def test_read_gives_up_after_a_few_repeats(tmp_path: Path) -> None:
    """A server that keeps failing without a word of when to come back is asked five times in 3 s, at growing pauses."""
    time = Time()
    reply = status(503, "ServiceUnavailable", "etcd is down")
    with loopback(reply) as server, pytest.raises(errors.ServerFailed) as caught:
        kube_at(tmp_path, server, time).list_services()
    assert (
        told(caught.value) == f"error: {server.url} is not available (503: etcd is down)\nhint: try again in a moment\n"
    )
    assert (time.slept, len(server.asked)) == ([0.2, 0.4, 0.8, 1.6], 5)


def test_read_is_not_asked_again_past_its_deadline(tmp_path: Path) -> None:
    """With Retry-After a read is repeated as long as its time allows; what would come too late is not waited for."""
    time = Time()
    with loopback(with_header(BUSY, "Retry-After: 4")) as server, pytest.raises(errors.Throttled) as caught:
        kube_at(tmp_path, server, time).list_services()
    assert told(caught.value) == (
        f"error: {server.url} is too busy to list services in all namespaces (429)\nhint: try again in 4 s\n"
    )
    assert (time.slept, caught.value.retry_after, caught.value.exit_code) == ([4.0, 4.0], 4.0, 4)


WRITES: list[Callable[[Kube], object]] = [
    lambda kube: kube.patch_service_status("default", "web", {}),
    lambda kube: kube.create_configmap("lbctl-system", {"metadata": {}}),
    lambda kube: kube.replace_configmap("lbctl-system", "a", {"metadata": {}}, "7"),
]


@pytest.mark.parametrize("write", WRITES, ids=["PATCH", "POST", "PUT"])
@pytest.mark.parametrize(
    "reply",
    [
        with_header(BUSY, "Retry-After: 1"),
        with_header(status(503, "ServiceUnavailable", "x"), "Retry-After: 1"),
        status(500, "InternalError", "x"),
        http(504, b"gateway timeout"),
        http(200, b""),
        reset,
        silence,
        drip(empty_list()),
    ],
    ids=["429", "503", "500", "504", "empty", "reset", "silence", "drip"],
)
def test_write_is_sent_once(tmp_path: Path, write: Callable[[Kube], object], reply: Reply) -> None:
    """Whatever happens to a write, it goes out once, and the error says that its outcome is unknown (or Throttled)."""
    time = Time()
    with loopback(reply, empty_list()) as server, pytest.raises(ClusterError) as caught:
        write(kube_at(tmp_path, server, time, timeout=0.3))
    assert (len(server.asked), time.slept) == (1, [])
    unknown = caught.value
    assert isinstance(unknown, errors.ServerFailed) or (isinstance(unknown, errors.Unreachable) and unknown.sent)


def test_throttled_write_says_when_to_come_back(tmp_path: Path) -> None:
    """A write that was turned away carries the server's Retry-After up to whoever plans again."""
    with loopback(with_header(BUSY, "Retry-After: 2")) as server, pytest.raises(errors.Throttled) as caught:
        kube_at(tmp_path, server, Time()).patch_service_status("default", "web", {})
    assert caught.value.retry_after == 2.0


def test_read_on_a_connection_that_was_dropped_is_repeated_once(tmp_path: Path) -> None:
    """An idle connection that the server cut costs a read one repeat; a server that always cuts is an error."""
    time = Time()
    with loopback(reset, empty_list()) as server:
        assert kube_at(tmp_path, server, time).list_services().items == []
    with loopback(reset) as server, pytest.raises(errors.Unreachable) as caught:
        kube_at(tmp_path, server, time).list_services()
    assert told(caught.value) == (
        f"error: the connection to the API server at {server.url} broke off before the answer was whole\n"
        "hint: try again; if it stays so, look at the API server's log and at proxies in between\n"
    )
    assert (len(server.asked), time.slept) == (2, [0.0, 0.0])


@pytest.mark.parametrize(
    "reply",
    [silence, drip(empty_list() + b" " * 9999), drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 99)],
    ids=["silence", "body", "headers"],
)
def test_whole_answer_has_to_come_in_time(tmp_path: Path, reply: Reply) -> None:
    """A server that is silent, or drips its headers or its body, holds no request past the deadline."""
    with loopback(reply) as server, pytest.raises(errors.Unreachable) as caught:
        Kube(connect(str(kubeconfig(tmp_path / "config", server.url)), request_timeout=0.3)).list_services()
    assert told(caught.value) == (
        f"error: the API server at {server.url} did not answer within 0.3 s\n"
        "hint: give it longer with --request-timeout, or see whether it is well: "
        f"kubectl --kubeconfig={tmp_path}/config get --raw=/readyz?verbose\n"
    )
    assert caught.value.sent


def test_eight_threads_share_one_transport(tmp_path: Path) -> None:
    """Eight threads at once each get the answer to their own request, over at most as many connections."""
    with loopback(SERVICE) as server:
        kube, meet = kube_at(tmp_path, server, Time()), threading.Barrier(8)

        def ask(number: int) -> float:
            meet.wait(5)
            return max(kube.get_service("default", f"s{number}").date for _ in range(20))

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, range(8)))) == 1
        assert len(server.asked) == 160
        assert server.connections <= 8


def test_reads_are_never_paused_longer_than_asked() -> None:
    """The pauses as values: jitter halves or adds a half, a write has none, garbage has none."""
    busy = errors.ServerFailed("x", passing=True)
    assert [repeat_after("GET", busy, n, 0.0) for n in range(5)] == [0.1, 0.2, 0.4, 0.8, None]
    assert repeat_after("GET", busy, 0, 1.0) == pytest.approx(0.3)
    assert repeat_after("GET", errors.ServerFailed("garbage"), 0, 0.5) is None
    assert repeat_after("PUT", errors.Throttled("x", passing=True, retry_after=1), 0, 0.5) is None
