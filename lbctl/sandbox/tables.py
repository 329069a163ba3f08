"""The tables that kubectl prints: the columns of each kind and the cells of an object. Pure; `now` comes in.

A cell of the wide columns is always there: kubectl leaves out what it does not show by the column's priority.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lbctl.sandbox.refusals import Object
from lbctl.sandbox.times import age


@dataclass(frozen=True, slots=True)
class Column:
    """One column; priority 1 is shown with `-o wide` alone."""

    name: str
    description: str
    priority: int = 0
    format: str = ""

    def json(self) -> Object:
        """As it stands in a Table."""
        body: Object = {"name": self.name, "type": "string", "format": self.format}
        return body | {"description": self.description, "priority": self.priority}


NAME = Column("Name", "the name, unique in its namespace", format="name")
AGE = Column("Age", "how long ago it was made")


def wide(name: str, description: str) -> Column:
    """A column for `-o wide`."""
    return Column(name, description, priority=1)


SERVICE = (
    NAME,
    Column("Type", "how the Service is reached"),
    Column("Cluster-IP", "its address inside the cluster"),
    Column("External-IP", "its addresses outside of the cluster"),
    Column("Port(s)", "port, node port and protocol"),
    AGE,
    wide("Selector", "the labels of its pods"),
)
CONFIG_MAP = (NAME, Column("Data", "how many keys it has"), AGE)
NAMESPACE = (NAME, Column("Status", "Active, or Terminating while it is being deleted"), AGE)
NODE = (
    NAME,
    Column("Status", "whether it is ready, and takes pods"),
    Column("Roles", "its roles, from its labels"),
    AGE,
    Column("Version", "of its kubelet"),
    wide("Internal-IP", "its address in the cluster's network"),
    wide("External-IP", "its address outside"),
    wide("OS-Image", "its operating system"),
    wide("Kernel-Version", "its kernel"),
    wide("Container-Runtime", "what runs its containers"),
)
EVENT = (
    Column("Last Seen", "when it was last seen"),
    Column("Type", "Normal or Warning"),
    Column("Reason", "one word for why"),
    Column("Object", "what it is about"),
    wide("Subobject", "which part of that"),
    wide("Source", "who reports it"),
    Column("Message", "what happened"),
    wide("First Seen", "when it was first seen"),
    wide("Count", "how often it was seen"),
    Column("Name", "the name, unique in its namespace", priority=1, format="name"),
)

LEASE = (NAME, Column("Holder", "who holds it"), AGE)
ENDPOINT_SLICE = (
    NAME,
    Column("AddressType", "IPv4, IPv6 or FQDN"),
    Column("Ports", "the ports of each endpoint"),
    Column("Endpoints", "their addresses"),
    AGE,
)
SHOWN = 3  # of the ports and of the addresses of an EndpointSlice


def service(obj: Object, now: float) -> list[object]:
    """NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR."""
    spec = obj["spec"]
    selector = ",".join(f"{k}={v}" for k, v in sorted((spec.get("selector") or {}).items()))
    return [
        obj["metadata"]["name"],
        spec["type"],
        (spec.get("clusterIPs") or ["<none>"])[0],
        _external(obj),
        ",".join(_port(port) for port in spec.get("ports") or ()) or "<none>",
        _age(obj, now),
        selector or "<none>",
    ]


def _port(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port['protocol']}"


def _external(obj: Object) -> str:
    spec = obj["spec"]
    if spec["type"] == "ExternalName":
        return str(spec.get("externalName", ""))
    ingress = obj["status"]["loadBalancer"].get("ingress") or ()
    shown = sorted({entry.get("ip") or entry.get("hostname") or "" for entry in ingress} - {""})
    found = [*(shown if spec["type"] == "LoadBalancer" else ()), *(spec.get("externalIPs") or ())]
    return ",".join(found) or ("<pending>" if spec["type"] == "LoadBalancer" else "<none>")


def _age(obj: Object, now: float) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def config_map(obj: Object, now: float) -> list[object]:
    """NAME DATA AGE."""
    return [obj["metadata"]["name"], len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), _age(obj, now)]


def namespace(obj: Object, now: float) -> list[object]:
    """NAME STATUS AGE."""
    return [obj["metadata"]["name"], obj["status"].get("phase", ""), _age(obj, now)]


def node(obj: Object, now: float) -> list[object]:
    """NAME STATUS ROLES AGE VERSION, and wide five more."""
    status, info = obj["status"], obj["status"]["nodeInfo"]
    ready = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), None)
    states = ["Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"]
    if obj["spec"].get("unschedulable"):
        states.append("SchedulingDisabled")
    kernel = info["kernelVersion"] or "<unknown>"
    return [
        obj["metadata"]["name"],
        ",".join(states),
        ",".join(_roles(obj["metadata"].get("labels") or {})) or "<none>",
        _age(obj, now),
        info["kubeletVersion"],
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info["osImage"] or "<unknown>",
        f"{kernel} ({info['architecture']})" if info["architecture"] else kernel,
        info["containerRuntimeVersion"] or "<unknown>",
    ]


def _roles(labels: dict[str, str]) -> Sequence[str]:
    prefix = "node-role.kubernetes.io/"
    roles = {key.removeprefix(prefix) for key in labels if key.startswith(prefix)}
    return sorted((roles | {labels.get("kubernetes.io/role", "")}) - {""})


def _address(status: Object, kind: str) -> str:
    found = (a["address"] for a in status.get("addresses") or () if a["type"] == kind)
    return next(found, "<none>")


def event(obj: Object, now: float) -> list[object]:
    """LAST SEEN TYPE REASON OBJECT MESSAGE, and wide five more."""
    about, source = obj["involvedObject"], obj["source"]
    first = age(obj["firstTimestamp"] or obj["eventTime"], now)
    last = age(obj["lastTimestamp"], now) if obj["lastTimestamp"] else first
    count = obj.get("count") or 1
    if series := obj.get("series"):
        last, count = age(series.get("lastObservedTime"), now), series.get("count", 0)
    kind = about.get("kind", "").lower()
    host = source.get("host") or obj["reportingInstance"]
    component = source.get("component") or obj["reportingComponent"]
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{about['name']}" if about.get("name") else kind,
        about.get("fieldPath", ""),
        f"{component}, {host}" if host else component,
        obj.get("message", "").strip(),
        first,
        count,
        obj["metadata"]["name"],
    ]


def lease(obj: Object, now: float) -> list[object]:
    """NAME HOLDER AGE."""
    return [obj["metadata"]["name"], obj["spec"].get("holderIdentity", ""), _age(obj, now)]


def endpoint_slice(obj: Object, now: float) -> list[object]:
    """NAME ADDRESSTYPE PORTS ENDPOINTS AGE."""
    ports = [str(port.get("port", port["name"])) for port in obj["ports"] or ()]
    addresses = [address for endpoint in obj["endpoints"] or () for address in endpoint["addresses"]]
    return [obj["metadata"]["name"], obj["addressType"], _some(ports), _some(addresses), _age(obj, now)]


def _some(texts: list[str]) -> str:
    if not texts:
        return "<unset>"
    more = f" + {len(texts) - SHOWN} more..." if len(texts) > SHOWN else ""
    return ",".join(texts[:SHOWN]) + more
