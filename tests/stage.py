"""A sandbox on which every run looks like the one before: clock, uids, ClusterIPs, node ports, user and host are fixed.

The golden files and the examples in docs/ are lbctl's real output on it. Commands run in this process, in a folder of
their own, away from a terminal and 80 columns wide; the environment holds nothing of whoever runs the tests.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any
from unittest import mock

from lbctl.addresses import parse_address
from lbctl.ages import timestamp
from lbctl.cli import run
from lbctl.l2.facts import (
    ANNOUNCES,
    ANNOUNCES_LABEL,
    LEASE,
    LEASE_LABEL,
    NOTE,
    Interface,
    Presence,
    announces_text,
    subnets_of,
)
from lbctl.poollint import Machine
from lbctl.sandbox import Sandbox
from tests.testbed.client import Client

NOW = 1772452800  # 2026-03-02T12:00:00Z
MINUTE, HOUR, DAY = 60, 3600, 86400
SERVER = "https://192.0.2.10:6443"  # what stands for the sandbox's address in what is shown
MACHINE = Machine(  # what `pools check` is told of the machine it runs on
    addresses=(ip_interface("127.0.0.1/8"), ip_interface("192.0.2.5/24"), ip_interface("2001:db8::5/64")),
    gateways=(ip_address("192.0.2.1"),),
)
POOLS = """\
pools:
- name: lan
  addresses: [192.0.2.200-192.0.2.220, '2001:db8::10-2001:db8::1f']
- name: public
  addresses: [203.0.113.16/29]
  autoAssign: false
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and how it ended."""

    out: str
    err: str
    code: int

    def __str__(self) -> str:
        """All of it, as golden files keep it."""
        parts = [self.out]
        parts += ["--- stderr ---\n", self.err] if self.err else []
        parts += [f"--- exit code {self.code} ---\n"] if self.code else []
        return "".join(parts)


@dataclass
class Stage:
    """A sandbox, and a folder that commands run in, with a kubeconfig and a pools.yaml."""

    folder: Path
    url: str
    clock: list[float]
    api: Client = field(init=False)
    _made: int = 10

    def __post_init__(self) -> None:
        self.api = Client(self.url)

    def run(self, *words: str, **environ: str) -> Said:
        """Run lbctl with these words, and these variables beside the usual ones."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, environ),
            mock.patch.object(sys, "argv", ["lbctl", *words]),
            mock.patch.object(sys, "stdin", io.StringIO()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = run(words)
        return Said(self.plain(out.getvalue()), self.plain(err.getvalue()), code)

    def plain(self, text: str) -> str:
        """Without what differs from run to run: the port that the sandbox listens at and the folder."""
        return text.replace(self.url, SERVER).replace(str(self.folder), "~")

    def passes(self, seconds: float) -> None:
        """Let time pass, for the API server."""
        self.clock[0] += seconds

    def service(
        self,
        name: str,
        *,
        ago: float = HOUR,
        kind: str = "LoadBalancer",
        notes: Mapping[str, str] | None = None,
        families: tuple[str, ...] = ("IPv4",),
        policy: str = "SingleStack",
        **spec: Any,
    ) -> None:
        """Make the Service [namespace/]name, of port 80 unless `ports` says otherwise, `ago` seconds before now."""
        space, _, short = name.rpartition("/")
        self._made += 1
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": short, "annotations": dict(notes or {})},
            "spec": {
                "type": kind,
                "selector": {"app": short},
                "clusterIP": _CLUSTER_IPS[families[0]] % self._made,
                "clusterIPs": [_CLUSTER_IPS[family] % self._made for family in families],
                "ipFamilies": list(families),
                "ipFamilyPolicy": policy,
                "ports": [{"port": 80, "nodePort": 30000 + self._made} if kind != "ClusterIP" else {"port": 80}],
                **spec,
            },
        }
        now, self.clock[0] = self.clock[0], self.clock[0] - ago
        self._send("POST", f"/api/v1/namespaces/{space or 'default'}/services", body)
        self.clock[0] = now

    def namespace(self, name: str) -> None:
        """Make a namespace."""
        self._send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def status(self, name: str, *ingress: Mapping[str, str], manager: str = "controller") -> None:
        """Write a Service's status, as some other controller does."""
        body = {"status": {"loadBalancer": {"ingress": [dict(entry) for entry in ingress]}}}
        self._send("PATCH", f"/api/v1/namespaces/default/services/{name}/status?fieldManager={manager}", body)

    def annotate(self, name: str, notes: Mapping[str, str]) -> None:
        """What `kubectl annotate` does."""
        body = {"metadata": {"annotations": dict(notes)}}
        self._send("PATCH", f"/api/v1/namespaces/default/services/{name}", body)

    def delete(self, name: str) -> None:
        """Delete a Service."""
        self._send("DELETE", f"/api/v1/namespaces/default/services/{name}", None)

    def forget(self) -> None:
        """Delete the ledger, as `kubectl delete configmaps --all` does."""
        path = "/api/v1/namespaces/lbctl-system/configmaps"
        for item in self.api.get(path)["items"]:
            self._send("DELETE", f"{path}/{item['metadata']['name']}", None)

    def node(self, name: str, address: str, labels: Mapping[str, str] | None = None) -> None:
        """Make a Node that is ready."""
        status = {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [_internal(address)]}
        meta = {"name": name, "labels": dict(labels or {})}
        self._send("POST", "/api/v1/nodes", {"metadata": meta, "status": status})

    def announcer(self, node: str, *addresses: str, ago: float = 90 * MINUTE, renewed: float = 3) -> None:
        """What the announcer of a node has written, the last time `renewed` seconds before now."""
        number = 10 + int(node[1:])
        presence = Presence(node, (Interface("eth0", bytes([2, 0, 0xC0, 0, 2, number]), subnets_of(["192.0.2.0/24"])),))
        said = announces_text((parse_address(a), "eth0", int(self.clock[0] - ago)) for a in addresses)
        spec = {
            "holderIdentity": node,
            "leaseDurationSeconds": 40,
            "renewTime": timestamp(self.clock[0] - renewed)[:-1] + ".000000Z",
        }
        for name, label, note in ((LEASE, LEASE_LABEL, presence.note()), (ANNOUNCES, ANNOUNCES_LABEL, said)):
            meta = {"name": name + node, "labels": {label: "v1"}, "annotations": {NOTE: note}}
            path = "/apis/coordination.k8s.io/v1/namespaces/lbctl-system/leases"
            self._send("POST", path, {"metadata": meta, "spec": spec})

    def endpoints(self, name: str, *nodes: str) -> None:
        """The ready endpoints of the Service of this name in the namespace default, one on each of these nodes."""
        meta = {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}}
        ready = {"conditions": {"ready": True}}
        ends = [{"addresses": [f"10.244.{n[1:]}.2"], "nodeName": n, **ready} for n in nodes]
        body = {"metadata": meta, "addressType": "IPv4", "endpoints": ends, "ports": []}
        self._send("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", body)

    def write(self, name: str, text: str) -> None:
        """Write a file into the folder."""
        (self.folder / name).write_text(text)

    def shown(self, name: str) -> list[str]:
        """The addresses in a Service's status."""
        service = self.api.get(f"/api/v1/namespaces/default/services/{name}")
        return [entry["ip"] for entry in service["status"]["loadBalancer"].get("ingress", ())]

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> None:
        status, answer = self.api.request(method, path, body)
        assert status in (200, 201), answer


