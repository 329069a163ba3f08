"""One control plane for all tests that need a real one; each finds it without Services and without claims."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.testbed.driver import Bed


@contextlib.contextmanager
def started() -> Iterator[Bed]:
    """A control plane; where it does not start, CI fails, and elsewhere the tests that need it are skipped, loudly."""
    try:
        bed = Bed().__enter__()
    except (OSError, AssertionError, subprocess.SubprocessError) as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT RUN: the test bed does not start here: {missing}")
    try:
        yield bed
    finally:
        bed.stop()


@pytest.fixture(scope="session")
def _bed() -> Iterator[Bed]:
    with started() as bed:
        yield bed


@pytest.fixture
def bed(_bed: Bed) -> Bed:
    """The control plane, swept."""
    _bed.wipe()
    return _bed
