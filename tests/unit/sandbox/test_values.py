"""The sandbox's pure parts by themselves: patches, ages, shapes, managedFields and history, without a server."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbctl.ages import lasting, timestamp
from lbctl.sandbox import kinds, store
from lbctl.sandbox.managed import to_paths, to_tree
from lbctl.sandbox.patches import merge_patch, strategic_patch
from lbctl.sandbox.refusals import Refusal
from lbctl.sandbox.schema import Reader
from lbctl.sandbox.store import Store, TooNew, TooOld
from lbctl.sandbox.times import age

SCALARS = st.sampled_from([None, True, False, 0, 1, "", "x"])
KEYS = st.sampled_from("abc")
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=8)
OBJECTS = st.dictionaries(KEYS, JSON)
MAPS = st.dictionaries(KEYS, st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner), max_leaves=8))


def patched(patch: object, target: object) -> Any:
    """RFC 7386, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(value, result.get(name))
    return result


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_is_rfc_7386_and_leaves_the_original_alone(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """Against the RFC's own words."""
    before = copy.deepcopy(target)
    assert merge_patch(target, json.dumps(patch).encode(), kinds.CONFIG_MAP) == patched(patch, target)
    assert target == before


@given(MAPS, MAPS)
def test_a_strategic_patch_of_what_has_no_strategy_is_a_merge_patch(
    target: dict[str, Any], patch: dict[str, Any]
) -> None:
    """Fields that nobody knows are merged as RFC 7386 has it."""
    before = copy.deepcopy(target)
    assert strategic_patch(target, json.dumps(patch).encode(), kinds.CONFIG_MAP) == patched(patch, target)
    assert target == before


@given(st.lists(st.integers(0, 5), unique=True), st.lists(st.integers(0, 5), unique=True))
def test_ports_are_merged_without_loss_or_doubles(old: list[int], new: list[int]) -> None:
    """Each number that either has is there once, and all that both had keep the patch's order among the patch's own."""
    target = {"spec": {"ports": [{"port": port} for port in old]}}
    body = json.dumps({"spec": {"ports": [{"port": port} for port in new]}}).encode()
    ports = [port["port"] for port in strategic_patch(target, body, kinds.SERVICE)["spec"].get("ports", [])]
    assert sorted(ports) == sorted({*old, *new})
    assert [port for port in ports if port in new] == new
    assert [port for port in ports if port not in new] == [port for port in old if port not in new]


@pytest.mark.parametrize("body", [b'{"spec": {"$patch": "x"}}', b'{"spec": {"$retainKeys": ["a"], "type": "b"}}'])
def test_a_directive_that_means_nothing_is_refused(body: bytes) -> None:
    """As a Status, whatever stands in it."""
    with pytest.raises(Refusal):
        strategic_patch({"spec": {}}, body, kinds.SERVICE)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (599, "9m59s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (12345, "3h25m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (180000, "2d2h"),
        (691200, "8d"),
        (63071999, "729d"),
        (63072000, "2y"),
        (63158400, "2y1d"),
        (252288000, "8y"),
    ],
)
def test_an_age_is_shown_as_kubectl_shows_it(seconds: float, shown: str) -> None:
    """Finer while it is young."""
    assert lasting(seconds) == shown
    assert age(timestamp(1_700_000_000), 1_700_000_000 + seconds) == shown


def test_what_is_read_again_is_the_same() -> None:
    """Reading fills in what is always there, once."""
    body = {"metadata": {"name": "a", "labels": {}}, "spec": {"ports": [{"port": 80, "nodePort": 0}], "selector": None}}
    once = Reader().read(kinds.SERVICE, body)
    assert once == Reader().read(kinds.SERVICE, once)
    assert once["spec"] == {"ports": [{"port": 80, "targetPort": 0}]}
    assert once["status"] == {"loadBalancer": {}}


def test_unknown_fields_are_named_where_they_stand() -> None:
    """With the index of a list."""
    reader = Reader()
    reader.read(kinds.SERVICE, {"x": 1, "spec": {"ports": [{"port": 80, "y": 1}], "z": 1}})
    assert sorted(reader.unknown) == ["spec.ports[0].y", "spec.z", "x"]


@given(st.sets(st.lists(st.sampled_from(["f:a", "f:b", 'k:{"x":1}', "."]), min_size=1, max_size=3).map(tuple)))
def test_field_sets_survive_their_form(paths: set[tuple[str, ...]]) -> None:
    """Those of leaves, which no path begins with another of."""
    leaves = {p for p in paths if not any(q != p and q[: len(p)] == p for q in paths)}
    assert set(to_paths(to_tree(leaves))) == leaves


def test_the_past_can_be_read_and_the_future_cannot() -> None:
    """As pages and watches need it."""
    held = Store(["things"])
    shelf = held.shelf("things")
    versions = [shelf.put(("", f"o{n % 2}"), lambda v: {"metadata": {"v": v}}).version for n in range(3)]
    assert [key[1] for key, _ in shelf.at(versions[0])] == ["o0"]
    assert [key[1] for key, _ in shelf.at(versions[1])] == ["o0", "o1"]
    assert [change.version for change in shelf.since(versions[0])] == versions[1:]
    assert shelf.at(1) == []
    with pytest.raises(TooNew):
        shelf.at(held.version + 1)


def test_a_watcher_is_told_that_it_is_too_late() -> None:
    """Rather than missing something in silence."""
    held = Store(["things"])
    shelf = held.shelf("things")
    for _ in range(store.KEPT_CHANGES + 2):
        last = shelf.put(("", "a"), lambda v: {"metadata": {"v": v}}).version
    with pytest.raises(TooOld):
        shelf.since(1)
    assert [change.version for change in shelf.since(last - 1)] == [last]
    with pytest.raises(TooOld):
        shelf.at(1)
