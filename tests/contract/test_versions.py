"""The versions of lists and objects: of now, of then, of the future, of what is no longer kept; and pages."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from lbctl.sandbox import Sandbox
from tests.contract.conftest import SANDBOX
from tests.contract.wire import Reply, Wire, config_map
from tests.testbed.driver import Bed

FUTURE = "999999999"
OPTIONS = 'ListOptions.meta.k8s.io "" is invalid: '
OLD = "The resourceVersion for the provided list is too old."


@pytest.fixture
def compact(api: Wire, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Forget the history. The real one does every five minutes, and its watch cache for longer: etcd is told to."""
    if api.name == SANDBOX:
        sandbox: Sandbox = request.getfixturevalue("running")
        return sandbox.compact
    bed: Bed = request.getfixturevalue("_bed")

    def both() -> None:
        api.close()
        bed.compact()

    return both


def names(reply: Reply) -> list[str]:
    """The names of a list."""
    assert reply.status == 200, reply.text
    return [item["metadata"]["name"] for item in reply.body["items"]]


def three(api: Wire) -> list[str]:
    """Three ConfigMaps, then a fourth and the first no more; the versions at which the three were made."""
    versions = [str(api.made("configmaps", config_map(n))["metadata"]["resourceVersion"]) for n in ("a", "b", "c")]
    api.made("configmaps", config_map("d"))
    api.delete("configmaps/a")
    return versions


def test_which_version_a_list_is_of(api: Wire) -> None:
    """Of now, whatever version is not to be older; only Exact, and a version with a limit, are of just then."""
    _, then, _ = three(api)
    now: list[dict[str, str]] = [
        {},
        {"resourceVersion": "0"},
        {"resourceVersion": "1"},
        {"resourceVersion": then},
        {"resourceVersion": then, "resourceVersionMatch": "NotOlderThan"},
        {"resourceVersion": "0", "resourceVersionMatch": "NotOlderThan"},
        {"resourceVersion": "0", "limit": "1"},  # which whoever answers from a cache has never paged
        {"limit": "-1"},
    ]
    for params in now:
        found = api.get("configmaps", **params)
        assert names(found) == ["b", "c", "d"], params
        assert int(found.version) > int(then), params
    found = api.get("configmaps", resourceVersion=then, resourceVersionMatch="Exact")
    assert (names(found), found.version) == (["a", "b"], then)


def test_which_version_a_page_is_of(api: Wire) -> None:
    """A limit makes a version mean just that one, unless it says NotOlderThan."""
    _, then, _ = three(api)
    found = api.get("configmaps", resourceVersion=then, limit="1")
    assert (names(found), found.version, found.body["metadata"]["remainingItemCount"]) == (["a"], then, 1)
    assert api.get("configmaps", resourceVersion=then, limit="1", resourceVersionMatch="Exact").body == found.body
    newer = api.get("configmaps", resourceVersion=then, limit="2", resourceVersionMatch="NotOlderThan")
    assert (names(newer), newer.body["metadata"]["remainingItemCount"]) == (["b", "c"], 1)


def test_pages_are_of_one_moment(api: Wire) -> None:
    """What is written in between does not show."""
    for name in ("a", "b", "c"):
        api.made("configmaps", config_map(name))
    first = api.get("configmaps", limit="2")
    assert names(first) == ["a", "b"]
    assert first.body["metadata"]["remainingItemCount"] == 1
    token = first.body["metadata"]["continue"]
    api.made("configmaps", config_map("d"))
    api.delete("configmaps/c")
    for params in ({"limit": "2"}, {}, {"resourceVersion": "0"}):
        last = api.get("configmaps", **{**params, "continue": token})
        assert (names(last), last.version) == (["c"], first.version)
        assert "continue" not in last.body["metadata"]


def test_a_full_last_page_has_no_next(api: Wire) -> None:
    """Nothing is left to ask for."""
    for name in ("a", "b"):
        api.made("configmaps", config_map(name))
    assert "continue" not in api.get("configmaps", limit="2").body["metadata"]


def test_a_page_of_a_selection_does_not_count_the_rest(api: Wire) -> None:
    """Nobody has counted it; a next page may turn out to be empty."""
    for name in ("a", "b"):
        api.made("configmaps", config_map(name, {"labels": {"x": "y"}}))
    api.made("configmaps", config_map("c"))
    first = api.get("configmaps", limit="1", labelSelector="x=y").body["metadata"]
    assert "remainingItemCount" not in first
    second = api.get("configmaps", **{"limit": "1", "labelSelector": "x=y", "continue": first["continue"]})
    assert names(second) == ["b"]
    token = second.body["metadata"]["continue"]
    assert names(api.get("configmaps", **{"limit": "1", "labelSelector": "x=y", "continue": token})) == []
    assert "continue" not in api.get("configmaps", limit="1", fieldSelector="metadata.name=a").body["metadata"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"resourceVersionMatch": "Exact"},
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            {"resourceVersionMatch": "Nope", "resourceVersion": "1"},
            'resourceVersionMatch: Unsupported value: "Nope": supported values: "Exact", "NotOlderThan", ""',
        ),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "1", "continue": "x"},
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
        ),
        (
            {"sendInitialEvents": "true"},
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        ),
    ],
)
def test_options_that_do_not_go_together(api: Wire, params: dict[str, str], message: str) -> None:
    """422, about the options."""
    refused = api.get("configmaps", **params)
    assert refused.refusal == (422, "Invalid", f"{OPTIONS}{message}")
    assert (refused.body["details"]["group"], refused.body["details"]["kind"]) == ("meta.k8s.io", "ListOptions")


