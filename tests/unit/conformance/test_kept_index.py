"""The table holds as well for an Index that is told of changes one by one, as `serve` keeps it (promise 6)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lbctl.allocator import Index
from lbctl.claims import Block
from lbctl.decisions import Plan, Snapshot
from lbctl.planner import plan
from lbctl.pools import PoolFile
from tests.unit.conformance import table

NOTHING = Snapshot({}, {}, {}, 0, "")


def _told(index: Index, before: Snapshot, after: Snapshot) -> None:
    """Tell of all that is different."""
    for key in before.services.keys() - after.services.keys():
        index.drop_service(key)
    for service in after.services.values():
        index.put_service(service)
    for block in before.blocks.keys() - after.blocks.keys():
        index.put_block(Block(block, "1", {}))
    for now in after.blocks.values():
        index.put_block(now)
    index.put_others(after.others)


def _facts(done: Plan) -> tuple[object, ...]:
    decided = [(str(d.service.key), table.outcome(d), d.sentence) for d in done.decisions]
    return decided, sorted((str(c.address), str(h.key)) for c, h in done.orphans), sorted(map(str, done.expired))


@pytest.mark.parametrize("seed", range(4))
def test_an_index_kept_from_case_to_case_decides_as_a_new_one_does(seed: int, tmp_path: Path) -> None:
    """The cases come in any order, but those of one pool file together, for then nothing is looked through anew."""
    print(f"seed {seed}")
    files: dict[str, PoolFile] = {}
    cases = sorted(table.cases(), key=lambda case: case.name)
    random.Random(seed).shuffle(cases)
    by_file = [(case.pools(tmp_path), case) for case in cases]
    by_file = [(files.setdefault(pools.digest, pools), case) for pools, case in by_file]
    index, before = Index({}, {}, {}, PoolFile("", None, (), ""), 0), NOTHING
    for pools, case in sorted(by_file, key=lambda pair: pair[0].digest):
        look, reassign = case.snapshot(pools), bool(case.facts.get("reassign"))
        _told(index, before, look)
        index.begin(pools, look.now)
        kept = plan(look, pools, reassign=reassign, index=index)
        assert _facts(kept) == _facts(plan(look, pools, reassign=reassign)), case.name
        before = look
