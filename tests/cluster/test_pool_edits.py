"""The pool file changes under live Services: nobody moves unless a person says so (`Changes` of DESIGN 6).

On a real API server, as the least Role.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from pathlib import Path

import pytest

from tests.cluster.acts import Film, assert_made_before_broken, create, edit, get, lines, pool_file, shown, versions
from tests.testbed.driver import Hand

pytestmark = pytest.mark.cluster

WIDE = "pools:\n- {name: lan, addresses: [192.0.2.0-192.0.2.3]}\n"
NARROW = "pools:\n- {name: lan, addresses: [192.0.2.2-192.0.2.3]}\n"
NO_ROOM = "pools:\n- {name: lan, addresses: [192.0.2.1]}\n"
OTHER_FILE = re.compile(
    r"warning: PoolFilesDiffer: within the last hour another pool file was used: \S+ assign (\w{8}); this is (\w{8})\n"
    r"hint: use one pool file everywhere; after an edit this ends within an hour\n"
)


def _two(bed: Hand, folder: Path) -> None:
    """Services a and b, with 192.0.2.0 and .1 out of the wide pool."""
    for name in ("a", "b"):
        create(bed, name)
        bed.run("assign", name, pool_file(folder, WIDE))


def test_when_a_pool_shrinks_nobody_moves_until_told_to(bed: Hand, tmp_path: Path) -> None:
    """Then each that is outside moves make before break, and the rest stay."""
    _two(bed, tmp_path)
    create(bed, "c")
    narrow = pool_file(tmp_path, NARROW)
    bed.run("assign", "c", narrow)
    was = versions(bed, "abc")
    out, err, code = bed.run("assign", "--all", narrow)
    assert (out, code) == ("", 0)
    warned = OTHER_FILE.fullmatch(err)
    assert warned is not None, err
    assert warned[1] != warned[2]
    assert versions(bed, "abc") == was
    words = "192.0.2.0 is in no pool; the Service keeps it"
    row = next(row for row in bed.run("list", "-a", narrow)[0].splitlines() if " a " in row)
    assert row.endswith("the address is in no pool")
    items = {i["name"]: i for i in json.loads(bed.run("list", "-a", "-o", "json", narrow)[0])["items"]}
    assert {name: (i["reason"], i["addresses"]) for name, i in items.items()} == {
        "a": ("AddressOutsidePools", ["192.0.2.0"]),
        "b": ("AddressOutsidePools", ["192.0.2.1"]),
        "c": ("Assigned", ["192.0.2.2"]),
    }
    assert items["a"]["message"] == words
    wider = pool_file(tmp_path, NARROW.replace("192.0.2.3", "192.0.2.9"), "wider.yaml")
    film = Film(bed)
    said = (
        "default/a 192.0.2.3 (Assigned; 192.0.2.0 is released)\ndefault/b 192.0.2.4 (Assigned; 192.0.2.1 is released)\n"
    )
    would = said.replace(")\n", ") (dry run)\n")
    assert bed.run("assign", "--all", "--reassign", "--dry-run", "-q", wider) == (would, "", 0)
    assert versions(bed, "abc") == was
    assert bed.run("assign", "--all", "--reassign", "-q", wider) == (said, "", 0)
    assert_made_before_broken(film, "a", "192.0.2.0", "192.0.2.3")
    assert get(bed, "c")["metadata"]["resourceVersion"] == was["c"]
    assert bed.run("assign", "--all", "--reassign", "-q", wider) == ("", "", 0)


def test_reassign_without_room_refuses_and_keeps(bed: Hand, tmp_path: Path) -> None:
    """A working address is never dropped in order to try for another."""
    _two(bed, tmp_path)
    pools = pool_file(tmp_path, NO_ROOM)
    error = (
        "error: default/a: PoolExhausted: no IPv4 address is free in lan\n"
        "hint: widen a pool, or release what is no longer needed\n"
    )
    assert bed.run("assign", "--all", "--reassign", "-q", pools) == ("", error, 1)
    assert (shown(bed, "a"), shown(bed, "b")) == (["192.0.2.0"], ["192.0.2.1"])


def test_reassign_of_one_service_moves_that_alone(bed: Hand, tmp_path: Path) -> None:
    """As does a namespace or a label that narrows --all."""
    _two(bed, tmp_path)
    pools = pool_file(tmp_path, NARROW)
    said = "default/b 192.0.2.2 (Assigned; 192.0.2.1 is released)\n"
    assert bed.run("assign", "b", "--reassign", "-q", pools) == (said, "", 0)
    assert shown(bed, "a") == ["192.0.2.0"]
    assert bed.run("assign", "--all", "--reassign", "-q", "-n", "kube-system", pools) == ("", "", 0)
    assert shown(bed, "a") == ["192.0.2.0"]


def test_two_loops_with_different_files_push_nobody_to_and_fro(bed: Hand, tmp_path: Path) -> None:
    """Each keeps what the other gave, says on stderr that the files differ, and the Services are not touched again."""
    left = pool_file(tmp_path, "pools:\n- {name: lan, addresses: [192.0.2.0/28]}\n", "left.yaml")
    right = pool_file(
        tmp_path,
        "pools:\n- {name: lan, addresses: [192.0.2.8/29]}\n- {name: wan, addresses: [203.0.113.0/29]}\n",
        "right.yaml",
    )
    names = [f"s{n}" for n in range(12)]
    for name in names[:6]:
        create(bed, name)
    assert bed.run("assign", "--all", left)[1:] == ("", 0)
    for name in names[6:]:
        create(bed, name)
    assert bed.run("assign", "--all", right)[2] == 0
    was = versions(bed, names)
    said: dict[str, list[tuple[str, str, int]]] = {left: [], right: []}

    def loop(pools: str) -> None:
        said[pools].extend(bed.run("assign", "--all", pools) for _ in range(4))

    loops = [threading.Thread(target=loop, args=(pools,)) for pools in said]
    for one in loops:
        one.start()
    for one in loops:
        one.join()
    assert versions(bed, names) == was
    for ended in said.values():
        assert [(out, code) for out, _, code in ended] == [("", 0)] * 4
        for _, err, _ in ended:
            assert OTHER_FILE.fullmatch(err), err


def test_a_pending_service_under_two_files_is_given_one_address_by_one_of_them(bed: Hand, tmp_path: Path) -> None:
    """Both loops run while Services come: each is shown one address, once."""
    files = [
        pool_file(tmp_path, f"pools:\n- {{name: {name}, addresses: [{span}]}}\n", f"{name}.yaml")
        for name, span in (("lan", "192.0.2.0/26"), ("wan", "203.0.113.0/26"))
    ]
    names = [f"s{n}" for n in range(10)]
    film = Film(bed)
    running: list[subprocess.Popen[str]] = []
    for name in names:
        create(bed, name)
        if name in ("s2", "s5", "s9"):
            running += [bed.lbctl("assign", "--all", "-q", pools) for pools in files]
    for child in running:
        assert child.communicate(timeout=60)[1] == ""
        assert child.returncode == 0
    film.stop()
    found = {name: shown(bed, name) for name in names}
    assert [len(addresses) for addresses in found.values()] == [1] * len(names)
    assert bed.held() == found
    was = versions(bed, names)
    for pools in files:
        assert bed.run("assign", "--all", "-q", pools) == ("", "", 0)
    assert versions(bed, names) == was


def test_what_a_service_asks_for_after_the_edit_is_held_to_the_new_file(bed: Hand, tmp_path: Path) -> None:
    """It keeps its old address, outside as it is, while the one it asks for cannot be had."""
    _two(bed, tmp_path)
    pools = pool_file(tmp_path, NARROW)
    edit(bed, "a", {"lbctl/addresses": "192.0.2.1"})
    out, err, code = bed.run("assign", "--all", pools)
    assert (out, code) == ("", 1)
    assert lines(err, "error: ") == ["error: default/a: AddressOutsidePools: 192.0.2.1 is in no pool"]
    edit(bed, "a", {"lbctl/addresses": "192.0.2.0"})
    assert bed.run("assign", "--all", "-q", pools)[2] == 0  # what it has already is no move
    assert shown(bed, "a") == ["192.0.2.0"]
