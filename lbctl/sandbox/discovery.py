"""What clients ask before they ask for objects: versions, groups and resources. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from lbctl.sandbox.refusals import Object
from lbctl.sandbox.resources import GROUPS, RESOURCES, VERBS, Resource

# The version that the sandbox behaves as: what the contract suite compares it with.
MAJOR, MINOR, PATCH = 1, 36, 3

NAMED = tuple(name for name in GROUPS if name)


def version() -> Object:
    """/version."""
    return {
        "major": str(MAJOR),
        "minor": str(MINOR),
        "gitVersion": f"v{MAJOR}.{MINOR}.{PATCH}+lbctl-sandbox",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "python",
    }


def versions() -> Object:
    """/api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def groups() -> Object:
    """/apis: all groups but the core."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in NAMED]}


def group(name: str) -> Object:
    """/apis/GROUP."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def _group(name: str) -> Object:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def resources(group: str) -> Object:
    """/api/v1 and /apis/GROUP/v1."""
    rows = [row for resource in RESOURCES.values() if resource.group == group for row in _rows(resource)]
    named = {"apiVersion": "v1", "groupVersion": f"{group}/v1"} if group else {"groupVersion": "v1"}
    return {"kind": "APIResourceList", **named, "resources": rows}


def _rows(resource: Resource) -> list[Object]:
    row: Object = {
        "name": resource.name,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": [verb for verb in VERBS if verb != "deletecollection" or resource.name != "namespaces"],
    }
    if resource.short:
        row["shortNames"] = list(resource.short)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if not resource.status:
        return [row]
    status = {"name": f"{resource.name}/status", "singularName": "", "namespaced": resource.namespaced}
    return [row, {**status, "kind": resource.kind, "verbs": ["get", "patch", "update"]}]


PAGES: Mapping[str, Callable[[], Object]] = {
    "/version": version,
    "/api": versions,
    "/apis": groups,
    "/api/v1": partial(resources, ""),
    **{f"/apis/{name}": partial(group, name) for name in NAMED},
    **{f"/apis/{name}/v1": partial(resources, name) for name in NAMED},
}
