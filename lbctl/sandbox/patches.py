"""The three kinds of patch: JSON (RFC 6902), JSON merge (RFC 7386), and Kubernetes' strategic merge. Pure.

Each takes an object and gives a new one; a patch that cannot be carried out is refused as the API server refuses it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from lbctl.sandbox.refusals import Object, Refusal, bad_request, invalid, unprocessable
from lbctl.sandbox.schema import ANYTHING, Many, Map, Shape, Struct

Patcher = Callable[[Object, bytes, Struct], Object]

MARK, RETAIN = "$patch", "$retainKeys"
ORDER, UNLIST = "$setElementOrder/", "$deleteFromPrimitiveList/"


def parsed(body: bytes, prefix: str = "") -> Any:
    """The body's JSON. Raises Refusal (400) in the words that Go's parser has for the commonest faults."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as bad:
        text = body.decode(errors="replace").lstrip()
        position = getattr(bad, "pos", 0)
        if not text or position >= len(text):
            raise bad_request(f"{prefix}unexpected end of JSON input") from bad
        where = "looking for beginning of value" if position == 0 else "in JSON"
        raise bad_request(f"{prefix}invalid character {text[position]!r} {where}") from bad


def _wrong(value: object, prefix: str, wanted: str) -> Refusal:
    kinds: dict[type, str] = {
        list: "array",
        str: "string",
        dict: "object",
        bool: "bool",
        int: "number",
        float: "number",
    }
    return bad_request(
        f"{prefix}json: cannot unmarshal {kinds.get(type(value), 'null')} into Go value of type {wanted}"
    )


def json_patch(original: Object, body: bytes, _: Struct) -> Object:
    """RFC 6902."""
    import jsonpatch  # 15 ms that only those who use it wait for

    prefix = "error decoding patch: "
    steps = parsed(body, prefix)
    if not isinstance(steps, list):
        raise _wrong(steps, prefix, "[]handlers.jsonPatchOp")
    try:
        return dict(jsonpatch.JsonPatch(steps).apply(original))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, KeyError, TypeError, ValueError) as bad:
        message = "the server rejected our request due to an error in our request"
        raise Refusal(422, "Invalid", message, {}) from bad


def merge_patch(original: Object, body: bytes, _: Struct) -> Object:
    """RFC 7386."""
    prefix = "error decoding patch: "
    patch = parsed(body, prefix)
    if not isinstance(patch, dict):
        raise _wrong(patch, prefix, "map[string]interface {}")
    return dict(_merged(original, patch))


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def strategic_patch(original: Object, body: bytes, shape: Struct) -> Object:
    """Strategic merge: like a merge patch, but the lists that have a merge key are merged by it."""
    patch = parsed(body)
    if not isinstance(patch, dict):
        raise _wrong(patch, "", "map[string]interface {}")
    try:
        return _map(copy.deepcopy(original), patch, shape)
    except _BadPatch as bad:
        if bad.code == 422:
            raise unprocessable("", "", [invalid("patch", shown_map(patch), str(bad))]) from bad
        raise (bad_request(str(bad)) if bad.code == 400 else Refusal(500, "", str(bad))) from bad


