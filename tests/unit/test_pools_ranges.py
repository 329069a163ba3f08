"""What is wrong with a pool file's addresses, word for word as users see it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lbctl.pools import PoolFileInvalid, load_pools
from tests.unit.poolfiles import refusal

CASES: dict[str, tuple[str, str]] = {
    "not an address": (
        "pools:\n- {name: lan, addresses: [lan.example.com]}\n",
        "pools.yaml:2:27: 'lan.example.com' is not an IP address\n"
        "- {name: lan, addresses: [lan.example.com]}\n"
        "                          ^\n"
        "hint: write an address (192.0.2.10), a range (192.0.2.200-192.0.2.220) or a CIDR (192.0.2.240/28)",
    ),
    "empty text": (
        "pools:\n- {name: lan, addresses: ['']}\n",
        "pools.yaml:2:27: '' is not an IP address\n"
        "- {name: lan, addresses: ['']}\n"
        "                          ^\n"
        "hint: write an address (192.0.2.10), a range (192.0.2.200-192.0.2.220) or a CIDR (192.0.2.240/28)",
    ),
    "number too large": (
        "pools:\n- {name: lan, addresses: [192.0.2.256]}\n",
        "pools.yaml:2:27: '192.0.2.256' is not an IP address\n"
        "- {name: lan, addresses: [192.0.2.256]}\n"
        "                          ^\n"
        "hint: write an address (192.0.2.10), a range (192.0.2.200-192.0.2.220) or a CIDR (192.0.2.240/28)",
    ),
    "zone": (
        "pools:\n- {name: lan, addresses: [2001:db8::1%eth0]}\n",
        "pools.yaml:2:27: '2001:db8::1%eth0' has a zone, and an address to hand out has none\n"
        "- {name: lan, addresses: [2001:db8::1%eth0]}\n"
        "                          ^\n"
        "hint: write 2001:db8::1",
    ),
    "IPv4-mapped": (
        "pools:\n- {name: lan, addresses: ['::ffff:192.0.2.1']}\n",
        "pools.yaml:2:27: '::ffff:192.0.2.1' is an IPv4 address mapped into IPv6\n"
        "- {name: lan, addresses: ['::ffff:192.0.2.1']}\n"
        "                          ^\n"
        "hint: write 192.0.2.1",
    ),
    "leading zero": (
        "pools:\n- {name: lan, addresses: [192.0.2.010]}\n",
        "pools.yaml:2:27: '192.0.2.010' has a number with a leading zero\n"
        "- {name: lan, addresses: [192.0.2.010]}\n"
        "                          ^\n"
        "hint: write 192.0.2.10",
    ),
    "reversed range": (
        "pools:\n- {name: lan, addresses: [192.0.2.9-192.0.2.3]}\n",
        "pools.yaml:2:27: the range 192.0.2.9-192.0.2.3 is reversed\n"
        "- {name: lan, addresses: [192.0.2.9-192.0.2.3]}\n"
        "                          ^\n"
        "hint: write 192.0.2.3-192.0.2.9",
    ),
    "range across families": (
        "pools:\n- {name: lan, addresses: [192.0.2.1-2001:db8::1]}\n",
        "pools.yaml:2:27: the range 192.0.2.1-2001:db8::1 goes from one family to the other\n"
        "- {name: lan, addresses: [192.0.2.1-2001:db8::1]}\n"
        "                          ^\n"
        "hint: write one range per family",
    ),
    "range whose end is a number": (
        "pools:\n- {name: lan, addresses: [192.0.2.200-220]}\n",
        "pools.yaml:2:27: the range 192.0.2.200-220 has no address at its end\n"
        "- {name: lan, addresses: [192.0.2.200-220]}\n"
        "                          ^\n"
        "hint: write 192.0.2.200-192.0.2.220",
    ),
    "range without an end": (
        "pools:\n- {name: lan, addresses: [192.0.2.1-]}\n",
        "pools.yaml:2:27: the range '192.0.2.1-' has an address at one end only\n"
        "- {name: lan, addresses: [192.0.2.1-]}\n"
        "                          ^\n"
        "hint: write an address (192.0.2.10), a range (192.0.2.200-192.0.2.220) or a CIDR (192.0.2.240/28)",
    ),
    "host bits": (
        "pools:\n- {name: lan, addresses: [192.0.2.200/28]}\n",
        "pools.yaml:2:27: 192.0.2.200/28 has host bits set; the network is 192.0.2.192/28 "
        "(192.0.2.192-192.0.2.207)\n"
        "- {name: lan, addresses: [192.0.2.200/28]}\n"
        "                          ^\n"
        "hint: write the range you mean",
    ),
    "host bits in IPv6": (
        "pools:\n- {name: lan, addresses: [2001:db8::1/64]}\n",
        "pools.yaml:2:27: 2001:db8::1/64 has host bits set; the network is 2001:db8::/64 "
        "(2001:db8::-2001:db8::ffff:ffff:ffff:ffff)\n"
        "- {name: lan, addresses: [2001:db8::1/64]}\n"
        "                          ^\n"
        "hint: write the range you mean",
    ),
    "prefix too long": (
        "pools:\n- {name: lan, addresses: [192.0.2.0/33]}\n",
        "pools.yaml:2:27: '192.0.2.0/33' is not a CIDR\n"
        "- {name: lan, addresses: [192.0.2.0/33]}\n"
        "                          ^\n"
        "hint: end it with a prefix from /0 to /32, such as 192.0.2.0/32",
    ),
    "netmask": (
        "pools:\n- {name: lan, addresses: [192.0.2.0/255.255.255.0]}\n",
        "pools.yaml:2:27: '192.0.2.0/255.255.255.0' is not a CIDR\n"
        "- {name: lan, addresses: [192.0.2.0/255.255.255.0]}\n"
        "                          ^\n"
        "hint: end it with a prefix from /0 to /32, such as 192.0.2.0/32",
    ),
    "unspecified": (
        "pools:\n- {name: lan, addresses: [0.0.0.0]}\n",
        "pools.yaml:2:27: no Service can have 0.0.0.0: unspecified (0.0.0.0/8)\n"
        "- {name: lan, addresses: [0.0.0.0]}\n"
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "loopback": (
        "pools:\n- {name: lan, addresses: [127.0.0.1-127.0.0.9]}\n",
        "pools.yaml:2:27: no Service can have 127.0.0.1-127.0.0.9: loopback (127.0.0.0/8)\n"
        "- {name: lan, addresses: [127.0.0.1-127.0.0.9]}\n"
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "link-local": (
        "pools:\n- {name: lan, addresses: [169.254.10.0/24]}\n",
        "pools.yaml:2:27: no Service can have 169.254.10.0/24: link-local (169.254.0.0/16)\n"
        "- {name: lan, addresses: [169.254.10.0/24]}\n"
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "multicast": (
        "pools:\n- {name: lan, addresses: [239.0.0.1]}\n",
        "pools.yaml:2:27: no Service can have 239.0.0.1: multicast (224.0.0.0/4)\n"
        "- {name: lan, addresses: [239.0.0.1]}\n"
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "broadcast": (
        "pools:\n- {name: lan, addresses: [255.255.255.255]}\n",
        "pools.yaml:2:27: no Service can have 255.255.255.255: broadcast (255.255.255.255)\n"
        "- {name: lan, addresses: [255.255.255.255]}\n"
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "everything": (
        "pools:\n- {name: lan, addresses: [0.0.0.0/0]}\n",
        "pools.yaml:2:27: no Service can have 0.0.0.0/0: unspecified (0.0.0.0/8), loopback (127.0.0.0/8), "
        "link-local (169.254.0.0/16), multicast (224.0.0.0/4), broadcast (255.255.255.255)\n"
        "- {name: lan, addresses: [0.0.0.0/0]}\n"
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "unspecified in IPv6": (
        'pools:\n- {name: lan, addresses: ["::"]}\n',
        "pools.yaml:2:27: no Service can have ::: unspecified (::)\n"
        '- {name: lan, addresses: ["::"]}\n'
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "loopback in IPv6": (
        'pools:\n- {name: lan, addresses: ["::1"]}\n',
        "pools.yaml:2:27: no Service can have ::1: loopback (::1)\n"
        '- {name: lan, addresses: ["::1"]}\n'
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "link-local in IPv6": (
        "pools:\n- {name: lan, addresses: [fe80::1]}\n",
        "pools.yaml:2:27: no Service can have fe80::1: link-local (fe80::/10)\n"
        "- {name: lan, addresses: [fe80::1]}\n"
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "multicast in IPv6": (
        "pools:\n- {name: lan, addresses: [ff02::1]}\n",
        "pools.yaml:2:27: no Service can have ff02::1: multicast (ff00::/8)\n"
        "- {name: lan, addresses: [ff02::1]}\n"
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "IPv4-mapped inside a CIDR": (
        'pools:\n- {name: lan, addresses: ["::/64"]}\n',
        "pools.yaml:2:27: no Service can have ::/64: unspecified (::), loopback (::1), IPv4-mapped "
        "(::ffff:0:0/96)\n"
        '- {name: lan, addresses: ["::/64"]}\n'
        "                          ^\n"
        "hint: write addresses of your own network",
    ),
    "overlapping pools": (
        "pools:\n- {name: lan, addresses: [192.0.2.0/28]}\n- {name: wan, addresses: [192.0.2.12-192.0.2.20]}\n",
        "pools.yaml:3:27: pool wan overlaps pool lan on line 2: both have 192.0.2.12-192.0.2.15\n"
        "- {name: wan, addresses: [192.0.2.12-192.0.2.20]}\n"
        "                          ^\n"
        "hint: give each address to one pool only",
    ),
    "overlap within a pool": (
        "pools:\n- {name: lan, addresses: [192.0.2.0/28, 192.0.2.12-192.0.2.20]}\n",
        "pools.yaml:2:41: 192.0.2.12-192.0.2.15 stands twice in pool lan, the first time on line 2\n"
        "- {name: lan, addresses: [192.0.2.0/28, 192.0.2.12-192.0.2.20]}\n"
        "                                        ^\n"
        "hint: write each address once",
    ),
    "address twice": (
        "pools:\n- {name: lan, addresses: [192.0.2.1, 192.0.2.1]}\n",
        "pools.yaml:2:38: 192.0.2.1 stands twice in pool lan, the first time on line 2\n"
        "- {name: lan, addresses: [192.0.2.1, 192.0.2.1]}\n"
        "                                     ^\n"
        "hint: write each address once",
    ),
    "exclude outside its pool": (
        "pools:\n- {name: lan, addresses: [192.0.2.1-192.0.2.9], exclude: [192.0.2.10]}\n",
        "pools.yaml:2:59: exclude 192.0.2.10 lies outside pool lan\n"
        "- {name: lan, addresses: [192.0.2.1-192.0.2.9], exclude: [192.0.2.10]}\n"
        "                                                          ^\n"
        "hint: remove it, or write addresses that the pool has",
    ),
    "exclude partly outside its pool": (
        "pools:\n- {name: lan, addresses: [192.0.2.1-192.0.2.9], exclude: [192.0.2.8-192.0.2.12]}\n",
        "pools.yaml:2:59: exclude 192.0.2.8-192.0.2.12 lies partly outside pool lan\n"
        "- {name: lan, addresses: [192.0.2.1-192.0.2.9], exclude: [192.0.2.8-192.0.2.12]}\n"
        "                                                          ^\n"
        "hint: write 192.0.2.8-192.0.2.9",
    ),
    "exclude not an address": (
        "pools:\n- {name: lan, addresses: [192.0.2.1-192.0.2.9], exclude: [lan]}\n",
        "pools.yaml:2:59: 'lan' is not an IP address\n"
        "- {name: lan, addresses: [192.0.2.1-192.0.2.9], exclude: [lan]}\n"
        "                                                          ^\n"
        "hint: write an address (192.0.2.10), a range (192.0.2.200-192.0.2.220) or a CIDR (192.0.2.240/28)",
    ),
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in messages are as given, so each test works in a directory of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES)
def test_wrong_addresses_are_named_at_their_place(text: str, said: str) -> None:
    """Each wrong address, range or exclusion has its place, its sentence and what to write."""
    assert refusal(text) == said


def test_every_two_pools_that_meet_are_named_and_no_others() -> None:
    """The one sweep over all ranges finds what comparing each with each finds, up to four pools on one address."""
    choose, compared = random.Random(7), 0
    for _ in range(300):
        starts = [choose.randrange(100) for _ in range(choose.randint(2, 8))]
        spans = [(start, start + choose.randrange(20)) for start in starts]
        meeting = {(i, j) for i, (a, b) in enumerate(spans) for j, (c, d) in enumerate(spans[:i]) if a <= d and c <= b}
        if max(sum(a <= number <= b for a, b in spans) for number in range(120)) > 4:
            assert meetings(spans) <= meeting
        else:
            assert meetings(spans) == meeting
            compared += bool(meeting)
    assert compared > 100


def meetings(spans: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which pool is said to overlap which, in a file of one pool for each span."""
    lines = [f"- {{name: p{n}, addresses: [192.0.2.{low}-192.0.2.{high}]}}" for n, (low, high) in enumerate(spans)]
    Path("pools.yaml").write_text("\n".join(["pools:", *lines]))
    try:
        load_pools("pools.yaml")
    except PoolFileInvalid as refused:
        words = [problem.sentence.split() for problem in refused.problems]
        return {(int(word[1][1:]), int(word[4][1:])) for word in words}
    return set()
