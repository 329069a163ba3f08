"""lbctl pools: the pool file seen, and checked."""

from __future__ import annotations

import typer

from lbctl.cli import options

app = typer.Typer(help="The pool file.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(pools: options.Pools = None) -> None:
    """Each pool with its addresses."""
    from lbctl.addresses import Family

    pool_file = options.open_pools(pools)
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
    options.table(("NAME", "IPV4", "IPV6", "AUTO-ASSIGN", "PRIORITY", "ADDRESSES"), rows)


@app.command()
def check(pools: options.Pools = None) -> None:
    """Read the pool file and say everything that is wrong with it."""
    from lbctl.addresses import Family

    pool_file = options.open_pools(pools)
    count = len(pool_file.pools)
    sizes = [f"{sum(pool.count(family) for pool in pool_file.pools)} {family}" for family in Family]
    print(f"{pool_file.path}: {count} pool{'' if count == 1 else 's'}, {' and '.join(sizes)} addresses, no errors")
