"""lbctl pools diff: what a changed pool file would change, before it is the pool file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lbctl.cli import options
from lbctl.cli.output import Document, document, table
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from lbctl.addresses import Family
    from lbctl.decisions import Snapshot
    from lbctl.pooldiff import Diff, Fate, PoolDiff
    from lbctl.pools import PoolFile
    from lbctl.usage import Usage

STDIN = "-"
DIFFERENT, FAILED = 1, 2  # exit codes, as those of kubectl diff


@with_where
def diff(
    where: Where,
    new: Annotated[str, typer.Argument(metavar="NEW", help="the changed pool file, or - for stdin")],
    pools: options.Pools = None,
    offline: Annotated[bool, typer.Option("--offline", help="ask no cluster: compare the files alone")] = False,
    output: Annotated[Optional[Document], typer.Option("--output", "-o", help="instead of text")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Say what a changed pool file would change: rules, capacity, and for which Services.

    Nothing is written. It ends with 0 when nothing changes, and with 1 when something does.
    """
    from lbctl.pooldiff import compare

    old_file, new_file = options.open_pools(pools), _read(new)
    try:
        look = _look(where, old_file, new_file, offline=offline)
    except LbctlError as bad:
        if bad.exit_code > DIFFERENT:
            raise
        where.talk().error(bad.message, bad.hint)
        raise typer.Exit(FAILED) from bad
    found = compare(old_file, new_file, look or _nothing())
    if output is not None:
        document(_item(found, old_file, new_file, cluster=look is not None), output)
    else:
        _print(found, cluster=look is not None)
    raise typer.Exit(DIFFERENT if found.changed else 0)


def _read(new: str) -> PoolFile:
    from lbctl.pools import load_pools, parse_pools

    return parse_pools("stdin", sys.stdin.buffer.read()) if new == STDIN else load_pools(new)


def _nothing() -> Snapshot:
    from lbctl.decisions import Snapshot

    return Snapshot({}, {}, {}, 0, "")


def _look(where: Where, old: PoolFile, new: PoolFile, *, offline: bool) -> Snapshot | None:
    """The cluster; None when there is none, which is said."""
    from lbctl.kube.errors import NoKubeconfig

    if offline:
        where.talk().say("only the files are compared (--offline)")
        return None
    try:
        cluster = where.cluster("pools", new)
    except NoKubeconfig as bad:
        where.talk().say(f"only the files are compared: {bad.message}")
        return None
    cluster.with_namespaces = old.asks_for_namespaces or new.asks_for_namespaces
    return cluster.snapshot()


def _print(found: Diff, *, cluster: bool) -> None:
    from lbctl.pooldiff import Change, Effect

    if not found.changed:
        print("nothing changes")
        return
    for words in found.file:
        print(words)
    for pool in found.pools:
        if pool.change is not Change.SAME:
            print(f"pool {pool.name} is {pool.change}")
        for words in pool.rules:
            print(f"  {words}")
    print()
    names = ("capacity", "free") if cluster else ("capacity",)
    rows = [
        (pool.name, family, *(_moved(pool, family, name) for name in names))
        for pool in found.pools
        for family in pool.usage
        if any(usage is not None and usage.capacity for usage in pool.usage[family])
    ]
    table(("POOL", "FAMILY", *(name.upper() for name in names)), rows)
    fates = [fate for fate in found.services if fate.effect is not Effect.KEEPS]
    if fates:
        print()
        table(("NAMESPACE", "NAME", "EFFECT", "NOW", "THEN", "WHY"), list(map(_row, fates)))
    if cluster:
        print(f"\nServices: {', '.join(_counts(found)) or 'none has an address of lbctl, or would get one'}")
    if any(fate.effect is Effect.MOVES for fate in fates):
        print("What moves keeps its address until lbctl assign --reassign is run.")


def _moved(pool: PoolDiff, family: Family, name: str) -> str:
    """A number before and after; once where they are equal."""
    numbers = [_number(usage, name) for usage in pool.usage[family]]
    return " -> ".join("none" if n is None else str(n) for n in dict.fromkeys(numbers))


def _number(usage: Usage | None, name: str) -> int | None:
    return None if usage is None else int(getattr(usage, name))


def _row(fate: Fate) -> tuple[str, ...]:
    now, then = (",".join(map(str, addresses)) or "<none>" for addresses in (fate.now, fate.then))
    key = fate.service.key
    return key.namespace, key.name, fate.effect, now, then, fate.message


def _counts(found: Diff) -> Iterator[str]:
    from lbctl.pooldiff import Effect

    for effect in Effect:
        if count := sum(1 for fate in found.services if fate.effect is effect):
            yield f"{effect} {count}"
    if count := sum(1 for fate in found.services if fate.outside):
        yield f"in no pool {count}"


def _item(found: Diff, old: PoolFile, new: PoolFile, *, cluster: bool) -> dict[str, Any]:
    return {
        "apiVersion": "lbctl/v1",
        "kind": "PoolDiff",
        "old": old.path,
        "new": new.path,
        "cluster": cluster,
        "changed": found.changed,
        "file": list(found.file),
        "pools": [_pool_item(pool, cluster=cluster) for pool in found.pools],
        "services": [_service_item(fate) for fate in found.services],
    }


def _pool_item(pool: PoolDiff, *, cluster: bool) -> dict[str, Any]:
    def numbers(usage: Usage | None) -> dict[str, int | None] | None:
        if usage is None:
            return None
        return {"capacity": usage.capacity, "free": usage.free if cluster else None}

    families = {f.value: {"before": numbers(was), "after": numbers(now)} for f, (was, now) in pool.usage.items()}
    return {"name": pool.name, "change": pool.change.value, "rules": list(pool.rules), "usage": families}


def _service_item(fate: Fate) -> dict[str, Any]:
    return {
        "namespace": fate.service.key.namespace,
        "name": fate.service.key.name,
        "uid": fate.service.uid,
        "effect": fate.effect.value,
        "now": list(map(str, fate.now)),
        "then": list(map(str, fate.then)),
        "outside": fate.outside,
        "reason": fate.reason.name,
        "message": fate.message,
    }
