"""Leases: what holders write, to the microsecond, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.test_tables import cells, table
from tests.contract.wire import Wire

HELD: dict[str, Any] = {
    "holderIdentity": "a_1",
    "leaseDurationSeconds": 15,
    "acquireTime": "2024-01-01T00:00:00.123456Z",
    "renewTime": "2024-01-01T00:00:05.000000Z",
    "leaseTransitions": 0,
}
TERM, TRANSITIONS = "spec.leaseDurationSeconds", "spec.leaseTransitions"


def lease(name: str, **spec: Any) -> dict[str, Any]:
    """A Lease."""
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}


def test_a_lease_is_kept_as_it_is_written(api: Wire) -> None:
    """Every field, under its group's version; its writer manages it."""
    made = api.made("leases", lease("a", **HELD))
    assert (made["kind"], made["apiVersion"], made["spec"]) == ("Lease", "coordination.k8s.io/v1", HELD)
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["apiVersion"], set(entry["fieldsV1"]["f:spec"])) == (
        "coordination.k8s.io/v1",
        {f"f:{name}" for name in HELD},
    )
    assert api.get("leases/a").body == made
    found = api.get("leases").body
    assert (found["kind"], found["apiVersion"]) == ("LeaseList", "coordination.k8s.io/v1")
    assert "kind" not in found["items"][0]


def test_an_empty_lease(api: Wire) -> None:
    """Nothing is defaulted; an empty holder stays, as who lets go writes it; what is off goes."""
    assert api.made("leases", {"metadata": {"name": "a"}})["spec"] == {}
    spec = {"holderIdentity": "", "renewTime": None, "strategy": "x", "preferredHolder": "y"}
    assert api.made("leases", lease("b", **spec))["spec"] == {"holderIdentity": ""}


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        pytest.param({"leaseDurationSeconds": 0}, {TERM: "Invalid value: 0: must be greater than 0"}, id="no-term"),
        pytest.param(
            {"leaseDurationSeconds": -1, "leaseTransitions": -1},
            {
                TERM: "Invalid value: -1: must be greater than 0",
                TRANSITIONS: "Invalid value: -1: must be greater than or equal to 0",
            },
            id="below",
        ),
    ],
)
def test_a_lease_that_cannot_be(api: Wire, spec: dict[str, Any], wrong: dict[str, str]) -> None:
    """422, of a create and of a patch, with the group in its details."""
    api.made("leases", lease("b"))
    for name, refused in (("a", api.post("leases", lease("a", **spec))), ("b", api.merge("leases/b", {"spec": spec}))):
        assert refused.status == 422
        assert refused.body["message"].startswith(f'Lease.coordination.k8s.io "{name}" is invalid: ')
        details = refused.body["details"]
        assert (details["name"], details["group"], details["kind"]) == (name, "coordination.k8s.io", "Lease")
        assert {cause["field"]: cause["message"] for cause in details["causes"]} == wrong


LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
UNREAD = f' as "{LAYOUT}": cannot parse '


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("2024-01-01T00:00:00Z", f'parsing time "2024-01-01T00:00:00Z"{UNREAD}"Z" as ".000000"'),
        ("2024-01-01T00:00:00.123Z", f'parsing time "2024-01-01T00:00:00.123Z"{UNREAD}".123Z" as ".000000"'),
        ("2024-01-01T00:00:00.1234567Z", f'parsing time "2024-01-01T00:00:00.1234567Z"{UNREAD}"7Z" as "Z07:00"'),
        ("2024-01-01T00:00:00.123456", f'parsing time "2024-01-01T00:00:00.123456"{UNREAD}"" as "Z07:00"'),
        ("2024-01-01T00:00:00.123456Zx", 'parsing time "2024-01-01T00:00:00.123456Zx": extra text: "x"'),
        ("2024-01-01T25:00:00.000000Z", 'parsing time "2024-01-01T25:00:00.000000Z": hour out of range'),
        ("2024-13-01T00:00:00.000000Z", 'parsing time "2024-13-01T00:00:00.000000Z": month out of range'),
        ("2024-02-30T00:00:00.000000Z", 'parsing time "2024-02-30T00:00:00.000000Z": day out of range'),
        ("x", f'parsing time "x"{UNREAD}"x" as "2006"'),
        ("", f'parsing time ""{UNREAD}"" as "2006"'),
        (7, "json: cannot unmarshal number into Go struct field LeaseSpec.spec.renewTime of type string"),
    ],
)
def test_a_time_has_six_digits_of_a_second(api: Wire, value: object, wrong: str) -> None:
    """400, in the words of its parser."""
    refused = api.post("leases", lease("a", renewTime=value))
    message = f'Lease in version "v1" cannot be handled as a Lease: {wrong}'
    assert refused.refusal == (400, "BadRequest", message)


