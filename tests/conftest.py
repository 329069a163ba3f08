"""One control plane for all tests that need a real one; each finds it without Services and without claims."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis.internal.conjecture import providers

from tests.testbed.borrowed import KUBECONFIG, Borrowed
from tests.testbed.driver import Bed, Hand

T = TypeVar("T")

# A seed is to give the same histories whatever else is imported: Hypothesis would mix in the constants of our sources.
providers._get_local_constants = lambda: providers._local_constants

# The pools of these tests are on ranges for documentation, and so may be the LAN of the machine that they run on: no
# lbctl asks it for anything, but those on hosts of the lab, which ask the lab's.
os.environ["LBCTL_PROBE"] = "off"


@contextlib.contextmanager
def started(bed: Callable[[], AbstractContextManager[T]], environ: Mapping[str, str] = os.environ) -> Iterator[T]:
    """A control plane; where it does not start, CI fails, and elsewhere the tests that need it are skipped, loudly."""
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(bed())
        except (OSError, AssertionError, subprocess.SubprocessError) as missing:
            if environ.get("CI", "") not in ("", "0", "false"):
                raise
            pytest.skip(f"NOT RUN: the test bed does not start here: {missing}")
        yield running


@pytest.fixture(scope="session")
def _bed() -> Iterator[Hand]:
    lent = os.environ.get(KUBECONFIG)
    with Borrowed(lent) if lent else started(Bed) as bed:
        yield bed


@pytest.fixture
def bed(_bed: Hand) -> Hand:
    """The control plane, swept; or the cluster that LBCTL_TEST_KUBECONFIG names."""
    _bed.wipe()
    return _bed


def out_of_reach(*paths: Path) -> Path | None:
    """The first folder above these that only its owner may enter."""
    return next((p for path in paths for p in path.parents if not p.stat().st_mode & 0o001), None)
