"""What every object goes through: made, read, replaced, deleted; names, versions, uids, finalizers, namespaces."""

from __future__ import annotations

import re
import time

import pytest

from tests.contract.conftest import REAL
from tests.contract.wire import MERGE_PATCH, Wire, config_map, service
from tests.testbed.driver import Bed

CHANGED = "the object has been modified; please apply your changes to the latest version and try again"


def test_a_new_object_has_uid_version_and_creation_time(api: Wire) -> None:
    """And the namespace of the path."""
    meta = api.made("configmaps", config_map("a", k="v"))["metadata"]
    assert re.fullmatch(r"[0-9a-f-]{36}", meta["uid"])
    assert meta["resourceVersion"].isdecimal()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", meta["creationTimestamp"])
    assert meta["namespace"] == api.space


def test_what_was_made_is_what_is_read(api: Wire) -> None:
    """The answer to a create is the object as it is kept."""
    assert api.get("configmaps/a").status == 404
    made = api.made("configmaps", config_map("a", k="v", empty=""))
    assert api.get("configmaps/a").body == made
    assert made["data"] == {"k": "v", "empty": ""}


def test_kind_and_version_of_a_body_may_be_left_out(api: Wire) -> None:
    """The path says them."""
    made = api.made("configmaps", {"metadata": {"name": "a"}})
    assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")


