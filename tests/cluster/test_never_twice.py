"""Promise 1 in a storm: many runs at once, half of them killed again and again, and a watch that sees every status."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path

import pytest

from tests.testbed.client import Watch
from tests.testbed.driver import SERVICES, Bed, service
from tests.testbed.witness import assert_never_twice

pytestmark = pytest.mark.cluster

SEED = 20260
RUNS = 8
KILLS = 3  # of every second run, before it is let live


def storm(bed: Bed, count: int, pools: Path) -> list[tuple[str, int]]:
    """Make `count` pending Services, let RUNS of `assign --all` loose on them, then one alone that finishes.

    Returns stderr and exit code of those that were left alive, the last one last. Every status that any Service ever
    showed has then been looked at.
    """
    print(f"seed {SEED}: {count} Services, {RUNS} runs, every second one killed {KILLS} times")
    bed.admin.send([("POST", SERVICES, json.dumps(service(f"s{n:05}")).encode()) for n in range(count)])
    watch = bed.admin.watch(SERVICES)
    ended: list[tuple[str, int]] = []
    killed: list[int] = []
    # By what is done, not by the clock: a quick machine is through before a slow one has begun.
    chance = random.Random(SEED)
    moments = [[int(count * (kill + chance.random()) / KILLS * 0.7) for kill in range(KILLS)] for _ in range(RUNS)]
    threads = [
        threading.Thread(target=_run, args=(bed, pools, watch, moments[n] if n % 2 else [], killed, ended))
        for n in range(RUNS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, said, code = bed.run("assign", "--all", "-q", f"--pools={pools}")
    # The list's own resourceVersion may be that of a claim, which no event of a Service ever bears.
    versions = [int(item["metadata"]["resourceVersion"]) for item in bed.admin.get(SERVICES)["items"]]
    events = watch.until(str(max(versions)))
    assert len(events) > count / 2
    print(f"{len(killed)} killed, {len(events)} events seen")
    assert len(killed) >= RUNS / 2
    assert_never_twice(events)
    return [*ended, (said, code)]


def _run(
    bed: Bed, pools: Path, watch: Watch, moments: list[int], killed: list[int], ended: list[tuple[str, int]]
) -> None:
    """One `assign --all`, killed when the watch has seen so many statuses and begun anew, for each of `moments`."""
    for moment in moments:
        child = bed.lbctl("assign", "--all", "-q", f"--pools={pools}")
        while len(watch) < moment and child.poll() is None:
            time.sleep(0.005)
        if child.poll() is None:
            child.kill()
            killed.append(child.pid)
        child.communicate()
    _, said, code = bed.run("assign", "--all", "-q", f"--pools={pools}")
    ended.append((said, code))


def _bulk(folder: Path, span: str) -> Path:
    pools = folder / "pools.yaml"
    pools.write_text(f"pools:\n- name: bulk\n  addresses: [{span}]\n")
    return pools


SIZES = [400, pytest.param(2_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]


@pytest.mark.parametrize("count", SIZES)
def test_in_a_storm_every_service_gets_one_address_of_its_own(bed: Bed, tmp_path: Path, count: int) -> None:
    """Whatever is killed whenever: every Service has one address, nobody's is another's, the ledger says the same."""
    ended = storm(bed, count, _bulk(tmp_path, "198.18.0.0/20"))
    assert ended == [("", 0)] * (RUNS + 1)
    shown = bed.shown()
    assert [len(addresses) for addresses in shown.values()] == [1] * count
    assert bed.held() == shown


@pytest.mark.parametrize("count", SIZES)
def test_a_pool_too_small_gives_what_it_has_and_names_the_rest(bed: Bed, tmp_path: Path, count: int) -> None:
    """As many Services as fit get an address, each of the others is told PoolExhausted, and the run ends 1."""
    room = count * 3 // 4
    low = 198 << 24 | 18 << 16
    last = ".".join(str(low + room - 1 >> shift & 255) for shift in (24, 16, 8, 0))
    ended = storm(bed, count, _bulk(tmp_path, f"198.18.0.0-{last}"))
    assert {code for _, code in ended} == {1}
    for said, _ in ended:
        refusals = [line for line in said.splitlines() if line.startswith("error: ")]
        assert all(": PoolExhausted: no IPv4 address is free in bulk" in line for line in refusals)
        assert refusals
    shown = {name: addresses for name, addresses in bed.shown().items() if addresses}
    assert len(shown) == room
    assert len([line for line in ended[-1][0].splitlines() if line.startswith("error: ")]) == count - room
    assert bed.held() == shown
