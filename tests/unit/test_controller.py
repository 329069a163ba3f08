"""The loop of serve, step by step on a clock of its own, over an API server of a few lines that it may lag behind."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from lbctl.claims import parse_block
from lbctl.controller import FIGHTS, SLOW, WINDOW, Controller, Later, Pace, Watchers
from lbctl.decisions import Decision
from lbctl.kube.errors import Forbidden, Gone, Invalid, NotFound, Unreachable
from lbctl.kube.transport import Answer
from lbctl.pools import PoolFile
from lbctl.services import Key, parse_service
from lbctl.world import World
from tests.unit.planner.values import NOW, Api, Json, blocks, held, pool, pools, released, service

WROTE = {"manager": "lbctl", "fieldsV1": {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}}
LAN = pools(pool("192.0.2.0-192.0.2.3"))


@dataclass
class Stage:
    """A cluster, the loop over it, and a clock; `see` is what the watches would bring by now."""

    api: Api
    pools: PoolFile = LAN
    clock: float = 1000.0
    said: list[Decision] = field(default_factory=list)
    away: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.pools, {})
        watchers = Watchers()
        watchers.planned = self.said.extend  # type: ignore[assignment]
        watchers.failed = lambda away: self.away.append(away.message)  # type: ignore[method-assign]
        pace = Pace(clock=lambda: self.clock, jitter=lambda: 0.5)
        self.loop = Controller(self.api.cluster(), self.world, now=lambda: self.api.now, pace=pace, watchers=watchers)
        self.loop.lead(True)

    def see(self, services: bool = True, claims: bool = True) -> None:
        """The watches catch up with the cluster."""

        def change(world: World) -> None:
            if services:
                now = {parse_service(s).key for s in self.api.services.values()}
                for item in self.api.services.values():
                    world.put_service(parse_service(item))
                for key in set(world.services) - now:
                    world.drop_service(key)
            if claims:
                for item in self.api.blocks.values():
                    world.put_claims(parse_block(item))
                for block in list(world.blocks.values()):
                    if block.id.name not in self.api.blocks:
                        world.drop_block(block.id.name)

        self.loop.tell(change)

    def step(self, seconds: float = 0.0, **seen: bool) -> dict[str, list[str]]:
        """Time passes, the watches catch up, one step is done; what the Services show."""
        self.clock += seconds
        self.api.now += seconds
        self.see(**seen)
        self.loop.step()
        return self.api.shown()

    def put(self, item: Json) -> None:
        """A Service is created or changed."""
        meta = item["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}"
        self.api.services[path] = self.api._new(item)

    def delete(self, name: str) -> None:
        """A Service is deleted."""
        del self.api.services[f"/api/v1/namespaces/d/services/{name}"]

    def writes(self) -> list[str]:
        """What was written since last asked."""
        found = [call for call in self.api.calls if not call.startswith("GET")]
        self.api.calls.clear()
        return found


def test_a_service_gets_its_address_in_one_step_and_the_echo_of_it_writes_nothing() -> None:
    """One claim, one PATCH; then the watches bring back what was written."""
    stage = Stage(Api([service("a")]))
    assert stage.step() == {"a": ["192.0.2.0"]}
    assert [call.split()[0] for call in stage.writes()] == ["POST", "PATCH"]
    stage.step()
    assert stage.writes() == []


def test_a_change_costs_no_look_at_the_others() -> None:
    """With thousands of Services a new one is planned alone: nothing is listed, nobody else is asked for."""
    everybody = [service(f"s{n}", f"10.0.{n // 250}.{n % 250}") for n in range(1000)]
    claims = [held(f"10.0.{n // 250}.{n % 250}", everybody[n]) for n in range(1000)]
    stage = Stage(Api(everybody, blocks(*claims)), pools(pool("10.0.0.0/16")))
    stage.step()
    stage.writes()
    stage.said.clear()
    stage.put(service("new"))
    assert stage.step()["new"] == ["10.0.0.250"]
    assert [d.service.key.name for d in stage.said] == ["new"]
    assert [call.split()[0] for call in stage.api.calls] == ["PUT", "PATCH"]


def test_a_deleted_service_lets_go_of_its_claim_once_the_api_server_says_that_it_is_gone() -> None:
    """The proof is a quorum read, not the watch's word (DESIGN 5, rule 3)."""
    stage = Stage(Api([service("a")]))
    stage.step()
    stage.delete("a")
    stage.step()
    assert stage.api.held() == {}
    assert any(call == "GET /api/v1/namespaces/d/services/a" for call in stage.api.calls)


