"""A control plane on loopback: etcd, kube-apiserver and, asked for, the controllers; as a library for tests.

It holds the paths, ports and users; a Server knows how to live and die. The API server goes before etcd (it would
ignore SIGTERM without it), and nothing outlives the driver, whatever becomes of it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.testbed.build import binary
from tests.testbed.client import Client
from tests.testbed.servers import Server

ROOT = Path(__file__).parents[2]
RBAC = ROOT / "examples" / "kubernetes" / "rbac.yaml"
USERS = ("admin", "lbctl")  # cluster-admin, and the least Role; each one's token is its name
SERVICES = "/api/v1/namespaces/default/services"
OURS = "lbctl-test"  # the label of what tests made
CLAIMS = "/api/v1/namespaces/lbctl-system/configmaps"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Hand:
    """What tests do to a cluster, whoever started it: kubectl and the API as cluster-admin, lbctl as the least Role."""

    kubectl_path: Path
    kubeconfig: Path

    @property
    def admin(self) -> Client:
        """The API as cluster-admin."""
        raise NotImplementedError

    def kubectl(self, *args: str, stdin: str = "") -> str:
        """Run kubectl as cluster-admin; its stdout."""
        command = [str(self.kubectl_path), f"--kubeconfig={self.kubeconfig}", *args]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    def lbctl(self, *words: str, kubeconfig: Path | None = None) -> subprocess.Popen[str]:
        """Start the installed lbctl as the least Role; both its outputs are pipes."""
        command = [str(Path(sys.executable).parent / "lbctl"), *words, "--context=lbctl"]
        env = {**os.environ, "KUBECONFIG": str(kubeconfig or self.kubeconfig)}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words: str, kubeconfig: Path | None = None) -> tuple[str, str, int]:
        """Run lbctl to its end: stdout, stderr, exit code."""
        child = self.lbctl(*words, kubeconfig=kubeconfig)
        out, err = child.communicate(timeout=300)
        return out, err, child.returncode

    def get(self, *args: str) -> dict[str, Any]:
        """An object as kubectl gets it."""
        return dict(json.loads(self.kubectl("get", *args, "-o", "json")))

    def shown(self) -> dict[str, list[str]]:
        """The addresses that each LoadBalancer Service of the namespace default shows."""
        items = [i for i in self.admin.get(SERVICES)["items"] if i["spec"]["type"] == "LoadBalancer"]
        return {i["metadata"]["name"]: addresses(i) for i in items}

    def claims(self) -> dict[str, dict[str, Any]]:
        """Every claim of the ledger by its address."""
        blocks = self.admin.get(CLAIMS)["items"]
        lines = (line for b in blocks for line in b.get("data", {}).get("claims", "").splitlines())
        return {claim["ip"]: claim for claim in map(json.loads, lines)}

    def held(self) -> dict[str, list[str]]:
        """The addresses that the ledger says each Service of the namespace default holds."""
        found: dict[str, list[str]] = {}
        for address, claim in self.claims().items():
            for holder in claim.get("holders", ()):
                found.setdefault(holder["svc"].removeprefix("default/"), []).append(address)
        return found

    def wipe(self) -> None:
        """Delete every Service of the namespace default but the API's own, and the ledger."""
        names = [i["metadata"]["name"] for i in self.admin.get(SERVICES)["items"]]
        self.admin.send([("DELETE", f"{SERVICES}/{name}", None) for name in names if name != "kubernetes"])
        blocks = [i["metadata"]["name"] for i in self.admin.get(CLAIMS)["items"]]
        self.admin.send([("DELETE", f"{CLAIMS}/{name}", None) for name in blocks])


