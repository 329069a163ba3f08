"""A Service's course through a write: defaults, what a change of type takes with it, families, addresses and ports.

A Service is a union told apart by its type, so a change of type drops what the new one has no use for, unless the
same write changed that too: then it is for validation (servicechecks) to refuse.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from lbctl.sandbox.allocation import Addresses, NodePorts, family_of
from lbctl.sandbox.refusals import Cause, Object, check, invalid
from lbctl.sandbox.rules import Rules
from lbctl.sandbox.servicechecks import (
    addresses_wrong,
    changed_wrong,
    externally_accessible,
    needs_health_check,
    service_wrong,
    status_wrong,
)
from lbctl.sandbox.servicewarnings import spec_warnings, status_warnings

AFFINITY_SECONDS = 10800  # three hours: the default timeout of sessionAffinity ClientIP
FAMILIES = ("IPv4", "IPv6")


class ServiceRules(Rules):
    """Services of one cluster, with the pools that their addresses and node ports come out of."""

    def __init__(self) -> None:
        self._addresses = Addresses()
        self._ports = NodePorts()

    def defaults(self, new: Object) -> None:
        """Everything that does not come out of a pool."""
        spec = new["spec"]
        spec.setdefault("sessionAffinity", "None")
        _affinity(spec)
        spec.setdefault("type", "ClusterIP")
        for port in spec.get("ports") or ():
            port.setdefault("protocol", "TCP")
            if port["targetPort"] in (0, ""):
                port["targetPort"] = port["port"]
        if externally_accessible(spec):
            spec.setdefault("externalTrafficPolicy", "Cluster")
        if spec["type"] in ("ClusterIP", "NodePort", "LoadBalancer"):
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)
            for entry in new["status"]["loadBalancer"].get("ingress") or ():
                if entry.get("ip"):
                    entry.setdefault("ipMode", "VIP")

    def create(self, new: Object) -> None:
        """A new Service has no status."""
        new["status"] = {"loadBalancer": {}}
        if new["spec"].get("clusterIP") and not new["spec"].get("clusterIPs"):
            new["spec"]["clusterIPs"] = [new["spec"]["clusterIP"]]

    def update(self, new: Object, old: Object) -> None:
        """What the write leaves out stays as it was allocated; what the new type has no use for goes."""
        new["status"] = copy.deepcopy(old["status"])
        _carry(new["spec"], old["spec"])
        _normalize(new["spec"], old["spec"])

    def allocate(self, new: Object, old: Object | None) -> None:
        """Families, then addresses and ports out of the pools. Raises Refusal (422)."""
        name = new["metadata"]["name"]
        if new["spec"]["type"] != "ExternalName":
            _families(new["spec"], old["spec"] if old else None, name)
        self._addresses.give(new["spec"], old["spec"] if old else None, name)
        self._ports.give(new["spec"], old["spec"] if old else None, name)
        if old is not None:
            _shed(new, old)

    def wrong(self, new: Object, old: Object | None) -> Iterable[Cause]:
        """What is wrong with it."""
        if old is not None:
            yield from changed_wrong(new["spec"], old["spec"])
        yield from service_wrong(new, old)

    def wrong_status(self, new: Object, old: Object) -> Iterable[Cause]:
        """What is wrong with its load balancer's status."""
        return status_wrong(new["status"]["loadBalancer"], old["status"]["loadBalancer"], new["spec"]["type"])

    def settle(self, new: Object) -> None:
        """An alias has no traffic of its own to have a policy for."""
        if new["spec"]["type"] == "ExternalName":
            new["spec"].pop("internalTrafficPolicy", None)

    def committed(self, old: Object | None, new: Object | None) -> None:
        """Give back what the old one had, take what the new one has."""
        self._addresses.changed(old, new)
        self._ports.changed(old, new)

    def warnings(self, new: Object) -> Iterable[str]:
        """Fields without effect, and texts that should be written otherwise."""
        return spec_warnings(new["spec"])

    def status_warnings(self, new: Object) -> Iterable[str]:
        """Addresses that should be written otherwise."""
        return status_warnings(new["status"])


def _affinity(spec: Object) -> None:
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if config.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}


def _needs_ports(spec: Object) -> bool:
    kind = spec["type"]
    return kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False)


def _carry(new: Object, old: Object) -> None:
    """A write that leaves out an allocated value means the one it has."""
    if "ExternalName" not in (new["type"], old["type"]):
        for name in ("clusterIP", "clusterIPs"):
            if not new.get(name) and old.get(name):
                new[name] = old[name]
    if _needs_ports(old) and _needs_ports(new):
        _carry_ports(new, old)
    if needs_health_check(old) and needs_health_check(new) and not new.get("healthCheckNodePort"):
        new["healthCheckNodePort"] = old["healthCheckNodePort"]


