"""lbctl demo: the story from <pending> to an address on the sandbox, in a few seconds; nothing is left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lbctl.cli.output import table
from lbctl.errors import LbctlError

NAME = "test-svc-1"
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": NAME, "labels": {"app": "test", "site": "test"}},
    "spec": {
        "type": "LoadBalancer",
        "selector": {"app": "test"},
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    },
}
POOLS = "pools:\n- name: lan\n  addresses: [192.0.2.200-192.0.2.220]\n"
SERVICES = "/api/v1/namespaces/default/services"


def demo() -> None:
    """See a pending Service get its address, without a cluster.

    It runs on a sandbox of its own, touches no kubeconfig and leaves nothing behind.
    """
    import tempfile

    from lbctl.sandbox import Sandbox

    with tempfile.TemporaryDirectory(prefix="lbctl-demo-") as folder, Sandbox() as sandbox:
        kubeconfig, pools = Path(folder) / "kubeconfig", Path(folder) / "pools.yaml"
        sandbox.kubeconfig(kubeconfig)
        pools.write_text(POOLS)
        # Of this process alone; what the user has set must not lead away from the sandbox.
        for name in [name for name in os.environ if name.startswith("LBCTL_")]:
            del os.environ[name]
        # Its addresses are nobody's, so this machine's LAN is not asked for them.
        os.environ |= {"KUBECONFIG": str(kubeconfig), "LBCTL_POOLS": str(pools), "LBCTL_PROBE": "off"}
        _tell(sandbox.url)


def _tell(url: str) -> None:
    _ask(url, SERVICE)
    print("On a cluster you built yourself, a Service of type LoadBalancer stays at <pending>:")
    _kubectl_get(url)
    print("\nlbctl says why, and what to do:")
    _lbctl("list")
    print("\nIts pool file holds addresses of the LAN:")
    print("\n$ cat pools.yaml\n" + POOLS.rstrip())
    print("\nSo it can give the Service one:")
    _lbctl("explain", NAME)
    _lbctl("assign", NAME)
    _kubectl_get(url)
    print("\nWho has which address is written down in the cluster, so that no other run gives it away:")
    _lbctl("claims", "list")


def _lbctl(*words: str) -> None:
    """Run a command as a user would."""
    from lbctl.cli import run

    print(f"\n$ lbctl {' '.join(words)}", flush=True)
    if code := run(words):
        raise LbctlError(
            f"lbctl {words[0]} ended with {code}", hint="this is a bug in lbctl: please tell its developers"
        )


def _kubectl_get(url: str) -> None:
    """What kubectl prints: it asks the API server for a table and shows the columns of priority 0."""
    print("\n$ kubectl get svc")
    answer = _ask(url)
    shown = [n for n, column in enumerate(answer["columnDefinitions"]) if not column["priority"]]
    header = [answer["columnDefinitions"][n]["name"].upper() for n in shown]
    rows = [[str(row["cells"][n]) for n in shown] for row in answer["rows"] if row["cells"][0] == NAME]
    table(header, rows)


def _ask(url: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """GET the Services as a table, or POST one."""
    import urllib.request

    accept = "application/json" if body else "application/json;as=Table;v=v1;g=meta.k8s.io"
    data = json.dumps(body).encode() if body else None
    headers = {"Accept": accept, "Content-Type": "application/json"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # because a proxy knows no loopback of ours
    with opener.open(urllib.request.Request(url + SERVICES, data, headers), timeout=10) as answer:  # noqa: S310 because it is the sandbox's http
        return dict(json.load(answer))
