"""A line at the foot of a terminal that says how things stand, below lines that come and stay."""

from __future__ import annotations

import contextlib
import shutil
import threading
from typing import TextIO

ERASE = "\r\x1b[K"  # to the beginning of the line, and clear it to its end (ECMA-48: EL)


class Live:
    """A stream in front of a terminal's. What is written to it stays above the line, whole lines at a time.

    Any thread may write. rich.live would break what is written at the terminal's width, and an address with it.
    """

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._line = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Put lines, each with its end, above the line."""
        with self._lock:
            self._terminal.write(ERASE + text + self._cut() if self._line else text)

    def flush(self) -> None:
        """As of the terminal."""
        self._terminal.flush()

    def show(self, line: str) -> None:
        """From now on the line is this one; an empty one is none."""
        with self._lock, contextlib.suppress(OSError, ValueError):  # because the terminal may be gone
            if line != self._line:
                self._line = line
                self._terminal.write(ERASE + self._cut())
                self._terminal.flush()

    def _cut(self) -> str:
        """What fits in one line: a longer one would be wrapped, and could not be erased."""
        room = shutil.get_terminal_size().columns - 1
        return self._line if len(self._line) <= room else self._line[: max(room - 1, 0)] + "…"
