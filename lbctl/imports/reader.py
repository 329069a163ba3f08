"""YAML and JSON as kubectl takes them, read into objects of the API with the line that each begins at.

Several documents, Lists in them, anchors and merge keys are read; scalars stay text (yamltext.py says why). The events
of the parser are read instead of its nodes, because composing those recurses: a file of brackets would end the process.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from lbctl.imports.values import Found, ImportFailed, Value, plain
from lbctl.yamltext import LOADER, NULLS

MAX_DEPTH = 200  # a CRD, which often stands in the same file, is some forty deep
MAX_ALIASED = 100_000  # values that aliases stand for, or nine lines could stand for a billion
LISTS_IN_LISTS = 5


class Placed(dict[str, Value]):
    """A mapping that knows the line it begins at, from 1."""

    line = 0


def read(data: bytes, path: str) -> list[Found]:
    """The objects of a file or stream in order; raises ImportFailed. `path` is how the user calls it."""
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as bad:
        raise ImportFailed(f"{path} is no text in UTF-8", hint="save it as UTF-8") from bad
    whole = _json(text)
    if whole is not None:
        return list(flattened(whole, path))
    found: list[Found] = []
    for line, value in _documents(text, path):
        if not isinstance(value, dict):
            hint = "give it what kubectl get -o yaml prints, or what kubectl apply takes"
            raise ImportFailed(f"{path}:{line}: this document is no object of the API", hint=hint)
        found += flattened(value, path)
    return found


def one_mapping(text: str) -> Mapping[str, Value]:
    """The mapping that a text of one YAML document is; empty when it is none."""
    try:
        values = [value for _, value in _documents(text, "")]
    except ImportFailed:
        return {}
    return values[0] if len(values) == 1 and isinstance(values[0], dict) else {}


def flattened(body: Mapping[str, Value], path: str = "", depth: int = 0) -> Iterator[Found]:
    """The objects that a list holds, or the one that this is; a list's items may lack their kind, as the API's do."""
    items, kind = body.get("items"), str(body.get("kind") or "")
    if not kind.endswith("List") or not isinstance(items, list) or depth > LISTS_IN_LISTS:
        line = getattr(body, "line", 0)
        yield Found(body, f"{path}:{line}" if line else path)
        return
    own = {"apiVersion": body.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
    for item in items:
        if isinstance(item, Mapping):
            whole = Placed({**own, **item})
            whole.line = getattr(item, "line", 0)
            yield from flattened(whole, path, depth + 1)


def normalised(value: Any, depth: int = 0) -> Value:
    """A value of typed JSON as the text it is written as; what is nested deeper than anything read here is None."""
    if depth > MAX_DEPTH or value is None:
        return None
    if isinstance(value, dict):
        return {str(key): normalised(part, depth + 1) for key, part in value.items()}
    if isinstance(value, list):
        return [normalised(part, depth + 1) for part in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(text: str) -> Mapping[str, Value] | None:
    """The object that a text of JSON is; None when it is YAML, or nothing at all."""
    if text.lstrip()[:1] != "{":
        return None
    try:
        whole = normalised(json.loads(text))
    except (ValueError, RecursionError):
        return None
    return whole if isinstance(whole, dict) else None


def _documents(text: str, path: str) -> Iterator[tuple[int, Value]]:
    """Each document that is not empty, and the line it begins at; raises ImportFailed."""
    builder = _Builder(path)
    try:
        for event in yaml.parse(text, Loader=LOADER):
            if isinstance(event, yaml.DocumentEndEvent):
                if builder.root is not None:
                    yield builder.line, builder.root
                builder = _Builder(path)
            else:
                builder.take(event)
    except yaml.MarkedYAMLError as bad:
        mark = bad.problem_mark or bad.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        hint = "look at the indentation, the quotes and the brackets there"
        raise ImportFailed(f"{place}: YAML cannot be read here: {plain(bad.problem)}", hint=hint) from bad
    except yaml.YAMLError as bad:
        raise ImportFailed(f"{path}: this is no YAML: {plain(bad)}", hint="see what kubectl makes of it") from bad


@dataclass(slots=True)
class _Open:
    """A list or mapping that is not closed yet: the key whose value comes next, what << brings in, all its values."""

    value: list[Value] | Placed
    anchor: str | None
    line: int
    key: str | None = None
    merged: list[Value] = field(default_factory=list)
    size: int = 1


class _Builder:
    """Takes the parser's events of one document and grows its value."""

    def __init__(self, path: str) -> None:
        self.root: Value = None
        self.line = 0
        self._path = path
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._aliased = 0

    def take(self, event: yaml.Event) -> None:
        """Add one event; raises ImportFailed."""
        if isinstance(event, yaml.CollectionEndEvent):
            self._close(self._open.pop(), event)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) == MAX_DEPTH:
                raise self._failed(event, f"lists and mappings are nested more than {MAX_DEPTH} deep")
            value: list[Value] | Placed = Placed() if isinstance(event, yaml.MappingStartEvent) else []
            if isinstance(value, Placed):
                value.line = _line(event)
            self._open.append(_Open(value, event.anchor, _line(event)))
        elif isinstance(event, yaml.ScalarEvent):
            null = event.implicit[0] and event.value in NULLS
            self._finish(_Open([], event.anchor, _line(event)), None if null else event.value, event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._anchors:
            raise self._failed(event, f"the alias *{event.anchor} names nothing")
        value, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise self._failed(event, f"written out, the aliases are more than {MAX_ALIASED:,} values")
        self._finish(_Open([], None, _line(event), size=size), value, event)

    def _close(self, closed: _Open, event: yaml.Event) -> None:
        if isinstance(closed.value, Placed):
            for merged in closed.merged:
                for one in merged if isinstance(merged, list) else [merged]:
                    if not isinstance(one, dict):
                        raise self._failed(event, "the merge key << brings in what is no mapping")
                    for key, value in one.items():
                        closed.value.setdefault(key, value)
        self._finish(closed, closed.value, event)

    def _finish(self, closed: _Open, value: Value, event: yaml.Event) -> None:
        """Put a value that is complete where it belongs."""
        if closed.anchor is not None:
            self._anchors[closed.anchor] = value, closed.size
        if not self._open:
            self.root, self.line = value, closed.line
            return
        parent = self._open[-1]
        parent.size += closed.size
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is None:
            parent.key = self._key(value, event)
        elif parent.key == "<<":
            parent.merged.append(value)
            parent.key = None
        elif parent.key in parent.value:
            raise self._failed(event, f"the key {plain(parent.key)!r} stands twice in one mapping")
        else:
            parent.value[parent.key] = value
            parent.key = None

    def _key(self, value: Value, event: yaml.Event) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._failed(event, "a key is text, and this is not")
        return value

    def _failed(self, event: yaml.Event, sentence: str) -> ImportFailed:
        return ImportFailed(f"{self._path}:{_line(event)}: {sentence}", hint="see what kubectl makes of it")


def _line(event: yaml.Event) -> int:
    """The line that an event begins at, from 1."""
    return event.start_mark.line + 1 if event.start_mark else 0
