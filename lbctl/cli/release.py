"""lbctl release: clear a Service's address and park its claim."""

from __future__ import annotations

from typing import Annotated

import typer

from lbctl.cli import options


def release(
    services: Annotated[list[str], typer.Argument(metavar="SVC...", help="[namespace/]name")],
    now: Annotated[bool, typer.Option("--now", help="free the address for other Services at once")] = False,
    namespace: options.Namespace = None,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    request_timeout: options.Timeout = 30.0,
) -> None:
    """Clear the status and release the address; only `lbctl assign SVC` gives the Service one again."""
    from lbctl.apply import release as run

    cluster = options.open_cluster(kubeconfig, context, request_timeout, "release")
    keys = options.service_keys(services, namespace, cluster)
    raise typer.Exit(options.report(keys, run(cluster, keys, at_once=now)))
