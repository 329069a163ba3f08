"""Events: what stands in one, and that the sender is slow, never in the way, and honest about what it loses.

The sender's thread runs on a clock that only its own sleeping moves, and every wait here is for something that comes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from lbctl.errors import LbctlError
from lbctl.kube import errors
from lbctl.kube.api import Kube, Object
from lbctl.kube.events import BURST, REMEMBERED, Bucket, Event, Events, Kind, Standing, cut
from lbctl.kube.transport import Pace
from lbctl.reasons import Reason
from lbctl.services import Service, parse_service

NOW = 1772452800  # 2026-03-02T12:00:00Z
SECONDS = 20  # how long a test waits for a thread before it fails


def service(name: str = "web", uid: str = "", namespace: str = "prod") -> Service:
    """A Service as the API server shows it."""
    meta = {"namespace": namespace, "name": name, "uid": uid or f"uid-of-{name}", "resourceVersion": "77"}
    return parse_service({"metadata": meta, "spec": {"type": "LoadBalancer"}})


def event(**changes: Any) -> Event:
    """A refusal, or what the changes make of it."""
    return replace(Event(service(), "Warning", Reason.PoolExhausted, "pool lan is full", NOW, NOW), **changes)


def test_an_event_as_it_is_created() -> None:
    """All of core/v1 that an Event of a Service has; no eventTime, which would make it one of the newer sort."""
    assert event(last=NOW + 60, count=2).body("jane@laptop") == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "prod", "name": "web.0accc8a5"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Service",
            "namespace": "prod",
            "name": "web",
            "uid": "uid-of-web",
            "resourceVersion": "77",
        },
        "type": "Warning",
        "reason": "PoolExhausted",
        "message": "pool lan is full",
        "firstTimestamp": "2026-03-02T12:00:00Z",
        "lastTimestamp": "2026-03-02T12:01:00Z",
        "count": 2,
        "source": {"component": "lbctl"},
        "reportingComponent": "lbctl",
        "reportingInstance": "jane@laptop",
    }


def test_a_patch_counts_up_from_what_is_there() -> None:
    """It names what changes, and the version that the count rests on; not what was first."""
    assert event(last=NOW + 60, count=2).patch(Standing(5, "123"), "john@box") == {
        "metadata": {"resourceVersion": "123"},
        "involvedObject": {"resourceVersion": "77"},
        "type": "Warning",
        "message": "pool lan is full",
        "lastTimestamp": "2026-03-02T12:01:00Z",
        "count": 7,
        "reportingInstance": "john@box",
    }


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("", 1024, ""),
        ("m" * 1024, 1024, "m" * 1024),
        ("m" * 1025, 1024, "m" * 1021 + "…"),
        ("ü" * 512, 1024, "ü" * 512),
        ("ü" * 513, 1024, "ü" * 510 + "…"),  # 1,023 bytes: half a character more would fit
        ("a€" * 300, 1024, "a€" * 255 + "a…"),
        ("\U0001f40b" * 257, 1024, "\U0001f40b" * 255 + "…"),
        ("it asks for \ud800", 1024, "it asks for ?"),
    ],
)
def test_a_text_is_cut_by_bytes_between_characters(text: str, limit: int, shown: str) -> None:
    """Never longer than the limit, never half a character, never what is no text."""
    assert cut(text, limit) == shown
    assert len(shown.encode()) <= limit


def test_a_message_is_never_too_long_and_never_empty() -> None:
    """In the Event and in its patch; without particulars it says what the reason always means."""
    long, empty, instance = event(message="long " * 1000), event(message=""), "x@" + "y" * 200
    for made in (long.body(instance), long.patch(Standing(1, "1"), instance)):
        assert (len(made["message"].encode()), made["message"][-1]) == (1024, "…")
        assert len(made["reportingInstance"].encode()) == 128
    for made in (empty.body(instance), empty.patch(Standing(1, "1"), instance)):
        assert made["message"] == "no address is free"


def test_the_name_follows_from_the_service_and_the_reason_alone() -> None:
    """The same for other words and other times; another for another reason, uid or Service."""
    one = event()
    assert event(message="x", first=1, last=2, kind="Normal", count=9).name == one.name
    others = [
        event(reason=Reason.AddressInUse),
        event(service=service(uid="uid-of-another-web")),
        event(service=service("web2", uid="uid-of-web")),
    ]
    assert len({one.name, *(other.name for other in others)}) == 4


def test_the_name_fits_for_the_longest_service() -> None:
    """63 characters is the most that a Service's name has, 253 the most that most names have."""
    name = event(service=service("s" * 63)).name
    assert (len(name), name[:64]) == (72, "s" * 63 + ".")


