"""lbctl list: the Services that lack what they ask for, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli import options
from lbctl.cli.output import PENDING, Format, document, table
from lbctl.cli.where import Where, with_where

if TYPE_CHECKING:
    from lbctl.cli.rows import Row

HEADER = ("NAMESPACE", "NAME", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "WHY")
WIDE = ("CLASS", "POOL", "REASON", "HINT")


@with_where
def list_(
    where: Where,
    everything: Annotated[bool, typer.Option("--all", "-a", help="all Services of type LoadBalancer")] = False,
    selector: options.Selector = None,
    pools: options.Pools = None,
    output: Annotated[Optional[Format], typer.Option("--output", "-o", help="instead of the table")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Show the Services that lack the address they ask for, and why.

    Works without a pool file.
    """
    from lbctl.cli.documents import listing, service_item
    from lbctl.cli.report import warn_of_files
    from lbctl.cli.rows import rows_of
    from lbctl.planner import plan

    pool_file = options.pools_if_any(pools)
    cluster = where.cluster("list", pool_file)
    look = cluster.snapshot()
    keys = where.narrowed(look, selector, cluster)
    # All are planned, whatever is shown: who comes first is part of why another gets nothing.
    planned = plan(look, pool_file)
    warn_of_files(planned, where.talk())
    rows = [r for r in rows_of(planned) if r.decision.service.is_load_balancer]
    rows = [r for r in rows if (keys is None or r.decision.service.key in keys) and (everything or r.lacking)]
    if output in (Format.JSON, Format.YAML):
        document(listing("ServiceList", map(service_item, rows)), output)
    elif output is Format.NAME:
        for row in rows:
            print(row.decision.service.key)
    elif rows:
        wide = output is Format.WIDE
        table(HEADER + (WIDE if wide else ()), [_cells(row, look.now, wide=wide) for row in rows])
    else:
        scope = f" in namespace {where.namespace}" if where.namespace else ""
        kind = "Service of type LoadBalancer" if everything else "Service that lacks an address"
        where.talk().say(f"there is no {kind}{scope}")


def _cells(row: Row, now: int, *, wide: bool) -> tuple[str, ...]:
    from lbctl.ages import lasting, seconds_of

    service = row.decision.service
    why = row.message if row.lacking else row.reason.sentence
    hint = row.hint if row.lacking else ""
    cells = (
        service.key.namespace,
        service.key.name,
        service.cluster_ip or "<none>",
        ",".join([*map(str, service.status), *service.foreign_status]) or PENDING,
        ",".join(map(str, service.ports)) or "<none>",
        lasting(now - seconds_of(service.created)),
        f"{why}; {hint}" if hint and not wide else why,
    )
    if not wide:
        return cells
    return (*cells, service.class_name or "<none>", row.pool or "<none>", row.reason.name, hint)
