"""A search over mishaps: two answer for one address no longer than a second while they hear each other, somebody does
within the bound, and who comes back takes nothing. And rules switched off, which the search must find.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lbctl.l2 import announcer, election, handover, standby, table
from lbctl.l2.actions import Why
from lbctl.l2.directory import Directory
from lbctl.l2.seats import Seat
from tests.unit.l2.machines.storm import Storm

SEEDS = range(30)
LONG = range(1000, 1100)
FEW = range(20)  # storms within which a rule switched off must show
Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_storms_do_no_harm(nodes: int) -> None:
    """Seeded; a failure names its seed and its mishaps."""
    print(f"seeds {SEEDS}, {nodes} nodes")
    for seed in SEEDS:
        assert Storm(seed, nodes).run() == []


@pytest.mark.long
@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
def test_many_storms_do_no_harm(nodes: int) -> None:
    """The same, for longer."""
    print(f"seeds {LONG}, {nodes} nodes")
    for seed in LONG:
        assert Storm(seed, nodes).run(20) == []


def test_a_storm_is_a_function_of_its_seed() -> None:
    """The same mishaps give the same frames at the same times."""
    one, other = Storm(7), Storm(7)
    one.run()
    other.run()
    assert one.lan.changes == other.lan.changes
    assert one.lan.sent == other.lan.sent


# Each a rule, switched off.


def no_probe_after_a_stall(patch: Patch) -> None:
    """Who stood still goes on answering."""
    patch.setattr(announcer, "STALL", 1e9)


def no_wait_by_place(patch: Patch) -> None:
    """All take over at once."""
    patch.setattr(table, "PLACE", 0.0)


def an_owner_is_believed_dead_too_soon(patch: Patch) -> None:
    """After one question."""
    patch.setattr(standby, "UNANSWERED", 1)
    patch.setattr(table, "BETWEEN", 0.0)


def an_owner_is_believed_alive_too_long(patch: Patch) -> None:
    """After twelve questions."""
    patch.setattr(standby, "UNANSWERED", 12)


def neither_yields(patch: Patch) -> None:
    """Two owners that hear each other go on."""
    patch.setattr(election, "keeps", lambda *_: True)


def both_yield(patch: Patch) -> None:
    """Two owners that hear each other both go."""
    patch.setattr(election, "keeps", lambda *_: False)


def no_standby_after_an_answer(patch: Patch) -> None:
    """Who starts takes without asking."""
    patch.setattr(table.Table, "ask", lambda self, now, seats, why, _=None: self.take(now, seats, why))


def the_old_owner_leaves_at_once(patch: Patch) -> None:
    """Nobody has been told yet when it ceases to answer, and those who have been wait."""
    patch.setattr(handover, "PATIENCE", 30.0)
    patch.setattr(table, "TOLD", 5.0)
    patch.setattr(table, "LEAVE", 0.0)
    patch.setattr(standby, "UNANSWERED", 30)


def leaves_never(patch: Patch) -> None:
    """The old owner answers on after it has heard the new one."""
    drop = table.Table.drop

    def keep(self: table.Table, now: float, seat: Seat, why: Why, mac: bytes | None = None) -> None:
        if mac is None:
            drop(self, now, seat, why)

    patch.setattr(table.Table, "drop", keep)
    patch.setattr(table, "LEAVE", 5.0)


def an_outage_of_the_api_counts_for_all(patch: Patch) -> None:
    """Leases that ran out while nobody reached the API make their owners replaceable at once."""
    patch.setattr(Directory, "replaceable", lambda self, name: getattr(self._peers.get(name), "lapsed", None))


MUTATIONS: list[Callable[[Patch], None]] = [
    no_probe_after_a_stall,
    no_wait_by_place,
    an_owner_is_believed_dead_too_soon,
    an_owner_is_believed_alive_too_long,
    neither_yields,
    both_yield,
    no_standby_after_an_answer,
    the_old_owner_leaves_at_once,
    leaves_never,
    an_outage_of_the_api_counts_for_all,
]


@pytest.mark.parametrize("switch_off", MUTATIONS, ids=lambda mutation: mutation.__name__.replace("_", " "))
def test_the_search_finds_a_rule_that_is_switched_off(switch_off: Callable[[Patch], None], monkeypatch: Patch) -> None:
    """Else the search sees nothing."""
    switch_off(monkeypatch)
    wrong = next((found for seed in FEW for nodes in (3, 4) if (found := Storm(seed, nodes).run(30))), None)
    assert wrong, f"no harm in {2 * len(FEW)} storms"
    print(wrong[0])
