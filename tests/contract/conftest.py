"""The two servers of the contract: every test runs against the sandbox and against the real kube-apiserver.

Each test has a namespace of its own; what it leaves there is swept, for the control plane is other tests' too.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbctl.sandbox import Sandbox
from tests.contract.wire import Wire
from tests.testbed.driver import Bed

SANDBOX, REAL = "sandbox", "kube-apiserver"


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox
        assert sandbox.faults == []


@pytest.fixture(params=[SANDBOX, pytest.param(REAL, marks=pytest.mark.cluster)])
def api(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """One of the two, in a namespace of this test's own."""
    space = f"t-{secrets.token_hex(4)}"
    if request.param == SANDBOX:
        sandbox: Sandbox = request.getfixturevalue("running")
        wire = Wire(SANDBOX, sandbox.url, space=space)
    else:
        bed: Bed = request.getfixturevalue("_bed")
        wire = Wire(REAL, bed.url, str(bed.certificate), "admin", space=space)
    wire.made("/api/v1/namespaces", {"metadata": {"name": space}})
    yield wire
    for resource in ("services", "configmaps", "events", "leases", "endpointslices"):
        wire.delete(resource)
    wire.close()


@pytest.fixture
def kubeconfig(api: Wire, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A kubeconfig of that server."""
    if api.name == SANDBOX:
        sandbox: Sandbox = request.getfixturevalue("running")
        return sandbox.kubeconfig(tmp_path / "kubeconfig")
    bed: Bed = request.getfixturevalue("_bed")
    return bed.kubeconfig
