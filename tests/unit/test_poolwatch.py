"""The pool file of a process that runs on and on (lbctl/poolwatch.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbctl.pools import load_pools
from lbctl.poolwatch import PoolWatch

TEXT = "pools:\n- name: lan\n  addresses: [192.0.2.0/28]\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A pool file."""
    path = tmp_path / "pools.yaml"
    path.write_text(TEXT)
    return path


def test_a_file_that_may_be_read_now_is_read_again(path: Path) -> None:
    """chmod changes nothing but who may read it."""
    watch = PoolWatch(load_pools(str(path)), lambda *_: None)
    path.chmod(0o600)
    assert watch.changed()
    assert watch.reload() is None
    assert not watch.changed()
    path.chmod(0o644)
    assert watch.changed()


def test_a_broken_file_is_refused_and_a_whole_one_is_taken(path: Path) -> None:
    """In words, once each."""
    said: list[tuple[str, str]] = []
    watch = PoolWatch(load_pools(str(path)), lambda *words: said.append(words))
    path.write_text("pools: 1\n")
    assert (watch.changed(), watch.reload(), watch.changed()) == (True, None, False)
    assert watch.error
    assert said == [("error", f"the pool file is refused, and the one before stays in use: {watch.error}")]
    path.write_text(TEXT.replace("/28", "/27"))
    assert watch.changed()
    found = watch.reload()
    assert found is not None
    assert (found.digest, watch.error) == (watch.pools.digest, "")
