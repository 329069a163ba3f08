"""The promises that concern allocation, held against a model over random histories (DESIGN 1).

The real planner, rounds and ledger run on an API server in memory. Every run is judged by rules of the model's own;
none of them asks lbctl's.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.allocation.history import FIRED, History
from tests.property.settings import say

STEPS = 50  # of one history
SHORT, LONG = 5_000, 200_000
RULES = (
    "create", "recreate", "delete", "retype", "mark", "ask for an address", "ask for a pool", "share",
    "policy of traffic", "families", "foreign address", "status wiped", "externalIPs", "node addresses", "clock",
    "shrink", "grow", "rename", "disable", "exclude", "namespaces", "serviceSelector", "priority and times",
    "reservations", "assign --all", "assign named", "assign --ip", "assign --pool", "assign --reassign", "release",
    "release --now", "crash",
)  # fmt: skip


def _hold(wanted: int, first_seed: int, examples: int) -> None:
    """Histories, seed after seed, until so many steps have been taken."""
    FIRED.clear()
    began, number = time.process_time(), first_seed
    how = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=True,
    )
    while FIRED.total() < wanted:
        run_state_machine_as_test(seed(number)(type("History", (History,), {})), settings=how)
        number += 1
    seconds = time.process_time() - began
    say(f"allocation: {FIRED.total():,} steps, seeds {first_seed} to {number - 1} ({seconds:.1f} s of CPU)")
    say("  " + ", ".join(f"{name} {count:,}" for name, count in sorted(FIRED.items())))
    assert not [name for name in RULES if not FIRED[name]], "a rule was never tried"


def test_the_promises_of_allocation_hold() -> None:
    """Over histories that take seconds."""
    _hold(SHORT, 1, 50)


@pytest.mark.long
def test_the_promises_of_allocation_hold_further_on() -> None:
    """Over histories that take minutes."""
    _hold(LONG, 1_000, 500)
