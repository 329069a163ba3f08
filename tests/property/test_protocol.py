"""Promise 1 searched: no interleaving of two lbctl processes publishes one address twice (DESIGN 5).

The planner, the ledger and apply are the real ones; only the API server is in memory. Each search states its bounds,
and one that meets its cap before it has seen everything fails.
"""

from __future__ import annotations

import pytest

from tests.property.process import Setting
from tests.property.search import Bounds, Search, twice, unclaimed
from tests.property.settings import ALL, APART, ASSIGN, DUAL, EACH, FORGETFUL, MIXED, NOW, ONE, TWO, searched

pytestmark = pytest.mark.usefixtures("nobody_waits")

MOST = 3_000_000  # states at most: what a machine of 2 GiB has room for

SECONDS = {
    "two moves of the world": (ONE, Bounds(2)),
    "a PATCH that lands late, and a move": (ONE, Bounds(1, late=1)),
    "deleted and created again, nothing kept for its name": (FORGETFUL, Bounds(2, operations=ASSIGN)),
    "addresses freed at once": (ONE, Bounds(2, operations=NOW)),
    "all Services in one run": (ONE, Bounds(2, operations=ALL)),
    "all Services in one run, a PATCH that lands late": (TWO, Bounds(1, late=1, operations=("assign --all",))),
    "asks that change within a block": (TWO, Bounds(1, operations=ASSIGN)),
    "asks that change between blocks": (APART, Bounds(1, operations=("assign --all", "assign 1"))),
    "dual-stack over two blocks": (DUAL, Bounds(1, operations=ASSIGN)),
    "dual-stack beside single-stack": (MIXED, Bounds(0, operations=EACH)),
    "answers of claim writes lost": (ONE, Bounds(0, shaky=True)),
    "resourceVersions that come back": (ONE, Bounds(1, operations=ASSIGN, repeats=True)),
}

MINUTES = {
    "three moves of the world": (ONE, Bounds(3)),
}


def _holds(setting: Setting, bounds: Bounds) -> None:
    found = searched(Search(setting, bounds), setting, bounds, MOST, twice, unclaimed)
    assert not found.violation, "\n".join((found.violation, *found.path))
    assert not found.cut, f"not everything was seen: {found.states} states are the cap"


@pytest.mark.parametrize(("setting", "bounds"), SECONDS.values(), ids=SECONDS)
def test_no_interleaving_shows_an_address_twice(setting: Setting, bounds: Bounds) -> None:
    """Promise 1, within bounds that take seconds."""
    _holds(setting, bounds)


@pytest.mark.long
@pytest.mark.parametrize(("setting", "bounds"), MINUTES.values(), ids=MINUTES)
def test_no_interleaving_shows_an_address_twice_further_on(setting: Setting, bounds: Bounds) -> None:
    """Promise 1, within bounds that take minutes."""
    _holds(setting, bounds)


def test_a_search_cut_short_has_shown_nothing() -> None:
    """A cap that is met is a failure, never a pass."""
    found = Search(ONE, Bounds(0)).run(100, twice)
    assert found.cut
