"""The Elector: its thread, its requests and whom it tells; on a clock that the tests move, with no wait but for what
comes."""

from __future__ import annotations

import copy
import queue
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from lbctl.errors import LbctlError
from lbctl.kube import errors
from lbctl.kube.elector import REQUEST_TIMEOUT, Elector, new_identity
from lbctl.kube.transport import Pace

SECONDS = 20  # how long a test waits for a thread before it fails
AWAY = errors.Unreachable("there is no answer")
Object = dict[str, Any]


class Cluster:
    """A Lease under compare-and-swap that fails as it is told, and keeps what was asked."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.asked: list[str] = []
        self.fail: Exception | None = None
        self.lose = False  # carry it out and lose the answer
        self.gate = threading.Event()
        self.gate.set()
        self._version = 0

    def get_lease(self, namespace: str, name: str, timeout: float | None = None) -> Object:
        """GET."""
        self._asked(f"get {namespace}/{name}", timeout)
        if self.lease is None:
            raise errors.NotFound("there is none")
        return copy.deepcopy(self.lease)

    def create_lease(self, namespace: str, body: Mapping[str, Any], timeout: float | None = None) -> Object:
        """POST."""
        self._asked(f"create {namespace}/{body['metadata']['name']}", timeout)
        if self.lease is not None:
            raise errors.Conflict("it exists")
        return self._keep(body)

    def replace_lease(
        self, namespace: str, name: str, body: Mapping[str, Any], resource_version: str, timeout: float | None = None
    ) -> Object:
        """PUT."""
        self._asked(f"replace {namespace}/{name} for {body['spec']['holderIdentity']!r}", timeout)
        if self.lease is None:
            raise errors.NotFound("there is none")
        if self.lease["metadata"]["resourceVersion"] != resource_version:
            raise errors.Conflict("it is another")
        return self._keep(body)

    def _asked(self, what: str, timeout: float | None) -> None:
        assert timeout == REQUEST_TIMEOUT, "a request without a limit would outlast the lead"
        self.asked.append(what)
        assert self.gate.wait(SECONDS)
        if self.fail is not None:
            raise self.fail

    def _keep(self, body: Mapping[str, Any]) -> Object:
        self._version += 1
        meta = {**body["metadata"], "resourceVersion": str(self._version)}
        self.lease = {**copy.deepcopy(dict(body)), "metadata": meta}
        if self.lose:
            raise AWAY
        return copy.deepcopy(self.lease)

    @property
    def holder(self) -> str:
        """Who holds it."""
        return str(self.lease["spec"]["holderIdentity"]) if self.lease else ""


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def elector(cluster: Cluster, clock: Clock, name: str = "us", **more: Any) -> Elector:
    """An Elector without jitter."""
    return Elector(cluster, "lbctl", name, Pace(clock=clock, jitter=lambda: 0.5), wall=lambda: 1.7e9, **more)


def led(cluster: Cluster, clock: Clock, **more: Any) -> Elector:
    """One that leads."""
    one = elector(cluster, clock, **more)
    one.turn()
    one.turn()
    assert one.leading
    return one


def test_it_looks_takes_and_renews() -> None:
    """Three requests, and then one every two seconds."""
    cluster, clock = Cluster(), Clock()
    one = elector(cluster, clock)
    assert (one.leading, one.holder) == (False, "")
    assert one.turn() == 0.001
    assert one.turn() == 2.0
    assert (one.leading, one.holder) == (True, "us")
    clock.now = 2.0
    assert one.turn() == 2.0
    assert cluster.asked == [
        "get lbctl-system/lbctl",
        "create lbctl-system/lbctl",
        "replace lbctl-system/lbctl for 'us'",
    ]


def test_it_tells_once_when_it_begins_and_once_when_it_has_stopped() -> None:
    """A listener that fails does not end the renewals."""
    told: list[bool] = []

    def listener(leading: bool) -> None:
        told.append(leading)
        raise RuntimeError

    cluster, clock = Cluster(), Clock()
    one = led(cluster, clock, on_change=listener)
    clock.now = 2.0
    one.turn()
    cluster.fail = AWAY
    for _ in range(30):
        clock.now += one.turn()
    assert told == [True, False]
    cluster.fail = None
    for _ in range(3):
        clock.now += one.turn()
    assert told == [True, False, True]


def test_without_the_api_it_stops_before_the_lease_runs_out_for_others() -> None:
    """After ten seconds, by the clock alone, also when its thread does nothing at all."""
    cluster, clock = Cluster(), Clock()
    one = led(cluster, clock)
    clock.now = 9.99
    assert one.leading
    clock.now = 10.0
    assert not one.leading


@pytest.mark.parametrize(
    ("failure", "words"),
    [(AWAY, "there is no answer"), (OSError(28, "No space left"), "a bug: OSError(28, 'No space left')")],
)
def test_whatever_fails_it_goes_on(failure: Exception, words: str) -> None:
    """And leads again once it does no more."""
    cluster, clock = Cluster(), Clock()
    one = led(cluster, clock)
    cluster.fail = failure
    for _ in range(20):
        clock.now += one.turn()
    assert (one.leading, str(one.trouble)) == (False, words)
    cluster.fail = None
    for _ in range(3):
        clock.now += one.turn()
    assert (one.leading, one.trouble) == (True, None)


def test_it_wakes_to_say_that_the_lead_is_over() -> None:
    """Not only when its next try is due."""
    cluster, clock = Cluster(), Clock()
    one = led(cluster, clock)
    clock.now = 2.0
    cluster.fail = errors.Throttled("too busy", passing=True, retry_after=12.0)
    assert one.turn() == 8.0
    assert one.trouble is cluster.fail
    clock.now = 10.0
    assert one.turn() == 4.0


def test_an_answer_that_comes_too_late_makes_no_leader() -> None:
    """The process was stopped between sending and hearing."""
    cluster, clock = Cluster(), Clock()
    one = elector(cluster, clock)
    one.turn()
    keep = cluster._keep

    def slowly(body: Mapping[str, Any]) -> Object:
        clock.now += 30
        return keep(body)

    cluster._keep = slowly  # type: ignore[method-assign]
    one.turn()
    assert cluster.holder == "us"
    assert not one.leading


def test_a_write_whose_answer_was_lost_is_found_again() -> None:
    """It looks, sees itself, and leads after one more write."""
    cluster, clock = Cluster(), Clock()
    one = elector(cluster, clock)
    cluster.lose = True
    one.turn()
    clock.now += one.turn()
    assert (one.leading, cluster.holder) == (False, "us")
    cluster.lose = False
    one.turn()
    one.turn()
    assert one.leading


def test_a_candidate_waits_and_takes_over_after_fifteen_seconds() -> None:
    """The holder was killed; the transitions say that another leads now."""
    cluster, clock = Cluster(), Clock()
    led(cluster, clock, name="killed")
    one = elector(cluster, clock)
    rest = 0.0
    while not one.leading:
        clock.now += rest
        rest = one.turn()
    assert clock.now == pytest.approx(15.0, abs=0.01)
    assert cluster.lease is not None
    assert cluster.lease["spec"]["leaseTransitions"] == 1


def test_a_missing_namespace_is_a_trouble_that_is_named() -> None:
    """404 to a create; it is tried again at the usual pace."""
    cluster, clock = Cluster(), Clock()
    one = elector(cluster, clock)
    one.turn()
    cluster.fail = errors.NotFound("the namespace lbctl-system does not exist")
    assert one.turn() == 2.0
    assert str(one.trouble) == "the namespace lbctl-system does not exist"
    cluster.fail = None
    clock.now = 2.0
    one.turn()
    one.turn()
    assert one.leading
    assert one.trouble is None


def test_a_missing_namespace_is_made_by_who_may() -> None:
    """And the Lease in it; who may not says so."""
    cluster, clock = Cluster(), Clock()
    refusal: list[LbctlError] = [LbctlError("you may not create it")]

    def make() -> None:
        if refusal:
            raise refusal.pop()
        cluster.fail = None

    one = elector(cluster, clock, make_namespace=make)
    one.turn()
    cluster.fail = errors.NotFound("the namespace lbctl-system does not exist")
    clock.now += one.turn()
    assert str(one.trouble) == "you may not create it"
    for _ in range(4):
        clock.now += one.turn()
    assert (one.leading, one.trouble) == (True, None)


def test_a_clean_stop_gives_the_lease_back_and_another_takes_it_at_its_next_look() -> None:
    """With threads: it says that it has stopped before the Lease is free."""
    cluster = Cluster()
    told: queue.Queue[tuple[bool, str]] = queue.Queue()
    one = Elector(cluster, "lbctl", "us", on_change=lambda leading: told.put((leading, cluster.holder)))
    one.start()
    assert told.get(timeout=SECONDS) == (True, "us")
    one.stop(SECONDS)
    assert told.get(timeout=SECONDS) == (False, "us")
    assert (one.leading, cluster.holder) == (False, "")
    clock = Clock()
    other = elector(cluster, clock, name="other")
    other.turn()
    other.turn()
    assert (other.leading, cluster.holder) == (True, "other")


def test_stop_gives_back_what_it_took_by_a_write_whose_answer_was_lost() -> None:
    """Else nobody would lead for 15 s."""
    cluster = Cluster()
    cluster.lose = True
    one = Elector(cluster, "lbctl", "us")
    tried = threading.Event()
    cluster.lease = None
    create = cluster.create_lease

    def created(namespace: str, body: Mapping[str, Any], timeout: float | None = None) -> Object:
        try:
            return create(namespace, body, timeout)
        finally:
            cluster.lose = False
            tried.set()

    cluster.create_lease = created  # type: ignore[method-assign]
    one.start()
    assert tried.wait(SECONDS)
    one.stop(SECONDS)
    assert cluster.holder == ""
    assert cluster.asked[-2:] == ["get lbctl-system/lbctl", "replace lbctl-system/lbctl for ''"]


def test_stop_does_not_wait_for_an_api_that_is_silent() -> None:
    """A lead ends at once, though the thread hangs in its request."""
    cluster = Cluster()
    told: queue.Queue[bool] = queue.Queue()
    one = Elector(cluster, "lbctl", "us", on_change=told.put)
    one.start()
    assert told.get(timeout=SECONDS)
    cluster.gate.clear()
    one.stop(0)
    assert not one.leading
    cluster.gate.set()
    assert told.get(timeout=SECONDS) is False


def test_who_only_waited_asks_nothing_when_it_stops() -> None:
    """Its shutdown is as quick as it was idle."""
    cluster, clock = Cluster(), Clock()
    led(cluster, clock, name="other")
    one = Elector(cluster, "lbctl", "us")
    seen = threading.Event()
    get = cluster.get_lease

    def got(namespace: str, name: str, timeout: float | None = None) -> Object:
        seen.set()
        return get(namespace, name, timeout)

    cluster.get_lease = got  # type: ignore[method-assign]
    one.start()
    assert seen.wait(SECONDS)
    one.stop(SECONDS)
    assert [what for what in cluster.asked if "replace" in what] == []
    assert cluster.holder == "other"


def test_stop_before_start_is_nothing() -> None:
    """And so is a stop from within the listener."""
    cluster = Cluster()
    Elector(cluster, "lbctl", "us").stop()
    stopped = threading.Event()

    def listener(leading: bool) -> None:
        if leading:
            one.stop(SECONDS)
        else:
            stopped.set()

    one = Elector(cluster, "lbctl", "us", on_change=listener)
    one.start()
    assert stopped.wait(SECONDS)


def test_an_identity_is_nobody_else_s() -> None:
    """HOST_UUID, and a repr says who it is."""
    assert new_identity() != new_identity()
    one = elector(Cluster(), Clock())
    assert repr(one) == "<Elector us, lbctl-system/lbctl, leading=False>"
