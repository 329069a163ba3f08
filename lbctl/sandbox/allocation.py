"""The pools of a cluster: addresses of Services and node ports.

What is in use follows from the objects alone (`changed`), so nothing leaks; what is free is drawn at random as the
real one draws it, above the part that is left to those who ask for a value by name.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Container, Iterable

from lbctl.sandbox.refusals import Object, Refusal, check, invalid

NETWORKS = {
    "IPv4": ipaddress.ip_network("10.96.0.0/16"),
    "IPv6": ipaddress.ip_network("fd00:10:96::/112"),
}
SET_ASIDE = 256  # of the addresses, for those who name one
FIRST_PORT, FIRST_UNASKED, LAST_PORT = 30000, 30086, 32767


def family_of(address: str) -> str:
    """The family of an address that has been checked."""
    return "IPv6" if ":" in address else "IPv4"


def _refused(name: str, field: str, value: object, why: str) -> Refusal:
    try:
        check("Service", name, [invalid(field, value, why)])
    except Refusal as refusal:
        return refusal
    raise AssertionError("a cause always refuses")


def _full(what: str) -> Refusal:
    return Refusal(500, "InternalError", f"Internal error occurred: failed to allocate {what}: range is full", {})


class _Pool:
    """Who has what; a value may be had by one Service more than once (a node port by both protocols)."""

    def __init__(self) -> None:
        self._used: dict[int, int] = {}
        self._random = random.SystemRandom()

    def _change(self, gone: Iterable[int], come: Iterable[int]) -> None:
        for value in come:
            self._used[value] = self._used.get(value, 0) + 1
        for value in gone:
            self._used[value] -= 1
            if not self._used[value]:
                del self._used[value]

    def _draw(self, low: int, high: int, mine: Container[int] = ()) -> int | None:
        """A number from low to high that nobody has, and that is not `mine` in this very write; or None."""
        for _ in range(16):
            number = self._random.randint(low, high)
            if number not in self._used and number not in mine:
                return number
        return next((n for n in range(low, high + 1) if n not in self._used and n not in mine), None)


class Addresses(_Pool):
    """Cluster IPs of both families."""

    def give(self, spec: Object, old: Object | None, name: str) -> None:
        """Fill in clusterIP and clusterIPs, and check those that are named. Raises Refusal."""
        if spec["type"] == "ExternalName" or spec.get("clusterIP") == "None":
            return
        had = set((old or {}).get("clusterIPs") or ())
        if "None" in had:
            return
        addresses: list[str] = list(spec.get("clusterIPs") or ())
        families: list[str] = spec.get("ipFamilies") or []
        addresses += [""] * (len(families) - len(addresses))
        for index, family in enumerate(families):
            if not addresses[index]:
                addresses[index] = self._free(family)
            elif addresses[index] not in had:
                self._check(addresses[index], family, spec, name)
        if addresses:
            spec["clusterIP"], spec["clusterIPs"] = addresses[0], addresses

    def _free(self, family: str) -> str:
        network = NETWORKS[family]
        start = int(network.network_address)
        number = self._draw(start + SET_ASIDE + 1, start + network.num_addresses - 2)
        if number is None:
            raise _full("a serviceIP")
        return str(network[number - start])

    def _check(self, address: str, family: str, spec: Object, name: str) -> None:
        why = ""
        parsed = ipaddress.ip_address(address)
        if parsed not in NETWORKS[family]:
            why = "the provided network does not match the current range"
        elif int(parsed) in self._used:
            why = "provided IP is already allocated"
        if why:
            shown = spec.get("clusterIPs")
            raise _refused(name, "spec.clusterIPs", shown, f"failed to allocate IP {address}: {why}")

    def changed(self, old: Object | None, new: Object | None) -> None:
        """A write is done."""
        self._change(_numbers(old), _numbers(new))


def _numbers(obj: Object | None) -> list[int]:
    addresses = (obj["spec"].get("clusterIPs") if obj else None) or ()
    return [int(ipaddress.ip_address(address)) for address in addresses if address != "None"]


class NodePorts(_Pool):
    """Node ports, those for health checks among them."""

    def give(self, spec: Object, old: Object | None, name: str) -> None:
        """Fill in node ports where the type wants them, and check those that are named. Raises Refusal."""
        mine = set(_ports(old or {}))
        if spec["type"] in ("NodePort", "LoadBalancer"):
            wants = spec["type"] == "NodePort" or spec.get("allocateLoadBalancerNodePorts")
            by_port: dict[int, int] = {}
            for index, port in enumerate(spec.get("ports") or ()):
                self._one(port, f"spec.ports[{index}].nodePort", mine, by_port, bool(wants), name)
                if old is not None:
                    by_port.clear()  # because only a new Service's protocols share
            if old is not None:
                _check_doubles(spec)
        if spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
            asked = spec.get("healthCheckNodePort")
            if asked is None:
                spec["healthCheckNodePort"] = self._free(mine)
            elif asked not in mine and (why := self._taken(asked)):
                raise Refusal(500, "InternalError", _health(asked, why), {"causes": [{"message": _health(asked, why)}]})

    def _one(self, port: Object, field: str, mine: set[int], by_port: dict[int, int], wants: bool, name: str) -> None:
        """One port; two protocols of one number share their node port."""
        asked = port.get("nodePort", 0)
        if not asked and wants:
            port["nodePort"] = by_port.get(port["port"]) or self._free(mine)
        elif asked and asked not in mine and (why := self._taken(asked)):
            raise _refused(name, field, asked, why)
        if port.get("nodePort"):
            mine.add(port["nodePort"])
            by_port.setdefault(port["port"], port["nodePort"])

    def _free(self, mine: set[int]) -> int:
        number = self._draw(FIRST_UNASKED, LAST_PORT, mine) or self._draw(FIRST_PORT, FIRST_UNASKED - 1, mine)
        if number is None:
            raise _full("a nodePort")
        mine.add(number)
        return number

    def _taken(self, port: int) -> str:
        if not FIRST_PORT <= port <= LAST_PORT:
            ports = f"{FIRST_PORT}-{LAST_PORT}"
            return f"provided port is not in the valid range. The range of valid ports is {ports}"
        return "provided port is already allocated" if port in self._used else ""

    def changed(self, old: Object | None, new: Object | None) -> None:
        """A write is done."""
        self._change(*(_ports(obj["spec"] if obj else {}) for obj in (old, new)))


def _check_doubles(spec: Object) -> None:
    """Two ports that would have one node port for one protocol; the real one's update does not get to say which."""
    seen: set[tuple[str, int]] = set()
    for port in spec.get("ports") or ():
        pair = (port["protocol"], port.get("nodePort", 0))
        if pair[1] and pair in seen:
            raise Refusal(500, "", f"duplicate nodePort: {{{pair[0]} {pair[1]}}}")
        seen.add(pair)


def _health(port: int, why: str) -> str:
    return f"Internal error occurred: failed to allocate requested HealthCheck NodePort {port}: {why}"


def _ports(spec: Object) -> list[int]:
    ports = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    return [*ports, *([spec["healthCheckNodePort"]] if spec.get("healthCheckNodePort") else ())]
