"""Lists: selectors, versions and pages."""

from __future__ import annotations

import pytest

from tests.contract.wire import Wire, config_map, service


def names(api: Wire, path: str, **params: str) -> list[str]:
    """The names of a list."""
    return [item["metadata"]["name"] for item in api.get(path, **params).body["items"]]


def test_a_list_is_in_the_order_of_names_and_has_a_version(api: Wire) -> None:
    """Its items leave out what the list says."""
    for name in ("b", "a"):
        made = api.made("configmaps", config_map(name))
    found = api.get("configmaps")
    assert (found.body["kind"], found.body["apiVersion"]) == ("ConfigMapList", "v1")
    assert [item["metadata"]["name"] for item in found.body["items"]] == ["a", "b"]
    assert int(found.version) >= int(made["metadata"]["resourceVersion"])
    assert "kind" not in found.body["items"][0]


def test_a_list_of_all_namespaces_holds_each(api: Wire) -> None:
    """Where pending Services hide."""
    api.made("services", service("a"))
    found = {(i["metadata"]["namespace"], i["metadata"]["name"]) for i in api.get("/api/v1/services").body["items"]}
    assert {(api.space, "a"), ("default", "kubernetes")} <= found


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        pytest.param("color=red", ["a", "c"], id="equals"),
        pytest.param("color==red,size=big", ["a"], id="both"),
        pytest.param("color!=red", ["b", "d"], id="differs-or-lacks"),
        pytest.param("color in (red, blue)", ["a", "b", "c"], id="in"),
        pytest.param("color notin (red)", ["b", "d"], id="notin"),
        pytest.param("size", ["a"], id="has"),
        pytest.param("!color", ["d"], id="lacks"),
        pytest.param("color in (red),!size", ["c"], id="mixed"),
        pytest.param("color=", [], id="empty-value"),
    ],
)
def test_a_label_selector(api: Wire, selector: str, found: list[str]) -> None:
    """By equality and by sets."""
    labels: dict[str, dict[str, str]] = {
        "a": {"color": "red", "size": "big"},
        "b": {"color": "blue"},
        "c": {"color": "red"},
        "d": {},
    }
    for name, own in labels.items():
        api.made("configmaps", config_map(name, {"labels": own}))
    assert names(api, "configmaps", labelSelector=selector) == found


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        pytest.param("metadata.name=a", ["a"], id="name"),
        pytest.param("metadata.name!=a", ["b", "c"], id="another-name"),
        pytest.param("spec.type=LoadBalancer", ["b", "c"], id="type"),
        pytest.param("spec.type=LoadBalancer,metadata.name=c", ["c"], id="both"),
        pytest.param("spec.clusterIP=None", ["a"], id="headless"),
        pytest.param("metadata.namespace=elsewhere", [], id="namespace"),
    ],
)
def test_a_field_selector_of_services(api: Wire, selector: str, found: list[str]) -> None:
    """By name, namespace, type and address."""
    api.made("services", service("a", clusterIP="None"))
    for name in ("b", "c"):
        api.made("services", service(name, "LoadBalancer"))
    assert names(api, "services", fieldSelector=selector) == found


def test_a_field_selector_of_events(api: Wire) -> None:
    """By what they are about, their reason and type."""
    for name, about in (("a", "web"), ("b", "db")):
        target = {"kind": "Service", "name": about, "namespace": api.space}
        body = {"metadata": {"name": name}, "involvedObject": target, "reason": "R", "type": "Normal"}
        api.made("events", body)
    assert names(api, "events", fieldSelector="involvedObject.name=web,involvedObject.kind=Service") == ["a"]
    assert names(api, "events", fieldSelector="reason=R,type=Warning") == []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param({"fieldSelector": "spec.nope=x"}, "field label not supported: spec.nope", id="field"),
        pytest.param({"fieldSelector": "x"}, "invalid selector: 'x'; can't understand 'x'", id="no-field"),
        pytest.param(
            {"labelSelector": "a b"},
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            id="label",
        ),
        pytest.param(
            {"labelSelector": "a in (b"}, "unable to parse requirement: found '', expected: ',' or ')'", id="open"
        ),
        pytest.param({"labelSelector": "a in b"}, "unable to parse requirement: found 'b' expected: '('", id="no-set"),
        pytest.param({"limit": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax', id="limit"),
        pytest.param(
            {"resourceVersion": "x"},
            'invalid resource version: resourceVersion: Invalid value: "x": '
            'strconv.ParseUint: parsing "x": invalid syntax',
            id="version",
        ),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(api: Wire, params: dict[str, str], message: str) -> None:
    """400, in these words."""
    assert api.get("services", **params).refusal == (400, "BadRequest", message)
