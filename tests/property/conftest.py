"""What the searches of the protocol share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lbctl import planner
from tests.property.process import forget


@pytest.fixture
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A claim is finished by anybody at once: the 5 s that others leave it alone are manners, not safety."""
    monkeypatch.setattr(planner, "YOUNG", 0)
    forget()
    yield
    forget()