def _internal(address: str) -> dict[str, str]:
    return {"type": "InternalIP", "address": address}


_CLUSTER_IPS = {"IPv4": "10.96.0.%d", "IPv6": "fd00:10:96::%x"}


@contextlib.contextmanager
def stage(pools: str = POOLS) -> Iterator[Stage]:
    """Set the stage; there are no Services on it but the API's own."""
    clock, numbers = [float(NOW)], iter(range(1, 1_000_000))
    with contextlib.ExitStack() as stack:

        def uid() -> uuid.UUID:
            return uuid.UUID(int=next(numbers), version=4)

        stack.enter_context(mock.patch("uuid.uuid4", uid))
        stack.enter_context(mock.patch("socket.gethostname", return_value="desk"))
        stack.enter_context(mock.patch("lbctl.machine.read", return_value=MACHINE))
        sandbox = stack.enter_context(Sandbox(clock=lambda: clock[0]))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lbctl-stage-"))).resolve()
        sandbox.kubeconfig(folder / "kubeconfig")
        (folder / "pools.yaml").write_text(pools)
        alone = {"HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig"), "LOGNAME": "ann", "COLUMNS": "80"}
        alone["LBCTL_PROBE"] = "off"  # as in tests/conftest.py
        alone |= {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        stack.enter_context(mock.patch.dict(os.environ, alone, clear=True))
        stack.enter_context(contextlib.chdir(folder))
        yield Stage(folder, sandbox.url, clock)
        assert not sandbox.faults, sandbox.faults
