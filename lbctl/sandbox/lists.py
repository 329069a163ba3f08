"""Lists and watches: which objects a query means, in pages, and the events that a change is to a watcher of some.

A page is of the version at which its first page was; an object that a selector lets go of arrives as DELETED with
what it was, as one that enters arrives as ADDED.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lbctl.sandbox.refusals import Object, Refusal, bad_request
from lbctl.sandbox.resources import Resource
from lbctl.sandbox.selectors import fields_test, labels_test
from lbctl.sandbox.store import Change, Key, Shelf, Stored, TooNew, TooOld

WATCH_SECONDS = 1800.0  # how long a watch lasts that names no end


@dataclass(frozen=True, slots=True)
class Query:
    """What a list or watch asks for. `version` is "" for now, "0" for whatever is at hand.

    `bookmark`: a watch is to say when it has told what was there.
    """

    namespace: str
    matches: Callable[[Object], bool]
    selective: bool
    version: str
    exact: bool
    limit: int
    after: str
    seconds: float
    bookmark: bool

    @classmethod
    def of(cls, resource: Resource, namespace: str, name: str, params: Mapping[str, str]) -> Query:
        """Read a query string; a watch of one object is one with its name. Raises Refusal (400)."""
        labels, fields = params.get("labelSelector", ""), params.get("fieldSelector", "")
        if name:
            fields = ",".join(filter(None, (fields, f"metadata.name={name}")))
        by_label = labels_test(labels)
        by_field = fields_test(fields, resource.fields)

        def matches(obj: Object) -> bool:
            return by_label(obj["metadata"].get("labels") or {}) and by_field(obj)

        return cls(
            namespace,
            matches,
            bool(labels or fields),
            _version(params),
            params.get("resourceVersionMatch") == "Exact",
            _number(params.get("limit") or "0"),
            params.get("continue", ""),
            float(_number(params.get("timeoutSeconds") or "0")) or WATCH_SECONDS,
            params.get("sendInitialEvents") == "true",
        )


def _version(params: Mapping[str, str]) -> str:
    version = params.get("resourceVersion", "")
    if version and not version.isdecimal():
        parse = f'strconv.ParseUint: parsing "{version}": invalid syntax'
        if params.get("watch") in ("1", "true"):
            raise Refusal(500, "", f'resourceVersion: Invalid value: "{version}": {parse}')
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{version}": {parse}')
    return version


def _number(text: str) -> int:
    if not text.isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


@dataclass(frozen=True, slots=True)
class Listed:
    """The objects, the version they are of, and where the next page begins."""

    items: list[Stored]
    version: int
    more: str = ""
    remaining: int | None = None

    def meta(self) -> Object:
        """The list's metadata."""
        meta: Object = {"resourceVersion": str(self.version)}
        if self.more:
            meta["continue"] = self.more
        if self.remaining is not None:
            meta["remainingItemCount"] = self.remaining
        return meta


def listed(shelf: Shelf, query: Query, current: int) -> Listed:
    """The objects that the query means. Raises Refusal (400, 410, 504)."""
    start, version = _continued(query) if query.after else (None, current)
    if query.version and not query.after:
        if int(query.version) > current:
            raise too_new(int(query.version), current)
        version = int(query.version) if query.exact else current
    try:
        every = shelf.all(query.namespace) if version == current else shelf.at(version, query.namespace)
    except TooOld as gone:
        raise expired(bool(query.after)) from gone
    except TooNew as future:
        raise too_new(version, current) from future
    found = [(key, one) for key, one in every if (start is None or key > start) and query.matches(one.object)]
    limit = 0 if query.version == "0" and not query.after else query.limit  # as the real one's cache answers
    if not limit or len(found) <= limit:
        return Listed([one for _, one in found], version)
    token = _token(version, found[limit - 1][0])
    remaining = None if query.selective else len(found) - limit
    return Listed([one for _, one in found[:limit]], version, token, remaining)


def _token(version: int, key: Key) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(key) + "\0"})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _continued(query: Query) -> tuple[Key, int]:
    try:
        padded = query.after + "=" * (-len(query.after) % 4)
        token = json.loads(base64.urlsafe_b64decode(padded))
        namespace, _, name = token["start"].rstrip("\0").partition("/")
        return (namespace, name), int(token["rv"])
    except (ValueError, KeyError, TypeError) as bad:
        raise bad_request(f"invalid continue token: continue key is not valid: {bad}") from bad


def expired(continued: bool) -> Refusal:
    """410: what was asked for is no longer kept."""
    message = "The resourceVersion for the provided list is too old."
    if continued:
        message = "The provided continue parameter is too old to display a consistent list result."
    return Refusal(410, "Expired", message)


def too_old(version: int, current: int) -> Refusal:
    """410 for a watch."""
    return Refusal(410, "Expired", f"too old resource version: {version} ({current})")


def too_new(version: int, current: int) -> Refusal:
    """504: a version that this server has not seen, as after a restore from a backup."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    return Refusal(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch."""

    type: str
    stored: Stored


def events(changes: Iterable[Change], query: Query) -> Iterable[Event]:
    """What the changes are to a watcher."""
    for change in changes:
        if query.namespace not in ("", change.key[0]):
            continue
        was = change.before is not None and query.matches(change.before.object)
        if change.after is not None and query.matches(change.after.object):
            yield Event("MODIFIED" if was else "ADDED", change.after)
        elif change.before is not None and was:
            yield Event("DELETED", _last_seen(change.before, change.version))


def _last_seen(before: Stored, version: int) -> Stored:
    """What it was, at the version at which it went."""
    meta = {**before.object["metadata"], "resourceVersion": str(version)}
    return Stored({**before.object, "metadata": meta}, version)
