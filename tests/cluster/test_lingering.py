"""What becomes of an address whose Service is gone or was released: whose it is again, and who else gets it, when.

On a real API server, as the least Role (`keepFor`, `reuseAfter` and `release` of DESIGN 5 and 6).
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.acts import create, delete, edit, pool_file, shown
from tests.testbed.driver import Hand

pytestmark = pytest.mark.cluster

LAN = "pools:\n- {name: lan, addresses: [192.0.2.0/26]}\n"


def test_deleted_and_recreated_within_keep_for_it_has_the_same_address(bed: Hand, tmp_path: Path) -> None:
    """Also when others came in between, and when nobody looked while it was gone."""
    pools = pool_file(tmp_path, LAN)
    create(bed, "a")
    create(bed, "b")
    bed.run("assign", "a", "b", pools)
    delete(bed, "a")
    create(bed, "c")
    assert bed.run("assign", "--all", pools) == ("default/c 192.0.2.2 (Assigned)\n", "", 0)
    create(bed, "a")
    assert bed.run("assign", "--all", pools) == ("default/a 192.0.2.0 (Assigned)\n", "", 0)
    delete(bed, "a")
    create(bed, "a")
    assert bed.run("assign", "--all", pools) == ("default/a 192.0.2.0 (Assigned)\n", "", 0)
    assert "claim" not in bed.run("explain", "a", pools)[0].lower()


def test_both_families_come_back(bed: Hand, tmp_path: Path) -> None:
    """Each of the two addresses lingers for its name."""
    pools = pool_file(tmp_path, "pools:\n- {name: lan, addresses: [192.0.2.0/26, '2001:db8::/122']}\n")
    two: dict[str, Any] = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]}
    create(bed, "a", {"lbctl/addresses": "192.0.2.9,2001:db8::9"}, **two)
    bed.run("assign", "--all", pools)
    delete(bed, "a")
    create(bed, "b", **two)
    create(bed, "a", **two)
    said = "default/a 2001:db8::9,192.0.2.9 (Assigned)\ndefault/b 2001:db8::,192.0.2.0 (Assigned)\n"
    assert bed.run("assign", "--all", pools) == (said, "", 0)


def test_past_keep_for_it_is_like_any_other(bed: Hand, tmp_path: Path) -> None:
    """With keepFor: 0s nothing is kept for a name."""
    pools = pool_file(tmp_path, "pools:\n- {name: lan, addresses: [192.0.2.0/26], keepFor: 0s}\n")
    create(bed, "a")
    bed.run("assign", "--all", pools)
    delete(bed, "a")
    assert bed.run("assign", "--all", pools) == ("", "", 0)
    create(bed, "a")
    assert bed.run("assign", "--all", pools) == ("default/a 192.0.2.1 (Assigned)\n", "", 0)


def test_a_freed_address_goes_to_the_next_only_when_no_other_is_left_but_by_name_at_once(
    bed: Hand, tmp_path: Path
) -> None:
    """The clients of the one before still come to it for a while; whoever names it knows that."""
    pools = pool_file(tmp_path, "pools:\n- {name: lan, addresses: [192.0.2.0-192.0.2.2], reuseAfter: 1h}\n")
    for name in ("a", "b"):
        create(bed, name)
    bed.run("assign", "--all", pools)
    delete(bed, "a")
    create(bed, "c")
    assert bed.run("assign", "--all", pools) == ("default/c 192.0.2.2 (Assigned)\n", "", 0)
    create(bed, "d")
    out, err, code = bed.run("assign", "--all", pools)
    error = re.fullmatch(
        r"error: default/d: PoolExhausted: no IPv4 address is free in lan; the next released one is free in (\d+) s\n"
        "hint: widen a pool, or release what is no longer needed\n",
        err,
    )
    assert (out, code) == ("", 1)
    assert error is not None, err
    assert 3000 < int(error[1]) <= 3600
    edit(bed, "d", {"lbctl/addresses": "192.0.2.0"})
    assert bed.run("assign", "--all", pools) == ("default/d 192.0.2.0 (Assigned)\n", "", 0)
    create(bed, "a")  # its old address is another's by now
    assert bed.run("assign", "--all", pools)[2] == 1
    assert shown(bed, "a") == []


def test_a_released_service_stays_released_while_all_loops(bed: Hand, tmp_path: Path) -> None:
    """Until a person names it, its ask changes, or it is another of the same name."""
    pools = pool_file(tmp_path, LAN)
    create(bed, "a")
    create(bed, "b")
    bed.run("assign", "--all", pools)
    assert bed.run("release", "a") == ("default/a 192.0.2.0 (Released)\n", "", 0)
    for _ in range(3):
        assert bed.run("assign", "--all", pools) == ("", "", 0)
        assert shown(bed, "a") == []
    why = "its address was released by hand"
    assert f"{why}; lbctl assign default/a gives it an address again" in bed.run("list", pools)[0]
    assert "192.0.2.0   parked   default/a (last)" in bed.run("claims", "list")[0]
    assert bed.run("assign", "a", pools) == ("default/a 192.0.2.0 (Assigned)\n", "", 0)
    bed.run("release", "a")
    time.sleep(1)  # claims count whole seconds, as the API server's Date does: the next is to be let go later than this
    edit(bed, "a", {"lbctl/addresses": "192.0.2.7"})
    assert bed.run("assign", "--all", pools) == ("default/a 192.0.2.7 (Assigned)\n", "", 0)
    bed.run("release", "a")
    delete(bed, "a")
    create(bed, "a")
    assert bed.run("assign", "--all", pools) == ("default/a 192.0.2.7 (Assigned)\n", "", 0)


def test_who_was_named_after_a_release_is_parked_no_more(bed: Hand, tmp_path: Path) -> None:
    """Also where it was given another address than the one that it was released from, and loses that one."""
    pools = pool_file(tmp_path, LAN)
    create(bed, "a")
    bed.run("assign", "--all", pools)
    bed.run("release", "a")
    assert bed.run("assign", "a", "--ip=192.0.2.7", pools) == ("default/a 192.0.2.7 (Assigned)\n", "", 0)
    assert "192.0.2.0   released   default/a (last)" in bed.run("claims", "list")[0]
    edit(bed, "a", type="ClusterIP", allocateLoadBalancerNodePorts=None)
    bed.run("assign", "--all", pools)
    edit(bed, "a", type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    assert bed.run("assign", "--all", pools) == ("default/a 192.0.2.7 (Assigned)\n", "", 0)


def test_a_released_address_is_given_by_name_and_with_now_to_anybody(bed: Hand, tmp_path: Path) -> None:
    """And the one it was taken from stays released."""
    pools = pool_file(tmp_path, "pools:\n- {name: lan, addresses: [192.0.2.0], reuseAfter: 1h}\n")
    create(bed, "a")
    bed.run("assign", "--all", pools)
    bed.run("release", "a")
    create(bed, "b", {"lbctl/addresses": "192.0.2.0"})
    assert bed.run("assign", "--all", pools) == ("default/b 192.0.2.0 (Assigned)\n", "", 0)
    delete(bed, "b")
    create(bed, "c")
    assert bed.run("assign", "--all", pools)[2] == 1  # it has only just been let go
    create(bed, "b")
    assert bed.run("assign", "b", pools) == ("default/b 192.0.2.0 (Assigned)\n", "", 0)
    assert bed.run("release", "b", "--now") == ("default/b 192.0.2.0 (Released)\n", "", 0)
    assert bed.run("assign", "--all", pools) == ("default/c 192.0.2.0 (Assigned)\n", "", 0)
    assert (shown(bed, "a"), shown(bed, "b")) == ([], [])
