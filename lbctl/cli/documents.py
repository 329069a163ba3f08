"""The JSON documents that `-o json` and `-o yaml` print: `apiVersion: lbctl/v1`, a kind, items.

docs/documents.schema.json is their schema, and a field is never renamed or given another meaning. Values in, dicts out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lbctl.ages import timestamp

if TYPE_CHECKING:
    from lbctl.claims import Claim
    from lbctl.cli.rows import Row
    from lbctl.decisions import Decision, Snapshot
    from lbctl.pools import Pool, PoolFile
    from lbctl.services import Service

Item = dict[str, Any]


def listing(kind: str, items: Iterable[Item]) -> Item:
    """A document that lists."""
    return {"apiVersion": "lbctl/v1", "kind": kind, "items": list(items)}


def pools_of(service: Service, look: Snapshot) -> str:
    """The pools that the claims of its addresses name, joined by a comma; empty when lbctl holds none for it."""
    claims = (look.claim_of(service, address) for address in service.status)
    return ",".join(dict.fromkeys(claim.pool for claim in claims if claim))


def service_item(row: Row) -> Item:
    """A Service as `list` shows it."""
    service = row.decision.service
    return {
        "namespace": service.key.namespace,
        "name": service.key.name,
        "uid": service.uid,
        "class": service.class_name,
        "ports": [{"port": p.number, "protocol": p.protocol, "nodePort": p.node_port or None} for p in service.ports],
        "families": [family.value for family in service.ask.families],
        "addresses": [*map(str, service.status), *service.foreign_status],
        "pool": row.pool or None,
        "pending": row.pending,
        "reason": row.reason.name,
        "message": row.message,
        "hint": row.hint,
        "createdAt": service.created,
    }


def decision_item(decision: Decision) -> Item:
    """What `assign` and `release` did or would do to one Service."""
    return {
        "namespace": decision.service.key.namespace,
        "name": decision.service.key.name,
        "uid": decision.service.uid,
        "action": decision.action.value,
        "addresses": list(map(str, decision.addresses)),
        "released": list(map(str, decision.drops)),
        "pool": ",".join(dict.fromkeys(decision.claims.values())) or None,
        "reason": decision.reason.name,
        "message": decision.sentence,
        "hint": decision.hint,
    }


def pool_item(pool: Pool, pools: PoolFile) -> Item:
    """A pool as the file has it; capacity counts what may be handed out."""
    from lbctl.addresses import Family, Range
    from lbctl.durations import duration_text

    def texts(spans: Any) -> list[str]:
        return [str(Range(f, low, high)) for f in Family for low, high in spans.ranges(f)]

    return {
        "name": pool.name,
        "addresses": texts(pool.addresses),
        "exclude": texts(pool.exclude),
        "avoidBuggyIPs": pool.avoid_buggy_ips,
        "autoAssign": pool.auto_assign,
        "priority": pool.priority,
        "namespaces": list(pool.namespaces),
        "namespaceSelector": None if pool.namespace_selector is None else str(pool.namespace_selector),
        "serviceSelector": None if pool.service_selector is None else str(pool.service_selector),
        "shareAcrossNamespaces": pool.share_across_namespaces,
        "reuseAfter": duration_text(pool.reuse_after),
        "keepFor": duration_text(pool.keep_for),
        "disabled": pool.disabled,
        "interfaces": list(pool.interfaces),
        "nodeSelector": None if pool.node_selector is None else str(pool.node_selector),
        "onConflict": pool.on_conflict,
        "reservations": [
            {"service": str(key), "addresses": list(map(str, addresses))} for key, addresses in pools.reserved_in(pool)
        ],
        "capacity": {family.value: pool.count(family) for family in Family},
    }


def claim_item(claim: Claim) -> Item:
    """A claim of the ledger."""
    holders = [{"namespace": h.key.namespace, "name": h.key.name, "uid": h.uid} for h in claim.holders]
    return {
        "address": str(claim.address),
        "state": claim.state,
        "holders": holders,
        "last": None if claim.holders or claim.last is None else str(claim.last.key),
        "sharing": len(holders) > 1,
        "pool": claim.pool,
        "since": timestamp(claim.since),
        "by": claim.by,
    }
