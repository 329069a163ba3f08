"""What can be wrong with a Service. Pure: causes come out, in the API server's words, for users know them by these."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from lbctl.sandbox.iptexts import address_wrong, network_wrong, special
from lbctl.sandbox.meta import dns_label, dns_subdomain, labels_wrong, qualified_name
from lbctl.sandbox.refusals import Cause, Object, duplicate, forbidden, invalid, required, unsupported

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
FAMILIES = ("IPv4", "IPv6")
POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
PROTOCOLS = ("SCTP", "TCP", "UDP")
TRAFFIC = ("Cluster", "Local")
DISTRIBUTION = ("PreferClose", "PreferSameZone", "PreferSameNode")
AFFINITIES = ("ClientIP", "None")
IP_MODES = ("Proxy", "VIP")
MAX_AFFINITY_SECONDS = 86400
FIXED = "may not change once set"
BALANCERS_ONLY = "may only be used when `type` is 'LoadBalancer'"


def headless(spec: Object) -> bool:
    """Whether it has no address of its own."""
    return (spec.get("clusterIPs") or [""])[0] == "None" or spec.get("clusterIP") == "None"


def externally_accessible(spec: Object) -> bool:
    """Whether traffic from outside of the cluster comes to it."""
    return spec["type"] in ("NodePort", "LoadBalancer") or (
        spec["type"] == "ClusterIP" and bool(spec.get("externalIPs"))
    )


def needs_health_check(spec: Object) -> bool:
    """Whether a load balancer has to ask each node for it."""
    return spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _port_wrong(port: int) -> str:
    return "" if 0 < port < 65536 else "must be between 1 and 65535, inclusive"


def service_wrong(new: Object, old: Object | None) -> Iterator[Cause]:
    """What is wrong with the Service as it is to be kept."""
    spec = new["spec"]
    if not spec.get("ports") and not headless(spec) and spec["type"] != "ExternalName":
        yield required("spec.ports")
    yield from _by_type(spec)
    yield from _ports(spec)
    yield from labels_wrong(spec.get("selector") or {}, "spec.selector")
    yield from _affinity(spec)
    yield from addresses_wrong(spec, old["spec"] if old else None)
    yield from _external_addresses(spec)
    if spec["type"] not in TYPES:
        yield unsupported("spec.type", spec["type"], TYPES)
    yield from _node_ports(spec)
    yield from _balancer(spec)
    yield from _traffic(spec)


def _by_type(spec: Object) -> Iterator[Cause]:
    kind = spec["type"]
    if kind in ("LoadBalancer", "NodePort") and headless(spec):
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind != "ExternalName":
        return
    for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(name):
            yield forbidden(f"spec.{name}", "may not be set for ExternalName services")
    target = spec.get("externalName", "").removesuffix(".")
    if not target:
        yield required("spec.externalName")
    elif wrong := dns_subdomain(target):
        yield invalid("spec.externalName", target, wrong)


def _ports(spec: Object) -> Iterator[Cause]:
    ports = spec.get("ports") or []
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        name = port.get("name", "")
        if name and (wrong := dns_label(name)):
            yield invalid(f"{at}.name", name, wrong)
        if name and name in names:
            yield duplicate(f"{at}.name", name)
        if not name and len(ports) > 1:
            yield required(f"{at}.name")
        names.add(name)
        yield from _port(port, at)


def _port(port: Object, at: str) -> Iterator[Cause]:
    if wrong := _port_wrong(port["port"]):
        yield invalid(f"{at}.port", port["port"], wrong)
    if port["protocol"] not in PROTOCOLS:
        yield unsupported(f"{at}.protocol", port["protocol"], PROTOCOLS)
    target = port["targetPort"]
    if isinstance(target, int):
        if wrong := _port_wrong(target):
            yield invalid(f"{at}.targetPort", target, wrong)
    elif wrong := port_name_wrong(target):
        yield invalid(f"{at}.targetPort", target, wrong)
    if "appProtocol" in port and (wrong := qualified_name(port["appProtocol"])):
        yield invalid(f"{at}.appProtocol", port["appProtocol"], wrong)


def port_name_wrong(name: str) -> str:
    """What is wrong with the name of a container's port (RFC 6335), or nothing."""
    if len(name) > 15:
        return "must be no more than 15 characters"
    if not re.fullmatch("[-a-z0-9]+", name):
        return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", name):
        return "must contain at least one letter (a-z)"
    if "--" in name:
        return "must not contain consecutive hyphens"
    return "must not begin or end with a hyphen" if name[0] == "-" or name[-1] == "-" else ""


