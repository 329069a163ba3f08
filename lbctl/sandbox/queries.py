"""What a list or watch asks for, read from its query string, and whether it may be asked so. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lbctl.sandbox.refusals import Cause, Object, Refusal, bad_request, check, forbidden, unsupported
from lbctl.sandbox.resources import Resource
from lbctl.sandbox.selectors import fields_test, labels_test

WATCH_SECONDS = 1800.0  # how long a watch lasts that names no end
EXACT, NOT_OLDER = "Exact", "NotOlderThan"  # resourceVersionMatch


@dataclass(frozen=True, slots=True)
class Query:
    """What a list or watch asks for. `version` is "" for now, "0" for whatever is at hand.

    `initial` (sendInitialEvents): a watch begins with what is there; with `bookmarks` it also says when it has told it,
    and how far it is from time to time.
    """

    namespace: str
    matches: Callable[[Object], bool]
    selective: bool
    name: str
    version: str
    match: str
    limit: int
    after: str
    seconds: float
    initial: bool
    bookmarks: bool

    @classmethod
    def of(cls, resource: Resource, namespace: str, params: Mapping[str, str]) -> Query:
        """Read a query string. Raises Refusal (400, 422)."""
        labels, fields = params.get("labelSelector", ""), params.get("fieldSelector", "")
        by_label = labels_test(labels)
        by_field = fields_test(fields, resource.fields, core=not resource.group)
        one = re.search(r"(?:^|,)metadata\.name==?([^,]+)", fields)

        def matches(obj: Object) -> bool:
            return by_label(obj["metadata"].get("labels") or {}) and by_field(obj)

        limit, seconds = _number(params.get("limit") or "0"), _number(params.get("timeoutSeconds") or "0")
        check("ListOptions.meta.k8s.io", "", list(_unfit(params)))
        version = _version(params)
        return cls(
            namespace,
            matches,
            bool(labels or fields),
            one[1] if one else "",
            version,
            params.get("resourceVersionMatch", ""),
            max(0, limit),
            params.get("continue", ""),
            float(seconds) or WATCH_SECONDS,
            flag(params, "sendInitialEvents") if "sendInitialEvents" in params else version in ("", "0"),
            flag(params, "allowWatchBookmarks"),
        )


def flag(params: Mapping[str, str], name: str) -> bool:
    """A parameter as a yes or no: anything but 0 and false is a yes."""
    return name in params and params[name].lower() not in ("0", "false")


def _unfit(params: Mapping[str, str]) -> Iterator[Cause]:
    """What does not go together."""
    match, watch = params.get("resourceVersionMatch", ""), flag(params, "watch")
    initial = "sendInitialEvents" in params
    if watch and initial and match != NOT_OLDER:
        yield forbidden(
            "resourceVersionMatch", f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}"
        )
    if match and watch and not initial:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        yield forbidden("resourceVersionMatch", why)
    if match and not watch and not params.get("resourceVersion"):
        yield forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
    known = [NOT_OLDER] if watch else [EXACT, NOT_OLDER, ""]
    if match and watch and match not in known:
        yield unsupported("resourceVersionMatch", match, known)
    if match and params.get("continue"):
        yield forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
    if match and not watch and match not in known:
        yield unsupported("resourceVersionMatch", match, known)
    if match == EXACT and not watch and params.get("resourceVersion") == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        yield forbidden("resourceVersionMatch", why)
    if initial and not watch:
        yield forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _version(params: Mapping[str, str]) -> str:
    version = params.get("resourceVersion", "")
    if version and not version.isdecimal():
        if flag(params, "watch"):
            raise unread(version)
        raise bad_request(f"invalid resource version: {unread(version)}")
    return version


def unread(version: str) -> Refusal:
    """500 for a version that is none; the real one finds that its own fault."""
    parse = f'strconv.ParseUint: parsing "{version}": invalid syntax'
    return Refusal(500, "", f'resourceVersion: Invalid value: "{version}": {parse}')


def _number(text: str) -> int:
    if not text.removeprefix("-").isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)
