"""What is announced here and claimed by another at the same time: a peer (a contest), or a stranger (a conflict)."""

from __future__ import annotations

from typing import NamedTuple

from lbctl.addresses import Address
from lbctl.l2.directory import Directory
from lbctl.l2.frames import Mac
from lbctl.l2.seats import Conflict, Contest

HEARD_US = 0.1  # seconds after which a peer's claim was made knowing ours
INSIST = 0.15  # seconds until a peer is asked whether it still claims what we keep: three times in half a second
STUBBORN, MOST = 3, 10.0  # after that many times neither yields, so ask ever less often; seconds
DEFEND = 10.0  # seconds between two announcements against a stranger: RFC 5227 1.1, DEFEND_INTERVAL
GRACE = 1.0  # seconds in which an unknown MAC may turn out to be a peer's, whose Lease we have not seen yet
QUIET = 300.0  # seconds without a claim after which the next one is reported anew


class Due(NamedTuple):
    """Peers to ask whether they still claim an address; addresses whose peer has yielded, though it may have been the
    last to be heard; conflicts to report."""

    ask: list[tuple[Address, Mac]]
    won: list[Address]
    told: list[tuple[Address, Mac]]


class Disputes:
    """The contests and conflicts of one interface."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._contests: dict[Address, Contest] = {}
        self._conflicts: dict[Address, Conflict] = {}

    def again(self, now: float, address: Address, mac: Mac) -> int | None:
        """How often a peer claimed what we keep though it heard us, this time included; None when it cannot have heard
        us yet."""
        contest = self._contests.get(address)
        if contest is None or contest.mac != mac:
            return 0
        return None if now < contest.heard_us else contest.again + 1

    def keep(self, now: float, address: Address, mac: Mac, again: int = 0) -> None:
        """We keep it, and said so aloud."""
        wait = INSIST if again < STUBBORN else min(INSIST * 2 ** (again - STUBBORN), MOST)
        self._contests[address] = Contest(mac, again, now + HEARD_US, now + wait)

    def over(self, address: Address) -> None:
        """We keep it no longer."""
        self._contests.pop(address, None)

    def stranger(self, now: float, address: Address, mac: Mac) -> bool:
        """A stranger claims it. Whether it is time for an announcement against it, should it be ours: one in ten
        seconds (RFC 5227 2.4 c)."""
        conflict = self._conflicts.get(address)
        if conflict is None or conflict.mac != mac or now - conflict.last > QUIET:
            conflict = self._conflicts[address] = Conflict(mac, now, now)
        conflict.last = now
        if now - conflict.defended < DEFEND:
            return False
        conflict.defended = now
        return True

    def run(self, now: float) -> Due:
        """What is due by now."""
        ask: list[tuple[Address, Mac]] = []
        won: list[Address] = []
        for address, contest in list(self._contests.items()):
            if not contest.asked and now >= contest.ask_at:
                contest.asked = True
                ask.append((address, contest.mac))
            elif contest.asked and now >= contest.ask_at + INSIST:
                del self._contests[address]  # no answer: it has yielded
                won.append(address)
        told: list[tuple[Address, Mac]] = []
        for address, conflict in list(self._conflicts.items()):
            if self._directory.name_of(now, conflict.mac) is not None:
                del self._conflicts[address]  # no stranger, as its Lease shows now
            elif not conflict.reported and now >= self._ripe(conflict):
                conflict.reported = True
                told.append((address, conflict.mac))
        return Due(ask, won, told)

    def _ripe(self, conflict: Conflict) -> float:
        return conflict.first + (GRACE if self._directory.anybody else 0.0)

    def due(self) -> float | None:
        """When `run` is wanted next."""
        times = [c.ask_at + INSIST * c.asked for c in self._contests.values()]
        times += [self._ripe(c) for c in self._conflicts.values() if not c.reported]
        return min(times, default=None)
