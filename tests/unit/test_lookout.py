"""What serve does with a LAN that others are on: silent addresses for all, and an answer first for who names one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any

import pytest

from lbctl.addresses import Address, parse_address
from lbctl.decisions import Action
from lbctl.errors import LbctlError
from lbctl.l2.probe import Found, Use
from lbctl.lookout import AGAIN, AHEAD, FRESH, PATIENCE, SOON, Lookout
from lbctl.reasons import Reason
from lbctl.scouting import COMPANY, Scout
from lbctl.services import Key
from lbctl.world import World
from tests.unit.planner.values import NOW, Api, blocks, held, pool, pools, released, service
from tests.unit.test_controller import Stage

HOST, PEER, ROUTER = (bytes((2, 0, 0, 0, 0, n)) for n in (1, 2, 3))
LAN = pools(pool("192.0.2.0-192.0.2.3"))
WEB = Key("d", "web")


def _address(number: int) -> Address:
    return parse_address(f"192.0.2.{number}")


def _found(number: int, use: Use) -> Found:
    macs = {Use.STRANGER: HOST, Use.PEER: PEER, Use.PROXY: ROUTER}
    return Found(_address(number), use, macs.get(use), "n2" if use is Use.PEER else "")


class Asking(Stage):
    """A loop whose LAN can be asked: `asked` is what it wants to know, `hear` gives the answers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked: list[str] = []
        self.loop.ask = lambda addresses: self.asked.extend(map(str, addresses))

    def hear(self, *found: Found) -> list[str]:
        """These are the answers, by now; what is to be warned of."""
        answers = {one.address: one for one in found}
        news = self.world.lookout.heard(answers, answers, self.clock)

        def change(world: World) -> None:
            world.dirty |= news.waited
            world.helps = world.helps or news.silent

        self.loop.tell(change)
        return news.warnings


def test_an_address_that_is_given_unasked_is_not_waited_for() -> None:
    """What is known of the LAN by then counts: here that a host has the first."""
    stage = Asking(Api([service("a"), service("b")]), LAN)
    words = stage.hear(_found(0, Use.STRANGER), _found(1, Use.FREE))
    assert words == [
        "AddressInUseOnLan: 192.0.2.0 is in use on the LAN: 02:00:00:00:00:01 answers for it, so it is passed over"
    ]
    assert stage.hear(_found(0, Use.STRANGER)) == []
    assert stage.step() == {"a": ["192.0.2.1"], "b": ["192.0.2.2"]}
    assert stage.asked == []


def test_one_asked_for_by_name_waits_for_an_answer_and_is_given_if_there_is_none() -> None:
    """At once when it is in, and others do not wait meanwhile; nobody else gets it."""
    stage = Asking(Api([service("web", ask="192.0.2.0"), service("other")]), LAN)
    assert stage.step() == {"web": [], "other": ["192.0.2.1"]}
    actions = {d.service.key.name: (d.action, d.reason) for d in stage.said}
    assert actions["web"] == (Action.WAIT, Reason.BeingAssigned)
    assert stage.asked == ["192.0.2.0"]
    stage.hear(_found(0, Use.FREE))
    assert stage.step(0.4) == {"web": ["192.0.2.0"], "other": ["192.0.2.1"]}
    assert stage.asked == ["192.0.2.0"]


def test_one_that_is_reserved_waits_as_well() -> None:
    """It is asked for by the pool file."""
    from dataclasses import replace

    from lbctl.pools import Reservation

    stage = Asking(Api([service("web")]), replace(LAN, reservations=(Reservation(WEB, (_address(3),)),)))
    assert (stage.step(), stage.asked) == ({"web": []}, ["192.0.2.3"])


@pytest.mark.parametrize(
    ("use", "reason"), [(Use.STRANGER, Reason.AddressInUseOnLan), (Use.PEER, Reason.StillAnnounced)]
)
def test_one_that_is_taken_is_refused_until_it_falls_silent(use: Use, reason: Reason) -> None:
    """The refusal says who has it, so that nothing is warned of beside it."""
    stage = Asking(Api([service("web", ask="192.0.2.0")]), LAN)
    stage.step()
    assert stage.hear(_found(0, use)) == []
    assert stage.step(0.4) == {"web": []}
    assert stage.loop.stuck == {WEB: reason}
    stage.hear(_found(0, Use.FREE))
    assert stage.step(3) == {"web": ["192.0.2.0"]}


def test_an_answer_that_never_comes_is_not_waited_for_for_ever() -> None:
    """Whoever asks may be in trouble; what cannot be asked for is told so, and is no reason to wait either."""
    stage = Asking(Api([service("web", ask="192.0.2.0")]), LAN)
    stage.step()
    assert stage.step(PATIENCE - 0.1) == {"web": []}
    assert stage.step(6) == {"web": ["192.0.2.0"]}

    stage = Asking(Api([service("web", ask="192.0.2.0")]), LAN)
    stage.step()
    news = stage.world.lookout.heard([_address(0)], {}, stage.clock)
    assert news.waited == {WEB}
    stage.world.dirty |= news.waited
    assert stage.step() == {"web": ["192.0.2.0"]}


def test_an_answer_counts_for_a_minute() -> None:
    """Then it is asked for anew."""
    stage = Asking(Api([service("web"), service("late")]), LAN)
    stage.hear(_found(3, Use.FREE), _found(2, Use.FREE))
    stage.put(service("web", ask="192.0.2.3"))
    assert stage.step(FRESH - 1)["web"] == ["192.0.2.3"]
    stage.put(service("late", *stage.api.shown()["late"], ask="192.0.2.2"))
    stage.step(2)
    assert stage.asked == ["192.0.2.2"]


