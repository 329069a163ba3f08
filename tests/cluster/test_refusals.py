"""What cannot be done is said in one sentence with a hint, by its reason, and nothing is lost (promises 3 and 5).

Each test reads the whole message, on a real API server, as the least Role.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lbctl.apply import assign
from lbctl.decisions import Action
from lbctl.kube.api import Kube
from lbctl.kube.transport import connect
from lbctl.pools import PoolFile, load_pools
from lbctl.rounds import Cluster
from lbctl.services import Key
from tests.testbed.driver import SERVICES, Bed, service

pytestmark = pytest.mark.cluster


def _create(bed: Bed, name: str, ask: str = "", kind: str = "LoadBalancer") -> None:
    status, answer = bed.admin.request("POST", SERVICES, service(name, ask=ask, kind=kind))
    assert status == 201, answer


def _pools(folder: Path, addresses: str, exclude: str = "") -> Path:
    """A pool file with one pool."""
    path = folder / "pools.yaml"
    path.write_text(f"pools:\n- name: lan\n  addresses: [{addresses}]\n  exclude: [{exclude}]\n")
    return path


@pytest.mark.parametrize(
    ("ask", "error", "hint"),
    [
        (
            "203.0.113.9",
            "AddressOutsidePools: 203.0.113.9 is in no pool",
            "add the address to a pool, or ask for one inside a pool",
        ),
        (
            "198.51.100.5",
            "AddressExcluded: pool lan excludes 198.51.100.5",
            "take it out of exclude, or ask for another",
        ),
        (
            "2001:db8::5",
            "FamilyMismatch: 2001:db8::5 is IPv6; the Service is IPv4",
            "ask for one address per family in ipFamilies",
        ),
        (
            "192.0.2.300",
            "InvalidRequest: annotation lbctl/addresses is '192.0.2.300': '192.0.2.300' is not an IP address",
            "correct the annotation; addresses are written 192.0.2.10 or 192.0.2.10,2001:db8::10",
        ),
        (
            "198.51.100.1,198.51.100.2",
            "InvalidRequest: annotation lbctl/addresses is '198.51.100.1,198.51.100.2': at most one address per family",
            "correct the annotation; addresses are written 192.0.2.10 or 192.0.2.10,2001:db8::10",
        ),
    ],
)
def test_an_address_that_cannot_be_had_is_refused_by_its_reason(
    bed: Bed, tmp_path: Path, ask: str, error: str, hint: str
) -> None:
    """Exactly what is asked for, or a refusal: never another address."""
    name = "ask-" + "".join(c for c in ask if c.isalnum())
    _create(bed, name, ask)
    pools = _pools(tmp_path, "198.51.100.0/26, '2001:db8::/120'", "198.51.100.5")
    said = f"error: default/{name}: {error}\nhint: {hint}\n"
    assert bed.run("assign", f"default/{name}", f"--pools={pools}") == ("", said, 1)
    assert bed.shown()[name] == []


def test_of_two_services_asking_for_one_address_the_older_gets_it_and_the_other_is_told_who(
    bed: Bed, tmp_path: Path
) -> None:
    """The second is told who has the address, keeps asking, and gets nothing else."""
    for name in ("first", "second"):
        _create(bed, name, "198.51.100.70")
    pools = _pools(tmp_path, "198.51.100.64/26")
    said = (
        "error: default/second: AddressInUse: 198.51.100.70 is in use: Service default/first is given it\n"
        "hint: ask for another address, or release the one who holds it\n"
    )
    both = ("default/first 198.51.100.70 (Assigned)\n", said, 1)
    assert bed.run("assign", "default/second", "default/first", f"--pools={pools}") == both
    said = said.replace("is given it", "shows it")
    assert bed.run("assign", "default/second", f"--pools={pools}") == ("", said, 1)
    assert bed.shown() == {"first": ["198.51.100.70"], "second": []}


def test_a_refused_change_leaves_the_old_address(bed: Bed, tmp_path: Path) -> None:
    """Make before break: asking for what cannot be had costs a Service nothing."""
    _create(bed, "steady", "198.51.100.130")
    pools = f"--pools={_pools(tmp_path, '198.51.100.128/26')}"
    bed.run("assign", "default/steady", pools)
    bed.kubectl("annotate", "--overwrite", "svc", "steady", "lbctl/addresses=203.0.113.9")
    said = (
        "error: default/steady: AddressOutsidePools: 203.0.113.9 is in no pool\n"
        "hint: add the address to a pool, or ask for one inside a pool\n"
    )
    assert bed.run("assign", "default/steady", pools) == ("", said, 1)
    assert bed.shown()["steady"] == ["198.51.100.130"]


def test_a_service_that_is_not_there_or_no_load_balancer(bed: Bed, tmp_path: Path) -> None:
    """Each of the Services named is answered for; the exit code is that of the worst."""
    _create(bed, "inner", kind="ClusterIP")
    pools = f"--pools={_pools(tmp_path, '198.51.100.192/26')}"
    said = (
        "error: there is no Service default/nowhere\n"
        "hint: kubectl get services -A lists them\n"
        "error: default/inner: NotLoadBalancer: it is not of type LoadBalancer\n"
        "hint: set spec.type to LoadBalancer\n"
    )
    assert bed.run("assign", "nowhere", "inner", pools) == ("", said, 1)


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (
            ("assign",),
            "error: say which Services: names, or --all\nhint: lbctl assign NAMESPACE/NAME, or lbctl assign --all\n",
            2,
        ),
        (
            ("assign", "a/b/c"),
            "error: 'a/b/c' is no Service name\nhint: write NAMESPACE/NAME, as lbctl list -o name prints it\n",
            2,
        ),
    ],
)
def test_usage_errors_end_2(bed: Bed, tmp_path: Path, words: tuple[str, ...], said: str, code: int) -> None:
    """What cannot be meant is answered with what can be written."""
    pools = f"--pools={_pools(tmp_path, '198.51.100.192/26')}"
    assert bed.run(*words, pools) == ("", said, code)


def _delete(bed: Bed, name: str) -> None:
    status, answer = bed.admin.request("DELETE", f"{SERVICES}/{name}")
    assert status == 200, answer


Deed = Callable[[Bed, str], None]


class _Meddled(Kube):
    """The API with somebody else acting just before the first PATCH of a status."""

    def __init__(self, bed: Bed, *deeds: Deed) -> None:
        super().__init__(connect(str(bed.kubeconfig), "lbctl"))
        self._bed = bed
        self._deeds = list(deeds)

    def patch_service_status(self, namespace: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        while self._deeds:
            self._deeds.pop(0)(self._bed, name)
        return super().patch_service_status(namespace, name, body)


def _halfway(bed: Bed, pools: PoolFile, name: str, *deeds: Deed) -> dict[Key, Any]:
    _create(bed, name)
    return assign(Cluster(_Meddled(bed, *deeds), "test"), pools, frozenset({Key("default", name)}))


def test_a_service_deleted_halfway_is_not_there_and_its_claim_is_let_go(bed: Bed, tmp_path: Path) -> None:
    """The claim that was written before stays until the next look proves that nobody can use it, then is released."""
    pools = load_pools(str(_pools(tmp_path, "203.0.113.0/30")))
    assert _halfway(bed, pools, "gone", _delete) == {}
    bed.run("assign", "--all", f"--pools={pools.path}")
    state = bed.claims()["203.0.113.0"]
    assert (state["last"]["svc"], "holders" in state) == ("default/gone", False)


def test_a_service_recreated_halfway_gets_the_address_under_its_new_uid(bed: Bed, tmp_path: Path) -> None:
    """The PATCH planned for the old one never lands on the new one."""
    pools = load_pools(str(_pools(tmp_path, "203.0.113.64/30")))
    results = _halfway(bed, pools, "again", _delete, _create)
    assert [d.action for d in results.values()] == [Action.ASSIGN]
    assert bed.shown()["again"] == ["203.0.113.64"]
    holder = bed.claims()["203.0.113.64"]["holders"][0]
    assert holder["uid"] == bed.get("svc", "again")["metadata"]["uid"]
