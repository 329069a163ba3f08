"""The reflector on its thread, against servers on loopback that answer as told."""

from __future__ import annotations

import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme

from lbctl.keys import Key
from lbctl.kube import streams as connections
from lbctl.kube import watching
from lbctl.kube.api import Kube
from lbctl.kube.connections import inline
from lbctl.kube.login import Login, Session
from lbctl.kube.reflector import SERVICES, Change, Reflector, Resource, Told, configmaps, leases, stop_all
from lbctl.kube.transport import connect
from lbctl.kube.watching import Cause
from tests.unit.loopback import Judge, Reply, Server, http, kubeconfig, loopback, reset, silence, status

A, B = Key("ns", "a"), Key("ns", "b")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def obj(key: Key, version: int) -> dict[str, Any]:
    """An object of the API."""
    return {"metadata": {"namespace": key.namespace, "name": key.name, "uid": "u", "resourceVersion": str(version)}}


def listed(version: int, *items: dict[str, Any]) -> bytes:
    """The answer to a list."""
    return http(200, {"kind": "List", "metadata": {"resourceVersion": str(version)}, "items": list(items)})


def event(kind: str, item: dict[str, Any]) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def chunk(data: bytes) -> bytes:
    """A chunk of an answer."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def streams(*pieces: bytes, last: Callable[[socket.socket], None] = silence) -> Reply:
    """A watch that sends these pieces as they are, and then does what is `last`."""

    def stream(sock: socket.socket) -> None:
        for piece in (HEAD, *pieces):
            sock.sendall(piece)
        last(sock)

    return stream


def ends(sock: socket.socket) -> None:
    """The end of a chunked answer, in good order."""
    sock.sendall(b"0\r\n\r\n")


class Heard:
    """What a reflector tells, each to be waited for."""

    def __init__(self) -> None:
        self._queue: queue.Queue[object] = queue.Queue()
        self.told: Told[str] = Told(self._changes, lambda: self._queue.put("rewound"), self._trouble)

    def _changes(self, changes: Sequence[Change[str]]) -> None:
        for change in changes:
            self._queue.put((change.kind.value, change.key.name))

    def _trouble(self, cause: Cause, why: str) -> None:
        self._queue.put((cause, why))

    def next(self) -> object:
        """The next thing that is told."""
        return self._queue.get(timeout=10)

    @property
    def silent(self) -> bool:
        """Whether nothing is told that was not waited for."""
        return self._queue.empty()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "FIRST", 0.01)


def reflector(
    path: Path, server: Server, heard: Heard, what: Resource = SERVICES, authority: str = ""
) -> Reflector[str]:
    """A reflector that keeps an object's version."""
    kube = Kube(
        connect(str(kubeconfig(path / "config", server.url, certificate_authority_data=authority)), request_timeout=5)
    )
    return Reflector(kube, what, lambda item: str(item["metadata"]["resourceVersion"]), heard.told)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., Reflector[str]]]:
    """Starts reflectors, and stops them all; no thread and no open file is left."""
    started: list[Reflector[str]] = []

    def start(server: Server, heard: Heard, what: Resource = SERVICES, authority: str = "") -> Reflector[str]:
        started.append(reflector(tmp_path, server, heard, what, authority))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reflector")]


Start = Callable[..., Reflector[str]]


def queries(server: Server) -> list[str]:
    """What was asked, in short."""
    short = {"limit=1": "look", f"limit={watching.PAGE}": "list"}
    found = [asked.target.partition("?")[2] for asked in server.asked]
    return [short.get(query, "watch" if query.startswith("watch=1") else query) for query in found]


def test_what_is_listed_and_watched_is_told_and_kept(running: Start) -> None:
    """A list, then events as they come, in whatever pieces; snapshots stand at a version."""
    heard = Heard()
    deletion = event("DELETED", obj(A, 12))
    pieces = (
        chunk(event("ADDED", obj(B, 11)) + deletion[:9]),
        b"2",
        b"\r",
        b"\n" + deletion[9:11] + b"\r\n",
        chunk(deletion[11:]),
    )
    with loopback(listed(10, obj(A, 3)), streams(*pieces)) as server:
        one = running(server, heard)
        assert [heard.next() for _ in range(3)] == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
        assert one.wait(5)
        assert one.synced
        snapshot = one.snapshot()
        assert (snapshot.items, snapshot.version, snapshot.synced) == ({B: "11"}, 12, True)
        assert (one.get(B), one.get(A)) == ("11", None)
        assert one.last_event is not None
        one.stop()
    assert queries(server) == ["list", "watch"]
    assert server.asked[1].headers["accept-encoding"] == "identity"
    assert heard.silent


