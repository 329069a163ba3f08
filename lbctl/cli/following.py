"""The cluster as it changes, for a command that looks on (`list -w`): a Snapshot whenever something has happened."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator

from lbctl.cli.output import Talk
from lbctl.decisions import Snapshot
from lbctl.feeds import Feeds, Fill
from lbctl.kube.errors import Forbidden
from lbctl.kube.watching import Cause
from lbctl.pools import PoolFile
from lbctl.rounds import Cluster
from lbctl.world import World

GATHER = 0.05  # seconds for what belongs together to arrive: a claim and the status that follows it
SHARE = 4  # of the time, at most one part in so many goes into looking: thousands of changes a second need no more


def follow(cluster: Cluster, pools: PoolFile, talk: Talk) -> Iterator[tuple[World, Snapshot]]:
    """The World and a Snapshot of it, first when all is known, then after changes; until the caller is closed.

    Raises Forbidden when a watch is refused; what else troubles one is said once, until it is well again.
    """
    # No SimpleQueue, whose get waits for ever when a short time is over before it has begun (CPython 3.11).
    inbox: queue.Queue[Fill] = queue.Queue()
    said: set[str] = set()

    def troubled(path: str, cause: Cause, sentence: str) -> None:
        def raise_or_say(_: World) -> None:
            if cause is Cause.FORBIDDEN:
                raise Forbidden(sentence, hint="give yourself the verb watch, as examples/kubernetes/rbac.yaml does")
            if sentence not in said:
                said.add(sentence)
                talk.say(f"watch of {path}: {sentence}")

        inbox.put(raise_or_say)

    def rewound(path: str) -> None:
        inbox.put(lambda _: talk.say(f"the API server's store went back in time ({path}): everything is read anew"))

    world = World(pools, cluster.others)
    feeds = Feeds(cluster, inbox.put, troubled, rewound)
    feeds.start()
    try:
        while True:
            inbox.get()(world)
            _gather(inbox, world)
            if not feeds.synced:
                continue
            began = time.monotonic()
            yield world, world.snapshot(int(cluster.kube.server_time()), "", frozenset())
            time.sleep((time.monotonic() - began) * (SHARE - 1))  # because it has no more than its share of the time
    finally:
        feeds.stop()


def _gather(inbox: queue.Queue[Callable[[World], None]], world: World) -> None:
    deadline = time.monotonic() + GATHER
    while (left := deadline - time.monotonic()) > 0:
        try:
            inbox.get(timeout=left)(world)
        except queue.Empty:
            return
