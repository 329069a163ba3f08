"""A sandbox as a thing to hold: started, seeded with what every cluster has, and stopped without a trace."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType

from lbctl.sandbox.bodies import Write
from lbctl.sandbox.registry import Clock, Registry
from lbctl.sandbox.resources import RESOURCES
from lbctl.sandbox.server import Server

Object = dict[str, object]

NAMESPACES = ("default", "kube-system", "lbctl-system")
NODE_ADDRESS = "192.0.2.11"  # of the range for documentation, as everything here that looks like an address
CONTEXTS = ("admin", "lbctl")  # as the test bed has them; nobody has to log in here


class Sandbox:
    """A small Kubernetes API on loopback; use it as a context manager."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, clock: Clock = time.time) -> None:
        self._registry = Registry(clock)
        _seed(self._registry)
        self._server = Server(self._registry, host, port)

    def __enter__(self) -> Sandbox:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    @property
    def faults(self) -> list[Exception]:
        """What went wrong inside, each answered as a 500: none, unless the sandbox has a bug."""
        return self._server.faults

    def compact(self) -> None:
        """Forget the history, as etcd does every five minutes: what asks for an older version is refused (410)."""
        self._registry.store.compact()

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig for it (JSON, which is YAML too); returns the path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXTS[0],
            "clusters": [{"name": "sandbox", "cluster": {"server": self.url}}],
            "users": [{"name": name, "user": {}} for name in CONTEXTS],
            "contexts": [
                {"name": name, "context": {"cluster": "sandbox", "user": name, "namespace": "default"}}
                for name in CONTEXTS
            ],
        }
        path.write_text(json.dumps(config, indent=2) + "\n")
        return path


def _seed(registry: Registry) -> None:
    def make(resource: str, namespace: str, body: Object) -> None:
        registry.create(RESOURCES[resource], namespace, json.dumps(body).encode(), Write("lbctl-sandbox"))

    for name in NAMESPACES:
        make("namespaces", "", {"metadata": {"name": name}})
    labels = {"component": "apiserver", "provider": "kubernetes"}
    ports = [{"name": "https", "port": 443, "targetPort": 6443}]
    spec = {"clusterIP": "10.96.0.1", "ports": ports}
    make("services", "default", {"metadata": {"name": "kubernetes", "labels": labels}, "spec": spec})
    make(
        "nodes",
        "",
        {"metadata": {"name": "node-1", "labels": {"kubernetes.io/hostname": "node-1"}}, "status": _ready()},
    )
    node = registry.get(RESOURCES["nodes"], ("", "node-1")).object
    untainted = {**node, "spec": {"taints": []}}
    registry.replace(RESOURCES["nodes"], ("", "node-1"), json.dumps(untainted).encode(), Write("lbctl-sandbox"))


def _ready() -> Object:
    addresses = [{"type": "InternalIP", "address": NODE_ADDRESS}, {"type": "Hostname", "address": "node-1"}]
    condition = {"type": "Ready", "status": "True", "reason": "Sandbox", "message": "there is no kubelet here"}
    return {"addresses": addresses, "conditions": [condition]}
