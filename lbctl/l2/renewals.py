"""Whose Lease is renewed, as this node sees it: by its own clock, and only while it can see at all.

No wall clock is compared: a Lease is renewed when it is seen to change. A node whose own Lease does not come back
renewed (it has lost the API server, or its watch is deaf) cannot tell whose has run out; after it is back, the others
get a whole term to be seen renewed in. Pure: the time comes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lbctl.l2.actions import Peer
from lbctl.l2.facts import Lease

FORGOTTEN = 300.0  # seconds after which nobody waits for a node whose Lease has run out; it may still be announcing


@dataclass(slots=True)
class _Seen:
    lease: Lease
    at: float


class Renewals:
    """All announcers' Leases, with when each was last seen to change; times in seconds of one clock."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._seen: dict[str, _Seen] = {}
        self._since = 0.0  # since when this node's own has been seen renewed without a gap

    def put(self, now: float, lease: Lease) -> None:
        """A Lease as it is."""
        node = lease.presence.node
        before = self._seen.get(node)
        if before is not None and before.lease == lease:
            return
        if node == self._node and not self.connected(now):
            self._since = now
        self._seen[node] = _Seen(lease, now)

    def drop(self, node: str) -> None:
        """It is gone."""
        self._seen.pop(node, None)

    def connected(self, now: float) -> bool:
        """Whether this node's own Lease comes back renewed: it reaches the API server, and its watch is alive."""
        mine = self._seen.get(self._node)
        return mine is not None and now - mine.at < mine.lease.seconds

    def peers(self, now: float) -> Mapping[str, Peer]:
        """The other announcers but those who gave their Lease back."""
        return {
            node: Peer(seen.lease.presence.macs, self._lapsed(now, seen))
            for node, seen in self._seen.items()
            if node != self._node and not seen.lease.presence.left
        }

    def forgotten(self, now: float) -> frozenset[str]:
        """Those whose Lease ran out so long ago that they are no candidates any more."""
        peers = self.peers(now).items()
        return frozenset(n for n, peer in peers if peer.lapsed is not None and now - peer.lapsed >= FORGOTTEN)

    def _lapsed(self, now: float, seen: _Seen) -> float | None:
        """Since when a Lease has run out; None when it has not, or when this node cannot tell."""
        until = max(seen.at, self._since) + seen.lease.seconds
        return until if self.connected(now) and now >= until else None
