"""What the sandbox holds: the objects, one count of versions for all of them, and what changed, for watchers.

Objects are never changed in place: a write puts a new one, so that what was handed out stays as it was. Nothing here
knows what an object means; the lock is the caller's to take around a read and the write that rests on it.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str]  # namespace ("" for what stands in none), name

# How many changes a watch may be behind: what the real one keeps for some minutes. At 2 KiB an object, 40 MB at most.
KEPT_CHANGES = 20_000


class Stored:
    """An object as it is held, with its JSON, which is made once."""

    __slots__ = ("_json", "object", "version")

    def __init__(self, obj: Object, version: int) -> None:
        self.object = obj
        self.version = version
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        """The object as it goes out."""
        if self._json is None:
            self._json = json.dumps(self.object, separators=(",", ":"), ensure_ascii=False).encode()
        return self._json

    @property
    def item(self) -> bytes:
        """The object as an item of a list: without the kind and version that it begins with."""
        return b"{" + self.json[self.json.index(b'"metadata":') :]


@dataclass(frozen=True, slots=True)
class Change:
    """One write: before and after; None for what was not there or is gone."""

    version: int
    key: Key
    before: Stored | None
    after: Stored | None


class TooOld(Exception):
    """The changes since that version are no longer kept; those since `oldest` are."""

    def __init__(self, oldest: int) -> None:
        super().__init__(oldest)
        self.oldest = oldest


class TooNew(Exception):
    """That version has not been yet."""


class Shelf:
    """The objects of one resource, and their changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._objects: dict[Key, Stored] = {}
        self._changes: deque[Change] = deque(maxlen=KEPT_CHANGES)
        self._forgotten = 0

    def get(self, key: Key) -> Stored | None:
        """The object, if it is there."""
        return self._objects.get(key)

    def all(self, namespace: str = "") -> list[tuple[Key, Stored]]:
        """All objects, or those of one namespace, in the order of their keys."""
        with self._store.lock:
            return sorted((k, s) for k, s in self._objects.items() if namespace in ("", k[0]))  # keys are unique

    def at(self, version: int, namespace: str = "") -> list[tuple[Key, Stored]]:
        """The objects as they were at a version. Raises TooOld, TooNew."""
        with self._store.lock:
            if version > self._store.version:
                raise TooNew
            if version < self._forgotten:
                raise TooOld(self._forgotten)
            objects = dict(self._objects)
            for change in self._newest_first():
                if change.version <= version:
                    break
                if change.before is None:
                    objects.pop(change.key, None)
                else:
                    objects[change.key] = change.before
        return sorted((k, s) for k, s in objects.items() if namespace in ("", k[0]))

    def _newest_first(self) -> Iterator[Change]:
        return reversed(self._changes)

    def put(self, key: Key, make: Callable[[str], Object]) -> Stored:
        """Keep the object that `make` gives for the version of this write."""
        with self._store.lock:
            version = self._store.next_version()
            new = Stored(make(str(version)), version)
            self._record(Change(version, key, self._objects.get(key), new))
            self._objects[key] = new
            return new

    def drop(self, key: Key) -> int:
        """Delete the object; the version at which it went."""
        with self._store.lock:
            version = self._store.next_version()
            self._record(Change(version, key, self._objects.pop(key), None))
            return version

    def _record(self, change: Change) -> None:
        if len(self._changes) == KEPT_CHANGES:
            self._forgotten = self._changes[0].version
        self._changes.append(change)
        self._store.changed.notify_all()

    def forget(self, version: int) -> None:
        """Forget all changes, which are up to this version."""
        self._changes.clear()
        self._forgotten = version

    def since(self, version: int) -> list[Change]:
        """All changes after a version. Raises TooOld."""
        with self._store.lock:
            if version < self._forgotten:
                raise TooOld(self._forgotten)
            found: list[Change] = []
            for change in self._newest_first():
                if change.version <= version:
                    break
                found.append(change)
        found.reverse()
        return found


class Store:
    """All shelves, one lock and one version."""

    def __init__(self, resources: Iterable[str]) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.closed = False
        self.version = 1
        self._shelves = {name: Shelf(self) for name in resources}

    def shelf(self, resource: str) -> Shelf:
        """The objects of one resource."""
        return self._shelves[resource]

    def next_version(self) -> int:
        """The version of the next write."""
        self.version += 1
        return self.version

    def compact(self) -> None:
        """Forget what was before now."""
        with self.lock:
            for shelf in self._shelves.values():
                shelf.forget(self.version)

    def wait(self, version: int, seconds: float) -> None:
        """Until anything is written after `version`, the store is closed, or the time is up."""
        with self.changed:
            if self.version <= version and not self.closed:
                self.changed.wait(seconds)

    def close(self) -> None:
        """Send all watchers home."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
