"""The announcer of a node: for the addresses of the cluster's Services that this node should announce."""

from __future__ import annotations

import contextlib
import queue
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lbctl.addresses import Address
from lbctl.announcer_metrics import AnnouncerMetrics, Asked
from lbctl.announcing import Agent
from lbctl.cli.announce_told import Told
from lbctl.cli.report import LAST_EVENTS
from lbctl.cli.signals import Signals
from lbctl.duties import Duties
from lbctl.endpoints import Endpoints, parse_listen
from lbctl.errors import LbctlError
from lbctl.kube.api import Kube
from lbctl.kube.elector import new_identity
from lbctl.kube.events import Events
from lbctl.kube.presence import Keeper
from lbctl.kube.watching import Cause
from lbctl.l2.actions import Duty, Peer
from lbctl.l2.announcer import STALL
from lbctl.l2.eligible import Candidacy, Eligibility
from lbctl.l2.facts import Exposed, Presence, announces_text
from lbctl.l2.linux import Link
from lbctl.l2.privileges import drop
from lbctl.logs import Log
from lbctl.pools import PoolFile
from lbctl.poolwatch import PoolWatch
from lbctl.systemd import Notifier

if TYPE_CHECKING:
    from lbctl.cli.where import Where

LOOKS = 0.5  # seconds between two looks at the pool file, and at what is announced
HUNG = 10.0  # seconds without a turn of the loop after which it hangs
GIVEN_BACK = 2.0  # seconds that giving the Lease back may take


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says."""

    node: str
    only: frozenset[str]
    listen: str
    ignore_exclude_label: bool


def announce(where: Where, wanted: Wanted, pools: PoolFile, log: Log) -> int:
    """Announce until told to stop; the exit code. LbctlError where the cluster or the LAN is out of reach."""
    address = parse_listen(wanted.listen)
    cluster = where.cluster("arp-announce", pools, log=log.debug)
    # Asked first, so that whoever may not is told at once, and the server's time is known.
    names = {item["metadata"]["name"]: item["metadata"]["uid"] for item in cluster.kube.list_nodes().items}
    if wanted.node not in names:
        hint = f"name this Node with --node-name or NODE_NAME: {', '.join(sorted(names)) or 'there is none'}"
        raise LbctlError(f"there is no Node {wanted.node}", hint=hint)
    link = Link(lambda *heard: node.agent.heard(*heard), lambda there: node.agent.changed(there), STALL)
    with contextlib.closing(link):
        with contextlib.suppress(OSError):  # where the kernel will not: then it keeps what it has
            drop()
        signals = Signals()
        events = Events(cluster.kube, cluster.by.partition(" ")[0], tell=log.warning)
        told = Told(wanted.node, log, events, cluster.kube.server_time)
        node = NodeAgent(cluster.kube, wanted, pools, link, told, log, owner=names[wanted.node])
        told.metrics = AnnouncerMetrics(node.asked(told))
        cluster.kube.on_request(told.metrics.request)
        endpoints = None
        if address is not None:
            live = {"loop": node.alive}
            ready = {"synced": node.judge.unsynced, "pools": lambda: node.file.error or None}
            endpoints = Endpoints(*address, live=live, ready=ready, metrics=told.metrics.exposed)
        link.start()
        node.start()
        log.info(f"announcing as {wanted.node}" + (f", see {endpoints.url}/readyz" if endpoints else ""))
        try:
            _until_told(node, signals, log, told)
        finally:
            node.stop()
            while not node.agent.reports.empty():
                told.report(node.agent.reports.get())
            events.close(LAST_EVENTS)
            if endpoints is not None:
                endpoints.close()
            log.close()
    return signals.code


def _until_told(node: NodeAgent, signals: Signals, log: Log, told: Told) -> None:
    """The main thread's life: it tells what happened, and looks after the pool file."""
    systemd = Notifier()
    ready, next_look = False, 0.0
    while not signals.stop:
        with contextlib.suppress(queue.Empty):
            told.report(node.agent.reports.get(timeout=0.1))
            continue
        if time.monotonic() < next_look:
            continue
        next_look = time.monotonic() + LOOKS
        log.flush()
        told.look()
        node.say()
        if (bug := node.failed) is not None:
            raise LbctlError(f"the announcer has died of a bug: {bug!r}", hint="report it; start it again")
        if not ready and node.judge.unsynced() is None:
            ready = True
            log.info("synced")
            systemd.ready("announcing")
        if node.alive() is None:
            systemd.alive()
        if signals.reload or node.file.changed():
            signals.reload = False
            systemd.reloading()
            node.reload()
            systemd.ready()
    systemd.stopping()


