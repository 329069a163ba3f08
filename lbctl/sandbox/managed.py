"""managedFields: which manager wrote which field last. Pure.

Kept as sets of paths in a form that goes to and from fieldsV1. A write by update takes over the fields it changes; a
field that goes, goes from all managers. Server-side apply is not served, so there are no conflicts to find.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lbctl.sandbox.schema import ANYTHING, Many, Map, Shape, Struct

Object = dict[str, Any]
Path = tuple[str, ...]

NULL = object()  # of a list that is null where it might not be there at all: written only where there was one before

# What the server itself writes has no manager.
SERVERS_OWN = frozenset(
    ("f:metadata", f"f:{name}")
    for name in (
        "name",
        "namespace",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
    )
)


def leaves(shape: Shape, value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field that can have a manager, with its value; "." stands for a map or list element as such."""
    if isinstance(shape, Struct) and not shape.atomic and isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(shape.fields.get(key, ANYTHING), inner, (*path, f"f:{key}"))
    elif isinstance(shape, Map) and not shape.atomic and isinstance(value, dict):
        yield (*path, "."), None
        for key, inner in value.items():
            yield from leaves(shape.values, inner, (*path, f"f:{key}"))
    elif isinstance(shape, Many) and (shape.keys or shape.union) and isinstance(value, list):
        yield (*path, "."), None
        yield from _elements(shape, value, path)
    elif isinstance(shape, Many) and shape.always and value is None:
        yield path, NULL
    elif path and value not in ({}, None):
        yield path, value


def _elements(shape: Many, value: list[Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for one in value:
        if shape.union:
            yield (*path, f"v:{json.dumps(one)}"), None
            continue
        key = json.dumps({k: one.get(k) for k in shape.keys}, separators=(",", ":"))
        yield (*path, f"k:{key}", "."), None
        yield from leaves(shape.items, one, (*path, f"k:{key}"))


def fields_of(shape: Struct, obj: Object) -> dict[Path, Any]:
    """The fields of an object that have managers."""
    skip = {("f:kind",), ("f:apiVersion",)}
    return {p: v for p, v in leaves(shape, obj) if p not in skip and p[:2] not in SERVERS_OWN}


def to_tree(paths: set[Path]) -> Object:
    """Paths as fieldsV1."""
    tree: Object = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def to_paths(tree: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """FieldsV1 as paths."""
    for step, inner in tree.items():
        if inner:
            yield from to_paths(inner, (*path, step))
        else:
            yield (*path, step)


def managed(
    shape: Struct, old: Object, new: Object, *, manager: str, subresource: str, version: str, now: str
) -> list[Object]:
    """The managedFields of `new`, which `manager` has made of `old` ({} for a create)."""
    entries = [dict(entry) for entry in (old.get("metadata") or {}).get("managedFields") or ()]
    before, after = fields_of(shape, old), fields_of(shape, new)
    after = {path: value for path, value in after.items() if value is not NULL or path in before}
    written = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = set(before) - set(after)
    if not written and not gone:
        return entries
    kept: list[Object] = []
    mine: Object | None = None
    for entry in entries:
        paths = set(to_paths(entry.get("fieldsV1") or {}))
        if (entry["manager"], entry.get("subresource", "")) == (manager, subresource):
            mine = entry
            left = (paths - gone) | written
        else:
            left = paths - gone - written
        touched = {"time": now} if entry is mine and written else {}
        if left == paths:
            kept.append({**entry, **touched})
        elif left:
            kept.append({**entry, "fieldsV1": to_tree(left), **touched})
    if mine is None and written:
        kept.append(_entry(manager, subresource, version, written, now))
    return sorted(kept, key=lambda entry: (entry["time"], entry["manager"], entry.get("subresource", "")))


def _entry(manager: str, subresource: str, version: str, paths: set[Path], now: str) -> Object:
    entry: Object = {"manager": manager, "operation": "Update", "apiVersion": version, "time": now}
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": to_tree(paths)}
    return {**entry, "subresource": subresource} if subresource else entry
