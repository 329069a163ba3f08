"""One control plane for all tests that need a real one; each finds it without Services and without claims."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.testbed.driver import Bed


@pytest.fixture(scope="session")
def _bed() -> Iterator[Bed]:
    try:
        started = Bed().__enter__()
    except (OSError, AssertionError, subprocess.SubprocessError) as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT RUN: the test bed does not start here: {missing}")
    yield started
    started.stop()


@pytest.fixture
def bed(_bed: Bed) -> Bed:
    """The control plane, swept."""
    _bed.wipe()
    return _bed
