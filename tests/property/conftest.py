"""What the searches of the protocol share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lbctl import planner
from tests.property.process import forget
from tests.property.settings import REPORT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The bounds of every search and what was seen within them: a promise that was tested says how far."""
    if REPORT:
        terminalreporter.section("searched")
        for words in REPORT:
            terminalreporter.line(words)


@pytest.fixture
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A claim is finished by anybody at once: the 5 s that others leave it alone are manners, not safety."""
    monkeypatch.setattr(planner, "YOUNG", 0)
    forget()
    yield
    forget()
