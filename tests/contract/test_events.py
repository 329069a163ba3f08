"""Events as lbctl writes them: created by name, counted up by patches, checked less than one would think."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lbctl.kube.api import Kube
from lbctl.kube.events import Events
from lbctl.kube.transport import connect
from lbctl.reasons import Reason
from lbctl.services import Service, parse_service
from tests.contract.test_others import event
from tests.contract.wire import Wire, service
from tests.testbed.driver import until

EXACT = {"eventTime": "2024-01-01T00:00:00.000001Z"}
NEW: dict[str, Any] = {**EXACT, "reportingComponent": "lbctl", "reportingInstance": "a@b", "action": "Assign"}


def test_an_events_name_is_free(api: Wire) -> None:
    """Anything that can stand in a path, which other resources do not let pass; twice is 409."""
    for name in ("Web_1", "a:b", "web.0123abcd", "x" * 300):
        assert api.post("events", event(api.space, metadata={"name": name})).status == 201, name
    refused = api.post("events", event(api.space, metadata={"name": "web.0123abcd"}))
    assert refused.refusal == (409, "AlreadyExists", 'events "web.0123abcd" already exists')


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a/b", "may not contain '/'"),
        ("a%b", "may not contain '%'"),
        (".", "may not be '.'"),
        ("..", "may not be '..'"),
    ],
)
def test_an_events_name_stands_in_a_path(api: Wire, name: str, why: str) -> None:
    """What cannot is refused."""
    refused = api.post("events", event(api.space, metadata={"name": name}))
    whole = f'Event "{name}" is invalid: metadata.name: Invalid value: "{name}": {why}'
    assert refused.refusal == (422, "Invalid", whole)


def test_an_event_without_an_exact_time_is_hardly_checked(api: Wire) -> None:
    """No reason, a type of one's own, a message and a reporter as long as one likes: all is taken as it comes."""
    loose = {"reason": "", "type": "Strange", "message": "m" * 5000, "reportingInstance": "i" * 500, "count": -1}
    made = api.made("events", event(api.space, **loose))
    assert {key: made.get(key, "") for key in loose} == loose


@pytest.mark.parametrize(
    ("fields", "causes"),
    [
        ({}, set()),
        (
            {"reportingComponent": "", "reportingInstance": "", "action": "", "reason": ""},
            {
                ("reportingComponent", "FieldValueRequired"),
                ("reportingComponent", "FieldValueInvalid"),
                ("reportingInstance", "FieldValueRequired"),
                ("action", "FieldValueRequired"),
                ("reason", "FieldValueRequired"),
            },
        ),
        ({"reportingComponent": "not qualified"}, {("reportingComponent", "FieldValueInvalid")}),
        ({"message": "m" * 1024, "reason": "r" * 128, "action": "a" * 128, "reportingInstance": "i" * 128}, set()),
        (
            {"message": "ü" * 513, "reason": "r" * 129, "action": "a" * 129, "reportingInstance": "i" * 129},
            {(name, "FieldValueInvalid") for name in ("message", "reason", "action", "reportingInstance")},
        ),
    ],
)
def test_an_event_with_an_exact_time_is_checked(api: Wire, fields: dict[str, str], causes: set[Any]) -> None:
    """What is required, and how long it may be: in bytes."""
    answer = api.post("events", event(api.space, **{**NEW, **fields}))
    assert (answer.status, answer.causes if causes else set()) == (422 if causes else 201, causes)
    if "message" in fields and causes:
        assert 'message: Invalid value: "": can have at most 1024 characters' in answer.refusal[2]


def test_an_event_about_what_has_no_namespace(api: Wire) -> None:
    """It stands in `default`, with an exact time also in kube-system."""
    about = {"involvedObject": {"kind": "Node", "name": "n"}}
    for space, fields, status in (
        ("default", {}, 201),
        ("default", NEW, 201),
        ("kube-system", {}, 422),
        ("kube-system", NEW, 201),
        (api.space, {}, 422),
        (api.space, NEW, 422),
    ):
        name = f"e-{api.space}-{'new' if fields else 'old'}"
        path = f"/api/v1/namespaces/{space}/events"
        answer = api.post(path, {"metadata": {"name": name}, "reason": "R", "type": "Normal", **about, **fields})
        assert answer.status == status, (space, fields)
        if status == 201:
            api.delete(f"{path}/{name}")


def test_an_event_with_an_exact_time_may_be_about_elsewhere(api: Wire) -> None:
    """Only the older sort is held to the namespace of what it is about."""
    assert api.post("events", event("elsewhere", **NEW)).status == 201


def test_an_event_about_what_is_not_there(api: Wire) -> None:
    """Nobody looks for it, but there must be an involvedObject."""
    api.made("events", event(api.space))
    refused = api.post("events", {"metadata": {"name": "f"}, "reason": "R"})
    assert refused.causes == {("involvedObject.namespace", "FieldValueInvalid")}


def test_a_patch_of_nothing_answers_with_the_event(api: Wire) -> None:
    """Which is how to see it with no right to get it; nothing is written. 404 where it is not."""
    made = api.made("events", event(api.space, count=3))
    answer = api.strategic("events/e", {})
    assert (answer.status, answer.body) == (200, made)
    assert api.strategic("events/f", {}).refusal == (404, "NotFound", 'events "f" not found')


