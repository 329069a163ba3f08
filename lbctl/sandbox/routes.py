"""One request to one verb: the path taken apart, the verb called, the answer made. No sockets here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from lbctl.sandbox import protobuf
from lbctl.sandbox.bodies import Write, unsupported_media, unsupported_patch
from lbctl.sandbox.lists import listed, too_new
from lbctl.sandbox.patches import PATCHES, parsed
from lbctl.sandbox.queries import Query, flag, unread
from lbctl.sandbox.refusals import Object, Refusal, about, no_such_resource, wrong_method
from lbctl.sandbox.registry import Registry
from lbctl.sandbox.resources import GROUPS, RESOURCES, Resource
from lbctl.sandbox.store import Key, Stored
from lbctl.sandbox.views import View, encoded
from lbctl.sandbox.watches import Watching

MAX_MANAGER = 128


@dataclass(frozen=True, slots=True)
class Ask:
    """A request; header names are lower case, and `now` is seconds of a clock that only goes forward."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    now: float = 0.0

    @property
    def content_type(self) -> str:
        """The type of the body, without parameters."""
        return self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()

    def write(self) -> Write:
        """What the request says about its write."""
        agent = self.headers.get("user-agent", "").partition("/")[0]
        manager = (self.params.get("fieldManager") or agent or "unknown")[:MAX_MANAGER]
        return Write(manager, self.params.get("fieldValidation") or "Warn", self.params.get("dryRun") == "All")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    warnings: list[str] = field(default_factory=list)
    content_type: str = "application/json"
    retry_after: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names."""

    resource: Resource
    namespace: str
    name: str
    subresource: str

    @property
    def key(self) -> Key:
        """Of the object."""
        return self.namespace, self.name


def target(path: str) -> Target:
    """Take a path apart. Raises Refusal (404)."""
    steps = [unquote(step) for step in path.strip("/").split("/")]
    group, rest = _group(steps)
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] in RESOURCES and RESOURCES[rest[2]].namespaced:
        namespace, rest = rest[1], rest[2:]
    resource = RESOURCES.get(rest[0]) if rest else None
    if (
        resource is None
        or resource.group != group
        or len(rest) > 3
        or (len(rest) > 1 and resource.namespaced and not namespace)
    ):
        raise no_such_resource()
    name, subresource = (*rest[1:], "", "")[:2]
    if subresource and not (subresource == "status" and resource.status):
        raise no_such_resource()
    return Target(resource, namespace, name, subresource)


def _group(steps: list[str]) -> tuple[str, list[str]]:
    """The group of a path, and what comes after its version. Raises Refusal (404), _NoPage."""
    group, at = (steps[1], 2) if steps[0] == "apis" and len(steps) > 1 else ("", 1)
    if steps[0] not in ("api", "apis") or group not in GROUPS:
        raise _NoPage
    if steps[at : at + 1] != ["v1"] or (steps[0] == "apis") is not bool(group):
        raise no_such_resource()
    return group, steps[at + 1 :]


class _NoPage(Exception):
    """A path outside of the API: the answer is no Status."""


def answer(registry: Registry, ask: Ask) -> Answer | Watching:
    """Answer one request. Raises Refusal."""
    try:
        where = target(ask.path)
    except _NoPage:
        return Answer(404, b"404 page not found\n", content_type="text/plain; charset=utf-8")
    write = ask.write()
    try:
        return (_object if where.name else _collection)(registry, ask, where, write)
    except Refusal as refusal:
        refusal.warnings = write.warnings
        raise


def _collection(registry: Registry, ask: Ask, where: Target, write: Write) -> Answer | Watching:
    resource, view = where.resource, View.of(where.resource, ask.headers.get("accept", ""), ask.params)
    if ask.method == "GET":
        query = Query.of(resource, where.namespace, ask.params)
        if flag(ask.params, "watch"):
            return Watching.begin(registry, view, query, ask.now)
        with registry.store.lock:
            found = listed(registry.store.shelf(resource.name), query, registry.store.version)
        return Answer(200, view.many(found, registry.clock()))
    if ask.method == "POST" and (where.namespace or not resource.namespaced):
        made = registry.create(resource, where.namespace, _body(ask, resource), write)
        return Answer(201, view.one(made, registry.clock()), write.warnings)
    if ask.method == "DELETE" and resource.name != "namespaces" and (where.namespace or not resource.namespaced):
        return _delete_all(registry, ask, where, view, write)
    raise wrong_method()


def _body(ask: Ask, resource: Resource) -> bytes:
    """The body as JSON. Raises Refusal (400, 415)."""
    if ask.content_type == protobuf.MEDIA_TYPE and resource.kind in protobuf.NUMBERS:
        return protobuf.as_json(ask.body, resource.shape)
    if ask.content_type != "application/json":
        raise unsupported_media()
    return ask.body


def _delete_all(registry: Registry, ask: Ask, where: Target, view: View, write: Write) -> Answer:
    query, options = Query.of(where.resource, where.namespace, ask.params), _options(ask)
    with registry.store.lock:
        found = listed(registry.store.shelf(where.resource.name), query, registry.store.version)
        for one in found.items:
            meta = one.object["metadata"]
            registry.delete(where.resource, (meta.get("namespace", ""), meta["name"]), options, write)
    return Answer(200, view.many(found, registry.clock()))


def _object(registry: Registry, ask: Ask, where: Target, write: Write) -> Answer | Watching:
    resource, view = where.resource, View.of(where.resource, ask.headers.get("accept", ""), ask.params)
    if ask.method == "GET":
        _not_of_the_future(ask.params.get("resourceVersion", ""), registry)
        return Answer(200, view.one(registry.get(resource, where.key), registry.clock()))
    if ask.method == "PUT":
        stored, new = registry.replace(resource, where.key, _body(ask, resource), write, where.subresource)
        return Answer(201 if new else 200, view.one(stored, registry.clock()), write.warnings)
    if ask.method == "PATCH":
        if ask.content_type not in PATCHES:
            raise unsupported_patch()
        stored = registry.patch(resource, where.key, ask.body, ask.content_type, write, where.subresource)
        return Answer(200, view.one(stored, registry.clock()), write.warnings)
    if ask.method == "DELETE" and not where.subresource:
        gone, done = registry.delete(resource, where.key, _options(ask), write)
        return _deleted(resource, gone, done)
    raise wrong_method()


def _not_of_the_future(version: str, registry: Registry) -> None:
    """An object is of now, which no version asked for can be newer than. Raises Refusal (500, 504)."""
    if version and not version.isdecimal():
        raise unread(version)
    if version and int(version) > registry.store.version:
        raise too_new(int(version), registry.store.version)


def _deleted(resource: Resource, gone: Stored, done: bool) -> Answer:
    if resource.returns_deleted or not done:
        return Answer(200, gone.json)
    meta = gone.object["metadata"]
    details = {**about(resource.full_name, meta["name"]), "uid": meta["uid"]}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return Answer(200, encoded(status))


def _options(ask: Ask) -> Object:
    """The DeleteOptions of a body, if there is one."""
    if not ask.body.strip():
        return {}
    options = parsed(ask.body, "couldn't get version/kind; json parse error: ")
    return options if isinstance(options, dict) else {}
