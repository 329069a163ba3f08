"""lbctl list: the Services that lack what they ask for, and why."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli import options
from lbctl.cli.output import PENDING, Format, Table, document
from lbctl.cli.where import Where, with_where

if TYPE_CHECKING:
    from lbctl.cli.rows import Row

HEADER = ("NAMESPACE", "NAME", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "WHY")
WIDE = ("CLASS", "POOL", "REASON", "HINT")


@with_where
def list_(
    where: Where,
    everything: Annotated[bool, typer.Option("--all", "-a", help="all Services of type LoadBalancer")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="then each one whose line changes, until Ctrl-C")
    ] = False,
    selector: options.Selector = None,
    pools: options.Pools = None,
    output: Annotated[Optional[Format], typer.Option("--output", "-o", help="instead of the table")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Show the Services that lack the address they ask for, and why.

    Works without a pool file. With -w, -o json prints one document a line.
    """
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
    rows = [r for r in rows_of(planned) if keys is None or r.decision.service.key in keys]
    shown = [r for r in rows if _is_shown(r, everything=everything)]
    printer = _Printer(output, one_a_line=watch)
    printer.print(shown, look.now)
    if not shown and output in (None, Format.WIDE):
        scope = f" in namespace {where.namespace}" if where.namespace else ""
        kind = "Service of type LoadBalancer" if everything else "Service that lacks an address"
        where.talk().say(f"there is no {kind}{scope}")
    if watch:
        from lbctl.cli.list_watch import Watched, changes

        watched = Watched(shown, functools.partial(_is_shown, everything=everything))
        for news, now in changes(where, cluster, pool_file, selector, watched):
            printer.print(news, now)


def _is_shown(row: Row, *, everything: bool) -> bool:
    return row.decision.service.is_load_balancer and (everything or row.lacking)


class _Printer:
    """Rows as -o wants them, once or as often as there are any."""

    def __init__(self, output: Format | None, *, one_a_line: bool) -> None:
        self._output = output
        self._one_a_line = one_a_line
        self._table = Table(HEADER + (WIDE if output is Format.WIDE else ()))

    def print(self, rows: list[Row], now: int) -> None:
        """Print them; a document even if there are none."""
        from lbctl.cli.documents import listing, service_item

        if self._output in (Format.JSON, Format.YAML):
            document(listing("ServiceList", map(service_item, rows)), self._output, one_a_line=self._one_a_line)
        elif self._output is Format.NAME:
            for row in rows:
                print(row.decision.service.key)
        elif rows:
            self._table.print([_cells(row, now, wide=self._output is Format.WIDE) for row in rows])
        sys.stdout.flush()


def _cells(row: Row, now: int, *, wide: bool) -> tuple[str, ...]:
    from lbctl.ages import lasting, seconds_of
    from lbctl.reasons import Reason

    service = row.decision.service
    # Who has what it asks for may have been told of particulars once, which are no longer the point.
    why = row.message if row.lacking or row.reason in {Reason.Deleting, Reason.ForeignClass} else row.reason.sentence
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
