"""Every rule of the protocol is needed: with one switched off, the search finds a double assignment (DESIGN 5)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.property import rules
from tests.property.process import Setting
from tests.property.search import Bounds, Search, twice, unclaimed
from tests.property.settings import ASSIGN, MIXED, ONE, SHARED, SHARERS, say, searched
from tests.property.world import dump

GONE = dump([None, ["~2", "~3", True, "", [], None]])  # s0 is yet to be created
PLAIN = dump([["~0", "~1", False, "", [], None], ["~2", "~3", True, "", [], None]])  # s0 is of type ClusterIP
STILL = Bounds(moves=0)
Switch = Callable[[pytest.MonkeyPatch], None]
Judge = Callable[[str, str], str]

SWITCHES: tuple[tuple[Switch, Setting, Bounds], ...] = (
    (rules.publish_under_an_old_claim, ONE, STILL),
    (rules.publish_though_a_block_was_lost, ONE, STILL),
    (rules.services_before_claims, ONE, STILL),
    (rules.write_over_a_claim_after_an_older_read, ONE, STILL),
    (rules.patch_without_resource_version, ONE, STILL),
    (rules.patch_without_uid, ONE, Bounds(moves=1, operations=ASSIGN, repeats=True)),
    (rules.patch_with_a_version_read_after_the_claim, ONE, STILL),
    (rules.patch_again_after_a_conflict, ONE, STILL),
    (rules.read_the_service_again_for_a_second_block, MIXED, Bounds(moves=0, operations=(*ASSIGN, "release 0"))),
    (rules.take_a_timeout_for_a_failure, ONE, Bounds(moves=0, late=1, operations=ASSIGN)),
    (rules.gone_by_an_older_read, ONE, Bounds(moves=1, operations=ASSIGN, start=GONE)),
    (rules.another_by_an_older_read, ONE, Bounds(moves=2, operations=ASSIGN)),
    (rules.no_load_balancer_by_an_older_read, ONE, Bounds(moves=1, operations=ASSIGN, start=PLAIN)),
    (rules.unseen_is_gone, ONE, STILL),
    (rules.drop_what_a_patch_may_still_reach, ONE, STILL),
    (rules.drop_before_the_status_is_cleared, ONE, STILL),
    (rules.drop_against_a_later_read_of_the_block, ONE, STILL),
    (rules.write_blocks_unconditionally, ONE, STILL),
)


@pytest.mark.usefixtures("nobody_waits")
@pytest.mark.parametrize(("switch", "setting", "bounds"), [pytest.param(*row, id=row[0].__name__) for row in SWITCHES])
def test_each_rule_is_needed(switch: Switch, setting: Setting, bounds: Bounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one rule the search finds a double assignment: so it would see one."""
    switch(monkeypatch)
    # Without foresight, which rests on rule 2.
    say(f"{switch.__name__}:")
    found = searched(Search(setting, bounds, foresight=False), setting, bounds, 1_000_000, twice)
    print(*found.path, sep="\n  ")
    assert found.violation, f"{switch.__doc__} Yet nothing was found in {found.states} states"


FEW = Bounds(moves=1, operations=ASSIGN, start=SHARERS)
LEAVES = Bounds(moves=0, operations=(*ASSIGN, "release 0"), start=SHARERS)
LATE = Bounds(moves=2, late=1, operations=ASSIGN, start=SHARERS)
SHARING_SWITCHES: tuple[tuple[Switch, Setting, Bounds, Judge], ...] = (
    (rules.a_leaver_takes_the_claim_with_it, SHARED, LEAVES, unclaimed),
    (rules.a_leaver_takes_the_claim_with_it, SHARED, LATE, twice),
    (rules.a_joiner_forgets_the_others, SHARED, FEW, unclaimed),
    (rules.a_joiner_forgets_the_others, SHARED, LATE, twice),
    (rules.join_whatever_the_key, SHARED, Bounds(moves=2, operations=ASSIGN, start=SHARERS), twice),
)


@pytest.mark.usefixtures("nobody_waits")
@pytest.mark.parametrize(
    ("switch", "setting", "bounds", "wrong"),
    [pytest.param(*row, id=f"{row[0].__name__}-{row[3].__name__}") for row in SHARING_SWITCHES],
)
def test_each_rule_of_sharing_is_needed(
    switch: Switch, setting: Setting, bounds: Bounds, wrong: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it an address is shown that its Service does not hold any more, and then by two who share no key."""
    switch(monkeypatch)
    say(f"{switch.__name__}:")
    found = searched(Search(setting, bounds), setting, bounds, 1_000_000, wrong)
    print(*found.path, sep="\n  ")
    assert found.violation, f"{switch.__doc__} Yet nothing was found in {found.states} states"


@pytest.mark.usefixtures("nobody_waits")
def test_a_claim_stays_while_its_address_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one clause that no double assignment follows from alone, since an address in any status is in use: without it
    an address is shown that nobody holds, so that lbctl would not know it for its own."""
    rules.drop_what_is_shown(monkeypatch)
    found = searched(Search(ONE, STILL), ONE, STILL, 1_000_000, unclaimed)
    assert found.violation
