"""The API server dies, hangs or forgets in the middle of a bulk assign: the next run finishes (promise 4).

On a control plane of its own, so that a test that fails leaves no ruin behind for others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lbctl.rounds import SIDE_BY_SIDE
from tests.conftest import started
from tests.faults.crashes import Run, run_through, shown_twice
from tests.testbed.driver import SERVICES, Bed, service
from tests.testbed.proxy import Do, Rule

pytestmark = pytest.mark.cluster

MANY = 60
MIDDLE = 30  # the PATCH before which it happens


@pytest.fixture(scope="module")
def own() -> Iterator[Bed]:
    """A control plane that may be broken."""
    with started(Bed) as bed:
        yield bed


@pytest.fixture
def bed(own: Bed) -> Bed:
    """It stands, swept."""
    own.wipe()
    return own


def _pools(folder: Path) -> str:
    path = folder / "pools.yaml"
    path.write_text("pools:\n- {name: bulk, addresses: [198.18.0.0/24]}\n")
    return f"--pools={path}"


def _create(bed: Bed, names: range) -> None:
    bed.admin.send([("POST", SERVICES, json.dumps(service(f"s{n}")).encode()) for n in names])


def _interrupted(bed: Bed, folder: Path, deed: Callable[[], object]) -> Run:
    """Assign many, with something happening to the API server in the middle of their PATCHes."""
    rule = Rule(Do(deed), number=3 + 4 + MIDDLE)  # after the look, and as many claim writes as there are blocks at most
    words = ("assign", "--all", _pools(folder), "--request-timeout=2")
    return run_through(bed, folder, words, [rule], one_by_one=False)


def _finished(bed: Bed, folder: Path) -> None:
    """The next run ends well: each Service has an address of its own, and claims are statuses."""
    assert bed.run("assign", "--all", _pools(folder))[1:] == ("", 0)
    shown = bed.shown()
    assert len(shown) == MANY
    assert len({address for each in shown.values() for address in each}) == MANY
    assert bed.held() == shown


def test_the_api_server_is_killed_in_the_middle_of_a_bulk_assign(bed: Bed, tmp_path: Path) -> None:
    """One sentence, one hint, exit 4; the next run gives the others theirs."""
    _create(bed, range(MANY))
    run = _interrupted(bed, tmp_path, bed.apiserver.kill)
    bed.apiserver.start()
    bed.ready()
    assert (run.err, run.code) == (
        "error: the connection to the API server at http://proxy broke off before the answer was whole\n"
        "hint: try again; if it stays so, look at the API server's log and at proxies in between\n",
        4,
    )
    assert 0 < sum(map(bool, bed.shown().values())) < MANY
    _finished(bed, tmp_path)


def test_the_api_server_hangs_in_the_middle_of_a_bulk_assign(bed: Bed, tmp_path: Path) -> None:
    """PATCHes that were on their way land late, when the run has long given up: still no address is shown twice."""
    _create(bed, range(MANY))
    watch = bed.admin.watch(SERVICES)
    run = _interrupted(bed, tmp_path, bed.apiserver.pause)
    bed.apiserver.resume()
    assert (run.err, run.code) == (
        "error: the API server at http://proxy did not answer within 2 s\n"
        "hint: give it longer with --request-timeout, or see whether it is well: "
        "kubectl --context=lbctl get --raw=/readyz?verbose\n",
        4,
    )
    # Those in flight, and no more: each would have waited 2 s, which makes hours of a bulk assign.
    assert sum(call.startswith("PATCH") for call in run.calls) <= MIDDLE + 4 + SIDE_BY_SIDE
    _finished(bed, tmp_path)
    assert shown_twice(bed, watch) == []


def test_an_older_etcd_is_restored_between_two_runs(bed: Bed, tmp_path: Path) -> None:
    """Claims and statuses go back together; what was assigned since is assigned anew, to whoever is there now."""
    _create(bed, range(20))
    bed.run("assign", "--all", _pools(tmp_path))
    _create(bed, range(20, 40))
    bed.snapshot("old")
    bed.run("assign", "--all", _pools(tmp_path))
    bed.admin.send([("DELETE", f"{SERVICES}/s{n}", None) for n in range(10)])
    before = bed.shown()
    bed.restore("old")
    _create(bed, range(40, MANY))
    _finished(bed, tmp_path)
    assert {name: bed.shown()[name] for name in map("s{}".format, range(10, 20))}.items() <= before.items()
