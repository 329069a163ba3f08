"""Planned moves: an owner that answers, and is to be replaced all the same, because the API says so."""

from __future__ import annotations

from lbctl.l2 import election
from lbctl.l2.actions import Why
from lbctl.l2.directory import Directory
from lbctl.l2.frames import Mac
from lbctl.l2.seats import Seat

TOLD = 0.1  # seconds until an owner that may no longer has been told so, too: else it would not let go. It answers on
PATIENCE = 0.25  # seconds until an owner is to be replaced again that knew nothing of the handover; doubles
MOST = 60.0


class Handover:
    """When which of the owners of one interface is to be replaced by us."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._patience: dict[Mac, tuple[float, float]] = {}  # of an owner that did not let go: how long, until when
        self._due: dict[Mac, float] = {}

    def why(self, now: float, seat: Seat, owner: Mac) -> Why | None:
        """Why we are to take the address over at once; None when it stays where it is, or falls to another."""
        name = self._directory.name_of(now, owner) or ""
        at = self._directory.replaceable(name)
        if at is not None:
            # Cut off from the API, and its Node soon NotReady for that: 60 s, whatever the order says (DESIGN 7).
            why = Why.UNREACHABLE if now >= at else None
        elif name == self._directory.node:  # our other interface
            why = None if self._directory.own.get(owner) in seat.duty.interfaces else Why.HANDOVER
        else:
            why = None if name in seat.duty.order else Why.HANDOVER
        if why is None or now < self._patience.get(owner, (0.0, now))[1]:
            return None
        return why if self.place(now, seat, owner) == 0 else None

    def place(self, now: float, seat: Seat, owner: Mac | None) -> int:
        """How many come before us once this owner is gone."""
        name = "" if owner is None else self._directory.name_of(now, owner) or ""
        without = name if name != self._directory.node else ""
        return election.place(self._directory.node, seat.duty.order, self._directory.fresh, without)

    def refused(self, now: float, owner: Mac) -> None:
        """The owner was replaced and claims it still, and rightly as far as it knows: ever less often again."""
        wait, until = self._patience.get(owner, (PATIENCE / 2, now))
        if until <= now:  # once for all of its addresses
            wait = min(wait * 2, MOST)
            self._patience[owner] = wait, now + wait
            self.later(owner, now + wait)

    def watch(self, now: float, owner: Mac) -> None:
        """We stand behind it: when its time comes, look."""
        name = self._directory.name_of(now, owner)
        at = None if name is None else self._directory.replaceable(name)
        if at is not None and at > now:
            self.later(owner, at)

    def later(self, owner: Mac, at: float) -> None:
        """Look at its addresses then, or before."""
        self._due[owner] = min(at, self._due.get(owner, at))

    def due(self) -> float | None:
        """When `run` is wanted next."""
        return min(self._due.values(), default=None)

    def run(self, now: float) -> list[Mac]:
        """The owners whose addresses are to be looked at now."""
        ready = [owner for owner, at in self._due.items() if at <= now]
        for owner in ready:
            del self._due[owner]
        return ready