def test_a_status_that_is_put_back_is_not_asked_for() -> None:
    """Our own announcer would answer."""
    web = service("web", ask="192.0.2.0")
    stage = Asking(Api([web], blocks(held("192.0.2.0", web))), LAN)
    assert (stage.step(), stage.asked) == ({"web": ["192.0.2.0"]}, [])


def _wanted(lookout: Lookout, stage: Stage, now: float) -> list[str]:
    return list(map(str, lookout.wanted(stage.world.index, stage.world.pools, now)[0]))


def test_what_comes_next_is_asked_for_again_before_it_is_old() -> None:
    """So many of each pool and family; not of a pool that gives nothing."""
    file = pools(pool("192.0.2.0/24", "2001:db8::/120"), pool("198.51.100.0/24", name="old", disabled=True))
    stage = Stage(Api([service("a")]), file)
    stage.step()
    lookout = stage.world.lookout
    first = _wanted(lookout, stage, 0.0)
    six = [str(parse_address("2001:db8::") + n) for n in range(AHEAD)]
    assert first == [f"192.0.2.{n}" for n in range(1, 1 + AHEAD)] + six
    lookout.heard(map(parse_address, first), {}, 0.4)
    assert _wanted(lookout, stage, AGAIN) == []
    assert _wanted(lookout, stage, AGAIN + 1) == first
    stage.put(service("b"))
    stage.step()
    assert _wanted(lookout, stage, 1.0) == [f"192.0.2.{1 + AHEAD}"]


def test_what_somebody_answered_for_is_asked_for_again_until_a_service_holds_it() -> None:
    """Soon, where it is a node of ours that still announces it."""
    stage = Stage(Api([service("a")]), LAN)
    lookout = stage.world.lookout
    numbers = {number: _found(number, use) for number, use in ((0, Use.STRANGER), (1, Use.PEER))}
    lookout.heard(map(_address, range(4)), {_address(n): one for n, one in numbers.items()}, 0.0)
    assert _wanted(lookout, stage, SOON) == ["192.0.2.1"]
    assert _wanted(lookout, stage, AGAIN) == ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    stage.api.blocks |= {b.id.name: b.to_object() for b in blocks(held("192.0.2.0", service("a"))).values()}
    stage.step()
    assert _wanted(lookout, stage, AGAIN) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert list(map(str, lookout.lan)) == ["192.0.2.1"]


def test_what_will_have_cooled_soon_is_asked_for_before() -> None:
    """A pool that is full gives it the moment it may."""
    two = pools(pool("192.0.2.0/31"))
    cooling = [released(f"192.0.2.{number}", service("x"), ago=ago) for number, ago in ((0, 10), (1, 40))]
    stage = Asking(Api([], blocks(*cooling)), two)
    stage.step()
    assert stage.world.ahead(NOW, 0.0)[0] == [_address(1)]
    assert stage.world.index.now == NOW


def test_a_router_with_proxy_arp_is_told_of_once_and_known_from_then_on() -> None:
    """Also where it answers for fewer than four."""
    stage = Asking(Api([service("web", ask="192.0.2.3")]), LAN)
    words = "02:00:00:00:00:03 answers for whatever address it is asked for (proxy ARP), so its answers do not count"
    assert stage.hear(*(_found(number, Use.PROXY) for number in range(2))) == [words]
    assert stage.hear(Found(_address(3), Use.STRANGER, ROUTER)) == []
    assert stage.step() == {"web": ["192.0.2.3"]}


class Room:
    """A World in the hands of the test: what a Scout tells is done at once; its batches, and an answer of one's own."""

    def __init__(self, answer: Callable[[Collection[Address]], dict[Address, Found]]) -> None:
        self.stage = Stage(Api([]), LAN)
        self.batches: list[list[str]] = []
        self.warned: list[str] = []
        self.asked = threading.Semaphore(0)
        self._answer = answer

        def ask(addresses: Collection[Address]) -> dict[Address, Found]:
            self.batches.append(list(map(str, addresses)))
            try:
                return self._answer(addresses)
            finally:
                self.asked.release()

        self.scout = Scout(ask, lambda change: change(self.stage.world), self.warned.append, lambda: NOW)

    def __enter__(self) -> Room:
        self.scout.start()
        assert self.scout.ready.wait(10)
        return self

    def __exit__(self, *_: Any) -> None:
        self.scout.stop()


def test_a_scout_asks_for_what_comes_next_first_and_for_what_is_wanted_at_once() -> None:
    """In company, so that a router is recognized; the loop's World has the answers."""
    with Room(lambda asked: {a: Found(a, Use.STRANGER, HOST) for a in asked if int(a) & 1}) as room:
        assert room.batches == [[f"192.0.2.{n}" for n in range(4)]]
        assert list(map(str, room.stage.world.lookout.lan)) == ["192.0.2.1", "192.0.2.3"]
        assert len(room.warned) == 2
        room.scout.want([parse_address("192.0.2.9")])
        assert room.asked.acquire(timeout=10)
        assert room.asked.acquire(timeout=10)
    assert room.batches[1][0] == "192.0.2.9"
    assert len(room.batches[1]) == 5 <= COMPANY


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (LbctlError("no right to"), ": no right to"),
        (IndexError("of a bug"), " because of a bug: IndexError('of a bug')"),
    ],
)
def test_a_scout_that_cannot_ask_says_so_once_and_keeps_nobody_waiting(failure: Exception, words: str) -> None:
    """It goes on trying."""

    def broken(_: Collection[Address]) -> dict[Address, Found]:
        raise failure

    with Room(broken) as room:
        room.scout.want([parse_address("192.0.2.9")])
        assert room.asked.acquire(timeout=10)
        assert room.asked.acquire(timeout=10)
    assert room.warned == [f"the LAN cannot be asked{words}"]
    assert room.stage.world.lookout.lan == {}
