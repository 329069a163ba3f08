"""One interface of an announcer: what comes in (the API's word, frames, time), and the step that each calls for.

Several interfaces are several machines that know nothing of each other: on two LANs an address has two owners, and on
one LAN the second interface hears the first as it hears a peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lbctl.addresses import Address
from lbctl.l2 import election
from lbctl.l2.actions import Action, Answer, Duty, Kind, OnConflict, Report, Send, Why
from lbctl.l2.directory import Directory
from lbctl.l2.frames import Frame, Mac
from lbctl.l2.messages import Claim, Manner, Question, Voice, read
from lbctl.l2.seats import Phase, Seat
from lbctl.l2.standby import Verdict
from lbctl.l2.table import BETWEEN, Table

RECENT = 0.5  # seconds in which two may have taken over at the same moment
GIVES_WAY = 2.0  # seconds after which who asks on and on is not about to take an address, but has it


class Port:
    """The machine of one interface; what it does on the wire goes into `out`."""

    def __init__(self, interface: str, voice: Voice, directory: Directory, out: Callable[[Action], None]) -> None:
        self._directory = directory
        self._table = Table(interface, voice, directory, out)
        self._out = out

    @property
    def seats(self) -> dict[Address, Seat]:
        """The addresses that are this interface's business."""
        return self._table.seats

    # What the API says.

    def assign(self, now: float, duties: Iterable[tuple[Address, Duty | None]]) -> None:
        """What is to be announced here from now on."""
        table = self._table
        new: list[Seat] = []
        known: list[Seat] = []
        for address, duty in duties:
            seat = table.seats.get(address)
            if seat is not None:
                seat.duty = duty or seat.duty
            if duty is None or self._directory.node not in duty.order or table.interface not in duty.interfaces:
                if seat is not None:
                    table.leave(now, seat, Why.DUTY, duty is not None and self._others(duty))
            elif seat is None:
                table.seats[address] = seat = Seat(address, duty)
                new.append(seat)
            elif seat.phase is Phase.LEAVING:
                table.stay(seat)
            else:
                known.append(seat)
        table.review(now, known)
        table.take(now, [seat for seat in new if seat.duty.force], Why.FORCED)
        table.ask(now, [seat for seat in new if not seat.duty.force], Why.UNCLAIMED)
        table.changed = True

    def _others(self, duty: Duty) -> bool:
        """Whether another may announce it: another node, or another interface of ours."""
        return any(self._directory.fresh(name) for name in duty.order)

    def reviewed(self, now: float) -> None:
        """The peers, or what is known of them, changed."""
        table = self._table
        for seat in list(table.yielded.values()):
            if seat.owner is not None and self._directory.name_of(now, seat.owner) is not None:
                table.behind(now, seat, seat.owner)  # it was no stranger
        for mac in list(table.owners):
            table.handover.watch(now, mac)
        table.review(now, list(table.seats.values()))
        table.changed = True

    def stop(self, now: float) -> None:
        """This node stops."""
        for seat in list(self.seats.values()):
            others = any(self._directory.fresh(n) for n in seat.duty.order if n != self._directory.node)
            self._table.leave(now, seat, Why.STOP, others)

    # What the interface is.

    def speak(self, now: float, voice: Voice) -> None:
        """The interface has another MAC, or another link-local address."""
        table = self._table
        moved, table.voice = voice.mac != table.voice.mac, voice
        if moved:
            owned = [seat.address for seat in self._answered()]
            for address in owned:
                self._out(Answer(table.interface, address, voice.mac))
            table.aloud.add(now, owned)

    def down(self, now: float) -> None:
        """The link is gone."""
        for seat in list(self.seats.values()):
            self._table.drop(now, seat, Why.LINK)

    def stalled(self, now: float) -> bool:
        """We stood still, and others may have taken over: ask before answering again (DESIGN 7). Whether anything was
        answered for."""
        table = self._table
        answered = self._answered()
        for seat in answered:
            if seat.phase is Phase.LEAVING:
                table.drop(now, seat, Why.STALL)
            else:
                table.silence(seat)
        table.sentry.restart(now)
        for owner in table.owners.values():
            owner.restart(now)
        # An answer may lie in a queue that was not read yet.
        table.turns.clear()
        table.ask(now, [s for s in self.seats.values() if s.phase is Phase.PROBING], Why.UNCLAIMED)
        table.ask(now, [s for s in self.seats.values() if s.phase is Phase.ANNOUNCING], Why.STALL)
        table.changed = True
        return bool(answered)

    def _answered(self) -> list[Seat]:
        return [seat for seat in self.seats.values() if seat.phase in (Phase.ANNOUNCING, Phase.LEAVING)]

    # What the wire says.

    def heard(self, now: float, frame: Frame) -> None:
        """A frame that is not this interface's own."""
        claim, question = read(frame)
        name = self._directory.name_of(now, frame.source)
        if name is not None:
            self._table.sentry.heard(now, name)
            if question is not None and question.to_all:
                self._rival(now, question, name)
            elif question is not None:
                self._stands_behind(question, frame.source)
        if claim is not None and claim.mac != self._table.voice.mac:
            self._claimed(now, claim)

    def _rival(self, now: float, question: Question, name: str) -> None:
        """A peer that asks all of the LAN is about to take the address. If we are, too, the first in the order goes
        first."""
        seat = self.seats.get(question.address)
        if seat is None or seat.turn is None or now - seat.turn.began > GIVES_WAY:
            return
        if election.ahead(name, self._directory.node, seat.address):
            self._table.postpone(now, seat, seat.turn)

    def _stands_behind(self, question: Question, mac: Mac) -> None:
        """A peer that asks us alone stands behind us. If it was silent once and we took over, that is over: what it
        claims from now on it does not claim for want of news."""
        seat = self.seats.get(question.address)
        if seat is not None and seat.taken_from == mac and question.address not in self._table.disputes:
            seat.taken_from = None

    def _claimed(self, now: float, claim: Claim) -> None:
        seat = self.seats.get(claim.address)
        name = self._directory.name_of(now, claim.mac)
        if name is None:
            if seat is not None:
                self._stranger(now, seat, claim.mac)
        elif claim.manner is not Manner.USE:  # a peer's kernel may send with any of its addresses
            self._alive(now, claim)
            if seat is not None:
                self._peer(now, seat, claim, name)

    def _alive(self, now: float, claim: Claim) -> None:
        """An owner answers. If it was thought silent, all that was its is its still."""
        table = self._table
        owner = table.owners.get(claim.mac)
        if owner is not None:
            owner.answered(claim.address)
        for turn in [turn for turn in table.turns if turn.owner == claim.mac]:
            table.turns.remove(turn)
            for seat in turn.waiting():
                table.behind(now, seat, claim.mac)

    def _peer(self, now: float, seat: Seat, claim: Claim, name: str) -> None:
        """A peer claims one of our addresses."""
        if seat.phase is Phase.LEAVING:  # what we waited for
            self._table.drop(now, seat, seat.why or Why.DUTY, claim.mac)
        elif seat.phase is Phase.ANNOUNCING:
            self._duplicate(now, seat, claim, name)
        elif seat.owner != claim.mac:
            self._table.behind(now, seat, claim.mac)

    def _duplicate(self, now: float, seat: Seat, claim: Claim, name: str) -> None:
        """Two announce it and hear each other: one yields, the other announces once more (DESIGN 7)."""
        table = self._table
        again = table.disputes.again(now, seat.address, claim.mac)
        if again is None:
            return
        standing = election.Standing(
            interrupted=table.sentry.interrupted(seat),
            lonely=table.sentry.lonely(seat),
            succeeded=seat.why is Why.SILENCE and seat.taken_from == claim.mac,
            away=table.sentry.was_away(now, name),
            connected=self._directory.connected or not self._directory.anybody,  # there may be no API at all
            recent=now - seat.since < RECENT,
            ahead=election.ahead(self._directory.node, name, seat.address, table.voice.mac, claim.mac),
        )
        if election.keeps(standing, election.Heard(claim.manner is Manner.ALOUD, again)):
            table.announce([seat.address])
            table.disputes.keep(now, seat.address, claim.mac, again)
        else:
            table.give_up(now, seat, claim.mac)

    def _stranger(self, now: float, seat: Seat, mac: Mac) -> None:
        """A MAC that is no announcer's claims one of our addresses."""
        table = self._table
        # RFC 5227 2.1.1. It also gives way to a stranger's probe at the same time; ours is the shorter one, so that the
        # stranger hears us answer and gives way itself.
        if seat.phase is Phase.PROBING and not seat.duty.force:
            table.refuse(now, seat, mac)
        if seat.phase not in (Phase.ANNOUNCING, Phase.YIELDED):
            return
        defend = table.disputes.stranger(now, seat.address, mac)
        if defend and seat.phase is Phase.ANNOUNCING and seat.duty.on_conflict is OnConflict.DEFEND:  # RFC 5227 2.4 c
            self._out(Send(table.interface, table.voice.defend(seat.address), gratuitous=True))

    # What the time says.

    def due(self) -> float | None:
        """When `tick` is wanted next."""
        table = self._table
        times = [turn.at for turn in table.turns]
        times += [owner.due for owner in table.owners.values()]
        times += [seat.until for seat in (*table.leaving.values(), *table.yielded.values())]
        for part in (table.aloud, table.disputes, table.handover, table.sentry):
            at = part.due()
            if at is not None:
                times.append(at)
        return min(times, default=None)

    def tick(self, now: float) -> None:
        """Whatever is due by now."""
        table = self._table
        self._turns(now)
        for mac in table.handover.run(now):
            owner = table.owners.get(mac)
            if owner is not None:
                table.review(now, [table.seats[address] for address in owner.addresses])
        self._owners(now)
        for seat in [seat for seat in table.leaving.values() if seat.until <= now]:
            table.drop(now, seat, seat.why or Why.DUTY)
        again = [seat for seat in table.yielded.values() if seat.until <= now]
        table.ask(now, again, Why.UNCLAIMED)
        self._disputes(now)
        if table.changed:  # at most once a look, as it goes through all of them
            table.changed = False
            table.sentry.owns(now, [seat for seat in self.seats.values() if seat.phase is Phase.ANNOUNCING])
        look = table.sentry.run(now, self._directory.nodes)
        if look.cut_off:
            self._out(Report(Kind.CUT_OFF, table.interface))
        table.question(look.ask)
        table.announce(look.kept)
        self.settle(now)

    def settle(self, now: float) -> None:
        """The end of each step: announce what was taken, after all of it is answered for."""
        self._table.announce(self._table.aloud.run(now))

    def _turns(self, now: float) -> None:
        """Our turns: ask, wait for the answer, take what nobody has."""
        table = self._table
        for turn in [turn for turn in table.turns if turn.at <= now]:
            waiting = turn.waiting()
            if waiting and not turn.asked:
                table.question(seat.address for seat in waiting)
                turn.asked, turn.at = True, now + BETWEEN
                continue
            table.turns.remove(turn)
            table.take(now, waiting, turn.why, turn.owner)
            table.sentry.taken(waiting, turn.began)

    def _owners(self, now: float) -> None:
        """The owners that we stand behind."""
        table = self._table
        for owner in [owner for owner in table.owners.values() if owner.due <= now]:
            verdict, address = owner.beat(now, self._directory.nodes)
            if verdict is Verdict.ASK:
                table.question([address], owner.mac)
                continue
            # Silent: wait for our turn. Else it let go of something, and nobody said so: ask for all of its.
            gone = owner.mac if verdict is Verdict.SILENT else None
            table.ask(now, [table.seats[a] for a in owner.addresses], Why.SILENCE if gone else Why.UNCLAIMED, gone)

    def _disputes(self, now: float) -> None:
        table = self._table
        due = table.disputes.run(now)
        for address, mac in due.ask:
            table.question([address], mac)
        table.announce(due.won)
        for address, mac in due.told:
            seat = self.seats.get(address)
            if seat is None:
                continue
            if seat.phase is Phase.ANNOUNCING:
                table.report(now, Kind.CONFLICT, seat, Why.STRANGER, mac)
                if seat.duty.on_conflict is OnConflict.YIELD:
                    table.refuse(now, seat, mac)
            elif seat.phase is Phase.YIELDED:
                table.report(now, Kind.REFUSED, seat, Why.STRANGER, mac)
