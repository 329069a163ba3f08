"""A request's body as an object of the kind that its path takes, or the refusal that the API server would give.

What a field that is not known means is the client's to say (`fieldValidation`): nothing, a warning, or a refusal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from lbctl.sandbox.patches import PATCHES, parsed, shown_map, strategic_patch
from lbctl.sandbox.refusals import Object, Refusal, bad_request, invalid, unprocessable
from lbctl.sandbox.resources import RESOURCES, Resource
from lbctl.sandbox.schema import Reader, WrongType

SCHEME = "pkg/runtime/scheme.go:111"  # where the real one says that it looked


@dataclass(slots=True)
class Write:
    """Who writes, and how: beside the body, what a write brings with it; and the warnings it earns."""

    manager: str = "unknown"
    validation: str = "Warn"
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)


def head(resource: Resource) -> Object:
    """What every object of the kind begins with; a list's items are written without it."""
    return {"kind": resource.kind, "apiVersion": resource.api_version}


def parsed_object(body: bytes, resource: Resource) -> Object:
    """The body's JSON. Raises Refusal (400)."""
    prefix = f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind; "
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as bad:
        if not body.strip():
            raise bad_request(f"{prefix}json parse error: unexpected end of JSON input (<empty>)") from bad
        at = min(getattr(bad, "pos", 0), len(body) - 1)
        letter = chr(body[at])
        where = "looking for beginning of value" if at == 0 else "in JSON"
        shown = body[:100].hex()
        raise bad_request(f"{prefix}json parse error: invalid character {letter!r} {where} ({shown})") from bad
    if not isinstance(value, dict):
        raise bad_request(f"{prefix}json parse error: json: cannot unmarshal into Go value of type struct")
    return value


def _misfit(value: Object, resource: Resource) -> str:
    """Why its kind and version are not those of the path, or nothing."""
    kind, version = value.get("kind") or resource.kind, value.get("apiVersion") or resource.api_version
    if (kind, version) == (resource.kind, resource.api_version):
        return ""
    if any((other.kind, other.api_version) == (kind, version) for other in RESOURCES.values()):
        package = resource.group.partition(".")[0] or "core"
        return f"converting (v1.{kind}) to ({package}.{resource.kind}): unknown conversion"
    return f'no kind "{kind}" is registered for version "{version}" in scheme "{SCHEME}"'


def _read(value: Object, resource: Resource, write: Write) -> tuple[Object, str]:
    """The object and, with strict validation, what it is refused for. Raises WrongType."""
    reader = Reader()
    obj = {**head(resource), **reader.read(resource.shape, {**value, **head(resource)})}
    unknown = [f'unknown field "{name}"' for name in sorted(reader.unknown)]
    if write.validation == "Strict" and unknown:
        return obj, f"strict decoding error: {', '.join(unknown)}"
    if write.validation == "Warn":
        write.warnings.extend(unknown)
    return obj, ""


def from_body(body: bytes, resource: Resource, write: Write) -> Object:
    """The object of a create or replace. Raises Refusal (400)."""
    value = parsed_object(body, resource)
    version = str(value.get("apiVersion") or resource.api_version).rpartition("/")[2]
    kind = value.get("kind") or resource.kind
    prefix = f'{kind} in version "{version}" cannot be handled as a {resource.kind}: '
    if why := _misfit(value, resource):
        raise bad_request(prefix + why)
    try:
        obj, why = _read(value, resource, write)
    except WrongType as bad:
        raise bad_request(prefix + str(bad)) from bad
    if why:
        raise bad_request(prefix + why)
    return obj


def from_patch(old: Object, body: bytes, kind: str, resource: Resource, write: Write) -> Object:
    """The object that a patch makes of another. Raises Refusal (400, 422)."""
    value = PATCHES[kind](old, body, resource.shape)
    why, shown = _misfit(value, resource), json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if not why:
        try:
            obj, why = _read(value, resource, write)
        except WrongType as bad:
            why = str(bad)
            if PATCHES[kind] is strategic_patch:
                shown = shown_map(parsed(body))
    if why:
        raise unprocessable("", "", [invalid("patch", shown, why)])
    return obj


def unsupported_media() -> Refusal:
    """415 for the body of a create or replace."""
    known = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    message = f"the body of the request was in an unknown format - accepted media types include: {known}"
    return Refusal(415, "UnsupportedMediaType", message)


def unsupported_patch() -> Refusal:
    """415 for a patch."""
    return Refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
