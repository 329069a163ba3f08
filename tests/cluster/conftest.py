"""Namespaces for tests that need some beside default."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.testbed.driver import Hand


@pytest.fixture
def spaces(bed: Hand) -> Iterator[tuple[str, str]]:
    """Two namespaces of this test's own, labelled team=a and team=b; their Services go with the test."""
    names = f"a-{secrets.token_hex(3)}", f"b-{secrets.token_hex(3)}"
    for name in names:
        body = {"metadata": {"name": name, "labels": {"team": name[0]}}}
        status, answer = bed.admin.request("POST", "/api/v1/namespaces", body)
        assert status == 201, answer
    yield names
    for name in names:
        bed.kubectl("delete", "services", "--all", "-n", name)
        bed.kubectl("delete", "namespace", name, "--wait=false")
