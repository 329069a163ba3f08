"""A plan, what it would give asked for on the LAN, and a plan again: with a LAN of a few lines."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from lbctl.addresses import Address, parse_address
from lbctl.apply import assign
from lbctl.decisions import Action, Decision
from lbctl.l2.probe import Found, Use
from lbctl.lan import MORE, TURNS, Lan
from lbctl.pools import PoolFile, Reservation
from lbctl.reasons import Reason
from lbctl.services import Key
from tests.unit.planner.values import Api, Json, blocks, held, pool, pools, service

MAC, PEER, ROUTER = (bytes((2, 0, 0, 0, 0, n)) for n in (1, 2, 3))
LAN = pools(pool("192.0.2.0/28"))


@dataclass
class Wire:
    """Who is on the LAN: all that these have; a router has the rest. What it was asked for, batch by batch."""

    strangers: Collection[str] = ()
    peers: Collection[str] = ()
    router: bool = False
    unasked: Collection[str] = ()
    answers: dict[Address, Found] = field(default_factory=dict)
    batches: list[tuple[list[str], list[str]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __call__(self, addresses: Collection[Address], more: Collection[Address]) -> dict[Address, Found]:
        self.batches.append((list(map(str, addresses)), list(map(str, more))))
        return {a: self._found(a) for a in (*addresses, *more) if str(a) not in self.unasked}

    def _found(self, address: Address) -> Found:
        if address in self.answers:
            return self.answers[address]
        if str(address) in self.strangers:
            return Found(address, Use.STRANGER, MAC)
        if str(address) in self.peers:
            return Found(address, Use.PEER, PEER, "n2")
        return Found(address, Use.PROXY, ROUTER) if self.router else Found(address, Use.FREE)

    def assign(self, api: Api, file: PoolFile = LAN, *names: str, **how: Any) -> dict[str, Decision]:
        """lbctl assign on this LAN."""
        selected = frozenset(Key("d", name) for name in names) if names else None
        lan = Lan(self, file, self.said.append)
        found = assign(api.cluster(), file, selected, lan=lan, wait=0, sleep=lambda _: None, **how)
        return {key.name: decision for key, decision in found.items()}


def _api(*items: Json) -> Api:
    return Api(items, blocks())


def test_one_batch_asks_for_what_is_to_be_given_and_for_what_comes_next() -> None:
    """All of them silent: that is all there is to it."""
    api, wire = _api(service("a"), service("b")), Wire()
    wire.assign(api, pools(pool("192.0.2.0/24"), pool("198.51.100.0/24", name="other")))
    assert api.shown() == {"a": ["192.0.2.0"], "b": ["192.0.2.1"]}
    assert wire.batches == [(["192.0.2.0", "192.0.2.1"], [f"192.0.2.{n}" for n in range(2, 2 + MORE)])]
    assert wire.said == []


def test_what_is_in_use_is_passed_over_without_asking_again() -> None:
    """The next ones are known to be silent by then; each is said once, with its MAC."""
    api, wire = _api(service("a"), service("b")), Wire(strangers=["192.0.2.0", "192.0.2.2", "192.0.2.9"])
    wire.assign(api)
    assert api.shown() == {"a": ["192.0.2.1"], "b": ["192.0.2.3"]}
    assert len(wire.batches) == 1
    assert wire.said == [
        "warning: AddressInUseOnLan: 192.0.2.0 is in use on the LAN: 02:00:00:00:00:01 answers for it, "
        "so it is passed over"
    ]


def test_a_node_that_still_announces_one_is_named() -> None:
    """It is ours."""
    api, wire = _api(service("a")), Wire(peers=["192.0.2.0"])
    wire.assign(api)
    assert api.shown() == {"a": ["192.0.2.1"]}
    assert wire.said == [
        "warning: StillAnnounced: 192.0.2.0 is still announced by node n2 (02:00:00:00:00:02), so it is passed over"
    ]


def test_when_all_that_were_asked_for_are_in_use_more_are_asked_each_time() -> None:
    """Until there is one, or until enough is enough."""
    lan = pools(pool("198.18.0.0/16"))
    api, wire = _api(service("a")), Wire(strangers=[f"198.18.0.{n}" for n in range(100)])
    wire.assign(api, lan)
    assert api.shown() == {"a": ["198.18.0.100"]}
    assert [len(asked) + len(more) for asked, more in wire.batches] == [33, 65, 129]

    everything = [str(parse_address("198.18.0.0") + n) for n in range(1 << 14)]
    wire = Wire(strangers=everything)
    wire.assign(_api(service("a")), lan)
    assert len(wire.batches) == TURNS


def test_one_asked_for_by_name_is_refused() -> None:
    """And nothing said beside the refusal; the pool's next ones are asked for as well, for the router's sake."""
    api, wire = _api(service("web", ask="192.0.2.5")), Wire(strangers=["192.0.2.5"])
    web = wire.assign(api)["web"]
    assert (web.action, web.reason) == (Action.REFUSE, Reason.AddressInUseOnLan)
    assert web.message == "192.0.2.5 is in use on the LAN: 02:00:00:00:00:01 answers for it"
    assert (wire.said, api.held()) == ([], {})
    assert wire.batches[0][0] == ["192.0.2.5"]


def test_one_that_is_reserved_is_refused_likewise() -> None:
    """It is as if it were asked for."""
    file = replace(LAN, reservations=(Reservation(Key("d", "web"), (parse_address("192.0.2.5"),)),))
    wire = Wire(peers=["192.0.2.5"])
    assert wire.assign(_api(service("web")), file)["web"].reason is Reason.StillAnnounced
    assert wire.said == []


def test_a_router_with_proxy_arp_is_told_of_once_and_its_answers_do_not_count() -> None:
    """Nor does it empty the pool."""
    api, wire = _api(service("a"), service("b", families=("IPv6",))), Wire(router=True)
    wire.assign(api, pools(pool("192.0.2.0/28", "2001:db8::/120")))
    assert api.shown() == {"a": ["192.0.2.0"], "b": ["2001:db8::"]}
    assert wire.said == [
        "warning: 02:00:00:00:00:03 answers for whatever address it is asked for (proxy ARP), "
        "so its answers do not count"
    ]


def test_a_router_that_was_recognized_is_one_where_it_answers_for_few() -> None:
    """In a later batch of the same run, for another pool."""
    wire, file = Wire(router=True), pools(pool("192.0.2.0/29"), pool("198.51.100.7", name="one", auto_assign=False))
    alone = parse_address("198.51.100.7")
    wire.answers = {alone: Found(alone, Use.STRANGER, ROUTER)}
    lan, api = Lan(wire, file, wire.said.append), _api(service("a"))
    assign(api.cluster(), file, lan=lan)
    api.services["/api/v1/namespaces/d/services/b"] = service("b", ask="198.51.100.7")
    assign(api.cluster(), file, lan=lan)
    assert api.shown() == {"a": ["192.0.2.0"], "b": ["198.51.100.7"]}
    assert len(wire.said) == 1


def test_what_a_service_holds_is_not_asked_for() -> None:
    """Whether it shows it yet or not; nor is anybody asked where nothing is to be given."""
    web, late = service("web", "192.0.2.1"), service("late")
    api, wire = Api([web, late], blocks(held("192.0.2.1", web), held("192.0.2.2", late))), Wire()
    wire.assign(api)
    assert (api.shown(), wire.batches) == ({"web": ["192.0.2.1"], "late": ["192.0.2.2"]}, [])


def test_a_shared_address_is_not_asked_for_by_who_joins() -> None:
    """Its announcer would answer."""
    one, two = (service(n, ports=[{"port": p}]) for n, p in (("one", 80), ("two", 81)))
    for item in (one, two):
        item["metadata"]["annotations"]["lbctl/share"] = "k"
    api, wire = _api(one), Wire(strangers=[])
    wire.assign(api)
    api.services["/api/v1/namespaces/d/services/two"] = two
    wire.batches.clear()
    wire.strangers = ["192.0.2.0"]
    wire.assign(api)
    assert (api.shown(), wire.batches) == ({"one": ["192.0.2.0"], "two": ["192.0.2.0"]}, [])


def test_what_cannot_be_asked_for_is_given() -> None:
    """It is on no LAN of this machine."""
    api, wire = _api(service("a")), Wire(unasked=[f"192.0.2.{n}" for n in range(16)])
    wire.assign(api)
    assert api.shown() == {"a": ["192.0.2.0"]}


def test_make_before_break() -> None:
    """Who asks for another address that is in use keeps the one he has."""
    web = service("web", "192.0.2.1", ask="192.0.2.5")
    api, wire = Api([web], blocks(held("192.0.2.1", service("web")))), Wire(strangers=["192.0.2.5"])
    found = wire.assign(api)["web"]
    assert (found.reason, api.shown()) == (Reason.AddressInUseOnLan, {"web": ["192.0.2.1"]})
