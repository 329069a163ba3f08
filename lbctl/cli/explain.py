"""lbctl explain: why a Service has its address, or has none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lbctl.cli import options
from lbctl.cli.output import Document, document
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from lbctl.cli.rows import Row
    from lbctl.decisions import Snapshot
    from lbctl.explanation import Explanation
    from lbctl.l2.standing import Standing
    from lbctl.pools import PoolFile
    from lbctl.rounds import Cluster


@with_where
def explain(
    where: Where,
    service: Annotated[str, options.SERVICE],
    pools: options.Pools = None,
    output: Annotated[Optional[Document], typer.Option("--output", "-o", help="instead of text")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Say why a Service has its address, or has none.

    What it asks for and where that is written, what it has, what each pool says to it, and what to do.
    """
    from lbctl.cli.documents import pools_of
    from lbctl.cli.rows import Row
    from lbctl.explanation import explain as explained

    pool_file = options.pools_if_any(pools)
    cluster = where.cluster("explain", pool_file)
    (key,) = where.keys([service], cluster)
    look = cluster.snapshot()
    found = explained(look, pool_file, key)
    if found is None:
        raise LbctlError(f"there is no Service {key}", hint="kubectl get services -A lists them")
    row = Row(found.decision, pools_of(found.decision.service, look))
    announced = _announced(cluster, pool_file, found)
    if output is not None:
        document(_item(row, found, announced), output)
    else:
        _print(_lines(row, found, look, pool_file, announced))


def _announced(cluster: Cluster, pools: PoolFile, found: Explanation) -> list[Standing]:
    """How announcing stands for its addresses; nothing for who may not look at what that rests on."""
    from lbctl.cli.status import announcing
    from lbctl.kube.errors import Forbidden

    if not found.decision.service.status:
        return []
    try:
        view = announcing(cluster, pools)
    except Forbidden:
        return []
    standings = (view.standing(address) for address in found.decision.service.status)
    return [one for one in standings if one is not None]


def _announcing(one: Standing, look: Snapshot) -> Iterator[str]:
    """Who announces an address, in words, or why nobody does."""
    from lbctl.ages import ago, instant

    for by in one.by:
        since = f"{instant(by.since)} ({ago(by.since, look.now)})"
        yield f"{one.address} by node {by.node} on {by.interface} since {since}"
    if not one.by:
        yield f"{one.address} by nobody: {one.why}"


def _lines(
    row: Row, found: Explanation, look: Snapshot, pools: PoolFile, announced: Sequence[Standing]
) -> list[tuple[str, str]]:
    """Each line with its label."""
    from lbctl.ages import ago, seconds_of

    service = row.decision.service
    lines = [("Service", f"{service.key}, created {ago(seconds_of(service.created), look.now)}")]
    lines.append(("In scope", f"{'no' if found.out else 'yes'}: {found.scope}"))
    lines += [("Asks for", str(request)) for request in found.asks] or [("Asks for", "nothing")]
    lines += [("Has", had.words) for had in found.has] or [("Has", "no address")]
    lines += [("Announced", words) for one in announced for words in _announcing(one, look)]
    lines += [("Reserved", f"{address} (reservations in {pools.path})") for address in found.reserved]
    lines += [("Had", before.words) for before in found.before]
    lines += [(f"Pool {verdict.pool}", verdict.words) for verdict in row.decision.trace]
    lines.append(("Result", f"{row.reason.name}: {row.message}"))
    if row.hint:
        lines.append(("To do", row.hint))
    lines += [("To do", hint) for hint in dict.fromkeys(one.hint for one in announced) if hint]
    return lines


def _print(lines: list[tuple[str, str]]) -> None:
    width = max(len(label) for label, _ in lines)
    previous = ""
    for label, text in lines:
        print(f"{'' if label == previous else label:<{width}}  {text}")
        previous = label


def _item(row: Row, found: Explanation, announced: Sequence[Standing]) -> dict[str, Any]:
    from lbctl.ages import instant
    from lbctl.cli.documents import service_item

    def time(seconds: int | None) -> str | None:
        return None if seconds is None else instant(seconds)

    return {
        "apiVersion": "lbctl/v1",
        "kind": "Explanation",
        "service": service_item(row),
        "scope": {"inScope": found.out is None, "message": found.scope},
        "asks": str(row.decision.service.ask),
        "requests": [{"kind": r.kind, "message": r.words, "source": r.source or None} for r in found.asks],
        "has": [had.words for had in found.has],
        "addresses": [
            {
                "address": had.text,
                "pool": had.claim.pool if had.claim else None,
                "since": time(had.claim.since) if had.claim else None,
                "by": had.claim.by if had.claim else None,
                "sharedWith": [{"service": str(key), "since": time(at)} for key, at in had.others],
            }
            for had in found.has
        ],
        "announced": [
            {
                "address": str(one.address),
                "by": [{"node": by.node, "interface": by.interface, "since": time(by.since)} for by in one.by],
                "candidates": list(one.candidacy.order),
                "message": one.why or None,
                "hint": one.hint or None,
            }
            for one in announced
        ],
        "reserved": list(map(str, found.reserved)),
        "before": [
            {
                "address": str(before.address),
                "releasedAt": time(before.released),
                "keptUntil": time(before.until),
                "message": before.words,
            }
            for before in found.before
        ],
        "pools": [
            {
                "pool": v.pool,
                "verdict": v.words,
                "has": list(map(str, v.has)),
                "gives": list(map(str, v.gives)),
            }
            for v in row.decision.trace
        ],
    }
