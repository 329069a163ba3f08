"""An Index that is told of changes one by one answers as one that is made anew from the whole."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lbctl.addresses import Address, Family, parse_address
from lbctl.allocator import Index
from lbctl.claims import Block, BlockId, Claim
from lbctl.planner import plan
from lbctl.pools import Pool, PoolFile
from lbctl.services import Key, Service, parse_service
from tests.unit.planner.values import NOW, blocks, held, pool, pools, released, service, snapshot

SEED = 20260
NAMES = [f"s{n}" for n in range(6)]
ADDRESSES = [f"192.0.2.{n}" for n in range(12)]
LAN = pool("192.0.2.0-192.0.2.11", avoid_buggy_ips=True)


def _answers(index: Index, lan: Pool) -> object:
    """All that can be asked, as a value."""
    everybody = [Key("d", name) for name in NAMES]
    free = []
    while (address := index.next_free(lan, Family.IPV4, Key("d", "new"))) is not None:
        free.append(str(address))
        index.take(address, parse_service(service(f"new{len(free)}")))
    return (
        free,
        [a for a in ADDRESSES if index.user(parse_address(a), Key("d", "s0"))],
        {k.name: sorted((str(c.address), h.uid) for c, h in index.held(k)) for k in everybody},
        {k.name: sorted(str(c.address) for c in index.had(k)) for k in everybody},
        {k.name: sorted(str(c.address) for c in index.parks(k)) for k in everybody},
        sorted((str(c.address), str(h.key)) for c, h in index.holders()),
        sorted(map(str, index.released)),
    )


def _random_service(choose: random.Random, name: str) -> Service:
    shown = choose.sample(ADDRESSES, choose.choice([0, 1, 1, 2]))
    one = service(name, *shown, uid=choose.choice(["a", "b"]))
    if choose.random() < 0.2:
        one["spec"]["externalIPs"] = [choose.choice(ADDRESSES)]
    return parse_service(one)


def _random_block(choose: random.Random) -> Block:
    claims: list[Claim] = []
    for address in ADDRESSES:
        by = service(choose.choice(NAMES), uid=choose.choice(["a", "b"]))
        kind = choose.choice(["", "", "held", "released", "parked"])
        if kind == "held":
            claims.append(held(address, by))
        elif kind:
            claims.append(released(address, by, ago=choose.choice([0, 70, 500]), parked=kind == "parked"))
    block_id = BlockId.of(parse_address(ADDRESSES[0]))
    return blocks(*claims).get(block_id) or Block(block_id, "1", {})


@pytest.mark.parametrize("asked_between", [False, True])
def test_told_bit_by_bit_it_knows_as_much_as_one_made_anew(*, asked_between: bool) -> None:
    """3,000 changes: Services come, change and go, blocks are written, Nodes move, the pool file is edited."""
    print(f"seed {SEED}")
    choose = random.Random(SEED)
    now = NOW
    file = pools(LAN)
    index = Index({}, {}, {}, file, now)
    services: dict[Key, Service] = {}
    ledger: dict[BlockId, Block] = {}
    others: dict[Address, str] = {}
    for step in range(3_000):
        match choose.choice(["service", "service", "gone", "block", "others", "time", "file"]):
            case "service":
                one = _random_service(choose, choose.choice(NAMES))
                services[one.key] = one
                index.put_service(one)
            case "gone":
                key = Key("d", choose.choice(NAMES))
                services.pop(key, None)
                index.drop_service(key)
            case "block":
                block = _random_block(choose)
                ledger[block.id] = block
                index.put_block(block)
            case "others":
                others = {parse_address(a): "node n has it" for a in choose.sample(ADDRESSES, choose.randrange(3))}
                index.put_others(others)
            case "time":
                now += choose.choice([1, 100])
            case "file":
                file = pools(replace(LAN, exclude=choose.choice([LAN.exclude, pool("192.0.2.4").addresses])))
        if asked_between or step % 100 == 99:
            index.begin(file, now)
            fresh = Index(services, ledger, others, file, now)
            assert _answers(index, file.pools[0]) == _answers(fresh, file.pools[0]), f"after step {step}"


def _assigned(index: Index, file: PoolFile, look_services: list[dict[str, object]]) -> list[str]:
    look = snapshot(look_services)
    done = plan(look, file, frozenset(look.services), named=False, index=index)
    return [str(d.addresses[0]) for d in done.decisions]


def test_what_a_plan_handed_out_is_free_again_for_the_next_when_it_was_not_done() -> None:
    """A round that lost its race leaves no hole in the pool."""
    file = pools(LAN)
    index = Index({}, {}, {}, file, NOW)
    for _ in range(3):
        index.begin(file, NOW)
        assert _assigned(index, file, [service("a"), service("b")]) == ["192.0.2.1", "192.0.2.2"]
