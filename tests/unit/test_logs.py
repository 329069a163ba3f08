"""The log of serve: each format as it is read, and what is said often is said seldom."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from lbctl.logs import ROOM, WINDOW, Level, Log, LogFormat

NOW = 1772452800.25  # 2026-03-02T12:00:00.250Z


class Desk:
    """A log with a clock that is moved by hand."""

    def __init__(self, form: LogFormat = LogFormat.TEXT, level: Level = Level.INFO) -> None:
        self.now = 0.0
        self.out = io.StringIO()
        self.log = Log(form, level, self.out, clock=lambda: self.now, wall=lambda: NOW + self.now)

    @property
    def lines(self) -> list[str]:
        """What stands on stderr."""
        return self.out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("form", "line"),
    [
        (
            LogFormat.TEXT,
            '2026-03-02T12:00:00.250Z warning: no address is free service=prod/web pool="my lan" left=0 shared=false',
        ),
        (
            LogFormat.LOGFMT,
            'time=2026-03-02T12:00:00.250Z level=warning message="no address is free" service=prod/web pool="my lan" '
            "left=0 shared=false",
        ),
        (
            LogFormat.JSON,
            '{"time": "2026-03-02T12:00:00.250Z", "level": "warning", "message": "no address is free", '
            '"service": "prod/web", "pool": "my lan", "left": 0, "shared": false}',
        ),
    ],
)
def test_a_line_in_each_format(form: LogFormat, line: str) -> None:
    """Time in UTC, level, message, fields in the order given."""
    desk = Desk(form)
    desk.log.warning("no address is free", service="prod/web", pool="my lan", left=0, shared=False)
    assert desk.lines == [line]


@pytest.mark.parametrize("form", LogFormat)
def test_nobody_s_words_break_a_line(form: LogFormat) -> None:
    """Line breaks, quotes, escape sequences and lone surrogates: one line, that a terminal does not obey and UTF-8 can
    hold."""
    desk = Desk(form)
    desk.log.info('a\n"b"\x1b[31m\udcff', why='c="d"\n\x1b[0m \udcff', path="C:\\x")
    (line,) = desk.lines
    assert "\x1b" not in line
    line.encode()
    if form is LogFormat.JSON:
        assert json.loads(line)["why"] == 'c="d"\n\x1b[0m \udcff'


def test_a_field_cannot_pass_for_the_line_s_own() -> None:
    """It gets an underscore; and what is no text is written as text."""
    desk = Desk(LogFormat.JSON)
    desk.log.log(Level.INFO, "x", {"level": "error", "time": 1, "message": "y", "set": frozenset({1}), "none": None})
    read = json.loads(desk.lines[0])
    assert (read["level"], read["level_"], read["time_"], read["message_"]) == ("info", "error", 1, "y")
    assert (read["set"], read["none"]) == ("frozenset({1})", None)


@pytest.mark.parametrize(
    ("quiet", "verbose", "said"),
    [(True, False, "we"), (False, False, "iwe"), (False, True, "diwe"), (True, True, "we")],
)
def test_quiet_and_verbose(quiet: bool, verbose: bool, said: str) -> None:
    """-q leaves warnings and errors, -v says all."""
    desk = Desk(level=Level.of(quiet=quiet, verbose=verbose))
    for speak in (desk.log.debug, desk.log.info, desk.log.warning, desk.log.error):
        speak("x")
    assert [line.split()[1][0] for line in desk.lines] == list(said)


def test_a_message_that_comes_again_is_said_once_and_then_counted() -> None:
    """Once a minute, as long as it goes on; in every format it says how often."""
    for form in LogFormat:
        desk = Desk(form)
        for second in range(150):
            desk.now = float(second)
            desk.log.warning("the API server is away")
        desk.log.close()
        assert len(desk.lines) == 4, form
        for line, number in zip(desk.lines[1:], (59, 60, 30), strict=True):
            assert {
                LogFormat.TEXT: f"(repeated {number} times)",
                LogFormat.LOGFMT: f"repeated={number}",
                LogFormat.JSON: f'"repeated": {number}',
            }[form] in line


def test_news_is_said_each_time() -> None:
    """A state that comes back has come back at that time."""
    desk = Desk(LogFormat.TEXT)
    for second, state in enumerate(("leading", "no longer leading", "leading")):
        desk.now = float(second)
        desk.log.news(state)
    desk.log.close()
    assert [line.partition("info: ")[2].strip() for line in desk.lines] == ["leading", "no longer leading", "leading"]


def test_what_stops_coming_is_forgotten_and_said_again_when_it_comes_back() -> None:
    """A minute later it is news."""
    desk = Desk()
    desk.log.info("x")
    desk.now = WINDOW - 1
    desk.log.info("y")
    desk.now = WINDOW
    desk.log.info("x")
    assert [line.split()[-1] for line in desk.lines] == ["x", "y", "x"]


def test_flush_says_what_is_due_though_nothing_else_happens() -> None:
    """Not before its minute is over, and not twice."""
    desk = Desk()
    desk.log.info("x")
    desk.log.info("x")
    desk.log.flush()
    assert len(desk.lines) == 1
    desk.now = WINDOW
    desk.log.flush()
    desk.log.flush()
    assert desk.lines[1:] == ["2026-03-02T12:01:00.250Z info: x (repeated 1 time)"]


def test_another_level_or_field_is_another_line() -> None:
    """Only what is the same in all is the same."""
    desk = Desk()
    desk.log.info("x", service="a")
    desk.log.info("x", service="b")
    desk.log.warning("x", service="b")
    assert len(desk.lines) == 3


def test_memory_is_bounded_and_no_count_is_lost() -> None:
    """The oldest line is forgotten first; how often it came again is said then."""
    desk = Desk()
    desk.log.info("first")
    desk.log.info("first")
    for number in range(ROOM):
        desk.log.info(f"line {number}")
    assert desk.lines[-1].endswith("first (repeated 1 time)")
    assert len(desk.lines) == ROOM + 2


def test_threads_may_say_the_same_at_once() -> None:
    """One line, and all the others counted."""
    desk = Desk()

    def speak() -> None:
        for _ in range(100):
            desk.log.info("x")

    threads = [threading.Thread(target=speak) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.log.close()
    assert desk.lines[1].endswith("x (repeated 799 times)")


def test_a_stream_that_is_gone_is_no_error() -> None:
    """Whoever read stderr may have ended."""
    stream = io.StringIO()
    log = Log(stream=stream)
    stream.close()
    log.error("x")


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, left as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.usefixtures("root")
def test_what_libraries_log_comes_out_in_the_same_form() -> None:
    """Their warnings, with their name; words that do not fit their arguments are dropped."""
    desk = Desk(LogFormat.LOGFMT)
    desk.log.adopt()
    library = logging.getLogger("urllib3.connectionpool")
    library.info("x")
    library.warning("pool is full, %d", 10)
    library.warning("%d", "no number")
    assert desk.lines == [
        'time=2026-03-02T12:00:00.250Z level=warning message="pool is full, 10" logger=urllib3.connectionpool'
    ]


def test_the_command_line_knows_every_form() -> None:
    """serve's flag has values of its own, so that no other command waits for this module."""
    from lbctl.cli.options import LogForm

    assert [form.value for form in LogForm] == [form.value for form in LogFormat]
