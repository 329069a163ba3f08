"""lbctl pools: the pool file seen, checked, begun; and how much of a pool is in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli import options, pools_check, pools_diff, pools_import, pools_show
from lbctl.cli.output import Format, document, table
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from lbctl.pools import Pool, PoolFile

app = typer.Typer(help="The pool file, and what is in use of it.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    pools: options.Pools = None,
    output: Annotated[Optional[Format], typer.Option("--output", "-o", help="instead of the table")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Show each pool with its addresses, and whom it is for; asks no cluster."""
    pool_file = options.open_pools(pools)
    if output in (Format.JSON, Format.YAML):
        from lbctl.cli.documents import listing, pool_item

        document(listing("PoolList", (pool_item(pool, pool_file) for pool in pool_file.pools)), output)
    elif output is Format.NAME:
        for pool in pool_file.pools:
            print(pool.name)
    else:
        wide = output is Format.WIDE
        rows = [_row(pool, pool_file, wide=wide) for pool in pool_file.pools]
        table(HEADER + (WIDE if wide else ()), rows)


HEADER = ("NAME", "IPV4", "IPV6", "AUTO-ASSIGN", "PRIORITY", "FOR", "ADDRESSES")
WIDE = ("EXCLUDE", "RESERVED", "REUSE-AFTER", "KEEP-FOR", "SHARED")


def _row(pool: Pool, pool_file: PoolFile, *, wide: bool) -> tuple[str, ...]:
    from lbctl.addresses import Family
    from lbctl.durations import duration_text

    cells = (
        pool.name,
        str(pool.count(Family.IPV4)),
        str(pool.count(Family.IPV6)),
        "disabled" if pool.disabled else "true" if pool.auto_assign else "false",
        "" if pool.priority is None else str(pool.priority),
        pool.whom,
        str(pool.addresses),
    )
    if not wide:
        return cells
    reserved = (f"{','.join(map(str, addresses))} ({key})" for key, addresses in pool_file.reserved_in(pool))
    shared = "across namespaces" if pool.share_across_namespaces else "within a namespace"
    times = duration_text(pool.reuse_after), duration_text(pool.keep_for)
    return (*cells, str(pool.exclude) or "<none>", ", ".join(reserved) or "<none>", *times, shared)


app.command("show")(pools_show.show)
app.command("check")(pools_check.check)
app.command("diff")(pools_diff.diff)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="where to write it")] = Path("pools.yaml"),
) -> None:
    """Write a pool file to start from.

    One that is there is not overwritten.
    """
    from lbctl.pools import PASTE

    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(PASTE + "\n")
    except FileExistsError as there:
        raise LbctlError(f"{file} is there already", hint="name another file: lbctl pools init FILE") from there
    except OSError as bad:
        raise LbctlError(f"{file} cannot be written: {bad.strerror}", hint="name another file") from bad
    print(f"{file}: put free addresses of your LAN into it, outside its DHCP server's range; then lbctl pools check")


app.command("import")(pools_import.import_)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the pool file, for editors."""
    import json

    from lbctl.poolschema import json_schema

    print(json.dumps(json_schema(), indent=2))
