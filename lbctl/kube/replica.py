"""The objects of one resource as they were at one resourceVersion: what a list and the events after it make of them.

It owns the rule that nothing ever goes back to an older version of itself, and that no DELETE is missed: what a list
no longer holds is told as deleted. It knows no requests, and no socket, clock or thread.

resourceVersions are compared as integers, which KEP-5504 (1.35) allows for those of one resource, and which etcd's
have always been. Within a watch they rise, so that an event from before where we stand is one that comes twice or in
the wrong order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from lbctl.keys import Key

T = TypeVar("T")


class Kind(StrEnum):
    """What became of an object, by what was known of it, whatever the server calls it."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One object before and after; None is where it was not, or is no more."""

    kind: Kind
    key: Key
    old: T | None
    new: T | None


class Mark(NamedTuple):
    """Which object it is, and which version of it."""

    version: int
    uid: str


class Replica(Generic[T]):
    """The objects; `keep` makes what is kept out of one (a dict of the API's JSON), as it comes in."""

    def __init__(self, keep: Callable[[dict[str, Any]], T]) -> None:
        self.items: dict[Key, T] = {}
        self.version = 0
        self._keep = keep
        self._marks: dict[Key, Mark] = {}
        self._changes: list[Change[T]] = []
        self._coming: dict[Key, tuple[Mark, T]] = {}

    def drain(self) -> list[Change[T]]:
        """What has changed since the last time."""
        changes, self._changes = self._changes, []
        return changes

    def start_list(self) -> None:
        """What is gathered next is a list from its beginning."""
        self._coming = {}

    def gather(self, items: list[Any]) -> bool:
        """Take in a page of a list; False when one of the items is no object."""
        for item in items:
            named = named_of(item)
            if named is None:
                return False
            self._coming[named[0]] = named[1], self._keep(item)
        return True

    def finish_list(self, version: int, *, dropped: bool) -> bool:
        """Become what was gathered. True when the store went back: the list is older than what is known, or holds an
        object that is. Then, or when all that was known is `dropped`, every object counts as changed, for in another
        history the same version is another object.
        """
        coming, self._coming = self._coming, {}
        back = version < self.version or any(
            mark.version < self._marks.get(key, mark).version for key, (mark, _) in coming.items()
        )
        for key in [key for key in self.items if key not in coming]:
            self._remove(key)
        for key, (mark, item) in coming.items():
            if back or dropped or self._marks.get(key) != mark:
                self._put(key, mark, item)
        self.version = version
        return back

    def move_to(self, version: int) -> None:
        """A bookmark: everything up to this version has been told."""
        self.version = max(self.version, version)

    def take(self, kind: Kind, item: dict[str, Any], key: Key, mark: Mark) -> bool:
        """Take in an event. False when only a list can say what it means."""
        held = self._marks.get(key)
        if held is not None and mark.version <= held.version:
            return True  # it has come before
        if kind is Kind.DELETED:
            if held is not None:
                self._remove(key)
        elif held is None and mark.version <= self.version:
            return False  # late, or a copy from before a deletion
        else:
            self._put(key, mark, self._keep(item))
        self.move_to(mark.version)
        return True

    def _put(self, key: Key, mark: Mark, item: T) -> None:
        held = self._marks.get(key)
        if held is not None and held.uid != mark.uid:  # deleted and made anew while nobody looked
            self._remove(key)
        kind = Kind.MODIFIED if key in self.items else Kind.ADDED
        self._changes.append(Change(kind, key, self.items.get(key), item))
        self.items[key], self._marks[key] = item, mark

    def _remove(self, key: Key) -> None:
        del self._marks[key]
        self._changes.append(Change(Kind.DELETED, key, self.items.pop(key), None))


def number_of(version: object) -> int | None:
    """A resourceVersion as an integer; None when it is none."""
    return int(version) if isinstance(version, str) and version.isascii() and version.isdecimal() else None


def named_of(item: object) -> tuple[Key, Mark] | None:
    """Key, version and uid of an object of the API; None when it is none."""
    meta = item.get("metadata") if isinstance(item, Mapping) else None
    if not isinstance(meta, Mapping):
        return None
    namespace, name, uid = meta.get("namespace", ""), meta.get("name"), meta.get("uid", "")
    version = number_of(meta.get("resourceVersion"))
    if version is None or not (name and all(isinstance(word, str) for word in (namespace, name, uid))):
        return None
    return Key(namespace, name), Mark(version, uid)
