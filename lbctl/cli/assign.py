"""lbctl assign: addresses for Services that lack what they ask."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from lbctl.cli import options
from lbctl.errors import UsageError


def assign(
    services: Annotated[Optional[list[str]], typer.Argument(metavar="[SVC]...", help="[namespace/]name")] = None,  # noqa: UP045 because typer reads it
    everything: Annotated[bool, typer.Option("--all", help="every Service in scope")] = False,
    pools: options.Pools = None,
    namespace: options.Namespace = None,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    request_timeout: options.Timeout = 30.0,
    wait: Annotated[float, typer.Option("--wait", help="seconds to wait for another run", min=0)] = 60.0,
) -> None:
    """Give Services of type LoadBalancer an address from the pools."""
    if bool(services) == everything:
        raise UsageError(
            "say which Services: names, or --all", hint="lbctl assign NAMESPACE/NAME, or lbctl assign --all"
        )
    from lbctl.apply import assign as run

    pool_file = options.open_pools(pools)
    cluster = options.open_cluster(kubeconfig, context, request_timeout, "assign", pool_file)
    keys = None if everything else options.service_keys(services or [], namespace, cluster)
    results = run(cluster, pool_file, keys, wait=wait)
    raise typer.Exit(options.report(keys, results))
