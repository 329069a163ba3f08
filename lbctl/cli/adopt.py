"""lbctl adopt: claims for addresses that another system assigned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli import options
from lbctl.cli.output import Outcome
from lbctl.cli.where import Where, with_where
from lbctl.errors import UsageError
from lbctl.rivals import KLIPPER, Origin

if TYPE_CHECKING:
    from lbctl.cli.output import Talk
    from lbctl.decisions import Decision

# What lists a controller for as long as it runs, by the name it is known by.
LISTS = {
    "MetalLB": "kubectl get pods -A | grep -i metallb",
    "kube-vip": "kubectl get pods -A | grep kube-vip",
    "PureLB": "kubectl get pods -A | grep -i purelb",
    KLIPPER: "kubectl get pods -A | grep svclb-",
    "Cilium": "kubectl get ciliumloadbalancerippools",  # only its pools: Cilium is the cluster's network, too
}


@with_where
def adopt(
    where: Where,
    services: Annotated[Optional[list[str]], options.SERVICES] = None,  # noqa: UP045 because typer reads it
    origin: Annotated[
        Optional[Origin],  # noqa: UP045 because typer reads it
        typer.Option("--from", help="who assigned them, by the marks on the Services; any: whoever it was"),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="every Service that shows such an address")] = False,
    selector: options.Selector = None,
    dry_run: options.Dry = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    pools: options.Pools = None,
    output: Annotated[Optional[Outcome], typer.Option("--output", "-o", help="instead of lines")] = None,  # noqa: UP045 because typer reads it
) -> None:
    """Take over addresses that another system assigned, without changing them.

    Without a name and without --all it shows what it would do, and asks.
    """
    asks = not (services or everything or yes or dry_run)
    if origin is None:
        hint = f"--from is one of {', '.join(Origin)}"
        raise UsageError("say whose addresses are to be adopted: --from", hint=hint)
    options.which("adopt", services or [], everything=everything, selector=selector, asks=asks)
    from lbctl.adoption import plan_adopt
    from lbctl.apply import adopt as run
    from lbctl.cli.report import agreed, dry, report, warn_of_files

    pool_file = options.open_pools(pools)
    cluster = where.cluster("adopt", pool_file, dry_run=dry_run is not None)
    named = where.keys(services, cluster) if services else None
    look = cluster.snapshot()
    chosen = named if named is not None else where.narrowed(look, selector, cluster)
    first = plan_adopt(look, pool_file, origin, chosen)
    talk = where.talk()
    warn_of_files(first, talk)
    if named is None and _nothing(first.decisions, origin, talk):
        asks = False
    if dry_run is not None:
        raise typer.Exit(report(named, dry(cluster, first, dry_run), talk, output, suffix=dry_run.suffix))
    if asks and (code := agreed(first, "adopt", talk)) is not None:
        raise typer.Exit(code)
    results = run(cluster, pool_file, origin, chosen, first=first)
    code = report(named, results, talk, output)
    _warn_of_the_other(results.values(), talk)
    raise typer.Exit(code)


def _nothing(decisions: Iterable[Decision], origin: Origin, talk: Talk) -> bool:
    """Whether nobody shows such an address; then it is said, and whether somebody shows another's."""
    from lbctl.decisions import Action
    from lbctl.reasons import Reason

    if any(d.action in (Action.ADOPT, Action.REFUSE) for d in decisions):
        return False
    talk.say("nothing to adopt")
    if others := sum(d.reason is Reason.ForeignOwner for d in decisions):
        show = "1 Service shows" if others == 1 else f"{others} Services show"
        talk.say(f"hint: {show} what lbctl holds no claim for, without a mark of {origin.rival}: try --from any")
    return True


def _warn_of_the_other(decisions: Iterable[Decision], talk: Talk) -> None:
    """Two controllers at one Service are hours lost (metallb#2396): the other is to go now, and this shows when."""
    from lbctl.decisions import Action

    writers: dict[str, set[str]] = {}
    for decision in decisions:
        if decision.action is Action.ADOPT:
            writers.setdefault(decision.service.rival, set()).update(decision.service.writers)
    for rival, managers in sorted(writers.items()):
        talk.say(f"warning: while {rival or 'what wrote these addresses'} runs, it may go on writing these Services")
        if rival in LISTS:
            what = "Cilium's pools of addresses" if rival == "Cilium" else rival
            talk.say(f"hint: remove {what} now; this lists nothing once that is done: {LISTS[rival]}")
        else:
            names = ", ".join(sorted(managers)) or "none"
            talk.say(f"hint: remove it now; field managers of these addresses: {names}")
