"""The three kinds of patch, and what goes with a patch as a precondition."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.wire import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Wire, config_map, ingress, service

CHANGED = "the object has been modified; please apply your changes to the latest version and try again"
PORTS = [{"name": "a", "port": 1}, {"name": "b", "port": 2}, {"name": "c", "port": 3}]
CONDITION = {"status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2024-01-01T00:00:00Z"}


def numbers(reply: Any) -> list[int]:
    """The ports of a Service in their order."""
    return [port["port"] for port in reply.body["spec"]["ports"]]


def test_a_merge_patch_adds_changes_and_removes(api: Wire) -> None:
    """RFC 7386: null takes away, lists are replaced."""
    api.made("configmaps", config_map("a", {"labels": {"x": "1"}}, keep="k", change="c", drop="d"))
    patched = api.merge(
        "configmaps/a", {"data": {"change": "new", "drop": None, "add": "a"}, "metadata": {"labels": None}}
    )
    assert patched.status == 200
    assert patched.body["data"] == {"keep": "k", "change": "new", "add": "a"}
    assert "labels" not in patched.body["metadata"]


def test_a_merge_patch_erases_other_conditions(api: Wire) -> None:
    """Why lbctl's status goes out as a strategic one."""
    api.made("services", service("a", "LoadBalancer"))
    api.merge("services/a/status", {"status": {"conditions": [{"type": "x/one", **CONDITION}]}})
    after = api.merge("services/a/status", {"status": {"conditions": [{"type": "x/two", **CONDITION}]}})
    assert [c["type"] for c in after.body["status"]["conditions"]] == ["x/two"]


def test_a_strategic_patch_keeps_other_conditions(api: Wire) -> None:
    """They merge by type; what is new stands before the rest."""
    api.made("services", service("a", "LoadBalancer"))
    api.strategic("services/a/status", {"status": {"conditions": [{"type": "x/one", **CONDITION}]}})
    two = api.strategic("services/a/status", {"status": {"conditions": [{"type": "x/two", **CONDITION}]}})
    assert [c["type"] for c in two.body["status"]["conditions"]] == ["x/two", "x/one"]
    one = api.strategic("services/a/status", {"status": {"conditions": [{"type": "x/one", "status": "False"}]}})
    assert one.body["status"]["conditions"][1] == {**CONDITION, "type": "x/one", "status": "False"}


def test_a_strategic_patch_replaces_the_addresses(api: Wire) -> None:
    """The list of ingress is one thing."""
    api.made("services", service("a", "LoadBalancer"))
    api.strategic("services/a/status", ingress("192.0.2.1", "2001:db8::1"))
    after = api.strategic("services/a/status", ingress("192.0.2.2"))
    assert [e["ip"] for e in after.body["status"]["loadBalancer"]["ingress"]] == ["192.0.2.2"]
    gone = api.strategic("services/a/status", {"status": {"loadBalancer": {"ingress": None}}})
    assert gone.body["status"] == {"loadBalancer": {}}


@pytest.mark.parametrize(
    ("ports", "order"),
    [
        pytest.param([{"port": 2, "targetPort": 9}], [1, 2, 3], id="change"),
        pytest.param([{"name": "d", "port": 4}], [4, 1, 2, 3], id="add"),
        pytest.param([{"port": 2, "$patch": "delete"}], [1, 3], id="delete"),
        pytest.param([{"$patch": "replace"}, {"name": "d", "port": 4}], [4], id="replace"),
        pytest.param([{"port": 3}, {"name": "d", "port": 4}, {"port": 1}], [2, 3, 4, 1], id="order-of-the-patch"),
    ],
)
def test_a_strategic_patch_merges_ports_by_number(api: Wire, ports: list[dict[str, Any]], order: list[int]) -> None:
    """With the directives, and the order that comes of it."""
    api.made("services", service("a", ports=PORTS))
    assert numbers(api.strategic("services/a", {"spec": {"ports": ports}})) == order


def test_a_strategic_patch_lays_a_list_out_in_the_order_it_names(api: Wire) -> None:
    """As kubectl apply sends it."""
    api.made("services", service("a", ports=PORTS))
    spec = {"$setElementOrder/ports": [{"port": 3}, {"port": 1}, {"port": 2}], "ports": [{"port": 1, "targetPort": 9}]}
    assert numbers(api.strategic("services/a", {"spec": spec})) == [3, 1, 2]


