"""The Python API and the admin scripts on a real kube-apiserver, under the least Role."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testbed.driver import ROOT, SERVICES, Bed, service

pytestmark = pytest.mark.cluster

SCRIPTS = ROOT / "examples" / "scripts"
POOLS = ROOT / "examples" / "pools" / "dual-stack.yaml"


def _run(config: Path, name: str, *words: str) -> tuple[str, str, int]:
    """Run a script with this kubeconfig: stdout, stderr, exit code."""
    command = [sys.executable, "-W", "error", str(SCRIPTS / name), *words]
    env = {**os.environ, "KUBECONFIG": str(config)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout, done.stderr, done.returncode


def test_the_least_role_is_enough_for_every_script(bed: Bed, tmp_path: Path) -> None:
    """They write nothing that rbac.yaml forbids; the line that one of them prints is for somebody who may."""
    config = tmp_path / "config"
    config.write_text(bed.kubeconfig.read_text())
    subprocess.run([bed.kubectl_path, f"--kubeconfig={config}", "config", "use-context", "lbctl"], check=True)
    for name in ("web", "api"):
        bed.admin.request("POST", SERVICES, service(name))
    out, err, code = _run(config, "reserve_next_free.py", "--pools", str(POOLS), "public", "default/web")
    assert (out, code) == ("203.0.113.16\n", 0), err
    assert bed.shown()["web"] == ["203.0.113.16"]
    words = err.partition("kubectl ")[2].split()
    refused = subprocess.run(
        [bed.kubectl_path, f"--kubeconfig={config}", *words], capture_output=True, text=True, check=False
    )
    assert "forbidden" in refused.stderr
    bed.kubectl(*words)
    assert _run(config, "reserve_next_free.py", "--pools", str(POOLS), "public", "default/web")[0] == out
    assert bed.shown()["web"] == bed.held()["web"] == ["203.0.113.16"]
    out, err, code = _run(config, "addresses_csv.py")
    assert (out.splitlines()[1].split(",")[:4], err, code) == (["203.0.113.16", "public", "held", "default/web"], "", 0)
    out, err, code = _run(config, "pending_for_over_an_hour.py", "--pools", str(POOLS), "--minutes", "-1")
    assert ([item["service"] for item in json.loads(out)], err, code) == (["default/api"], "", 1)
