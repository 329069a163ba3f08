"""Watches: what happened after a version, to all objects or to some."""

from __future__ import annotations

from tests.contract.wire import TABLE, Wire, config_map, service

Seen = list[tuple[str, dict[str, object]]]


def told(events: Seen) -> list[tuple[str, object]]:
    """Type and name of each event."""
    return [(kind, obj["metadata"]["name"]) for kind, obj in events]  # type: ignore[index] # metadata is an object


def test_a_watch_tells_what_comes_after_its_version(api: Wire) -> None:
    """Made, changed, gone; a write that changes nothing is no event."""
    version = api.made("configmaps", config_map("before"))["metadata"]["resourceVersion"]
    with api.watch("configmaps", resourceVersion=version) as stream:
        made = api.made("configmaps", config_map("a", k="v"))
        changed = api.merge("configmaps/a", {"data": {"k": "w"}})
        api.merge("configmaps/a", {"data": {"k": "w"}})
        api.delete("configmaps/a")
        added, modified, deleted = stream.take(3)
    assert [added[0], modified[0], deleted[0]] == ["ADDED", "MODIFIED", "DELETED"]
    assert (added[1], modified[1]) == (made, changed.body)
    assert deleted[1]["data"] == {"k": "w"}
    assert int(deleted[1]["metadata"]["resourceVersion"]) > int(changed.version)


def test_a_watch_from_an_old_version_tells_what_was_missed(api: Wire) -> None:
    """Nothing is lost between a list and a watch."""
    version = api.get("configmaps").version
    api.made("configmaps", config_map("a"))
    api.delete("configmaps/a")
    with api.watch("configmaps", resourceVersion=version) as stream:
        assert told(stream.take(2)) == [("ADDED", "a"), ("DELETED", "a")]


def test_a_watch_without_a_version_begins_with_what_is_there(api: Wire) -> None:
    """As additions."""
    for name in ("a", "b"):
        api.made("configmaps", config_map(name))
    with api.watch("configmaps") as stream:
        assert sorted(told(stream.take(2))) == [("ADDED", "a"), ("ADDED", "b")]
        api.delete("configmaps/a")
        assert told(stream.take(1)) == [("DELETED", "a")]


def test_a_watch_of_one_namespace_is_silent_about_others(api: Wire) -> None:
    """And one of all is not."""
    version = api.get("configmaps").version
    here = api.space
    with (
        api.watch("configmaps", resourceVersion=version) as one,
        api.watch("/api/v1/configmaps", resourceVersion=version) as all_,
    ):
        api.space = "default"
        api.made("configmaps", config_map("elsewhere"))
        api.delete("configmaps/elsewhere")
        api.space = here
        api.made("configmaps", config_map("a"))
        assert told(one.take(1)) == [("ADDED", "a")]
        assert told(all_.take(3)) == [("ADDED", "elsewhere"), ("DELETED", "elsewhere"), ("ADDED", "a")]


def test_what_leaves_a_selection_is_gone_as_it_was(api: Wire) -> None:
    """DELETED with the old object at the new version; what enters is ADDED."""
    version = api.made("configmaps", config_map("a", k="v"))["metadata"]["resourceVersion"]
    with api.watch("configmaps", resourceVersion=version, labelSelector="x=y") as stream:
        entered = api.merge("configmaps/a", {"metadata": {"labels": {"x": "y"}}})
        api.merge("configmaps/a", {"data": {"k": "w"}})
        left = api.merge("configmaps/a", {"metadata": {"labels": None}, "data": {"k": "z"}})
        api.merge("configmaps/a", {"data": {"k": "unseen"}})
        api.merge("configmaps/a", {"metadata": {"labels": {"x": "y"}}})
        events = stream.take(4)
    assert [kind for kind, _ in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    assert events[0][1] == entered.body
    gone = events[2][1]
    assert (gone["data"], gone["metadata"]["labels"]) == ({"k": "w"}, {"x": "y"})
    assert gone["metadata"]["resourceVersion"] == left.version


def test_a_service_that_is_no_load_balancer_any_more_is_gone_for_a_watch_of_them(api: Wire) -> None:
    """Which has to be understood as a release."""
    version = api.made("services", service("a", "LoadBalancer"))["metadata"]["resourceVersion"]
    with api.watch("services", resourceVersion=version, fieldSelector="spec.type=LoadBalancer") as stream:
        api.merge("services/a", {"spec": {"type": "ClusterIP"}})
        kind, gone = stream.take(1)[0]
    assert (kind, gone["spec"]["type"]) == ("DELETED", "LoadBalancer")


def test_the_end_of_a_finalized_object_is_told_in_order(api: Wire) -> None:
    """Marked, then gone."""
    version = api.made("configmaps", config_map("a", {"finalizers": ["example.com/x"]}))["metadata"]["resourceVersion"]
    with api.watch("configmaps", resourceVersion=version) as stream:
        api.delete("configmaps/a")
        api.merge("configmaps/a", {"metadata": {"finalizers": None}})
        (first, marked), (second, _) = stream.take(2)
    assert (first, second) == ("MODIFIED", "DELETED")
    assert "deletionTimestamp" in marked["metadata"]


def test_a_watch_ends_when_its_time_is_up(api: Wire) -> None:
    """Cleanly, after what there was to tell."""
    api.made("configmaps", config_map("a"))
    with api.watch("configmaps", timeoutSeconds="1") as stream:
        assert told(stream.rest()) == [("ADDED", "a")]


def test_a_watch_of_the_future_is_silent(api: Wire) -> None:
    """It answers 200 and says nothing: after a restore, who only watches is deaf (DESIGN 5)."""
    with api.watch("configmaps", resourceVersion="999999999", timeoutSeconds="1") as stream:
        api.made("configmaps", config_map("a"))
        assert stream.rest() == []


def test_a_watch_from_no_version_at_all_is_refused(api: Wire) -> None:
    """The real one finds that its own fault."""
    refused = api.get("configmaps", watch="1", resourceVersion="x")
    assert refused.status == 500
    assert 'strconv.ParseUint: parsing "x": invalid syntax' in refused.body["message"]


def test_a_watch_of_tables_names_the_columns_once(api: Wire) -> None:
    """As kubectl get -w takes it."""
    for name in ("a", "b"):
        api.made("configmaps", config_map(name))
    with api.watch("configmaps", accept=TABLE) as stream:
        (_, first), (_, second) = stream.take(2)
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert second["columnDefinitions"] is None
    assert first["rows"][0]["cells"][:2] in (["a", 0], ["b", 0])
    assert first["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
