"""What is wrong with a pool file's reservations, word for word as users see it; and what they answer."""

from __future__ import annotations

import pytest

from lbctl.addresses import parse_address
from lbctl.keys import Key
from lbctl.pools import PoolFileInvalid, Reservation, parse_pools
from tests.unit.poolfiles import refusal

POOL = "pools:\n- name: lan\n  addresses: [192.0.2.0/28, 192.0.2.200-192.0.2.220, 2001:db8::100/120]\n"

CASES: dict[str, tuple[str, str]] = {
    "reservations is a mapping": (
        POOL + "reservations: {prod/web: 192.0.2.205}\n",
        "pools.yaml:4:15: reservations is a list, and this is a mapping\n"
        "reservations: {prod/web: 192.0.2.205}\n"
        "              ^\n"
        "hint: write reservations: [{service: prod/web, addresses: [192.0.2.205]}]",
    ),
    "reservations is null": (
        POOL + "reservations:\n",
        "pools.yaml:4:14: reservations has no value\n"
        "reservations:\n"
        "             ^\n"
        "hint: write reservations: [{service: prod/web, addresses: [192.0.2.205]}], or remove reservations",
    ),
    "reservation is text": (
        POOL + "reservations:\n- prod/web\n",
        "pools.yaml:5:3: an item of reservations is a mapping, and this is 'prod/web'\n"
        "- prod/web\n"
        "  ^\n"
        "hint: write {service: prod/web, addresses: [192.0.2.205]}",
    ),
    "reservation is null": (
        POOL + "reservations:\n-\n",
        "pools.yaml:5:2: an item of reservations is empty\n-\n ^\nhint: write something after the -, or remove the -",
    ),
    "without service": (
        POOL + "reservations:\n- {addresses: [192.0.2.205]}\n",
        "pools.yaml:5:3: the reservation has no service\n"
        "- {addresses: [192.0.2.205]}\n"
        "  ^\n"
        "hint: add service: prod/web",
    ),
    "without addresses": (
        POOL + "reservations:\n- {service: prod/web}\n",
        "pools.yaml:5:3: the reservation has no addresses\n"
        "- {service: prod/web}\n"
        "  ^\n"
        "hint: add addresses: [192.0.2.205]",
    ),
    "empty addresses": (
        POOL + "reservations:\n- {service: prod/web, addresses: []}\n",
        "pools.yaml:5:34: addresses is an empty list\n"
        "- {service: prod/web, addresses: []}\n"
        "                                 ^\n"
        "hint: write addresses: [192.0.2.205]",
    ),
    "unknown key": (
        POOL + "reservations:\n- {service: prod/web, address: 192.0.2.205, addresses: [192.0.2.205]}\n",
        "pools.yaml:5:23: unknown key 'address' in a reservation\n"
        "- {service: prod/web, address: 192.0.2.205, addresses: [192.0.2.205]}\n"
        "                      ^\n"
        "hint: did you mean addresses?",
    ),
    "unknown far": (
        POOL + "reservations:\n- {service: prod/web, addresses: [192.0.2.205], colour: red}\n",
        "pools.yaml:5:49: unknown key 'colour' in a reservation\n"
        "- {service: prod/web, addresses: [192.0.2.205], colour: red}\n"
        "                                                ^\n"
        "hint: the keys of a reservation are service, addresses",
    ),
    "reservations in a pool": (
        POOL + "  reservations: []\n",
        "pools.yaml:4:3: unknown key 'reservations' in a pool\n"
        "  reservations: []\n"
        "  ^\n"
        "hint: reservations belongs at the top of the file",
    ),
    "service key at the top": (
        "service: a/b\n" + POOL,
        "pools.yaml:1:1: unknown key 'service' in the pool file\n"
        "service: a/b\n"
        "^\n"
        "hint: service belongs into an item of reservations",
    ),
    "bare name": (
        POOL + "reservations:\n- {service: web, addresses: [192.0.2.205]}\n",
        "pools.yaml:5:13: a Service is written NAMESPACE/NAME, and this is 'web'\n"
        "- {service: web, addresses: [192.0.2.205]}\n"
        "            ^\n"
        "hint: write it as in service: prod/web",
    ),
    "service with two slashes": (
        POOL + "reservations:\n- {service: prod/web/http, addresses: [192.0.2.205]}\n",
        "pools.yaml:5:13: a Service is written NAMESPACE/NAME, and this is 'prod/web/http'\n"
        "- {service: prod/web/http, addresses: [192.0.2.205]}\n"
        "            ^\n"
        "hint: write it as in service: prod/web",
    ),
    "address is null": (
        POOL + "reservations:\n- {service: prod/web, addresses: [~]}\n",
        "pools.yaml:5:35: an item of addresses is empty\n"
        "- {service: prod/web, addresses: [~]}\n"
        "                                  ^\n"
        "hint: write something after the -, or remove the -",
    ),
    "address is a mapping": (
        POOL + "reservations:\n- {service: prod/web, addresses: [ip: 192.0.2.205]}\n",
        "pools.yaml:5:35: an item of addresses is text, and this is a mapping\n"
        "- {service: prod/web, addresses: [ip: 192.0.2.205]}\n"
        "                                  ^\n"
        "hint: write one address in each item",
    ),
    "address in quotes needed": (
        POOL + "reservations:\n- service: prod/web\n  addresses:\n  - 2001:db8::\n",
        "pools.yaml:7:5: YAML reads 2001:db8:: as the key of a mapping, for it ends in a colon\n"
        "  - 2001:db8::\n"
        "    ^\n"
        'hint: put it in quotes: "2001:db8::"',
    ),
    "a range": (
        POOL + "reservations:\n- {service: prod/web, addresses: [192.0.2.205-192.0.2.206]}\n",
        "pools.yaml:5:35: '192.0.2.205-192.0.2.206' is not an IP address\n"
        "- {service: prod/web, addresses: [192.0.2.205-192.0.2.206]}\n"
        "                                  ^\n"
        "hint: write an address such as 192.0.2.10 or 2001:db8::10",
    ),
    "same service": (
        POOL + "reservations:\n- {service: prod/web, addresses: [192.0.2.205]}\n"
        "- {service: prod/web, addresses: [192.0.2.206]}\n",
        "pools.yaml:6:13: prod/web has a reservation on line 5 already\n"
        "- {service: prod/web, addresses: [192.0.2.206]}\n"
        "            ^\n"
        "hint: put its addresses into one reservation",
    ),
    "two Services": (
        POOL + "reservations:\n- {service: prod/web, addresses: [192.0.2.205]}\n"
        "- {service: prod/api, addresses: [192.0.2.205]}\n",
        "pools.yaml:6:35: 192.0.2.205 is reserved for prod/web on line 5 already\n"
        "- {service: prod/api, addresses: [192.0.2.205]}\n"
        "                                  ^\n"
        "hint: reserve each address for one Service",
    ),
    "two of family": (
        POOL + "reservations:\n- {service: prod/web, addresses: [192.0.2.205, 2001:db8::105, 192.0.2.206]}\n",
        "pools.yaml:5:63: the reservation has 192.0.2.205 already, and a Service gets one IPv4 address\n"
        "- {service: prod/web, addresses: [192.0.2.205, 2001:db8::105, 192.0.2.206]}\n"
        "                                                              ^\n"
        "hint: remove one of the two",
    ),
    "same twice": (
        POOL + "reservations:\n- {service: prod/web, addresses: [192.0.2.205, 192.0.2.205]}\n",
        "pools.yaml:5:48: the reservation has 192.0.2.205 already, and a Service gets one IPv4 address\n"
        "- {service: prod/web, addresses: [192.0.2.205, 192.0.2.205]}\n"
        "                                               ^\n"
        "hint: remove one of the two",
    ),
    "two spellings": (
        POOL + "reservations:\n- {service: prod/web, addresses: ['2001:db8::105']}\n"
        "- {service: prod/api, addresses: ['2001:DB8:0::105']}\n",
        "pools.yaml:6:35: 2001:db8::105 is reserved for prod/web on line 5 already\n"
        "- {service: prod/api, addresses: ['2001:DB8:0::105']}\n"
        "                                  ^\n"
        "hint: reserve each address for one Service",
    ),
    "no pool": (
        POOL + "reservations:\n- {service: prod/web, addresses: [192.0.2.99]}\n",
        "pools.yaml:5:35: 192.0.2.99 is in no pool\n"
        "- {service: prod/web, addresses: [192.0.2.99]}\n"
        "                                  ^\n"
        "hint: reserve an address that a pool has",
    ),
    "excluded": (
        POOL + "  exclude: [192.0.2.205]\nreservations:\n- {service: prod/web, addresses: [192.0.2.205]}\n",
        "pools.yaml:6:35: 192.0.2.205 is excluded from pool lan on line 4\n"
        "- {service: prod/web, addresses: [192.0.2.205]}\n"
        "                                  ^\n"
        "hint: remove it from exclude, or reserve another address",
    ),
    "buggy": (
        POOL + "  avoidBuggyIPs: true\nreservations:\n- {service: prod/web, addresses: [192.0.2.0]}\n",
        "pools.yaml:6:35: pool lan leaves 192.0.2.0 out, because of its avoidBuggyIPs\n"
        "- {service: prod/web, addresses: [192.0.2.0]}\n"
        "                                  ^\n"
        "hint: reserve an address that does not end in .0 or .255",
    ),
}


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES)
def test_a_wrong_reservation_is_named_at_its_place(text: str, said: str) -> None:
    """Each wrong key, Service or address has its place, its sentence and what to write."""
    assert refusal(text) == said


