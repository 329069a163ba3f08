"""Label and field selectors as query strings carry them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lbctl.sandbox.refusals import Object, bad_request

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

TERM = re.compile(
    r"""\s*(?:
        (?P<absent>!)\s*(?P<missing>[^\s!=,()]+)
      | (?P<key>[^\s!=,()]+)\s*(?:
            (?P<op>==|=|!=|\s+in\b|\s+notin\b|in\b(?=\s*\()|notin\b(?=\s*\()|>|<)\s*
            (?:\((?P<many>[^()]*)\)|(?P<one>[^\s!=,()]*))
        )?
    )\s*(?:,|$)""",
    re.VERBOSE,
)


def labels_test(text: str) -> Test:
    """Read a label selector: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. Raises Refusal (400)."""
    tests = [_label_test(match, text) for match in _terms(text)]
    return lambda labels: all(test(labels) for test in tests)


def _terms(text: str) -> Iterable[re.Match[str]]:
    at = 0
    while at < len(text):
        match = TERM.match(text, at)
        if not match:
            raise bad_request(f"unable to parse requirement: found '{text[at:].strip()}' in selector '{text}'")
        yield match
        at = match.end()


def _label_test(match: re.Match[str], text: str) -> Test:
    if match["absent"]:
        missing = match["missing"]
        return lambda labels: missing not in labels
    key, op, one = match["key"], (match["op"] or "").strip(), match["one"]
    if not op:
        return lambda labels: key in labels
    if op in ("in", "notin"):
        if match["many"] is None:
            raise bad_request(f"unable to parse requirement: found '{one}', expected: '('")
        values = {value.strip() for value in match["many"].split(",")}
        return (
            (lambda labels: labels.get(key) in values) if op == "in" else (lambda labels: labels.get(key) not in values)
        )
    if match["many"] is not None or op in "<>":
        raise bad_request(f"unable to parse requirement: '{op}' in selector '{text}'")
    if op == "!=":
        return lambda labels: labels.get(key) != one
    return lambda labels: labels.get(key) == one


def fields_test(text: str, known: Iterable[str]) -> Callable[[Object], bool]:
    """Read a field selector: `metadata.name=a,spec.type!=ClusterIP`. Raises Refusal (400)."""
    wanted: list[tuple[list[str], str, bool]] = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if not match:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        if match[1] not in known:
            raise bad_request(f"field label not supported: {match[1]}")
        wanted.append((match[1].split("."), match[3], match[2] != "!="))
    return lambda obj: all((_field(obj, path) == value) is same for path, value, same in wanted)


def _field(obj: Object, path: list[str]) -> str:
    value: Any = obj
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return str(value or "")
