"""Two never lead at once, whatever pauses, kills, lost and late answers, outages and wrong clocks there are."""

from __future__ import annotations

from typing import Any

import pytest

from lbctl.kube.lease import Election, Timing
from tests.unit.lease.world import Storm

SEEDS = range(100)


def test_two_never_lead_at_once_and_in_the_end_one_does() -> None:
    """100 storms of 40 mishaps in ten minutes each, among three candidates."""
    handed_over = 0
    for seed in SEEDS:
        storm = Storm(seed)
        storm.run(600)
        handed_over += len(storm.led) - 1
        assert storm.overlaps == [], storm.overlaps[0]
        assert len(storm.leaders) == 1, f"seed {seed}: {len(storm.leaders)} lead at the end"
    assert handed_over > 300, "the lead hardly ever changed hands, so this shows nothing"


class _FromTheAnswer(Election):
    """Counts its lead from when the answer came."""

    def written(self, sent: float, now: float, lease: dict[str, Any], jitter: float) -> None:  # noqa: ARG002 the point
        super().written(now, now, lease, jitter)


class _Impatient(Election):
    """Takes a Lease over that it has seen only once."""

    def looked(self, now: float, lease: dict[str, Any] | None, jitter: float) -> None:
        self._unchanged_since = now - 100
        super().looked(now, lease, jitter)
        if lease is not None and lease["spec"]["renewTime"]:
            self._current, self._due = True, now


class _Blind(Election):
    """Writes over whatever version there is."""

    def beaten(self, now: float, jitter: float) -> None:
        self._until = now + self.timing.deadline
        super().beaten(now, jitter)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda name: _FromTheAnswer("lbctl", name), id="the lead counts from the answer"),
        pytest.param(lambda name: _Impatient("lbctl", name), id="a Lease is not watched before it is taken"),
        pytest.param(lambda name: _Blind("lbctl", name), id="a lost race counts as won"),
        pytest.param(
            lambda name: Election("lbctl", name, Timing(deadline=17.0)), id="a leader relies on it longer than others"
        ),
    ],
)
def test_the_storm_finds_a_rule_that_is_dropped(make: Any) -> None:
    """Else it would be no test."""

    def overlaps(seed: int) -> list[str]:
        storm = Storm(seed, make)
        storm.run(600)
        return storm.overlaps

    assert any(overlaps(seed) for seed in SEEDS)
