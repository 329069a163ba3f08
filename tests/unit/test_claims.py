"""The claim's form in the cluster."""

from __future__ import annotations

from lbctl.addresses import parse_address
from lbctl.claims import Block, BlockId, Claim, Holder, parse_block
from lbctl.services import Key

HOLDER = Holder(Key("prod", "web"), "u1", "7", "a1", 100, "0123abcd", {"later": 1})
CLAIM = Claim(parse_address("2001:db8::101"), (HOLDER,), "lan", 90, "root@host assign", extra={"new": True})


def test_a_block_comes_back_as_it_was_written_unknown_fields_and_all() -> None:
    """A newer lbctl's fields survive an older one's write."""
    written = Block(BlockId.of(CLAIM.address), "5", {CLAIM.address: CLAIM}).to_object()
    assert written["metadata"]["name"] == "lbctl-claims-2001-0db8-0000-0000-0000-0000-0000-0100"
    assert parse_block(written).claims == {CLAIM.address: CLAIM}


def test_a_line_that_does_not_parse_freezes_the_whole_block() -> None:
    """Half a block read as free addresses would hand out the other half twice."""
    written = Block(BlockId.of(CLAIM.address), "5", {CLAIM.address: CLAIM}).to_object()
    written["data"]["claims"] += "\n{"
    frozen = parse_block(written)
    assert frozen.claims == {}
    assert frozen.unreadable.startswith("line 2 of its claims does not parse")