ENDS: dict[str, tuple[Callable[[socket.socket], None], Cause, str]] = {
    "reset": (reset, Cause.CUT, "the connection to the API server at {} broke off before the answer was whole"),
    "an end within the answer": (
        lambda sock: sock.shutdown(socket.SHUT_RDWR),
        Cause.CUT,
        "the connection to the API server at {} broke off before the answer was whole",
    ),
    "an end within a line": (
        lambda sock: sock.sendall(chunk(b'{"type"') + b"0\r\n\r\n"),
        Cause.CUT,
        "the watch broke off",
    ),
    "a chunk's size that is none": (
        lambda sock: sock.sendall(b"xyz\r\n"),
        Cause.CUT,
        "the connection to the API server at {} broke off before the answer was whole",
    ),
    "a chunk that is longer than it says": (
        lambda sock: sock.sendall(b"1\r\n\n\n\n"),
        Cause.CUT,
        "the connection to the API server at {} broke off before the answer was whole",
    ),
    "garbage": (lambda sock: sock.sendall(chunk(b"<html>\n")), Cause.GARBAGE, "what came was no object of the API"),
    "an error": (
        lambda sock: sock.sendall(chunk(event("ERROR", {"code": 500}))),
        Cause.ERROR,
        "the watch ended with an error",
    ),
}


@pytest.mark.parametrize(("last", "cause", "why"), ENDS.values(), ids=ENDS)
def test_a_watch_that_breaks_is_taken_up_where_it_stood(
    running: Start, last: Callable[[socket.socket], None], cause: Cause, why: str
) -> None:
    """A look, and the next watch from the last event; nothing is listed anew."""
    heard, seen = Heard(), threading.Event()

    def breaks(sock: socket.socket) -> None:
        assert seen.wait(10)
        last(sock)

    first = streams(chunk(event("ADDED", obj(A, 11))), last=breaks)
    with loopback(listed(10), first, listed(15), streams(chunk(event("ADDED", obj(B, 12))))) as server:
        one = running(server, heard)
        assert heard.next() == ("ADDED", "a")
        seen.set()
        assert heard.next() == (cause, why.format(server.url))
        assert heard.next() == ("ADDED", "b")
        assert one.causes == {cause: 1}
    assert queries(server) == ["list", "watch", "look", "watch"]
    assert "resourceVersion=11&" in server.asked[3].target


def test_a_watch_that_the_server_ends_is_no_trouble(running: Start) -> None:
    """It is counted, and the next one opened."""
    heard = Heard()
    with loopback(listed(10), streams(last=ends), listed(15), streams(chunk(event("ADDED", obj(B, 12))))) as server:
        one = running(server, heard)
        assert heard.next() == ("ADDED", "b")
        assert one.causes == {Cause.ENDED: 1}


REFUSED = {
    "403": (status(403, "Forbidden", 'User "x" cannot list resource "services"'), Cause.FORBIDDEN),
    "401": (status(401, "Unauthorized", "Unauthorized"), Cause.UNAUTHORIZED),
    "404": (status(404, "NotFound", "no such thing"), Cause.FAILED),
    "410": (status(410, "Expired", "too old"), Cause.GONE),
    "429": (status(429, "TooManyRequests", "busy"), Cause.THROTTLED),
    "500": (status(500, "InternalError", "no"), Cause.FAILED),
    "504": (
        status(504, "Timeout", "Too large resource version", causes=[{"reason": "ResourceVersionTooLarge"}]),
        Cause.FUTURE,
    ),
    "a page of a proxy": (http(502, b"<html>"), Cause.FAILED),
    "reset": (reset, Cause.UNREACHABLE),
    "no HTTP": (lambda sock: sock.sendall(b"SSH-2.0\r\n\r\n"), Cause.UNREACHABLE),
}


