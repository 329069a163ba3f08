"""lbctl assign: addresses for Services that lack what they ask."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli import completion, options
from lbctl.cli.output import Outcome
from lbctl.cli.where import Where, seconds, with_where
from lbctl.errors import UsageError

if TYPE_CHECKING:
    from lbctl.cli.output import Talk
    from lbctl.decisions import Decision, Plan, Snapshot, Wish
    from lbctl.services import Key


@with_where
def assign(
    where: Where,
    services: Annotated[Optional[list[str]], options.SERVICES] = None,  # noqa: UP045 because typer reads it
    everything: Annotated[bool, typer.Option("--all", help="every Service in scope")] = False,
    address: Annotated[
        Optional[list[str]],  # noqa: UP045 because typer reads it
        typer.Option("--ip", metavar="IP[,IP]", help="this address, one a family; for one Service"),
    ] = None,
    pool: Annotated[
        Optional[str],  # noqa: UP045 because typer reads it
        typer.Option(
            "--pool", metavar="NAME", help="out of this pool; for one Service", autocompletion=completion.pools
        ),
    ] = None,
    selector: options.Selector = None,
    dry_run: options.Dry = None,
    wait: Annotated[
        float,
        typer.Option(
            "--wait",
            envvar="LBCTL_WAIT",
            parser=seconds,
            metavar="DURATION",
            help="how long to wait for another run that is assigning the same Service",
        ),
    ] = "60s",  # type: ignore[assignment] # because typer gives the default to the parser
    reassign: Annotated[
        bool, typer.Option("--reassign", help="move those whose address the pool file would not give them now")
    ] = False,
    probe: options.Probes = options.Probe.AUTO,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    pools: options.Pools = None,
    output: Annotated[Optional[Outcome], typer.Option("--output", "-o", help="instead of lines")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Give Services of type LoadBalancer an address from the pools.

    Without a name and without --all it shows what it would do to every Service in scope, and asks.
    """
    asks = not (services or everything or yes or dry_run)
    wish = _usage(services or [], address, pool, everything=everything, selector=selector, asks=asks)
    from lbctl.apply import assign as run
    from lbctl.apply import plan_assign
    from lbctl.cli.progress import Progress
    from lbctl.cli.report import agreed, dry, report, telling, warn_of_files

    pool_file = options.open_pools(pools)
    cluster = where.cluster("assign", pool_file, dry_run=dry_run is not None)
    named = where.keys(services, cluster) if services else None
    talk = where.talk()
    lan = options.lan(probe, pool_file, cluster, talk)
    look = cluster.snapshot()
    chosen = named if named is not None else where.narrowed(look, selector, cluster)

    by_name = named is not None
    first = plan_assign(look, pool_file, chosen, named=by_name, wish=wish, reassign=reassign, lan=lan)
    _warn_of_rivals(look, first, talk)
    warn_of_files(first, talk)
    if dry_run is not None:
        raise typer.Exit(report(named, dry(cluster, first, dry_run), talk, output, suffix=dry_run.suffix))
    if asks and (code := agreed(first, "assign", talk)) is not None:
        raise typer.Exit(code)
    with telling(cluster, talk), Progress(first, cluster, talk, named) as progress:
        results = run(
            cluster, pool_file, chosen, named=by_name, wish=wish, reassign=reassign, lan=lan, first=first, wait=wait
        )
        progress.finished()
    code = report(named, results, talk, output)
    _hint_at_the_lan(results, talk)
    raise typer.Exit(code)


def _usage(
    services: list[str],
    addresses: list[str] | None,
    pool: str | None,
    *,
    everything: bool,
    selector: str | None,
    asks: bool,
) -> Wish | None:
    """What --ip and --pool wish for; raises UsageError for flags that do not fit together."""
    wishes = addresses is not None or pool is not None
    if wishes and len(services) != 1:
        raise UsageError(
            "--ip and --pool are for exactly one Service", hint="name it: lbctl assign NAMESPACE/NAME --ip IP"
        )
    options.which("assign", services, everything=everything, selector=selector, asks=asks)
    if not wishes:
        return None
    if pool == "":  # a script's variable that is not set: any address is not what it meant
        raise UsageError("--pool: no name is given", hint="lbctl pools list shows the pools there are")
    from lbctl.addresses import AddressError
    from lbctl.decisions import Wish
    from lbctl.services import parse_addresses

    try:
        return Wish(parse_addresses(",".join(addresses)) if addresses is not None else (), pool)
    except AddressError as bad:
        raise UsageError(f"--ip: {bad}", hint=bad.hint) from bad


def _warn_of_rivals(look: Snapshot, first: Plan, talk: Talk) -> None:
    """Before the first address that lbctl ever gives here: who else gives some (metallb#2396)."""
    if any(block.claims for block in look.blocks.values()) or not any(d.writes for d in first.decisions):
        return
    seen: dict[str, list[Key]] = {}
    for service in look.services.values():
        if service.rival:
            seen.setdefault(service.rival, []).append(service.key)
    for rival, keys in sorted(seen.items()):
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        talk.say(f"warning: {rival} assigns addresses here too (Service {min(keys)}{more}); lbctl leaves those alone")
        talk.say(
            "hint: let only one of them serve a Service: give the pool file a loadBalancerClass, or remove the other"
        )


def _hint_at_the_lan(results: dict[Key, Decision], talk: Talk) -> None:
    """Once, to a person: a script's log would say it for ever."""
    if not sys.stderr.isatty():
        return
    for decision in results.values():
        if decision.claims and decision.satisfied:
            address = decision.addresses[0]
            talk.say(
                "hint: the LAN finds an address only once something answers for it; on one node: "
                f"ip address add {address}/{address.max_prefixlen} dev eth0"
            )
            return
