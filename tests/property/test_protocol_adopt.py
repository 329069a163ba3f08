"""Promise 1 searched with adoptions: s0 shows an address that another system gave it, and `lbctl adopt` claims it while
others assign, release, delete and create (DESIGN 5, Recovery).

An adoption writes a claim that no PATCH follows; nothing of the protocol may rest on one that does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from lbctl import apply, planner
from lbctl.adoption import _Adopter
from lbctl.kube.api import Kube
from lbctl.kube.transport import KubeTransport
from lbctl.rivals import Origin
from lbctl.rounds import Cluster
from tests.property import world
from tests.property.aftermath import SEED, Alone, left_behind, wrong_after
from tests.property.names import FRESH
from tests.property.process import Setting
from tests.property.search import Bounds, Search, twice
from tests.property.settings import ONE, TWO, A, B, say, searched
from tests.property.world import dump, load

pytestmark = pytest.mark.usefixtures("nobody_waits")

MOST = 3_000_000

SHOWN = dump([["~0", "~1", True, "", [A], None], ["~2", "~3", True, "", [], None]])  # s0, and nothing is claimed
ALSO = dump([["~0", "~1", True, "", [A], None], ["~2", "~3", True, "", [B], None]])  # and s1 likewise
OPERATIONS = ("adopt 0", "assign 0", "assign 1")

SEARCHES = {
    "three moves of the world": (ONE, Bounds(3, operations=OPERATIONS, start=SHOWN)),
    "a PATCH that lands late, and two moves": (ONE, Bounds(2, late=1, operations=OPERATIONS, start=SHOWN)),
    "releases of what was adopted": (ONE, Bounds(1, operations=(*OPERATIONS, "release 0"), start=SHOWN)),
    "answers of claim writes lost": (ONE, Bounds(1, shaky=True, operations=OPERATIONS, start=SHOWN)),
    "two adopted in one write": (TWO, Bounds(1, operations=("adopt --all", "assign --all"), start=ALSO)),
}


def _adopted(services: str, ledger: str, setting: Setting) -> Alone:
    """What one `lbctl adopt --all` makes of it."""
    alone = Alone(services, ledger, setting)
    cluster = Cluster(Kube(cast("KubeTransport", alone)), "x", workers=1, name_attempt=alone.name)
    apply.adopt(cluster, setting.pools, Origin.ANY, None, sleep=alone.sleep)
    return alone


@pytest.mark.parametrize(("setting", "bounds"), SEARCHES.values(), ids=SEARCHES)
def test_no_interleaving_with_adoptions_shows_an_address_twice(
    setting: Setting, bounds: Bounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whatever two processes leave behind, an adoption alone and then an assign put right, with nothing lost."""
    search = Search(setting, bounds)
    found = searched(search, setting, bounds, MOST, twice)
    assert not found.violation, "\n".join((found.violation, *found.path))
    assert not found.cut, f"not everything was seen: {found.states} states are the cap"
    monkeypatch.setattr(planner, "YOUNG", 5)  # for that run waits, as in life
    checked = 0
    for services, ledger in left_behind(search, 1):
        alone = _adopted(services, ledger, setting)
        bad = wrong_after(alone.services, alone.ledger, setting)
        assert not bad, "\n".join((bad, services, ledger))
        checked += 1
    say(f"  an adoption and a run put right each of {checked} worlds left behind (seed {SEED.decode()})")
    assert checked


def published_twice(services: str, ledger: str) -> str:
    """Promise 1 beside another controller, which gives addresses as it likes: of what lbctl itself has published."""
    del ledger
    ours = [a for s in load(services) if s is not None and s[5] and s[5]["status"] == "True" for a in s[4]]
    return "lbctl has published one address twice" if len(set(ours)) < len(ours) else ""


def held_twice(services: str, ledger: str) -> str:
    """What that rests on: no claim has two holders, for neither Service may share."""
    del services
    addresses = [address for address, _, _ in world.holders(ledger)]
    return "two Services hold one address" if len(set(addresses)) < len(addresses) else ""


@pytest.fixture
def another_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    """The world moves by one more: another system gives s0 the address, whenever s0 shows none."""
    users = world.moves

    def moves(services: str, *more: Any) -> Iterator[tuple[str, str]]:
        yield from users(services, *more)
        first, second = load(services)
        if first is not None and first[2] and not first[4]:
            yield "another system fills s0", dump([[first[0], FRESH, True, first[3], [A], None], second])

    monkeypatch.setattr(world, "moves", moves)


BESIDE = Bounds(3, operations=("adopt 0", "assign 0", "assign 1"))


@pytest.mark.usefixtures("another_controller")
def test_beside_another_controller_lbctl_publishes_nothing_twice() -> None:
    """Though it adopts what the other gives, and the other knows nothing of claims."""
    found = searched(Search(ONE, BESIDE), ONE, BESIDE, MOST, published_twice, held_twice)
    assert not found.violation, "\n".join((found.violation, *found.path))
    assert not found.cut


@pytest.mark.usefixtures("another_controller")
def test_an_address_that_a_live_service_holds_is_adopted_for_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """That rule is needed: its PATCH may be under way, and without the rule two hold what they may not share."""
    monkeypatch.setattr(_Adopter, "_obstacle", lambda *_: None)
    found = searched(Search(ONE, BESIDE), ONE, BESIDE, MOST, held_twice)
    print(*found.path, sep="\n  ")
    assert found.violation
