"""From <pending> to an address on a real kube-apiserver, under the least Role."""

from __future__ import annotations

import pytest

from tests.testbed.driver import ROOT, Bed

pytestmark = pytest.mark.cluster


def test_pending_becomes_an_address_and_release_takes_it_back(bed: Bed) -> None:
    """kubectl shows the address that assign printed, the ledger the claim, and release undoes both."""
    bed.kubectl("apply", "-f", str(ROOT / "examples/test-svc-1.yaml"))
    assert "<pending>" in bed.kubectl("get", "svc", "test-svc-1")
    pools = f"--pools={ROOT / 'examples/pools/simple.yaml'}"
    assert bed.run("assign", "test-svc-1", pools) == ("default/test-svc-1 192.0.2.200 (Assigned)\n", "", 0)
    assert " 192.0.2.200 " in bed.kubectl("get", "svc", "test-svc-1")
    assert "192.0.2.200   held    default/test-svc-1   lan" in bed.run("claims", "list")[0]
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    assert bed.run("release", "default/test-svc-1") == ("default/test-svc-1 192.0.2.200 (Released)\n", "", 0)
    assert "<pending>" in bed.kubectl("get", "svc", "test-svc-1")
    bed.run("assign", "--all", pools)
    assert "<pending>" in bed.kubectl("get", "svc", "test-svc-1")
    bed.run("assign", "default/test-svc-1", pools)
    assert " 192.0.2.200 " in bed.kubectl("get", "svc", "test-svc-1")
