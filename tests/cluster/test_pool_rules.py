"""Whom a pool is for: namespaces, selectors, reservations, disabled pools, each from the file to the status.

On a real API server, as the least Role, which may list namespaces for their labels.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.acts import create, delete, pool_file, shown
from tests.testbed.driver import Hand

pytestmark = pytest.mark.cluster


def test_namespaces_say_whose_a_pool_is(bed: Hand, tmp_path: Path, spaces: tuple[str, str]) -> None:
    """Its own Services get it first; others not even by name, nor by naming an address."""
    one, other = spaces
    pools = pool_file(
        tmp_path,
        f"pools:\n- {{name: lan, addresses: [192.0.2.0/28]}}\n"
        f"- {{name: theirs, addresses: [203.0.113.0/28], namespaces: [{one}]}}\n",
    )
    create(bed, f"{one}/web")
    create(bed, f"{other}/web")
    create(bed, f"{other}/named", {"lbctl/pool": "theirs"})
    create(bed, f"{other}/asks", {"lbctl/addresses": "203.0.113.9"})
    why = f"PoolNotAllowed: pool theirs is for namespace {one}"
    out, err, code = bed.run("assign", "--all", pools)
    assert (out, code) == (f"{one}/web 203.0.113.0 (Assigned)\n{other}/web 192.0.2.0 (Assigned)\n", 1)
    hint = "hint: name another pool, or change whom the pool is for\n"
    assert err == f"error: {other}/asks: {why}\n{hint}error: {other}/named: {why}\n"


def test_a_namespace_selector_goes_by_the_labels_of_namespaces(
    bed: Hand, tmp_path: Path, spaces: tuple[str, str]
) -> None:
    """As they are at the time: a label that is taken away moves nobody, and lets nobody in."""
    one, other = spaces
    pools = pool_file(
        tmp_path,
        "pools:\n- name: team-a\n  addresses: [192.0.2.0/28]\n"
        "  namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [a]}]}\n",
    )
    create(bed, f"{one}/web")
    create(bed, f"{other}/web")
    out, err, code = bed.run("assign", "--all", pools)
    assert (out, code) == (f"{one}/web 192.0.2.0 (Assigned)\n", 1)
    hint = "hint: name a pool or an address, or change autoAssign, namespaces or selectors of a pool\n"
    assert err == f"error: {other}/web: NoMatchingPool: pool team-a is for namespaces with team in (a)\n{hint}"
    bed.kubectl("label", "namespace", one, "team-")
    bed.kubectl("label", "--overwrite", "namespace", other, "team=a")
    create(bed, f"{one}/late")
    out, err, code = bed.run("assign", "--all", pools)
    assert (out, code) == (f"{other}/web 192.0.2.1 (Assigned)\n", 1)
    assert err.startswith(f"error: {one}/late: NoMatchingPool: ")
    assert shown(bed, f"{one}/web") == ["192.0.2.0"]
    out, err, code = bed.run("assign", f"{one}/web", "--reassign", pools)
    assert (out, code) == ("", 1)  # nothing else is for it, so it keeps what it has
    assert shown(bed, f"{one}/web") == ["192.0.2.0"]


def test_a_service_selector_goes_by_the_labels_of_services(bed: Hand, tmp_path: Path) -> None:
    """Who matches gets of that pool first, who does not is not served by it, full as the other may be."""
    pools = pool_file(
        tmp_path,
        "pools:\n- {name: lan, addresses: [192.0.2.0]}\n"
        "- name: public\n  addresses: [203.0.113.0/28]\n"
        "  serviceSelector: {matchLabels: {tier: public}}\n",
    )
    create(bed, "inner")
    create(bed, "outer", labels={"tier": "public"})
    create(bed, "more")
    out, err, code = bed.run("assign", "inner", "outer", pools)
    assert (out, err, code) == ("default/inner 192.0.2.0 (Assigned)\ndefault/outer 203.0.113.0 (Assigned)\n", "", 0)
    error = (
        "error: default/more: PoolExhausted: no IPv4 address is free in lan\n"
        "hint: widen a pool, or release what is no longer needed\n"
    )
    assert bed.run("assign", "--all", pools) == ("", error, 1)
    bed.kubectl("label", "svc", "more", "tier=public")
    assert bed.run("assign", "--all", pools) == ("default/more 203.0.113.1 (Assigned)\n", "", 0)


def test_a_reservation_waits_for_its_service_and_for_nobody_else(bed: Hand, tmp_path: Path) -> None:
    """Unasked nobody gets it, by name it is refused, and its Service has it though it comes last."""
    pools = pool_file(
        tmp_path,
        "pools:\n- {name: lan, addresses: [192.0.2.0/30]}\n"
        "reservations:\n- {service: default/db, addresses: [192.0.2.0]}\n",
    )
    create(bed, "asks", {"lbctl/addresses": "192.0.2.0"})
    create(bed, "web")
    error = (
        "error: default/asks: AddressReserved: 192.0.2.0 is reserved for Service default/db\n"
        "hint: ask for another address, or change reservations in the pool file\n"
    )
    assert bed.run("assign", "--all", pools) == ("default/web 192.0.2.1 (Assigned)\n", error, 1)
    create(bed, "db")
    assert bed.run("assign", "--all", pools) == ("default/db 192.0.2.0 (Assigned)\n", error, 1)
    delete(bed, "db")
    create(bed, "next")
    assert bed.run("assign", "next", pools) == ("default/next 192.0.2.2 (Assigned)\n", "", 0)
    create(bed, "db")
    assert bed.run("assign", "db", pools) == ("default/db 192.0.2.0 (Assigned)\n", "", 0)


def test_a_disabled_pool_keeps_what_is_held_and_hands_out_nothing(bed: Hand, tmp_path: Path) -> None:
    """Drained by --reassign where another pool has room; by name it is refused."""
    lan = "pools:\n- {name: lan, addresses: [192.0.2.0/30]%s}\n"
    create(bed, "web")
    bed.run("assign", "--all", pool_file(tmp_path, lan % ""))
    pools = pool_file(tmp_path, lan % ", disabled: true")
    create(bed, "new")
    error = (
        "error: default/new: PoolDisabled: pool lan is disabled: it hands out nothing new\n"
        "hint: name another pool, or remove disabled from the pool file\n"
    )
    assert bed.run("assign", "--all", "-q", pools) == ("", error, 1)
    assert bed.run("assign", "new", "--ip=192.0.2.3", "-q", pools) == ("", error, 1)
    assert shown(bed, "web") == ["192.0.2.0"]
    pools = pool_file(tmp_path, lan % ", disabled: true" + "- {name: wan, addresses: [203.0.113.0/28]}\n")
    assert bed.run("assign", "--all", "-q", pools) == ("default/new 203.0.113.0 (Assigned)\n", "", 0)
    said = "default/web 203.0.113.1 (Assigned; 192.0.2.0 is released)\n"
    assert bed.run("assign", "--all", "--reassign", "-q", pools) == (said, "", 0)