@pytest.mark.parametrize(
    ("at", "waits"),
    [
        ([0.0] * 4, [0.0, 0.0, 0.5, 1.0]),  # a burst of 2, then one each half second
        ([0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.0, 0.0]),
        ([0.0, 0.0, 0.25], [0.0, 0.0, 0.25]),
        ([0.0, 0.0, 100.0, 100.0, 100.0], [0.0, 0.0, 0.0, 0.0, 0.5]),  # a long silence saves up no more than a burst
    ],
)
def test_the_bucket(at: list[float], waits: list[float]) -> None:
    """Tokens that are there cost nothing; one that is not yet is waited for, and is taken."""
    bucket = Bucket(2.0, 2, 0.0)
    assert [bucket.take(now) for now in at] == waits


@dataclass
class Time:
    """A clock that only sleeping moves; `gate`, where there is one, holds whoever sleeps longer than nothing."""

    now: float = 0.0
    gate: threading.Event | None = None
    asleep: threading.Event = field(default_factory=threading.Event)

    def sleep(self, seconds: float) -> None:
        if seconds and self.gate:
            self.asleep.set()
            assert self.gate.wait(SECONDS)
        self.now += seconds

    @property
    def pace(self) -> Pace:
        """What the sender is given."""
        return Pace(lambda: self.now, self.sleep)


@dataclass
class Cluster:
    """Kube's two methods over a dictionary: names, counts and versions as the API server has them.

    `wrong` fails requests (an error is raised once it is taken); `gate` holds each create until it opens.
    """

    time: Time = field(default_factory=Time)
    dry_run: bool = False
    there: dict[str, Object] = field(default_factory=dict)
    asked: list[tuple[str, str, Object]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    wrong: list[Exception | None] = field(default_factory=list)
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)
    version: int = 100

    def create_event(self, namespace: str, body: Mapping[str, Any]) -> Object:
        name = f"{namespace}/{body['metadata']['name']}"
        self._asked("create", name, body)
        if name in self.there:
            raise errors.Conflict("exists")
        return self._put(name, body)

    def patch_event(self, namespace: str, name: str, body: Mapping[str, Any]) -> Object:
        name = f"{namespace}/{name}"
        self._asked("patch", name, body)
        if name not in self.there:
            raise errors.NotFound("gone")
        old = self.there[name]
        if not body:
            return old
        if body["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"]:
            raise errors.Conflict("changed")
        about = {**old["involvedObject"], **body["involvedObject"]}
        return self._put(name, {**old, **body, "involvedObject": about})

    def _asked(self, verb: str, name: str, body: Mapping[str, Any]) -> None:
        self.asked.append((verb, name, dict(body)))
        self.at.append(round(self.time.now, 6))
        self.entered.set()
        if self.gate:
            assert self.gate.wait(SECONDS)
        if wrong := self.wrong.pop(0) if self.wrong else None:
            raise wrong

    def _put(self, name: str, body: Mapping[str, Any]) -> Object:
        self.version += 1
        self.there[name] = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return self.there[name]

    def events(self, instance: str = "jane@laptop", **options: Any) -> Events:
        """A sender to it."""
        return Events(cast("Kube", self), instance, pace=self.time.pace, **options)

    @property
    def counts(self) -> list[int]:
        """How often each Event says that it happened."""
        return [one["count"] for one in self.there.values()]

    @property
    def verbs(self) -> list[str]:
        """The requests; `look` is a patch of nothing."""
        return ["look" if verb == "patch" and not body else verb for verb, _, body in self.asked]


