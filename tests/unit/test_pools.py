"""The pool file as values: what is read, how it is found, and what Pool and PoolFile answer."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from time import process_time

import pytest
import yaml

from lbctl import yamltext
from lbctl.addresses import AddressSet, Family, parse_address
from lbctl.pools import PASTE, Pool, PoolFile, PoolFileInvalid, load_pools

EXAMPLES = sorted((Path(__file__).parents[2] / "examples/pools").glob("*.yaml"))

EVERYTHING = """\
apiVersion: lbctl/v1
loadBalancerClass: example.com/lan
pools:
- name: lan
  addresses: [192.0.2.200-192.0.2.220, 192.0.2.240/28, 2001:db8::100/120]
  exclude: [192.0.2.210, 2001:db8::180/121]
  avoidBuggyIPs: true
  autoAssign: false
  priority: -10
  reuseAfter: 1m30s
  keepFor: "0"
- name: "10"
  addresses: [1:2:3:4:5:6:7:8]
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in messages are as given, so each test works in a directory of its own."""
    monkeypatch.chdir(tmp_path)


def load(text: str | bytes) -> PoolFile:
    """The pool file with this text."""
    Path("pools.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_pools("pools.yaml")


def refused(text: str | bytes) -> str:
    """The message for a pool file with this text."""
    with pytest.raises(PoolFileInvalid) as error:
        load(text)
    return error.value.message


def test_every_key_arrives_where_it_belongs() -> None:
    """Each key of the file is a field of the pool, and text that YAML types (1:2:3…, 10, 0) stays text."""
    found = load(EVERYTHING)
    lan, ten = found.pools
    assert (found.path, found.load_balancer_class) == ("pools.yaml", "example.com/lan")
    assert lan == Pool(
        name="lan",
        addresses=AddressSet.parse("192.0.2.200-192.0.2.220")
        | AddressSet.parse("192.0.2.240/28")
        | AddressSet.parse("2001:db8::100/120"),
        exclude=AddressSet.parse("192.0.2.210") | AddressSet.parse("2001:db8::180/121"),
        avoid_buggy_ips=True,
        auto_assign=False,
        priority=-10,
        reuse_after=timedelta(seconds=90),
        keep_for=timedelta(0),
    )
    assert ten == Pool("10", AddressSet.parse("1:2:3:4:5:6:7:8"))


def test_defaults_are_the_documented_ones() -> None:
    """A pool of name and addresses hands out by itself, rests an address 60 s and keeps it 24 h."""
    (pool,) = load(PASTE).pools
    assert pool.exclude == AddressSet()
    assert (pool.avoid_buggy_ips, pool.auto_assign, pool.priority) == (False, True, None)
    assert (pool.reuse_after, pool.keep_for) == (timedelta(seconds=60), timedelta(hours=24))


@pytest.mark.parametrize(
    "text",
    [
        EVERYTHING.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + EVERYTHING.encode(),
        "# caf\u00e9\n---\n" + EVERYTHING + "...\n",
        EVERYTHING.replace("- name", "  - name").replace("\n  ", "\n    ").replace("    - name", "  - name"),
    ],
    ids=["CRLF", "byte order mark", "document marks and a comment", "indented lists"],
)
def test_the_same_file_in_other_clothes(text: str | bytes) -> None:
    """Line ends, a byte order mark, document marks and indentation change nothing that is read."""
    assert load(text).pools == load(EVERYTHING).pools


def test_json_is_read_too() -> None:
    """YAML holds JSON, so a generated pool file may be JSON."""
    found = load('{"pools": [{"name": "lan", "addresses": ["192.0.2.1"], "autoAssign": false, "priority": 5}]}')
    assert found.pools == (Pool("lan", AddressSet.parse("192.0.2.1"), auto_assign=False, priority=5),)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("500ms", 500_000),
        ("60s", 60_000_000),
        ("1h30m", 5_400_000_000),
        ("24h", 86_400_000_000),
        ("1.5s", 1_500_000),
        (".5m", 30_000_000),
        ("1.h", 3_600_000_000),
        ("100us", 100),
        ("100\u00b5s", 100),
        ("100\u03bcs", 100),
        ("1999ns", 1),
        ("1h1h", 7_200_000_000),
        ("2562047h47m16.854775807s", 9_223_372_036_854_775),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, microseconds: int) -> None:
    """Every form of Go's ParseDuration but a sign, cut to microseconds."""
    (pool,) = load(f"pools: [{{name: lan, addresses: [192.0.2.1], keepFor: {text}}}]").pools
    assert pool.keep_for == timedelta(microseconds=microseconds)


