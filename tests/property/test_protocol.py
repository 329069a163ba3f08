"""Promise 1 searched: no interleaving of two lbctl processes publishes one address twice (DESIGN 5).

The planner, the ledger and apply are the real ones; only the API server is in memory. Each search states its bounds,
and one that meets its cap before it has seen everything fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lbctl import planner
from tests.property.process import Setting, forget
from tests.property.rules import SWITCHES
from tests.property.search import Bounds, Found, State, search, twice, unclaimed

A, B, OTHER_BLOCK, SIX = "192.0.2.1", "192.0.2.2", "192.0.2.65", "2001:db8::1"
ONE = Setting((A,))
FORGETFUL = Setting((A,), keep=False)
DUAL = Setting((A, SIX), families=("IPv4", "IPv6"))
TWO = Setting((A, B), asks=(A, B))
APART = Setting((A, OTHER_BLOCK), asks=(A, OTHER_BLOCK))


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A claim is finished by anybody at once: the 5 s that others leave it alone are manners, not safety."""
    monkeypatch.setattr(planner, "YOUNG", 0)
    forget()
    yield
    forget()


def _searched(setting: Setting, bounds: Bounds, cap: int, *wrong: Callable[[State], str]) -> Found:
    found = search(setting, bounds, cap, *wrong)
    print(f"{', '.join(setting.addresses)}: {bounds}: {found.states:,} states{', CUT' if found.cut else ''}")
    return found


def _holds(setting: Setting, bounds: Bounds, cap: int) -> None:
    found = _searched(setting, bounds, cap, twice, unclaimed)
    assert not found.violation, "\n".join((found.violation, *found.path))
    assert not found.cut, f"not everything was seen: {found.states} states are the cap"


@pytest.mark.parametrize(
    ("setting", "bounds"),
    [
        pytest.param(ONE, Bounds(moves=2), id="one address, two moves of the world"),
        pytest.param(ONE, Bounds(moves=1, late=1), id="one address, a PATCH that lands late"),
    ],
)
def test_no_interleaving_shows_an_address_twice(setting: Setting, bounds: Bounds) -> None:
    """Promise 1, within bounds that take seconds."""
    _holds(setting, bounds, cap=1_000_000)


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.__name__)
def test_each_rule_is_needed(switch: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one rule the search finds a double assignment: so it would see one."""
    switch(monkeypatch)
    found = _searched(ONE, Bounds(moves=0, shaky=True), 1_000_000, twice)
    print(*found.path, sep="\n  ")
    assert found.violation, f"{switch.__doc__} Yet nothing was found in {found.states} states"
