"""Who gets which address, why, and what moves: each sentence of the table holds (DESIGN 4 to 6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbctl.reasons import Reason
from tests.unit.conformance import table

CASES = list(table.cases())
ROWS = table.read("rows.yaml")

# What a plan never says, and who does, or will.
NOT_PLANNED = {
    "Pending": "`list` says it of a Service that no plan was made for",
    "Adopted": "`adopt` says it: what is in a status already is claimed by that command alone",
    "PoolFilesDiffer": "a warning beside a plan: the claims that others wrote bear the hash of their pool file",
    "LedgerUnavailable": "apply and the command line say it: without a ledger there is no plan",
    "AddressInUseOnLan": "what a probe of the LAN found: test_lan.py",
    "StillAnnounced": "likewise, of a peer's answer",
    "Announced": "`explain` and `status` say it, by what announcers write down of themselves",
    "NotAnnounced": "`explain` and `status` say it, where no announcer may or does",
    "StatusFight": "`serve` says it, for it takes several looks",
}


def _params() -> list[object]:
    return [
        pytest.param(
            case,
            id=case.name,
            marks=[pytest.mark.xfail(reason=case.facts["xfail"], strict=True)] if "xfail" in case.facts else [],
        )
        for case in CASES
    ]


@pytest.mark.parametrize("case", _params())
def test_the_table(case: table.Case, tmp_path: Path) -> None:
    """The plan for each case is the one that is written there, to the last claim."""
    done = case.plan(case.pools(tmp_path))
    want = table.wanted(case)
    got = {str(d.service.key): table.outcome(d) for d in done.decisions}
    assert got == {name: w.outcome for name, w in want.items()}
    for decision in done.decisions:
        for words in want[str(decision.service.key)].says:
            assert str(words) in decision.sentence
        assert decision.at_once is (bool(case.facts.get("now")) and decision.action == "release")
    assert [f"{c.address} of {h.key}" for c, h in done.orphans] == case.facts.get("lets_go", [])
    assert sorted(map(str, done.expired)) == sorted(case.facts.get("forgets", []))


def test_each_name_is_a_promise_of_its_own() -> None:
    """At least 150, each a sentence, none twice."""
    names = [case.name for case in CASES]
    assert len(names) >= 150
    assert sorted(set(names)) == sorted(names)
    assert [name for name in names if len(name.split()) < 4] == []


def test_each_refusal_says_the_words_that_matter() -> None:
    """A reason alone is not what a newcomer can act on (promise 5)."""
    silent = [c.name for c in CASES for w in table.wanted(c).values() if w.outcome["action"] == "refuse" and not w.says]
    assert silent == []


def test_each_row_of_the_field_is_shown() -> None:
    """Or says where else it is; and no case is for a row that nobody knows."""
    shown = {row for case in CASES for row in case.rows}
    rows = ROWS["rows"]
    assert {name for name, row in rows.items() if row["lbctl"] != "elsewhere"} == shown
    assert [name for name, row in rows.items() if row["lbctl"] == "elsewhere" and not row.get("why")] == []
    assert {row["lbctl"] for row in rows.values()} == {"same", "differs", "elsewhere"}


def test_each_difference_names_its_promise() -> None:
    """Where lbctl does not do what MetalLB does, it is on purpose."""
    differing = [case for case in CASES if "metallb" in case.facts or "promise" in case.facts]
    assert [c.name for c in differing if not (c.facts.get("metallb") and c.facts.get("promise") and c.rows)] == []
    assert {c.facts["promise"] for c in differing} <= set(ROWS["promises"])
    marked = {name for name, row in ROWS["rows"].items() if row["lbctl"] == "differs"}
    assert {row for case in differing for row in case.rows} == marked


def test_each_reason_that_a_plan_can_give_is_given() -> None:
    """The others are listed, with who gives them."""
    assert table.reasons(CASES) == set(Reason.__members__) - set(NOT_PLANNED)
