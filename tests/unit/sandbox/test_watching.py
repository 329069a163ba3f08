"""Watches of the sandbox by a clock of the test's own: when bookmarks come, and what a history that is gone means."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from lbctl.sandbox import Sandbox, store
from lbctl.sandbox.bodies import Write
from lbctl.sandbox.queries import Query
from lbctl.sandbox.registry import Registry
from lbctl.sandbox.resources import RESOURCES
from lbctl.sandbox.views import View
from lbctl.sandbox.watches import Watching

LEASES = RESOURCES["leases"]


def make(registry: Registry, *names: str) -> None:
    """Leases of these names in the namespace default."""
    for name in names:
        registry.create(LEASES, "default", json.dumps({"metadata": {"name": name}}).encode(), Write())


def begun() -> Registry:
    """A Registry with the namespace default."""
    made = Registry(lambda: 0.0)
    made.create(RESOURCES["namespaces"], "", b'{"metadata": {"name": "default"}}', Write())
    return made


@pytest.fixture
def registry() -> Registry:
    """One of a test's own."""
    return begun()


def watch(registry: Registry, now: float = 0.0, **params: str) -> Watching:
    """A watch of Leases that asks for bookmarks."""
    query = Query.of(LEASES, "default", {"watch": "1", "allowWatchBookmarks": "1", **params})
    return Watching.begin(registry, View(LEASES, table=False), query, now)


def heard(watching: Watching, now: float) -> list[tuple[str, Any]]:
    """Type, and name or version, of the events up to `now`."""
    found = []
    for line in watching.next_lines(now).splitlines():
        event = json.loads(line)
        meta = event["object"]["metadata"]
        found.append((event["type"], meta.get("name") or meta.get("resourceVersion") or event["object"]["message"]))
    return found


def test_bookmarks_come_every_minute_and_two_seconds_before_the_end(registry: Registry) -> None:
    """With the version that is; none after the last, and none while no version has come."""
    version = str(registry.store.version)
    watching = watch(registry, resourceVersion=version, timeoutSeconds="150")
    assert [heard(watching, at) for at in (0.0, 59.0, 60.0, 119.0)] == [[], [], [], []]
    make(registry, "a")
    now = str(registry.store.version)
    assert heard(watching, 119.5) == [("ADDED", "a")]
    assert heard(watching, 120.0) == [("BOOKMARK", now)]
    assert heard(watching, 147.9) == []
    assert heard(watching, 148.0) == [("BOOKMARK", now)]
    assert heard(watching, 149.9) == []
    assert watching.ends == 150.0


def test_an_event_comes_before_the_bookmark_of_its_version(registry: Registry) -> None:
    """Or whoever goes on from there would never see it."""
    watching = watch(registry, resourceVersion=str(registry.store.version), timeoutSeconds="300")
    make(registry, "a", "b")
    assert heard(watching, 60.0) == [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", str(registry.store.version))]


def test_a_watch_that_has_seen_all_outlives_a_compaction(registry: Registry) -> None:
    """One that is behind is told 410, by event, and ends."""
    make(registry, "a")
    behind, near = (watch(registry, resourceVersion=str(registry.store.version)) for _ in range(2))
    version = registry.store.version
    make(registry, "b")
    assert heard(near, 0.0) == [("ADDED", "b")]
    registry.store.compact()
    assert heard(behind, 0.0) == [("ERROR", f"too old resource version: {version} ({registry.store.version})")]
    assert behind.over
    make(registry, "c")
    assert heard(near, 0.0) == [("ADDED", "c")]


def test_history_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What falls out of the window is gone without anybody compacting."""
    monkeypatch.setattr(store, "KEPT_CHANGES", 3)
    small = begun()
    version = small.store.version
    make(small, "a", "b", "c")
    assert heard(watch(small, resourceVersion=str(version)), 0.0) == [("ADDED", n) for n in ("a", "b", "c")]
    make(small, "d")
    assert heard(watch(small, resourceVersion=str(version)), 0.0)[0][0] == "ERROR"


def test_the_date_is_the_sandboxs_own() -> None:
    """By its Date header lbctl counts time, so it is the time that creationTimestamps are of."""
    with Sandbox(clock=lambda: 1772452800.0) as sandbox:
        parts = urlsplit(sandbox.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        connection.request("GET", "/api/v1/namespaces/default")
        answer = connection.getresponse()
        made = json.loads(answer.read())["metadata"]["creationTimestamp"]
        connection.close()
    assert (answer.getheader("Date"), made) == ("Mon, 02 Mar 2026 12:00:00 GMT", "2026-03-02T12:00:00Z")


def test_compacting_is_a_knob_of_the_sandbox() -> None:
    """For tests of who watches: the list of then is 410, the one of now is not."""
    with Sandbox() as sandbox:
        parts = urlsplit(sandbox.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)

        def status(version: int) -> int:
            query = f"resourceVersion={version}&resourceVersionMatch=Exact"
            connection.request("GET", f"/api/v1/services?{query}")
            answer = connection.getresponse()
            answer.read()
            return answer.status

        connection.request("GET", "/api/v1/services")
        now = int(json.loads(connection.getresponse().read())["metadata"]["resourceVersion"])
        assert (status(now - 1), status(now)) == (200, 200)
        sandbox.compact()
        assert (status(now - 1), status(now)) == (410, 200)
        connection.close()
