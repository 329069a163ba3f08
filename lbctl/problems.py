"""What is wrong at a place in a file, as a user reads it: a sentence, the source line, a caret, a hint.

Knows of lines and columns only, not of what the file says or how it was parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import category, east_asian_width

_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_WINDOW = 100  # characters shown on either side of a place in a line too long to read

# What YAML allows in no file, surrogates aside (UTF-8 has none); a terminal must not be sent it either.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and a column, both from 1; a column is a character, whatever its width."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong at one place: a sentence, and what to write instead."""

    place: Place
    sentence: str
    hint: str

    def render(self, path: str, lines: list[str]) -> str:
        """`PATH:LINE:COLUMN: sentence`, the source line, a caret under the column, and the hint."""
        rows = [f"{path}:{self.place.line}:{self.place.column}: {self.sentence}"]
        line = lines[self.place.line - 1] if self.place.line <= len(lines) else ""
        if line.strip():
            rows += _caret(line, self.place.column - 1)
        return "\n".join([*rows, f"hint: {self.hint}"])


def _caret(line: str, at: int) -> tuple[str, str]:
    start = max(0, at - _WINDOW) if len(line) > 2 * _WINDOW else 0
    shown = FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", line[start : start + 2 * _WINDOW])
    shown = _ELLIPSIS * bool(start) + shown[bool(start) :]
    if start + len(shown) < len(line):
        shown = shown[:-1] + _ELLIPSIS
    return shown, "".join(map(_blank, shown[: at - start])) + "^"


def _blank(character: str) -> str:
    """What moves a terminal's cursor as far as the character does."""
    if character == "\t":
        return "\t"
    if category(character) in ("Mn", "Me", "Cf"):
        return ""
    return "  " if east_asian_width(character) in "WF" else " "