def test_who_only_seems_gone_keeps_its_claim() -> None:
    """The claims are newer than the Services that the watch has brought: another run's Service is unknown yet."""
    stage = Stage(Api([service("a")]))
    stage.step()
    stage.put(service("theirs", "192.0.2.1"))
    stage.api.blocks |= {
        b.id.name: b.to_object()
        for b in blocks(
            held("192.0.2.0", stage.api.services["/api/v1/namespaces/d/services/a"]),
            held("192.0.2.1", stage.api.services["/api/v1/namespaces/d/services/theirs"]),
        ).values()
    }
    for item in stage.api.blocks.values():
        item["metadata"]["resourceVersion"] = "5000"
    stage.put(service("mine", ask="192.0.2.1"))
    stale = dict(stage.api.services)

    def see(world: World) -> None:
        for item in stage.api.blocks.values():
            world.put_claims(parse_block(item))
        world.put_service(parse_service(stale["/api/v1/namespaces/d/services/mine"]))

    stage.loop.tell(see)
    stage.loop.step()
    assert stage.api.shown()["mine"] == []
    assert stage.api.held() == {"192.0.2.0": "a", "192.0.2.1": "theirs"}
    assert stage.loop.stuck[Key("d", "mine")].name == "AddressInUse"


def test_who_was_refused_is_served_when_somebody_lets_go() -> None:
    """At once, not when a timer says so; a released address only once it has cooled down."""
    stage = Stage(Api([service(f"s{n}") for n in range(5)]))
    assert stage.step()["s4"] == []
    stage.delete("s1")
    stage.step()
    assert stage.step(1)["s4"] == []
    assert stage.step(58)["s4"] == []
    assert stage.step(2)["s4"] == ["192.0.2.1"]
    assert stage.loop.stuck == {}


def test_another_pool_file_serves_who_was_refused_and_moves_nobody() -> None:
    """A reload is a change like any other."""
    stage = Stage(Api([service(f"s{n}") for n in range(5)]))
    before = stage.step()
    wider = pools(pool("192.0.2.8-192.0.2.9"))
    stage.loop.tell(lambda world: world.use_pools(wider))
    after = stage.step()
    assert after == {**before, "s4": ["192.0.2.8"]}


def test_a_status_that_is_wiped_is_put_back_three_times_and_then_told_of() -> None:
    """Neither a fight without end, nor an address lost to one slip."""
    stage = Stage(Api([service("a")]))
    stage.step()
    path = "/api/v1/namespaces/d/services/a"
    for n in range(FIGHTS):
        stage.put({**stage.api.services[path], "status": {"loadBalancer": {}}})
        assert stage.step(10) == {"a": ["192.0.2.0"]}, f"wiped {n + 1} times"
        stage.step(10)
    stage.put({**stage.api.services[path], "status": {"loadBalancer": {}}})
    assert stage.step(10) == {"a": []}
    assert stage.loop.stuck == {Key("d", "a"): stage.said[-1].reason}
    assert stage.said[-1].message == "somebody has cleared its status 3 times within 10 minutes"
    assert stage.api.held() == {"192.0.2.0": "a"}
    assert stage.step(WINDOW + SLOW) == {"a": ["192.0.2.0"]}


class Away(Api):
    """A cluster that cannot be reached, as long as `away` is set."""

    away = True

    def request(self, method: str, path: str, **more: Any) -> Answer:
        """One request."""
        if self.away:
            raise Unreachable("away", sent=False)
        return super().request(method, path, **more)


def test_while_the_cluster_is_away_it_is_asked_less_and_less_often_and_nothing_is_forgotten() -> None:
    """Back-off doubles up to half a minute; then everything is done."""
    api = Away([service("a")])
    stage = Stage(api)
    tries = []
    for _ in range(240):
        before = len(stage.away)
        stage.step(0.5)
        tries.append(len(stage.away) - before)
    assert (sum(tries[:20]), sum(tries[-120:])) == (6, 2)
    api.away = False
    assert stage.step(60) == {"a": ["192.0.2.0"]}


def test_what_waits_for_the_cluster_waits_no_longer_once_anything_gets_through() -> None:
    """However much has failed meanwhile: neither a new Service nor the claim of one that is gone is late."""
    api = Away([service("gone")])
    api.away = False
    stage = Stage(api, pools(pool("192.0.2.0-192.0.2.9")))
    stage.step()
    api.away = True
    stage.delete("gone")
    for n in range(3):
        stage.put(service(f"s{n}"))
        stage.step(0.1)
    for _ in range(50):
        stage.put(service("s2"))
        stage.step(0.1)
    api.away = False
    stage.put(service("last"))
    stage.step(1)
    shown = stage.step()
    assert all(shown.values())
    assert sorted(api.held().values()) == ["last", "s0", "s1", "s2"]


def test_a_claim_to_be_let_go_of_is_not_forgotten_when_another_run_writes_the_block() -> None:
    """The Service is gone, so that nothing else would bring it up again."""
    stage = Stage(Api([service("a")]))
    stage.step()
    stage.delete("a")
    for item in stage.api.blocks.values():
        item["metadata"]["resourceVersion"] = "5000"
    stage.step(claims=False)
    assert stage.api.held() == {"192.0.2.0": "a"}
    stage.step(1)
    assert stage.api.held() == {}


def test_a_status_that_is_not_taken_is_said() -> None:
    """A policy or a webhook refuses it; it is tried again."""
    stage = Stage(Api([service("a")]))
    stage.api.faults["PATCH"] = Forbidden("you may not")
    stage.step()
    assert stage.away == ["you may not"]
    assert stage.step(1) == {"a": ["192.0.2.0"]}


@pytest.mark.parametrize("refusal", [Invalid("too large"), Gone("gone"), NotFound("gone")])
def test_no_refusal_of_a_claim_ends_the_loop(refusal: Exception) -> None:
    """A policy may answer with anything; it is said, and tried again."""
    stage = Stage(Api([service("a")]))
    stage.api.faults["POST"] = refusal
    stage.step()
    stage.api.faults["POST"] = refusal
    stage.step(1)
    assert stage.step(2) == {"a": ["192.0.2.0"]}


class Refusing(Api):
    """A cluster in which a policy refuses every status."""

    refusal: Exception = Forbidden("you may not")

    def request(self, method: str, path: str, **more: Any) -> Answer:
        """One request."""
        if method == "PATCH":
            self.calls.append("PATCH")
            raise self.refusal
        return super().request(method, path, **more)


def test_a_status_that_is_never_taken_is_tried_less_and_less_often() -> None:
    """The claim that is written for it each time is no news to itself."""
    api = Refusing([service("a")])
    stage = Stage(api)
    tries = []
    for _ in range(300):
        api.calls.clear()
        stage.step(0.1)
        tries.append(api.calls.count("PATCH"))
    assert (sum(tries[:100]), sum(tries[100:])) == (7, 2)


def test_an_answer_that_nobody_expects_is_not_asked_for_hotly() -> None:
    """The claim that each try writes comes back by the watch, and is a reason to try again, but once a second."""
    api = Refusing([service("a")])
    api.refusal = Gone("gone")
    stage = Stage(api)
    for _ in range(300):
        stage.step(0.1)
    assert 5 < api.calls.count("PATCH") <= 35