def _node_ports(spec: Object) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}


def _carry_ports(new: Object, old: Object) -> None:
    """By the port's name, unless the write gives that node port to another."""
    used = _node_ports(old) & _node_ports(new)
    by_name = {port.get("name", ""): port.get("nodePort", 0) for port in old.get("ports") or ()}
    for port in new.get("ports") or ():
        was = by_name.get(port.get("name", ""), 0)
        if not port.get("nodePort") and was and was not in used:
            port["nodePort"] = was


def _normalize(new: Object, old: Object) -> None:
    """clusterIP and clusterIPs say the same; who changes one alone means both."""
    ip, was = new.get("clusterIP", ""), old.get("clusterIP", "")
    if ip == was or new.get("clusterIPs") != old.get("clusterIPs"):
        return
    if was and not ip:
        new.pop("clusterIPs", None)
    else:
        new["clusterIPs"] = [ip]


def _drop_if_same(new: Object, old: Object, *names: str) -> None:
    for name in names:
        if new.get(name) == old.get(name):
            new.pop(name, None)


def _shed(new: Object, old: Object) -> None:
    """What the new type has no use for, and the write did not change."""
    spec, was = new["spec"], old["spec"]
    if was["type"] != "ExternalName" and spec["type"] == "ExternalName":
        if spec.get("clusterIP") == was.get("clusterIP") and spec.get("clusterIPs") == was.get("clusterIPs"):
            _drop_if_same(spec, was, "clusterIP", "clusterIPs")
        _drop_if_same(spec, was, "ipFamilies", "ipFamilyPolicy")
    balanced = ("NodePort", "LoadBalancer")
    if was["type"] in balanced and spec["type"] not in balanced and _node_ports(was) >= _node_ports(spec):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    if needs_health_check(was) and not needs_health_check(spec):
        _drop_if_same(spec, was, "healthCheckNodePort")
    if was["type"] == "LoadBalancer" != spec["type"]:
        _drop_if_same(spec, was, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    if externally_accessible(was) and not externally_accessible(spec):
        _drop_if_same(spec, was, "externalTrafficPolicy")
    if spec["type"] != "LoadBalancer":
        new["status"]["loadBalancer"] = {}


def _families(spec: Object, old: Object | None, name: str) -> None:
    """Which families, by what is asked for, what is given already, and the cluster's default (IPv4 first).

    Raises Refusal (422).
    """
    headless = spec.get("clusterIP") == "None"
    anywhere = headless and not spec.get("selector")  # its endpoints are the user's, of whatever family
    if old and _still_prefers_both(spec, old):
        return
    if not spec.get("ipFamilyPolicy"):
        default = "RequireDualStack" if anywhere else "SingleStack"
        spec["ipFamilyPolicy"] = (old or {}).get("ipFamilyPolicy") or default
    check("Service", name, list(addresses_wrong(spec, old)))
    causes = [*(_reduced(spec, old) if old else ()), *_too_many(spec)]
    check("Service", name, causes)
    families: list[str] = list(spec.get("ipFamilies") or ())
    for index, address in enumerate(spec.get("clusterIPs") or ()):
        if address != "None" and index >= len(families):
            families.append(family_of(address))
    families = families or [FAMILIES[0]]
    if spec["ipFamilyPolicy"] != "SingleStack" and len(families) == 1:
        families.append(FAMILIES[1 - FAMILIES.index(families[0])])
    spec["ipFamilies"] = families


def _still_prefers_both(spec: Object, old: Object) -> bool:
    """Nothing of it changed, and the policy is to take both families where there are two."""
    fields = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
    same = all(spec.get(name) == old.get(name) for name in fields) and spec["type"] == old["type"]
    return same and spec.get("ipFamilyPolicy") == "PreferDualStack"


def _reduced(spec: Object, old: Object) -> Iterable[Cause]:
    """Going back to one family is a matter of the policy; the second address goes with it."""
    fields = ("clusterIPs", "ipFamilies")
    if spec["ipFamilyPolicy"] == "SingleStack":
        for name in fields:
            if spec.get(name) == old.get(name) and len(spec.get(name) or ()) > 1:
                spec[name] = spec[name][:1]
        return
    for name, what in zip(fields, ("cluster IP", "IP family"), strict=True):
        now, was = spec.get(name) or [], old.get(name) or []
        if 0 < len(now) < len(was):
            why = f"must be 'SingleStack' to release the secondary {what}"
            yield invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why)


def _too_many(spec: dict[str, Any]) -> Iterable[Cause]:
    if spec["ipFamilyPolicy"] == "SingleStack":
        for name, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
            if len(spec.get(name) or ()) == 2:
                why = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
                yield invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why)