def test_a_time_is_kept_in_utc(api: Wire) -> None:
    """Whatever zone it came in."""
    made = api.made("leases", lease("a", renewTime="2024-01-01T01:30:00.000001+01:30"))
    assert made["spec"]["renewTime"] == "2024-01-01T00:00:00.000001Z"


def test_a_time_that_a_patch_cannot_have(api: Wire) -> None:
    """422; a strategic patch is shown as it is, another with what it makes."""
    api.made("leases", lease("a"))
    body = {"spec": {"renewTime": "x"}}
    why = f'parsing time "x"{UNREAD}"x" as "2006"'
    refused = api.strategic("leases/a", body)
    whole = f' "" is invalid: patch: Invalid value: "map[spec:map[renewTime:x]]": {why}'
    assert refused.refusal == (422, "Invalid", whole)
    refused = api.merge("leases/a", body)
    assert refused.status == 422
    assert refused.body["message"].endswith(why)


def test_who_takes_over_says_from_which_version(api: Wire) -> None:
    """PUT is compare and swap and never without a version; of two that try, one is told 409."""
    made = api.made("leases", lease("a", **HELD))
    blind = api.put("leases/a", lease("a", holderIdentity="b"))
    field, why = "metadata.resourceVersion", "must be specified for an update"
    whole = f'leases.coordination.k8s.io "a" is invalid: {field}: Invalid value: 0: {why}'
    assert blind.refusal == (422, "Invalid", whole)
    mine = api.put("leases/a", {**made, "spec": {**HELD, "holderIdentity": "b", "leaseTransitions": 1}})
    assert (mine.status, mine.body["spec"]["holderIdentity"]) == (200, "b")
    late = api.put("leases/a", {**made, "spec": {**HELD, "holderIdentity": "c"}})
    assert late.refusal[:2] == (409, "Conflict")
    assert late.refusal[2].startswith('Operation cannot be fulfilled on leases.coordination.k8s.io "a": ')
    assert late.body["details"] == {"name": "a", "group": "coordination.k8s.io", "kind": "leases"}


def test_a_put_where_nothing_is_makes_it(api: Wire) -> None:
    """As it does for Services; twice by POST is 409."""
    assert api.put("leases/a", lease("a", holderIdentity="b")).status == 201
    refused = api.post("leases", lease("a"))
    assert refused.refusal == (409, "AlreadyExists", 'leases.coordination.k8s.io "a" already exists')


def test_patches_of_all_kinds(api: Wire) -> None:
    """JSON, merge and strategic, each with what the others left."""
    api.made("leases", lease("a", **HELD))
    api.steps("leases/a", [{"op": "replace", "path": "/spec/holderIdentity", "value": "b"}])
    api.merge("leases/a", {"spec": {"acquireTime": None}})
    spec = api.strategic("leases/a", {"spec": {"leaseTransitions": 1}}).body["spec"]
    assert spec == {
        "holderIdentity": "b",
        "leaseDurationSeconds": 15,
        "renewTime": "2024-01-01T00:00:05.000000Z",
        "leaseTransitions": 1,
    }


def test_the_end_of_a_lease(api: Wire) -> None:
    """A Status with its group; then 404, and no precondition of another's uid."""
    made = api.made("leases", lease("a"))
    refused = api.delete("leases/a", {"preconditions": {"uid": "another"}})
    assert refused.refusal[:2] == (409, "Conflict")
    assert refused.body["details"] == {"name": "a", "group": "coordination.k8s.io", "kind": "Lease"}
    gone = api.delete("leases/a").body
    uid = made["metadata"]["uid"]
    assert gone["details"] == {"name": "a", "group": "coordination.k8s.io", "kind": "leases", "uid": uid}
    missing = api.get("leases/a")
    assert missing.refusal == (404, "NotFound", 'leases.coordination.k8s.io "a" not found')
    assert missing.body["details"] == {"name": "a", "group": "coordination.k8s.io", "kind": "leases"}