@pytest.mark.parametrize("text", ["''", ".s", "1.2.3s", "1s ", "1 s", "+1s", "1S", "s", "1h30", "\u0661s", "1e3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A duration is read whole or not at all."""
    assert "keepFor is a duration, and this is" in refused(
        f"pools: [{{name: lan, addresses: [192.0.2.1], keepFor: {text if text[0] == chr(39) else repr(text)}}}]"
    )


def test_many_errors_come_out_at_once_in_file_order() -> None:
    """YAML, keys, names and addresses are all told in one go, from the top of the file to its end."""
    text = (
        "poolz: []\n"
        "pools:\n"
        "- name: lan\n"
        "  addresses: [192.0.2.9-192.0.2.3, 192.0.2.16/28]\n"
        "  autoAssign: yes\n"
        "  autoAssign: no\n"
        "- name: lan\n"
        "  addresses: [192.0.2.20]\n"
        "---\n"
    )
    assert refused(text) == (
        "pools.yaml has 7 errors\n\n"
        "pools.yaml:1:1: unknown key 'poolz' in the pool file\n"
        "poolz: []\n"
        "^\n"
        "hint: did you mean pools?\n\n"
        "pools.yaml:4:15: the range 192.0.2.9-192.0.2.3 is reversed\n"
        "  addresses: [192.0.2.9-192.0.2.3, 192.0.2.16/28]\n"
        "              ^\n"
        "hint: write 192.0.2.3-192.0.2.9\n\n"
        "pools.yaml:5:15: autoAssign is true or false, and this is 'yes'\n"
        "  autoAssign: yes\n"
        "              ^\n"
        "hint: write autoAssign: true\n\n"
        "pools.yaml:6:3: the key 'autoAssign' stands here twice, the first time on line 5\n"
        "  autoAssign: no\n"
        "  ^\n"
        "hint: keep one of the two\n\n"
        "pools.yaml:7:9: the name 'lan' is taken by the pool on line 3\n"
        "- name: lan\n"
        "        ^\n"
        "hint: give each pool a name of its own\n\n"
        "pools.yaml:8:15: pool lan overlaps pool lan on line 4: both have 192.0.2.20\n"
        "  addresses: [192.0.2.20]\n"
        "              ^\n"
        "hint: give each address to one pool only\n\n"
        "pools.yaml:9:1: a second YAML document begins here\n"
        "---\n"
        "^\n"
        "hint: put everything into one document, without --- lines"
    )


def test_errors_are_values_too() -> None:
    """A program reads place, sentence and hint of each error without parsing the message."""
    with pytest.raises(PoolFileInvalid) as error:
        load("pools: []\ncolour: red\n")
    assert [(p.place.line, p.place.column, p.sentence) for p in error.value.problems] == [
        (1, 8, "pools is an empty list"),
        (2, 1, "unknown key 'colour' in the pool file"),
    ]


def test_a_place_far_along_a_line_is_shown_with_what_surrounds_it() -> None:
    """A line of thousands of characters does not bury its error: 200 of them are shown."""
    many = ", ".join(f"192.0.2.{n}" for n in range(100))
    _, line, caret, _ = refused(f"pools: [{{name: lan, addresses: [{many}, nowhere, 2001:{many}]}}]").split("\n")[2:6]
    assert (len(line), line[0], line[-1]) == (200, "\u2026", "\u2026")
    assert line[len(caret) - 1 :].startswith("nowhere, ")


def test_wide_and_combining_characters_keep_the_caret_in_place() -> None:
    """An ideograph moves the caret by two cells and an accent by none; the column counts characters."""
    text = "pools: [{name: lan, addresses: [192.0.2.1], '\u540d\u524de\u0301': 1, colour: red}]"
    before = text.index("colour")
    _, place, line, caret, _ = refused(text).rsplit("\n", 4)
    assert place == f"pools.yaml:1:{before + 1}: unknown key 'colour' in a pool"
    assert (line, caret) == (text, " " * (before + 2 - 1) + "^")


def test_nesting_and_aliases_can_neither_crash_nor_hang() -> None:
    """A million brackets, and nine aliases of nine aliases twenty times over, are errors like any other."""
    before = process_time()
    for hostile in ("[", "{a: ", "- ", "? "):
        assert "lists and mappings are nested more than 20 deep" in refused(hostile * 1_000_000)
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20))
    assert "the alias *a18 is not read here" in refused(bomb)
    assert process_time() - before < 5