def _affinity(spec: Object) -> Iterator[Cause]:
    if spec["sessionAffinity"] not in AFFINITIES:
        yield unsupported("spec.sessionAffinity", spec["sessionAffinity"], AFFINITIES)
    seconds = (spec.get("sessionAffinityConfig") or {}).get("clientIP", {}).get("timeoutSeconds")
    if seconds is not None and not 0 < seconds <= MAX_AFFINITY_SECONDS:
        at = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        yield invalid(at, seconds, f"must be greater than 0 and less than {MAX_AFFINITY_SECONDS}")


def addresses_wrong(spec: Object, old: Object | None) -> Iterator[Cause]:
    """What is wrong with clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy together."""
    if spec["type"] == "ExternalName":
        return
    first, addresses = spec.get("clusterIP", ""), spec.get("clusterIPs") or []
    if first and not addresses:
        yield required("spec.clusterIPs")
    elif first and addresses[0] != first:
        yield invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    elif not first and addresses:
        yield invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")
    families = spec.get("ipFamilies") or []
    for index, family in enumerate(families):
        if family not in FAMILIES:
            yield unsupported(f"spec.ipFamilies[{index}]", family, FAMILIES)
        if family in families[:index]:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
    if spec.get("ipFamilyPolicy") and spec["ipFamilyPolicy"] not in POLICIES:
        yield unsupported("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], POLICIES)
    yield from _cluster_addresses(addresses, families, (old or {}).get("clusterIPs") or ())


def _cluster_addresses(addresses: list[str], families: list[str], before: Sequence[str]) -> Iterator[Cause]:
    at = "spec.clusterIPs"
    broken: list[Cause] = []
    for index, address in enumerate(addresses):
        if index == 0 and address == "None":
            if len(addresses) > 1:
                broken.append(invalid(at, addresses, "'None' must be the first and only value"))
        elif address not in before and (wrong := address_wrong(address)):
            broken.append(invalid(f"{at}[{index}]", address, wrong))
    yield from broken
    if len(addresses) > 2:
        yield invalid(at, addresses, "may only hold up to 2 values")
    if broken or addresses[:1] == ["None"]:
        return
    found = ["IPv6" if ":" in address else "IPv4" for address in addresses]
    if len(found) > 1 and set(found) != set(FAMILIES):
        yield invalid(at, addresses, "may specify no more than one IP for each IP family")
    for index, (address, has, wanted) in enumerate(zip(addresses, found, families, strict=False)):
        if wanted in FAMILIES and has != wanted:
            why = f"expected an {wanted} value as indicated by `ipFamilies[{index}]`"
            yield invalid(f"{at}[{index}]", address, why)


def _external_addresses(spec: Object) -> Iterator[Cause]:
    for index, text in enumerate(spec.get("externalIPs") or ()):
        at = f"spec.externalIPs[{index}]"
        if wrong := address_wrong(text):
            yield invalid(at, text, wrong)
        else:
            yield from (invalid(at, text, why) for why in special(text))


def _node_ports(spec: Object) -> Iterator[Cause]:
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.get("ports") or ()):
        at = f"spec.ports[{index}].nodePort"
        if not port.get("nodePort"):
            continue
        if spec["type"] == "ClusterIP":
            yield forbidden(at, "may not be used when `type` is 'ClusterIP'")
        if (port["protocol"], port["nodePort"]) in seen:
            yield duplicate(at, port["nodePort"])
        seen.add((port["protocol"], port["nodePort"]))
    pairs: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.get("ports") or ()):
        if (port["protocol"], port["port"]) in pairs:
            yield duplicate(f"spec.ports[{index}]", _shown(port))
        pairs.add((port["protocol"], port["port"]))


def _shown(port: Object) -> Object:
    """A port's number and protocol, as the API server shows them."""
    known = {"Name": "", "Protocol": port["protocol"], "AppProtocol": None, "Port": port["port"]}
    return {**known, "TargetPort": 0, "NodePort": 0}