def test_a_name_is_generated_from_a_prefix(api: Wire) -> None:
    """Five letters that spell no word."""
    names = [api.made("configmaps", {"metadata": {"generateName": "a-"}})["metadata"]["name"] for _ in range(3)]
    assert all(re.fullmatch("a-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)
    assert len(set(names)) == 3


def test_a_name_is_there_once(api: Wire) -> None:
    """409 AlreadyExists."""
    api.made("services", service("a"))
    again = api.post("services", service("a"))
    assert again.refusal == (409, "AlreadyExists", 'services "a" already exists')
    assert again.body["details"] == {"name": "a", "kind": "services"}


def test_a_version_cannot_be_given_to_a_new_object(api: Wire) -> None:
    """The real one finds that its own fault."""
    refused = api.post("configmaps", config_map("a", {"resourceVersion": "5"}))
    assert refused.refusal == (500, "", "resourceVersion should not be set on objects to be created")


def test_a_uid_given_to_a_new_object_is_replaced(api: Wire) -> None:
    """The server alone gives uids."""
    assert len(api.made("configmaps", config_map("a", {"uid": "mine"}))["metadata"]["uid"]) == 36


def test_versions_grow_over_all_resources(api: Wire) -> None:
    """One count for all of them."""
    first = int(api.made("configmaps", config_map("a"))["metadata"]["resourceVersion"])
    second = int(api.made("services", service("a"))["metadata"]["resourceVersion"])
    assert second > first


def test_a_replace_keeps_uid_and_creation_time(api: Wire) -> None:
    """A body that leaves them out does not take them away."""
    old = api.made("configmaps", config_map("a", k="v"))
    new = api.put("configmaps/a", config_map("a", k="w"))
    assert new.status == 200
    kept = ("uid", "creationTimestamp", "namespace")
    assert [new.body["metadata"][name] for name in kept] == [old["metadata"][name] for name in kept]
    assert int(new.version) > int(old["metadata"]["resourceVersion"])


def test_a_replace_with_the_version_that_was_read_succeeds_once(api: Wire) -> None:
    """Compare and swap, on which the claims rest."""
    old = api.made("configmaps", config_map("a", k="v"))
    assert api.put("configmaps/a", {**old, "data": {"k": "w"}}).status == 200
    lost = api.put("configmaps/a", {**old, "data": {"k": "x"}})
    assert lost.refusal == (409, "Conflict", f'Operation cannot be fulfilled on configmaps "a": {CHANGED}')
    assert lost.body["details"] == {"name": "a", "kind": "configmaps"}
    assert api.get("configmaps/a").body["data"] == {"k": "w"}


def test_a_replace_of_another_uid_conflicts(api: Wire) -> None:
    """The object was deleted and made again in between."""
    api.made("configmaps", config_map("a"))
    refused = api.put("configmaps/a", config_map("a", {"uid": "another"}))
    assert refused.refusal[:2] == (409, "Conflict")
    assert "Precondition failed: UID in precondition: another, UID in object meta: " in refusal_text(refused.body)


def refusal_text(body: dict[str, object]) -> str:
    """The message of a Status."""
    return str(body["message"])


def test_a_replace_that_changes_nothing_keeps_the_version(api: Wire) -> None:
    """Such a write swaps nothing (DESIGN 5)."""
    old = api.made("configmaps", config_map("a", k="v"))
    new = api.put("configmaps/a", {**old, "metadata": {"name": "a"}})
    assert (new.status, new.version) == (200, old["metadata"]["resourceVersion"])
    assert new.body == old


def test_a_replace_makes_a_service_but_no_config_map(api: Wire) -> None:
    """Some resources can be made so."""
    assert api.put("services/a", service("a")).status == 201
    assert api.put("configmaps/a", config_map("a")).refusal == (404, "NotFound", 'configmaps "a" not found')


def test_a_replace_needs_the_name_of_its_path(api: Wire) -> None:
    """Another name, or none, is a bad request."""
    api.made("configmaps", config_map("a"))
    other = api.put("configmaps/a", config_map("b"))
    none = api.put("configmaps/a", {"data": {}})
    assert other.refusal[2] == "the name of the object (b) does not match the name on the URL (a)"
    assert none.refusal[2] == "the name of the object (a based on URL) was undeterminable: name must be provided"
    assert other.status == none.status == 400


def test_a_body_of_another_namespace_is_refused(api: Wire) -> None:
    """The path decides."""
    refused = api.post("configmaps", config_map("a", {"namespace": "default"}))
    message = "the namespace of the provided object does not match the namespace sent on the request"
    assert refused.refusal == (400, "BadRequest", message)


@pytest.mark.parametrize("resource", ["services", "configmaps"])
def test_a_delete_answers_with_what_is_gone(api: Wire, resource: str) -> None:
    """A Service comes back whole, a ConfigMap as a Status."""
    old = api.made(resource, service("a") if resource == "services" else config_map("a"))
    gone = api.delete(f"{resource}/a")
    uid = old["metadata"]["uid"]
    if resource == "services":
        assert (gone.status, gone.body["kind"], gone.body["metadata"]["uid"]) == (200, "Service", uid)
    else:
        assert gone.body["status"] == "Success"
        assert gone.body["details"] == {"name": "a", "kind": "configmaps", "uid": uid}
    assert api.delete(f"{resource}/a").refusal == (404, "NotFound", f'{resource} "a" not found')


def test_a_delete_of_another_uid_or_version_conflicts(api: Wire) -> None:
    """Preconditions of DeleteOptions."""
    old = api.made("services", service("a"))["metadata"]
    by_uid = api.delete("services/a", {"preconditions": {"uid": "another"}})
    by_version = api.delete("services/a", {"preconditions": {"resourceVersion": "1"}})
    assert by_uid.refusal[:2] == by_version.refusal[:2] == (409, "Conflict")
    assert f"the UID in the precondition (another) does not match the UID in record ({old['uid']})" in by_uid.text
    assert "the ResourceVersion in the precondition (1) does not match" in by_version.text
    exact = {"uid": old["uid"], "resourceVersion": old["resourceVersion"]}
    assert api.delete("services/a", {"preconditions": exact}).status == 200


def test_an_object_with_a_finalizer_stays_until_it_is_taken_off(api: Wire) -> None:
    """It says that it is being deleted, and takes no new finalizers."""
    api.made("services", service("a", meta={"finalizers": ["example.com/x"]}))
    marked = api.delete("services/a")
    meta = marked.body["metadata"]
    assert marked.status == 200
    assert (meta["deletionGracePeriodSeconds"], meta["finalizers"]) == (0, ["example.com/x"])
    assert api.get("services/a").body == marked.body
    more = api.merge("services/a", {"metadata": {"finalizers": ["example.com/x", "example.com/y"]}})
    assert more.causes == {("metadata.finalizers", "FieldValueForbidden")}
    freed = api.merge("services/a", {"metadata": {"finalizers": None}})
    assert (freed.status, freed.body["metadata"]["uid"]) == (200, meta["uid"])
    assert api.get("services/a").status == 404


def test_a_second_delete_of_a_finalized_object_changes_nothing(api: Wire) -> None:
    """It is being deleted already."""
    api.made("configmaps", config_map("a", {"finalizers": ["example.com/x"]}))
    first, second = api.delete("configmaps/a"), api.delete("configmaps/a")
    assert first.body == second.body
    api.merge("configmaps/a", {"metadata": {"finalizers": None}})


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        pytest.param("services", service("A_b"), "metadata.name", id="service-name"),
        pytest.param("configmaps", config_map("a_b"), "metadata.name", id="configmap-name"),
        pytest.param("configmaps", {"metadata": {}}, "metadata.name", id="no-name"),
        pytest.param("configmaps", config_map("a", {"labels": {"a b": "c"}}), "metadata.labels", id="label-key"),
        pytest.param("configmaps", config_map("a", {"labels": {"a": "b c"}}), "metadata.labels", id="label-value"),
        pytest.param(
            "configmaps", config_map("a", {"annotations": {"a b": ""}}), "metadata.annotations", id="annotation"
        ),
        pytest.param("configmaps", config_map("a", {"finalizers": ["x"]}), "metadata.finalizers[0]", id="finalizer"),
        pytest.param("configmaps", {"metadata": {"name": "a"}, "data": {"a b": ""}}, "data[a b]", id="data-key"),
        pytest.param("/api/v1/namespaces", {"metadata": {"name": "a.b"}}, "metadata.name", id="namespace-name"),
    ],
)
def test_what_is_no_name_is_said(api: Wire, path: str, body: dict[str, object], field: str) -> None:
    """422, with the field."""
    refused = api.post(path, body)
    assert refused.refusal[:2] == (422, "Invalid")
    assert {name for name, _ in refused.causes} == {field}


