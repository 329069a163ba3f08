"""From <pending> to an address on a real kube-apiserver, under the least Role."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.driver import Bed

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    """A control plane with one pending Service, the article's."""
    with Bed() as started:
        started.kubectl("apply", "-f", str(ROOT / "examples/test-svc-1.yaml"))
        yield started


def lbctl(bed: Bed, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed lbctl as the Role."""
    command = [str(Path(sys.executable).parent / "lbctl"), *words, "--context=lbctl"]
    env = {**os.environ, "KUBECONFIG": str(bed.kubeconfig)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_pending_becomes_an_address_and_release_takes_it_back(bed: Bed) -> None:
    """kubectl shows the address that assign printed, the ledger the claim, and release undoes both."""
    assert "<pending>" in bed.kubectl("get", "svc", "test-svc-1")
    pools = f"--pools={ROOT / 'examples/pools/simple.yaml'}"
    done = lbctl(bed, "assign", "default/test-svc-1", pools)
    assert (done.stdout, done.stderr, done.returncode) == ("default/test-svc-1 192.0.2.200 (Assigned)\n", "", 0)
    assert " 192.0.2.200 " in bed.kubectl("get", "svc", "test-svc-1")
    assert "192.0.2.200   held    default/test-svc-1   lan" in lbctl(bed, "claims", "list").stdout
    again = lbctl(bed, "assign", "--all", pools)
    assert (again.stdout, again.stderr, again.returncode) == ("", "", 0)
    freed = lbctl(bed, "release", "default/test-svc-1")
    assert (freed.stdout, freed.stderr) == ("default/test-svc-1 192.0.2.200 (Released)\n", "")
    assert "<pending>" in bed.kubectl("get", "svc", "test-svc-1")
    lbctl(bed, "assign", "--all", pools)
    assert "<pending>" in bed.kubectl("get", "svc", "test-svc-1")
    lbctl(bed, "assign", "default/test-svc-1", pools)
    assert " 192.0.2.200 " in bed.kubectl("get", "svc", "test-svc-1")
