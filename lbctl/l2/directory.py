"""Who is who on the LAN, as the Leases show it: which MAC is a peer's, and which peers may be alive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lbctl.l2.actions import Peer
from lbctl.l2.frames import Mac

UNREACHABLE = 60.0  # seconds after its Lease ran out until an owner that lost the API is replaced (DESIGN 7)
REMEMBERED = 300.0  # seconds that the MACs of a peer without a Lease are no stranger's: it may answer a second longer


class Directory:
    """The other announcers, and whether this node reaches the API."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.own: dict[Mac, str] = {}  # this node's MACs -> their interface
        self.connected = False
        self._since = 0.0  # when the API was reached again
        self._peers: Mapping[str, Peer] = {}
        self._names: dict[Mac, str] = {}
        self._former: dict[Mac, tuple[str, float]] = {}

    def update(self, now: float, peers: Mapping[str, Peer], connected: bool) -> None:
        """What the Leases show now."""
        if connected and not self.connected:
            self._since = now
        self.connected, self._peers = connected, dict(peers)
        names = {mac: name for name, peer in peers.items() for mac in peer.macs}
        gone = {mac: (name, now + REMEMBERED) for mac, name in self._names.items() if mac not in names}
        self._former = {mac: kept for mac, kept in {**self._former, **gone}.items() if mac not in names}
        self._names = names

    @property
    def anybody(self) -> bool:
        """Whether there is any other announcer; without, every other MAC is a stranger's."""
        return bool(self._peers)

    @property
    def names(self) -> Iterable[str]:
        """The other announcers, also those whose Lease ran out."""
        return self._peers

    @property
    def nodes(self) -> int:
        """How many announcers there may be, this one included."""
        return 1 + sum(map(self.fresh, self._peers))

    def name_of(self, now: float, mac: Mac) -> str | None:
        """Whose MAC it is, this node's own included; None for a stranger's."""
        if mac in self.own:
            return self.node
        if mac in self._names:
            return self._names[mac]
        name, until = self._former.get(mac, (None, 0.0))
        return name if now < until else None

    def fresh(self, name: str) -> bool:
        """Whether a node may be alive as far as the API says. While we do not reach it, it says nothing of anybody:
        all Leases run out then, and only silence counts (DESIGN 7)."""
        if name == self.node:
            return True
        peer = self._peers.get(name)
        return peer is not None and (peer.lapsed is None or not self.connected)

    def replaceable(self, name: str) -> float | None:
        """From when an owner whose Lease ran out is to be replaced though it answers: it has lost the API, and we have
        not. None when it has not run out, or we cannot tell.

        Counted from when we reached the API ourselves: after an outage for all, all others look as if theirs had run
        out long ago.
        """
        peer = self._peers.get(name)
        if peer is None or peer.lapsed is None or not self.connected:
            return None
        return max(peer.lapsed, self._since) + UNREACHABLE