def sentences(text: str) -> list[tuple[int, int, str]]:
    """Where what is said of a pool file with this text."""
    with pytest.raises(PoolFileInvalid) as refused:
        parse_pools("pools.yaml", text.encode())
    return [(p.place.line, p.place.column, p.sentence) for p in refused.value.problems]


def test_all_that_is_wrong_with_reservations_is_told_at_once() -> None:
    """Each address is looked at beside every other, whatever else is wrong with its reservation."""
    text = f"""{POOL}reservations:
- {{service: web, addresses: [192.0.2.99, 192.0.2.205]}}
- {{service: web, addresses: [192.0.2.205, nowhere]}}
- {{addresses: [192.0.2.206, '2001:db8::1']}}
- {{service: prod/api, addresses: [192.0.2.206, [1]]}}
"""
    assert sentences(text) == [
        (5, 13, "a Service is written NAMESPACE/NAME, and this is 'web'"),
        (5, 30, "192.0.2.99 is in no pool"),
        (5, 42, "the reservation has 192.0.2.99 already, and a Service gets one IPv4 address"),
        (6, 13, "web has a reservation on line 5 already"),
        (6, 13, "a Service is written NAMESPACE/NAME, and this is 'web'"),
        (6, 43, "'nowhere' is not an IP address"),
        (7, 3, "the reservation has no service"),
        (7, 29, "2001:db8::1 is in no pool"),
        (8, 35, "192.0.2.206 is reserved for another Service on line 7 already"),
        (8, 48, "an item of addresses is text, and this is a list"),
    ]


