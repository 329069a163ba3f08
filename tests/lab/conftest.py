"""One lab for all tests that need a LAN; each finds it as new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import started
from tests.lab.announcing import POOLS
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


@pytest.fixture
def pools(tmp_path: Path) -> Path:
    """A pool file."""
    path = tmp_path / "pools.yaml"
    path.write_text(POOLS)
    return path
