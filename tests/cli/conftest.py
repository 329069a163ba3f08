"""A sandbox for each test, and lbctl on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lbctl.sandbox import Sandbox
from tests.cli.terminal import at_terminal, environment, run
from tests.testbed.client import Client
from tests.testbed.driver import SERVICES, service


@dataclass(frozen=True, slots=True)
class Desk:
    """A user's desk: a cluster, a kubeconfig, a pool file."""

    api: Client
    kubeconfig: Path
    pools: Path

    def run(self, *words: str, **more: str) -> tuple[str, str, int]:
        """Run lbctl away from a terminal."""
        return run(environment(self.kubeconfig, self.pools, **more), *words)

    def at_terminal(self, *words: str, typed: str = "", **more: str) -> tuple[str, int]:
        """Run lbctl at a terminal."""
        return at_terminal(environment(self.kubeconfig, self.pools, **more), *words, typed=typed)

    def create(self, name: str, **how: Any) -> None:
        """Make a Service."""
        self.post(service(name, **how))

    def post(self, body: dict[str, Any]) -> None:
        """Make a Service of this JSON."""
        status, answer = self.api.request("POST", SERVICES, body)
        assert status == 201, answer

    def shown(self) -> dict[str, list[str]]:
        """What each LoadBalancer Service shows."""
        items = [i for i in self.api.get(SERVICES)["items"] if i["spec"]["type"] == "LoadBalancer"]
        return {i["metadata"]["name"]: [e["ip"] for e in i["status"]["loadBalancer"].get("ingress", ())] for i in items}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A sandbox with a pool of 21 IPv4 and 16 IPv6 addresses."""
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools:\n- name: lan\n  addresses: [192.0.2.200-192.0.2.220, '2001:db8::10-2001:db8::1f']\n")
    with Sandbox() as sandbox:
        yield Desk(Client(sandbox.url), sandbox.kubeconfig(tmp_path / "kubeconfig"), pools)
