"""lbctl serve: addresses as Services ask for them, until it is told to stop."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lbctl.cli import options
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lbctl.cli.output import Talk
    from lbctl.controller import Watchers
    from lbctl.decisions import Decision

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
    from lbctl.serving import Serving

    pool_file = options.open_pools(pools)
    cluster = where.cluster("serve", pool_file)
    cluster.kube.list_nodes()  # asked first, so that whoever may not is told at once, and the server's time is known
    talk = where.talk()
    serving = Serving(
        cluster, pool_file, _watchers(talk), lambda level, text: _say(talk, level, text), elect=leader_elect
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
    if not serving.stop():
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


def _watchers(talk: Talk) -> Watchers:
    from lbctl.controller import Watchers

    return Watchers(
        planned=lambda done: _tell(done, talk),
        failed=lambda away: talk.say(f"warning: {away.message}"),
        repaired=lambda done: _repaired(done, talk),
    )


def _tell(decisions: Iterable[Decision], talk: Talk) -> None:
    from lbctl.decisions import Action

    for decision in decisions:
        if decision.action in (Action.ASSIGN, Action.RELEASE):
            talk.say(f"{decision.service.key} {', '.join(map(str, decision.addresses))} ({decision.reason.name})")
        elif decision.action is Action.REFUSE:
            talk.say(f"{decision.service.key}: {decision.reason.name}: {decision.sentence}")


def _repaired(decisions: Iterable[Decision], talk: Talk) -> None:
    for decision in decisions:
        talk.say(f"warning: {decision.service.key}: somebody deleted its claim; {decision.reason.name} anew")


def _say(talk: Talk, level: str, text: str) -> None:
    talk.say(text if level == "info" else f"{level}: {text}")
    sys.stderr.flush()