def test_a_patch_that_carries_a_version_counts_up_once(api: Wire) -> None:
    """409 for whoever saw the count before; what the patch does not name stays."""
    made = api.made("events", event(api.space, count=1, message="a", firstTimestamp="2024-01-01T00:00:00Z"))
    version = made["metadata"]["resourceVersion"]
    again = {"count": 2, "message": "b", "type": "Warning", "lastTimestamp": "2024-01-01T00:01:00Z"}
    body = {"metadata": {"resourceVersion": version}, "involvedObject": {"resourceVersion": "7"}, **again}
    patched = api.strategic("events/e", body)
    assert patched.version != version
    assert {key: patched.body[key] for key in again} == again
    assert patched.body["firstTimestamp"] == "2024-01-01T00:00:00Z"
    assert patched.body["involvedObject"] == {**made["involvedObject"], "resourceVersion": "7"}
    refused = api.strategic("events/e", body)
    assert refused.refusal[:2] == (409, "Conflict")
    assert api.get("events/e").body["count"] == 2


def test_a_patch_is_checked_as_a_create_is(api: Wire) -> None:
    """The namespace of what it is about; everything else may change."""
    api.made("events", event(api.space, count=1))
    refused = api.strategic("events/e", {"involvedObject": {"namespace": "elsewhere"}})
    assert refused.causes == {("involvedObject.namespace", "FieldValueInvalid")}
    changed = api.strategic("events/e", {"reason": "S", "source": {"component": "x"}, "message": "m" * 2000})
    assert (changed.status, changed.body["reason"]) == (200, "S")
    assert api.strategic("events/e", EXACT).causes >= {("action", "FieldValueRequired")}


def test_no_event_in_a_namespace_that_goes_or_is_not_there(api: Wire) -> None:
    """403 with its cause, 404; one that is there can be patched to the end."""
    name = f"going-{api.space}"
    path = f"/api/v1/namespaces/{name}"
    made = api.made("/api/v1/namespaces", {"metadata": {"name": name, "finalizers": ["example.com/held"]}})
    kept = event(name, metadata={"name": "kept", "finalizers": ["example.com/held"]})
    api.made(f"{path}/events", kept)
    assert api.delete(path).status == 200
    try:
        refused = api.post(f"{path}/events", event(name))
        assert (refused.status, refused.causes) == (403, {("metadata.namespace", "NamespaceTerminating")})
        assert api.strategic(f"{path}/events/kept", {"count": 2}).status == 200
    finally:
        api.merge(f"{path}/events/kept", {"metadata": {"finalizers": None}})
        api.merge(path, {"metadata": {"finalizers": None}})
    assert made["status"]["phase"] == "Active"
    gone = api.post("/api/v1/namespaces/nowhere/events", event("nowhere"))
    assert gone.refusal == (404, "NotFound", 'namespaces "nowhere" not found')


def _made(api: Wire, name: str) -> Service:
    return parse_service(api.made("services", service(name, "LoadBalancer")))


def test_an_event_of_lbctl_and_its_repeats(api: Wire, kubeconfig: Path) -> None:
    """One Event a Service and reason, counted up by this run and by the next, whoever it is; never by a dry run."""
    kube, web = Kube(connect(str(kubeconfig))), _made(api, "web")
    now = 1772452800
    for instance, times in (("jane@a", (0, 60)), ("john@b", (120,))):
        for at in times:
            events = Events(kube, instance)
            events.tell(web, "Warning", Reason.PoolExhausted, f"no address is free ({at})", now + at)
            assert events.close(30) == 0
    dry = Events(Kube(connect(str(kubeconfig)), dry_run=True), "jim@c")
    dry.tell(web, "Warning", Reason.PoolExhausted, "not said", now)
    assert dry.close(30) == 0
    (found,) = api.get("events").body["items"]
    del found["metadata"]["managedFields"]
    name = found["metadata"]["name"]
    assert name.startswith("web.")
    assert found == {
        "metadata": {**found["metadata"], "name": name, "namespace": api.space},
        "involvedObject": {
            "kind": "Service",
            "namespace": api.space,
            "name": "web",
            "uid": web.uid,
            "apiVersion": "v1",
            "resourceVersion": web.resource_version,
        },
        "reason": "PoolExhausted",
        "message": "no address is free (120)",
        "source": {"component": "lbctl"},
        "firstTimestamp": "2026-03-02T12:00:00Z",
        "lastTimestamp": "2026-03-02T12:02:00Z",
        "count": 3,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": "lbctl",
        "reportingInstance": "john@b",
    }


def test_an_event_that_has_expired_is_made_anew(api: Wire, kubeconfig: Path) -> None:
    """A long run counts up what it wrote itself; when that is gone, it starts with one again."""
    events, web = Events(Kube(connect(str(kubeconfig))), "a@b"), _made(api, "web")

    def counts() -> list[int]:
        return [one["count"] for one in api.get("events").body["items"]]

    events.tell(web, "Normal", Reason.Assigned, "it is given 192.0.2.200", 1772452800)
    until(lambda: counts() == [1], "the first", seconds=10)
    events.tell(web, "Normal", Reason.Assigned, "it is given 192.0.2.200", 1772452800)
    until(lambda: counts() == [2], "the second", seconds=10)
    assert api.delete("events").status == 200
    events.tell(web, "Normal", Reason.Assigned, "it is given 192.0.2.200", 1772452860)
    assert events.close(30) == 0
    (after,) = api.get("events").body["items"]
    assert (after["count"], after["firstTimestamp"]) == (1, "2026-03-02T12:01:00Z")