@pytest.mark.parametrize("at", ["list", "look", "watch"])
@pytest.mark.parametrize(("reply", "cause"), REFUSED.values(), ids=REFUSED)
def test_a_request_that_fails_is_made_again(running: Start, reply: Reply, cause: Cause, at: str) -> None:
    """Whichever it is; in the end all is there."""
    heard = Heard()
    judged = {"list": listed(20, obj(A, 3)), "look": listed(20)}
    if at == "list":
        replies: list[Reply] = [reply, judged["list"], streams(chunk(event("ADDED", obj(B, 21))))]
    else:
        broken = streams(last=reset)
        replies = [judged["list"], *([broken] if at == "look" else []), reply]
        listing = cause in (Cause.GONE, Cause.FUTURE)
        replies += [judged["list" if listing else "look"], streams(chunk(event("ADDED", obj(B, 21))))]
    with loopback(*replies) as server:
        one = running(server, heard)
        told: list[object] = []
        while ("ADDED", "b") not in told:
            told.append(heard.next())
        assert ("ADDED", "a") in told
        assert one.causes[cause] == 1
        assert one.snapshot().items == {A: "3", B: "21"}
        assert ("rewound" in told) == (cause is Cause.FUTURE)


def test_a_store_that_went_back_is_told_and_listed_anew(running: Start) -> None:
    """The look after a broken watch shows an older version."""
    heard = Heard()
    first = streams(chunk(event("ADDED", obj(B, 11))), last=reset)
    with loopback(listed(10, obj(A, 3)), first, listed(7), listed(7, obj(A, 3)), streams()) as server:
        running(server, heard)
        got = [heard.next() for _ in range(7)]
    assert got[:2] == [("ADDED", "a"), ("ADDED", "b")]
    assert [what[0] if isinstance(what, tuple) else what for what in got[2:]] == [
        Cause.CUT,
        Cause.REWOUND,
        "rewound",
        "DELETED",
        "MODIFIED",
    ]
    assert queries(server)[:4] == ["list", "watch", "look", "list"]


def half(sock: socket.socket) -> None:
    """A list without its end."""
    sock.sendall(listed(10)[:-9])
    silence(sock)


WAITS: dict[str, tuple[list[Reply], list[str]]] = {
    "for an answer": ([silence], ["list"]),
    "for the rest of an answer": ([half], ["list"]),
    "for a watch's head": ([listed(10), silence], ["list", "watch"]),
    "for an event": ([listed(10), streams()], ["list", "watch"]),
    "for the rest of a chunk": ([listed(10), streams(b"f")], ["list", "watch"]),
    "in a pause": ([status(429, "TooManyRequests", "busy").replace(b"\r\n", b"\r\nRetry-After: 600\r\n", 1)], ["list"]),
}


@pytest.mark.parametrize(("replies", "asked"), WAITS.values(), ids=WAITS)
def test_it_stops_at_once_whatever_it_waits_for(tmp_path: Path, replies: list[Reply], asked: list[str]) -> None:
    """No thread is left, nothing is told after it."""
    heard = Heard()
    with loopback(*replies) as server:
        one = reflector(tmp_path, server, heard)
        one.start()
        while queries(server) != asked:
            time.sleep(0.005)  # because what it does next can't be seen otherwise
        if asked == ["list"] and callable(replies[0]) is False:
            assert heard.next()
        one.stop()
        one.stop()
        assert one.snapshot().synced == (len(asked) == 2)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reflector")]
    assert heard.silent


def test_it_stops_at_once_while_it_connects(tmp_path: Path) -> None:
    """To a host that does not answer: its queue of connections is full."""
    heard = Heard()
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for sock in (first, second):
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        server = Server(f"http://127.0.0.1:{full.getsockname()[1]}")
        one = reflector(tmp_path, server, heard)
        one.start()
        time.sleep(0.2)  # because a connection that is not made can't be seen
        began = time.monotonic()
        one.stop()
        assert time.monotonic() - began < 4  # of the 60 s that a list has
    assert heard.silent


def test_one_that_was_never_started_stops(tmp_path: Path) -> None:
    """And holds nothing."""
    with loopback(silence) as server:
        reflector(tmp_path, server, Heard()).stop()
    assert server.connections == 0


