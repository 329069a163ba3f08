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


def test_pages_are_of_one_moment(api: Wire) -> None:
    """What is written in between does not show."""
    for name in ("a", "b", "c"):
        api.made("configmaps", config_map(name))
    first = api.get("configmaps", limit="2")
    assert [i["metadata"]["name"] for i in first.body["items"]] == ["a", "b"]
    assert first.body["metadata"]["remainingItemCount"] == 1
    api.made("configmaps", config_map("d"))
    api.delete("configmaps/c")
    last = api.get("configmaps", **{"limit": "2", "continue": first.body["metadata"]["continue"]})
    assert [i["metadata"]["name"] for i in last.body["items"]] == ["c"]
    assert last.version == first.version
    assert "continue" not in last.body["metadata"]


def test_a_page_of_a_selection_does_not_count_the_rest(api: Wire) -> None:
    """Nobody has counted it."""
    for name in ("a", "b"):
        api.made("configmaps", config_map(name, {"labels": {"x": "y"}}))
    page = api.get("configmaps", limit="1", labelSelector="x=y").body["metadata"]
    assert "continue" in page
    assert "remainingItemCount" not in page


def test_a_list_at_an_exact_version_is_of_then(api: Wire) -> None:
    """Before the later writes."""
    then = api.made("configmaps", config_map("a"))["metadata"]["resourceVersion"]
    api.made("configmaps", config_map("b"))
    found = api.get("configmaps", resourceVersion=then, resourceVersionMatch="Exact")
    assert ([i["metadata"]["name"] for i in found.body["items"]], found.version) == (["a"], then)


def test_a_list_not_older_than_a_version_is_of_now(api: Wire) -> None:
    """And from version 0 whatever is at hand."""
    version = api.made("configmaps", config_map("a"))["metadata"]["resourceVersion"]
    assert names(api, "configmaps", resourceVersion=version) == ["a"]
    assert api.get("configmaps", resourceVersion="0").status == 200


def test_a_list_of_the_future_times_out(api: Wire) -> None:
    """As after a restore from a backup: what tells a reflector to begin anew."""
    refused = api.get("configmaps", resourceVersion="999999999")
    assert refused.refusal[:2] == (504, "Timeout")
    assert refused.body["message"].startswith("Timeout: Too large resource version: 999999999, current: ")
    assert refused.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