def test_a_strategic_patch_without_a_merge_key_is_refused(api: Wire) -> None:
    """Nobody can tell which port is meant."""
    api.made("services", service("a"))
    refused = api.strategic("services/a", {"spec": {"ports": [{"name": "x"}]}})
    message = "map: map[name:x] does not contain declared merge key: port"
    assert refused.refusal == (500, "", message)


def test_finalizers_are_a_set(api: Wire) -> None:
    """Merged, and taken out one by one."""
    api.made("configmaps", config_map("a", {"finalizers": ["example.com/x"]}))
    both = api.strategic("configmaps/a", {"metadata": {"finalizers": ["example.com/y", "example.com/x"]}})
    assert both.body["metadata"]["finalizers"] == ["example.com/y", "example.com/x"]
    one = api.strategic("configmaps/a", {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/x"]}})
    assert one.body["metadata"]["finalizers"] == ["example.com/y"]
    api.merge("configmaps/a", {"metadata": {"finalizers": None}})


def test_owners_merge_by_uid(api: Wire) -> None:
    """As garbage collection counts on."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o"}
    api.made("configmaps", config_map("a", {"ownerReferences": [{**owner, "uid": "1"}]}))
    body = {"metadata": {"ownerReferences": [{**owner, "uid": "2"}, {"uid": "1", "name": "new"}]}}
    owners = api.strategic("configmaps/a", body).body["metadata"]["ownerReferences"]
    assert [(one["uid"], one["name"]) for one in owners] == [("2", "o"), ("1", "new")]


def test_directives_replace_and_delete_a_map(api: Wire) -> None:
    """`$patch`."""
    api.made("configmaps", config_map("a", k="v"))
    assert api.strategic("configmaps/a", {"data": {"$patch": "replace", "x": "y"}}).body["data"] == {"x": "y"}
    assert "data" not in api.strategic("configmaps/a", {"data": {"$patch": "delete"}}).body


def test_retained_keys_are_all_that_stays(api: Wire) -> None:
    """`$retainKeys`, with which kubectl changes one of a union."""
    api.made("configmaps", config_map("a", k="v", l="w"))
    patched = api.strategic("configmaps/a", {"data": {"$retainKeys": ["k", "n"], "n": "x"}})
    assert patched.body["data"] == {"k": "v", "n": "x"}


def test_a_json_patch_does_its_steps(api: Wire) -> None:
    """RFC 6902."""
    api.made("configmaps", config_map("a", k="v", l="w"))
    steps = [
        {"op": "test", "path": "/data/k", "value": "v"},
        {"op": "replace", "path": "/data/k", "value": "new"},
        {"op": "remove", "path": "/data/l"},
        {"op": "add", "path": "/metadata/labels", "value": {"a~b": "c"}},
        {"op": "copy", "from": "/data/k", "path": "/data/c"},
        {"op": "move", "from": "/data/c", "path": "/data/m"},
    ]
    refused = api.steps("configmaps/a", steps)
    assert refused.causes == {("metadata.labels", "FieldValueInvalid")}
    steps[3] = {"op": "add", "path": "/metadata/labels", "value": {"a": "c"}}
    patched = api.steps("configmaps/a", steps).body
    assert (patched["data"], patched["metadata"]["labels"]) == ({"k": "new", "m": "new"}, {"a": "c"})


@pytest.mark.parametrize(
    "step",
    [
        pytest.param({"op": "test", "path": "/data/k", "value": "x"}, id="test-fails"),
        pytest.param({"op": "remove", "path": "/data/nothing"}, id="remove-nothing"),
        pytest.param({"op": "replace", "path": "/data/a/b", "value": 1}, id="replace-nothing"),
        pytest.param({"op": "frobnicate", "path": "/data"}, id="unknown"),
    ],
)
def test_a_json_patch_that_cannot_be_done_changes_nothing(api: Wire, step: dict[str, Any]) -> None:
    """422, in words that say little."""
    old = api.made("configmaps", config_map("a", k="v"))
    refused = api.steps("configmaps/a", [{"op": "add", "path": "/data/x", "value": "y"}, step])
    assert refused.refusal == (422, "Invalid", "the server rejected our request due to an error in our request")
    assert api.get("configmaps/a").body == old


@pytest.mark.parametrize("kind", [MERGE_PATCH, STRATEGIC_PATCH])
def test_a_patch_with_an_old_version_conflicts(api: Wire, kind: str) -> None:
    """Also one that would change nothing: rule 2 of the protocol rests on it."""
    old = api.made("services", service("a", "LoadBalancer"))["metadata"]
    body = {"metadata": {"uid": old["uid"], "resourceVersion": old["resourceVersion"]}, **ingress("192.0.2.200")}
    assert api.ask("PATCH", "services/a/status", body, kind=kind).status == 200
    again = api.ask("PATCH", "services/a/status", body, kind=kind)
    assert again.refusal == (409, "Conflict", f'Operation cannot be fulfilled on services "a": {CHANGED}')


@pytest.mark.parametrize("kind", [MERGE_PATCH, STRATEGIC_PATCH])
def test_a_patch_with_another_uid_is_invalid(api: Wire, kind: str) -> None:
    """422, unless the version is old too: then 409."""
    old = api.made("services", service("a", "LoadBalancer"))["metadata"]
    body = {"metadata": {"uid": "another", "resourceVersion": old["resourceVersion"]}, **ingress("192.0.2.200")}
    refused = api.ask("PATCH", "services/a/status", body, kind=kind)
    message = 'Service "a" is invalid: metadata.uid: Invalid value: "another": field is immutable'
    assert refused.refusal == (422, "Invalid", message)
    body["metadata"]["resourceVersion"] = "1"
    assert api.ask("PATCH", "services/a/status", body, kind=kind).refusal[:2] == (409, "Conflict")


def test_what_the_server_writes_cannot_be_patched(api: Wire) -> None:
    """Creation time and uid come back as they were; a name is refused."""
    old = api.made("configmaps", config_map("a"))
    same = api.merge("configmaps/a", {"metadata": {"uid": None, "creationTimestamp": "2020-01-01T00:00:00Z"}})
    assert same.body == old
    renamed = api.merge("configmaps/a", {"metadata": {"name": "b"}})
    assert renamed.refusal[2] == "the name of the object (b) does not match the name on the URL (a)"


def test_an_unknown_field_earns_a_warning_or_is_refused(api: Wire) -> None:
    """As the client asks (fieldValidation)."""
    api.made("services", service("a"))
    warned = api.merge("services/a", {"spec": {"nope": 1}})
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.nope\\""'
    refused = api.merge("services/a", {"spec": {"nope": 1}}, fieldValidation="Strict")
    assert refused.body["message"].endswith('strict decoding error: unknown field "spec.nope"')
    quiet = api.merge("services/a", {"spec": {"nope": 1}}, fieldValidation="Ignore")
    assert (refused.status, quiet.status, "Warning" in quiet.headers) == (422, 200, False)


def test_a_field_of_the_wrong_type_is_refused(api: Wire) -> None:
    """422, in the words of the decoder."""
    api.made("services", service("a"))
    number = api.merge("services/a", {"spec": {"ports": [{"port": "x"}]}})
    whole = api.merge("services/a", {"spec": "x"})
    words = "json: cannot unmarshal string into Go struct field"
    assert number.body["message"].endswith(f"{words} ServicePort.spec.ports.port of type int32")
    assert whole.body["message"].endswith(f"{words} Service.spec of type v1.ServiceSpec")
    assert number.causes == whole.causes == {("patch", "FieldValueInvalid")}


@pytest.mark.parametrize(
    ("kind", "body", "code", "message"),
    [
        pytest.param(MERGE_PATCH, b"garbage", 400, "error decoding patch: invalid character 'g' looking", id="merge"),
        pytest.param(STRATEGIC_PATCH, b"garbage", 400, "invalid character 'g' looking", id="strategic"),
        pytest.param(JSON_PATCH, b"garbage", 400, "error decoding patch: invalid character 'g' looking", id="json"),
        pytest.param(STRATEGIC_PATCH, b"[1]", 400, "json: cannot unmarshal array into Go value of type map", id="list"),
        pytest.param(JSON_PATCH, b"{}", 400, "error decoding patch: json: cannot unmarshal object into", id="object"),
        pytest.param("application/json", b"{}", 415, "415: Unsupported Media Type", id="no-patch"),
    ],
)
def test_what_is_no_patch_is_refused(api: Wire, kind: str, body: bytes, code: int, message: str) -> None:
    """400 for what cannot be read, 415 for what nobody knows."""
    api.made("services", service("a"))
    refused = api.ask("PATCH", "services/a", body, kind=kind)
    assert refused.status == code
    assert refused.body["message"].startswith(message)
