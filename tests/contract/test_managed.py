"""managedFields: who wrote a field last, by which lbctl knows an address it wrote when the ledger is lost."""

from __future__ import annotations

from typing import Any

from tests.contract.wire import Wire, config_map, ingress, service


def entries(item: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """What each manager has, by its name and subresource."""
    return {(e["manager"], e.get("subresource", "")): e["fieldsV1"] for e in item["metadata"].get("managedFields", ())}


def test_a_new_object_is_its_makers(api: Wire) -> None:
    """What was written and defaulted, not what was allocated."""
    made = api.made("services", service("a", "LoadBalancer", {"labels": {"x": "y"}}))
    entry = made["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("contract", "Update", "v1")
    assert (entry["fieldsType"], "subresource" in entry) == ("FieldsV1", False)
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:labels": {".": {}, "f:x": {}}},
        "f:spec": {
            "f:allocateLoadBalancerNodePorts": {},
            "f:externalTrafficPolicy": {},
            "f:internalTrafficPolicy": {},
            "f:ports": {
                ".": {},
                'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}},
            },
            "f:sessionAffinity": {},
            "f:type": {},
        },
    }


def test_a_manager_is_who_says_so_or_the_user_agent(api: Wire) -> None:
    """Up to its first slash."""
    api.post("configmaps", config_map("a", k="v"), fieldManager="somebody")
    api.ask("POST", "configmaps", config_map("b", k="v"), agent="tool/1.2 (linux)")
    assert set(entries(api.get("configmaps/a").body)) == {("somebody", "")}
    assert set(entries(api.get("configmaps/b").body)) == {("tool", "")}


def test_the_status_has_a_manager_of_its_own(api: Wire) -> None:
    """Under the subresource."""
    api.made("services", service("a", "LoadBalancer"))
    shown = api.strategic("services/a/status", ingress("192.0.2.1"), fieldManager="lbctl").body
    assert entries(shown)["lbctl", "status"] == {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}


def test_conditions_are_told_apart_by_type(api: Wire) -> None:
    """Two controllers, two conditions."""
    api.made("services", service("a", "LoadBalancer"))
    for who in ("one", "two"):
        condition = {
            "type": f"x/{who}",
            "status": "True",
            "reason": "R",
            "message": "",
            "lastTransitionTime": "2024-01-01T00:00:00Z",
        }
        shown = api.strategic("services/a/status", {"status": {"conditions": [condition]}}, fieldManager=who).body
    second = entries(shown)["two", "status"]["f:status"]["f:conditions"]
    assert list(second) == ['k:{"type":"x/two"}']
    assert 'k:{"type":"x/one"}' in entries(shown)["one", "status"]["f:status"]["f:conditions"]


def test_a_field_goes_over_to_who_writes_it_last(api: Wire) -> None:
    """And who has nothing left is gone."""
    api.made("services", service("a", "LoadBalancer"))
    api.strategic("services/a/status", ingress("192.0.2.1"), fieldManager="first")
    after = api.strategic("services/a/status", ingress("192.0.2.2"), fieldManager="second").body
    assert {name for name, sub in entries(after) if sub == "status"} == {"second"}


def test_writing_what_stands_there_takes_nothing_over(api: Wire) -> None:
    """Such a write is none."""
    api.made("services", service("a", "LoadBalancer"))
    first = api.strategic("services/a/status", ingress("192.0.2.1"), fieldManager="first").body
    again = api.strategic("services/a/status", ingress("192.0.2.1"), fieldManager="second").body
    assert again == first


def test_a_field_that_goes_has_no_manager(api: Wire) -> None:
    """Whoever takes it away."""
    api.post("configmaps", config_map("a", k="v", l="w"), fieldManager="first")
    after = api.merge("configmaps/a", {"data": {"l": None}}, fieldManager="second").body
    assert entries(after) == {("first", ""): {"f:data": {".": {}, "f:k": {}}}}
