"""What is counted as used of a pool, by whom, and what is left of it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lbctl.addresses import Family, family_of, from_int, parse_address
from lbctl.claims import Block, BlockId
from lbctl.decisions import Action, Snapshot
from lbctl.planner import plan
from lbctl.pools import Pool, PoolFile, Reservation
from lbctl.services import Key
from lbctl.usage import PoolUsage, State, Usage, usages
from tests.unit.planner.values import Json, blocks, frozen, held, parsed, pool, pools, released, service, snapshot


def _of(look: Snapshot, given: Pool) -> PoolUsage:
    (usage,) = usages(look, pools(given))
    return usage


def _ipv4(look: Snapshot, given: Pool) -> Usage:
    return _of(look, given).families[Family.IPV4]


def _said(usage: PoolUsage) -> list[str]:
    return [f"{u.range} {u.state}{' gone' * u.gone} {u.words}".rstrip() for u in usage.uses]


def test_each_kind_of_use_is_counted_apart_and_named() -> None:
    """Capacity is held, lingering, elsewhere and free together."""
    web, gone, wild = service("web", "192.0.2.1"), service("gone"), service("wild", "192.0.2.4")
    bare = service("bare", externalIPs=["192.0.2.5"])
    ledger = blocks(
        held("192.0.2.1", web),
        released("192.0.2.2", gone, ago=10),
        released("192.0.2.3", gone, ago=10, parked=True),
    )
    look = replace(snapshot([web, wild, bare], ledger), others={parse_address("192.0.2.6"): "node n has it"})
    usage = _of(look, pool("192.0.2.0/28"))
    assert _said(usage) == [
        "192.0.2.1 held",
        "192.0.2.2 released",
        "192.0.2.3 parked",
        "192.0.2.4 elsewhere Service d/wild shows it",
        "192.0.2.5 elsewhere Service d/bare has it in externalIPs",
        "192.0.2.6 elsewhere node n has it",
    ]
    numbers = usage.families[Family.IPV4]
    assert (numbers.capacity, numbers.held, numbers.lingering, numbers.elsewhere, numbers.free) == (16, 1, 2, 3, 10)
    assert (numbers.parked, numbers.released, str(numbers.biggest_free)) == (1, 1, "192.0.2.7-192.0.2.15")
    assert usage.families[Family.IPV6] == Usage(0, 0, 0, 0, 0, 0, None)


def test_a_released_address_that_another_shows_does_not_linger() -> None:
    """Nobody gets it back: it is in use, whoever put it there (promise 2)."""
    look = snapshot([service("wild", "192.0.2.1")], blocks(released("192.0.2.1", service("gone"), ago=10)))
    assert _said(_of(look, pool("192.0.2.0/30"))) == ["192.0.2.1 elsewhere Service d/wild shows it"]


def test_a_holder_that_is_gone_still_holds() -> None:
    """Until a run lets go of it; it is said."""
    look = snapshot([], blocks(held("192.0.2.1", service("gone"))))
    assert _said(_of(look, pool("192.0.2.0/30"))) == ["192.0.2.1 held gone"]


def test_a_block_that_cannot_be_read_is_in_use_as_far_as_the_pool_has_it() -> None:
    """Whatever the Services show of it."""
    look = snapshot([service("web", "192.0.2.60")], frozen("192.0.2.0"))
    usage = _of(look, pool("192.0.2.56-192.0.2.79"))
    (use,) = usage.uses
    assert str(use.range) == "192.0.2.56-192.0.2.63"
    assert use.words.startswith("ConfigMap lbctl-claims-192.0.2.0 cannot be read: ")
    assert usage.families[Family.IPV4] == Usage(24, 0, 0, 0, 0, 8, usage.families[Family.IPV4].biggest_free)
    assert str(usage.families[Family.IPV4].biggest_free) == "192.0.2.64-192.0.2.79"


def test_what_the_pool_never_gives_is_listed_and_not_counted() -> None:
    """A Service may hold an address that was excluded since."""
    web, edge = service("web", "192.0.2.1"), service("edge", "192.0.2.0")
    look = snapshot([web, edge], blocks(held("192.0.2.1", web), held("192.0.2.0", edge)))
    excluding = pool("192.0.2.0/29", exclude=pool("192.0.2.1").addresses, avoid_buggy_ips=True)
    assert _said(_of(look, excluding)) == ["192.0.2.0 held", "192.0.2.1 held"]
    assert (_ipv4(look, excluding).capacity, _ipv4(look, excluding).held, _ipv4(look, excluding).free) == (6, 0, 6)
    assert str(_ipv4(look, excluding).biggest_free) == "192.0.2.2-192.0.2.7"


@pytest.mark.parametrize(
    ("text", "biggest"),
    [
        ("192.0.2.0-192.0.2.255", "192.0.2.1-192.0.2.254"),
        ("198.18.0.0/15", "198.18.0.1-198.18.0.254"),
        ("192.0.2.200-192.0.3.100", "192.0.3.1-192.0.3.100"),
        ("192.0.2.100-192.0.3.20", "192.0.2.100-192.0.2.254"),
        ("192.0.2.255-192.0.3.0", "None"),
    ],
)
def test_the_biggest_free_run_ends_at_addresses_that_are_avoided(text: str, biggest: str) -> None:
    """Without going through the pool."""
    assert str(_ipv4(snapshot([]), pool(text, avoid_buggy_ips=True)).biggest_free) == biggest


def test_the_first_of_equal_runs_is_shown() -> None:
    """And none when nothing is free."""
    web = service("web", "192.0.2.1")
    look = snapshot([web], blocks(held("192.0.2.1", web)))
    assert str(_ipv4(look, pool("192.0.2.0-192.0.2.2")).biggest_free) == "192.0.2.0"
    assert _ipv4(look, pool("192.0.2.1")).biggest_free is None


def test_free_is_what_the_allocator_gives() -> None:
    """200 random ledgers, counted here and handed out there to the last address: one rule of what is in use."""
    print("seed 7")
    choose = random.Random(7)
    for _ in range(200):
        names = [service(f"s{n}", *choose.sample([f"192.0.2.{n}"], choose.randint(0, 1))) for n in range(16)]
        claims = [
            choose.choice([held, lambda a, s: released(a, s, ago=1000)])(f"192.0.2.{n}", names[n])
            for n in range(16)
            if choose.random() < 0.4
        ]
        look = snapshot([s for s in names if choose.random() < 0.8], blocks(*claims))
        lan = pool("192.0.2.0/28", avoid_buggy_ips=choose.random() < 0.5)
        new = [service(f"new{n}") for n in range(16)]
        kept = (Reservation(Key("d", "late"), (parse_address("192.0.2.9"),)),)
        file = PoolFile("pools.yaml", None, (lan,), "0", kept)
        (usage,) = usages(look, file)
        numbers = usage.families[Family.IPV4]
        crowded = replace(look, services={**look.services, **parsed(*new)})
        decided = plan(crowded, file, frozenset(parsed(*new))).decisions
        assert sum(d.action is Action.ASSIGN for d in decided) == numbers.free + numbers.lingering


def test_what_is_reserved_is_not_free() -> None:
    """Unless its Service holds it, or somebody else has it in spite of it."""
    web, wild = service("web", "192.0.2.1"), service("wild", "192.0.2.2")
    keys = {"192.0.2.1": "web", "192.0.2.2": "two", "192.0.2.3": "three", "192.0.2.4": "four"}
    kept = tuple(Reservation(Key("d", name), (parse_address(text),)) for text, name in keys.items())
    ledger = blocks(held("192.0.2.1", web), released("192.0.2.4", service("old"), ago=9))
    (usage,) = usages(snapshot([web, wild], ledger), PoolFile("x", None, (pool("192.0.2.0/29"),), "0", kept))
    assert _said(usage) == [
        "192.0.2.1 held",
        "192.0.2.2 elsewhere Service d/wild shows it",
        "192.0.2.3 reserved kept for d/three",
        "192.0.2.4 reserved kept for d/four",
    ]
    numbers = usage.families[Family.IPV4]
    assert (numbers.held, numbers.lingering, numbers.reserved, numbers.elsewhere, numbers.free) == (1, 0, 2, 1, 4)


def test_a_64_with_thousands_held_costs_no_more_than_they_do() -> None:
    """The pool is not gone through, which would never end."""
    first = int(parse_address("fd00::"))
    services: list[Json] = []
    ledger: dict[BlockId, Block] = {}
    for number in range(5_000):
        address = from_int(Family.IPV6, first + 3 * number)
        services.append(service(f"s{number}", str(address), families=("IPv6",)))
        block = ledger.setdefault(BlockId.of(address), Block(BlockId.of(address), "1", {}))
        ledger[block.id] = block.with_claims([held(str(address), services[-1])])
    look = snapshot(services, ledger)
    usage = _of(look, pool("fd00::/64"))
    assert usage.families[Family.IPV6].held == 5_000
    assert all(u.state is State.HELD and family_of(from_int(*u.range[:2])) is Family.IPV6 for u in usage.uses)
    assert str(usage.families[Family.IPV6].biggest_free) == "fd00::3a96-fd00::ffff:ffff:ffff:ffff"
