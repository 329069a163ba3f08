"""Plain values for the planner's tests, and an API server of a few lines for apply's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, cast

from lbctl.addresses import Address, AddressSet, parse_address
from lbctl.claims import LABELS, Block, BlockId, Claim, Holder, Last, parse_block
from lbctl.decisions import Snapshot
from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.transport import Answer, KubeTransport
from lbctl.pools import Pool, PoolFile
from lbctl.rounds import Cluster
from lbctl.services import Key, Service, parse_service

NOW = 1_000_000
Json = dict[str, Any]


def service(
    name: str,
    *shown: str,
    ask: str = "",
    uid: str = "",
    version: str = "5",
    families: tuple[str, ...] = ("IPv4",),
    policy: str = "",
    **spec: Any,
) -> Json:
    """A Service of the API in the namespace d, as `shown` in its status."""
    notes = {"lbctl/addresses": ask} if ask else {}
    dual = "RequireDualStack" if len(families) > 1 else "SingleStack"
    return {
        "metadata": {
            "namespace": "d",
            "name": name,
            "uid": uid or f"uid-{name}",
            "resourceVersion": version,
            "annotations": notes,
        },
        "spec": {"type": "LoadBalancer", "ipFamilies": list(families), "ipFamilyPolicy": policy or dual, **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": address} for address in shown]}},
    }


def parsed(*items: Json) -> dict[Key, Service]:
    """The Services of some objects."""
    return {s.key: s for s in map(parse_service, items)}


def held(
    address: str, by: Json, *, at: int = NOW - 100, version: str = "1", attempt: str = "old", pool: str = "p"
) -> Claim:
    """A claim that this Service holds, written for what it asks for."""
    one = parse_service(by)
    holder = Holder(one.key, one.uid, version, attempt, at, one.ask.digest)
    return Claim(parse_address(address), (holder,), pool, at, "x")


def released(address: str, by: Json, *, ago: int, parked: bool = False) -> Claim:
    """A claim that this Service let go some seconds ago."""
    one = parse_service(by)
    last = Last(one.key, one.uid, one.ask.digest)
    return Claim(parse_address(address), (), "p", 0, "x", last, NOW - ago, parked)


def blocks(*claims: Claim) -> dict[BlockId, Block]:
    """The ledger that holds these claims."""
    found: dict[BlockId, dict[Address, Claim]] = {}
    for claim in claims:
        found.setdefault(BlockId.of(claim.address), {})[claim.address] = claim
    return {block_id: Block(block_id, "1", held) for block_id, held in found.items()}


def frozen(address: str) -> dict[BlockId, Block]:
    """The ledger whose one block, that of this address, was written by a newer lbctl."""
    name = BlockId.of(parse_address(address)).name
    labels = {**LABELS, "lbctl/ledger": "v2"}
    block = parse_block({"metadata": {"name": name, "resourceVersion": "1", "labels": labels}})
    return {block.id: block}


def snapshot(services: Iterable[Json], ledger: Mapping[BlockId, Block] | None = None, *, now: int = NOW) -> Snapshot:
    """One look."""
    return Snapshot(parsed(*services), ledger or {}, {}, now, "this")


def pool(*texts: str, name: str = "p", reuse: int = 60, keep: int = 86_400, **more: Any) -> Pool:
    """A pool of these addresses; times in seconds."""
    every = AddressSet()
    for text in texts:
        every = every | AddressSet.parse(text)
    return Pool(name, every, reuse_after=timedelta(seconds=reuse), keep_for=timedelta(seconds=keep), **more)


def pools(*given: Pool, load_balancer_class: str | None = None) -> PoolFile:
    """A pool file."""
    return PoolFile("pools.yaml", load_balancer_class, given, "0")


class Api:
    """Services, ConfigMaps, Nodes and Namespaces in memory, as a transport. A write gives a new resourceVersion, unless
    it changes nothing; `now` is its clock; `faults` are errors that the next request of a method ends with, after it is
    carried out (but for a 429)."""

    def __init__(self, services: Iterable[Json], ledger: Mapping[BlockId, Block] | None = None) -> None:
        self.services = {service_path(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in services}
        self.blocks: dict[str, Json] = {}
        self.nodes: list[Json] = []
        self.namespaces: list[Json] = []
        self.now: float = NOW
        self.namespace = True
        self.refused: Exception | None = None  # what the namespace may not be made for
        self.faults: dict[str, Exception] = {}
        self.calls: list[str] = []
        self._versions = itertools.count(100)
        for block in (ledger or {}).values():
            self.blocks[block.id.name] = self._new(block.to_object())

    def _new(self, item: Mapping[str, Any]) -> Json:
        """The object as a write leaves it: at a resourceVersion of its own."""
        meta = {**item["metadata"], "resourceVersion": str(next(self._versions))}
        return {**item, "metadata": meta}

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "",
    ) -> Answer:
        """One request, as KubeTransport sends it."""
        del params, content_type
        self.calls.append(f"{method} {path}")
        fault = self.faults.pop(method, None)
        if isinstance(fault, errors.Throttled):
            raise fault  # which is turned away before anything is done
        answer = Answer(self._answer(method, path, json.loads(json.dumps(body))), self.now)
        if fault is not None:
            raise fault
        return answer

    def _answer(self, method: str, path: str, body: Json) -> Json:
        if method == "PATCH":
            return self._patched(path.removesuffix("/status"), body)
        if path.endswith("/namespaces") and method == "POST":
            if self.refused is not None:
                raise self.refused
            self.namespace = True
            return body
        if "/configmaps" in path and method != "GET":
            return self._written(method, body)
        if path.endswith("/services"):
            return _list(self.services.values())
        if "/services/" in path:
            if path not in self.services:
                raise errors.NotFound("gone")
            return self.services[path]
        if path.endswith("/configmaps"):
            return _list(self.blocks.values())
        if "/configmaps/" in path:
            return self.blocks[path.rpartition("/")[2]]
        return _list(self.nodes if path.endswith("/nodes") else self.namespaces)

    def _patched(self, path: str, body: Json) -> Json:
        before = self.services.get(path)
        if before is None:
            raise errors.NotFound("gone")
        if any(before["metadata"][name] != wanted for name, wanted in body["metadata"].items()):
            raise errors.Conflict("changed")
        ingress = body["status"].get("loadBalancer", {}).get("ingress")
        if ingress and before["spec"]["type"] != "LoadBalancer":
            raise errors.Invalid("no LoadBalancer")
        after = {**before, "status": {**before["status"], **body["status"]}}
        if "loadBalancer" in body["status"]:  # null is how a list is taken away
            after["status"]["loadBalancer"] = {"ingress": ingress or []}
        if after != before:
            self.services[path] = self._new(after)
        return self.services[path]

    def _written(self, method: str, body: Json) -> Json:
        if not self.namespace:
            raise errors.NotFound("no namespace")
        name = body["metadata"]["name"]
        before = self.blocks.get(name)
        versions = [b["metadata"].get("resourceVersion") for b in (before, body) if b]
        # "0" is no precondition to the API server, no more than none.
        matches = before is None or versions[1] in (None, "0", versions[0])
        if (method == "POST") == (before is not None) or not matches:
            raise errors.Conflict("changed")
        self.blocks[name] = self._new(body)
        return self.blocks[name]

    def cluster(self) -> Cluster:
        """The cluster that apply works on, one write after the other."""
        return Cluster(Kube(cast("KubeTransport", self)), "x", workers=1)

    def shown(self) -> dict[str, list[str]]:
        """The addresses that each Service shows."""
        return {s["metadata"]["name"]: _ingress(s) for s in self.services.values()}

    def claims(self) -> dict[str, Claim]:
        """Every claim by its address."""
        read = (parse_block(item) for item in self.blocks.values())
        return {str(address): claim for block in read for address, claim in block.claims.items()}

    def held(self) -> dict[str, str]:
        """The Service that holds each address."""
        return {address: h.key.name for address, claim in self.claims().items() for h in claim.holders}


def service_path(namespace: str, name: str) -> str:
    """The path of a Service."""
    return f"/api/v1/namespaces/{namespace}/services/{name}"


def _list(items: Iterable[Json]) -> Json:
    return {"items": list(items), "metadata": {"resourceVersion": "1"}}


def _ingress(item: Json) -> list[str]:
    return [entry["ip"] for entry in item["status"]["loadBalancer"].get("ingress") or ()]