class Bed(Hand):
    """One control plane; use it as a context manager."""

    def __init__(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="lbctl-bed-"))
        self.bin = binary().parent
        self.kubectl_path = self.bin / "kubectl"
        self.url = f"https://127.0.0.1:{free_port()}"
        self.certificate = self.dir / "certs" / "apiserver.crt"
        self.kubeconfig = self.dir / "kubeconfig"
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self.etcd = self._server("etcd", *self._etcd_flags())
        self.apiserver = self._server("kube-apiserver", *self._apiserver_flags())
        self.controllers = self._server(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            "--controllers=endpointslice-controller,namespace-controller,garbage-collector-controller",
            "--leader-elect=false",
            f"--secure-port={free_port()}",
            "--bind-address=127.0.0.1",
        )

    def __enter__(self) -> Bed:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _server(self, name: str, *flags: str) -> Server:
        return Server(name, [str(self.bin / name), *flags], self.dir)

    def _etcd_flags(self) -> list[str]:
        peer = f"http://127.0.0.1:{free_port()}"
        return [
            "--data-dir=etcd",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]

    def _apiserver_flags(self) -> list[str]:
        return [
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",  # else that of the default route, of which a lab may have none
            f"--secure-port={self.url.rpartition(':')[2]}",
            "--cert-dir=certs",
            "--authorization-mode=RBAC",
            "--token-auth-file=tokens",
            "--service-account-issuer=https://lbctl.test",
            "--service-account-key-file=sa.key",
            "--service-account-signing-key-file=sa.key",
            "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
            "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=ServiceAccount",
        ]

    def _start(self) -> None:
        (self.dir / "tokens").write_text("admin,admin,1,system:masters\nlbctl,lbctl,2,lbctl\n")
        key = rsa.generate_private_key(65537, 2048)
        (self.dir / "sa.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        )
        self.start()
        self.kubeconfig.write_text(self.kubeconfig_for(self.url))
        self.kubectl("apply", "-f", str(RBAC))

    def start(self) -> None:
        """Start etcd and the API server; returns when both answer."""
        self.etcd.start()
        self._wait(f"{self._etcd_url}/health")
        self.apiserver.start()
        self.ready()

    def ready(self) -> None:
        """Wait until the API server answers, as after `apiserver.start()` or `resume()`."""
        self._wait(f"{self.url}/readyz")

    def stop(self) -> None:
        """Stop everything and remove its folder."""
        for server in (self.controllers, self.apiserver, self.etcd):
            server.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def snapshot(self, name: str) -> None:
        """Keep what etcd holds now under a name; the servers are stopped for it and started again."""
        self._at_rest(lambda: shutil.copytree(self.dir / "etcd", self.dir / f"etcd-{name}"))

    def restore(self, name: str) -> None:
        """Go back to what was kept under a name, as after a disaster."""

        def back() -> None:
            shutil.rmtree(self.dir / "etcd")
            shutil.copytree(self.dir / f"etcd-{name}", self.dir / "etcd")

        self._at_rest(back)

    def compact(self) -> None:
        """Forget the history now, which else takes five minutes; the API server, which would remember, starts again."""
        revision = self._ask_etcd("maintenance/status", {})["header"]["revision"]
        self._ask_etcd("kv/compaction", {"revision": revision, "physical": True})
        self.apiserver.stop()
        self.apiserver.start()
        self.ready()

    def _ask_etcd(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self._etcd_url}/v3/{call}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))

    def _at_rest(self, work: Callable[[], object]) -> None:
        self.apiserver.stop()
        self.etcd.stop()
        work()
        self.start()

    def kubeconfig_for(self, url: str, *, current: str = "admin") -> str:
        """A kubeconfig for this cluster as it is reached at `url`, with a context for each user."""
        cluster: dict[str, str] = {"server": url}
        if url.startswith("https"):
            cluster["certificate-authority"] = str(self.certificate)
        contexts = [{"name": u, "context": {"cluster": "bed", "user": u, "namespace": "default"}} for u in USERS]
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": current,
            "clusters": [{"name": "bed", "cluster": cluster}],
            "users": [{"name": u, "user": {"token": u}} for u in USERS],
            "contexts": contexts,
        }
        return yaml.safe_dump(config)

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

    @property
    def admin(self) -> Client:
        return Client(self.url, str(self.certificate), "admin")


def addresses(service: dict[str, Any]) -> list[str]:
    """The addresses that a Service's status shows."""
    return [entry["ip"] for entry in (service["status"].get("loadBalancer") or {}).get("ingress") or ()]


def service(name: str, *, ask: str = "", kind: str = "LoadBalancer", families: tuple[str, ...] = ()) -> dict[str, Any]:
    """A Service of one port, without node ports (of which a cluster has but 2,768)."""
    spec: dict[str, Any] = {"type": kind, "ports": [{"port": 80}], "selector": {"app": name}}
    if kind == "LoadBalancer":
        spec["allocateLoadBalancerNodePorts"] = False
    if families:
        spec |= {"ipFamilies": list(families), "ipFamilyPolicy": "RequireDualStack"}
    notes = {"lbctl/addresses": ask} if ask else {}
    meta = {"name": name, "namespace": "default", "annotations": notes, "labels": {OURS: "yes"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def until(ready: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait for a condition, looking 20 times a second."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)  # because the other process can't be waited for otherwise
