"""Events on a real API server as the least Role, which may create and patch them but not read them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from lbctl.kube.api import Kube
from lbctl.kube.events import BURST, Events
from lbctl.kube.transport import connect
from lbctl.reasons import Reason
from lbctl.services import Service, parse_service
from tests.testbed.driver import SERVICES, Hand, service

pytestmark = pytest.mark.cluster

EVENTS = "/api/v1/namespaces/default/events"


@pytest.fixture
def web(bed: Hand) -> Iterator[Service]:
    """A Service of a name and uid of its own, about which there are no Events yet."""
    body = service(f"web-{secrets.token_hex(4)}")
    status, made = bed.admin.request("POST", SERVICES, body)
    assert status == 201, made
    web = parse_service(made)
    yield web
    for one in about(bed, web):
        bed.admin.request("DELETE", f"{EVENTS}/{one['metadata']['name']}")


def about(bed: Hand, web: Service) -> list[dict[str, Any]]:
    """The Events about it, as cluster-admin reads them."""
    return list(bed.admin.get(f"{EVENTS}?fieldSelector=involvedObject.uid%3D{web.uid}")["items"])


def role(bed: Hand) -> Kube:
    """The API as the least Role."""
    return Kube(connect(str(bed.kubeconfig), "lbctl"))


def now(kube: Kube, web: Service) -> int:
    """The API server's clock."""
    return int(kube.get_service(web.key.namespace, web.key.name).date)


def test_two_runs_say_the_same_under_the_least_role(bed: Hand, web: Service) -> None:
    """One Event that has happened twice, though neither run may read it; `kubectl describe` shows it."""
    kube = role(bed)
    words = "192.0.2.200 is in use: Service default/db shows it"
    for instance in ("jane@laptop", "john@box"):
        events = Events(kube, instance, tell=pytest.fail)
        events.tell(web, "Warning", Reason.AddressInUse, words, now(kube, web))
        events.tell(web, "Normal", Reason.Assigned, f"it moves ({instance})", now(kube, web))
        assert events.close(30) == 0
    found = {one["reason"]: one for one in about(bed, web)}
    assert {reason: (one["count"], one["message"], one["reportingInstance"]) for reason, one in found.items()} == {
        "AddressInUse": (2, words, "john@box"),
        "Assigned": (2, "it moves (john@box)", "john@box"),
    }
    shown = bed.kubectl("describe", "svc", web.key.name).partition("Events:")[2].split("\n")
    (line,) = [line for line in shown if "AddressInUse" in line]
    assert line.split()[:2] == ["Warning", "AddressInUse"]
    assert "(x2 over " in line
    assert line.endswith(f"lbctl  {words}")


def test_many_at_once_lose_no_count(bed: Hand, web: Service) -> None:
    """More than a burst, of one Service and one reason: each is counted, in fewer requests."""
    kube = role(bed)
    events, at = Events(kube, "jane@laptop", tell=pytest.fail), now(kube, web)
    for number in range(4 * BURST):
        events.tell(web, "Warning", Reason.PoolExhausted, f"no address is free ({number})", at)
    assert events.close(30) == 0
    (found,) = about(bed, web)
    assert (found["count"], found["message"]) == (4 * BURST, f"no address is free ({4 * BURST - 1})")


def test_who_may_not_write_events_is_told_once(bed: Hand, web: Service) -> None:
    """Nothing else changes for them."""
    said: list[str] = []
    transport = connect(str(bed.kubeconfig), as_user="jane-without-rights")
    events = Events(Kube(transport), "jane@laptop", tell=said.append)
    for reason in (Reason.PoolExhausted, Reason.AddressInUse):
        events.tell(web, "Warning", reason, "x", 0)
    assert events.close(30) == 0
    assert said == [
        f"lbctl writes no Events: you may not create events in namespace default at {transport.server} "
        'as user "jane-without-rights"'
    ]
    assert about(bed, web) == []
