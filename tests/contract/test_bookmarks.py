"""Bookmarks, and watches that begin with what is there (KEP-956, KEP-3157)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.contract.wire import TABLE, Wire, config_map

END = {"k8s.io/initial-events-end": "true"}
LIST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
FUTURE = "999999999"


def kinds(events: list[tuple[str, Any]]) -> list[str]:
    """The types of events."""
    return [kind for kind, _ in events]


def test_a_watch_says_how_far_it_is_before_it_ends(api: Wire) -> None:
    """2 s before, in an object that has a version and nothing else; who did not ask for it is not told."""
    api.made("configmaps", config_map("a"))
    version = api.get("configmaps").version
    params = {"resourceVersion": version, "timeoutSeconds": "5"}
    with api.watch("configmaps", **params) as quiet, api.watch("configmaps", **params, allowWatchBookmarks="1") as told:
        last = api.made("configmaps", config_map("b"))["metadata"]["resourceVersion"]
        began = time.monotonic()
        (added, _), (kind, mark) = told.take(2)
        took = time.monotonic() - began
        assert (added, kind) == ("ADDED", "BOOKMARK")
        assert (mark["kind"], mark["apiVersion"], set(mark["metadata"])) == ("ConfigMap", "v1", {"resourceVersion"})
        assert int(mark["metadata"]["resourceVersion"]) >= int(last)
        assert 1 < took < 4.9
        assert set(kinds(told.rest())) <= {"BOOKMARK"}  # a slow server comes round to it twice
        assert kinds(quiet.rest()) == ["ADDED"]


def test_a_bookmark_is_a_place_to_go_on_from(api: Wire) -> None:
    """Nothing is lost and nothing told twice, though most of what happened was not to be seen."""
    version = api.get("configmaps").version
    ask = {"labelSelector": "x=y", "allowWatchBookmarks": "true", "timeoutSeconds": "4"}
    with api.watch("configmaps", resourceVersion=version, **ask) as stream:
        api.made("configmaps", config_map("unseen"))
        ((kind, mark),) = stream.take(1)
    assert kind == "BOOKMARK"
    api.made("configmaps", config_map("seen", {"labels": {"x": "y"}}))
    with api.watch("configmaps", resourceVersion=mark["metadata"]["resourceVersion"], **ask) as stream:
        ((kind, obj),) = stream.take(1)
    assert (kind, obj["metadata"]["name"]) == ("ADDED", "seen")


def test_a_short_watch_has_no_bookmark(api: Wire) -> None:
    """There is no second before its end to tell one."""
    version = api.get("configmaps").version
    params = {"resourceVersion": version, "timeoutSeconds": "1", "allowWatchBookmarks": "true"}
    with api.watch("configmaps", **params) as stream:
        api.made("configmaps", config_map("a"))
        assert kinds(stream.rest()) == ["ADDED"]


def test_a_bookmark_has_its_kind(api: Wire) -> None:
    """Of whatever group."""
    for resource, kind, version in (
        ("leases", "Lease", "coordination.k8s.io/v1"),
        ("endpointslices", "EndpointSlice", "discovery.k8s.io/v1"),
    ):
        with api.watch(resource, **LIST, allowWatchBookmarks="true") as stream:
            ((_, mark),) = stream.take(1)
        assert (mark["kind"], mark["apiVersion"]) == (kind, version)


@pytest.mark.parametrize("version", ["", "0", "1", None])
def test_a_watch_says_when_it_has_told_what_was_there(api: Wire, version: str | None) -> None:
    """The bookmark of sendInitialEvents, for which kubectl wait waits; then it goes on."""
    api.made("configmaps", config_map("a"))
    params = LIST | {"allowWatchBookmarks": "true"} | ({} if version is None else {"resourceVersion": version})
    with api.watch("configmaps", **params) as stream:
        (first, there), (second, mark) = stream.take(2)
        api.delete("configmaps/a")
        assert stream.take(1)[0][0] == "DELETED"
    assert (first, there["metadata"]["name"], second) == ("ADDED", "a", "BOOKMARK")
    assert mark["metadata"]["annotations"] == END
    assert int(mark["metadata"]["resourceVersion"]) >= int(there["metadata"]["resourceVersion"])


@pytest.mark.parametrize("version", ["", "0"])
def test_a_watch_without_a_version_is_one_of_what_is_there(api: Wire, version: str) -> None:
    """So it says when it has told it, too, to who asks for bookmarks."""
    api.made("configmaps", config_map("a"))
    with api.watch("configmaps", resourceVersion=version, allowWatchBookmarks="true") as stream:
        (first, _), (second, mark) = stream.take(2)
    assert (first, second, mark["metadata"]["annotations"]) == ("ADDED", "BOOKMARK", END)


def test_a_bookmark_needs_to_be_asked_for(api: Wire) -> None:
    """Without it, what is there is told and no more."""
    api.made("configmaps", config_map("a"))
    with api.watch("configmaps", **LIST, timeoutSeconds="1") as stream:
        assert kinds(stream.rest()) == ["ADDED"]


def test_a_watch_that_wants_nothing_that_is_there(api: Wire) -> None:
    """From now on, or from a version."""
    version = api.made("configmaps", config_map("a"))["metadata"]["resourceVersion"]
    ask = {**LIST, "sendInitialEvents": "false", "timeoutSeconds": "1"}
    for params in ({}, {"resourceVersion": "0"}, {"resourceVersion": version}):
        with api.watch("configmaps", **ask, **params) as stream:
            assert stream.rest() == [], params


def test_what_is_there_in_the_future(api: Wire) -> None:
    """An event, for the watch has been understood."""
    with api.watch("configmaps", **LIST, resourceVersion=FUTURE, allowWatchBookmarks="true") as stream:
        ((kind, status),) = stream.rest()
    assert (kind, status["code"], status["reason"]) == ("ERROR", 504, "Timeout")
    assert status["message"].startswith(f"Timeout: Too large resource version: {FUTURE}, current: ")
    assert status["details"]["retryAfterSeconds"] == 1


def test_a_watch_of_the_future_has_no_bookmark(api: Wire) -> None:
    """Silent to its end: bookmarks do not tell who is ahead that it is."""
    params = {"resourceVersion": FUTURE, "allowWatchBookmarks": "true", "timeoutSeconds": "4"}
    with api.watch("configmaps", **params) as stream:
        api.made("configmaps", config_map("a"))
        assert stream.rest() == []


NEEDS = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sendInitialEvents": "true"}, NEEDS),
        ({"sendInitialEvents": "false"}, NEEDS),
        (
            {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
            f'[{NEEDS}, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]',
        ),
        (
            {"resourceVersionMatch": "NotOlderThan"},
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
            "provided",
        ),
        (
            {**LIST, "continue": "x"},
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
        ),
    ],
)
def test_options_that_do_not_go_together(api: Wire, params: dict[str, str], message: str) -> None:
    """422, before the watch begins."""
    refused = api.get("configmaps", watch="1", **params)
    assert refused.refusal == (422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {message}')


def test_a_watch_that_is_over_before_it_begins(api: Wire) -> None:
    """It says so in an event, or nothing (the real one now this, now that); it tells nothing of what is there."""
    api.made("configmaps", config_map("a"))
    with api.watch("configmaps", timeoutSeconds="-1") as stream:
        told = [(kind, status["code"], status["message"]) for kind, status in stream.rest()]
    assert told in ([], [("ERROR", 500, "context deadline exceeded")])


def test_a_bookmark_in_a_watch_of_tables(api: Wire) -> None:
    """A Table of one row, whose object has the version; what its cells are to say of no object is left open."""
    params = LIST | {"allowWatchBookmarks": "true"}
    with api.watch("configmaps", accept=TABLE, **params) as stream:
        ((kind, mark),) = stream.take(1)
    assert (kind, mark["kind"]) == ("BOOKMARK", "Table")
    assert mark["metadata"]["resourceVersion"].isdecimal()
    assert len(mark["rows"][0]["cells"]) == len(mark["columnDefinitions"]) == 3
    assert mark["rows"][0]["object"]["metadata"]["annotations"] == END
