"""One request, one answer: JSON over the `kubernetes` package's pool, a deadline always, no repeated writes.

Reads are asked again where that can help and the deadline allows it; writes never, for a write whose answer was lost
may have landed, and only the claims know (DESIGN 5). What each failure means is said in answers.py and faults.py.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3

from lbctl import __version__
from lbctl.kube import errors
from lbctl.kube.answers import Call, Heard, understood
from lbctl.kube.clocked import DirectPool
from lbctl.kube.config import Place, find_place
from lbctl.kube.faults import unreachable
from lbctl.kube.login import Login, Session
from lbctl.kube.streams import Line

# How often a read is repeated when the server does not say when to come back: 0.2 + 0.4 + 0.8 + 1.6 s, long enough for
# an API server behind a load balancer to be taken out, short enough not to keep somebody waiting for a broken one.
REPEATS = 4
FIRST_PAUSE = 0.2

# gzip costs nothing on loopback and makes a list of 5,000 Services 0.28 MB of 4.6, which a VPN feels. The API server
# packs what is larger than 128 KiB.
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": f"lbctl/{__version__}"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of success; `date` is the API server's clock in seconds since the epoch."""

    body: Any
    date: float


@dataclass(frozen=True, slots=True)
class _Request:
    """What goes out, but for who we are, and what it asks in RBAC's words."""

    method: str
    target: str
    data: bytes | None
    headers: Mapping[str, str]
    call: Call
    timeout: float


@dataclass(frozen=True, slots=True)
class Pace:
    """Time as the transport sees it: a clock that never goes back, a sleep, and jitter from 0 to 1. All in seconds."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


class KubeTransport:
    """Speaks to one API server, for many threads at once."""

    def __init__(
        self,
        session: Session,
        timeout: float,
        pace: Pace | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._session = session
        self._timeout = timeout
        self._pace = pace or Pace()
        self._log = log
        self._told_time: tuple[float, float] | None = None  # by the API server, and when
        self.on_request: Callable[[str, int | None], object] = lambda *_: None  # RBAC's verb; status, None: no answer

    def __repr__(self) -> str:
        return f"<KubeTransport {self.server}, {self._session.place.who}>"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._session.place.server

    @property
    def namespace(self) -> str:
        """The namespace of bare names: the context's, in a pod the service account's, else `default`."""
        return self._session.place.namespace

    def server_time(self) -> float:
        """What time it is by the API server's clock, in seconds since the epoch; by ours before it has answered."""
        if self._told_time is None:
            return time.time()
        date, when = self._told_time
        return date + self._pace.clock() - when

    def line(self) -> Line:
        """A connection of its own for one thread, which another can cut; whoever asks for it closes it."""
        return Line(self._session, HEADERS, self._log, lambda verb, status: self.on_request(verb, status))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> Answer:
        """Send one request and return the object it is answered with.

        All of it takes `timeout` seconds at most (the transport's own, if that is less), repeats of a read included.
        Raises ApiError or ClusterError.
        """
        target = path + ("?" + urlencode(params) if params else "")
        data = None if body is None else orjson.dumps(body)
        headers = dict(HEADERS) if data is None else {**HEADERS, "Content-Type": content_type}
        request = _Request(
            method, target, data, headers, Call.of(method, path), min(timeout or self._timeout, self._timeout)
        )
        deadline, repeats = self._pace.clock() + request.timeout, 0
        while True:
            try:
                return self._signed(request, deadline)
            except (errors.ServerFailed, errors.Unreachable) as bad:
                pause = repeat_after(method, bad, repeats, self._pace.jitter())
                if pause is None or self._pace.clock() + pause >= deadline:
                    raise
            repeats += 1
            self._pace.sleep(pause)

    def _signed(self, request: _Request, deadline: float) -> Answer:
        """Send it as whoever we are; once more with a new login if the old one has just expired.

        After a 401 a write is sent again too. That is no retry in the sense of DESIGN 5: authentication comes before
        everything else in the API server's chain of handlers, so a 401 proves that the write was not carried out. And
        were a 401 ever a lie of something in between, the write carries uid and resourceVersion or creates by name, so
        that the second one could only be a Conflict.
        """
        login = self._session.login()
        try:
            return self._once(request, login, deadline)
        except errors.Unauthorized:
            fresh = self._session.renewed(login)
            if fresh is None:
                raise
        # Logging in may take as long as a person needs: that is not the request's time.
        return self._once(request, fresh, self._pace.clock() + request.timeout)

    def _once(self, request: _Request, login: Login, deadline: float) -> Answer:
        began = self._pace.clock()
        try:
            answer = self._sent(request, login, deadline)
        except urllib3.exceptions.HTTPError as fault:
            self._note(request, "no answer", began)
            self.on_request(request.call.verb, None)
            raise unreachable(fault, self._session.place, request.timeout) from fault
        self._note(request, str(answer.status), began)
        self.on_request(request.call.verb, answer.status)
        told = Answer(*understood(answer, request.call, self._session.place))
        self._told_time = told.date, self._pace.clock()
        return told

    def _note(self, request: _Request, outcome: str, began: float) -> None:
        if self._log is not None:
            self._log(f"{request.method} {request.target}: {outcome}, {(self._pace.clock() - began) * 1000:.0f} ms")

    def _sent(self, request: _Request, login: Login, deadline: float) -> Heard:
        left = max(deadline - self._pace.clock(), 0.001)
        target, headers = login.prefix + request.target, login.signed(request.headers)
        if isinstance(login.pool, DirectPool):
            heard = login.pool.exchange(request.method, target, request.data, headers, left)
            if heard is not None:
                return heard
        answer = login.pool.urlopen(
            request.method,
            target,
            body=request.data,
            headers=headers,
            timeout=urllib3.Timeout(total=left),
            retries=False,
            redirect=False,  # because no API server redirects: what does is a login page
            assert_same_host=False,
        )
        return Heard(answer.status, answer.headers, answer.data)


def repeat_after(
    method: str, bad: errors.ServerFailed | errors.Unreachable, repeats: int, jitter: float
) -> float | None:
    """Seconds after which a read that failed with `bad` is asked again; None when it is not.

    `repeats` is how often it has been, `jitter` from 0 to 1. A write is never repeated, not even after a 429, which
    proves that nothing was done: its error goes up with `retry_after`, and what is then right is planned anew from
    fresh reads (DESIGN 5), not what was right before the wait.
    """
    if method != "GET":
        return None
    if isinstance(bad, errors.Unreachable):
        return 0.0 if bad.reset and not repeats else None  # an idle connection that the server has just dropped
    pause: float = FIRST_PAUSE * 2 ** min(repeats, REPEATS) * (0.5 + jitter)
    if bad.retry_after is not None:
        return max(bad.retry_after, pause)  # never hotter than our own pace: Retry-After may be 0
    return pause if bad.passing and repeats < REPEATS else None


def connect(
    kubeconfig: str | None = None,
    context: str | None = None,
    *,
    request_timeout: float = 30.0,
    as_user: str | None = None,
    log: Callable[[str], None] | None = None,
) -> KubeTransport:
    """A transport to the cluster that `--kubeconfig` and `--context`, KUBECONFIG, ~/.kube/config or the pod give.

    `request_timeout` is in seconds, for one request with its repeats, and for a credential plugin; `as_user` is to be
    impersonated; `log` is told of each request. Raises ClusterError.
    """

    def find() -> Place:
        place = find_place(kubeconfig, context, os.environ, Path(os.path.expanduser("~")))
        return place.acting_as(as_user) if as_user else place

    return KubeTransport(Session(find(), request_timeout, again=find), request_timeout, log=log)
