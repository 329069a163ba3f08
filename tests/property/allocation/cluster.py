"""The cluster of the model: an API server in memory, what users wrote into it, and runs of lbctl that may be killed.

It looks at objects as the API shows them and parses the claims by itself: that what lbctl reads there is what stands
there is among the things under test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lbctl.kube.transport import Answer
from tests.property.allocation.specs import NAMESPACES, FileSpec, Name, Spec, may_share
from tests.unit.planner.values import Api, Json, service_path


class Killed(BaseException):
    """lbctl was killed: kill -9 runs no except clause of its."""


@dataclass(frozen=True, slots=True)
class Released:
    """A claim that nobody holds: whose it was, and since when (0: free for anybody at once)."""

    name: Name
    uid: str
    since: int
    parked: bool


@dataclass(frozen=True, slots=True)
class Look:
    """The cluster as it stands at one moment; addresses as text. `holders`: (name, uid, resourceVersion of the
    holder's spec when the claim was written)."""

    now: float
    specs: Mapping[Name, Spec]
    versions: Mapping[Name, str]
    status: Mapping[Name, tuple[str, ...]]
    holders: Mapping[str, tuple[tuple[Name, str, str], ...]]
    released: Mapping[str, Released]
    nodes: frozenset[str]
    written: Mapping[str, Spec]  # every spec by the resourceVersions it has had

    def held(self, name: Name) -> set[str]:
        """The addresses that this very Service holds."""
        uid = self.specs[name].uid
        return {a for a, hs in self.holders.items() if any((n, u) == (name, uid) for n, u, _ in hs)}

    def strange(self, name: Name) -> bool:
        """Whether its status shows what it holds no claim for."""
        return not set(self.status[name]) <= self.held(name)

    def users(self, address: str, name: Name) -> list[tuple[Name | None, tuple[Spec, ...]]]:
        """Who else uses an address (None: no Service that holds or shows it), and what each must be shared by: nothing
        where it can't be shared."""
        found: list[tuple[Name | None, tuple[Spec, ...]]] = [(None, ())] if address in self.nodes else []
        for other, spec in self.specs.items():
            if address in spec.external:
                found.append((None, ()))
            if other != name and address in self.status[other]:
                found.append((other, (spec,) if spec.share and address in self.held(other) else ()))
        for other, uid, version in self.holders.get(address, ()):
            now = self.specs.get(other)
            if other != name and now is not None and now.uid == uid and now.balancer:
                then = self.written[version]
                found.append((other, (then, now) if then.share and now.share else ()))
        return found

    def before_and_after(self, spec: Spec, address: str) -> tuple[list[Name], list[Name]]:
        """Who joined the holders of the address before this Service, and who after it; nobody when it holds it not."""
        names = [n for n, _, _ in self.holders.get(address, ())]
        if address not in self.held(spec.name):
            return [], []
        at = names.index(spec.name)
        return names[:at], names[at + 1 :]

    def may_stand(self, spec: Spec, address: str, pools: FileSpec) -> bool:
        """Whether the Service may have the address beside those who use it: a newcomer beside all of them, who holds it
        beside those who joined before, as they are by now."""
        pool = pools.pool_of(address)
        across = pool is not None and pool.across
        before, after = self.before_and_after(spec, address)
        for other, by in self.users(address, spec.name):
            if other in before and not may_share(spec, self.specs[other], across=True):
                return False
            if other not in (*before, *after) and not (by and all(may_share(spec, o, across=across) for o in by)):
                return False
        return True

    def untouched(self, address: str, name: Name) -> bool:
        """Whether there is no trace of the address."""
        return address not in self.holders and address not in self.released and not self.users(address, name)


class Cluster(Api):
    """The API server; `on_patch` is told of each status that lbctl has written: the look before, and the name."""

    def __init__(self) -> None:
        super().__init__([])
        self.namespaces = [{"metadata": {"name": name, "labels": labels}} for name, labels in NAMESPACES.items()]
        self.specs: dict[Name, Spec] = {}
        self.written: dict[str, Spec] = {}
        self.on_patch: Callable[[Look, Name], None] = lambda *_: None
        self.lives: int | None = None  # half requests left before lbctl is killed: one ends before, the next after it
        self.writes = 0

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "",
    ) -> Answer:
        """One request, unless lbctl is killed before it; it may also be killed before it reads the answer."""
        self._live()
        before = self.look() if method == "PATCH" else None
        self.writes += method != "GET"
        answer = super().request(method, path, params=params, body=body, content_type=content_type)
        if before is not None:
            meta = answer.body["metadata"]
            name = meta["namespace"], meta["name"]
            self.written[meta["resourceVersion"]] = self.specs[name]
            self.on_patch(before, name)
        self._live()
        return answer

    def _live(self) -> None:
        if self.lives is not None:
            if not self.lives:
                raise Killed
            self.lives -= 1

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def put(self, spec: Spec, *, ingress: list[Json] | None = None) -> None:
        """A user writes a Service, or somebody its status; one that is no LoadBalancer loses its addresses at once."""
        path = service_path(*spec.name)
        before = self.services.get(path)
        fresh = before is None or before["metadata"]["uid"] != spec.uid
        status = {"loadBalancer": {"ingress": []}} if fresh or before is None else dict(before["status"])
        if ingress is not None or not spec.balancer:
            status["loadBalancer"] = {"ingress": ingress or []}
        self.services[path] = item = self._new(spec.to_json("", status))
        self.specs[spec.name] = spec
        self.written[item["metadata"]["resourceVersion"]] = spec

    def remove(self, name: Name) -> None:
        """A Service is gone."""
        del self.services[service_path(*name)]
        del self.specs[name]

    def use_by_nodes(self, addresses: tuple[str, ...]) -> None:
        """The Nodes have these addresses from now on."""
        entries = [{"type": "InternalIP", "address": a} for a in addresses]
        self.nodes = [{"metadata": {"name": "n1"}, "status": {"addresses": [*entries, {"address": "n1.example"}]}}]

    def look(self) -> Look:
        """Everything as it stands."""
        holders: dict[str, tuple[tuple[Name, str, str], ...]] = {}
        released: dict[str, Released] = {}
        for block in self.blocks.values():
            for claim in map(json.loads, block["data"]["claims"].splitlines()):
                if held := claim.get("holders"):
                    holders[claim["ip"]] = tuple((_name(h["svc"]), h["uid"], h["rv"]) for h in held)
                else:
                    last = claim["last"]
                    parked = claim.get("parked", False)
                    released[claim["ip"]] = Released(_name(last["svc"]), last["uid"], claim["released"], parked)
        items = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in self.services.values()}
        nodes = {e["address"] for node in self.nodes for e in node["status"]["addresses"]}
        return Look(
            self.now,
            dict(self.specs),
            {name: s["metadata"]["resourceVersion"] for name, s in items.items()},
            {name: tuple(_words(e) for e in s["status"]["loadBalancer"]["ingress"]) for name, s in items.items()},
            holders,
            released,
            frozenset(nodes),
            self.written,
        )


def _name(text: str) -> Name:
    namespace, _, name = text.partition("/")
    return namespace, name


def _words(entry: Json) -> str:
    return str(entry.get("ip") or entry["hostname"])
