"""What a command says and how it looks: data on stdout, talk on stderr, and nothing ever cut.

Plain alignment instead of a table library: that cuts IPv6 addresses in a pipe and takes 500 ms for 2,000 rows where
this takes one. JSON and YAML come from the same documents (documents.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

BOLD, YELLOW, RED, PLAIN = "\x1b[1m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
PENDING = "<pending>"


class Format(StrEnum):
    """Values of -o that commands about Services take."""

    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Outcome(StrEnum):
    """Values of -o that commands which change Services take."""

    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Document(StrEnum):
    """Values of -o that commands about other things take."""

    JSON = "json"
    YAML = "yaml"


class Talk:
    """What goes to stderr; `quiet` leaves errors and their hints."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._last_hint = ""

    def say(self, text: str) -> None:
        """Something good to know."""
        if not self._quiet:
            print(text, file=sys.stderr)

    def error(self, message: str, hint: str = "") -> None:
        """What went wrong, and what to do; a hint that has just been given is not given again."""
        print(f"{_styled('error:', RED, sys.stderr)} {message}", file=sys.stderr)
        if hint and hint != self._last_hint:
            print(f"hint: {hint}", file=sys.stderr)
        self._last_hint = hint


def colours(stream: Any) -> bool:
    """Whether a stream is a terminal whose user wants colour (no-color.org)."""
    return terminal(stream) and not os.environ.get("NO_COLOR")


def terminal(stream: Any) -> bool:
    """Whether a stream is a terminal that can move its cursor."""
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def _styled(text: str, style: str, stream: Any) -> str:
    return f"{style}{text}{PLAIN}" if colours(stream) else text


class Table:
    """Rows under one header, as kubectl prints them: three blanks between columns, the last one ragged. Rows that come
    later stand under the same columns, which grow if they must."""

    def __init__(self, header: Sequence[str]) -> None:
        self._header: Sequence[str] | None = header
        self._widths = [0] * len(header)

    def print(self, rows: Sequence[Sequence[str]]) -> None:
        """Print them, after the header if these are the first."""
        lines = [self._header, *rows] if self._header else rows
        self._widths = [max(known, *map(len, cells)) for known, *cells in zip(self._widths, *lines, strict=True)]
        texts = [
            "   ".join(cell.ljust(width) for cell, width in zip(line, self._widths, strict=True)).rstrip()
            for line in lines
        ]
        if colours(sys.stdout):
            texts = [text.replace(PENDING, f"{YELLOW}{PENDING}{PLAIN}") for text in texts]
            if self._header:
                texts[0] = f"{BOLD}{texts[0]}{PLAIN}"
        self._header = None
        print("\n".join(texts))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of these rows."""
    Table(header).print(rows)


def document(value: Mapping[str, Any], form: str, *, one_a_line: bool = False) -> None:
    """One document as JSON or YAML; `one_a_line` where more may follow: JSON in a line, YAML after a line of dashes."""
    if form == "yaml":
        import yaml

        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=2**16)
        sys.stdout.write(f"---\n{text}" if one_a_line else text)
    else:
        import json

        print(json.dumps(value, indent=None if one_a_line else 2, ensure_ascii=False))


def say(text: str) -> None:
    """Something good to know, where nobody can ask for quiet."""
    Talk().say(text)
