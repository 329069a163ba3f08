"""The map of a pool: which cell says what, at any width, of a pool of any size."""

from __future__ import annotations

from lbctl.addresses import Family, from_int, parse_address
from lbctl.cli.output import BOLD, PLAIN, RED, YELLOW
from lbctl.cli.pools_map import draw
from lbctl.decisions import Snapshot
from lbctl.pools import Pool
from lbctl.usage import PoolUsage, usages
from tests.unit.planner.values import blocks, frozen, held, pool, pools, released, service, snapshot

LEGEND = "# held  ~ lingering  = reserved  ! used elsewhere  . free  - never given"


def _usage(given: Pool, look: Snapshot | None = None) -> PoolUsage:
    (usage,) = usages(look or snapshot([]), pools(given))
    return usage


def _village() -> Snapshot:
    web, wild = service("web", "192.0.2.201"), service("wild", "192.0.2.203")
    return snapshot([web, wild], blocks(held("192.0.2.201", web), released("192.0.2.202", service("gone"), ago=9)))


def test_a_small_pool_has_a_cell_for_each_address() -> None:
    """Rows begin at round numbers; beside the pool there is nothing, and what it excludes is never given."""
    lan = pool("192.0.2.200-192.0.2.220", exclude=pool("192.0.2.210").addresses)
    assert draw(_usage(lan, _village()), Family.IPV4, 80, colour=False) == [
        "192.0.2.192          .#~!......-..........",
        LEGEND,
    ]


def test_colour_changes_no_cell() -> None:
    """Free ones have none."""
    lan = pool("192.0.2.200-192.0.2.204")
    (row, _) = draw(_usage(lan, _village()), Family.IPV4, 80, colour=True)
    assert row.endswith(f"          .{BOLD}#{PLAIN}{YELLOW}~{PLAIN}{RED}!{PLAIN}.")


def test_a_family_that_the_pool_lacks_has_no_map() -> None:
    """Not even a legend."""
    assert draw(_usage(pool("192.0.2.0/28")), Family.IPV6, 80, colour=False) == []


def test_a_pool_larger_than_the_screen_is_drawn_in_blocks() -> None:
    """Each says how much of it is in use: nothing, tenths, all."""
    shown = [service(f"s{n}", f"198.18.0.{n}") for n in (*range(128, 256),)] + [service("one", "198.18.1.0")]
    lines = draw(_usage(pool("198.18.0.0/17"), snapshot(shown)), Family.IPV4, 80, colour=False)
    assert lines[0] == "198.18.0.0    ....####1" + "." * 55
    assert lines[1] == "198.18.8.0    " + "." * 64
    assert lines[-1] == "each cell a /27: . free  1-9 tenths taken  # full  - never given"
    assert len(lines) == 17


def test_a_64_is_drawn_at_once() -> None:
    """It would take longer than the world stands to walk through it."""
    look = snapshot([service("web", "2001:db8::1", families=("IPv6",))])
    lines = draw(_usage(pool("2001:db8::/64"), look), Family.IPV6, 80, colour=False)
    assert lines[0] == "2001:db8::           1" + "." * 31
    assert lines[1] == "2001:db8:0:0:1000::  " + "." * 32
    assert lines[-1] == "each cell a /73: . free  1-9 tenths taken  # full  - never given"
    assert len(lines) == 17


def test_no_line_is_wider_than_the_screen() -> None:
    """Whatever the pool; the longest addresses leave room for 32 cells at 80 columns."""
    last = from_int(Family.IPV6, (0x20010DB8 << 96) + (1 << 96) - 1)
    for given in (
        pool(f"2001:db8:1234:5678:9abc:def0:1234:5000-{last}"),
        pool("2001:db8:ffff:ffff:ffff:ffff:ffff:0/112"),
        pool(*(f"198.{18 + n % 2}.{n}.7" for n in range(200))),
        pool("2001:db8::1", "2001:db8:ffff::1"),
    ):
        for family in Family:
            lines = draw(_usage(given), family, 80, colour=False)
            assert all(len(line) <= 80 for line in lines), lines
            assert len(lines) <= 17


def test_pieces_far_apart_have_rows_of_their_own() -> None:
    """With nothing drawn for what lies between."""
    far = pool("192.0.2.0/29", "203.0.113.0/29")
    lines = draw(_usage(far), Family.IPV4, 80, colour=False)
    assert lines == ["192.0.2.0    ........", "203.0.113.0  ........", LEGEND]


def test_a_block_that_cannot_be_read_is_in_use() -> None:
    """As far as the pool has it."""
    usage = _usage(pool("192.0.2.60-192.0.2.67"), snapshot([], frozen("192.0.2.0")))
    assert draw(usage, Family.IPV4, 80, colour=False)[:-1] == [
        "192.0.2.0   " + " " * 60 + "!!!!",
        "192.0.2.64  ....",
    ]


def test_what_is_avoided_is_never_given() -> None:
    """And a block of nothing else neither."""
    (row, *_) = draw(_usage(pool("192.0.2.254-192.0.3.1", avoid_buggy_ips=True)), Family.IPV4, 80, colour=False)
    assert row.endswith(".-")
    assert parse_address("192.0.2.192") == parse_address(row.split()[0])
