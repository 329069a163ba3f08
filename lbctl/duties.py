"""What the cluster wants announced: reflectors that fill an Eligibility, and from it the duties of one node.

A thread of its own judges, in small portions, so that the announcer's loop never waits for a thousand addresses. What
comes out goes to whoever drives the machine: the peers first, then the duties that changed. With the API server gone
the last word stands.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from lbctl.addresses import Address
from lbctl.claims import NAMESPACE
from lbctl.kube.api import Kube
from lbctl.kube.reflector import ENDPOINT_SLICES, NODES, SERVICES, Change, Reflector, Resource, Told, leases, stop_all
from lbctl.kube.watching import Cause
from lbctl.l2.actions import Duty, Peer
from lbctl.l2.eligible import Candidacy, Eligibility
from lbctl.l2.facts import (
    LEASE_LABEL,
    Exposed,
    Lease,
    Presence,
    parse_exposed,
    parse_lease,
    parse_node,
    parse_slice,
)
from lbctl.l2.renewals import Renewals

PORTION = 64  # addresses judged at once: a millisecond or two
LOOK = 1.0  # seconds between two looks at whose Lease has run out


class Follower(Protocol):
    """Who hears of it, from the thread that judges; none of these may wait for long."""

    def peers(self, peers: Mapping[str, Peer], connected: bool) -> None:
        """All other announcers, and whether this one's Lease is renewed."""

    def duties(self, duties: Mapping[Address, Duty | None]) -> None:
        """What is to be announced of these addresses, from now on."""

    def judged(self, address: Address, services: Sequence[Exposed], candidacy: Candidacy | None) -> None:
        """Who may announce an address, for the log and Events; None when no Service shows it any more."""

    def nodes(self, count: int) -> None:
        """How many Nodes there are."""

    def troubled(self, path: str, cause: Cause, sentence: str) -> None:
        """A watch ended or could not begin; from the reflector's own thread."""


class Duties:
    """One node's: start(), stop(). `interfaces` is to be called with this node's own at each change."""

    def __init__(
        self,
        kube: Kube,
        node: str,
        eligibility: Eligibility,
        follower: Follower,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._known = eligibility
        self._follower = follower
        self._clock = clock
        self._news: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._renewals = Renewals(node)
        self._told_peers: tuple[Mapping[str, Peer], bool] | None = None
        self._failed: BaseException | None = None
        self.reflectors: dict[str, Reflector[Any]] = {
            "nodes": self._reflector(kube, NODES, parse_node, self._node_changed),
            "leases": self._reflector(kube, leases(NAMESPACE, f"{LEASE_LABEL}=v1"), parse_lease, self._lease_changed),
            "services": self._reflector(kube, SERVICES, parse_exposed, self._service_changed),
            "endpointslices": self._reflector(kube, ENDPOINT_SLICES, parse_slice, self._slice_changed),
        }
        self._thread = threading.Thread(target=self._run, name="duties", daemon=True)

    # For every thread.

    def start(self) -> None:
        """Begin to watch."""
        for reflector in self.reflectors.values():
            reflector.start()
        self._thread.start()

    def stop(self) -> None:
        """End; nothing is told after that."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        stop_all(self.reflectors.values())
        self._thread.join()

    def unsynced(self) -> str | None:
        """Which watches have not brought their list; None when all have."""
        lacking = [name for name, reflector in self.reflectors.items() if not reflector.synced]
        return f"{', '.join(lacking)} not listed yet" if lacking else None

    @property
    def failed(self) -> BaseException | None:
        """What the thread died of, which is a bug."""
        return self._failed

    def tell(self, change: Callable[[Eligibility], None]) -> None:
        """Something that no reflector brings: this node's interfaces, another pool file."""
        self._post(lambda: change(self._known))

    def _post(self, news: Callable[[], None]) -> None:
        with self._wake:
            self._news.append(news)
            self._wake.notify()

    def _reflector(
        self,
        kube: Kube,
        what: Resource,
        keep: Callable[[dict[str, Any]], Any],
        take: Callable[[Change[Any]], None],
    ) -> Reflector[Any]:
        def told(changes: Sequence[Change[Any]]) -> None:
            def fill() -> None:
                for change in changes:
                    take(change)

            self._post(fill)

        def trouble(cause: Cause, sentence: str) -> None:
            self._follower.troubled(what.path, cause, sentence)

        return Reflector(kube, what, keep, Told(told, trouble=trouble))

    # The thread.

    def _run(self) -> None:
        try:
            while self._wait():
                while self._news:
                    self._news.popleft()()
                if self.unsynced() is None:
                    self._review()
                    self._judge()
        except BaseException as bug:
            self._failed = bug
            raise

    def _wait(self) -> bool:
        with self._wake:
            if not self._news and not self._stopping:
                self._wake.wait(LOOK)
            return not self._stopping

    def _node_changed(self, change: Change[Any]) -> None:
        self._known.put_node(change.key.name, change.new)
        self._follower.nodes(len(self._known.nodes))

    def _service_changed(self, change: Change[Any]) -> None:
        self._known.put_service(change.key, change.new)

    def _slice_changed(self, change: Change[Any]) -> None:
        self._known.put_slice(change.key, change.new)

    def _lease_changed(self, change: Change[Any]) -> None:
        lease: Lease | None = change.new
        if lease is not None:
            self._renewals.put(self._clock(), lease)
            self._put(lease.presence.node, lease.presence)
        elif change.old is not None:
            self._renewals.drop(change.old.presence.node)
            self._put(change.old.presence.node, None)

    def _put(self, node: str, presence: Presence | None) -> None:
        """This node's own presence is what it sees of its interfaces, not what its Lease says of them."""
        if node != self._node:
            self._known.put_presence(node, presence)

    def _review(self) -> None:
        """Tell of the peers, where anything has changed."""
        now = self._clock()
        self._known.lapse(self._renewals.forgotten(now))
        told = (self._renewals.peers(now), self._renewals.connected(now))
        if told != self._told_peers:
            self._told_peers = told
            self._follower.peers(*told)

    def _judge(self) -> None:
        """Judge what has changed, a portion at a time: news that come meanwhile are no later for it."""
        for portion in _portions(self._known.drain()):
            duties: dict[Address, Duty | None] = {}
            for address in portion:
                candidacy = self._known.judge(address)
                duties[address] = self._known.duty(self._node, candidacy) if candidacy else None
                self._follower.judged(address, self._known.services_on(address), candidacy)
            self._follower.duties(duties)


def _portions(addresses: Iterable[Address]) -> Iterable[Sequence[Address]]:
    found = sorted(addresses, key=lambda address: (address.version, int(address)))
    return [found[at : at + PORTION] for at in range(0, len(found), PORTION)]
