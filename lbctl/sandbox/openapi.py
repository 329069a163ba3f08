"""The OpenAPI v3 documents that kubectl asks for: shapes as schemas, and that the server checks unknown fields.

kubectl reads from them how lists merge when it computes an apply, and that it need not check fields itself. Pure.
"""

from __future__ import annotations

from typing import Any

from lbctl.sandbox.resources import GROUPS, RESOURCES, Resource
from lbctl.sandbox.schema import Many, Map, Scalar, Shape, Struct

Object = dict[str, Any]

TYPES: dict[str, Object] = {
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "bytes": {"type": "string", "format": "byte"},
    "bool": {"type": "boolean"},
    "Time": {"type": "string", "format": "date-time"},
    "MicroTime": {"type": "string", "format": "date-time"},
    "IntOrString": {"x-kubernetes-int-or-string": True},
}
PATHS = {f"apis/{group}/v1" if group else "api/v1": group for group in GROUPS}


def index() -> Object:
    """/openapi/v3."""
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in PATHS}}


def document(path: str) -> Object:
    """/openapi/v3/api/v1 and /openapi/v3/apis/GROUP/v1."""
    rows = [row for row in RESOURCES.values() if row.group == PATHS[path]]
    package = PATHS[path].partition(".")[0] or "core"
    schemas = {f"io.k8s.api.{package}.v1.{row.kind}": _top(row) for row in rows}
    paths = {path: item for row in rows for path, item in _paths(row).items()}
    info = {"title": "lbctl sandbox", "version": "v1"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _gvk(resource: Resource) -> Object:
    return {"group": resource.group, "version": "v1", "kind": resource.kind}


def _top(resource: Resource) -> Object:
    return {**_schema(resource.shape), "x-kubernetes-group-version-kind": [_gvk(resource)]}


def _schema(shape: Shape) -> Object:
    match shape:
        case Scalar():
            return dict(TYPES.get(shape.name, {"type": "string"}))
        case Struct():
            return {"type": "object", "properties": {name: _schema(s) for name, s in shape.fields.items()}}
        case Map():
            return {"type": "object", "additionalProperties": _schema(shape.values)}
        case Many():
            return _list(shape)
    return {}


def _list(shape: Many) -> Object:
    schema: Object = {"type": "array", "items": _schema(shape.items)}
    if shape.merge:
        schema |= {"x-kubernetes-patch-merge-key": shape.merge, "x-kubernetes-patch-strategy": "merge"}
    if shape.keys:
        schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(shape.keys)}
    if shape.union:
        schema |= {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-list-type": "set"}
    return schema


def _paths(resource: Resource) -> Object:
    root = f"/apis/{resource.group}/v1" if resource.group else "/api/v1"
    scope = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
    every, one = f"{scope}/{resource.name}", f"{scope}/{resource.name}/{{name}}"
    return {
        every: {"get": _operation(resource, "list"), "post": _operation(resource, "post")},
        one: {verb: _operation(resource, verb) for verb in ("get", "put", "patch", "delete")},
    }


def _operation(resource: Resource, verb: str) -> Object:
    """What kubectl looks up: the kind that a path is of, and whether `fieldValidation` is understood there."""
    action = {"list": "list", "get": "get", "post": "post", "put": "put", "patch": "patch", "delete": "delete"}[verb]
    names = ("fieldValidation", "dryRun", "fieldManager") if verb in ("post", "put", "patch") else ()
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    return {
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(resource),
    }
