"""What the API server is told of the lab's nodes and pods, as a kubelet would."""

from __future__ import annotations

from typing import Any

from tests.testbed.lan import HOSTS, pod_addresses

APP = "web"  # the pods' label app, and so what a Service must select
NODE_API = "/api/v1/nodes"
POD_API = "/api/v1/namespaces/default/pods"


def node(name: str) -> dict[str, Any]:
    """A Node that is ready; only a Node may be made with its status."""
    host, (v4, v6) = HOSTS[name], pod_addresses(name)
    subnets = [f"{v4[:-1]}0/24", f"{v6[:-1]}/64"]
    addresses = {"InternalIP": (host.ipv4, host.ipv6), "Hostname": (name,)}
    conditions = {"Ready": "True", "NetworkUnavailable": "False"}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": subnets[0], "podCIDRs": subnets},
        "status": {
            "addresses": [{"type": kind, "address": a} for kind, found in addresses.items() for a in found],
            "conditions": [{"type": kind, "status": status} for kind, status in conditions.items()],
        },
    }


def pod(node: str) -> dict[str, Any]:
    """The Pod of a node."""
    return {
        "metadata": {"name": f"{APP}-{node}", "labels": {"app": APP}},
        "spec": {"nodeName": node, "containers": [{"name": "web", "image": "web"}]},
    }


def pod_status(node: str, ready: bool) -> dict[str, Any]:
    """What a running Pod says of itself; the endpointslice controller goes by it."""
    v4, v6 = pod_addresses(node)
    return {
        "phase": "Running",
        "podIP": v4,
        "podIPs": [{"ip": v4}, {"ip": v6}],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }
