"""Behind an owner: all addresses of one owner are watched together, by one question at a time.

2,000 addresses of one owner cost as much as one. Each question is for another of them, so that one which the owner let
go of without a word is noticed in time, too.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from lbctl.addresses import Address
from lbctl.l2.frames import Mac

PERIOD = 0.25  # seconds between two questions to an owner
PER_NODE = 0.005  # seconds more for each node, past 50: an owner is asked by all of them
UNANSWERED = 4  # questions, after which the owner is silent
LAST = 0.05  # seconds to wait for the answer to the last of them, as the broadcast that follows waits again
DOUBT = 3  # questions for one address unanswered, while the owner answers for others


def period(nodes: int) -> float:
    """Seconds between two questions of a standby (DESIGN 7)."""
    return max(PERIOD, nodes * PER_NODE)


class Verdict(Enum):
    """What a beat found out."""

    ASK = "ask"  # nothing new: ask for this address
    SILENT = "silent"  # the owner answers no more
    DOUBTFUL = "doubtful"  # it answers, but not for all that is thought to be its


class Owner:
    """One owner's addresses as a standby sees them."""

    def __init__(self, mac: Mac, due: float) -> None:
        self.mac = mac
        self.due = due  # when `beat` is wanted
        self.addresses: dict[Address, None] = {}  # next to be asked for first
        self.first: deque[Address] = deque()  # to be asked for before all others
        self._asked: Address | None = None  # and not answered yet
        self._misses = 0
        self._doubts: dict[Address, int] = {}

    def discard(self, address: Address) -> None:
        """Not this owner's any longer, or none of our business."""
        self.addresses.pop(address, None)
        self._doubts.pop(address, None)
        if self._asked == address:
            self._asked = None

    def answered(self, address: Address) -> None:
        """The owner claims one of its addresses: it is alive."""
        self._misses = 0
        self._doubts.pop(address, None)
        if self._asked == address:
            self._asked = None

    def restart(self, now: float) -> None:
        """We stood still, so what was not answered means nothing."""
        self.due, self._asked, self._misses = now, None, 0
        self._doubts.clear()

    def beat(self, now: float, nodes: int) -> tuple[Verdict, Address]:
        """What to do now that the time is due: with which address, if one is to be asked for."""
        missed = self._asked
        if missed is not None:
            self._misses += 1
            self._doubts[missed] = self._doubts.get(missed, 0) + 1
            if self._misses >= UNANSWERED:
                return Verdict.SILENT, missed
            if self._doubts[missed] >= DOUBT and self._misses < DOUBT:
                return Verdict.DOUBTFUL, missed
        asked = self._next(missed)
        self._asked = asked
        del self.addresses[asked]
        self.addresses[asked] = None
        self.due = now + (LAST if self._misses == UNANSWERED - 1 else period(nodes))
        return Verdict.ASK, asked

    def _next(self, missed: Address | None) -> Address:
        """Never the same twice if there are others, or one address let go of would look like an owner gone."""
        doubtful = [address for address in self._doubts if address != missed]
        while self.first:
            address = self.first.popleft()
            if address in self.addresses:
                return address
        if doubtful:
            return doubtful[0]
        return next(address for address in self.addresses if address != missed or len(self.addresses) == 1)
