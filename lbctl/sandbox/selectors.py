"""Label and field selectors as query strings carry them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from lbctl.sandbox.refusals import Object, Refusal, bad_request

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

TOKEN = re.compile(r"\s*(!=|==|[=!<>(),]|[^\s=!<>(),]+|$)")
OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")


class _Words:
    """The words and signs of a selector, one after the other."""

    def __init__(self, text: str) -> None:
        self._words = [match[1] for match in TOKEN.finditer(text) if match[1]]

    @property
    def next(self) -> str:
        """What comes; "" at the end."""
        return self._words[0] if self._words else ""

    def take(self) -> str:
        """What comes, and go on."""
        return self._words.pop(0) if self._words else ""

    def expect(self, sign: str, apart: str = "") -> None:
        """Go past a sign. Raises Refusal (400)."""
        if self.take_if(sign):
            return
        raise _unread(self.next, f"'{sign}'", apart)

    def take_if(self, sign: str) -> bool:
        """Go past a sign if it is there."""
        if self.next != sign:
            return False
        self.take()
        return True


def _unread(found: str, expected: str, apart: str = ",") -> Refusal:
    return bad_request(f"unable to parse requirement: found '{found}'{apart} expected: {expected}")


def labels_test(text: str) -> Test:
    """Read a label selector: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. Raises Refusal (400)."""
    words, tests = _Words(text), []
    while words.next:
        tests.append(_term(words))
        if words.next and not words.take_if(","):
            raise _unread(words.next, "',' or 'end of string'")
    return lambda labels: all(test(labels) for test in tests)


def _term(words: _Words) -> Test:
    if words.take_if("!"):
        missing = words.take()
        return lambda labels: missing not in labels
    key = words.take()
    if not re.match(r"\w", key):
        raise _unread(key, "!, identifier, or 'end of string'")
    if words.next in ("", ","):
        return lambda labels: key in labels
    operator = words.take()
    if operator in ("in", "notin"):
        values = _values(words)
        return lambda labels: (labels.get(key) in values) is (operator == "in")
    if operator not in ("=", "==", "!="):
        raise _unread(operator, ", ".join(OPERATORS))
    value = "" if words.next in ("", ",") else words.take()
    return lambda labels: (labels.get(key) == value) is (operator != "!=")


def _values(words: _Words) -> set[str]:
    words.expect("(")
    values = set()
    while True:  # nothing before a comma or the end is the empty value
        values.add("" if words.next in (",", ")") else words.take())
        if words.take_if(")"):
            return values
        if not words.take_if(","):
            raise _unread(words.next, "',' or ')'")


def fields_test(text: str, known: Collection[str], *, core: bool = True) -> Callable[[Object], bool]:
    """Read a field selector: `metadata.name=a,spec.type!=ClusterIP`.

    Raises Refusal (400); of the `core` group in other words than of the others.
    """
    wanted: list[tuple[list[str], str, bool]] = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if not match:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        if match[1] not in known:
            shown = ", ".join(f'"{name}"' for name in known)
            other = f'"{match[1]}" is not a known field selector: only {shown}'
            raise bad_request(f"field label not supported: {match[1]}" if core else other)
        wanted.append((match[1].split("."), match[3], match[2] != "!="))
    return lambda obj: all((_field(obj, path) == value) is same for path, value, same in wanted)


def _field(obj: Object, path: list[str]) -> str:
    value: Any = obj
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value or "")