def test_a_listener_that_raises_is_told_again(running: Start) -> None:
    """No change is lost, and the thread lives."""
    heard = Heard()
    good, failures = heard.told.changes, [ValueError("not yet")]

    def changes(some: Sequence[Change[str]]) -> None:
        if failures:
            raise failures.pop()
        good(some)

    heard.told = Told(changes, trouble=heard.told.trouble)
    with loopback(listed(10, obj(A, 3)), listed(10, obj(A, 3)), streams()) as server:
        running(server, heard)
        assert heard.next() == (Cause.BUG, "ValueError: not yet")
        assert heard.next() == ("ADDED", "a")


def test_labels_and_a_namespace_narrow_what_is_asked(running: Start) -> None:
    """In lists, looks and watches alike."""
    heard = Heard()
    with loopback(listed(10), streams(last=reset), listed(10), streams(chunk(event("ADDED", obj(B, 12))))) as server:
        running(server, heard, configmaps("lbctl-system", "lbctl/ledger=v1"))
        heard.next()
        assert heard.next() == ("ADDED", "b")
    assert all(a.target.startswith("/api/v1/namespaces/lbctl-system/configmaps?") for a in server.asked)
    assert all("labelSelector=lbctl%2Fledger%3Dv1" in a.target for a in server.asked)
    assert leases("x").path == "/apis/coordination.k8s.io/v1/namespaces/x/leases"


def test_over_tls_and_stopped_while_it_reads(running: Start) -> None:
    """Events come through records as they do through plain text."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    heard = Heard()
    pem = inline(authority.cert_pem.bytes().decode())
    with loopback(listed(10), streams(chunk(event("ADDED", obj(B, 12)))), tls=context) as server:
        one = running(server, heard, authority=pem)
        assert heard.next() == ("ADDED", "b")
        one.stop()
    assert heard.silent


def test_a_login_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential plugin, or a name server: all are ended within a second, and tell nothing once it comes back."""
    heard, begun, goes_on = Heard(), threading.Semaphore(0), threading.Event()
    ready = Session.login

    def login(session: Session) -> Login:
        begun.release()
        assert goes_on.wait(60)
        return ready(session)

    with loopback(Judge(lambda _: listed(10, obj(A, 3)))) as server:
        several = [reflector(tmp_path, server, heard) for _ in range(3)]
        monkeypatch.setattr(Session, "login", login)
        for one in several:
            one.start()
            assert begun.acquire(timeout=10)
        began = time.monotonic()
        stop_all(several)
        assert 0.9 < time.monotonic() - began < 5
        goes_on.set()
        for one in several:
            one.stop(10)
    assert heard.silent


def test_the_kernel_notices_a_peer_that_has_gone_without_a_word(
    running: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On both connections: after 15 s of silence it is asked, three times in 15 s."""
    heard = Heard()
    dial, found = connections._dial, []

    def noted(*words: Any) -> socket.socket:
        sock = dial(*words)
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        alive = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        found.append([alive, *(sock.getsockopt(socket.IPPROTO_TCP, name) for name in names)])
        return sock

    monkeypatch.setattr(connections, "_dial", noted)
    judge = Judge(lambda _: listed(10, obj(A, 3)))
    with loopback(judge, judge, streams()) as server:
        running(server, heard)
        assert heard.next() == ("ADDED", "a")
    assert found == [[1, 15, 5, 3]] * len(found) != []


def test_a_token_that_has_expired_is_read_again(tmp_path: Path) -> None:
    """401, and the file holds another token: no failure."""
    token = tmp_path / "token"
    token.write_text("old")
    heard = Heard()

    def judge(asked: Any) -> bytes:
        if asked.headers["authorization"] == "Bearer old":
            token.write_text("new")
            return status(401, "Unauthorized", "Unauthorized")
        return listed(10, obj(A, 3))

    with loopback(Judge(judge), Judge(judge), streams()) as server:
        path = kubeconfig(tmp_path / "config", server.url, user={"tokenFile": str(token)})
        one = Reflector(Kube(connect(str(path))), SERVICES, lambda item: str(item["metadata"]["name"]), heard.told)
        one.start()
        assert heard.next() == ("ADDED", "a")
        one.stop()
        assert one.causes == {}