def test_without_libyaml_the_same_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML built without its C parser gives the same pools and the same places."""
    found, said = load(EVERYTHING), refused("pools: [fd00::]\n")
    monkeypatch.setattr(yamltext, "LOADER", yaml.SafeLoader)
    assert load(EVERYTHING) == found
    assert "pools.yaml:1:9: YAML cannot read fd00:: without quotes\n" in said
    assert "pools.yaml:1:9: " in refused("pools: [fd00::]\n")


def test_ten_thousand_lines_load_in_well_under_a_second() -> None:
    """A generated file of 10,000 ranges in 1,000 pools is no reason to wait."""
    lines = ["pools:"]
    for pool in range(1_000):
        lines += [f"- name: pool-{pool}", "  addresses:"]
        lines += [
            f"  - 10.{pool // 250}.{pool % 250}.{n * 8}-10.{pool // 250}.{pool % 250}.{n * 8 + 3}" for n in range(8)
        ]
    before = process_time()
    found = load("\n".join(lines))
    assert process_time() - before < 1
    assert sum(pool.addresses.size() for pool in found.pools) == 32_000


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads(path: Path) -> None:
    """What the examples show is right."""
    assert load_pools(str(path)).pools


def test_pool_of_finds_each_address_in_its_pool_and_nothing_beside_it() -> None:
    """The index over all ranges agrees with asking pool after pool, excluded addresses included."""
    choose = random.Random(4)
    starts = [AddressSet.parse(f"192.0.2.{n * 4}-192.0.2.{n * 4 + choose.randint(0, 3)}") for n in range(60)]
    pools = [Pool(f"p{n}", starts[n] | starts[n + 20] | starts[n + 40], exclude=starts[n]) for n in range(20)]
    found = PoolFile("pools.yaml", None, tuple(choose.sample(pools, 20)), "")
    for address in AddressSet.parse("192.0.2.0/24"):
        assert found.pool_of(address) == next((p for p in pools if address in p.addresses), None)
    assert found.pool_of(parse_address("::c000:201")) is None


def test_pools_by_name_and_by_priority() -> None:
    """Lower priority first, none last, ties as in the file; a name finds its pool or none."""
    one, addresses = AddressSet(), [None, 5, -1, None, 5]
    pools = tuple(Pool(f"p{n}", one, priority=priority) for n, priority in enumerate(addresses))
    found = PoolFile("pools.yaml", None, pools, "")
    assert [p.name for p in found.by_priority()] == ["p2", "p1", "p4", "p0", "p3"]
    assert found.pool("p3") is pools[3]
    assert found.pool("p9") is None


@pytest.mark.parametrize(
    "span", ["192.0.1.254-192.0.3.1", "192.0.2.0", "192.0.2.255", "192.0.2.1-192.0.2.254", "192.0.0.0/21"]
)
def test_a_pool_counts_what_it_offers(span: str) -> None:
    """The counts of `pools list` are of addresses a Service can get, so neither excluded nor avoided ones."""
    everything = AddressSet.parse(span) | AddressSet.parse("2001:db8::ff00/120")
    for avoid in (False, True):
        pool = Pool("lan", everything, exclude=AddressSet.parse("192.0.2.0/29"), avoid_buggy_ips=avoid)
        offered = [address for address in everything if pool.offers(address)]
        assert pool.count(Family.IPV4) == sum(address.version == 4 for address in offered)
        assert pool.count(Family.IPV6) == 256