def tell(events: Events, name: str = "web", message: str = "full", now: int = NOW, kind: Kind = "Warning") -> None:
    """Say that a Service was refused."""
    events.tell(service(name), kind, Reason.PoolExhausted, message, now)


def test_ten_a_second_after_a_burst() -> None:
    """25 at once, then one each tenth of a second, in the order in which they were told."""
    cluster = Cluster()
    events = cluster.events()
    for number in range(45):
        tell(events, f"s{number}")
    assert events.close(SECONDS) == 0
    assert cluster.at == [0.0] * BURST + [round((n + 1) / 10, 6) for n in range(20)]
    assert [name.partition(".")[0] for _, name, _ in cluster.asked] == [f"prod/s{n}" for n in range(45)]


def test_whoever_tells_is_not_held_up() -> None:
    """While the API server is silent as many as fit wait, the oldest give way, and close says how many."""
    cluster = Cluster(gate=threading.Event())
    events = cluster.events(room=3)
    tell(events, "first")
    assert cluster.entered.wait(SECONDS)  # and now hangs
    for number in range(5):
        tell(events, f"s{number}")
    tell(events, "s2")  # is there already: it counts up, and costs no room
    cast("threading.Event", cluster.gate).set()
    assert events.close(SECONDS) == 2
    assert [name.partition(".")[0] for _, name, _ in cluster.asked] == [
        f"prod/{n}" for n in ("first", "s2", "s3", "s4")
    ]
    assert cluster.counts == [1, 2, 1, 1]


def test_what_waits_already_is_counted_up() -> None:
    """One request for what happened three times: first and last time, the latest words and kind."""
    cluster = Cluster(gate=threading.Event())
    events = cluster.events()
    tell(events, "other")
    assert cluster.entered.wait(SECONDS)
    tell(events, message="a", now=NOW)
    tell(events, message="b", now=NOW + 30)
    tell(events, message="c", now=NOW + 60, kind="Normal")
    cast("threading.Event", cluster.gate).set()
    assert events.close(SECONDS) == 0
    assert cluster.verbs == ["create", "create"]
    made = cluster.asked[1][2]
    assert (made["count"], made["message"], made["type"]) == (3, "c", "Normal")
    assert (made["firstTimestamp"], made["lastTimestamp"]) == ("2026-03-02T12:00:00Z", "2026-03-02T12:01:00Z")


def one_by_one(cluster: Cluster, events: Events, *messages: str) -> None:
    """Tell each once the one before is written."""
    for message in messages:
        before = len(cluster.asked)
        tell(events, message=message)
        written(events)
        assert len(cluster.asked) > before


def written(events: Events) -> None:
    """Wait until nothing waits and nothing is under way."""
    with events._changed:
        assert events._changed.wait_for(lambda: not events._waiting and events._under_way is None, SECONDS)


def test_what_happens_again_is_a_patch_of_the_same_event() -> None:
    """One request each, for this run knows what it wrote."""
    cluster = Cluster()
    events = cluster.events()
    one_by_one(cluster, events, "a", "b", "c")
    assert events.close(SECONDS) == 0
    assert (cluster.verbs, cluster.counts) == (["create", "patch", "patch"], [3])
    assert [one["message"] for one in cluster.there.values()] == ["c"]