def _balancer(spec: Object) -> Iterator[Cause]:
    balanced = spec["type"] == "LoadBalancer"
    ranges = spec.get("loadBalancerSourceRanges") or ()
    if ranges and not balanced:
        yield forbidden("spec.LoadBalancerSourceRanges", BALANCERS_ONLY)
    for index, text in enumerate(ranges):
        if wrong := network_wrong(text.strip()):
            yield invalid(f"spec.LoadBalancerSourceRanges[{index}]", text.strip(), wrong)
    if "allocateLoadBalancerNodePorts" in spec and not balanced:
        yield forbidden("spec.allocateLoadBalancerNodePorts", BALANCERS_ONLY)
    yield from _class(spec)


def _class(spec: Object) -> Iterator[Cause]:
    name = spec.get("loadBalancerClass")
    if name is None:
        return
    if spec["type"] != "LoadBalancer":
        yield forbidden("spec.loadBalancerClass", BALANCERS_ONLY)
    elif wrong := qualified_name(name):
        yield invalid("spec.loadBalancerClass", name, wrong)


def _traffic(spec: Object) -> Iterator[Cause]:
    policy = spec.get("externalTrafficPolicy", "")
    if policy and not externally_accessible(spec):
        yield invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services")
    elif policy and policy not in TRAFFIC:
        yield unsupported("spec.externalTrafficPolicy", policy, TRAFFIC)
    health = spec.get("healthCheckNodePort", 0)
    if health and not needs_health_check(spec):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid("spec.healthCheckNodePort", health, why)
    inside = spec.get("internalTrafficPolicy", "Cluster")
    if inside not in TRAFFIC:
        yield unsupported("spec.internalTrafficPolicy", inside, TRAFFIC)
    if "trafficDistribution" in spec and spec["trafficDistribution"] not in DISTRIBUTION:
        yield unsupported("spec.trafficDistribution", spec["trafficDistribution"], DISTRIBUTION)


def changed_wrong(spec: Object, old: Object) -> Iterator[Cause]:
    """What may not change in a Service that there is."""
    if "ExternalName" not in (spec["type"], old["type"]):
        yield from _fixed(spec, old, "clusterIPs", headless(spec) and headless(old), "clusterIP")
        yield from _fixed(spec, old, "ipFamilies", headless(spec) or headless(old), "ipFamily")
    if spec["type"] == old["type"] == "LoadBalancer" and spec.get("loadBalancerClass") != old.get("loadBalancerClass"):
        yield invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), FIXED)
    yield from _class(spec)
    checked = needs_health_check(old) and needs_health_check(spec)
    if checked and spec.get("healthCheckNodePort") != old.get("healthCheckNodePort"):
        yield forbidden("spec.healthCheckNodePort", "field is immutable")


def _fixed(spec: Object, old: Object, name: str, free: bool, what: str) -> Iterator[Cause]:
    """The first of two stays; the second may come, and go with the policy."""
    now, was = spec.get(name) or [], old.get(name) or []
    if free:
        return
    for index, value in enumerate(was[: len(now)]):
        if value != now[index]:
            at = index if name == "clusterIPs" else 0
            yield invalid(f"spec.{name}[{at}]", now, FIXED)
    if was and not now:
        yield invalid(f"spec.{name}[0]", None, f"primary {what} can not be unset")
    if len(was) == 2 and len(now) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        why = f"must be set to 'SingleStack' when releasing the secondary {what}"
        yield invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), why)


def status_wrong(status: Object, old: Object, kind: str) -> Iterable[Cause]:
    """What is wrong with the status of a load balancer."""
    entries = status.get("ingress") or ()
    if entries and kind != "LoadBalancer":
        yield forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'")
        return
    before = {entry.get("ip") for entry in old.get("ingress") or ()}
    for index, entry in enumerate(entries):
        yield from _ingress(entry, f"status.loadBalancer.ingress[{index}]", before)


def _ingress(entry: Object, at: str, before: set[str | None]) -> Iterator[Cause]:
    ip, mode, host = entry.get("ip", ""), entry.get("ipMode"), entry.get("hostname", "")
    if ip and ip not in before and (wrong := address_wrong(ip)):
        yield invalid(f"{at}.ip", ip, wrong)
    if mode is not None and not ip:
        yield forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set")
    elif mode is None and ip:
        yield required(f"{at}.ipMode", "must be specified when `ip` is set")
    elif mode is not None and mode not in IP_MODES:
        yield unsupported(f"{at}.ipMode", mode, IP_MODES)
    if host and (wrong := dns_subdomain(host)):
        yield invalid(f"{at}.hostname", host, wrong)
    if host and not address_wrong(host):
        yield invalid(f"{at}.hostname", host, "must be a DNS name, not an IP address")
