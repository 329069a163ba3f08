"""One lab for all tests that need a LAN; each finds it as new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import started
from tests.testbed.lab import Lab


@pytest.fixture(scope="session")
def _lab() -> Iterator[Lab]:
    with started(Lab) as lab:
        yield lab


@pytest.fixture
def lab(_lab: Lab) -> Lab:
    """The lab, swept."""
    _lab.wipe()
    return _lab
