"""The few paths of the API that lbctl uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lbctl.kube.transport import KubeTransport

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list, the API server's clock when it was made, and its resourceVersion."""

    items: list[Object]
    date: float
    resource_version: str


@dataclass(frozen=True, slots=True)
class Dated:
    """An object and the API server's clock."""

    object: Object
    date: float


class Kube:
    """Typed paths around a transport; every read is a quorum read."""

    def __init__(self, transport: KubeTransport) -> None:
        self._transport = transport

    def _list(self, path: str, params: Mapping[str, str] | None = None) -> Listed:
        answer = self._transport.request("GET", path, params=params)
        return Listed(answer.body["items"], answer.date, answer.body["metadata"]["resourceVersion"])

    def list_services(self) -> Listed:
        """All Services of all namespaces."""
        return self._list("/api/v1/services")

    def list_nodes(self) -> Listed:
        """All Nodes."""
        return self._list("/api/v1/nodes")

    def list_configmaps(self, namespace: str, selector: str) -> Listed:
        """ConfigMaps by label."""
        return self._list(f"/api/v1/namespaces/{namespace}/configmaps", {"labelSelector": selector})

    def get_service(self, namespace: str, name: str) -> Dated:
        """One Service."""
        answer = self._transport.request("GET", f"/api/v1/namespaces/{namespace}/services/{name}")
        return Dated(answer.body, answer.date)

    def patch_service_status(self, namespace: str, name: str, body: Mapping[str, Any]) -> Object:
        """Strategic merge patch of the status."""
        path = f"/api/v1/namespaces/{namespace}/services/{name}/status"
        kind = "application/strategic-merge-patch+json"
        params = {"fieldManager": "lbctl"}
        answer = self._transport.request("PATCH", path, params=params, body=body, content_type=kind)
        return dict(answer.body)

    def get_configmap(self, namespace: str, name: str) -> Dated:
        """One ConfigMap."""
        answer = self._transport.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        return Dated(answer.body, answer.date)

    def create_configmap(self, namespace: str, body: Mapping[str, Any]) -> Dated:
        """POST: Conflict when it exists."""
        answer = self._transport.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body=body)
        return Dated(answer.body, answer.date)

    def replace_configmap(self, namespace: str, name: str, body: Mapping[str, Any], resource_version: str) -> Dated:
        """PUT over the version that was read: Conflict when it is no longer that one.

        The version is an argument of its own because without one a PUT is unconditional, which would undo whatever
        another run wrote (DESIGN 5).
        """
        if not resource_version:
            raise ValueError("an empty resourceVersion would make the write unconditional")
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": resource_version}}
        answer = self._transport.request("PUT", f"/api/v1/namespaces/{namespace}/configmaps/{name}", body=body)
        return Dated(answer.body, answer.date)

    def create_namespace(self, name: str) -> Dated:
        """POST a Namespace."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        answer = self._transport.request("POST", "/api/v1/namespaces", body=body)
        return Dated(answer.body, answer.date)