@pytest.mark.parametrize("addresses", ["[192.0.2.0/33]", "192.0.2.0/24", "[]", "[[192.0.2.1]]"])
def test_no_address_is_said_to_be_in_no_pool_when_a_pool_cannot_be_read(addresses: str) -> None:
    """It may well be in what is wrong; the pool's own error is told, and that one alone."""
    pool, reservation = f"{{name: lan, addresses: {addresses}}}", "{service: a/b, addresses: [192.0.2.1]}"
    text = f"pools: [{pool}]\nreservations: [{reservation}]\n"
    assert refusal(text).startswith("pools.yaml:1:")


def test_an_address_is_found_in_pools_that_overlap() -> None:
    """Only the overlap is told, and not that an address behind it were in no pool."""
    text = (
        "pools:\n- {name: a, addresses: [192.0.2.0/24]}\n- {name: b, addresses: [192.0.2.8]}\n"
        "reservations:\n- {service: a/b, addresses: [192.0.2.200]}\n"
    )
    assert refusal(text).startswith("pools.yaml:3:25: pool b overlaps pool a on line 2: both have 192.0.2.8\n")


def test_avoiding_buggy_ips_is_each_pools_own() -> None:
    """A pool hands out .0 and .255 where it is not told otherwise, and IPv6 has none of them."""
    text = (
        "pools:\n- {name: a, addresses: [192.0.2.0/24, 2001:db8::/120], avoidBuggyIPs: true}\n"
        "- {name: b, addresses: [198.51.100.0/24]}\nreservations:\n"
        '- {service: a/b, addresses: [198.51.100.0, "2001:db8::"]}\n- {service: a/c, addresses: [192.0.2.255]}\n'
    )
    assert sentences(text) == [(6, 30, "pool a leaves 192.0.2.255 out, because of its avoidBuggyIPs")]


def test_reservations_answer_both_ways() -> None:
    """By address, and by Service in the order of the file; a Service named alike elsewhere has none."""
    text = f"""{POOL}reservations:
- {{service: prod/web, addresses: ['2001:DB8::105', 192.0.2.205]}}
- {{service: prod/api, addresses: [192.0.2.0]}}
"""
    found = parse_pools("pools.yaml", text.encode())
    web, api = Key("prod", "web"), Key("prod", "api")
    six, four, low = map(parse_address, ("2001:db8::105", "192.0.2.205", "192.0.2.0"))
    assert found.reservations == (Reservation(web, (six, four)), Reservation(api, (low,)))
    assert [found.reserved_for(a) for a in (six, four, low)] == [web, web, api]
    assert found.reserved_for(parse_address("192.0.2.206")) is None
    assert (found.reservation(web), found.reservation(api)) == ((six, four), (low,))
    assert found.reservation(Key("dev", "web")) == ()


def test_a_file_without_reservations_has_none() -> None:
    """Nor has one with an empty list of them."""
    for text in (POOL, POOL + "reservations: []\n"):
        found = parse_pools("pools.yaml", text.encode())
        assert (found.reservations, found.reserved_for(parse_address("192.0.2.205"))) == ((), None)
