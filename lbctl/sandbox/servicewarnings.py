"""What a Service is kept with, and a warning: fields without effect, on their way out, or oddly written.

Pure; kubectl shows the warnings to whoever writes.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbctl.sandbox.iptexts import address_warnings, network_warnings
from lbctl.sandbox.refusals import Object
from lbctl.sandbox.servicechecks import headless


def spec_warnings(spec: Object) -> Iterator[str]:
    """What is to be said about a spec."""
    for index, text in enumerate(spec.get("clusterIPs") or ()):
        yield from address_warnings(f"spec.clusterIPs[{index}]", text)
    if headless(spec):
        yield from _headless(spec)
    for index, text in enumerate(spec.get("externalIPs") or ()):
        yield from address_warnings(f"spec.externalIPs[{index}]", text)
    if spec.get("externalIPs") and not headless(spec) and spec["type"] != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    yield from address_warnings("spec.loadBalancerIP", spec.get("loadBalancerIP", ""))
    for index, text in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from network_warnings(f"spec.loadBalancerSourceRanges[{index}]", text)
    if spec["type"] == "ExternalName" and spec.get("externalIPs"):
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if spec["type"] != "ExternalName" and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _headless(spec: Object) -> Iterator[str]:
    for name in ("loadBalancerIP", "externalIPs"):
        if spec.get(name):
            yield f"spec.{name} is ignored for headless services"
    if spec["sessionAffinity"] != "None":
        yield "spec.SessionAffinity is ignored for headless services"


def status_warnings(status: Object) -> Iterator[str]:
    """What is to be said about a status."""
    for index, entry in enumerate(status["loadBalancer"].get("ingress") or ()):
        yield from address_warnings(f"status.loadBalancer.ingress[{index}]", entry.get("ip", ""))
