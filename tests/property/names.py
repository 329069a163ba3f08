"""Texts told apart from the names in them, so that a state is renamed as bytes instead of by searching its text.

What the API server makes up (uids, resourceVersions) and what lbctl makes up (attempts) are names `~0`, `~1`, …: only
their equality ever matters. A Part is a text as the number of its shape (the text with every name blank) and the names
in the order they occur, a byte each. Work on a few Parts is remembered under their shapes and the pattern of their
names alone, so that it is done once for all the states in which the same few Parts meet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

NAME = re.compile(r"~(\d+)")
FRESH = "~255"  # a resourceVersion nobody bears yet; renaming gives it the next number
FRESH_UID, FRESH_ATTEMPT = "~254", "~253"
NUMBERS = bytes(range(253))  # no state bears as many names

Part = tuple[int, bytes]
Outcome = tuple[str, Sequence[str | None]]  # words, and texts or None

_numbers: dict[str, int] = {}
_pieces: list[list[str]] = []  # of each shape, what stands around its names


def part(text: str) -> Part:
    """A text as its shape's number and its names."""
    shape = NAME.sub("~", text)
    number = _numbers.setdefault(shape, len(_numbers))
    if number == len(_pieces):
        _pieces.append(shape.split("~"))
    return number, bytes(map(int, NAME.findall(text)))


def text(of: Part) -> str:
    """The text of a Part."""
    pieces = _pieces[of[0]]
    return pieces[0] + "".join([f"~{n}{piece}" for n, piece in zip(of[1], pieces[1:], strict=True)])


def bears(shape: int) -> int:
    """How many names stand in a shape."""
    return len(_pieces[shape]) - 1


def in_order(names: bytes) -> bytes:
    """Each name once, in the order they occur."""
    return bytes(dict.fromkeys(names))


def renumbered(names: bytes) -> bytes:
    """The names numbered in the order they occur."""
    order = in_order(names)
    return names.translate(bytes.maketrans(order, NUMBERS[: len(order)]))


class Remembered:
    """Work on texts that gives texts, done once for Parts that differ in names alone."""

    def __init__(self, work: Callable[..., Iterable[Outcome]]) -> None:
        self._work = work
        self._known: dict[tuple[tuple[int, ...], bytes], list[tuple[str, list[Part | None]]]] = {}

    def __call__(self, *parts: Part) -> list[tuple[str, list[Part | None]]]:
        """What the work gives for these Parts: words, and Parts or None."""
        names = b"".join([p[1] for p in parts])
        order = in_order(names)
        local = names.translate(bytes.maketrans(order, NUMBERS[: len(order)]))
        key = (tuple([p[0] for p in parts]), local)
        if (known := self._known.get(key)) is None:
            known = self._known[key] = self._done(parts, local)
        back = bytes.maketrans(NUMBERS[: len(order)], order)
        return [(words, [p and (p[0], p[1].translate(back)) for p in results]) for words, results in known]

    def _done(self, parts: tuple[Part, ...], names: bytes) -> list[tuple[str, list[Part | None]]]:
        texts, at = [], 0
        for shape, old in parts:
            texts.append(text((shape, names[at : at + len(old)])))
            at += len(old)
        return [(words, [None if r is None else part(r) for r in results]) for words, results in self._work(*texts)]
