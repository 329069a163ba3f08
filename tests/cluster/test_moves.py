"""A Service that asks for something else: it moves make before break, or keeps what it has and is told why.

On a real API server, as the least Role (promise 3, and `Changes` of DESIGN 6).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.acts import (
    Film,
    age_condition,
    assert_made_before_broken,
    condition,
    create,
    edit,
    events,
    get,
    holders,
    pool_file,
    shown,
)
from tests.testbed.driver import Hand

pytestmark = pytest.mark.cluster

POOLS = """\
pools:
- {name: lan, addresses: [192.0.2.0/26]}
- {name: wan, addresses: [203.0.113.0/26], autoAssign: false}
"""
FOUR = "pools:\n- {name: lan, addresses: [192.0.2.0/26]}\n"
BOTH = "pools:\n- {name: lan, addresses: [192.0.2.0/26, '2001:db8::/122']}\n"


def test_who_asks_for_a_taken_address_keeps_its_own_and_is_told(bed: Hand, tmp_path: Path) -> None:
    """On stderr, in the condition, in an Event and in the list; and once the address is free it moves there."""
    pools = pool_file(tmp_path, POOLS)
    create(bed, "api")
    create(bed, "web", {"lbctl/addresses": "192.0.2.9"})
    said = "default/api 192.0.2.0 (Assigned)\ndefault/web 192.0.2.9 (Assigned)\n"
    assert bed.run("assign", "--all", pools) == (said, "", 0)
    edit(bed, "web", {"lbctl/addresses": "192.0.2.0"})
    age_condition(bed, "web")
    why = "192.0.2.0 is in use: Service default/api shows it"
    hint = "ask for another address, or release the one who holds it"
    error = f"error: default/web: AddressInUse: {why}\nhint: {hint}\n"
    assert bed.run("assign", "--all", pools) == ("", error, 1)
    assert shown(bed, "web") == ["192.0.2.9"]
    assert condition(get(bed, "web")) == {"status": "False", "reason": "AddressInUse", "message": why}
    assert events(bed, "web") == [("Warning", "AddressInUse", f"{why}; {hint}")]
    assert why in bed.run("list", pools)[0]
    before = get(bed, "web")["metadata"]["resourceVersion"]
    assert bed.run("assign", "--all", pools) == ("", error, 1)
    assert get(bed, "web")["metadata"]["resourceVersion"] == before  # because it has been told
    assert bed.run("release", "api") == ("default/api 192.0.2.0 (Released)\n", "", 0)
    said = "default/web 192.0.2.0 (Assigned; 192.0.2.9 is released)\n"
    assert bed.run("assign", "--all", pools) == (said, "", 0)
    assert condition(get(bed, "web")) == {"status": "True", "reason": "Assigned", "message": "192.0.2.0"}
    moved = ("Normal", "Assigned", "moved from 192.0.2.9 to 192.0.2.0")
    assert sorted(events(bed, "web")) == [moved, ("Warning", "AddressInUse", f"{why}; {hint}")]


@pytest.mark.parametrize(
    ("notes", "new"),
    [({"lbctl/addresses": "192.0.2.40"}, "192.0.2.40"), ({"lbctl/pool": "wan"}, "203.0.113.0")],
    ids=["another address", "another pool"],
)
def test_a_move_is_made_before_it_breaks(bed: Hand, tmp_path: Path, notes: dict[str, str], new: str) -> None:
    """In one block of claims and over two: no moment without an address, and the old one is let go last."""
    pools = pool_file(tmp_path, POOLS)
    create(bed, "web")
    assert bed.run("assign", "web", pools) == ("default/web 192.0.2.0 (Assigned)\n", "", 0)
    film = Film(bed)
    edit(bed, "web", notes)
    said = f"default/web {new} (Assigned; 192.0.2.0 is released)\n"
    assert bed.run("assign", "web", pools) == (said, "", 0)
    assert_made_before_broken(film, "web", "192.0.2.0", new)
    assert bed.run("assign", "--all", pools) == ("", "", 0)


def test_a_move_asked_for_by_flag_stays_until_the_service_asks_for_something(bed: Hand, tmp_path: Path) -> None:
    """--ip moves it once; --all afterwards sees no change in what the Service asks for itself."""
    pools = pool_file(tmp_path, POOLS)
    create(bed, "web")
    bed.run("assign", "web", pools)
    said = "default/web 192.0.2.7 (Assigned; 192.0.2.0 is released)\n"
    assert bed.run("assign", "web", "--ip=192.0.2.7", pools) == (said, "", 0)
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    create(bed, "api")
    bed.run("assign", "api", pools)
    error = (
        "error: default/web: AddressInUse: 192.0.2.1 is in use: Service default/api shows it\n"
        "hint: ask for another address, or release the one who holds it\n"
    )
    assert bed.run("assign", "web", "--ip=192.0.2.1", pools) == ("", error, 1)
    assert shown(bed, "web") == ["192.0.2.7"]
    # A wish of a moment is not what the Service asks for: nothing of it stays in the cluster.
    assert condition(get(bed, "web"))["status"] == "True"


def test_a_family_policy_is_followed_make_before_break(bed: Hand, tmp_path: Path) -> None:
    """Single, Prefer, Require and back: the first address stays throughout, the second comes and is let go last."""
    pools = pool_file(tmp_path, BOTH)
    create(bed, "web", ipFamilyPolicy="SingleStack", ipFamilies=["IPv4"])
    assert bed.run("assign", "--all", pools) == ("default/web 192.0.2.0 (Assigned)\n", "", 0)
    film = Film(bed)
    edit(bed, "web", ipFamilyPolicy="PreferDualStack")
    said = "default/web 192.0.2.0,2001:db8:: (Assigned)\n"
    assert bed.run("assign", "--all", pools) == (said, "", 0)
    edit(bed, "web", ipFamilyPolicy="RequireDualStack")
    assert bed.run("assign", "--all", pools) == (said, "", 0)
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    assert shown(bed, "web") == ["192.0.2.0", "2001:db8::"]
    edit(
        bed,
        "web",
        ipFamilyPolicy="SingleStack",
        ipFamilies=["IPv4"],
        clusterIPs=get(bed, "web")["spec"]["clusterIPs"][:1],
    )
    said = "default/web 192.0.2.0 (Assigned; 2001:db8:: is released)\n"
    assert bed.run("assign", "--all", pools) == (said, "", 0)
    seen = film.shows("web")
    assert {tuple(found) for _, found in seen} == {("192.0.2.0",), ("192.0.2.0", "2001:db8::")}
    cleared = next(v for v, found in reversed(seen) if found == ["192.0.2.0"])
    let_go = next(v for v, by in film.holds() if by.get("2001:db8::") == [])
    assert cleared < let_go
    assert holders(bed, "192.0.2.0") == ["default/web"]


def test_require_dual_stack_without_room_for_both_is_refused_and_keeps_the_one(bed: Hand, tmp_path: Path) -> None:
    """Half of what is required is not given, and what it has is not taken."""
    pools = pool_file(tmp_path, FOUR)
    create(bed, "web", ipFamilyPolicy="SingleStack", ipFamilies=["IPv4"])
    bed.run("assign", "--all", pools)
    edit(bed, "web", ipFamilyPolicy="RequireDualStack")
    error = (
        "error: default/web: FamilyUnavailable: no IPv6 addresses in lan\nhint: add a range of that family to a pool\n"
    )
    assert bed.run("assign", "--all", pools) == ("", error, 1)
    assert shown(bed, "web") == ["192.0.2.0"]


def test_a_preferred_second_family_comes_when_a_pool_has_it(bed: Hand, tmp_path: Path) -> None:
    """PreferDualStack makes do with one address, and gets the second beside it without being touched by hand."""
    create(bed, "web", ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv4", "IPv6"])
    pools = pool_file(tmp_path, FOUR)
    assert bed.run("assign", "--all", pools) == ("default/web 192.0.2.0 (Assigned)\n", "", 0)
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    film = Film(bed)
    out, err, code = bed.run("assign", "--all", pool_file(tmp_path, BOTH))
    assert (out, code) == ("default/web 192.0.2.0,2001:db8:: (Assigned)\n", 0)
    assert err.startswith("warning: PoolFilesDiffer: ")  # for the claims were written by the file before
    assert {tuple(found) for _, found in film.shows("web")} == {("192.0.2.0", "2001:db8::")}
    film.stop()


def test_a_service_that_becomes_cluster_ip_lets_its_address_go(bed: Hand, tmp_path: Path) -> None:
    """Also where it had a loadBalancerClass, which the API server has taken away with the type; and back it has the
    same address again."""
    pools = pool_file(tmp_path, f"loadBalancerClass: example.com/lan\n{FOUR}")
    create(bed, "web", loadBalancerClass="example.com/lan")
    assert bed.run("assign", "--all", pools) == ("default/web 192.0.2.0 (Assigned)\n", "", 0)
    edit(bed, "web", type="ClusterIP", loadBalancerClass=None, allocateLoadBalancerNodePorts=None)
    assert shown(bed, "web") == []
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    assert "192.0.2.0   released   default/web (last)   lan" in bed.run("claims", "list")[0]
    create(bed, "other", loadBalancerClass="example.com/lan")
    edit(bed, "web", type="LoadBalancer", loadBalancerClass="example.com/lan")
    said = "default/other 192.0.2.1 (Assigned)\ndefault/web 192.0.2.0 (Assigned)\n"
    assert bed.run("assign", "--all", pools) == (said, "", 0)


def test_a_status_that_is_wiped_is_put_back(bed: Hand, tmp_path: Path) -> None:
    """The claim says what it had, so it has the same address again."""
    pools = pool_file(tmp_path, POOLS)
    create(bed, "web", {"lbctl/addresses": "192.0.2.33"})
    bed.run("assign", "--all", pools)
    bed.kubectl("patch", "svc", "web", "--subresource=status", "--type=merge", '-p={"status":{"loadBalancer":null}}')
    assert shown(bed, "web") == []
    assert "<pending>" in bed.run("list", pools)[0]
    assert bed.run("assign", "--all", pools) == ("default/web 192.0.2.33 (Assigned)\n", "", 0)
    assert shown(bed, "web") == ["192.0.2.33"]
