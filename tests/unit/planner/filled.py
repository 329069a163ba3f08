"""Services as other controllers and lbctl have filled them, for the tests of adoption."""

from __future__ import annotations

from typing import Any

from lbctl.adoption import plan_adopt
from lbctl.decisions import Action, Decision, Snapshot
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.rivals import Origin
from lbctl.services import Key
from tests.unit.planner.values import Json, pool, pools, service

LAN = pools(pool("192.0.2.0/29"))
WEB = Key("d", "web")
METALLB = "metallb.io/ip-allocated-from-pool"
KEY = "metallb.io/allow-shared-ip"


def filled(name: str, *shown: str, by: str = "", notes: dict[str, str] | None = None, **more: Any) -> Json:
    """A Service whose status this field manager wrote, with annotations."""
    item = service(name, *shown, **more)
    item["metadata"]["annotations"] |= notes or {}
    if by:
        fields: Json = {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
        item["metadata"]["managedFields"] = [{"manager": by, "operation": "Update", "fieldsV1": fields}]
    return item


def theirs(name: str, *shown: str, **more: Any) -> Json:
    notes = {METALLB: "lan", **more.pop("notes", {})}
    return filled(name, *shown, by="controller", notes=notes, **more)


def ours(name: str, *shown: str, **more: Any) -> Json:
    return filled(name, *shown, by="lbctl", **more)


def sharer(name: str, port: int, *, key: str = "k", mine: bool = False) -> Json:
    make = ours if mine else theirs
    return make(name, "192.0.2.1", notes={KEY: key}, ports=[{"port": port}])


def made(item: Json, when: str) -> Json:
    item["metadata"]["creationTimestamp"] = when
    return item


def adopted(look: Snapshot, origin: Origin = Origin.ANY, file: PoolFile = LAN) -> dict[str, Decision]:
    return {d.service.key.name: d for d in plan_adopt(look, file, origin).decisions}


def said_of(decision: Decision) -> tuple[Action, Reason, str]:
    return decision.action, decision.reason, decision.message
