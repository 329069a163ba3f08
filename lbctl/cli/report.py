"""What `assign` and `release` say when they are done, or would be: a line a Service, errors, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lbctl.cli.options import DryRun
from lbctl.cli.output import Outcome, Talk, document
from lbctl.decisions import Action
from lbctl.reasons import Reason

if TYPE_CHECKING:
    from lbctl.decisions import Decision, Plan
    from lbctl.rounds import Cluster
    from lbctl.services import Key

LAST_EVENTS = 1.0  # seconds
CODES = {Action.WAIT: 124, Action.REFUSE: 1, Action.SKIP: 1}


def report(
    named: frozenset[Key] | None,
    results: Mapping[Key, Decision],
    talk: Talk,
    output: Outcome | None = None,
    *,
    suffix: str = "",
) -> int:
    """Print the outcome and return the exit code.

    `named` is None after --all: then what needed nothing, and what is not ours to act on, is passed over in silence.
    """
    shown = {k: d for k, d in results.items() if _shown(d, by_name=named is not None)}
    if output in (Outcome.JSON, Outcome.YAML):
        from lbctl.cli.documents import decision_item, listing

        document(listing("DecisionList", map(decision_item, shown.values())), output)
    else:
        for key, decision in shown.items():
            if decision.satisfied:
                print(key if output is Outcome.NAME else f"{key} {_outcome(decision)}{suffix}")
    code = 0
    for key in sorted((named or frozenset()) - set(results)):
        talk.error(f"there is no Service {key}", "kubectl get services -A lists them")
        code = 1
    for key, decision in shown.items():
        if not decision.satisfied:
            talk.error(f"{key}: {decision.reason.name}: {decision.sentence}", decision.hint)
            code = max(code, CODES[decision.action])
    return code


def dry(cluster: Cluster, first: Plan, mode: DryRun) -> dict[Key, Decision]:
    """The Decisions of a dry run; on the server's side carried out there, without effect."""
    results = {d.service.key: d for d in first.decisions}
    if mode is DryRun.SERVER:
        from lbctl.rounds import carry_out

        carry_out(cluster, first)
    return results


def agreed(first: Plan, verb: str, talk: Talk) -> int | None:
    """Show what would be done and ask: the exit code where nothing is to be done, None for a yes."""
    todo = {d.service.key: d for d in first.decisions if d.writes}
    code = report(None, {d.service.key: d for d in first.decisions}, talk, suffix=" (not yet)")
    if not todo:
        talk.say(f"nothing to {verb}")
        return code
    print(f"{verb} {'this' if len(todo) == 1 else f'these {len(todo)}'}? [y/N] ", end="", file=sys.stderr, flush=True)
    return None if sys.stdin.readline().strip().lower() in ("y", "yes") else 0


@contextmanager
def telling(cluster: Cluster, talk: Talk) -> Iterator[None]:
    """Events of what is refused and moved, which go out beside the work; at its end a second is left for the last."""
    from lbctl.kube.events import Events

    events = Events(cluster.kube, cluster.by.partition(" ")[0], tell=talk.say)
    cluster.event = events.tell
    yield
    events.close(LAST_EVENTS)


def warn_of_files(planned: Plan, talk: Talk) -> None:
    """Another pool file at work in the same cluster: each would give addresses that the other knows nothing of."""
    for by in planned.other_files:
        talk.say(
            f"warning: PoolFilesDiffer: within the last hour another pool file was used: {by}; this is {planned.digest}"
        )
    if planned.other_files:
        talk.say(f"hint: {Reason.PoolFilesDiffer.hint}")


def _shown(decision: Decision, *, by_name: bool) -> bool:
    if decision.satisfied:
        return by_name or decision.writes
    return by_name or decision.action is not Action.SKIP


def _outcome(decision: Decision) -> str:
    addresses = ",".join(map(str, decision.addresses or decision.drops))
    left = ", ".join(map(str, decision.drops)) if decision.addresses else ""
    return f"{addresses} ({decision.reason.name}{f'; {left} is released' if left else ''})"
