"""lbctl serve: addresses as Services ask for them, until it is told to stop."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lbctl.cli import options
from lbctl.cli.report import LAST_EVENTS
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lbctl.cli.output import Talk
    from lbctl.controller import Watchers
    from lbctl.decisions import Decision
    from lbctl.kube.events import Events
    from lbctl.reasons import Reason
    from lbctl.services import Key

LOOKS = 0.5  # seconds between two looks at the pool file
SOON = 0.01  # seconds between two looks at whether all is known, at the start


@with_where
def serve(
    where: Where,
    leader_elect: Annotated[
        bool, typer.Option("--leader-elect/--no-leader-elect", help="let one of several act, by a Lease")
    ] = True,
    pools: options.Pools = None,
) -> None:
    """Give Services their addresses as they ask, until Ctrl-C.

    Reads the pool file again when it changes, and on SIGHUP.
    """
    from lbctl.kube.events import Events
    from lbctl.serving import Serving

    pool_file = options.open_pools(pools)
    cluster = where.cluster("serve", pool_file)
    cluster.kube.list_nodes()  # asked first, so that whoever may not is told at once, and the server's time is known
    talk = where.talk()
    events = Events(cluster.kube, cluster.by.partition(" ")[0], tell=talk.say)
    cluster.event = events.tell
    serving = Serving(
        cluster,
        pool_file,
        _watchers(talk, events, cluster.kube.server_time),
        lambda level, text: _say(talk, level, text),
        elect=leader_elect,
    )
    signals = _Signals()
    serving.start()
    talk.say(f"serving from {pool_file.path}")
    while not signals.stop.wait(LOOKS if serving.acting else SOON):
        serving.tick()
        if serving.failed is not None:
            raise LbctlError(f"the loop has died of a bug: {serving.failed!r}", hint="report it; start it again")
        if signals.reload.is_set() or serving.file_changed():
            signals.reload.clear()
            serving.reload()
    drained = serving.stop()
    events.close(LAST_EVENTS)
    if not drained:
        talk.say("warning: the round under way did not end in time; the next run carries on from there")
    raise typer.Exit(130 if signals.interrupted else 0)


class _Signals:
    """What the process was told: SIGTERM and Ctrl-C to stop (a second one at once), SIGHUP to read the pool file."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.reload = threading.Event()
        self.interrupted = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, lambda *_: self.reload.set())

    def _stop(self, number: int, _: Any) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.interrupted = number == signal.SIGINT
        self.stop.set()


def _watchers(talk: Talk, events: Events, clock: Callable[[], float]) -> Watchers:
    from lbctl.controller import Watchers

    told: dict[Key, Reason] = {}

    def planned(decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            _tell(decision, talk, events, told, clock)

    return Watchers(
        planned=planned,
        failed=lambda away: talk.say(f"warning: {away.message}"),
        repaired=lambda done: _repaired(done, talk),
    )


def _tell(decision: Decision, talk: Talk, events: Events, told: dict[Key, Reason], clock: Callable[[], float]) -> None:
    """Say what became of a Service; a refusal once, until its reason is another."""
    from lbctl.decisions import Action

    service, reason = decision.service, decision.reason
    if decision.action is Action.ASSIGN:
        given = ", ".join(map(str, decision.addresses))
        talk.say(f"{service.key} {given} ({reason.name})")
        if not decision.drops:  # a move has told of itself
            events.tell(service, "Normal", reason, f"assigned {given}", int(clock()))
    elif decision.action is Action.REFUSE and told.get(service.key) is not reason:
        talk.say(f"{service.key}: {reason.name}: {decision.sentence}")
    if decision.action is Action.REFUSE:
        told[service.key] = reason
    else:
        told.pop(service.key, None)


def _repaired(decisions: Iterable[Decision], talk: Talk) -> None:
    for decision in decisions:
        talk.say(f"warning: {decision.service.key}: somebody deleted its claim; {decision.reason.name} anew")


def _say(talk: Talk, level: str, text: str) -> None:
    talk.say(text if level == "info" else f"{level}: {text}")
    sys.stderr.flush()
