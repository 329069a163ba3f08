"""Watches: where one begins, the events that a change is to a watcher of some, and bookmarks.

An object that a selector lets go of arrives as DELETED with what it was, as one that enters arrives as ADDED. What goes
wrong once a watch has been understood is an event too, not a status. A watch of the future is silent: it waits for a
version that may never come. No socket and no clock here: seconds come in, of any clock that only goes forward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from lbctl.sandbox.bodies import head
from lbctl.sandbox.lists import too_new
from lbctl.sandbox.queries import Query
from lbctl.sandbox.refusals import Refusal
from lbctl.sandbox.registry import Registry
from lbctl.sandbox.store import Change, Stored, TooOld
from lbctl.sandbox.views import Event, View, encoded

BOOKMARK_EVERY = 60.0  # seconds, as the real one's
BOOKMARK_BEFORE_END = 2.0  # seconds before a watch's time is up: who watches again then begins near now


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


def too_old(version: int, oldest: int) -> Refusal:
    """410: what happened since that version is no longer kept."""
    return Refusal(410, "Expired", f"too old resource version: {version} ({oldest})")


@dataclass(slots=True)
class Watching:
    """A watch under way: what it has seen, and what it has still to say. One thread's at a time."""

    registry: Registry
    view: View
    query: Query
    ends: float
    seen: int = 0
    over: bool = False
    _pending: list[Event] = field(default_factory=list)
    _error: Refusal | None = None
    _spoken: bool = False
    _marked: int = 0  # the version that bookmarks have to be past
    _next_mark: float = math.inf

    @classmethod
    def begin(cls, registry: Registry, view: View, query: Query, now: float) -> Watching:
        """A watch from a version on, or from what is there."""
        watching = cls(registry, view, query, now + query.seconds)
        with registry.store.lock:
            watching._begin()
        watching._marked = watching.seen
        watching._plan_mark(now)
        return watching

    def _begin(self) -> None:
        query, current = self.query, self.registry.store.version
        asked = int(query.version or "0")
        self.seen = asked or current
        if query.seconds < 0:
            self._error = Refusal(500, "InternalError", "context deadline exceeded")
        elif query.initial and asked > current:
            self._error = too_new(asked, current)
        elif query.initial:
            self.seen = current
            there = self.registry.store.shelf(self.view.resource.name).all(query.namespace)
            self._pending = [Event("ADDED", one) for _, one in there if query.matches(one.object)]
            if query.bookmarks:
                self._pending.append(self._bookmark({"k8s.io/initial-events-end": "true"}))  # KEP-3157

    def _bookmark(self, notes: dict[str, str] | None = None) -> Event:
        """How far the watch is, in an object that has nothing else."""
        meta: dict[str, object] = {"resourceVersion": str(self.seen)}
        if notes:
            meta["annotations"] = notes
        return Event("BOOKMARK", Stored({**head(self.view.resource), "metadata": meta}, self.seen))

    def _plan_mark(self, now: float) -> None:
        last = self.ends - BOOKMARK_BEFORE_END
        self._next_mark = min(now + BOOKMARK_EVERY, last) if self.query.bookmarks and now < last else math.inf

    def next_lines(self, now: float) -> bytes:
        """The events since the last call."""
        store, found = self.registry.store, self._pending
        self._pending = []
        with store.lock:
            try:
                changes = [] if self._error else store.shelf(self.view.resource.name).since(self.seen)
            except TooOld as gone:
                self._error = too_old(self.seen, gone.oldest)
            if self._error:
                self.over = True
                return encoded({"type": "ERROR", "object": self._error.status()}) + b"\n"
            self.seen = max(self.seen, store.version)
        found += events(changes, self.query)
        if now >= self._next_mark:
            if self.seen > self._marked:
                found.append(self._bookmark())
            self._plan_mark(now)
        return b"".join(self._line(event) for event in found)

    def _line(self, event: Event) -> bytes:
        first, self._spoken = not self._spoken, True
        return self.view.event(event, self.registry.clock(), first)

    def wait(self, now: float, most: float) -> None:
        """Until something is written, a bookmark is due, the time is up, or `most` seconds are over."""
        self.registry.store.wait(self.seen, max(0.0, min(self.ends - now, self._next_mark - now, most)))
