"""EndpointSlices of discovery.k8s.io/v1, which say where a Service's pods are: their shape and what is checked. Pure.

No controller makes them here: whoever needs some writes them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from lbctl.sandbox.iptexts import address_warnings, address_wrong, special
from lbctl.sandbox.kinds import REFERENCE, top
from lbctl.sandbox.meta import dns_label, dns_subdomain, label_value, qualified_name
from lbctl.sandbox.refusals import Cause, Object, duplicate, invalid, required, too_many, unsupported
from lbctl.sandbox.rules import Rules
from lbctl.sandbox.schema import FLAG_KEPT, INT_KEPT, TEXT_ALWAYS, TEXT_KEPT, Many, Map, Struct

ENDPOINT_SLICE = top(
    "EndpointSlice",
    addressType=TEXT_ALWAYS,
    endpoints=Many(
        Struct(
            "Endpoint",
            {
                "addresses": Many(),
                "conditions": Struct(
                    "EndpointConditions", dict.fromkeys(("ready", "serving", "terminating"), FLAG_KEPT)
                ),
                "hostname": TEXT_KEPT,
                "targetRef": Struct("ObjectReference", REFERENCE, pointer=True, atomic=True),
                "deprecatedTopology": Map(),
                "nodeName": TEXT_KEPT,
                "zone": TEXT_KEPT,
                "hints": Struct(
                    "EndpointHints",
                    {
                        "forZones": Many(Struct("ForZone", {"name": TEXT_ALWAYS})),
                        "forNodes": Many(Struct("ForNode", {"name": TEXT_ALWAYS})),
                    },
                    pointer=True,
                ),
            },
        ),
        always=True,
    ),
    ports=Many(
        Struct("EndpointPort", {"name": TEXT_KEPT, "protocol": TEXT_KEPT, "port": INT_KEPT, "appProtocol": TEXT_KEPT}),
        always=True,
    ),
)

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
PROTOCOLS = ("SCTP", "TCP", "UDP")
MAX_ENDPOINTS, MAX_ADDRESSES, MAX_PORTS, MAX_HINTS = 1000, 100, 20_000, 8
CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")  # get no warnings


class EndpointSliceRules(Rules):
    """The type of its addresses stays; the generation counts the changes of labels and contents."""

    def defaults(self, new: Object) -> None:
        """A port without a name has an empty one, and is TCP's."""
        for port in new["ports"] or ():
            named = {"name": port.pop("name", ""), "protocol": port.pop("protocol", "TCP")}
            rest = dict(port)
            port.clear()
            port.update(named | rest)

    def create(self, new: Object) -> None:
        """The first generation; what v1 no longer takes is dropped."""
        new["metadata"]["generation"] = 1
        _drop_topology(new)

    def update(self, new: Object, old: Object) -> None:
        """The next generation."""
        _drop_topology(new)
        if _content(new) != _content(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def settle(self, new: Object) -> None:
        """An empty list reads as none."""
        for name in ("endpoints", "ports"):
            new[name] = new[name] or None

    def wrong(self, new: Object, old: Object | None) -> Iterable[Cause]:
        """Type, ports and endpoints; endpoints that were there before are not looked at again."""
        kind = new["addressType"]
        if not kind:
            yield required("addressType")
        elif kind not in ADDRESS_TYPES:
            yield unsupported("addressType", kind, ADDRESS_TYPES)
        yield from _ports_wrong(new["ports"] or ())
        if old is None or (old["endpoints"] or None) != (new["endpoints"] or None):
            yield from _endpoints_wrong(new["endpoints"] or (), kind)
        if old is not None and kind != old["addressType"]:
            yield invalid("addressType", kind, "field is immutable")

    def warnings(self, new: Object) -> Iterable[str]:
        """Names in place of addresses, and addresses that are not written as they should be."""
        if new["addressType"] == "FQDN" and new["metadata"].get("generation") == 1:
            yield "spec.addressType: FQDN endpoints are deprecated"
        if (new["metadata"].get("labels") or {}).get("endpointslice.kubernetes.io/managed-by") in CONTROLLERS:
            return
        for index, endpoint in enumerate(new["endpoints"] or ()):
            for place, address in enumerate(endpoint.get("addresses") or ()):
                yield from address_warnings(f"endpoints[{index}].addresses[{place}]", address)


def _drop_topology(new: Object) -> None:
    for endpoint in new["endpoints"] or ():
        endpoint.pop("deprecatedTopology", None)


def _content(obj: Object) -> list[object]:
    found = [obj["addressType"], obj["metadata"].get("labels"), obj["endpoints"], obj["ports"]]
    return [one or None for one in found]


def _ports_wrong(ports: Iterable[Object]) -> Iterator[Cause]:
    ports, names = list(ports), set()
    if len(ports) > MAX_PORTS:
        yield too_many("ports", len(ports), MAX_PORTS)
        return
    for index, port in enumerate(ports):
        field, name = f"ports[{index}]", port["name"]
        if name and (wrong := dns_label(name)):
            yield invalid(f"{field}.name", name, wrong)
        if name in names:
            yield duplicate(f"{field}.name", name)
        names.add(name)
        if port["protocol"] not in PROTOCOLS:
            yield unsupported(f"{field}.protocol", port["protocol"], PROTOCOLS)
        if (scheme := port.get("appProtocol")) is not None and (wrong := qualified_name(scheme)):
            yield invalid(f"{field}.appProtocol", scheme, wrong)


def _endpoints_wrong(endpoints: Iterable[Object], kind: str) -> Iterator[Cause]:
    endpoints = list(endpoints)
    if len(endpoints) > MAX_ENDPOINTS:
        yield too_many("endpoints", len(endpoints), MAX_ENDPOINTS)
        return
    for index, endpoint in enumerate(endpoints):
        field, addresses = f"endpoints[{index}]", endpoint.get("addresses") or ()
        if not addresses:
            yield required(f"{field}.addresses", "must contain at least 1 address")
        elif len(addresses) > MAX_ADDRESSES:
            yield too_many(f"{field}.addresses", len(addresses), MAX_ADDRESSES)
        for place, address in enumerate(addresses):
            yield from _address_wrong(f"{field}.addresses", place, address, kind)
        if (node := endpoint.get("nodeName")) is not None and (wrong := dns_subdomain(node)):
            yield invalid(f"{field}.nodeName", node, wrong)
        if (host := endpoint.get("hostname")) is not None and (wrong := _host_wrong(host)):
            yield invalid(f"{field}.hostname", host, wrong)
        yield from _hints_wrong(f"{field}.hints", endpoint.get("hints") or {})


def _host_wrong(name: str) -> str:
    return "must not contain dots" if "." in name else dns_label(name)


def _address_wrong(field: str, place: int, text: str, kind: str) -> Iterator[Cause]:
    at = f"{field}[{place}]"
    if kind == "FQDN":
        if wrong := dns_subdomain(text.removesuffix(".")):
            yield invalid(at, text, wrong)
        elif "." not in text:
            yield invalid(at, text, "should be a domain with at least two segments separated by dots")
    elif kind in ("IPv4", "IPv6"):
        if wrong := _unreadable(text, kind):
            yield invalid(at, text, wrong)
            return
        if (":" in text) is not (kind == "IPv6"):
            yield invalid(field, text, f"must be an {kind} address")
        yield from (invalid(at, text, wrong) for wrong in special(text))


def _unreadable(text: str, kind: str) -> str:
    """What keeps it from being read; IPv6 addresses must also be written as RFC 5952 has it."""
    if wrong := address_wrong(text):
        return wrong
    address = ipaddress.ip_address(text)
    if re.search(r"[^0-9a-fA-F:.]", text):
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    if kind == "IPv6" and isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return "must not be an IPv4-mapped IPv6 address"
        if str(address) != text:
            return f'must be in canonical form ("{address}")'
    return ""


def _hints_wrong(field: str, hints: Object) -> Iterator[Cause]:
    for where, rule in (("forZones", label_value), ("forNodes", dns_subdomain)):
        names = [one["name"] for one in hints.get(where) or ()]
        if len(names) > MAX_HINTS:
            yield too_many(f"{field}.{where}", len(names), MAX_HINTS)
            return
        for index, name in enumerate(names):
            if name in names[:index]:
                yield duplicate(f"{field}.{where}[{index}].name", name)
            if wrong := rule(name):
                yield invalid(f"{field}.{where}[{index}].name", name, wrong)
