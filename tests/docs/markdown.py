"""Bits of Markdown."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Sequence

MADE = "<!-- Made by `make docs` from the code: change it there. -->\n"


def page(title: str, *parts: str) -> str:
    """A page: a title, and parts with a blank line between them."""
    return "\n\n".join([f"# {title}", MADE.rstrip(), *(part.rstrip() for part in parts if part)]) + "\n"


def code(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line).strip() + " |" for line in lines)


def doc(thing: object) -> str:
    """The docstring of something, its lines joined to paragraphs; indented lines stay as they are."""
    paragraphs = (inspect.getdoc(thing) or "").split("\n\n")
    return "\n\n".join(p if p.startswith(" ") else paragraph(p) for p in paragraphs)


def paragraph(text: str) -> str:
    """Lines of at most 120 characters."""
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)
