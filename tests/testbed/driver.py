"""Starts and stops etcd and kube-apiserver; the API server goes first, and nothing outlives the driver."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.testbed.build import binary

RBAC = Path(__file__).parents[2] / "examples" / "kubernetes" / "rbac.yaml"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Bed:
    """One control plane; use it as a context manager."""

    def __init__(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="lbctl-bed-"))
        self.bin = binary().parent
        self.url = f"https://127.0.0.1:{free_port()}"
        self.kubeconfig = self.dir / "kubeconfig"
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Bed:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all servers, the API server first."""
        for child in reversed(self._children):
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _run(self, name: str, *flags: str) -> None:
        with open(self.dir / f"{name}.log", "wb") as log:
            child = subprocess.Popen(
                [self.bin / name, *flags], stdout=log, stderr=log, cwd=self.dir, preexec_fn=_die_with_parent
            )
        self._children.append(child)

    def _start(self) -> None:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._run(
            "etcd",
            "--data-dir=etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        self._wait(f"{client}/health")
        (self.dir / "tokens").write_text("admin,admin,1,system:masters\nlbctl,lbctl,2,lbctl\n")
        key = self.dir / "sa.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        self._run(
            "kube-apiserver",
            f"--etcd-servers={client}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.url.rpartition(':')[2]}",
            "--cert-dir=certs",
            "--authorization-mode=RBAC",
            "--token-auth-file=tokens",
            "--service-account-issuer=https://lbctl.test",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
            "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=ServiceAccount",
        )
        self._wait(f"{self.url}/readyz")
        self.kubeconfig.write_text(yaml.safe_dump(self._config()))
        self.kubectl("apply", "-f", str(RBAC))

    def _config(self) -> dict[str, object]:
        cluster = {"server": self.url, "certificate-authority": str(self.dir / "certs" / "apiserver.crt")}
        users = [{"name": u, "user": {"token": u}} for u in ("admin", "lbctl")]
        contexts = [
            {"name": u, "context": {"cluster": "bed", "user": u, "namespace": "default"}} for u in ("admin", "lbctl")
        ]
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "admin",
            "clusters": [{"name": "bed", "cluster": cluster}],
            "users": users,
            "contexts": contexts,
        }

    def _wait(self, url: str) -> None:
        context = ssl._create_unverified_context()
        request = urllib.request.Request(url, headers={"Authorization": "Bearer admin"})

        def ready() -> bool:
            try:
                with urllib.request.urlopen(request, timeout=1, context=context) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        until(ready, f"{url} to answer", seconds=60)

    def kubectl(self, *args: str, stdin: str = "") -> str:
        """Run kubectl as cluster-admin; its stdout."""
        command = [str(self.bin / "kubectl"), f"--kubeconfig={self.kubeconfig}", *args]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    def get(self, *args: str) -> dict[str, object]:
        """An object as kubectl gets it."""
        return dict(json.loads(self.kubectl("get", *args, "-o", "json")))


def until(ready: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait for a condition, looking 20 times a second."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)  # because the other process can't be waited for otherwise
