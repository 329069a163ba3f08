"""lbctl pools: the pool file seen, checked, begun; and how much of a pool is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from lbctl.cli import options, pools_check, pools_import, pools_show
from lbctl.cli.output import Document, document, table
from lbctl.errors import LbctlError

app = typer.Typer(help="The pool file, and what is in use of it.", no_args_is_help=True, rich_markup_mode=None)
Output = Annotated[Optional[Document], typer.Option("--output", "-o", help="instead of text")]  # noqa: UP045 because typer reads it


@app.command("list")
def list_(pools: options.Pools = None, output: Output = None) -> None:
    """Show each pool with its addresses; asks no cluster."""
    from lbctl.addresses import Family

    pool_file = options.open_pools(pools)
    if output is not None:
        from lbctl.cli.documents import listing, pool_item

        document(listing("PoolList", map(pool_item, pool_file.pools)), output)
        return
    rows = [
        (
            pool.name,
            str(pool.count(Family.IPV4)),
            str(pool.count(Family.IPV6)),
            "true" if pool.auto_assign else "false",
            "" if pool.priority is None else str(pool.priority),
            str(pool.addresses),
        )
        for pool in pool_file.pools
    ]
    table(("NAME", "IPV4", "IPV6", "AUTO-ASSIGN", "PRIORITY", "ADDRESSES"), rows)


app.command("show")(pools_show.show)
app.command("check")(pools_check.check)


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
