"""Several Services on one address: who may, who may not and why, and what a change of one does to the others.

On a real API server, as the least Role (`Sharing` of DESIGN 6). Where holders no longer go together it is the one that
joined last that moves, make before break (promise 1).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.acts import Film, assert_made_before_broken, create, delete, edit, holders, pool_file, port, shown
from tests.testbed.driver import Hand

pytestmark = pytest.mark.cluster

KEY = {"lbctl/share": "k"}
LAN = "pools:\n- {name: lan, addresses: [192.0.2.0/28], reuseAfter: 0s}\n"
ONE = "pools:\n- {name: lan, addresses: [192.0.2.0], reuseAfter: 0s}\n"
HINT = "hint: ask for another address, or give them equal keys, other ports and one externalTrafficPolicy\n"
FIRST = "192.0.2.0"


def _pair(bed: Hand, pools: str) -> None:
    """Services `first` (80/TCP) and `last` (443/TCP) on one address, joined in that order."""
    create(bed, "first", KEY, ports=port(80))
    assert bed.run("assign", "first", pools) == (f"default/first {FIRST} (Assigned)\n", "", 0)
    create(bed, "last", KEY, ports=port(443))
    assert bed.run("assign", "last", pools) == (f"default/last {FIRST} (Assigned)\n", "", 0)
    assert holders(bed, FIRST) == ["default/first", "default/last"]


def test_a_port_is_shared_by_its_protocols_and_the_claim_names_each_holder(bed: Hand, tmp_path: Path) -> None:
    """DNS: 53 over TCP, UDP and SCTP on one address; who asks for a pair that is taken has an address of its own."""
    pools = pool_file(tmp_path, LAN)
    for name, protocol in (("tcp", "TCP"), ("udp", "UDP"), ("sctp", "SCTP"), ("again", "UDP")):
        create(bed, name, KEY, ports=port(53, protocol))
    said = "".join(
        f"default/{n} 192.0.2.{a} (Assigned)\n" for n, a in (("again", 0), ("sctp", 0), ("tcp", 0), ("udp", 1))
    )
    out, err, code = bed.run("assign", "again", "sctp", "tcp", "udp", pools)
    assert (sorted(out.splitlines()), err, code) == (sorted(said.splitlines()), "", 0)
    out, err, code = bed.run("claims", "show", FIRST)
    assert re.sub("uid [-0-9a-f]{36}", "uid", re.sub(r"\S+Z\n|\S+ assign \w{8}\n", "~\n", out)) == (
        "Address   192.0.2.0\n"
        "State     held\n"
        "Pool      lan\n"
        "Holder    default/again (uid)\n"
        "Holder    default/sctp (uid)\n"
        "Holder    default/tcp (uid)\n"
        "Since     ~\n"
        "By        ~\n"
        "Kept in   ConfigMap lbctl-system/lbctl-claims-192.0.2.0\n"
    )
    assert (err, code) == ("", 0)
    edit(bed, "udp", {"lbctl/addresses": FIRST})
    why = "192.0.2.0 cannot be shared with Service default/again: both use UDP/53"
    error = f"error: default/udp: SharingConflict: {why}\n{HINT}"
    assert bed.run("assign", "--all", pools) == ("", error, 1)
    assert shown(bed, "udp") == ["192.0.2.1"]


LOCAL: dict[str, Any] = {"externalTrafficPolicy": "Local", "selector": {"app": "x"}}


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (LOCAL, ""),
        ({**LOCAL, "selector": {"app": "y"}}, "with externalTrafficPolicy Local both must have the same selector"),
        ({**LOCAL, "selector": None}, "with externalTrafficPolicy Local both must have the same selector"),
        ({"selector": {"app": "x"}}, "only one of them has externalTrafficPolicy Local"),
    ],
    ids=["the same selector", "another selector", "no selector", "Cluster"],
)
def test_local_is_shared_by_services_of_the_same_pods(
    bed: Hand, tmp_path: Path, other: dict[str, Any], why: str
) -> None:
    """A node answers for an address as a whole; unasked, who does not suit has an address of its own."""
    pools = pool_file(tmp_path, LAN)
    create(bed, "web", KEY, **LOCAL)
    bed.run("assign", "web", pools)
    create(bed, "new", KEY, ports=port(443), **other)
    address = "192.0.2.1" if why else FIRST
    assert bed.run("assign", "new", pools) == (f"default/new {address} (Assigned)\n", "", 0)
    if why:
        error = (
            f"error: default/new: SharingConflict: 192.0.2.0 cannot be shared with Service default/web: {why}\n{HINT}"
        )
        assert bed.run("assign", "new", f"--ip={FIRST}", pools) == ("", error, 1)


def test_the_only_holder_changes_key_ports_and_policy_in_place(bed: Hand, tmp_path: Path) -> None:
    """Its claim follows, so that the next to come is judged by what is so now."""
    pools = pool_file(tmp_path, LAN)
    create(bed, "first", KEY)
    bed.run("assign", "first", pools)
    kept = (f"default/first {FIRST} (Assigned)\n", "", 0)
    for change in (
        {"notes": {"lbctl/share": "new"}},
        {"ports": port(8080)},
        {"externalTrafficPolicy": "Local"},
        {"selector": {"app": "other"}},
    ):
        edit(bed, "first", **change)
        assert bed.run("assign", "--all", pools) == kept
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    create(bed, "last", {"lbctl/share": "new"}, externalTrafficPolicy="Local", selector={"app": "other"})
    assert bed.run("assign", "--all", pools) == (f"default/last {FIRST} (Assigned)\n", "", 0)


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "a port of the other": ({"ports": port(9)}, "both use TCP/9"),
    "Local": ({"externalTrafficPolicy": "Local"}, "only one of them has externalTrafficPolicy Local"),
}


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, (change, _) in CHANGES.items()])
@pytest.mark.parametrize("who", ["first", "last"])
def test_when_holders_no_longer_go_together_the_last_to_join_moves(
    bed: Hand, tmp_path: Path, who: str, change: dict[str, Any]
) -> None:
    """Whoever of them was changed; the other is not touched, and neither is without an address for a moment."""
    pools = pool_file(tmp_path, LAN)
    _pair(bed, pools)
    if "ports" in change:
        edit(bed, {"first": "last", "last": "first"}[who], ports=port(9))
        bed.run("assign", "--all", pools)
        assert holders(bed, FIRST) == ["default/first", "default/last"]  # the claim is written anew, the order stays
    edit(bed, who, **change)
    film = Film(bed)
    said = f"default/first {FIRST} (Assigned)\n" if who == "first" else ""
    said += "default/last 192.0.2.1 (Assigned; 192.0.2.0 is released)\n"
    assert bed.run("assign", "--all", pools) == (said, "", 0)
    assert_made_before_broken(film, "last", FIRST, "192.0.2.1")
    assert shown(bed, "first") == [FIRST]
    assert holders(bed, FIRST) == ["default/first"]
    assert bed.run("assign", "--all", pools) == ("", "", 0)


@pytest.mark.parametrize("name", list(CHANGES))
def test_without_room_to_move_both_keep_the_address_and_the_last_is_told(bed: Hand, tmp_path: Path, name: str) -> None:
    """Promise 3 before promise 1: an outage is no cure; and when the cause goes nothing is left of it."""
    pools = pool_file(tmp_path, ONE)
    change, why = CHANGES[name]
    _pair(bed, pools)
    if "ports" in change:
        edit(bed, "first", ports=port(9))
        bed.run("assign", "--all", pools)
    edit(bed, "last", **change)
    out, err, code = bed.run("assign", "--all", pools)
    assert (out, code) == ("", 1)
    lack = "no IPv4 address is free in lan"
    said = f"SharingConflict: {FIRST} cannot be shared with Service default/first: {why}; {lack}"
    assert err == f"error: default/last: {said}\n{HINT}"
    assert (shown(bed, "first"), shown(bed, "last")) == ([FIRST], [FIRST])
    assert holders(bed, FIRST) == ["default/first", "default/last"]
    edit(bed, "last", ports=port(443), externalTrafficPolicy="Cluster")
    assert bed.run("assign", "--all", pools)[1:] == ("", 0)
    assert (shown(bed, "first"), shown(bed, "last")) == ([FIRST], [FIRST])


@pytest.mark.parametrize("notes", [{"lbctl/share": "new"}, {"lbctl/share": None}], ids=["another key", "no key"])
@pytest.mark.parametrize("who", ["first", "last"])
def test_a_change_of_key_parts_the_two(bed: Hand, tmp_path: Path, who: str, notes: dict[str, str | None]) -> None:
    """Whoever of them changed it, the one that joined last moves, make before break."""
    pools = pool_file(tmp_path, LAN)
    _pair(bed, pools)
    edit(bed, who, notes)
    film = Film(bed)
    said = f"default/first {FIRST} (Assigned)\n" if who == "first" else ""
    said += "default/last 192.0.2.1 (Assigned; 192.0.2.0 is released)\n"
    assert bed.run("assign", "--all", pools) == (said, "", 0)
    assert_made_before_broken(film, "last", FIRST, "192.0.2.1")
    assert bed.held() == {"first": [FIRST], "last": ["192.0.2.1"]}
    assert bed.run("assign", "--all", pools) == ("", "", 0)


def test_across_namespaces_only_where_the_pool_says_so(bed: Hand, tmp_path: Path, spaces: tuple[str, str]) -> None:
    """A key alone must not let one tenant onto another's address."""
    one, other = spaces
    closed = pool_file(tmp_path, LAN, "closed.yaml")
    shared = pool_file(tmp_path, LAN.replace("}", ", shareAcrossNamespaces: true}"), "open.yaml")
    create(bed, f"{one}/web", KEY)
    create(bed, f"{other}/api", KEY, ports=port(443))
    create(bed, f"{one}/api", KEY, ports=port(8443))
    assert bed.run("assign", f"{one}/web", "-q", closed) == (f"{one}/web {FIRST} (Assigned)\n", "", 0)
    error = (
        f"error: {other}/api: SharingConflict: 192.0.2.0 cannot be shared with Service {one}/web: "
        f"it is of another namespace, and the pool has shareAcrossNamespaces: false\n{HINT}"
    )
    assert bed.run("assign", f"{other}/api", f"--ip={FIRST}", "-q", closed) == ("", error, 1)
    assert bed.run("assign", f"{one}/api", "-q", closed) == (f"{one}/api {FIRST} (Assigned)\n", "", 0)
    assert bed.run("assign", f"{other}/api", "-q", shared) == (f"{other}/api {FIRST} (Assigned)\n", "", 0)
    assert holders(bed, FIRST) == [f"{one}/web", f"{one}/api", f"{other}/api"]
    # Closed again, nobody moves: what a pool file says moves nobody.
    assert bed.run("assign", "--all", "-q", closed) == ("", "", 0)
    assert holders(bed, FIRST) == [f"{one}/web", f"{one}/api", f"{other}/api"]


