"""YAML text as nodes with their places, nothing typed.

Typed loading would turn `1:2:3:4:5:6:7:8` into an integer and let a second key win in silence, so every scalar stays
text and every doubt is a Problem. The parser's events are read instead of PyYAML's own nodes, because composing those
recurses: a file of brackets would end the process. What the keys mean, this module must not know.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from lbctl.problems import FORBIDDEN, Place, Problem

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML is also built without libyaml
MAX_DEPTH = 20  # the deepest key of a pool file lies seven down; plain recursion over nodes is safe at this
_BREAK = re.compile(
    "\r\n|[\r\n\x85\u2028\u2029]"
)  # what ends a line in YAML 1.1, so that our line numbers are the parser's
NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(slots=True)
class Node:
    """A value and where it begins: text, a list, a mapping (with the places of its keys), or None for a null."""

    value: str | list[Node] | dict[str, Node] | None
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read: its root (None when there is none, or none that can be trusted), lines, and problems."""

    root: Node | None
    lines: list[str]
    problems: tuple[Problem, ...] = ()


class _Stop(Exception):
    """Reading on makes no sense."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


def read(data: bytes) -> Document:
    """Read one YAML document; raises nothing: what is wrong comes back as problems."""
    data = data.removeprefix(codecs.BOM_UTF8)
    text = data.decode("utf-8", errors="replace")
    lines = _BREAK.split(text)
    reader = _Reader()
    try:
        _check_characters(data, text)
        _parse(text, lines, reader)
    except _Stop as stop:
        return Document(None, lines, (*reader.problems, stop.problem))
    return Document(reader.root, lines, tuple(reader.problems))


def _check_characters(data: bytes, text: str) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as bad:
        place = _place_after(data[: bad.start].decode("utf-8"))
        raise _Stop(
            Problem(place, f"the byte 0x{data[bad.start]:02x} is not UTF-8", "save the file as UTF-8")
        ) from None
    if found := FORBIDDEN.search(text):
        place = _place_after(text[: found.start()])
        raise _Stop(
            Problem(place, f"the control character U+{ord(found[0]):04X} cannot stand in YAML", "delete the character")
        )


def _place_after(text: str) -> Place:
    lines = _BREAK.split(text)
    return Place(len(lines), len(lines[-1]) + 1)


def _parse(text: str, lines: list[str], reader: _Reader) -> None:
    try:
        for event in yaml.parse(text, Loader=LOADER):
            if reader.take(event):
                return
    except yaml.MarkedYAMLError as bad:
        raise _Stop(_syntax_problem(bad, lines)) from None


@dataclass(slots=True)
class _Open:
    """A list or mapping that is not closed yet, and the key whose value comes next."""

    node: Node
    key: Node | None = None


class _Reader:
    """Takes the parser's events of one document and grows the tree."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> bool:
        """Add one event; True when the rest of the stream is not to be read."""
        if isinstance(event, yaml.NodeEvent):
            self._take_node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.problems.append(_second_document(_place(event.start_mark)))
                return True
        return False

    def _take_node(self, event: yaml.NodeEvent) -> None:
        place = _place(event.start_mark)
        self._refuse_marks(event, place)
        node = Node(_empty_value(event), place)
        self._add(node)
        if isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) == MAX_DEPTH:
                hint = "look for a bracket that is never closed"
                raise _Stop(Problem(place, f"lists and mappings are nested more than {MAX_DEPTH} deep", hint))
            self._open.append(_Open(node))

    def _refuse_marks(self, event: yaml.NodeEvent, place: Place) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._problem(place, f"the alias *{event.anchor} is not read here", f"write out what &{event.anchor} marks")
        elif event.anchor is not None:
            self._problem(place, f"the anchor &{event.anchor} is not read here", f"remove &{event.anchor}")
        if tag := getattr(event, "tag", None):
            short = str(tag).replace("tag:yaml.org,2002:", "!!")
            self._problem(
                place, f"the tag {short!r} is not read here", f"remove {short!r}: every value is read as text"
            )

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent.node.value, list):
            parent.node.value.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            self._enter(parent.node, parent.key, node)
            parent.key = None

    def _enter(self, mapping: Node, key: Node, value: Node) -> None:
        """Put a key into a mapping: the first one wins, and none is lost in silence."""
        assert isinstance(mapping.value, dict)
        if not isinstance(key.value, str):
            self._problem(key.place, "a key is text, and this is not", "write the key as one word before the ':'")
        elif key.value == "<<":
            self._problem(key.place, "the merge key << is not read here", "write the keys out where they are wanted")
        elif first := mapping.keys.get(key.value):
            sentence = f"the key {key.value!r} stands here twice, the first time on line {first.line}"
            self._problem(key.place, sentence, "keep one of the two")
        else:
            mapping.value[key.value] = value
            mapping.keys[key.value] = key.place

    def _problem(self, place: Place, sentence: str, hint: str) -> None:
        self.problems.append(Problem(place, sentence, hint))


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _empty_value(event: yaml.NodeEvent) -> str | list[Node] | dict[str, Node] | None:
    if isinstance(event, yaml.ScalarEvent):
        plain = event.implicit[0]
        return None if plain and event.value in NULLS else str(event.value)
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    return {} if isinstance(event, yaml.MappingStartEvent) else None


