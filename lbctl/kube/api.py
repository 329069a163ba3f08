"""The few paths of the API that lbctl uses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lbctl.kube.errors import Forbidden, NotFound, ServerFailed
from lbctl.kube.streams import Line
from lbctl.kube.transport import KubeTransport
from lbctl.services import MANAGER

Object = dict[str, Any]

CORE = "/api/v1/"


def _path(resource: str, namespace: str = "", *rest: str) -> str:
    """A path of the core API, whatever stands in a name."""
    scope = ["namespaces", namespace] if namespace else []
    return CORE + "/".join(quote(part, safe="") for part in [*scope, resource, *rest])


def _lease(namespace: str, *name: str) -> str:
    return "/apis/coordination.k8s.io/v1/" + _path("leases", namespace, *name).removeprefix(CORE)


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
    """Typed paths around a transport; every method raises ApiError or ClusterError.

    Every read is a quorum read: one without resourceVersion, which the API server answers from etcd or proves to be as
    fresh (KEP-2340). A list is one request: in pages it would be the same snapshot, and slower.
    """

    def __init__(self, transport: KubeTransport, *, dry_run: bool = False) -> None:
        self._transport = transport
        # Then the API server goes all the way of a write, admission included, and keeps nothing (KEP-576).
        self._dry = {"dryRun": "All"} if dry_run else {}

    @property
    def dry_run(self) -> bool:
        """Whether the API server keeps nothing of what is written."""
        return bool(self._dry)

    def line(self) -> Line:
        """A connection for one thread, for what runs until it is told to stop."""
        return self._transport.line()

    def on_request(self, told: Callable[[str, int | None], object]) -> None:
        """Have each request told: its verb in RBAC's words, and the status it was answered with (None: it was not)."""
        self._transport.on_request = told

    def server_time(self) -> float:
        """What time it is by the API server's clock, in seconds since the epoch."""
        return self._transport.server_time()

    def _list(self, path: str, params: Mapping[str, str] | None = None) -> Listed:
        answer = self._transport.request("GET", path, params=params)
        return Listed(answer.body["items"], answer.date, answer.body["metadata"]["resourceVersion"])

    def _patch(self, path: str, body: Mapping[str, Any]) -> Object:
        kind = "application/strategic-merge-patch+json"
        params = {"fieldManager": MANAGER, **self._dry}
        answer = self._transport.request("PATCH", path, params=params, body=body, content_type=kind)
        return dict(answer.body)

    def list_services(self, selector: str = "") -> Listed:
        """All Services of all namespaces, or those whose labels fit."""
        return self._list(_path("services"), {"labelSelector": selector} if selector else None)

    def list_nodes(self) -> Listed:
        """All Nodes."""
        return self._list(_path("nodes"))

    def list_service_cidrs(self) -> Listed | None:
        """All ServiceCIDRs (networking.k8s.io/v1, of Kubernetes 1.33); None where they are not, or may not be read."""
        try:
            return self._list("/apis/networking.k8s.io/v1/servicecidrs")
        except (Forbidden, NotFound, ServerFailed):  # an API server without them has a bare 404 for them
            return None

    def list_namespaces(self) -> Listed:
        """All Namespaces."""
        return self._list(_path("namespaces"))

    def list_endpoint_slices(self) -> Listed:
        """All EndpointSlices (discovery.k8s.io/v1)."""
        return self._list("/apis/discovery.k8s.io/v1/endpointslices")

    def list_leases(self, namespace: str, selector: str = "") -> Listed:
        """All Leases of a namespace, or those whose labels fit."""
        return self._list(_lease(namespace), {"labelSelector": selector} if selector else None)

    def list_configmaps(self, namespace: str, selector: str = "") -> Listed:
        """All ConfigMaps of a namespace, or those whose labels fit."""
        return self._list(_path("configmaps", namespace), {"labelSelector": selector} if selector else None)

    def served(self, groups: Collection[str]) -> dict[str, frozenset[str]]:
        """The resources that each `group/version` of these groups has; none of a group that is not installed.

        Asked first because a group or resource that is not there is answered by a bare 404, which proves nothing.
        """
        there = self._transport.request("GET", "/apis").body.get("groups") or ()
        versions = [v["groupVersion"] for group in there if group["name"] in groups for v in group["versions"]]
        answers = {version: self._transport.request("GET", f"/apis/{version}").body for version in versions}
        return {v: frozenset(r["name"] for r in body.get("resources") or ()) for v, body in answers.items()}

    def list_custom(self, group: str, version: str, resource: str) -> list[Object]:
        """All objects of a custom resource that is served, of all namespaces."""
        return self._list(f"/apis/{group}/{version}/{resource}").items

    def get_service(self, namespace: str, name: str) -> Dated:
        """One Service."""
        answer = self._transport.request("GET", _path("services", namespace, name))
        return Dated(answer.body, answer.date)

    def patch_service_status(self, namespace: str, name: str, body: Mapping[str, Any]) -> Object:
        """Strategic merge patch of the status."""
        return self._patch(_path("services", namespace, name, "status"), body)

    def get_configmap(self, namespace: str, name: str) -> Dated:
        """One ConfigMap."""
        answer = self._transport.request("GET", _path("configmaps", namespace, name))
        return Dated(answer.body, answer.date)

    def create_configmap(self, namespace: str, body: Mapping[str, Any]) -> Dated:
        """POST: Conflict when it exists."""
        answer = self._transport.request("POST", _path("configmaps", namespace), params=self._dry, body=body)
        return Dated(answer.body, answer.date)

    def replace_configmap(self, namespace: str, name: str, body: Mapping[str, Any], resource_version: str) -> Dated:
        """PUT over the version that was read: Conflict when it is no longer that one.

        The version is an argument of its own because without one a PUT is unconditional, which would undo whatever
        another run wrote (DESIGN 5).
        """
        if not resource_version:
            raise ValueError("an empty resourceVersion would make the write unconditional")
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": resource_version}}
        path = _path("configmaps", namespace, name)
        answer = self._transport.request("PUT", path, params=self._dry, body=body)
        return Dated(answer.body, answer.date)

    def create_namespace(self, name: str) -> Dated:
        """POST a Namespace."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        answer = self._transport.request("POST", _path("namespaces"), params=self._dry, body=body)
        return Dated(answer.body, answer.date)

    def create_event(self, namespace: str, body: Mapping[str, Any]) -> Object:
        """POST a core/v1 Event: Conflict when one of its name exists."""
        return dict(self._transport.request("POST", _path("events", namespace), params=self._dry, body=body).body)

    def patch_event(self, namespace: str, name: str, body: Mapping[str, Any]) -> Object:
        """Strategic merge patch of an Event; Conflict when it carries a resourceVersion that is no longer the Event's.

        An empty one changes nothing and answers with the Event, for who may patch Events but not get them.
        """
        return self._patch(_path("events", namespace, name), body)

    def get_lease(self, namespace: str, name: str, timeout: float | None = None) -> Object:
        """One Lease; `timeout` is in seconds, where the transport's own is too long, as below."""
        return dict(self._transport.request("GET", _lease(namespace, name), timeout=timeout).body)

    def create_lease(self, namespace: str, body: Mapping[str, Any], timeout: float | None = None) -> Object:
        """POST: Conflict when it exists."""
        path = _lease(namespace)
        return dict(self._transport.request("POST", path, params=self._dry, body=body, timeout=timeout).body)

    def replace_lease(
        self, namespace: str, name: str, body: Mapping[str, Any], resource_version: str, timeout: float | None = None
    ) -> Object:
        """PUT over the version that was read, as with ConfigMaps: Conflict when it is no longer that one."""
        if not resource_version:
            raise ValueError("an empty resourceVersion would make the write unconditional")
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": resource_version}}
        path = _lease(namespace, name)
        return dict(self._transport.request("PUT", path, params=self._dry, body=body, timeout=timeout).body)