class _BadPatch(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def _map(original: Object, patch: Object, shape: Shape) -> Object:
    if MARK in patch:
        return _marked(patch)
    _retain(original, patch)
    orders = {key.removeprefix(ORDER): value for key, value in patch.items() if key.startswith(ORDER)}
    for key, value in patch.items():
        if key == RETAIN or key.startswith(ORDER):
            continue
        name = key.removeprefix(UNLIST)
        if name != key:
            if isinstance(original.get(name), list):
                original[name] = [one for one in original[name] if one not in (value or [])]
        elif value is None:
            original.pop(name, None)
        else:
            original[name] = _one(original.get(name), value, _below(shape, name))
    for name, order in orders.items():
        _reorder(original, name, order, _below(shape, name))
    return original


def _below(shape: Shape, key: str) -> Shape:
    match shape:
        case Struct():
            return shape.fields.get(key, ANYTHING)
        case Map():
            return shape.values
    return ANYTHING


def _one(old: Any, value: Any, shape: Shape) -> Any:
    if isinstance(old, dict) and isinstance(value, dict):
        return _map(old, value, shape)
    if isinstance(shape, Many) and isinstance(old, list) and isinstance(value, list):
        if shape.union:
            return _placed([one for one in old if one not in value], list(dict.fromkeys(value)), old, lambda one: one)
        if shape.merge:
            return _list(old, value, shape)
    if isinstance(shape, Many) and not isinstance(value, list):
        raise _BadPatch(f"cannot restore slice from {_go(value)}", 422)
    return _plain(value)


def _go(value: object) -> str:
    return {str: "string", dict: "map", bool: "bool", int: "int", float: "float"}.get(type(value), "nil")


def _marked(patch: Object) -> Object:
    if patch[MARK] == "replace":
        return {key: value for key, value in patch.items() if key != MARK}
    if patch[MARK] == "delete":
        return {}
    raise _BadPatch(f"unknown patch type: {patch[MARK]}", 500)


def _retain(original: Object, patch: Object) -> None:
    if RETAIN not in patch:
        return
    kept = patch[RETAIN]
    plain = {key for key, value in patch.items() if value is not None and not key.startswith("$")}
    if not isinstance(kept, list) or not plain <= set(kept):
        raise _BadPatch("invalid patch format of retainKeys", 400)
    for key in [key for key in original if key not in kept]:
        del original[key]


def _plain(value: Any) -> Any:
    """What is new in the object, without directives and nulls."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None and not k.startswith("$")}
    if isinstance(value, list):
        return [_plain(one) for one in value if not (isinstance(one, dict) and one.get(MARK) == "delete")]
    return value


def _list(old: list[Any], patch: list[Any], shape: Many) -> list[Any]:
    key = shape.merge
    if any(isinstance(one, dict) and one.get(MARK) == "replace" for one in patch):
        return [_plain(one) for one in patch if not (isinstance(one, dict) and MARK in one)]
    merged, ours = list(old), []
    for one in patch:
        if not isinstance(one, dict) or key not in one:
            raise _BadPatch(f"map: {shown_map(one)} does not contain declared merge key: {key}", 500)
        if one.get(MARK) == "delete":
            merged = [item for item in merged if item.get(key) != one[key]]
            continue
        ours.append(one[key])
        at = next((n for n, item in enumerate(merged) if item.get(key) == one[key]), None)
        if at is None:
            merged.append(_plain(one))
        else:
            merged[at] = _map(merged[at], one, shape.items)
    left = [item for item in merged if item.get(key) not in ours]
    right = sorted((item for item in merged if item.get(key) in ours), key=lambda item: ours.index(item[key]))
    return _placed(left, right, old, lambda item: item.get(key))


def shown_map(value: object) -> str:
    """A value as Go prints it, which the API server does with strategic patches."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{shown_map(v)}" for k, v in sorted(value.items())) + "]"
    return str(value)


def _placed(left: list[Any], right: list[Any], order: list[Any], name: Callable[[Any], Any]) -> list[Any]:
    """Two lists as one: what both knew before stays in its old order, what is new goes to the front of the rest."""
    known = [name(one) for one in order]

    def at(one: Any) -> int:
        return known.index(name(one)) if name(one) in known else -1

    left = sorted(left, key=at)  # which moves only those that share their key: to where its first one was
    placed: list[Any] = []
    while left and right:
        ours, theirs = at(left[0]), at(right[0])
        placed.append(left.pop(0) if 0 <= ours < theirs else right.pop(0))
    return [*placed, *left, *right]


def _reorder(original: Object, name: str, order: Any, shape: Shape) -> None:
    """Lay a list out in the order that the patch gives; what the order does not name keeps its place behind."""
    items = original.get(name)
    if not isinstance(items, list) or not isinstance(order, list) or not isinstance(shape, Many):
        return
    key = shape.merge
    wanted = [one.get(key) if isinstance(one, dict) else one for one in order]

    def of(item: Any) -> Any:
        return item.get(key) if isinstance(item, dict) else item

    right = sorted((i for i in items if of(i) in wanted), key=lambda i: wanted.index(of(i)))
    left = [i for i in items if of(i) not in wanted]
    original[name] = _placed(left, right, items, of)


PATCHES: dict[str, Patcher] = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic_patch,
}