def _second_document(place: Place) -> Problem:
    return Problem(place, "a second YAML document begins here", "put everything into one document, without --- lines")


# What the parser says (a fragment of it, for its two builds differ), and what we say instead. {line} is where the thing
# began, {last} how far it goes, {found} what stands at the place; True: the place is where it began, because there the
# end is missing.
_SYNTAX = (
    (
        "cannot start any token",
        "a value cannot begin with {found}",
        "put the value in quotes",
        False,
    ),
    (
        "mapping values are not allowed",
        "a ':' stands where no key can be",
        "indent the key as the keys above it, write a space after the ':' of a key, and quote text that holds ': '",
        False,
    ),
    (
        "expected ',' or ']'",
        "the list that begins with [ here goes on to {last} without a , or ] between its items",
        "write a , between two items and a ] after the last",
        True,
    ),
    (
        "expected ',' or '}'",
        "the mapping that begins with {{ here goes on to {last} without a , or }} between its keys",
        "write a , between two keys and a } after the last",
        True,
    ),
    (
        "found unexpected end of stream",
        "the quote that opens here is never closed",
        "close the quote on the same line",
        True,
    ),
    (
        "expected key",
        "this does not fit the mapping that begins on line {line}",
        "indent a key as the other keys of its mapping, and write nothing after a value that is complete",
        False,
    ),
    (
        "expected '-' indicator",
        "this does not fit the list that begins on line {line}",
        "begin the line with - as the list's other items, or indent it under the item it belongs to",
        False,
    ),
    (
        "sequence entries are not allowed",
        "a list cannot begin here",
        "write the first - on a line of its own",
        False,
    ),
    (
        "expected node content",
        "{found} stands where a value is wanted",
        "write the value, or put it in quotes",
        False,
    ),
    (
        "<document start>",
        "{found} stands after the end of the document",
        "remove it",
        False,
    ),
)
_OTHER_HINT = "look at the indentation, the quotes and the brackets of this line and the one above"

# `fd00::` before a comma, a bracket or the line's end, and `::1` in brackets: to YAML the last or first ':' is its own.
_BARE_IPV6 = re.compile(r"(?<![^\s\[{,])(?:[0-9A-Fa-f:.]*::(?=[\s,\]}]|$)|::[0-9A-Fa-f:.]*(?:/\d+)?)")


def _syntax_problem(bad: yaml.MarkedYAMLError, lines: list[str]) -> Problem:
    mark, words = bad.problem_mark or bad.context_mark, bad.problem or ""
    assert mark is not None
    place, begun = _inside(mark, lines), _inside(bad.context_mark or mark, lines)
    line, at = lines[place.line - 1], place.column - 1
    if line[at : at + 1] == "\t":
        return Problem(place, "a tab stands in the indentation", "indent with spaces")
    for bare in _BARE_IPV6.finditer(line):
        if bare.start() <= at <= bare.end():
            start = Place(place.line, bare.start() + 1)
            return Problem(start, f"YAML cannot read {bare[0]} without quotes", f'put it in quotes: "{bare[0]}"')
    at_end = place.line == len(lines) and at == len(line)
    last = "the end of the file" if at_end else f"line {place.line}"
    found = repr(line[at]) if at < len(line) else last if at_end else "the end of the line"
    for fragment, sentence, hint, at_begin in _SYNTAX:
        if fragment in words:
            said = sentence.format(line=begun.line, last=last, found=found)
            return Problem(begun if at_begin else place, said, hint)
    return Problem(place, f"YAML cannot be read here: {words}", _OTHER_HINT)


def _inside(mark: Any, lines: list[str]) -> Place:
    """The place of a parser's mark, which may lie one line behind a file that does not end in a newline."""
    return _place(mark) if mark.line < len(lines) else Place(len(lines), len(lines[-1]) + 1)
