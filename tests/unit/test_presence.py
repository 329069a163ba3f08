"""An announcer's two Leases: what stands in them, how often they are written, and whose they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lbctl.kube.errors import Conflict, NotFound, Unreachable
from lbctl.kube.presence import CHANGED, FIRST, RENEW, RETRY, Keeper
from lbctl.l2.facts import Interface, Presence, parse_announces, parse_lease, subnets_of

MAC = bytes([2, 0, 0, 0, 0, 1])
HERE = Presence("n1", (Interface("eth0", MAC, subnets_of(["192.0.2.0/24"])),))
OWNER = [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1"}]


class Api:
    """The Leases of an API server that can fail before, or after, it has written."""

    def __init__(self) -> None:
        self.leases: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.away = self.broken = False

    def get_lease(self, namespace: str, name: str, timeout: float | None = None) -> dict[str, Any]:
        """GET."""
        self._reached(namespace, timeout)
        if name not in self.leases:
            raise NotFound("no such Lease")
        return self.leases[name]

    def create_lease(self, namespace: str, body: Mapping[str, Any], timeout: float | None = None) -> dict[str, Any]:
        """POST."""
        self._reached(namespace, timeout)
        if body["metadata"]["name"] in self.leases:
            raise Conflict("it exists")
        return self._put(body)

    def replace_lease(
        self, namespace: str, name: str, body: Mapping[str, Any], resource_version: str, timeout: float | None = None
    ) -> dict[str, Any]:
        """PUT over a version."""
        self._reached(namespace, timeout)
        if name not in self.leases:
            raise NotFound("no such Lease")
        if self.leases[name]["metadata"]["resourceVersion"] != resource_version:
            raise Conflict("another version")
        return self._put(body)

    def _reached(self, namespace: str, timeout: float | None) -> None:
        assert namespace == "lbctl-system"
        assert timeout is not None
        if self.away:
            raise Unreachable("nobody answers")
        if self.broken:
            raise OSError(28, "No space left")

    def _put(self, body: Mapping[str, Any]) -> dict[str, Any]:
        name = body["metadata"]["name"]
        self.writes.append(name)
        version = str(len(self.writes))
        self.leases[name] = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        return self.leases[name]


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api() -> Api:
    """An API server."""
    return Api()


@pytest.fixture
def time() -> Time:
    """The clock of the keeper."""
    return Time()


@pytest.fixture
def keeper(api: Api, time: Time) -> Keeper:
    """The keeper of n1, which is shown its interface; nothing is written yet."""
    keeper = made(api, time)
    keeper.show(HERE)
    return keeper


def made(api: Api, time: Time, identity: str = "one", failed: Callable[[Any], object] = lambda _: None) -> Keeper:
    """A keeper of n1, whose thread is not started."""
    return Keeper(api, "n1", identity, owner=lambda: "u1", failed=failed, clock=time, wall=lambda: 1772452800.25)


def test_the_lease_says_with_what_it_answers(api: Api, keeper: Keeper) -> None:
    """Interfaces and MACs, for how long, and that it goes with the Node."""
    keeper.turn()
    lease = api.leases["lbctl-announcer-n1"]
    found = parse_lease(lease)
    assert found is not None
    assert (found.presence, found.renewed, found.seconds) == (HERE, "2026-03-02T12:00:00.250000Z", 40)
    assert lease["metadata"]["ownerReferences"] == OWNER
    assert lease["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "lbctl", "lbctl/announcer": "v1"}


def test_a_thousand_addresses_cost_no_request_more(api: Api, keeper: Keeper, time: Time) -> None:
    """A minute in which everything moves every second: six renewals, and a write each five seconds."""
    for second in range(60):
        keeper.announce("".join(f"192.0.2.{n} eth0 {second}\n" for n in range(200)))
        keeper.turn()
        time.now += 1
    assert api.writes.count("lbctl-announcer-n1") == 60 / RENEW
    assert api.writes.count("lbctl-announces-n1") == pytest.approx((60 - FIRST) / CHANGED, abs=1)
    quiet = len(api.writes)
    time.now += CHANGED
    keeper.turn()
    time.now += 1
    keeper.turn()
    assert [name for name in api.writes[quiet:] if name == "lbctl-announces-n1"] == ["lbctl-announces-n1"]
    assert len(parse_announces(api.leases["lbctl-announces-n1"])) == 200


def test_whatever_fails_it_goes_on(api: Api, time: Time) -> None:
    """And tells why."""
    told: list[str] = []
    one = made(api, time, failed=lambda why: told.append(str(why)))
    for away, broken in ((True, False), (False, True), (False, False)):
        api.away, api.broken = away, broken
        one.turn()
        time.now += RETRY
    assert list(dict.fromkeys(told)) == ["nobody answers", "a bug: OSError(28, 'No space left')"]
    assert api.writes == ["lbctl-announcer-n1"]


def test_many_nodes_renew_less_often(api: Api, keeper: Keeper, time: Time) -> None:
    """Ten renewals a second of the whole cluster, whatever its size."""
    keeper.nodes(500)
    keeper.turn()
    assert keeper.seconds == 200
    time.now += 49
    keeper.turn()
    assert api.writes.count("lbctl-announcer-n1") == 1
    time.now += 1
    keeper.turn()
    assert api.writes.count("lbctl-announcer-n1") == 2


def test_a_new_mac_is_told_at_once(api: Api, keeper: Keeper) -> None:
    """And one that is the same is not."""
    keeper.turn()
    keeper.show(HERE)
    keeper.turn()
    assert len(api.writes) == 1
    keeper.show(Presence("n1"))
    keeper.turn()
    found = parse_lease(api.leases["lbctl-announcer-n1"])
    assert found is not None
    assert found.presence == Presence("n1")


def test_an_api_server_that_is_away_is_tried_again(api: Api, time: Time) -> None:
    """Every two seconds, the second Lease more slowly; each failure is told; `last` is when a renewal landed."""
    told: list[Any] = []
    keeper = made(api, time, failed=told.append)
    api.away = True
    for _ in range(4):
        keeper.turn()
        time.now += RETRY
    assert [type(error) for error in told] == [Unreachable] * (4 + 1)
    assert keeper.last is None
    api.away = False
    keeper.turn()
    assert keeper.last == time.now


def test_what_others_write_into_it_stays(api: Api, keeper: Keeper, time: Time) -> None:
    """A label of an admin's, and a Lease that was deleted under it."""
    keeper.turn()
    lease = api.leases["lbctl-announcer-n1"]
    lease["metadata"] = {**lease["metadata"], "labels": {"team": "net"}, "resourceVersion": "77"}
    time.now += RENEW
    keeper.turn()
    assert api.leases["lbctl-announcer-n1"]["metadata"]["labels"]["team"] == "net"
    del api.leases["lbctl-announcer-n1"]
    time.now += RENEW
    keeper.turn()
    assert api.writes.count("lbctl-announcer-n1") == 3


def test_leaving_gives_it_back(api: Api, keeper: Keeper) -> None:
    """Without a holder, so that the others know; what was announced is nothing any more."""
    keeper.announce("192.0.2.200 eth0 5\n")
    keeper.start()
    keeper.stop(5)
    found = parse_lease(api.leases["lbctl-announcer-n1"])
    assert found is not None
    assert found.presence.left
    assert parse_announces(api.leases["lbctl-announces-n1"]) == ()


def test_a_lease_of_the_next_run_is_not_given_back(api: Api, keeper: Keeper, time: Time) -> None:
    """A pod that ends while its successor runs already."""
    keeper.turn()
    keeper.leave()
    made(api, time, "two").turn()
    keeper.start()
    keeper.stop(5)
    assert api.leases["lbctl-announcer-n1"]["spec"]["holderIdentity"] == "two"
