"""What apply does with a plan, on an API server in memory: nothing of what it has just written is undone."""

from __future__ import annotations

from lbctl.apply import assign
from tests.unit.planner.values import Api, blocks, held, pool, pools, released, service


def test_an_old_address_handed_out_again_keeps_its_new_claim_when_another_moves_in_its_block() -> None:
    """The claim of an address that nobody will get back is cleared away only while nobody holds it."""
    mover, newcomer = service("mover", "192.0.2.1", ask="192.0.2.2"), service("newcomer")
    before = service("mover", "192.0.2.1", ask="192.0.2.1")
    api = Api([mover, newcomer], blocks(held("192.0.2.1", before), released("192.0.2.3", service("gone"), ago=100_000)))
    assign(api.cluster(), pools(pool("192.0.2.1-192.0.2.3")))
    assert api.shown() == {"mover": ["192.0.2.2"], "newcomer": ["192.0.2.3"]}
    assert api.held() == {"192.0.2.2": "mover", "192.0.2.3": "newcomer"}
