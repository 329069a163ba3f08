"""lbctl serve from outside: a Service gets its address, people and pool files come in between, and it ends well.

On a real API server; what happens when that fails is in tests/faults."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import yaml

from tests.cluster.acts import conditions, create, delete, edit, get, pool_file, shown
from tests.testbed.driver import Bed, Hand, until
from tests.testbed.serving import SOON, Served, settled
from tests.testbed.witness import watched

pytestmark = pytest.mark.cluster

ALONE = "--no-leader-elect"
POOLS = "pools:\n- {name: lan, addresses: [192.0.2.0-192.0.2.9]}\n"
WIDER = "pools:\n- {name: lan, addresses: [192.0.2.0-192.0.2.9]}\n- {name: more, addresses: [198.51.100.0/24]}\n"
BROKEN = {
    "nonsense": "pools: [",
    "empty": "",
    "overlapping": POOLS + "- {name: again, addresses: [192.0.2.8-192.0.2.12]}\n",
    "no pools": "pools: []\n",
}


def shows(bed: Hand, name: str, *addresses: str) -> None:
    """Wait until the Service shows these addresses."""
    until(lambda: shown(bed, name) == list(addresses), f"{name} to show {addresses}", seconds=SOON)


def test_a_service_gets_its_address_and_leaves_it_for_the_next(bed: Hand, tmp_path: Path) -> None:
    """What was pending before, what comes, what is deleted and made again, and what becomes a ClusterIP."""
    pools = pool_file(tmp_path, POOLS)
    create(bed, "early")
    with watched(bed), Served(bed, pools, ALONE):
        shows(bed, "early", "192.0.2.0")
        create(bed, "late")
        shows(bed, "late", "192.0.2.1")
        delete(bed, "late")
        until(lambda: "late" not in bed.held(), "the claim to be let go", seconds=SOON)
        create(bed, "late")
        shows(bed, "late", "192.0.2.1")  # its own again, within keepFor
        edit(bed, "early", type="ClusterIP", allocateLoadBalancerNodePorts=None)
        until(lambda: "early" not in bed.held(), "the claim to be let go", seconds=SOON)
        edit(bed, "late", {"lbctl/addresses": "192.0.2.7"})
        shows(bed, "late", "192.0.2.7")
        assert settled(bed) == {"late": ["192.0.2.7"]}


def test_a_status_that_was_wiped_is_put_back(bed: Hand, tmp_path: Path) -> None:
    """The same address, at once."""
    with watched(bed), Served(bed, pool_file(tmp_path, POOLS), ALONE):
        create(bed, "web")
        shows(bed, "web", "192.0.2.0")
        bed.kubectl("patch", "service", "web", "--subresource=status", "-p", '{"status":{"loadBalancer":null}}')
        shows(bed, "web", "192.0.2.0")


def test_what_a_person_released_stays_released_until_it_is_given_back(bed: Hand, tmp_path: Path) -> None:
    """Not even a change of the Service brings it back; `lbctl assign` of that Service does."""
    pools = pool_file(tmp_path, POOLS)
    with watched(bed), Served(bed, pools, ALONE) as serve:
        create(bed, "web")
        shows(bed, "web", "192.0.2.0")
        assert bed.run("release", "default/web")[2] == 0
        create(bed, "other")
        shows(bed, "other", "192.0.2.1")
        bed.kubectl("label", "service", "web", "touched=yes")
        create(bed, "third")
        shows(bed, "third", "192.0.2.2")
        assert shown(bed, "web") == []
        assert bed.run("assign", "default/web", pools)[2] == 0
        assert shown(bed, "web") == ["192.0.2.0"]
        assert serve.stop()[0] == 0
    with Served(bed, pools, ALONE):
        create(bed, "fourth")
        shows(bed, "fourth", "192.0.2.3")
        assert settled(bed)["web"] == ["192.0.2.0"]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_pool_file_is_refused_and_nobody_moves(bed: Hand, tmp_path: Path, broken: str) -> None:
    """The pools before stay in use and go on serving, the refusal is said; a good file is taken at once."""
    pools = pool_file(tmp_path, POOLS)
    with watched(bed) as witness, Served(bed, pools, ALONE) as serve:
        create(bed, "web")
        shows(bed, "web", "192.0.2.0")
        before = get(bed, "web")["metadata"]["resourceVersion"]
        pool_file(tmp_path, BROKEN[broken])
        serve.waits("the pool file is refused")
        create(bed, "next")
        shows(bed, "next", "192.0.2.1")
        heard = len(serve.said)
        pool_file(tmp_path, WIDER)
        serve.waits("pool more is new", after=heard)
        create(bed, "last", {"lbctl/pool": "more"})
        shows(bed, "last", "198.51.100.0")
        assert get(bed, "web")["metadata"]["resourceVersion"] == before
    assert witness.events


def test_a_pool_that_shrinks_moves_nobody(bed: Hand, tmp_path: Path) -> None:
    """An address outside of every pool stays where it is."""
    pools = pool_file(tmp_path, POOLS)
    with watched(bed), Served(bed, pools, ALONE) as serve:
        create(bed, "web")
        shows(bed, "web", "192.0.2.0")
        pool_file(tmp_path, "pools:\n- {name: lan, addresses: [192.0.2.5-192.0.2.9]}\n")
        serve.waits("pool lan has changed")
        create(bed, "next")
        shows(bed, "next", "192.0.2.5")
        assert shown(bed, "web") == ["192.0.2.0"]


def test_sighup_reads_the_pool_file_again(bed: Hand, tmp_path: Path) -> None:
    """Also one whose time, inode and size say nothing of the change; and it does not end."""
    pools = pool_file(tmp_path, POOLS)
    with Served(bed, pools, ALONE) as serve:
        create(bed, "web", {"lbctl/addresses": "192.0.3.1"})
        refused = "AddressOutsidePools"
        until(lambda: [c["reason"] for c in conditions(get(bed, "web"))] == [refused], refused, seconds=SOON)
        path = tmp_path / "pools.yaml"
        was = path.stat()
        with path.open("r+") as file:
            file.write(POOLS.replace("192.0.2.", "192.0.3."))
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
        serve.child.send_signal(signal.SIGHUP)
        serve.waits("the pool file was read again")
        shows(bed, "web", "192.0.3.1")
        assert serve.stop()[0] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_ends_in_order_within_five_seconds(bed: Hand, tmp_path: Path, number: int, code: int) -> None:
    """In the middle of a burst: what is claimed is published, and the next one finds nothing half done."""
    pools = pool_file(tmp_path, "pools:\n- {name: bulk, addresses: [198.18.0.0/24]}\n")
    with watched(bed):
        with Served(bed, pools) as serve:
            for n in range(20):
                create(bed, f"s{n}")
            ended, took = serve.stop(number)
            assert (ended, took < 5 + 1) == (code, True), (ended, took, serve.said)
            assert {n: a for n, a in bed.shown().items() if a} == bed.held()
        with Served(bed, pools, ALONE):
            assert len(settled(bed)) == 20


def test_the_second_takes_over_at_once_when_the_first_ends(bed: Hand, tmp_path: Path) -> None:
    """Only one acts; a clean stop gives the lead away."""
    pools = pool_file(tmp_path, POOLS)
    with watched(bed), Served(bed, pools) as first:
        first.waits("leading")
        with Served(bed, pools) as second:
            create(bed, "web")
            shows(bed, "web", "192.0.2.0")
            assert not any("leading" in line or "default/web" in line for line in second.said)
            assert first.stop()[0] == 0
            assert second.waits("leading", 5) < 5
            create(bed, "next")
            shows(bed, "next", "192.0.2.1")
            assert second.stop()[0] == 0


@pytest.mark.long
def test_the_second_takes_over_within_the_lease_when_the_first_is_killed(bed: Hand, tmp_path: Path) -> None:
    """15 s, and what it takes to notice."""
    pools = pool_file(tmp_path, POOLS)
    with watched(bed), Served(bed, pools) as first, Served(bed, pools) as second:
        first.waits("leading")
        first.kill()
        create(bed, "web")
        assert second.waits("leading", 30) <= 15 + 5
        shows(bed, "web", "192.0.2.0")
        assert second.stop()[0] == 0


def _token(bed: Hand, secret: str) -> str:
    """A token of lbctl's ServiceAccount that is good as long as this Secret is there."""
    bed.kubectl("create", "secret", "generic", secret, "-n", "lbctl-system")
    bound = ("--bound-object-kind=Secret", f"--bound-object-name={secret}")
    return bed.kubectl("create", "token", "lbctl", "-n", "lbctl-system", *bound)


@pytest.mark.long  # for 11 s of waiting; the unit tests of the login have the rest of it
def test_a_token_that_is_rotated_in_its_file_costs_nothing(bed: Bed, tmp_path: Path) -> None:
    """As in a pod: the old one is good no more, the new one is in the file; there is no failed minute."""
    config = yaml.safe_load(bed.kubeconfig_for(bed.url))
    token = tmp_path / "token"
    token.write_text(_token(bed, "rotated-1"))
    config["users"] = [{"name": user["name"], "user": {"tokenFile": "token"}} for user in config["users"]]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    with watched(bed), Served(bed, pool_file(tmp_path, POOLS), ALONE, kubeconfig=kubeconfig) as serve:
        create(bed, "web")
        shows(bed, "web", "192.0.2.0")
        token.write_text(_token(bed, "rotated-2"))
        bed.kubectl("delete", "secret", "rotated-1", "-n", "lbctl-system")
        time.sleep(11)  # because the API server keeps in mind for 10 s that the old token was good
        began = time.monotonic()
        create(bed, "next")
        shows(bed, "next", "192.0.2.1")
        assert time.monotonic() - began < 5
        assert serve.stop()[0] == 0
    bed.kubectl("delete", "secret", "rotated-2", "-n", "lbctl-system")
