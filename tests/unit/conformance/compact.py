"""Compact facts, as the conformance table has them, made into core/v1 JSON and claims.

Every fact left out has one meaning, and a fact nobody knows is an error: a table must not be wrong in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lbctl.addresses import Address
from lbctl.claims import LABELS, Block, BlockId, Claim, Holder, Last, parse_block
from lbctl.durations import parse_duration
from lbctl.pools import PoolFile
from lbctl.services import Key, Service, parse_service

NOW = 1_700_000_000
Json = dict[str, Any]

NOTES = {"ask": "lbctl/addresses", "pool": "lbctl/pool", "share": "lbctl/share"}
FACTS = {"notes", "labels", "type", "class", "families", "policy", "ports", "traffic", "selector", "external", "shows"}
FACTS |= {"age", "uid", "version", "deleting", "managers", "spec"}


def service(name: str, facts: Mapping[str, Any]) -> Json:
    """A Service of core/v1.

    `ask`, `pool` and `share` are lbctl's annotations, `notes` any others; `shows` is its status: addresses, or entries
    as in the API; `age` since its creation; `families`, `policy`, `class`, `traffic`, `external` are the fields of its
    spec, and `spec` holds any others; `ports` as 80/TCP, 80-89/TCP or 80-89:2/TCP (every other one); `managers` own its
    status in managedFields. Left out: one TCP port 80, SingleStack IPv4, created an hour ago.
    """
    unknown = set(facts) - FACTS - set(NOTES)
    assert not unknown, f"{name}: a Service has no {unknown}"
    key = key_of(name)
    families = several(facts.get("families")) or ["IPv4"]
    notes = {note: str(facts[fact]) for fact, note in NOTES.items() if facts.get(fact) is not None}
    meta = {
        "namespace": key.namespace,
        "name": key.name,
        "uid": facts.get("uid", f"uid-{key}"),
        "resourceVersion": str(facts.get("version", 5)),
        "creationTimestamp": _stamp(facts.get("age", "1h")),
        "labels": facts.get("labels") or {},
        "annotations": {**notes, **(facts.get("notes") or {})},
        "managedFields": [_manager(one) for one in several(facts.get("managers"))],
    }
    if facts.get("deleting"):
        meta["deletionTimestamp"] = _stamp("5s")
    spec = {
        "type": facts.get("type", "LoadBalancer"),
        "ipFamilies": families,
        "ipFamilyPolicy": facts.get("policy", "SingleStack" if len(families) == 1 else "RequireDualStack"),
        "clusterIP": "10.96.0.10",
        "externalTrafficPolicy": facts.get("traffic", "Cluster"),
        "selector": facts.get("selector", {"app": key.name}),
        "ports": [port for text in several(facts.get("ports", "80/TCP")) for port in _ports(text)],
        "externalIPs": several(facts.get("external")),
        **({"loadBalancerClass": facts["class"]} if facts.get("class") else {}),
        **(facts.get("spec") or {}),
    }
    ingress = [_entry(shown) for shown in several(facts.get("shows"))]
    return {"metadata": meta, "spec": spec, "status": {"loadBalancer": {"ingress": ingress} if ingress else {}}}


def _entry(shown: Any) -> Json:
    return dict(shown) if isinstance(shown, dict) else {"ip": shown, "ipMode": "VIP"}


def _ports(text: str) -> Iterator[Json]:
    numbers, _, protocol = text.partition("/")
    numbers, _, step = numbers.partition(":")
    low, _, high = numbers.partition("-")
    for number in range(int(low), int(high or low) + 1, int(step or 1)):
        yield {"name": f"p{number}-{protocol.lower()}", "port": number, "protocol": protocol}


def _manager(name: str) -> Json:
    fields: Json = {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
    return {"manager": name, "operation": "Update", "subresource": "status", "fieldsV1": fields}


def claim(address: Address, facts: Any, items: Mapping[str, Any], pools: PoolFile) -> Claim:
    """A claim: the Service that holds the address, or {by, age, pool, rv}: since when, of which pool, and the
    resourceVersion its PATCH carries; `by` may be several Services, or each with what was different of it when its
    claim was written. {released, ago} or {parked, ago}: the Service that let it go, when, and with `was` as above;
    `parks` are others who were parked there."""
    facts = facts if isinstance(facts, dict) else {"by": facts}
    assert set(facts) <= {"by", "age", "pool", "rv", "released", "parked", "ago", "was", "parks"}, facts
    known = pools.pool_of(address)
    pool = facts.get("pool") or (known.name if known else "elsewhere")
    parks = tuple(_last(_then(name, {}, items)) for name in several(facts.get("parks")))
    by = "admin@laptop lbctl assign"
    if last := facts.get("released") or facts.get("parked"):
        one, let_go = _then(last, facts.get("was") or {}, items), NOW - _seconds(facts["ago"])
        return Claim(address, (), pool, let_go - 60, by, _last(one), let_go, "parked" in facts, parks)
    at = NOW - _seconds(facts.get("age", "1h"))
    holders = facts["by"] if isinstance(facts["by"], dict) else dict.fromkeys(several(facts["by"]))
    made = tuple(
        Holder(s.key, s.uid, str(facts.get("rv", 1)), "earlier", at, s.ask.digest, share=s.sharing)
        for s in (_then(name, was or {}, items) for name, was in holders.items())
    )
    return Claim(address, made, pool, at, by, parks=parks)


def _last(one: Service) -> Last:
    return Last(one.key, one.uid, one.ask.digest)


def _then(name: str, was: Mapping[str, Any], items: Mapping[str, Any]) -> Service:
    """A Service as it was when its claim was written: as it is now, but for what was different."""
    return parse_service(service(name, {**(items.get(name) or {}), **was}))


def frozen(address: Address) -> Block:
    """The block of this address as a newer lbctl wrote it."""
    name, labels = BlockId.of(address).name, {**LABELS, "lbctl/ledger": "v2"}
    return parse_block({"metadata": {"name": name, "resourceVersion": "1", "labels": labels}})


def key_of(name: str) -> Key:
    """The Service of that name, of the namespace default where none is given."""
    return Key.parse(name) if "/" in name else Key("default", name)


def keys_of(names: Any) -> frozenset[Key]:
    """The Services of one or several names."""
    return frozenset(map(key_of, several(names)))


def several(value: Any) -> list[Any]:
    """One or several, as written: a list, one value, or nothing."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _seconds(text: str) -> int:
    return int(parse_duration(text).total_seconds())


def _stamp(age: str) -> str:
    born = datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=_seconds(age))
    return born.strftime("%Y-%m-%dT%H:%M:%SZ")
