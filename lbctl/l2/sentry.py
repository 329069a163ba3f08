"""What an owner knows of its own reach: does it still hear its peers, or has it been cut off without the carrier?

Its standbys ask it all the time, so it hears them as long as they hear it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lbctl.addresses import Address
from lbctl.l2.directory import Directory
from lbctl.l2.seats import NEVER, Seat
from lbctl.l2.standby import period

UNHEARD = 1.0  # seconds without a word from a peer (DESIGN 7)
BEATS = 4  # periods of a standby, where that is longer
LOOK = 0.25  # seconds between two looks, and between two questions to all while one is missing
BETWEEN = 0.1  # seconds between the two questions for each address, once peers are heard again
OVER = 0.5  # seconds from the first question until all contests that the answers bring are over (`disputes.INSIST`)
SELDOM = 1.0  # seconds between two such rounds, for they ask for every address


class Look(NamedTuple):
    """Addresses to ask all of the LAN for; those kept after we or others were away, which their clients may have
    learned from somebody else; whether we have just been cut off."""

    ask: list[Address]
    kept: list[Address]
    cut_off: bool


class Sentry:
    """The peers that one interface should hear."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._heard: dict[str, float] = {}  # peer -> when, or since when it should be heard
        self._last = NEVER  # when any was
        self._missing: set[str] = set()
        self._alone = False
        self._back: dict[str, float] = {}  # peer that was missing -> when it was heard again
        self._unsure: set[Address] = set()  # ours before we were cut off
        self._lonely: set[Address] = set()  # taken when we heard nobody
        self._owned: list[Seat] = []
        self._wanted: set[str] = set()  # peers that should ask us
        self._turn = 0
        self._look = NEVER
        self._rounds: list[float] = []  # when to ask for all
        self._done: float | None = None  # when those answers are in
        self._began = NEVER

    def heard(self, now: float, name: str) -> None:
        """A peer's frame came in."""
        self._heard[name] = self._last = now
        if not self._missing and self._done is None:
            self._lonely.clear()  # we are heard, only too new an owner to be asked by all
        if name in self._missing:
            # It was away, or we were: others may have taken over what we have, and nobody asks us about that.
            self._missing.discard(name)
            if not self._alone:
                self._back[name] = now
            self._alone = False
            if not self._rounds and self._owned:
                start = max(now, self._began + SELDOM)
                self._began, self._rounds, self._done = start, [start, start + BETWEEN], start + OVER

    def restart(self, now: float) -> None:
        """We stood still, and could not hear anybody."""
        self._heard = dict.fromkeys(self._heard, now)
        self._missing.clear()
        self._back.clear()
        self._unsure.clear()
        self._lonely.clear()
        self._rounds.clear()
        self._alone, self._done = False, None

    def owns(self, now: float, owned: list[Seat]) -> None:
        """What is announced here changed, or who else may."""
        self._owned = owned
        names = {name for seat in owned for name in seat.duty.order}
        if owned and not self._directory.connected:
            names.update(self._directory.names)  # who may is old news: others may since, and take us for dead
        watched = bool(self._wanted)
        self._wanted = {name for name in names if name != self._directory.node and self._directory.fresh(name)}
        self._missing &= self._wanted
        for name in self._wanted:
            self._heard.setdefault(name, now)
        if not self._wanted:
            self._alone = False
        if not watched:  # else every change would put off the look that is due
            self._look = now + LOOK

    def taken(self, seats: Iterable[Seat], began: float) -> None:
        """These were asked for since `began`, and nobody answered. Was there anybody to hear us at all? A port of a
        switch may not forward yet."""
        if self._last < began:
            names = {name for seat in seats for name in seat.duty.order} - {self._directory.node}
            if any(self._directory.fresh(name) for name in names):
                self._lonely.update(seat.address for seat in seats)

    def lost(self, address: Address) -> None:
        """It is ours no longer."""
        self._unsure.discard(address)
        self._lonely.discard(address)

    def interrupted(self, seat: Seat) -> bool:
        """Whether we have been cut off since we took it, so that another may have it by right."""
        return seat.address in self._unsure

    def lonely(self, seat: Seat) -> bool:
        """Whether we took it when we heard nobody, and heard nobody for long after."""
        return seat.address in self._lonely

    def was_away(self, now: float, name: str) -> bool:
        """Whether this peer was not heard for a second until just now, and others were."""
        return now - self._back.get(name, NEVER) < SELDOM

    def due(self) -> float | None:
        """When `run` is wanted next."""
        times = [*self._rounds[:1], *([] if self._done is None else [self._done])]
        if self._wanted:
            times.append(self._look)
        return min(times, default=None)

    def run(self, now: float, nodes: int) -> Look:
        """What there is to do by now.

        An owner that hears no peer goes on answering but asks (DESIGN 7). So does one that misses only some, of those
        that should ask it: the LAN may have broken in two with peers on either side.
        """
        ask: list[Address] = []
        kept: list[Address] = []
        while self._rounds and self._rounds[0] <= now:
            del self._rounds[0]
            ask = [seat.address for seat in self._owned]
        if self._done is not None and self._done <= now:
            self._done = None
            self._unsure.clear()  # what others have was answered, and yielded
            self._lonely.clear()
            kept = [seat.address for seat in self._owned]
        if not self._wanted or now < self._look:
            return Look(ask, kept, False)
        self._look = now + LOOK
        quiet = max(UNHEARD, BEATS * period(nodes))
        self._missing = {name for name in self._wanted if now - self._heard[name] >= quiet}
        cut_off = not self._alone and self._missing == self._wanted
        if cut_off:
            self._alone = True
            since = max(self._heard[name] for name in self._wanted)
            self._unsure.update(seat.address for seat in self._owned if seat.since <= since)
        if self._missing and not ask:
            self._turn = (self._turn + 1) % len(self._owned)
            ask = [self._owned[self._turn].address]
        return Look(ask, kept, cut_off)