def test_what_is_no_lease(api: Wire) -> None:
    """400: another kind, another version, another group."""
    prefix = " cannot be handled as a Lease: "
    scheme = 'in scheme "pkg/runtime/scheme.go:111"'
    for version, kind, why in (
        ("v1", "ConfigMap", f'ConfigMap in version "v1"{prefix}converting (v1.ConfigMap) to (coordination.Lease)'),
        (
            "coordination.k8s.io/v2",
            "Lease",
            f'Lease in version "v2"{prefix}no kind "Lease" is registered for version "coordination.k8s.io/v2" {scheme}',
        ),
        ("v1", "Lease", f'Lease in version "v1"{prefix}no kind "Lease" is registered for version "v1" {scheme}'),
    ):
        refused = api.post("leases", {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}})
        assert refused.refusal[:2] == (400, "BadRequest")
        assert refused.refusal[2].startswith(why)
    refused = api.post("configmaps", lease("a"))
    assert 'Lease in version "v1" cannot be handled as a ConfigMap: converting' in refused.refusal[2]


def test_selectors_and_watches_of_leases(api: Wire) -> None:
    """By label and by name; a field of the spec is none to select by."""
    version = api.get("leases").version
    for name, color in (("a", "red"), ("b", "blue")):
        api.made("leases", {**lease(name), "metadata": {"name": name, "labels": {"color": color}}})
    assert [i["metadata"]["name"] for i in api.get("leases", labelSelector="color=red").body["items"]] == ["a"]
    assert [i["metadata"]["name"] for i in api.get("leases", fieldSelector="metadata.name=b").body["items"]] == ["b"]
    known = 'only "metadata.name", "metadata.namespace"'
    refused = api.get("leases", fieldSelector="spec.holderIdentity=a")
    whole = f'"spec.holderIdentity" is not a known field selector: {known}'
    assert refused.refusal == (400, "BadRequest", whole)
    with api.watch("leases", resourceVersion=version, fieldSelector="metadata.name=b") as stream:
        api.merge("leases/b", {"spec": {"holderIdentity": "x"}})
        seen = [(kind, obj["kind"], obj["spec"]) for kind, obj in stream.take(2)]
    assert seen == [("ADDED", "Lease", {}), ("MODIFIED", "Lease", {"holderIdentity": "x"})]


def test_a_lease_in_a_table(api: Wire) -> None:
    """NAME HOLDER AGE."""
    api.made("leases", lease("a", holderIdentity="host_1"))
    assert [column["name"] for column in table(api, "leases")["columnDefinitions"]] == ["Name", "Holder", "Age"]
    assert cells(api, "leases/a") == ["a", "host_1", "AGE"]


def test_a_namespace_that_is_not_there(api: Wire) -> None:
    """404 for it, not for the Lease."""
    refused = api.post("/apis/coordination.k8s.io/v1/namespaces/nowhere/leases", lease("a"))
    assert refused.refusal == (404, "NotFound", 'namespaces "nowhere" not found')


@pytest.mark.parametrize(
    ("group", "resource", "kind"),
    [("coordination.k8s.io", "leases", "Lease"), ("discovery.k8s.io", "endpointslices", "EndpointSlice")],
)
def test_a_group_is_discovered(api: Wire, group: str, resource: str, kind: str) -> None:
    """By its name, its versions and its resources; what a group has not is a Status, an unknown group a bare page."""
    listed = {one["name"]: one for one in api.get("/apis").body["groups"]}
    version = {"groupVersion": f"{group}/v1", "version": "v1"}
    assert listed[group] == {"name": group, "versions": [version], "preferredVersion": version}
    assert api.get(f"/apis/{group}").body == {"kind": "APIGroup", "apiVersion": "v1", **listed[group]}
    found = api.get(f"/apis/{group}/v1").body
    row = next(row for row in found["resources"] if row["name"] == resource)
    row.pop("storageVersionHash", None)  # which says how etcd holds it
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    singular = kind.lower()
    assert row == {"name": resource, "singularName": singular, "namespaced": True, "kind": kind, "verbs": verbs}
    assert (found["kind"], found["groupVersion"]) == ("APIResourceList", f"{group}/v1")
    assert f"apis/{group}/v1" in api.get("/openapi/v3").body["paths"]
    schemas = api.get(f"/openapi/v3/apis/{group}/v1").body["components"]["schemas"]
    gvk = {"group": group, "version": "v1", "kind": kind}
    assert any(gvk in schema.get("x-kubernetes-group-version-kind", ()) for schema in schemas.values())
    missing = "the server could not find the requested resource"
    for path in (f"/apis/{group}/v2/{resource}", f"/apis/{group}/v1/nothing", f"/apis/{group}/v1/services"):
        assert api.get(path).refusal == (404, "NotFound", missing), path
    assert api.get("/apis/nothing.example/v1/x").text == "404 page not found\n"
