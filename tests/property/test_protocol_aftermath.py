"""Promise 4 searched: whatever two processes leave behind, the next run finishes, and no address is lost (DESIGN 1)."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import pytest

from lbctl import planner
from tests.property.aftermath import wrong_after
from tests.property.names import FRESH, Part, text
from tests.property.process import Setting
from tests.property.search import Bounds, Search, state_of, written
from tests.property.settings import ALL, APART, ASSIGN, DUAL, FORGETFUL, ONE, TWO, searched

pytestmark = pytest.mark.usefixtures("nobody_waits")

SEED = b"lbctl"
Left = tuple[Part, Part, tuple[Part, ...]]  # the Services, the ledger, the writes in flight

SEARCHES = {
    "two moves of the world": (ONE, Bounds(2)),
    "a PATCH in flight": (ONE, Bounds(1, late=1, operations=ASSIGN)),
    "nothing kept for a name": (FORGETFUL, Bounds(2, operations=ALL)),
    "asks that change within a block": (TWO, Bounds(1, operations=("assign --all",))),
    "asks that change between blocks": (APART, Bounds(1, operations=("assign --all",))),
    "dual-stack over two blocks": (DUAL, Bounds(0, operations=("assign 0", "assign 1", "release 0"))),
    "answers of claim writes lost": (ONE, Bounds(1, shaky=True, operations=ASSIGN)),
}


def _leftovers(search: Search, every: int) -> Iterator[Left]:
    """One in `every` of the worlds that the search has seen, by a hash of their texts."""
    lefts = {(s.services, s.ledger, s.flying) for s in map(state_of, search.came)}
    for services, ledger, flying in lefts:
        words = "\n".join(map(text, (services, ledger, *flying)))
        if int.from_bytes(blake2b(words.encode(), digest_size=4, key=SEED).digest(), "big") % every == 0:
            yield services, ledger, flying


def _check(setting: Setting, bounds: Bounds, every: int, patch: pytest.MonkeyPatch) -> None:
    search = Search(setting, bounds)
    assert not searched(search, setting, bounds, 3_000_000).cut
    checked = 0
    patch.setattr(planner, "YOUNG", 5)
    for services, ledger, flying in _leftovers(search, every):
        lost = (text(services), text(ledger))
        landed = lost
        for n, write in enumerate(flying):
            services_then, ledger_then, _ = written(*landed, text(write))
            landed = services_then.replace(FRESH, f"~{200 + n}"), ledger_then.replace(FRESH, f"~{200 + n}")
        for world in {lost, landed}:
            bad = wrong_after(*world, setting)
            assert not bad, "\n".join((bad, *world))
        checked += 1
    print(f"one run alone puts right each of {checked} worlds left behind (one in {every}, seed {SEED.decode()})")
    assert checked


@pytest.mark.parametrize(("setting", "bounds"), SEARCHES.values(), ids=SEARCHES)
def test_the_next_run_finishes(setting: Setting, bounds: Bounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever both processes die, and whether what is in flight lands or not, `assign --all` settles every Service."""
    _check(setting, bounds, 1, monkeypatch)
