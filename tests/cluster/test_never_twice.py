"""Promise 1: one address, one Service, whoever else is assigning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testbed.driver import Bed

pytestmark = [pytest.mark.cluster, pytest.mark.long]


def _service(number: int) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"s{number}", "namespace": "default"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }


def test_four_runs_at_once_give_every_service_one_address_of_its_own(tmp_path: Path) -> None:
    """200 pending Services, four `assign --all` with the same pools: in the end claims equal statuses exactly."""
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools:\n- name: bulk\n  addresses: [198.18.0.0/24]\n")
    with Bed() as bed:
        bed.kubectl("create", "-f", "-", stdin="\n---\n".join(json.dumps(_service(n)) for n in range(200)))
        command = [str(Path(sys.executable).parent / "lbctl"), "assign", "--all", f"--pools={pools}", "--context=lbctl"]
        env = {**os.environ, "KUBECONFIG": str(bed.kubeconfig)}
        runs = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        assert [(run.communicate(timeout=120)[1], run.returncode) for run in runs] == [("", 0)] * 4
        items = json.loads(bed.kubectl("get", "svc", "-o", "json"))["items"]
        blocks = json.loads(bed.kubectl("get", "cm", "-n", "lbctl-system", "-l", "lbctl/ledger", "-o", "json"))["items"]
    shown = {
        f"default/{i['metadata']['name']}": i["status"]["loadBalancer"]["ingress"][0]["ip"]
        for i in items
        if i["spec"]["type"] == "LoadBalancer"
    }
    claims = [json.loads(line) for b in blocks for line in b["data"]["claims"].splitlines()]
    assert len(set(shown.values())) == len(shown) == 200
    assert {c["holders"][0]["svc"]: c["ip"] for c in claims} == shown
