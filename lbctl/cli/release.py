"""lbctl release: clear a Service's address and park its claim."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from lbctl.cli import options
from lbctl.cli.output import Outcome
from lbctl.cli.where import Where, with_where


@with_where
def release(
    where: Where,
    services: Annotated[list[str], options.SERVICES],
    now: Annotated[bool, typer.Option("--now", help="free the address for other Services at once")] = False,
    dry_run: options.Dry = None,
    output: Annotated[Optional[Outcome], typer.Option("--output", "-o", help="instead of lines")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Clear a Service's status and release its address.

    Only `lbctl assign SVC` gives the Service an address again, or a change of what it asks for.
    """
    from lbctl.apply import release as run
    from lbctl.cli.report import report
    from lbctl.planner import plan_release
    from lbctl.rounds import carry_out

    cluster = where.cluster("release", dry_run=dry_run is not None)
    keys = where.keys(services, cluster)
    if dry_run is None:
        raise typer.Exit(report(keys, run(cluster, keys, at_once=now), where.talk(), output))
    planned = plan_release(cluster.snapshot(), keys, at_once=now)
    if dry_run is options.DryRun.SERVER:
        carry_out(cluster, planned)
    results = {d.service.key: d for d in planned.decisions}
    raise typer.Exit(report(keys, results, where.talk(), output, suffix=dry_run.suffix))