def test_sixteen_share_an_address_and_the_seventeenth_has_its_own(bed: Hand, tmp_path: Path) -> None:
    """A claim is small; by name the seventeenth is told that it is full."""
    pools = pool_file(tmp_path, LAN)
    names = [f"s{n:02}" for n in range(1, 18)]
    for n, name in enumerate(names, 1):
        create(bed, name, KEY, ports=port(n))
    out, err, code = bed.run("assign", *names, pools)
    assert (err, code) == ("", 0)
    assert sorted(line.split()[1] for line in out.splitlines()) == [FIRST] * 16 + ["192.0.2.1"]
    assert len(holders(bed, FIRST)) == 16
    (late,) = holders(bed, "192.0.2.1")
    error = f"error: {late}: SharingConflict: 16 Services share 192.0.2.0 already, which is the most\n{HINT}"
    assert bed.run("assign", late, f"--ip={FIRST}", pools) == ("", error, 1)
    out = bed.run("claims", "show", FIRST)[0]
    assert out.count("\nHolder ") == 16


def test_one_of_two_is_released_or_deleted_and_the_other_stays(bed: Hand, tmp_path: Path) -> None:
    """The address is not freed, and who left may come back to it by its key."""
    pools = pool_file(tmp_path, LAN)
    _pair(bed, pools)
    assert bed.run("release", "first") == (f"default/first {FIRST} (Released)\n", "", 0)
    assert holders(bed, FIRST) == ["default/last"]
    assert (shown(bed, "first"), shown(bed, "last")) == ([], [FIRST])
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    assert shown(bed, "first") == []
    assert bed.run("assign", "first", pools) == (f"default/first {FIRST} (Assigned)\n", "", 0)
    assert holders(bed, FIRST) == ["default/last", "default/first"]
    delete(bed, "last")
    create(bed, "next", ports=port(443))
    assert bed.run("assign", "--all", pools) == ("default/next 192.0.2.1 (Assigned)\n", "", 0)
    assert holders(bed, FIRST) == ["default/first"]
    create(bed, "last", KEY, ports=port(443))
    assert bed.run("assign", "--all", pools) == (f"default/last {FIRST} (Assigned)\n", "", 0)
    for name in ("first", "last"):
        delete(bed, name)
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    assert "192.0.2.0   released   default/last (last)" in bed.run("claims", "list")[0]
