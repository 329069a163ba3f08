"""The same random steps on both servers, with the same outcome after each.

What must differ is made alike: uids, versions, times, and addresses and node ports that were drawn. The seed is fixed
and printed, so that a difference can be had again; LBCTL_SEED gives another.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from lbctl.sandbox import Sandbox
from tests.contract.conftest import REAL, SANDBOX
from tests.contract.wire import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Reply, Wire
from tests.testbed.driver import Bed

Step = tuple[str, str, Any, str]  # method, path, body, type of the body

STEPS = 150
NAMES = ("a", "b", "c")
TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "Nonsense")
POLICIES = ("SingleStack", "PreferDualStack", "RequireDualStack")
FAMILIES = (["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"])
ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "nonsense")
DRAWN = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\b10\.96\.\d+\.\d+", "ADDRESS4"),
    (r"\bfd00:10:96::[0-9a-f]+", "ADDRESS6"),
    (r"\b3[012]\d{3}\b", "NODEPORT"),
    (r'(resourceVersion[\\"]+:[\\"]+)\d+', r"\1VERSION"),
)


class Dice:
    """Draws steps."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def maybe(self, spec: dict[str, Any], name: str, values: Any, chance: float = 0.3) -> None:
        """Give a field a value, or none."""
        if self._random.random() < chance:
            spec[name] = self._random.choice(values)

    def ports(self) -> list[dict[str, Any]]:
        """One to three ports; now and then wrong ones."""
        count = self._random.choice((1, 1, 2, 3))
        ports = []
        for index in range(count):
            port: dict[str, Any] = {"port": self._random.choice((80, 443, 53, 53, 70000) if index else (80, 53))}
            self.maybe(port, "protocol", ("TCP", "UDP", "SCTP"))
            self.maybe(port, "targetPort", (8080, "http", 0))
            self.maybe(port, "name", ("x", "y", f"p{index}"), 1.0 if count > 1 else 0.3)
            ports.append(port)
        return ports

    def spec(self, *, new: bool = False) -> dict[str, Any]:
        """Some of a spec; a Service that is there is not told to become headless, for no client asks for that."""
        spec: dict[str, Any] = {}
        self.maybe(spec, "type", TYPES, 0.6)
        self.maybe(spec, "ipFamilyPolicy", POLICIES, 0.2)
        self.maybe(spec, "ipFamilies", FAMILIES, 0.1)
        self.maybe(spec, "externalTrafficPolicy", ("Local", "Cluster"), 0.2)
        self.maybe(spec, "internalTrafficPolicy", ("Cluster", "Nonsense"), 0.1)
        self.maybe(spec, "sessionAffinity", ("ClientIP", "None"), 0.2)
        self.maybe(spec, "allocateLoadBalancerNodePorts", (True, False), 0.1)
        self.maybe(spec, "loadBalancerClass", ("example.com/lan", "example.com/wan"), 0.1)
        self.maybe(spec, "loadBalancerIP", ADDRESSES, 0.1)
        self.maybe(spec, "externalIPs", (["192.0.2.9"], ["nonsense"], []), 0.1)
        self.maybe(spec, "externalName", ("a.example", "A_b"), 0.3)
        if new:
            self.maybe(spec, "clusterIP", ("None", ""), 0.1)
        self.maybe(spec, "selector", ({"app": "x"}, {}), 0.3)
        return spec

    def status(self) -> dict[str, Any]:
        """Some of a status."""
        entries: list[dict[str, str]] = [
            {"ip": address} for address in self._random.sample(ADDRESSES, self._random.choice((0, 1, 1, 2)))
        ]
        if entries and self._random.random() < 0.2:
            entries[0]["ipMode"] = self._random.choice(("VIP", "Proxy", "Nonsense"))
        if self._random.random() < 0.2:
            entries.append({"hostname": self._random.choice(("a.example", "192.0.2.1"))})
        body: dict[str, Any] = {"status": {"loadBalancer": {"ingress": entries or None}}}
        if self._random.random() < 0.4:
            condition = {"type": self._random.choice(("x/one", "x/two")), "status": "True", "reason": "R"}
            body["status"]["conditions"] = [{**condition, "message": "", "lastTransitionTime": "2024-01-01T00:00:00Z"}]
        return body

    def metadata(self) -> dict[str, Any]:
        """Some labels, annotations and finalizers."""
        meta: dict[str, Any] = {}
        self.maybe(meta, "labels", ({"x": "y"}, {"x": None}, {"a b": "c"}), 0.5)
        self.maybe(meta, "annotations", ({"lbctl/pool": "lan"}, {"lbctl/pool": None}), 0.5)
        self.maybe(meta, "finalizers", (["example.com/x"], None), 0.2)
        return meta

    def step(self) -> Step:
        """The next step."""
        path = f"services/{self._random.choice(NAMES)}"
        kind = self._random.choice((MERGE_PATCH, STRATEGIC_PATCH))
        draw: Callable[[], Step] = self._random.choice(
            (
                lambda: self._create(path),
                lambda: self._create(path),
                lambda: ("PATCH", path, {"spec": self.spec()}, kind),
                lambda: ("PATCH", path, {"spec": {"type": self._random.choice(TYPES)}}, kind),
                lambda: ("PATCH", path, {"spec": {"ports": self.ports()}}, kind),
                lambda: ("PATCH", f"{path}/status", self.status(), kind),
                lambda: ("PATCH", f"{path}/status", self.status(), STRATEGIC_PATCH),
                lambda: ("PATCH", path, {"metadata": self.metadata()}, kind),
                lambda: ("PATCH", path, self._json_steps(), JSON_PATCH),
                lambda: ("DELETE", path, None, ""),
                lambda: ("PUT", path, self._body(path, new=False), "application/json"),
            )
        )
        return draw()

    def _create(self, path: str) -> Step:
        return "POST", "services", self._body(path, new=True), "application/json"

    def _body(self, path: str, *, new: bool) -> dict[str, Any]:
        name = path.partition("/")[2]
        return {"metadata": {"name": name}, "spec": {"ports": self.ports(), **self.spec(new=new)}}

    def _json_steps(self) -> list[dict[str, Any]]:
        kinds = (
            {"op": "replace", "path": "/spec/type", "value": self._random.choice(TYPES)},
            {"op": "remove", "path": "/spec/selector"},
        )
        return [self._random.choice(kinds)]


