"""Two loops without a leader and four bulk assigns at once, against Services that never stand still (promises 1, 2)."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.cluster.acts import pool_file
from tests.testbed.churn import churned
from tests.testbed.driver import Bed
from tests.testbed.serving import Served, foreign, settled, untouched
from tests.testbed.witness import watched

pytestmark = pytest.mark.cluster

SEED = 60621
RATE = 50.0  # changes a second
ASSIGNS = 4
# Little more than all need at once, and given away again at once: so that every address passes through many hands.
POOL = "pools:\n- {name: bulk, addresses: [198.18.0.0/26], reuseAfter: 0s, keepFor: 0s}\n"


@pytest.mark.parametrize("seconds", [10, pytest.param(120, marks=pytest.mark.long)])
def test_six_at_once_against_churn_never_show_one_address_twice(bed: Bed, tmp_path: Path, seconds: int) -> None:
    """Create, delete, retype, recreate: no address is ever seen twice; then claims are statuses, and each has one."""
    pools = pool_file(tmp_path, POOL)
    theirs = foreign(bed)
    over = threading.Event()
    codes: list[int] = []

    def assign() -> None:
        while not over.is_set():
            codes.append(bed.run("assign", "--all", "-q", pools)[2])

    loops = [threading.Thread(target=assign) for _ in range(ASSIGNS)]
    with watched(bed) as witness, Served(bed, pools, "--no-leader-elect"), Served(bed, pools, "--no-leader-elect"):
        with churned(bed, SEED, RATE) as churn:
            for loop in loops:
                loop.start()
            time.sleep(seconds)  # because so long is what was asked for
            over.set()
            for loop in loops:
                loop.join()
        settled(bed, 40)
        assert untouched(bed, theirs)
        print(f"{churn.done} changes, {len(witness.events)} events, {len(codes)} bulk assigns")
        assert churn.done > seconds * RATE / 4  # the rest is what two busy cores are slow
        assert len(codes) >= ASSIGNS
        assert set(codes) <= {0, 1}  # 1: somebody was overtaken to the last
