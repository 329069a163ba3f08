"""Which resources there are: one row each. What a resource does beyond the common is its Rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lbctl.sandbox import endpointslices, kinds, leases, meta, tables
from lbctl.sandbox.refusals import Object
from lbctl.sandbox.rules import ConfigMapRules, EventRules, NamespaceRules, NodeRules, Rules
from lbctl.sandbox.schema import Struct
from lbctl.sandbox.servicerules import ServiceRules

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """A row: how it is called, what it looks like, and how it is printed.

    `put_creates` is whether a PUT where nothing is makes it; `selectable` are the fields of field selectors beside
    metadata.name and metadata.namespace; `returns_deleted` is whether a DELETE answers with the object;
    `needs_version` is whether a PUT over what is there must say which version it is of.
    """

    name: str
    shape: Struct
    columns: Sequence[tables.Column]
    cells: Callable[[Object, float], list[object]]
    rules: Callable[[], Rules] = Rules
    group: str = ""
    short: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = False
    put_creates: bool = False
    needs_version: bool = False
    returns_deleted: bool = False
    selectable: tuple[str, ...] = ()
    name_rule: meta.NameRule = meta.dns_subdomain
    categories: tuple[str, ...] = field(default=())

    @property
    def kind(self) -> str:
        """The kind of its objects."""
        return self.shape.name

    @property
    def api_version(self) -> str:
        """What its objects say in apiVersion."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def full_name(self) -> str:
        """With its group, as refusals have it."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def full_kind(self) -> str:
        """The same for its kind."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def fields(self) -> tuple[str, ...]:
        """What field selectors may name."""
        own = ("metadata.name", "metadata.namespace") if self.namespaced else ("metadata.name",)
        return own + self.selectable


REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

RESOURCES = {
    row.name: row
    for row in (
        Resource(
            "configmaps", kinds.CONFIG_MAP, tables.CONFIG_MAP, tables.config_map, rules=ConfigMapRules, short=("cm",)
        ),
        Resource(
            "events",
            kinds.EVENT,
            tables.EVENT,
            tables.event,
            rules=EventRules,
            short=("ev",),
            put_creates=True,
            selectable=(
                *(f"involvedObject.{name}" for name in REFERENCE),
                *("reason", "reportingComponent", "source", "type"),
            ),
            name_rule=meta.any_path_segment,
        ),
        Resource(
            "namespaces",
            kinds.NAMESPACE,
            tables.NAMESPACE,
            tables.namespace,
            rules=NamespaceRules,
            short=("ns",),
            namespaced=False,
            status=True,
            returns_deleted=True,
            selectable=("status.phase",),
            name_rule=meta.namespace_name,
        ),
        Resource(
            "nodes",
            kinds.NODE,
            tables.NODE,
            tables.node,
            rules=NodeRules,
            short=("no",),
            namespaced=False,
            status=True,
            selectable=("spec.unschedulable",),
        ),
        Resource(
            "services",
            kinds.SERVICE,
            tables.SERVICE,
            tables.service,
            rules=ServiceRules,
            short=("svc",),
            status=True,
            put_creates=True,
            returns_deleted=True,
            selectable=("spec.clusterIP", "spec.type"),
            name_rule=meta.dns_label,
            categories=("all",),
        ),
        Resource(
            "leases",
            leases.LEASE,
            tables.LEASE,
            tables.lease,
            rules=leases.LeaseRules,
            group="coordination.k8s.io",
            put_creates=True,
            needs_version=True,
        ),
        Resource(
            "endpointslices",
            endpointslices.ENDPOINT_SLICE,
            tables.ENDPOINT_SLICE,
            tables.endpoint_slice,
            rules=endpointslices.EndpointSliceRules,
            group="discovery.k8s.io",
        ),
    )
}

GROUPS = tuple(dict.fromkeys(row.group for row in RESOURCES.values()))