def alike(reply: Reply, space: str) -> Any:
    """An answer without what is drawn."""
    text = reply.text.replace(space, "SPACE")
    for pattern, blot in DRAWN:
        text = re.sub(pattern, blot, text)
    body = Reply(reply.status, _parsed(text), {}, "").body
    body.get("metadata", {}).pop("managedFields", None)
    if body.get("spec", {}).get("type") == "ExternalName":
        # The real one hides it in reads, but not in answers to a status write or a delete, and knows it again when
        # the type changes back; the sandbox drops it, so here it is never other than the default.
        body["spec"].pop("internalTrafficPolicy", None)
    causes = {(cause["field"], cause["message"]) for cause in (body.pop("details", None) or {}).get("causes", ())}
    return reply.status, body, causes, reply.headers.get("Warning")


def _parsed(text: str) -> dict[str, Any]:
    return dict(json.loads(text.replace(":NODEPORT", ':"NODEPORT"')))


@pytest.mark.cluster
def test_random_steps_have_the_same_outcome_on_both(running: Sandbox, bed: Bed) -> None:
    """Creates, replaces, patches of all kinds, status patches, changes of type and deletes, right and wrong ones."""
    seed = int(os.environ.get("LBCTL_SEED", "1"))
    print(f"LBCTL_SEED={seed}")
    dice = Dice(seed)
    space = f"d-{os.getpid()}-{seed}"
    wires = [
        Wire(SANDBOX, running.url, space=space),
        Wire(REAL, bed.url, str(bed.certificate), "admin", space=space),
    ]
    for wire in wires:
        wire.made("/api/v1/namespaces", {"metadata": {"name": space}})
    done: list[Step] = []
    try:
        for number in range(STEPS):
            method, path, body, kind = step = dice.step()
            done.append(step)
            ours, theirs = (alike(wire.ask(method, path, body, kind=kind), space) for wire in wires)
            assert ours == theirs, f"seed {seed}, step {number}: {step}; before it {done[-6:-1]}"
    finally:
        for wire in wires:
            for name in NAMES:
                wire.merge(f"services/{name}", {"metadata": {"finalizers": None}})
            wire.delete("services")
            wire.close()
