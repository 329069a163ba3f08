"""Two machines on a wire."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

import pytest

from tests.testbed.wire import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Network namespaces with a veth between them, or a skip that says what is missing."""
    if not (shutil.which("ip") and shutil.which("nsenter")):
        pytest.skip("NOT RUN: needs ip (iproute2) and nsenter (util-linux)")
    try:
        made = Wire()
    except OSError as error:
        pytest.skip(f"NOT RUN: needs network namespaces: {error}")
    with contextlib.closing(made):
        yield made
