"""What `lbctl serve` is made of: the watches that feed the World, the loop, leadership, and the pool file read again.

Everything has a thread of its own, and one order of going: the loop ends its round, the Lease is given back, the
watches are cut. Nothing here decides anything about an address.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial

from lbctl.controller import Controller, Watchers
from lbctl.errors import LbctlError
from lbctl.feeds import Feeds
from lbctl.kube.elector import Elector, new_identity
from lbctl.kube.watching import Cause
from lbctl.pools import PoolFile
from lbctl.poolwatch import PoolWatch
from lbctl.rounds import Cluster
from lbctl.scouting import FIRST, Ask, Scout
from lbctl.sharing import digest
from lbctl.world import World

DRAIN = 5.0  # seconds a round under way gets to end
MANY = 64  # statuses written in one round; what they bring back is read by the handful, not one by one
LULL = 0.03  # seconds in which that gathers; the API server keeps a hundred events for a watch that does not read
STALLED = 60.0  # seconds without progress after which the loop hangs; a status written is progress


class Listeners(Watchers):
    """Who hears of more than the loop; from any thread."""

    def happened(self, level: str, sentence: str) -> None:
        """Something an operator should know; the level is info, warning or error."""

    def troubled(self, path: str, cause: Cause, sentence: str) -> None:
        """A watch ended or could not begin."""

    def led(self, leading: bool) -> None:
        """It leads by now, or no longer."""


class Serving:
    """One `lbctl serve`: start(), then stop()."""

    def __init__(
        self, cluster: Cluster, pools: PoolFile, listeners: Listeners, *, elect: bool, ask: Ask | None = None
    ) -> None:
        """`ask` asks the LAN, where that can be done."""
        self.world = World(pools, cluster.others)
        self.controller = Controller(cluster, self.world, now=cluster.kube.server_time, watchers=listeners)
        self._cluster = cluster
        self._listeners = listeners
        self._say = listeners.happened
        self._file = PoolWatch(pools, self._say)
        self.feeds = Feeds(cluster, self.controller.tell, listeners.troubled, self._rewound, self._patience)
        self.elector = (
            Elector(
                cluster.kube,
                lease_name(pools),
                new_identity(),
                on_change=self._elected,
                make_namespace=cluster.ledger.make_namespace,
            )
            if elect
            else None
        )
        self._scout: Scout | None = None
        if ask is not None:
            self._scout = Scout(ask, self.controller.tell, partial(self._say, "warning"), cluster.kube.server_time)
            self.controller.ask = self._scout.want
        self._scouts_at: float | None = None
        self._led = self._stopping = False
        self._leader = ""
        self._failed: BaseException | None = None
        self._loop = threading.Thread(target=self._run, name="loop", daemon=True)

    @property
    def acting(self) -> bool:
        """Whether the start is over: all is known, and the loop may lead."""
        return self._led

    @property
    def leading(self) -> bool:
        """Whether this one acts."""
        return self.elector is None or self.elector.leading

    def alive(self) -> str | None:
        """Why the loop is not alive; None when it is."""
        if self._failed is not None:
            return f"it has died: {self._failed!r}"
        idle = self.controller.idle
        return f"no progress for {idle:.0f} s" if idle > STALLED else None

    def away(self) -> str | None:
        """Why the cluster could not be reached by the last round, or for the Lease; None when it could."""
        trouble = self._trouble
        return self.controller.away or (str(trouble) if trouble is not None else None)

    @property
    def _trouble(self) -> LbctlError | None:
        """Why the Lease cannot be had; None when it can, or is ours."""
        return self.elector.trouble if self.elector is not None and not self.leading else None

    @property
    def failed(self) -> BaseException | None:
        """What the loop died of, which is a bug."""
        return self._failed

    def start(self) -> None:
        """Begin to watch; the loop acts once everything is known."""
        self.feeds.start()
        self._loop.start()

    def tick(self) -> None:
        """To be called now and then by the main thread: begins to act once all is known."""
        if self._led:
            self._say_of_the_lease()
            return
        if not self.feeds.synced or not self._scouted():
            return
        self._led = True
        self._say("info", f"synced: {len(self.world.services)} Services, {len(self.world.blocks)} blocks of claims")
        if self.elector is None:
            self._listeners.led(True)
            self.controller.lead(True)
        else:
            self.elector.start()

    def _say_of_the_lease(self) -> None:
        """Why it cannot be had, and who has it, if that is another than before."""
        if (trouble := self._trouble) is not None:
            self._say("warning", f"the Lease cannot be had: {trouble}")
        if self.elector is None or self.elector.holder in {"", self._leader}:
            return
        self._leader = self.elector.holder
        if self._leader != self.elector.identity:
            self._say("info", f"standing by, for {self._leader} leads")

    def _scouted(self) -> bool:
        """Whether the LAN has answered for what may be given first; it is not waited for for long."""
        if self._scout is None:
            return True
        if self._scouts_at is None:
            self._scouts_at = time.monotonic()
            self._scout.start()
        return self._scout.ready.is_set() or time.monotonic() - self._scouts_at >= FIRST

    def stop(self) -> bool:
        """End in order; whether the round under way ended in time."""
        self._stopping = True
        self.controller.stop()
        self._loop.join(DRAIN)
        drained = not self._loop.is_alive()
        if self.elector is not None and self._led:
            self.elector.stop()
        self.feeds.stop()
        if self._scout is not None:
            self._scout.stop()
        return drained

    def file_changed(self) -> bool:
        """Whether the pool file is another than the one last read."""
        return self._file.changed()

    @property
    def reload_error(self) -> str:
        """Why the pool file as it is now is not in use; empty when it is."""
        return self._file.error

    def reload(self) -> None:
        """Read the pool file again; one that is broken is refused, and the one before stays."""
        before = self._file.pools
        if (pools := self._file.reload()) is None:
            return
        if pools.asks_for_namespaces:
            self.feeds.watch_namespaces(DRAIN)
        self._say("info", "; ".join(["the pool file was read again", *differences(before, pools)]))
        by = f"{self._cluster.by.rpartition(' ')[0]} {pools.digest}"

        def use(world: World) -> None:
            self._cluster.by = by
            world.use_pools(pools)

        self.controller.tell(use)

    def _patience(self) -> float:
        return LULL if self.controller.writing > MANY else 0.0

    def _rewound(self, path: str) -> None:
        self._say("warning", f"the API server's store went back in time ({path}): everything is read anew")

    def _elected(self, leading: bool) -> None:
        if not self._stopping:
            trouble = self._trouble
            lost = f"no longer leading: {trouble}" if trouble is not None else "no longer leading"
            self._say("info", "leading" if leading else lost)
        self._listeners.led(leading)
        self.controller.lead(leading)

    def _run(self) -> None:
        try:
            self.controller.run()
        except BaseException as bug:
            self._failed = bug
            raise


def lease_name(pools: PoolFile) -> str:
    """The Lease of those who serve one class."""
    return "lbctl-serve" + (f"-{digest(pools.load_balancer_class)}" if pools.load_balancer_class else "")


def differences(before: PoolFile, after: PoolFile) -> Iterable[str]:
    """What is different in a pool file, pool by pool."""
    old, new = ({pool.name: pool for pool in file.pools} for file in (before, after))
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"pool {name} is gone"
        elif name not in old:
            yield f"pool {name} is new"
        elif old[name] != new[name]:
            yield f"pool {name} has changed"
    if before.reservations != after.reservations:
        yield "reservations have changed"
