"""Who else hands out addresses here: the marks that other LoadBalancer controllers leave on a Service.

lbctl never touches what they wrote (promise 2); it says whose it is before a first assignment, because two controllers
at one Service are hours lost (metallb#2396, #2641). Only what the Service itself shows is read, which takes no further
right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

KLIPPER = "klipper (ServiceLB of k3s)"

# Annotations and labels that only the controller itself writes; a user's request for an address is no mark.
NOTES = {
    "metallb.io/ip-allocated-from-pool": "MetalLB",
    "metallb.universe.tf/ip-allocated-from-pool": "MetalLB",
    "purelb.io/allocated-by": "PureLB",
    "purelb.io/allocated-from": "PureLB",
    "kube-vip.io/vipHost": "kube-vip",
}
LABELS = {("implementation", "kube-vip"): "kube-vip"}
CONDITIONS = {"cilium.io/IPAMRequestSatisfied": "Cilium"}
# Field managers that write status.loadBalancer under a name of their own (MetalLB's is just "controller").
MANAGERS = {
    "kube-vip": "kube-vip",
    "cilium-operator": "Cilium",
    "cilium-operator-generic": "Cilium",
    "k3s": KLIPPER,
    "cloud-controller-manager": "a cloud controller manager",
}


class Origin(StrEnum):
    """Whose addresses are to be adopted: the values of `lbctl adopt --from`."""

    METALLB = "metallb"
    KUBE_VIP = "kube-vip"
    CILIUM = "cilium"
    PURELB = "purelb"
    KLIPPER = "klipper"
    ANY = "any"

    @property
    def rival(self) -> str:
        """The common name of that controller; empty for any."""
        return _ORIGINS.get(self, "")


_ORIGINS = {
    Origin.METALLB: "MetalLB",
    Origin.KUBE_VIP: "kube-vip",
    Origin.CILIUM: "Cilium",
    Origin.PURELB: "PureLB",
    Origin.KLIPPER: KLIPPER,
}


def rival_of(item: Mapping[str, Any]) -> str:
    """The controller that has filled in this Service (core/v1 JSON), by its common name; empty when none shows."""
    meta = item["metadata"]
    for note in meta.get("annotations") or ():
        if note in NOTES:
            return NOTES[note]
    for label in (meta.get("labels") or {}).items():
        if label in LABELS:
            return LABELS[label]
    for condition in (item.get("status") or {}).get("conditions") or ():
        if condition.get("type") in CONDITIONS and condition.get("status") == "True":
            return CONDITIONS[condition["type"]]
    return next((MANAGERS[m] for m in status_managers(item) if m in MANAGERS), "")


def status_managers(item: Mapping[str, Any]) -> Iterable[str]:
    """The field managers that own the addresses in a Service's status."""
    for entry in item["metadata"].get("managedFields") or ():
        fields = (entry.get("fieldsV1") or {}).get("f:status") or {}
        if "f:ingress" in (fields.get("f:loadBalancer") or {}):
            yield entry.get("manager") or ""