def test_what_another_run_wrote_is_counted_up() -> None:
    """It is there: a patch of nothing shows the count, and the next one rests on it."""
    cluster = Cluster()
    for instance in ("jane@laptop", "john@box"):
        events = cluster.events(instance)
        one_by_one(cluster, events, "a")
        assert events.close(SECONDS) == 0
    assert (cluster.verbs, cluster.counts) == (["create", "create", "look", "patch"], [2])
    assert [one["reportingInstance"] for one in cluster.there.values()] == ["john@box"]


def test_what_another_run_counted_up_meanwhile_is_looked_at_again() -> None:
    """A count that was known is never written over one that is higher."""
    cluster = Cluster()
    mine, theirs = cluster.events(), cluster.events()
    one_by_one(cluster, mine, "a")
    one_by_one(cluster, theirs, "b", "c")
    cluster.asked.clear()
    one_by_one(cluster, mine, "d")
    assert (cluster.verbs, cluster.counts) == (["patch", "create", "look", "patch"], [4])
    assert mine.close(SECONDS) == theirs.close(SECONDS) == 0


def test_two_runs_at_the_same_moment() -> None:
    """Between look and patch another run says the same: ours is not repeated, and no count is written twice."""
    cluster = Cluster()
    one_by_one(cluster, cluster.events(), "a")
    cluster.wrong = [None, None, errors.Conflict("changed")]
    events = cluster.events()
    tell(events, message="b")
    assert events.close(SECONDS) == 0
    assert (cluster.verbs, cluster.counts) == (["create", "create", "look", "patch"], [1])


def test_what_has_expired_is_made_anew() -> None:
    """The API server keeps an Event for an hour; after that it is the first of its kind again."""
    cluster = Cluster()
    events = cluster.events()
    one_by_one(cluster, events, "a", "b")
    cluster.there.clear()
    one_by_one(cluster, events, "c")
    assert events.close(SECONDS) == 0
    assert (cluster.verbs, cluster.counts) == (["create", "patch", "patch", "create"], [1])


LOST: list[Exception] = [
    errors.Unreachable("no answer"),
    errors.ServerFailed("broken", passing=True),
    errors.Throttled("busy", passing=True, retry_after=1.0),
    errors.Unauthorized("expired"),
    errors.Invalid("what is this"),
    LbctlError("anything"),
    KeyError("an answer without what every answer has"),
]


@pytest.mark.parametrize("wrong", LOST, ids=lambda wrong: type(wrong).__name__)
def test_nothing_is_repeated_after_an_error(wrong: Exception) -> None:
    """Whatever goes wrong costs that Event alone; nobody is told but whoever closes."""
    said: list[str] = []
    cluster = Cluster(wrong=[wrong])
    events = cluster.events(tell=said.append)
    for name in ("a", "b"):
        tell(events, name)
    assert events.close(SECONDS) == 1
    assert [name.partition(".")[0] for _, name, _ in cluster.asked] == ["prod/a", "prod/b"]
    assert (list(cluster.counts), said) == ([1], [])


def test_a_patch_that_failed_is_forgotten() -> None:
    """It may have landed: the next one looks again rather than to count from what it knew."""
    cluster = Cluster()
    events = cluster.events()
    one_by_one(cluster, events, "a")
    cluster.wrong = [errors.Unreachable("no answer")]
    one_by_one(cluster, events, "b", "c")
    assert events.close(SECONDS) == 1
    assert cluster.verbs == ["create", "patch", "create", "look", "patch"]


@pytest.mark.parametrize("gone", [errors.NamespaceTerminating("it goes"), errors.NotFound("it is gone")])
def test_a_namespace_that_goes_takes_its_events_along(gone: Exception) -> None:
    """Nothing is lost by what nobody could read."""
    cluster = Cluster(wrong=[gone])
    events = cluster.events()
    for name in ("a", "b"):
        tell(events, name)
    assert events.close(SECONDS) == 0
    assert (cluster.verbs, cluster.counts) == (["create", "create"], [1])


