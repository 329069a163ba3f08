"""What lbctl serve says on stderr while it runs: one line a happening, for people (text) or machines (logfmt, json).

A line has a time (RFC 3339, UTC), a level, a message that is a sentence, and fields. The same line over and over, as
from an API server that is away, is said once, and then once a minute how often it came again.

The standard library's logging would give the levels and nothing else of this; what libraries say by it comes in through
`adopt`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any, Protocol

WINDOW = 60.0  # seconds in which a line that comes again is only counted
ROOM = 512  # different lines that are remembered at once; the oldest is forgotten first
OWN = ("time", "level", "message", "repeated")  # a field of such a name gets an underscore


class LogFormat(StrEnum):
    """Values of --log-format."""

    TEXT = "text"
    LOGFMT = "logfmt"
    JSON = "json"


class Level(IntEnum):
    """How much it matters; the numbers are those of `logging`."""

    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR

    @property
    def word(self) -> str:
        """As it stands in a line."""
        return self.name.lower()

    @classmethod
    def of(cls, *, quiet: bool = False, verbose: bool = False) -> Level:
        """The least that is said with -q (warnings and errors), with -v (everything), and without."""
        return cls.WARNING if quiet else cls.DEBUG if verbose else cls.INFO


class Sink(Protocol):
    """Where lines go: any text stream."""

    def write(self, text: str, /) -> object:
        """Take a line, with its end."""

    def flush(self) -> object:
        """Let it be seen."""


@dataclass(frozen=True, slots=True)
class Line:
    """What happened; the fields' values are text or numbers."""

    level: Level
    message: str
    fields: tuple[tuple[str, Any], ...] = ()


@dataclass(slots=True)
class _Counted:
    since: float
    again: int = 0


class Log:
    """Writes lines; any thread may. Nothing here raises: who logs has better things to do."""

    def __init__(
        self,
        form: LogFormat = LogFormat.TEXT,
        level: Level = Level.INFO,
        stream: Sink | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._render = _RENDER[form]
        self._level = level
        self._stream: Sink = stream if stream is not None else sys.stderr
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._seen: OrderedDict[Line, _Counted] = OrderedDict()  # by when they were last said

    def debug(self, message: str, /, **fields: object) -> None:
        """What helps to find a bug."""
        self.log(Level.DEBUG, message, fields)

    def info(self, message: str, /, **fields: object) -> None:
        """Good to know."""
        self.log(Level.INFO, message, fields)

    def news(self, message: str, /, **fields: object) -> None:
        """Good to know each time: that something is so once more is no repetition."""
        self.log(Level.INFO, message, fields, anew=True)

    def warning(self, message: str, /, **fields: object) -> None:
        """Somebody should look at it, and it goes on."""
        self.log(Level.WARNING, message, fields)

    def error(self, message: str, /, **fields: object) -> None:
        """Somebody has to do something."""
        self.log(Level.ERROR, message, fields)

    def log(
        self, level: Level, message: str, fields: Mapping[str, object] | None = None, *, anew: bool = False
    ) -> None:
        """Say it, unless it has just been said and is not to be said `anew`."""
        if level < self._level:
            return
        line = Line(level, " ".join(message.split()), tuple((_key(k), _plain(v)) for k, v in (fields or {}).items()))
        with self._lock:
            now = self._clock()
            self._expire(now)
            if anew:
                self._write(line)
                return
            if (known := self._seen.get(line)) is not None:
                known.again += 1
                return
            self._seen[line] = _Counted(now)
            self._write(line)
            if len(self._seen) > ROOM:
                self._repeated(*self._seen.popitem(last=False))

    def flush(self) -> None:
        """Say how often lines came again whose minute is over; to be called now and then where little is logged."""
        with self._lock:
            self._expire(self._clock())

    def close(self) -> None:
        """Say how often each line came again that has not been said yet."""
        with self._lock:
            while self._seen:
                self._repeated(*self._seen.popitem(last=False))

    def adopt(self) -> None:
        """Take in what libraries say by `logging`: their warnings and errors, and with -v the rest."""
        root = logging.getLogger()
        root.handlers[:] = [_Adopted(self)]
        root.setLevel(self._level if self._level == Level.DEBUG else Level.WARNING)

    def _expire(self, now: float) -> None:
        while self._seen:
            line, counted = next(iter(self._seen.items()))
            if now - counted.since < WINDOW:
                return
            del self._seen[line]
            if counted.again:
                self._repeated(line, counted)
                self._seen[line] = _Counted(now)  # who goes on is said once a minute

    def _repeated(self, line: Line, counted: _Counted) -> None:
        if counted.again:
            self._write(line, counted.again)

    def _write(self, line: Line, repeated: int = 0) -> None:
        try:
            text = self._render(_stamp(self._wall()), line, repeated)
        except Exception as bug:  # noqa: BLE001 because a field of a strange kind must not end what was logging it
            text = f"lbctl cannot render a line of its log: {bug!r}"
        with contextlib.suppress(OSError, ValueError):  # because nobody may read it any more
            self._stream.write(text + "\n")
            self._stream.flush()


class _Adopted(logging.Handler):
    """Hands on what libraries log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging`."""
        with contextlib.suppress(Exception):  # because the words of a library may not fit its own arguments
            level = max((one for one in Level if one <= record.levelno), default=Level.DEBUG)
            self._log.log(level, record.getMessage(), {"logger": record.name})


def _key(name: str) -> str:
    return f"{name}_" if name in OWN else name


def _plain(value: object) -> object:
    """A value that every format can write, and that can be compared."""
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _stamp(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(when: str, line: Line, repeated: int) -> str:
    again = f" (repeated {repeated} time{'s' if repeated != 1 else ''})" if repeated else ""
    parts = [when, f"{line.level.word}:", _printable(line.message) + again]
    return " ".join([*parts, *(f"{name}={_quoted(value)}" for name, value in line.fields)])


def _logfmt(when: str, line: Line, repeated: int) -> str:
    pairs = [("time", when), ("level", line.level.word), ("message", line.message), *line.fields]
    pairs += [("repeated", repeated)] if repeated else []
    return " ".join(f"{name}={_quoted(value)}" for name, value in pairs)


def _json(when: str, line: Line, repeated: int) -> str:
    known = {"time": when, "level": line.level.word, "message": line.message, **dict(line.fields)}
    # ASCII alone: a lone surrogate, which a name out of the environment may hold, is no UTF-8.
    return json.dumps(known | ({"repeated": repeated} if repeated else {}))


def _quoted(value: object) -> str:
    """A value of logfmt: bare where that is clear, else as a JSON string."""
    word = json.dumps(value) if isinstance(value, bool) or value is None else str(value)
    if re.fullmatch(r"[^\s\"=\\]+", word) and word.isprintable():
        return word
    return json.dumps(word, ensure_ascii=not word.isprintable())


def _printable(text: str) -> str:
    """Without what could steer a terminal or break a line."""
    return "".join(c if c.isprintable() else "�" for c in text)


_RENDER: Mapping[LogFormat, Callable[[str, Line, int], str]] = {
    LogFormat.TEXT: _text,
    LogFormat.LOGFMT: _logfmt,
    LogFormat.JSON: _json,
}
