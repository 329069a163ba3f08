"""A cluster of the user's in place of the test bed (LBCTL_TEST_KUBECONFIG), handled with care.

All goes through a `kubectl proxy`, so that whatever logs the user in logs the tests in; lbctl is the least Role by
impersonation. The tests assign with --all and delete the ledger, so a cluster is taken only while it has neither claims
nor LoadBalancer Services; of Services only those with the tests' label are ever deleted. What such a cluster can't give
skips the test that needs it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

from tests.testbed.build import binary
from tests.testbed.client import Client
from tests.testbed.driver import CLAIMS, OURS, RBAC, SERVICES, Hand, free_port, until
from tests.testbed.servers import Server

KUBECONFIG = "LBCTL_TEST_KUBECONFIG"
LEDGER = f"{CLAIMS}?labelSelector=lbctl/ledger"


class NotToBeBorrowed(Exception):
    """The cluster is in use: the tests would take part in it."""


class Borrowed(Hand):
    """The cluster that a kubeconfig's current context names; use it as a context manager."""

    def __init__(self, kubeconfig: str) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="lbctl-borrowed-"))
        self.kubectl_path = Path(shutil.which("kubectl") or binary().parent / "kubectl")
        self.kubeconfig = self.dir / "kubeconfig"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.certificate = None
        command = [str(self.kubectl_path), f"--kubeconfig={Path(kubeconfig).resolve()}", "proxy", f"--port={port}"]
        self._proxy = Server("kubectl-proxy", command, self.dir)
        self._made_namespace = False

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)  # because Python itself looks for these
        pytest.skip(f"NOT RUN: it needs {name} of the test bed, which the cluster in {KUBECONFIG} does not give")

    def __enter__(self) -> Borrowed:
        try:
            self._start()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.wipe()
            if self._made_namespace:
                self.kubectl("delete", "--wait=false", "-f", str(RBAC))
        finally:
            self._let_go()

    def _start(self) -> None:
        self.kubeconfig.write_text(self.kubeconfig_for(self.url))
        self._proxy.start()
        until(self._answers, f"the cluster in {KUBECONFIG} to answer", seconds=30)
        self._refuse_if_used()
        self._made_namespace = self.admin.request("GET", "/api/v1/namespaces/lbctl-system")[0] == 404
        self.kubectl("apply", "-f", str(RBAC))

    def _answers(self) -> bool:
        try:
            return self.admin.request("GET", "/readyz")[0] == 200
        except OSError:
            return False  # because the proxy does not listen yet

    def _refuse_if_used(self) -> None:
        if blocks := self.admin.get(LEDGER)["items"]:
            raise NotToBeBorrowed(f"lbctl is in use there: {len(blocks)} blocks of claims in lbctl-system")
        for item in self.admin.get("/api/v1/services")["items"]:
            meta = item["metadata"]
            if item["spec"]["type"] == "LoadBalancer" and OURS not in meta.get("labels", {}):
                name = f"{meta['namespace']}/{meta['name']}"
                raise NotToBeBorrowed(f"it has LoadBalancer Services, to which the tests would give addresses: {name}")

    def _let_go(self) -> None:
        self._proxy.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def admin(self) -> Client:
        return Client(self.url)

    def kubeconfig_for(self, url: str) -> str:
        """A kubeconfig for the cluster as it is reached at `url`, without a login: as its owner, and as the Role."""
        users = {"admin": {}, "lbctl": {"as": "lbctl", "as-groups": ["lbctl"]}}
        contexts = [{"name": u, "context": {"cluster": "bed", "user": u, "namespace": "default"}} for u in users]
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "admin",
            "clusters": [{"name": "bed", "cluster": {"server": url}}],
            "users": [{"name": name, "user": user} for name, user in users.items()],
            "contexts": contexts,
        }
        return yaml.safe_dump(config)

    def kubectl(self, *args: str, stdin: str = "") -> str:
        said = super().kubectl(*args, stdin=stdin)
        if args[0] in ("apply", "create") and "-f" in args and str(RBAC) not in args:
            source = args[args.index("-f") + 1]
            super().kubectl("label", "--overwrite", "-f", source, f"{OURS}=yes", stdin=stdin)
        return said

    def wipe(self) -> None:
        """Delete the Services that tests made, and the ledger, which was empty when they began."""
        ours = self.admin.get(f"{SERVICES}?labelSelector={OURS}")["items"]
        self.admin.send([("DELETE", f"{SERVICES}/{i['metadata']['name']}", None) for i in ours])
        blocks = self.admin.get(LEDGER)["items"]
        self.admin.send([("DELETE", f"{CLAIMS}/{i['metadata']['name']}", None) for i in blocks])
