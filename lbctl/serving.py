"""What `lbctl serve` is made of: the watches that feed the World, the loop, leadership, and the pool file read again.

Everything has a thread of its own, and one order of going: the loop ends its round, the Lease is given back, the
watches are cut. Nothing here decides anything about an address.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lbctl.addresses import Address, AddressError
from lbctl.claims import NAMESPACE, Block, parse_block
from lbctl.controller import Controller, Watchers
from lbctl.errors import PoolFileError
from lbctl.kube.elector import Elector, new_identity
from lbctl.kube.reflector import NAMESPACES, NODES, SERVICES, Change, Reflector, Resource, Told, configmaps
from lbctl.kube.watching import Cause
from lbctl.pools import PoolFile, load_pools
from lbctl.rounds import Cluster
from lbctl.services import parse_service
from lbctl.sharing import digest
from lbctl.world import World, node_addresses

DRAIN = 5.0  # seconds a round under way gets to end
STALLED = 60.0  # seconds without progress after which the loop hangs; a status written is progress

Fill = Callable[[World, Change[Any]], None]


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

    def __init__(self, cluster: Cluster, pools: PoolFile, listeners: Listeners, *, elect: bool) -> None:
        self.world = World(pools, cluster.others)
        self.controller = Controller(cluster, self.world, now=cluster.kube.server_time, watchers=listeners)
        self.reload_error = ""
        self._cluster = cluster
        self._listeners = listeners
        self._say = listeners.happened
        self._pools = pools
        self._seen = _stamp(pools.path)
        self.reflectors: dict[str, Reflector[Any]] = {
            "services": self._reflector(SERVICES, parse_service, _service, World.rewind_services),
            "claims": self._reflector(configmaps(NAMESPACE), _block, _claims, World.rewind_claims),
            "nodes": self._reflector(NODES, _node, _nodes),
        }
        if cluster.with_namespaces:
            self.reflectors["namespaces"] = self._reflector(NAMESPACES, _labels, _namespaces)
        self.elector = (
            Elector(cluster.kube, lease_name(pools), new_identity(), on_change=self._elected) if elect else None
        )
        self._led = self._stopping = False
        self._failed: BaseException | None = None
        self._loop = threading.Thread(target=self._run, name="loop", daemon=True)

    @property
    def synced(self) -> bool:
        """Whether every watch has brought its first list, and none has gone back since."""
        return all(reflector.synced for reflector in self.reflectors.values())

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

    def unsynced(self) -> str | None:
        """Which watches have not brought their list; None when all have."""
        lacking = [name for name, reflector in self.reflectors.items() if not reflector.synced]
        return f"{', '.join(lacking)} not listed yet" if lacking else None

    def away(self) -> str | None:
        """Why the cluster could not be reached by the last round; None when it could."""
        return self.controller.away or None

    @property
    def failed(self) -> BaseException | None:
        """What the loop died of, which is a bug."""
        return self._failed

    def start(self) -> None:
        """Begin to watch; the loop acts once everything is known."""
        for reflector in self.reflectors.values():
            reflector.start()
        self._loop.start()

    def tick(self) -> None:
        """To be called now and then by the main thread: begins to act once all is known."""
        if self._led or not self.synced:
            return
        self._led = True
        self._say("info", f"synced: {len(self.world.services)} Services, {len(self.world.blocks)} blocks of claims")
        if self.elector is None:
            self._listeners.led(True)
            self.controller.lead(True)
        else:
            self.elector.start()

    def stop(self) -> bool:
        """End in order; whether the round under way ended in time."""
        self._stopping = True
        self.controller.stop()
        self._loop.join(DRAIN)
        drained = not self._loop.is_alive()
        if self.elector is not None and self._led:
            self.elector.stop()
        for reflector in self.reflectors.values():
            reflector.stop()
        return drained

    def file_changed(self) -> bool:
        """Whether the pool file is another than the one last read; also through the symlink of a mounted ConfigMap."""
        return _stamp(self._pools.path) != self._seen

    def reload(self) -> bool:
        """Read the pool file again; a broken one is refused, and the old stays. Whether there is a new one."""
        self._seen = _stamp(self._pools.path)
        try:
            pools = load_pools(self._pools.path)
        except PoolFileError as bad:
            self.reload_error = bad.message
            self._say("error", f"the pool file is refused, and the one before stays in use: {bad.message}")
            return False
        self.reload_error = ""
        if pools.digest == self._pools.digest:
            return False
        if pools.load_balancer_class != self._pools.load_balancer_class:
            self.reload_error = "loadBalancerClass has changed"
            self._say(
                "error", "the pool file has another loadBalancerClass: that takes a restart; the one before stays"
            )
            return False
        if pools.asks_for_namespaces and "namespaces" not in self.reflectors:
            self._watch_namespaces()
        self._say("info", "; ".join(["the pool file was read again", *differences(self._pools, pools)]))
        self._pools = pools
        by = f"{self._cluster.by.rpartition(' ')[0]} {pools.digest}"

        def use(world: World) -> None:
            self._cluster.by = by
            world.use_pools(pools)

        self.controller.tell(use)
        return True

    def _watch_namespaces(self) -> None:
        reflector = self._reflector(NAMESPACES, _labels, _namespaces)
        self.reflectors["namespaces"] = reflector
        reflector.start()
        reflector.wait(DRAIN)

    def _reflector(
        self,
        what: Resource,
        keep: Callable[[dict[str, Any]], Any],
        fill: Fill,
        rewind: Callable[[World], None] = lambda _: None,
    ) -> Reflector[Any]:
        def told(changes: Sequence[Change[Any]]) -> None:
            def fill_in(world: World) -> None:
                for change in changes:
                    fill(world, change)

            self.controller.tell(fill_in)

        def rewound() -> None:
            self._say("warning", f"the API server's store went back in time ({what.path}): everything is read anew")
            self.controller.tell(rewind)

        def trouble(cause: Cause, sentence: str) -> None:
            self._listeners.troubled(what.path, cause, sentence)

        return Reflector(self._cluster.kube, what, keep, Told(told, rewound, trouble))

    def _elected(self, leading: bool) -> None:
        if not self._stopping:
            self._say("info", "leading" if leading else "no longer leading")
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


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _block(item: Mapping[str, Any]) -> Block | None:
    try:
        return parse_block(item)
    except AddressError:
        return None  # because another ConfigMap of the namespace is none of ours


def _node(item: Mapping[str, Any]) -> dict[Address, str]:
    return node_addresses([item])


def _labels(item: Mapping[str, Any]) -> Mapping[str, str]:
    return dict(item["metadata"].get("labels") or {})


def _service(world: World, change: Change[Any]) -> None:
    if change.new is not None:
        world.put_service(change.new)
    elif change.old is not None:
        world.drop_service(change.key, change.old.uid)


def _claims(world: World, change: Change[Any]) -> None:
    if change.new is not None:
        world.put_claims(change.new)
    elif change.old is not None:
        world.drop_block(change.key.name)


def _nodes(world: World, change: Change[Any]) -> None:
    world.set_node(change.key.name, change.new or {})


def _namespaces(world: World, change: Change[Any]) -> None:
    world.set_namespace(change.key.name, change.new)
