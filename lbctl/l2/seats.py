"""One address on one interface as the announcer sees it, and what is open about it: values that its machine changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from lbctl.addresses import Address
from lbctl.l2.actions import Duty, Why
from lbctl.l2.frames import Mac

NEVER = float("-inf")  # when something was that was never


class Phase(Enum):
    """Where an address stands here; only the third and the fourth of them are answered for."""

    PROBING = "probing"  # nobody is known to answer; asking, or waiting for our turn
    STANDBY = "standby"  # another announcer answers
    ANNOUNCING = "announcing"
    LEAVING = "leaving"  # may no longer, and answers until another does
    YIELDED = "yielded"  # a stranger has it


@dataclass(eq=False, slots=True)
class Turn:
    """Addresses that fall to us together, once they were asked for and nobody answered.

    `at` is when to ask for them, and, once that is done, when to take them. `owner` is who fell silent, if that is why.
    """

    at: float
    began: float
    why: Why
    owner: Mac | None = None
    seats: list[Seat] = field(default_factory=list)
    asked: bool = False

    def waiting(self) -> list[Seat]:
        """Those that nobody has answered for yet."""
        return [seat for seat in self.seats if seat.turn is self]


@dataclass(eq=False, slots=True)
class Seat:
    """One address on one interface."""

    address: Address
    duty: Duty
    phase: Phase = Phase.PROBING
    turn: Turn | None = None  # PROBING
    owner: Mac | None = None  # STANDBY, YIELDED: who answers
    since: float = 0.0  # ANNOUNCING: when it was taken
    why: Why | None = None  # ANNOUNCING: how
    taken_from: Mac | None = None  # ANNOUNCING: from whom
    refused: bool = False  # a stranger had it when we last asked
    until: float = 0.0  # LEAVING: when to stop; YIELDED: when to ask again; STANDBY: not to be taken before


@dataclass(slots=True)
class Contest:
    """A peer claims an address that we keep: until it yields, or shows that it heard us and does not."""

    again: int  # how often it claimed it again, knowing ours
    heard_us: float  # a claim from then on was made knowing ours
    ask_at: float
    asked: bool = False


@dataclass(slots=True)
class Conflict:
    """A stranger claims one of our addresses."""

    first: float
    last: float
    reported: bool = False
