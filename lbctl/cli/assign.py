"""lbctl assign: addresses for Services that lack what they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli import options
from lbctl.errors import UsageError

if TYPE_CHECKING:
    from lbctl.planner import Decision


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
    keys = None if everything else options.service_keys(services or [], namespace)
    cluster = options.open_cluster(kubeconfig, context, request_timeout, "assign", pool_file)
    results = run(cluster, pool_file, keys, wait=wait)
    code = 0
    for key in sorted(keys or ()):
        if key not in results:
            options.say(f"error: there is no Service {key}")
            code = 1
    for decision in results.values():
        code = max(code, _report(decision, everything))
    raise typer.Exit(code)


def _report(decision: Decision, everything: bool) -> int:
    """Print one Service's line; the exit code it asks for."""
    from lbctl.planner import Action

    key = decision.service.key
    if decision.satisfied:
        if decision.action is Action.ASSIGN or not everything:
            print(f"{key} {','.join(map(str, decision.addresses))} ({decision.reason.name})")
        return 0
    if decision.action is Action.SKIP and everything:
        return 0
    options.say(f"error: {key}: {decision.reason.name}: {decision.sentence}")
    if decision.reason.hint:
        options.say(f"hint: {decision.reason.hint}")
    return 124 if decision.action is Action.WAIT else 1
