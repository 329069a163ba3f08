"""lbctl explain: why a Service has its address, or has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lbctl.cli import options
from lbctl.cli.output import Document, document
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from lbctl.cli.rows import Row
    from lbctl.decisions import Snapshot


@with_where
def explain(
    where: Where,
    service: Annotated[str, options.SERVICE],
    pools: options.Pools = None,
    output: Annotated[Optional[Document], typer.Option("--output", "-o", help="instead of text")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Say why a Service has its address, or has none.

    What it asks for, what it has, what each pool has for it, and what to do.
    """
    from lbctl.cli.rows import rows_of
    from lbctl.planner import plan

    pool_file = options.pools_if_any(pools)
    cluster = where.cluster("explain", pool_file)
    (key,) = where.keys([service], cluster)
    look = cluster.snapshot()
    row = next((r for r in rows_of(plan(look, pool_file, traced=key)) if r.decision.service.key == key), None)
    if row is None:
        raise LbctlError(f"there is no Service {key}", hint="kubectl get services -A lists them")
    if output is not None:
        document(_item(row, look), output)
    else:
        _print(row, look)


def _held(row: Row, look: Snapshot) -> list[str]:
    """Each address it shows, and whose claim it is."""
    from lbctl.ages import timestamp

    service = row.decision.service
    lines = [f"{entry}, which lbctl did not write" for entry in service.foreign_status]
    for address in service.status:
        if (claim := look.claim_of(service, address)) is not None:
            lines.append(f"{address} of pool {claim.pool} since {timestamp(claim.since)}, by {claim.by}")
        else:
            lines.append(f"{address}, which lbctl holds no claim for")
    return lines


def _print(row: Row, look: Snapshot) -> None:
    from lbctl.ages import lasting, seconds_of

    service, decision = row.decision.service, row.decision
    since = lasting(look.now - seconds_of(service.created))
    kind = "of type LoadBalancer" if service.is_load_balancer else "not of type LoadBalancer"
    lines = [("Service", f"{service.key}, {kind}, created {since} ago"), ("Asks for", str(service.ask))]
    lines += [("Has", text) for text in _held(row, look) or ["no address"]]
    lines += [(f"Pool {verdict.pool}", verdict.words) for verdict in decision.trace]
    lines.append(("Result", f"{row.reason.name}: {row.message}"))
    if row.hint:
        lines.append(("To do", row.hint))
    width = max(len(label) for label, _ in lines)
    previous = ""
    for label, text in lines:
        print(f"{'' if label == previous else label:<{width}}  {text}")
        previous = label


def _item(row: Row, look: Snapshot) -> dict[str, Any]:
    from lbctl.cli.documents import service_item

    return {
        "apiVersion": "lbctl/v1",
        "kind": "Explanation",
        "service": service_item(row),
        "asks": str(row.decision.service.ask),
        "has": _held(row, look),
        "pools": [{"pool": v.pool, "verdict": v.words} for v in row.decision.trace],
    }
