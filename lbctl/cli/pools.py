"""lbctl pools: the pool file seen, checked, begun; and how much of a pool is in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lbctl.cli import completion, options
from lbctl.cli.output import Document, document, table
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from lbctl.decisions import Snapshot
    from lbctl.pools import Pool

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


@app.command()
@with_where
def show(
    where: Where,
    pool: Annotated[str, typer.Argument(metavar="POOL", autocompletion=completion.pools)],
    pools: options.Pools = None,
    output: Output = None,
) -> None:
    """Show what of a pool is held, by whom, and what is free."""
    pool_file = options.open_pools(pools)
    found = pool_file.pool(pool)
    if found is None:
        names = ", ".join(p.name for p in pool_file.pools)
        raise LbctlError(f"there is no pool {pool} in {pool_file.path}", hint=f"pools there are: {names}")
    look = where.cluster("pools", pool_file).snapshot()
    if output is not None:
        document(_item(found, look), output)
        return
    usage = _usage(found, look)
    table(
        ("POOL", "FAMILY", "CAPACITY", "HELD", "LINGERING", "ELSEWHERE", "FREE"),
        [(found.name, family, *map(str, counts.values())) for family, counts in usage.items() if counts["capacity"]],
    )
    holders = [
        (
            str(claim.address),
            claim.state,
            ",".join(str(h.key) for h in claim.holders) or str(claim.last and claim.last.key),
        )
        for claim in _claims(found, look)
    ]
    if holders:
        print()
        table(("ADDRESS", "STATE", "SERVICE"), holders)


def _claims(pool: Pool, look: Snapshot) -> list[Any]:
    found = [c for block in look.blocks.values() for c in block.claims.values() if c.address in pool.addresses]
    return sorted(found, key=lambda c: (c.address.version, int(c.address)))


def _usage(pool: Pool, look: Snapshot) -> dict[str, dict[str, int]]:
    """Per family: how many may be handed out, are held, linger released, are in use without a claim, are free."""
    from lbctl.addresses import Family, family_of

    claims = {c.address: c for c in _claims(pool, look) if pool.offers(c.address)}
    shown = {a for s in look.services.values() for a in (*s.status, *s.external_ips)} | set(look.others)
    elsewhere = {a for a in shown if a not in claims and pool.offers(a)}
    usage = {}
    for family in Family:
        held = sum(1 for a, c in claims.items() if c.holders and family_of(a) is family)
        lingering = sum(1 for a, c in claims.items() if not c.holders and family_of(a) is family)
        others = sum(1 for a in elsewhere if family_of(a) is family)
        capacity = pool.count(family)
        counts = {"capacity": capacity, "held": held, "lingering": lingering, "elsewhere": others}
        usage[family.value] = {**counts, "free": capacity - held - lingering - others}
    return usage


def _item(pool: Pool, look: Snapshot) -> dict[str, Any]:
    from lbctl.cli.documents import claim_item, pool_item

    body = {**pool_item(pool), "usage": _usage(pool, look), "claims": list(map(claim_item, _claims(pool, look)))}
    return {"apiVersion": "lbctl/v1", "kind": "Pool", **body}


@app.command()
def check(pools: options.Pools = None) -> None:
    """Say everything that is wrong with the pool file.

    Asks no cluster.
    """
    from lbctl.addresses import Family

    pool_file = options.open_pools(pools)
    count = len(pool_file.pools)
    sizes = [f"{sum(pool.count(family) for pool in pool_file.pools)} {family}" for family in Family]
    print(f"{pool_file.path}: {count} pool{'' if count == 1 else 's'}, {' and '.join(sizes)} addresses, no errors")


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


@app.command()
def schema() -> None:
    """Print the JSON Schema of the pool file, for editors."""
    import json

    from lbctl.poolschema import json_schema

    print(json.dumps(json_schema(), indent=2))
