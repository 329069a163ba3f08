"""lbctl pools show: what of a pool is in use, by whom, and what is free."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lbctl.cli import completion, options
from lbctl.cli.output import Document, colours, document, table
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from lbctl.pools import PoolFile
    from lbctl.usage import PoolUsage, Usage, Use


@with_where
def show(
    where: Where,
    pool: Annotated[str, typer.Argument(metavar="POOL", autocompletion=completion.pools)],
    pools: options.Pools = None,
    output: Annotated[Optional[Document], typer.Option("--output", "-o", help="instead of text")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Show what of a pool is in use, by whom since when, and what is free.

    On a terminal there is a map of the pool, too.
    """
    from lbctl.usage import usages

    pool_file = options.open_pools(pools)
    if pool_file.pool(pool) is None:
        names = ", ".join(p.name for p in pool_file.pools)
        raise LbctlError(f"there is no pool {pool} in {pool_file.path}", hint=f"pools there are: {names}")
    look = where.cluster("pools", pool_file).snapshot()
    usage = next(u for u in usages(look, pool_file) if u.pool.name == pool)
    if output is not None:
        document(_item(usage, pool_file), output)
        return
    _numbers(usage)
    if words := "; ".join(_rules(usage)):
        print(f"\nThe pool {words}.")
    if sys.stdout.isatty():
        _map(usage)
    if usage.uses:
        print()
        table(("ADDRESS", "STATE", "SERVICE", "SINCE"), [_row(use) for use in usage.uses])


def _numbers(usage: PoolUsage) -> None:
    rows = [
        (usage.pool.name, family, *map(str, _counts(numbers).values()), _run(numbers))
        for family, numbers in usage.families.items()
        if numbers.capacity
    ]
    counts = ("CAPACITY", "HELD", "LINGERING", "RESERVED", "ELSEWHERE", "FREE")
    table(("POOL", "FAMILY", *counts, "BIGGEST FREE RUN"), rows)


def _rules(usage: PoolUsage) -> Iterator[str]:
    """What keeps Services from its addresses, in words that go after the pool."""
    pool = usage.pool
    if pool.disabled:
        yield "is disabled: it hands out nothing new"
    if pool.restricted:
        yield f"is for {pool.whom}"
    if not pool.auto_assign:
        yield "gives addresses only to Services that ask for them (autoAssign: false)"


def _counts(numbers: Usage) -> dict[str, int]:
    names = ("capacity", "held", "lingering", "reserved", "elsewhere", "free")
    return {name: getattr(numbers, name) for name in names}


def _run(numbers: Usage) -> str:
    run = numbers.biggest_free
    return "none" if run is None else f"{run} ({run.high - run.low + 1})"


def _map(usage: PoolUsage) -> None:
    from lbctl.cli.pools_map import draw

    columns, colour = shutil.get_terminal_size().columns, colours(sys.stdout)
    for family in usage.families:
        if lines := draw(usage, family, columns, colour=colour):
            print("\n" + "\n".join(lines))


def _row(use: Use) -> tuple[str, str, str, str]:
    from lbctl.ages import timestamp

    claim = use.claim
    if use.words or claim is None:
        return str(use.range), use.state, use.words, ""
    who = ",".join(str(h.key) for h in claim.holders) or f"{claim.last and claim.last.key} (last)"
    return str(use.range), use.state, f"{who} (gone)" if use.gone else who, timestamp(claim.since)


def _item(usage: PoolUsage, pools: PoolFile) -> dict[str, Any]:
    from lbctl.cli.documents import claim_item, pool_item

    uses = usage.uses
    return {
        "apiVersion": "lbctl/v1",
        "kind": "Pool",
        **pool_item(usage.pool, pools),
        "usage": {family.value: _usage_item(numbers) for family, numbers in usage.families.items()},
        "claims": [claim_item(use.claim) for use in uses if use.claim is not None],
        "others": [{"addresses": str(u.range), "state": u.state.value, "message": u.words} for u in uses if u.words],
    }


def _usage_item(numbers: Usage) -> dict[str, Any]:
    run = numbers.biggest_free
    more = {"parked": numbers.parked, "released": numbers.released, "biggestFree": None if run is None else str(run)}
    return {**_counts(numbers), **more}
