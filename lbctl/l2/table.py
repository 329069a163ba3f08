"""The addresses of one interface, each in its phase, and the steps from phase to phase.

PROBING --nobody answers, our turn--> ANNOUNCING --may no longer--> LEAVING --another is heard, or 1 s--> (none)
   |  ^                                 |   ^  |
   |  +--silent------ STANDBY <--yield--+   |  +--a stranger, onConflict: yield--> YIELDED --30 s--> PROBING
   +--a peer answers-----^   +--handover----+
   +--a stranger answers--> YIELDED
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lbctl.addresses import Address
from lbctl.l2.actions import Action, Answer, Kind, Report, Send, Silence, Why
from lbctl.l2.directory import Directory
from lbctl.l2.disputes import Disputes
from lbctl.l2.frames import Mac
from lbctl.l2.gratuitous import Gratuitous
from lbctl.l2.handover import TOLD, Handover
from lbctl.l2.messages import Voice
from lbctl.l2.seats import Phase, Seat, Turn
from lbctl.l2.sentry import Sentry
from lbctl.l2.standby import Owner

BETWEEN = 0.1  # seconds between two probes, and to wait for the answer to the last one
PLACE = 0.3  # seconds that each place in the order waits for the one before it: its probe, and its announcement
LEAVE = 1.0  # seconds at most that an address is answered for which is no longer ours (DESIGN 7)
AGAIN = 30.0  # seconds after which a stranger's address is asked for again (DESIGN 7)
FIRST = 1.5  # the same for the first time: it may be an announcer's that leaves, and gave its Lease back before we came


class Table:
    """The seats of one interface; what a step does on the wire goes into `out`."""

    def __init__(self, interface: str, voice: Voice, directory: Directory, out: Callable[[Action], None]) -> None:
        self.interface = interface
        self.voice = voice
        self.directory = directory
        self.out = out
        self.seats: dict[Address, Seat] = {}
        self.turns: list[Turn] = []
        self.owners: dict[Mac, Owner] = {}
        self.leaving: dict[Address, Seat] = {}
        self.yielded: dict[Address, Seat] = {}
        self.aloud = Gratuitous()
        self.disputes = Disputes(directory)
        self.handover = Handover(directory)
        self.sentry = Sentry(directory)
        self.changed = False  # whether what is announced, or who else may, is not the sentry's any more

    def ask(self, now: float, seats: list[Seat], why: Why, owner: Mac | None = None) -> None:
        """Find out whether anybody has these; those that nobody has are taken when our turn comes.

        At start, on link up, after a stall: two probes (DESIGN 7). After an owner's silence: one, when our turn has
        come, since it was asked four times before.
        """
        first = now
        if owner is None:
            self.question(seat.address for seat in seats)
            first = now + BETWEEN
        turns: dict[int, Turn] = {}
        for seat in seats:
            # Who stalled was the owner, and the others wait longer than its questions take.
            place = 0 if why is Why.STALL else self.handover.place(now, seat, owner)
            turn = turns.setdefault(place, Turn(first + place * PLACE, now, why, owner))
            turn.seats.append(seat)
            self._leave_lists(seat)
            seat.phase, seat.turn = Phase.PROBING, turn
        self.turns.extend(turns.values())

    def postpone(self, now: float, seat: Seat, turn: Turn) -> None:
        """A peer that comes before us asks for the same, and is about to take it: ask again when it should have."""
        later = next((t for t in self.turns if t.began == turn.began and t.at == now + PLACE and not t.asked), None)
        if later is None:
            later = Turn(now + PLACE, turn.began, turn.why, turn.owner)
            self.turns.append(later)
        later.seats.append(seat)
        seat.turn = later

    def take(self, now: float, seats: list[Seat], why: Why, owner: Mac | None = None) -> None:
        """Announce these from now on: the responder first, then aloud."""
        for seat in seats:
            taken_from = owner or seat.owner
            self._leave_lists(seat)
            seat.phase, seat.since, seat.why, seat.taken_from = Phase.ANNOUNCING, now, why, taken_from
            seat.refused = False
            if why in (Why.HANDOVER, Why.UNREACHABLE) and taken_from is not None:
                self.disputes.keep(now, seat.address, taken_from)  # what it says before it has heard us means nothing
            self.out(Answer(self.interface, seat.address, self.voice.mac))
            self.report(now, Kind.ANNOUNCING, seat, why, taken_from)
        if seats:
            self.aloud.add(now, [seat.address for seat in seats])
            self.changed = True

    def behind(self, now: float, seat: Seat, mac: Mac) -> None:
        """Stand behind a peer that answers; or take over from it, when it may not and that falls to us."""
        self._leave_lists(seat)
        seat.phase, seat.owner = Phase.STANDBY, mac
        owner = self.owners.get(mac)
        if owner is None:
            owner = self.owners[mac] = Owner(mac, now)
            self.handover.watch(now, mac)
        owner.addresses[seat.address] = None
        self.review(now, [seat])

    def review(self, now: float, seats: Iterable[Seat]) -> None:
        """Take over what is to be handed over and falls to us."""
        ours: dict[Why, list[Seat]] = {}
        for seat in seats:
            if seat.phase is Phase.STANDBY and seat.owner is not None:
                why = self.handover.why(now, seat, seat.owner)
                if why is None:
                    seat.until = 0.0
                elif self._ripe(now, seat, seat.owner, why):
                    ours.setdefault(why, []).append(seat)
        for why, taken in ours.items():
            self.take(now, taken, why)

    def _ripe(self, now: float, seat: Seat, owner: Mac, why: Why) -> bool:
        """Whether the owner should know by now that it may no longer."""
        if why is Why.HANDOVER and seat.until == 0.0:
            seat.until = now + TOLD
            self.handover.later(owner, seat.until)
        return now >= seat.until

    def give_up(self, now: float, seat: Seat, mac: Mac) -> None:
        """Yield to a peer that claims what we announce."""
        if seat.why in (Why.HANDOVER, Why.UNREACHABLE) and seat.taken_from == mac:
            self.handover.refused(now, mac)
        self.silence(seat)
        self.report(now, Kind.YIELDED, seat, Why.DUPLICATE, mac)
        self.behind(now, seat, mac)
        if seat.phase is Phase.STANDBY:
            self.owners[mac].first.append(seat.address)  # it may have yielded to us at the same moment

    def refuse(self, now: float, seat: Seat, mac: Mac) -> None:
        """Leave it to a stranger, and ask again later."""
        soon = not seat.refused and seat.phase is not Phase.ANNOUNCING
        if seat.phase is Phase.ANNOUNCING:
            self.silence(seat)
            self.report(now, Kind.YIELDED, seat, Why.STRANGER, mac)
        self._leave_lists(seat)
        seat.phase, seat.owner, seat.until = Phase.YIELDED, mac, now + (FIRST if soon else AGAIN)
        seat.refused = True
        self.yielded[seat.address] = seat

    def leave(self, now: float, seat: Seat, why: Why, others: bool) -> None:
        """This node may no longer. Where another may, it answers until it hears that one, a second at most (DESIGN 7,
        planned moves)."""
        if seat.phase is Phase.LEAVING and others:
            return
        if seat.phase is Phase.ANNOUNCING and others:
            seat.phase, seat.until, seat.why = Phase.LEAVING, now + LEAVE, why
            self.leaving[seat.address] = seat
            self.changed = True
        else:
            self.drop(now, seat, why)

    def stay(self, seat: Seat) -> None:
        """It may again, and has answered all along."""
        self._leave_lists(seat)
        seat.phase = Phase.ANNOUNCING
        self.changed = True

    def drop(self, now: float, seat: Seat, why: Why, mac: Mac | None = None) -> None:
        """It is none of our business any longer."""
        if seat.phase in (Phase.ANNOUNCING, Phase.LEAVING):
            self.silence(seat)
            self.report(now, Kind.LEFT, seat, why, mac)
        self._leave_lists(seat)
        del self.seats[seat.address]

    def question(self, addresses: Iterable[Address], to: Mac | None = None) -> None:
        """Ask who has these: all of the LAN, or one station."""
        for address in addresses:
            self.out(Send(self.interface, self.voice.ask(address, to)))

    def announce(self, addresses: Iterable[Address]) -> None:
        """Say aloud that we have these."""
        for address in addresses:
            for frame in self.voice.announce(address):
                self.out(Send(self.interface, frame, gratuitous=True))

    def report(self, now: float, kind: Kind, seat: Seat, why: Why | None, mac: Mac | None) -> None:
        """Tell of an address, and of whose MAC it was about."""
        peer = None if mac is None else self.directory.name_of(now, mac)
        self.out(Report(kind, self.interface, seat.address, why, mac, peer or ""))

    def silence(self, seat: Seat) -> None:
        """Answer for it no longer."""
        self.out(Silence(self.interface, seat.address))
        self.aloud.discard(seat.address)
        self.disputes.over(seat.address)
        self.sentry.lost(seat.address)
        self.changed = True

    def _leave_lists(self, seat: Seat) -> None:
        """Out of the lists in which the seat is by its phase."""
        self.leaving.pop(seat.address, None)
        self.yielded.pop(seat.address, None)
        owner = None if seat.owner is None else self.owners.get(seat.owner)
        if owner is not None:
            owner.discard(seat.address)
            if not owner.addresses:
                del self.owners[owner.mac]
        seat.turn = seat.owner = None
        seat.until = 0.0