class NodeAgent:
    """The machine's thread, the judge, and the Leases of one node, wired together."""

    def __init__(
        self, kube: Kube, wanted: Wanted, pools: PoolFile, link: Link, told: Told, log: Log, *, owner: str
    ) -> None:
        self._wanted = wanted
        self.file = PoolWatch(pools, lambda _, sentence: log.error(sentence))
        self._link = link
        self._told = told
        self._log = log
        self._known = Eligibility(pools, ignore_exclude_label=wanted.ignore_exclude_label)
        self._owner = owner
        self._began = time.monotonic()
        self._owned: Mapping[tuple[str, Address], int] = {}
        self.keeper = Keeper(kube, wanted.node, new_identity(), owner=self._uid, failed=self._unrenewed)
        self.agent = Agent(wanted.node, link, only=wanted.only, named=_named(pools), shown=self._shown)
        self.judge = Duties(kube, wanted.node, self._known, self)

    def start(self) -> None:
        """Begin."""
        self.agent.start()
        self.keeper.start()
        self.judge.start()

    def stop(self) -> None:
        """The Lease is given back first, so that the others take over while this one still answers."""
        self.keeper.leave()
        if not self.agent.stop():
            self._log.warning("the announcer did not leave in time")
        self.keeper.stop(GIVEN_BACK)
        self.judge.stop()

    @property
    def failed(self) -> BaseException | None:
        """What one of the threads died of, which is a bug."""
        return self.agent.failed or self.judge.failed

    def alive(self) -> str | None:
        """Why the loop is not alive; None when it is."""
        idle = time.monotonic() - self.agent.turned
        return f"no progress for {idle:.0f} s" if idle > HUNG else None

    def say(self) -> None:
        """Have it written what is announced, if that has changed."""
        owned = self.agent.owned()
        if owned != self._owned:
            self._owned = owned
            lines = sorted((a.version, int(a), a, i, since) for (i, a), since in owned.items())
            self.keeper.announce(announces_text((a, i, since) for *_, a, i, since in lines))

    def asked(self, told: Told) -> Asked:
        """What a scrape asks for."""
        return Asked(
            addresses=lambda: Counter(interface for interface, _ in self.agent.owned()),
            replies=self._link.answered,
            gratuitous=lambda: dict(self.agent.gratuitous),
            unannounced=told.unannounced,
            restarts=lambda: self._link.restarts,
            renewed=lambda: time.monotonic() - (self.keeper.last or self._began),
        )

    def reload(self) -> None:
        """Read the pool file again; a broken one is refused, and the one before stays."""
        if (pools := self.file.reload()) is not None:
            self._log.info("the pool file was read again")
            self.agent.name(_named(pools))
            self.judge.tell(lambda known: known.use_pools(pools))

    # What the threads tell.

    def peers(self, peers: Mapping[str, Peer], connected: bool) -> None:
        """All other announcers."""
        self.agent.peers(peers, connected)

    def duties(self, duties: Mapping[Address, Duty | None]) -> None:
        """What is to be announced."""
        self.agent.duties(duties)

    def judged(self, address: Address, services: Sequence[Exposed], candidacy: Candidacy | None) -> None:
        """Who may announce an address."""
        self._told.judged(address, services, candidacy, self._known)

    def nodes(self, count: int) -> None:
        """How many Nodes there are."""
        self.keeper.nodes(count)

    def troubled(self, path: str, cause: Cause, sentence: str) -> None:
        """A watch ended or could not begin."""
        if self._told.metrics is not None:
            self._told.metrics.watch_restarted(cause.value)
        self._log.warning(f"watch of {path}: {sentence}", cause=cause.value)

    def _shown(self, presence: Presence) -> None:
        self.keeper.show(presence)
        self.judge.tell(lambda known: known.put_presence(presence.node, presence))

    def _uid(self) -> str:
        node = self._known.nodes.get(self._wanted.node)
        return node.uid if node else self._owner

    def _unrenewed(self, error: LbctlError) -> None:
        self._log.warning(f"this node's Lease is not written: {error.message}")


def _named(pools: PoolFile) -> frozenset[str]:
    return frozenset(name for pool in pools.pools for name in pool.interfaces)
