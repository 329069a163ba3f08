"""Lists: the objects that a query means, of which version, in pages.

Without a version a list is of now, as it is from version 0 or from one that is not to be older; only `Exact`, and a
version with a limit, mean just that version. A page is of the version at which its first page was.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from lbctl.sandbox.queries import EXACT, Query
from lbctl.sandbox.refusals import Object, Refusal, bad_request
from lbctl.sandbox.store import Key, Shelf, Stored, TooOld

ENCODING = "meta.k8s.io/v1"  # how a continue token is encoded


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
    start, version = _where(query, current)
    if version > current:
        raise too_new(version, current)
    try:
        every = shelf.all(query.namespace) if version == current else shelf.at(version, query.namespace)
    except TooOld as gone:
        raise expired(start) from gone
    every = [(key, one) for key, one in every if (start is None or key > start) and query.name in ("", key[1])]
    limit = 0 if query.version == "0" else query.limit  # as the real one's cache answers
    found: list[Stored] = []
    for index, (key, one) in enumerate(every):
        if query.matches(one.object):
            found.append(one)
        if limit and len(found) == limit and index + 1 < len(every):
            remaining = None if query.selective else len(every) - limit
            return Listed(found, version, _token(version, key), remaining)
    return Listed(found, version)


def _where(query: Query, current: int) -> tuple[Key | None, int]:
    """After which key, and at which version."""
    if query.after:
        start, version = _continued(query.after)
        if query.version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        return start, current if version < 0 else version
    asked = int(query.version or "0")
    if query.match == EXACT or (not query.match and query.limit and asked):
        return None, asked
    return None, asked if asked > current else current


def _token(version: int, key: Key) -> str:
    text = json.dumps({"v": ENCODING, "rv": version, "start": "/".join(key) + "\0"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _continued(after: str) -> tuple[Key, int]:
    """The key and version of a token; -1 is for what is now. Raises Refusal (400)."""
    prefix = "invalid continue token: continue key is not valid"
    try:
        token = json.loads(base64.b64decode(after + "=" * (-len(after) % 4), b"-_", validate=True))
        version, start, encoding = int(token["rv"]), str(token["start"]), token["v"]
    except (binascii.Error, ValueError, KeyError, TypeError) as bad:
        raise bad_request(f"{prefix}: {bad}") from bad
    if encoding != ENCODING:
        raise bad_request(f"{prefix}: server does not recognize this encoded version {encoding}")
    if version == 0:
        raise bad_request(f"{prefix}: incorrect encoded start resourceVersion (version {ENCODING})")
    if not start:
        raise bad_request(f"{prefix}: encoded start key empty (version {ENCODING})")
    namespace, _, name = start.rstrip("\0").rpartition("/")
    return (namespace, name), version


AFRESH = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def expired(start: Key | None) -> Refusal:
    """410: what was asked for is no longer kept; after `start`, with a token for the rest as it is now."""
    if start is None:
        return Refusal(410, "Expired", "The resourceVersion for the provided list is too old.")
    refusal = Refusal(410, "Expired", AFRESH)
    refusal.more = _token(-1, start)
    return refusal


def too_new(version: int, current: int) -> Refusal:
    """504: a version that this server has not seen, as after a restore from a backup."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    return Refusal(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})
