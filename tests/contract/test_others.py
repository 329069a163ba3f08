"""Nodes, Namespaces and Events: what is theirs alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.wire import Wire


@pytest.fixture
def node(api: Wire) -> Iterator[str]:
    """The path of a Node of this test's own."""
    name = f"node-{api.space}"
    status = {"addresses": [{"type": "InternalIP", "address": "192.0.2.11"}]}
    api.made("/api/v1/nodes", {"metadata": {"name": name}, "spec": {"podCIDR": "10.1.0.0/24"}, "status": status})
    path = f"/api/v1/nodes/{name}"
    yield path
    api.delete(path)


def test_a_new_node_is_not_ready(api: Wire, node: str) -> None:
    """It is tainted, and its status is taken as it comes, with what is always there."""
    found = api.get(node).body
    assert found["spec"] == {
        "podCIDR": "10.1.0.0/24",
        "podCIDRs": ["10.1.0.0/24"],
        "taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}],
    }
    assert found["status"]["addresses"] == [{"type": "InternalIP", "address": "192.0.2.11"}]
    assert found["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}
    assert found["status"]["nodeInfo"]["kubeletVersion"] == ""


def test_a_nodes_status_stands_apart(api: Wire, node: str) -> None:
    """A normal write keeps the status, a status write the spec; addresses merge by type."""
    cordoned = api.merge(node, {"spec": {"unschedulable": True}, "status": {"addresses": None}}).body
    assert cordoned["spec"]["unschedulable"] is True
    assert len(cordoned["status"]["addresses"]) == 1
    body = {"spec": {"unschedulable": None}, "status": {"addresses": [{"type": "Hostname", "address": "h"}]}}
    shown = api.strategic(f"{node}/status", body).body
    assert [one["type"] for one in shown["status"]["addresses"]] == ["Hostname", "InternalIP"]
    assert shown["spec"]["unschedulable"] is True


def test_a_delete_of_a_node_answers_with_a_status(api: Wire, node: str) -> None:
    """Not with the node."""
    gone = api.delete(node).body
    assert (gone["kind"], gone["status"], gone["details"]["kind"]) == ("Status", "Success", "nodes")


def test_the_phase_of_a_namespace_follows_from_its_deletion(api: Wire) -> None:
    """422 for another, under a name of its own; conditions can be written."""
    path = f"/api/v1/namespaces/{api.space}/status"
    refused = api.merge(path, {"status": {"phase": "Terminating"}})
    assert refused.causes == {("status.Phase", "FieldValueInvalid")}
    condition = {"type": "x/y", "status": "True"}
    shown = api.strategic(path, {"status": {"conditions": [condition]}}).body["status"]
    assert (shown["phase"], shown["conditions"][0]["type"]) == ("Active", "x/y")


def event(space: str, **fields: Any) -> dict[str, Any]:
    """An event about a Service."""
    about = {"kind": "Service", "name": "web", "namespace": space}
    return {"metadata": {"name": "e"}, "involvedObject": about, "reason": "R", "type": "Normal", **fields}


def test_an_event_has_all_its_times(api: Wire) -> None:
    """Null where they are not known, to the microsecond where they are exact."""
    made = api.made("events", event(api.space, lastTimestamp="2024-01-01T02:00:00+02:00"))
    assert (made["firstTimestamp"], made["lastTimestamp"], made["eventTime"]) == (None, "2024-01-01T00:00:00Z", None)
    assert (made["source"], made["reportingComponent"], made["reportingInstance"]) == ({}, "", "")


def test_an_event_stands_in_the_namespace_of_what_it_is_about(api: Wire) -> None:
    """422 elsewhere."""
    refused = api.post("events", event("elsewhere"))
    assert refused.causes == {("involvedObject.namespace", "FieldValueInvalid")}


def test_an_event_can_be_counted_up(api: Wire) -> None:
    """As who repeats it does."""
    api.made("events", event(api.space, count=1))
    assert api.strategic("events/e", {"count": 2}).body["count"] == 2
