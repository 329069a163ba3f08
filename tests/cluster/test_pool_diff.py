"""`pools diff` on a real API server, as the least Role: what it shows is what `assign --reassign` does (promise 6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.acts import create, holders, pool_file, shown, versions
from tests.testbed.driver import Hand

pytestmark = pytest.mark.cluster

OLD = "pools:\n- {name: lan, addresses: [192.0.2.0-192.0.2.5]}\n"
NEW = """\
pools:
- {name: lan, addresses: [192.0.2.2-192.0.2.5]}
- {name: dmz, addresses: [198.51.100.0/30], namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}
"""


def test_who_moves_is_known_before(bed: Hand, tmp_path: Path) -> None:
    """Nothing is written; then --reassign moves exactly those, to exactly there, and the files differ no more."""
    for name in ("a", "b", "c"):
        create(bed, name)
    old, new = pool_file(tmp_path, OLD), pool_file(tmp_path, NEW, "new.yaml")
    bed.run("assign", "a", "b", old)
    create(bed, "asks", {"lbctl/addresses": "198.51.100.2"})
    was = versions(bed, ["a", "b", "c", "asks"])
    path = new.removeprefix("--pools=")
    out, err, code = bed.run("pools", "diff", path, old, "-o", "json")
    assert (err, code) == ("", 1)
    assert versions(bed, ["a", "b", "c", "asks"]) == was
    fates = {f["name"]: f for f in json.loads(out)["services"]}
    assert {name: (f["effect"], f["now"], f["then"], f["outside"], f["reason"]) for name, f in fates.items()} == {
        "a": ("moves", ["192.0.2.0"], ["198.51.100.0"], True, "AddressOutsidePools"),
        "asks": ("served", [], ["198.51.100.2"], False, "Assigned"),
        "b": ("moves", ["192.0.2.1"], ["198.51.100.1"], True, "AddressOutsidePools"),
        "c": ("other", [], ["198.51.100.0"], False, "Assigned"),
    }
    assert bed.run("assign", "a", "b", "asks", "--reassign", new)[2] == 0
    for name in ("a", "b", "asks"):
        assert shown(bed, name) == fates[name]["then"]
        assert holders(bed, fates[name]["then"][0]) == [f"default/{name}"]
    assert bed.run("pools", "diff", path, new) == ("nothing changes\n", "", 0)


def test_explain_says_who_has_the_address_asked_for(bed: Hand, tmp_path: Path) -> None:
    """Pool by pool, with the API server's clock."""
    old = pool_file(tmp_path, OLD)
    create(bed, "first")
    bed.run("assign", "first", old)
    create(bed, "second", {"lbctl/addresses": "192.0.2.0"})
    document = json.loads(bed.run("explain", "second", "-o", "json", old)[0])
    (verdict,) = document["pools"]
    since = bed.claims()["192.0.2.0"]["since"]
    start = "192.0.2.0 is in use: Service default/first has it since "
    assert verdict["verdict"].startswith(start)
    assert since > 0
    assert document["requests"][0] == {
        "kind": "address",
        "message": "192.0.2.0",
        "source": "annotation lbctl/addresses",
    }
    assert document["service"]["reason"] == "AddressInUse"
    first = json.loads(bed.run("explain", "first", "-o", "json", old)[0])
    assert verdict["verdict"].removeprefix(start).startswith(first["addresses"][0]["since"])
    assert [(v["has"], v["gives"]) for v in first["pools"]] == [(["192.0.2.0"], [])]
