"""What is announced here and claimed by another at the same time: a peer (a contest), or a stranger (a conflict)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from lbctl.addresses import Address
from lbctl.l2.directory import Directory
from lbctl.l2.frames import Mac
from lbctl.l2.seats import NEVER, Conflict, Contest

T = TypeVar("T")

HEARD_US = 0.1  # seconds after which a peer's claim was made knowing ours
INSIST = 0.15  # seconds until a peer is asked whether it still claims what we keep: three times in half a second
STUBBORN, MOST = 3, 10.0  # after that many times neither yields, so ask ever less often; seconds
DEFEND = 10.0  # seconds between two announcements against a stranger: RFC 5227 1.1, DEFEND_INTERVAL
GRACE = 1.0  # seconds in which an unknown MAC may turn out to be a peer's, whose Lease we have not seen yet
QUIET = 300.0  # seconds without a claim after which the next one is reported anew
STRANGERS = 8  # of one address that are reported: MACs that somebody makes up fill no memory and no log


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
        # By the rival too: with three owners, each of two would make us forget that the other has heard us, and the
        # announcements of all three would answer each other without end.
        self._contests: dict[Address, dict[Mac, Contest]] = {}
        self._conflicts: dict[Address, dict[Mac, Conflict]] = {}
        self._defended: dict[Address, float] = {}  # when last: RFC 5227 counts them by address, not by stranger

    def __contains__(self, address: Address) -> bool:
        """Whether a peer contests it, and may ask for that."""
        return bool(self._contests.get(address))

    def again(self, now: float, address: Address, mac: Mac) -> int | None:
        """How often a peer claimed what we keep though it heard us, this time included; None when it cannot have heard
        us yet."""
        contest = self._contests.get(address, {}).get(mac)
        if contest is None:
            return 0
        return None if now < contest.heard_us else contest.again + 1

    def keep(self, now: float, address: Address, mac: Mac, again: int = 0) -> None:
        """We keep it, and said so aloud."""
        wait = INSIST if again < STUBBORN else min(INSIST * 2 ** (again - STUBBORN), MOST)
        self._contests.setdefault(address, {})[mac] = Contest(again, now + HEARD_US, now + wait)

    def over(self, address: Address) -> None:
        """We keep it no longer."""
        self._contests.pop(address, None)

    def stranger(self, now: float, address: Address, mac: Mac) -> bool:
        """A stranger claims it. Whether it is time for an announcement against it, should it be ours: one in ten
        seconds (RFC 5227 2.4 c)."""
        strangers = self._conflicts.get(address, {})
        if mac in strangers and now - strangers[mac].last <= QUIET:
            strangers[mac].last = now
        else:
            strangers = {m: c for m, c in strangers.items() if now - c.last <= QUIET}
            if len(strangers) < STRANGERS:
                strangers[mac] = Conflict(now, now)
            self._conflicts[address] = strangers
        if now - self._defended.get(address, NEVER) < DEFEND:
            return False
        self._defended[address] = now
        return True

    def run(self, now: float) -> Due:
        """What is due by now."""
        ask: list[tuple[Address, Mac]] = []
        won: list[Address] = []
        for address, mac, contest in _each(self._contests):
            if not contest.asked and now >= contest.ask_at:
                contest.asked = True
                ask.append((address, mac))
            elif contest.asked and now >= contest.ask_at + INSIST:
                del self._contests[address][mac]  # no answer: it has yielded
                won.append(address)
        told: list[tuple[Address, Mac]] = []
        for address, mac, conflict in _each(self._conflicts):
            if self._directory.name_of(now, mac) is not None:
                del self._conflicts[address][mac]  # no stranger, as its Lease shows now
            elif not conflict.reported and now >= self._ripe(conflict):
                conflict.reported = True
                told.append((address, mac))
        return Due(ask, won, told)

    def _ripe(self, conflict: Conflict) -> float:
        return conflict.first + (GRACE if self._directory.anybody else 0.0)

    def due(self) -> float | None:
        """When `run` is wanted next."""
        times = [c.ask_at + INSIST * c.asked for _, _, c in _each(self._contests)]
        times += [self._ripe(c) for _, _, c in _each(self._conflicts) if not c.reported]
        return min(times, default=None)


def _each(found: Mapping[Address, Mapping[Mac, T]]) -> list[tuple[Address, Mac, T]]:
    """All of them, which may be changed meanwhile."""
    return [(address, mac, one) for address, macs in found.items() for mac, one in macs.items()]