def test_who_may_not_is_told_once() -> None:
    """A Role without Events: one sentence, and not a request more; nothing counts as lost, for that is said."""
    said: list[str] = []
    cluster = Cluster(wrong=[errors.Forbidden('you may not create events at https://192.0.2.10:6443 as user "jane"')])
    events = cluster.events(tell=said.append)
    for number in range(40):
        tell(events, f"s{number}")
    assert events.close(SECONDS) == 0
    tell(events, "later")
    assert said == ['lbctl writes no Events: you may not create events at https://192.0.2.10:6443 as user "jane"']
    assert cluster.verbs == ["create"]


def test_a_teller_that_fails_hurts_nobody() -> None:
    """It runs in the sender's thread, whose end nobody would notice."""

    def broken(_: str) -> None:
        raise BrokenPipeError

    cluster = Cluster(wrong=[errors.Forbidden("no")])
    events = cluster.events(tell=broken)
    tell(events)
    assert events.close(SECONDS) == 0


def test_a_dry_run_writes_none() -> None:
    """Nor does it start a thread."""
    cluster = Cluster(dry_run=True)
    events = cluster.events()
    tell(events)
    assert (events.close(SECONDS), events._thread, cluster.asked) == (0, None, [])


def test_a_run_without_events_has_no_thread() -> None:
    """Most have none."""
    events = Cluster().events()
    assert (events._thread, events.close(SECONDS)) == (None, 0)


def test_close_leaves_what_does_not_go_in_time() -> None:
    """The burst is out, the sender waits for the next token: what is left is counted, and never sent."""
    time = Time(gate=threading.Event())
    cluster = Cluster(time)
    events = cluster.events()
    for number in range(BURST + 4):
        tell(events, f"s{number}")
    tell(events, f"s{BURST + 3}")
    assert time.asleep.wait(SECONDS)
    assert events.close(0) == 5
    cast("threading.Event", time.gate).set()
    thread = cast("threading.Thread", events._thread)
    thread.join(SECONDS)
    assert (thread.is_alive(), len(cluster.asked)) == (False, BURST)


def test_close_does_not_wait_for_an_answer_that_does_not_come() -> None:
    """What is under way counts as lost once, though it may land."""
    cluster = Cluster(gate=threading.Event())
    events = cluster.events()
    tell(events, "hangs")
    assert cluster.entered.wait(SECONDS)
    tell(events, "waits")
    assert events.close(0) == 2
    cast("threading.Event", cluster.gate).set()
    cast("threading.Thread", events._thread).join(SECONDS)
    assert (events.close(0), len(cluster.asked)) == (2, 1)


def test_the_thread_ends_with_close_and_does_not_hold_the_process() -> None:
    """It is a daemon, and after close it is gone; what is told then is passed over."""
    cluster = Cluster()
    events = cluster.events()
    tell(events)
    assert events.close(SECONDS) == 0
    thread = cast("threading.Thread", events._thread)
    assert thread.daemon
    thread.join(SECONDS)
    tell(events, "late")
    assert (thread.is_alive(), events.close(0), len(cluster.asked)) == (False, 0, 1)


def test_no_thread_is_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tells hears nothing of it; what could not be sent is lost."""

    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    events = Cluster().events()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        tell(events)
    assert events.close(0) == 1


def test_what_is_remembered_has_an_end() -> None:
    """The oldest is forgotten; its next Event looks again, and counts on."""
    cluster = Cluster()
    events = cluster.events()
    one_by_one(cluster, events, "a")
    for number in range(REMEMBERED - 1):
        events._standing["prod", f"x{number}"] = Standing(1, "1")
    tell(events, "another")
    written(events)
    cluster.asked.clear()
    one_by_one(cluster, events, "b")
    assert events.close(SECONDS) == 0
    assert (cluster.verbs, len(events._standing)) == (["create", "look", "patch"], REMEMBERED)
