"""A cluster of two Services as one line of text, and the API server's rules for changing it.

The world is text, its uids, resourceVersions and attempts being names (see names.py), so that two states that differ
in names alone are one. As the real API server does, a write that changes nothing keeps the resourceVersion; a Service
that ceases to be a LoadBalancer loses its addresses at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from lbctl.claims import NAMESPACE
from tests.property.names import FRESH, FRESH_UID

CUT = "\x1f"  # between the parts of a text

Json = Any


@lru_cache(maxsize=50_000)
def load(text: str) -> Json:
    """Parsed JSON; shared, so never changed in place."""
    return json.loads(text)


def dump(value: Json) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


# A Service is null or [uid, resourceVersion, is a LoadBalancer, ask, addresses shown, condition]; the ask is an
# address, or KEY and the sharing key, or empty.
KEY = "key "
Svc = list[Any]


def service_object(number: int, service: Svc, families: tuple[str, ...]) -> Json:
    """The Service as the API shows it."""
    uid, version, is_lb, ask, shown, condition = service
    meta = {"namespace": "d", "name": f"s{number}", "uid": uid, "resourceVersion": version, "creationTimestamp": "t"}
    if ask:
        shares = ask.startswith(KEY)
        meta["annotations"] = {"lbctl/share": ask.removeprefix(KEY)} if shares else {"lbctl/addresses": ask}
    policy = "RequireDualStack" if len(families) > 1 else "SingleStack"
    return {
        "metadata": meta,
        "spec": {
            "type": "LoadBalancer" if is_lb else "ClusterIP",
            "ipFamilies": list(families),
            "ipFamilyPolicy": policy,
            "ports": [{"port": 80 + number}],
        },
        "status": {
            "loadBalancer": {"ingress": [{"ip": a} for a in shown]},
            "conditions": [condition] if condition else [],
        },
    }


def started(*asks: str) -> str:
    """Two Services that ask for this, and show nothing yet."""
    return dump([[f"~{2 * n}", f"~{2 * n + 1}", True, ask, [], None] for n, ask in enumerate(asks)])


START = started("", "")


def moves(
    services: str, asks: tuple[str, ...], repeats: bool = False, born: tuple[str, ...] = ("",)
) -> Iterator[tuple[str, str]]:
    """What users may do to the Services: (what, the Services afterwards). `repeats`: an older etcd may have been
    restored, so that a Service created again may bear the resourceVersion of the one before it. `asks` are what one may
    come to ask for, `born` what one may ask for from its creation."""
    now = load(services)
    for number, service in enumerate(now):
        if service is not None and repeats:
            again = [FRESH_UID, service[1], True, born[0], [], None]
            yield f"replace s{number}", dump([again if n == number else s for n, s in enumerate(now)])
        for what, new in _moves_of(service, asks, born):
            yield f"{what} s{number}", dump([new if n == number else s for n, s in enumerate(now)])


def _moves_of(service: Svc | None, asks: tuple[str, ...], born: tuple[str, ...]) -> Iterator[tuple[str, Svc | None]]:
    if service is None:
        for ask in born:
            yield f"create {ask}".rstrip(), [FRESH_UID, FRESH, True, ask, [], None]
        return
    uid, _, is_lb, ask, shown, condition = service
    yield "delete", None
    yield "retype", [uid, FRESH, not is_lb, ask, [] if is_lb else shown, condition]
    for other in ("", *asks) if asks else ():
        if other != ask:
            yield f"ask for {other or 'any'} by", [uid, FRESH, is_lb, other, shown, condition]


def patch_status(services: str, number: int, body: Json) -> tuple[str, int]:
    """PATCH of one Service's status: (the Services afterwards, the HTTP status)."""
    now = load(services)
    service, meta = now[number], body["metadata"]
    if service is None:
        return services, 404
    uid, version, is_lb, ask, shown, condition = service
    if meta.get("uid", uid) != uid or meta.get("resourceVersion", version) != version:
        return services, 409
    new_shown, new_condition = shown, body["status"]["conditions"][0]
    if "loadBalancer" in body["status"]:  # else it says only why
        new_shown = [entry["ip"] for entry in body["status"]["loadBalancer"]["ingress"] or ()]
    if new_shown and not is_lb:
        return services, 422
    if (new_shown, new_condition) == (shown, condition):
        return services, 200
    new = [uid, FRESH, is_lb, ask, new_shown, new_condition]
    return dump([new if n == number else s for n, s in enumerate(now)]), 200


# The ledger is [[block's name, resourceVersion, its claims as text], …], sorted.


def blocks_object(ledger: str) -> list[Json]:
    """The ConfigMaps as the API shows them."""
    return [_block_object(*entry) for entry in load(ledger)]


def _block_object(name: str, version: str, claims: str) -> Json:
    labels = {"app.kubernetes.io/managed-by": "lbctl", "lbctl/ledger": "v1"}
    meta = {"name": name, "namespace": NAMESPACE, "resourceVersion": version, "labels": labels}
    return {"metadata": meta, "data": {"claims": claims}}


def write_block(ledger: str, method: str, body: Json) -> tuple[str, int]:
    """POST or PUT of one block: (the ledger afterwards, the HTTP status)."""
    now = {entry[0]: entry for entry in load(ledger)}
    meta, claims = body["metadata"], body["data"]["claims"]
    name, before = meta["name"], now.get(meta["name"])
    if method == "POST":
        if before is not None:
            return ledger, 409
    elif before is None:
        return ledger, 404
    elif meta.get("resourceVersion", before[1]) != before[1]:
        return ledger, 409
    elif claims == before[2]:
        return ledger, 200
    now[name] = [name, FRESH, claims]
    return dump([now[n] for n in sorted(now)]), 200


@lru_cache(maxsize=50_000)
def holders(ledger: str) -> frozenset[tuple[str, str, str]]:
    """(address, Service, uid) of everything held."""
    lines = (line for _, _, text in load(ledger) for line in text.splitlines())
    claims = [json.loads(line) for line in lines]
    return frozenset((c["ip"], h["svc"], h["uid"]) for c in claims for h in c.get("holders", ()))


@lru_cache(maxsize=50_000)
def key_of(services: str, name: str) -> str:
    """The sharing key of a Service, d/s0 or d/s1; empty when it has none."""
    service = load(services)[int(name[-1])]
    return str(service[3]).removeprefix(KEY) if service and service[3].startswith(KEY) else ""


@lru_cache(maxsize=50_000)
def shown(services: str) -> tuple[tuple[str, str, str], ...]:
    """(address, Service, uid) of everything shown."""
    listed = enumerate(load(services))
    return tuple((a, f"d/s{n}", s[0]) for n, s in listed if s is not None for a in s[4])