def test_the_words_for_a_bad_name(api: Wire) -> None:
    """As users know them."""
    refused = api.post("services", service("A_b"))
    assert refused.body["message"].startswith(
        'Service "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 label must consist of'
    )
    assert refused.body["details"]["kind"] == "Service"


def test_a_service_name_may_begin_with_a_digit(api: Wire) -> None:
    """As it may since 1.36 (KEP-5311)."""
    assert api.post("services", service("1a")).status == 201


def test_nothing_is_made_in_a_namespace_that_is_not_there(api: Wire) -> None:
    """404 for the namespace; a list of it is empty."""
    refused = api.post("/api/v1/namespaces/nowhere/configmaps", config_map("a"))
    assert refused.refusal == (404, "NotFound", 'namespaces "nowhere" not found')
    assert api.get("/api/v1/namespaces/nowhere/configmaps").body["items"] == []


def test_a_namespace_is_labelled_with_its_name_and_active(api: Wire) -> None:
    """As selectors count on."""
    found = api.get(f"/api/v1/namespaces/{api.space}").body
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": api.space}
    assert (found["spec"], found["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})


def test_the_namespace_default_may_not_be_deleted(api: Wire) -> None:
    """403."""
    refused = api.delete("/api/v1/namespaces/default")
    assert refused.refusal == (403, "Forbidden", 'namespaces "default" is forbidden: this namespace may not be deleted')


def test_a_terminating_namespace_takes_nothing_new_and_goes_with_its_last_object(
    api: Wire, request: pytest.FixtureRequest
) -> None:
    """403 with the cause that lbctl looks for; what stands in it can still be changed."""
    api.made("configmaps", config_map("held", {"finalizers": ["example.com/x"]}))
    api.made("configmaps", config_map("free"))
    place = f"/api/v1/namespaces/{api.space}"
    gone = api.delete(place)
    assert (gone.status, gone.body["status"]["phase"]) == (200, "Terminating")
    refused = api.post("configmaps", config_map("new"))
    why = f"unable to create new content in namespace {api.space} because it is being terminated"
    assert refused.refusal == (403, "Forbidden", f'configmaps "new" is forbidden: {why}')
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert api.merge("configmaps/held", {"data": {"k": "v"}}).status == 200
    bed: Bed | None = request.getfixturevalue("_bed") if api.name == REAL else None
    if bed:
        bed.controllers.start()
    try:
        wait_for_404(api, "configmaps/free")
        assert api.get(place).status == 200
        api.ask("PATCH", "configmaps/held", {"metadata": {"finalizers": None}}, kind=MERGE_PATCH)
        wait_for_404(api, place)
    finally:
        if bed:
            bed.controllers.stop()


def wait_for_404(api: Wire, path: str) -> None:
    """Until the object is gone; in a cluster a controller has to come by."""
    ends = time.monotonic() + 60
    while api.get(path).status != 404:
        assert time.monotonic() < ends, f"{path} is still there"
        time.sleep(0.1)  # because another process does it


def test_deleting_a_collection_takes_what_the_selector_means(api: Wire) -> None:
    """The rest stays."""
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        api.made("configmaps", config_map(name, {"labels": {"color": color}}))
    gone = api.ask("DELETE", "configmaps", params={"labelSelector": "color=red"})
    assert [item["metadata"]["name"] for item in gone.body["items"]] == ["a", "c"]
    assert [item["metadata"]["name"] for item in api.get("configmaps").body["items"]] == ["b"]


def test_a_dry_run_changes_nothing(api: Wire) -> None:
    """It answers as if it had."""
    tried = api.post("services", service("a", "LoadBalancer"), dryRun="All")
    assert (tried.status, "resourceVersion" in tried.body["metadata"]) == (201, False)
    assert api.get("services/a").status == 404


def test_an_immutable_config_map_stays_as_it_is(api: Wire) -> None:
    """422 for its data."""
    api.made("configmaps", {**config_map("a", k="v"), "immutable": True})
    refused = api.merge("configmaps/a", {"data": {"k": "w"}})
    assert refused.causes == {("data", "FieldValueForbidden")}
    assert api.merge("configmaps/a", {"metadata": {"labels": {"x": "y"}}}).status == 200