def test_one_that_does_not_lead_keeps_up_and_writes_nothing() -> None:
    """When it begins to, it plans everything."""
    stage = Stage(Api([service("a")]))
    stage.loop.lead(False)
    assert stage.step() == {"a": []}
    stage.loop.lead(True)
    assert stage.step() == {"a": ["192.0.2.0"]}


def test_a_young_claim_is_left_to_its_run_and_finished_when_that_does_not() -> None:
    """Another run may be between claim and status."""
    web = service("a")
    stage = Stage(Api([web], blocks(held("192.0.2.2", web, at=NOW))))
    assert stage.step() == {"a": []}
    assert stage.step(3) == {"a": []}
    assert stage.step(3) == {"a": ["192.0.2.2"]}


def test_a_ledger_that_somebody_deletes_is_written_anew_and_nobody_gets_the_address_of_another() -> None:
    """The statuses say whose they are; a Service that comes in the same instant gets another address."""
    stage = Stage(Api([service("a"), service("b")]))
    for item in stage.api.services.values():
        item["metadata"]["managedFields"] = [WROTE]
    before = stage.step()
    stage.step()
    stage.api.blocks.clear()
    stage.put(service("c"))
    after = stage.step()
    assert after == {**before, "c": ["192.0.2.2"]}
    assert stage.api.held() == {"192.0.2.0": "a", "192.0.2.1": "b", "192.0.2.2": "c"}


@pytest.mark.parametrize("first", ["services", "claims"])
def test_a_store_that_went_back_is_not_written_over_with_what_was_known(first: str) -> None:
    """One watch notices before the other: no write is without a precondition, each keeps its address, and soon whoever
    comes gets one."""
    stage = Stage(Api([service("a"), service("b")]))
    for item in stage.api.services.values():
        item["metadata"]["managedFields"] = [WROTE]
    stage.step()
    stage.step()
    old = {name: dict(item) for name, item in stage.api.blocks.items()}
    stage.delete("b")
    stage.step()
    stage.api.blocks.update(old)
    stage.writes()
    stage.put(service("c"))
    rewinds = [World.rewind_services, World.rewind_claims]
    if first == "claims":
        rewinds.reverse()
    stage.loop.tell(rewinds[0])
    stage.step(services=first == "services", claims=first == "claims")
    assert {"192.0.2.0": "a"}.items() <= stage.api.held().items()
    stage.loop.tell(rewinds[1])
    stage.step(1, services=first == "claims", claims=first == "services")
    assert stage.step(1) == {"a": ["192.0.2.0"], "c": ["192.0.2.2"]}
    stage.step(1)
    assert stage.api.held() == {"192.0.2.0": "a", "192.0.2.2": "c"}


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_of_the_machine_that_jumps_changes_nothing(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """Claims are dated and cool down by the API server's clock, pauses are counted by one that never goes back."""
    stage = Stage(Api([service(f"s{n}") for n in range(5)]))
    stage.step()
    monkeypatch.setattr("time.time", lambda: NOW + hours * 3600)
    stage.delete("s1")
    stage.step()
    assert stage.api.claims()["192.0.2.1"].released == NOW
    assert stage.step(59)["s4"] == []
    assert stage.step(2)["s4"] == ["192.0.2.1"]
    assert Pace().clock is time.monotonic


def test_expired_claims_go_at_the_slow_pace() -> None:
    """They stand in nobody's way, and need no look at each change."""
    stage = Stage(Api([service("a")], blocks(released("192.0.2.9", service("old"), ago=90_000))))
    stage.step()
    assert set(stage.api.claims()) == {"192.0.2.0"}


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 2, 1], [2, 3, 1]])
def test_later_gives_what_is_due_and_the_earliest_counts(order: Iterable[int]) -> None:
    """What was put off twice comes once."""
    later, keys = Later(), [Key("d", f"s{n}") for n in range(4)]
    for n in order:
        later.at(float(n), keys[n])
    later.at(9.0, keys[1])
    later.at(0.5, keys[2])
    later.forget(keys[3])
    assert later.next() == 0.5
    assert later.take(0.7) == {keys[2]}
    assert later.take(9.0) == {keys[1]}
    assert later.next() is None
