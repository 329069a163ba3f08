"""lbctl serve: addresses as Services ask for them, until it is told to stop."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from lbctl.cli import options
from lbctl.cli.output import terminal
from lbctl.cli.signals import Signals
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from lbctl.cli.live import Live
    from lbctl.cli.serve_told import Told
    from lbctl.endpoints import Endpoints, Exposition
    from lbctl.logs import Log
    from lbctl.serving import Serving
    from lbctl.systemd import Notifier

LOOKS = 0.5  # seconds between two looks at the pool file
SOON = 0.01  # seconds between two looks at whether all is known, at the start


@with_where
def serve(
    where: Where,
    leader_elect: Annotated[
        bool, typer.Option("--leader-elect/--no-leader-elect", help="let one of several act, by a Lease")
    ] = True,
    listen: options.Listen = "127.0.0.1:9655",
    probe: options.Probes = options.Probe.AUTO,
    log_format: options.Logs = options.LogForm.TEXT,
    pools: options.Pools = None,
) -> None:
    """Give Services their addresses as they ask, until Ctrl-C.

    Reads the pool file again when it changes, and on SIGHUP. At a terminal its last line says how things stand.
    """
    from lbctl.cli.live import Live
    from lbctl.cli.report import LAST_EVENTS
    from lbctl.cli.serve_told import Told
    from lbctl.endpoints import parse_listen
    from lbctl.kube.events import Events
    from lbctl.logs import Level, Log, LogFormat
    from lbctl.metrics import Metrics
    from lbctl.serving import Serving
    from lbctl.systemd import Notifier

    address = parse_listen(listen)
    pool_file = options.open_pools(pools)
    live = Live(sys.stderr) if log_format is options.LogForm.TEXT and not where.quiet and terminal(sys.stderr) else None
    log = Log(LogFormat(log_format.value), Level.of(quiet=where.quiet, verbose=where.verbose), live)
    cluster = where.cluster("serve", pool_file, log=log.debug)
    cluster.tell = log.info
    cluster.kube.list_nodes()  # asked first, so that whoever may not is told at once, and the server's time is known
    events = Events(cluster.kube, cluster.by.partition(" ")[0], tell=log.warning)
    cluster.event = events.tell
    metrics = Metrics()
    told = Told(log, events, metrics, cluster.kube.server_time)
    cluster.kube.on_request(metrics.request)
    prober = options.prober(probe, pool_file, cluster)
    if prober is not None and probe is options.Probe.ON:
        prober.require_near()
    serving = Serving(cluster, pool_file, told, elect=leader_elect, ask=prober.ask if prober is not None else None)
    told.loop = serving.controller
    cluster.on_published = lambda _: serving.controller.moved()
    endpoints = _endpoints(serving, metrics.exposed, *address) if address is not None else None
    metrics.loaded(time.time())
    signals = Signals()
    serving.start()
    log.info(f"serving from {pool_file.path}" + (f", see {endpoints.url}/readyz" if endpoints else ""))
    try:
        _until_told(serving, signals, log, told, Notifier(), live)
    finally:
        if live is not None:
            live.show("")
        drained = serving.stop()
        events.close(LAST_EVENTS)
        if endpoints is not None:
            endpoints.close()
        if not drained:
            log.warning("the round under way did not end in time; the next run carries on from there")
        log.close()
    raise typer.Exit(signals.code)


def _until_told(serving: Serving, signals: Signals, log: Log, told: Told, systemd: Notifier, live: Live | None) -> None:
    """The main thread's life: it looks after the pool file, the start, and who wants to know."""
    ready = False
    while not signals.wait(LOOKS if serving.acting else SOON):
        serving.tick()
        log.flush()
        if serving.failed is not None:
            raise LbctlError(f"the loop has died of a bug: {serving.failed!r}", hint="report it; start it again")
        if serving.acting and not ready:
            ready = True
            systemd.ready("leading" if serving.leading else "standing by")
        if serving.alive() is None:
            systemd.alive()
        if signals.reload or serving.file_changed():
            signals.reload = False
            systemd.reloading()
            serving.reload()
            told.reloaded(accepted=not serving.reload_error)
            systemd.ready()
        told.look()
        if live is not None:
            live.show(told.line)
    systemd.stopping()


def _endpoints(serving: Serving, exposed: Exposition, host: str, port: int) -> Endpoints:
    from lbctl.endpoints import Endpoints

    live = {"loop": serving.alive}
    ready = {"synced": serving.feeds.unsynced, "pools": lambda: serving.reload_error or None, "api": serving.away}
    return Endpoints(host, port, live=live, ready=ready, metrics=exposed)
