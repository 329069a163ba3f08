"""What brings the World the cluster as it is and as it changes: one reflector a resource.

Each tells from a thread of its own; `tell` hands what it brings to the one thread that the World is touched by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lbctl.addresses import Address, AddressError
from lbctl.claims import NAMESPACE, Block, parse_block
from lbctl.kube.reflector import NAMESPACES, NODES, SERVICES, Change, Reflector, Resource, Told, configmaps, stop_all
from lbctl.kube.watching import Cause
from lbctl.rounds import Cluster
from lbctl.services import parse_service
from lbctl.world import World, node_addresses

Fill = Callable[[World], None]
Troubled = Callable[[str, Cause, str], None]


class Feeds:
    """The reflectors of Services, claims, Nodes, and of Namespaces where the pool file asks for their labels.

    `tell` gets what is to be done with the World, `troubled` the path of a watch that ended or could not begin, the
    cause and a sentence, `rewound` the path of one whose store went back in time; `patience` is asked how long what
    comes next may wait. All from the reflectors' threads.
    """

    def __init__(
        self,
        cluster: Cluster,
        tell: Callable[[Fill], object],
        troubled: Troubled,
        rewound: Callable[[str], object],
        patience: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._cluster = cluster
        self._tell = tell
        self._troubled = troubled
        self._rewound = rewound
        self._patience = patience
        self.reflectors: dict[str, Reflector[Any]] = {
            "services": self._reflector(SERVICES, parse_service, _service, World.rewind_services),
            "claims": self._reflector(configmaps(NAMESPACE), _block, _claims, World.rewind_claims),
            "nodes": self._reflector(NODES, _node, _nodes),
        }
        if cluster.with_namespaces:
            self._add_namespaces()

    @property
    def synced(self) -> bool:
        """Whether every watch has brought its first list, and none has gone back since."""
        return all(reflector.synced for reflector in self.reflectors.values())

    def unsynced(self) -> str | None:
        """Which watches have not brought their list; None when all have."""
        lacking = [name for name, reflector in self.reflectors.items() if not reflector.synced]
        return f"{', '.join(lacking)} not listed yet" if lacking else None

    def start(self) -> None:
        """Begin to list and watch."""
        for reflector in self.reflectors.values():
            reflector.start()

    def stop(self) -> None:
        """Cut them all; nothing is told after that."""
        stop_all(self.reflectors.values())

    def watch_namespaces(self, seconds: float) -> None:
        """From now on Namespaces too; waits for their first list, at most so long."""
        if "namespaces" not in self.reflectors:
            self._add_namespaces()
            self.reflectors["namespaces"].start()
            self.reflectors["namespaces"].wait(seconds)

    def _add_namespaces(self) -> None:
        self.reflectors["namespaces"] = self._reflector(NAMESPACES, _labels, _namespaces)

    def _reflector(
        self,
        what: Resource,
        keep: Callable[[dict[str, Any]], Any],
        fill: Callable[[World, Change[Any]], None],
        rewind: Fill = lambda _: None,
    ) -> Reflector[Any]:
        def told(changes: Sequence[Change[Any]]) -> None:
            def fill_in(world: World) -> None:
                for change in changes:
                    fill(world, change)

            self._tell(fill_in)

        def rewound() -> None:
            self._rewound(what.path)
            self._tell(rewind)

        def trouble(cause: Cause, sentence: str) -> None:
            self._troubled(what.path, cause, sentence)

        return Reflector(self._cluster.kube, what, keep, Told(told, rewound, trouble, self._patience))


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