def token(**fields: Any) -> str:
    """A continue token as the real one encodes it."""
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


ENCODING = "meta.k8s.io/v1"


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (token(v=ENCODING, rv=0, start="a\0"), f"incorrect encoded start resourceVersion (version {ENCODING})"),
        (token(v=ENCODING, rv=1, start=""), f"encoded start key empty (version {ENCODING})"),
        (token(v="x", rv=1, start="a"), "server does not recognize this encoded version x"),
        ("!!", ""),
        ("eA", ""),
    ],
)
def test_a_token_that_is_none(api: Wire, after: str, why: str) -> None:
    """400, and why."""
    refused = api.get("configmaps", **{"continue": after})
    assert refused.refusal[:2] == (400, "BadRequest")
    assert refused.body["message"].startswith(f"invalid continue token: continue key is not valid: {why}")


def test_a_token_has_its_own_version(api: Wire) -> None:
    """400 beside another."""
    three(api)
    page = api.get("configmaps", limit="1")
    refused = api.get("configmaps", **{"continue": page.body["metadata"]["continue"], "resourceVersion": page.version})
    message = "specifying resource version is not allowed when using continue"
    assert refused.refusal == (400, "BadRequest", message)


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("configmaps", {}),
        ("configmaps", {"resourceVersionMatch": "Exact"}),
        ("configmaps", {"resourceVersionMatch": "NotOlderThan"}),
        ("configmaps", {"limit": "1"}),
        ("configmaps/a", {}),
    ],
)
def test_what_is_of_the_future_times_out(api: Wire, path: str, params: dict[str, str]) -> None:
    """As after a restore from a backup: what tells a reflector to begin anew. (The real one waits 3 s first.)"""
    api.made("configmaps", config_map("a"))
    refused = api.get(path, resourceVersion=FUTURE, **params)
    assert refused.refusal[:2] == (504, "Timeout")
    assert refused.body["message"].startswith(f"Timeout: Too large resource version: {FUTURE}, current: ")
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    assert refused.body["details"] == {"causes": causes, "retryAfterSeconds": 1}
    assert refused.headers["Retry-After"] == "1"


def test_an_object_of_a_version(api: Wire) -> None:
    """Is of now; of no version at all it is refused."""
    made = api.made("configmaps", config_map("a"))
    for version in (made["metadata"]["resourceVersion"], "1", "0"):  # which a cache may answer that has seen the first
        assert api.get("configmaps/a", resourceVersion=version).body == made
    refused = api.get("configmaps/a", resourceVersion="x")
    parse = 'strconv.ParseUint: parsing "x": invalid syntax'
    assert refused.refusal == (500, "", f'resourceVersion: Invalid value: "x": {parse}')


def test_what_is_no_longer_kept_is_gone(api: Wire, compact: Callable[[], None]) -> None:
    """410 by status for a list of then and for a page, with a token for the rest as it is now; by event for a watch."""
    then = three(api)[1]
    page = api.get("configmaps", limit="1")
    api.made("configmaps", config_map("e"))
    api.made("configmaps", config_map("f"))
    compact()
    for params in ({"resourceVersionMatch": "Exact"}, {"limit": "1"}):
        assert api.get("configmaps", resourceVersion=then, **params).refusal == (410, "Expired", OLD)
    refused = api.get("configmaps", **{"limit": "1", "continue": page.body["metadata"]["continue"]})
    assert refused.refusal[:2] == (410, "Expired")
    assert refused.body["message"].startswith(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list"
    )
    afresh = refused.body["metadata"]["continue"]
    assert names(api.get("configmaps", **{"continue": afresh})) == ["c", "d", "e", "f"]
    with api.watch("configmaps", resourceVersion=then) as stream:
        ((kind, status),) = stream.rest()
    assert kind == "ERROR"
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith(f"too old resource version: {then} (")
    now = api.get("configmaps")
    assert names(now) == ["b", "c", "d", "e", "f"]
    assert names(api.get("configmaps", resourceVersion=then)) == names(now)  # not older: of now
    with api.watch("configmaps", resourceVersion=now.version) as stream:
        api.delete("configmaps/b")
        assert stream.take(1)[0][0] == "DELETED"
