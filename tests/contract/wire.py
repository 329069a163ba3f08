"""HTTP as it goes over the wire, to either server: nothing of lbctl's and nothing of the sandbox's stands in it."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
GROUPS = {"leases": "coordination.k8s.io", "endpointslices": "discovery.k8s.io"}  # of what is not in the core
AGENT = "contract/1.0 (tests)"
GRACE = 90  # seconds until an address that was given back can be had at the latest


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    body: Object
    headers: Mapping[str, str]
    text: str

    @property
    def version(self) -> str:
        """The resourceVersion of the object or list."""
        return str(self.body["metadata"]["resourceVersion"])

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Code, reason and message of a Status."""
        return self.status, self.body.get("reason", ""), self.body.get("message", "")

    @property
    def causes(self) -> set[tuple[str, str]]:
        """Field and reason of each cause of a Status."""
        return {(c["field"], c["reason"]) for c in self.body["details"]["causes"]}


@dataclass(slots=True)
class Stream:
    """A watch under way."""

    answer: http.client.HTTPResponse

    def take(self, count: int) -> list[tuple[str, Object]]:
        """The next events: type and object. Fails when they do not come within the connection's time."""
        return [self._one() for _ in range(count)]

    def rest(self) -> list[tuple[str, Object]]:
        """All events until the server ends the watch."""
        return [_event(line) for line in self.answer.read().splitlines()]

    def _one(self) -> tuple[str, Object]:
        line = self.answer.readline()
        assert line, "the watch ended"
        return _event(line)


def _event(line: bytes) -> tuple[str, Object]:
    event = json.loads(line)
    return event["type"], event["object"]


@dataclass(slots=True)
class Wire:
    """A server, reached as admin; `space` is the namespace of this test."""

    name: str
    url: str
    certificate: str = ""
    token: str = ""
    space: str = "default"
    _kept: http.client.HTTPConnection | None = field(default=None, repr=False)

    def _connection(self, seconds: float = 30) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=seconds)
        tls = ssl.create_default_context(cafile=self.certificate)
        return http.client.HTTPSConnection(host, port, context=tls, timeout=seconds)

    def close(self) -> None:
        """Close the connection that is kept."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def path(self, path: str) -> str:
        """`services/web` in this test's namespace; a path with a leading slash stands as it is."""
        if path.startswith("/"):
            return path
        group = GROUPS.get(path.partition("/")[0])
        return f"/{f'apis/{group}' if group else 'api'}/v1/namespaces/{self.space}/{path}"

    def ask(
        self,
        method: str,
        path: str,
        body: Object | list[Any] | bytes | None = None,
        *,
        kind: str = "application/json",
        accept: str = "application/json",
        agent: str = AGENT,
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request."""
        self._kept = self._kept or self._connection()
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Accept": accept, "User-Agent": agent, **({"Content-Type": kind} if data is not None else {})}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        query = "?" + urlencode(params) if params else ""
        self._kept.request(method, self.path(path) + query, data, headers)
        answer = self._kept.getresponse()
        text = answer.read().decode()
        parsed = json.loads(text) if text.startswith("{") else {}
        return Reply(answer.status, parsed, dict(answer.getheaders()), text)

    def get(self, path: str, **params: str) -> Reply:
        """GET."""
        return self.ask("GET", path, params=params)

    def post(self, path: str, body: Object | bytes, **params: str) -> Reply:
        """POST."""
        return self.ask("POST", path, body, params=params)

    def put(self, path: str, body: Object, **params: str) -> Reply:
        """PUT."""
        return self.ask("PUT", path, body, params=params)

    def delete(self, path: str, body: Object | None = None) -> Reply:
        """DELETE."""
        return self.ask("DELETE", path, body)

    def merge(self, path: str, body: Object, **params: str) -> Reply:
        """PATCH, as RFC 7386 has it."""
        return self.ask("PATCH", path, body, kind=MERGE_PATCH, params=params)

    def strategic(self, path: str, body: Object, **params: str) -> Reply:
        """PATCH, as Kubernetes has it."""
        return self.ask("PATCH", path, body, kind=STRATEGIC_PATCH, params=params)

    def steps(self, path: str, body: list[Any]) -> Reply:
        """PATCH, as RFC 6902 has it."""
        return self.ask("PATCH", path, body, kind=JSON_PATCH)

    def made(self, path: str, body: Object) -> Object:
        """POST that must succeed; the object."""
        reply = self.post(path, body)
        assert reply.status == 201, reply.text
        return reply.body

    def made_in_time(self, path: str, body: Object) -> Object:
        """POST of a Service that asks for what another has just given back; the object.

        kube-apiserver's repair loop may have seen the other one late, and writes its ClusterIP down again when that
        is free already; 60 s later it sees that nobody uses it (its grace for a Service that is being written).
        """
        deadline = time.monotonic() + GRACE
        while (reply := self.post(path, body)).status == 422 and time.monotonic() < deadline:
            time.sleep(0.5)  # because no watch of a Service tells of it
        assert reply.status == 201, reply.text
        return reply.body

    @contextmanager
    def watch(self, path: str, *, accept: str = "application/json", **params: str) -> Iterator[Stream]:
        """A watch; closed at the end."""
        connection = self._connection(10)
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        connection.request("GET", f"{self.path(path)}?{urlencode({'watch': 'true', **params})}", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        try:
            yield Stream(answer)
        finally:
            answer.close()
            connection.close()


def service(name: str, /, kind: str = "ClusterIP", meta: Object | None = None, **spec: Any) -> Object:
    """A Service of port 80."""
    whole = {"type": kind, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, **(meta or {})}, "spec": whole}


def config_map(name: str, /, meta: Object | None = None, **data: str) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **(meta or {})}, "data": data}


def ingress(*addresses: str) -> Object:
    """A status that shows addresses."""
    return {"status": {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}}
