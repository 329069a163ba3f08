"""assign, list and explain as a user meets them: flags, dry runs, who else is at work; the same words everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import Desk
from tests.cli.terminal import environment
from tests.testbed.driver import CLAIMS, SERVICES, Bed, service

OUTSIDE = "AddressOutsidePools: 203.0.113.9 is in no pool"


def _marked(name: str, **notes: str) -> dict[str, Any]:
    """A Service that another controller has filled in: its marks, and an address of its own."""
    body = service(name)
    body["metadata"]["annotations"] = {note.replace("__", "/").replace("_", "-"): text for note, text in notes.items()}
    return body


def test_a_bare_dry_run_takes_no_word_for_its_value(desk: Desk) -> None:
    """`assign --dry-run web` is about web, says what the assign would, and writes nothing."""
    desk.create("web")
    before = desk.api.get(SERVICES)["metadata"]["resourceVersion"]
    for flag in ("--dry-run", "--dry-run=client", "--dry-run=server"):
        how = "server dry run" if flag.endswith("server") else "dry run"
        expected = (f"default/web 192.0.2.200 (Assigned) ({how})\n", "", 0)
        assert desk.run("assign", flag, "web") == expected
    assert desk.api.get(SERVICES)["metadata"]["resourceVersion"] == before
    assert desk.api.get(CLAIMS)["items"] == []
    assert desk.run("assign", "web") == ("default/web 192.0.2.200 (Assigned)\n", "", 0)


def _two_families(name: str) -> dict[str, Any]:
    """A Service that would like both."""
    body = service(name)
    body["spec"] |= {"ipFamilyPolicy": "PreferDualStack"}
    return body


def test_what_is_moved_and_let_go_is_told_though_it_was_looked_at_again(desk: Desk) -> None:
    """Of a Service that makes do with one family by then, for it asks for one address."""
    desk.post(_two_families("web"))
    assert desk.run("assign", "--all")[0] == "default/web 192.0.2.200,2001:db8::10 (Assigned)\n"
    desk.api.request("PATCH", f"{SERVICES}/web", {"metadata": {"annotations": {"lbctl/addresses": "192.0.2.205"}}})
    said = "default/web 192.0.2.205 (Assigned; 192.0.2.200, 2001:db8::10 is released)\n"
    assert desk.run("assign", "--all") == (said, "", 0)
    assert desk.run("assign", "--all") == ("", "", 0)


@pytest.mark.parametrize(
    ("note", "text", "why"),
    [
        ("lbctl/address", "192.0.2.210", "there is no annotation lbctl/address; did you mean lbctl/addresses?"),
        (
            "lbctl/vlan",
            "7",
            "there is no annotation lbctl/vlan; known: lbctl/addresses, lbctl/ignore, lbctl/pool, lbctl/share",
        ),
        ("lbctl/ignore", "yes", """annotation lbctl/ignore is 'yes', and neither "true" nor "false\""""),
    ],
)
def test_what_stands_under_our_prefix_and_means_nothing_is_refused(desk: Desk, note: str, text: str, why: str) -> None:
    """Whoever wrote it meant something else than any address; who has one keeps it."""
    desk.create("had")
    desk.create("web")
    desk.run("assign", "had")
    for name in ("had", "web"):
        desk.api.request("PATCH", f"{SERVICES}/{name}", {"metadata": {"annotations": {note: text}}})
    out, err, code = desk.run("assign", "--all")
    hint = "hint: correct the annotation; addresses are written 192.0.2.10 or 192.0.2.10,2001:db8::10\n"
    said = "".join(f"error: default/{name}: InvalidRequest: {why}\n" for name in ("had", "web"))
    assert (out, err.replace(hint, ""), code) == ("", said, 1)
    assert desk.shown() == {"had": ["192.0.2.200"], "web": []}


def test_two_addresses_may_be_asked_for_by_two_flags(desk: Desk) -> None:
    """As by one with a comma."""
    desk.post(_two_families("web"))
    words = ("--ip=192.0.2.202", "--ip=2001:db8::12")
    assert desk.run("assign", "web", *words) == ("default/web 192.0.2.202,2001:db8::12 (Assigned)\n", "", 0)


@pytest.mark.cluster
def test_a_server_dry_run_goes_all_the_way_on_the_real_one(bed: Bed, tmp_path: Any) -> None:
    """Claims and statuses are sent with dryRun=All: checked, and not kept; a move and a release, too."""
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools:\n- name: lan\n  addresses: [192.0.2.200-192.0.2.220, 198.51.100.1]\n")
    bed.admin.request("POST", SERVICES, service("web"))
    flags = ("--dry-run=server", "-v", f"--pools={pools}")
    out, err, code = bed.run("assign", "web", *flags)
    assert (out, code) == ("default/web 192.0.2.200 (Assigned) (server dry run)\n", 0)
    writes = [line.split(":")[0].split()[:2] for line in err.splitlines() if not line.startswith("GET")]
    assert [method for method, _ in writes] == ["POST", "PATCH"]
    assert all("dryRun=All" in target for _, target in writes)
    assert (bed.shown(), bed.claims()) == ({"web": []}, {})
    bed.run("assign", "web", f"--pools={pools}")
    kept = bed.claims()
    out, _, code = bed.run("assign", "web", "--ip=198.51.100.1", *flags)
    assert (out, code) == ("default/web 198.51.100.1 (Assigned; 192.0.2.200 is released) (server dry run)\n", 0)
    assert bed.run("release", "web", "--dry-run=server") == (
        "default/web 192.0.2.200 (Released) (server dry run)\n",
        "",
        0,
    )
    assert (bed.shown(), bed.claims()) == ({"web": ["192.0.2.200"]}, kept)


def test_a_dry_run_ends_as_the_assign_would(desk: Desk) -> None:
    """Its exit code is that of the apply."""
    desk.create("web", ask="203.0.113.9")
    said = f"error: default/web: {OUTSIDE}\nhint: add the address to a pool, or ask for one inside a pool\n"
    assert desk.run("assign", "--dry-run", "web") == ("", said, 1)
    assert desk.run("assign", "web") == ("", said, 1)


def test_an_address_by_flag_is_for_once_and_stays(desk: Desk) -> None:
    """--ip moves a Service make-before-break; the next `assign --all` leaves it there, for its own ask is the same."""
    desk.create("web")
    desk.run("assign", "web")
    moved = "default/web 192.0.2.209 (Assigned; 192.0.2.200 is released)\n"
    assert desk.run("assign", "web", "--ip=192.0.2.209") == (moved, "", 0)
    assert desk.run("assign", "web", "--ip=192.0.2.209") == ("default/web 192.0.2.209 (Assigned)\n", "", 0)
    assert desk.run("assign", "--all") == ("", "", 0)
    assert desk.shown() == {"web": ["192.0.2.209"]}


def test_a_flag_does_not_gainsay_what_the_service_asks_for(desk: Desk) -> None:
    """Two requests that exclude each other are a refusal that names both."""
    desk.create("web", ask="192.0.2.201")
    said = (
        "error: default/web: RequestConflict: --ip is 192.0.2.202, but annotation lbctl/addresses is 192.0.2.201\n"
        "hint: ask for one thing: an address of the pool it names, or no pool\n"
    )
    assert desk.run("assign", "web", "--ip=192.0.2.202") == ("", said, 1)


def test_a_flag_does_not_gainsay_a_pool_by_its_former_name(desk: Desk) -> None:
    """The claim bears the name that the pool had when it was written."""
    desk.create("web")
    assert desk.run("assign", "web")[2] == 0
    desk.pools.write_text(desk.pools.read_text().replace("lan", "new"))
    desk.api.request("PATCH", f"{SERVICES}/web", {"metadata": {"annotations": {"lbctl/pool": "new"}}})
    assert desk.run("assign", "web")[2] == 0
    said = (
        "error: default/web: RequestConflict: --pool is lan, but annotation lbctl/pool is new\n"
        "hint: ask for one thing: an address of the pool it names, or no pool\n"
    )
    assert desk.run("assign", "web", "--pool=lan") == ("", said, 1)
    assert desk.shown() == {"web": ["192.0.2.200"]}


def test_without_the_right_to_ask_the_lan_it_is_asked_only_where_it_must_be(desk: Desk) -> None:
    """By itself nothing is said; --probe=on is an error with the three ways to be allowed it."""
    desk.create("web")
    script = "from lbctl.l2.privileges import drop; drop(); from lbctl.__main__ import main; main()"
    command = [sys.executable, "-c", script, "assign", "web"]
    for probe, said, code in (
        ("on", "error: this process may not send and receive ARP and Neighbor Discovery: it lacks CAP_NET_RAW", 1),
        ("auto", "", 0),
    ):
        env = environment(desk.kubeconfig, desk.pools, LBCTL_PROBE=probe)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert (done.stderr.partition("\n")[0], done.returncode) == (said, code)
    assert desk.shown() == {"web": ["192.0.2.200"]}


def test_a_pool_by_flag(desk: Desk) -> None:
    """--pool takes from a pool that gives nothing unasked; one that is misspelt is said to be missing."""
    desk.pools.write_text(
        "pools:\n- name: lan\n  addresses: [192.0.2.200]\n"
        "- name: public\n  addresses: [203.0.113.16/29]\n  autoAssign: false\n"
    )
    desk.create("web")
    said = (
        f"error: default/web: PoolNotFound: there is no pool pubic in {desk.pools}\n"
        "hint: lbctl pools list shows the pools there are\n"
    )
    assert desk.run("assign", "web", "--pool=pubic") == ("", said, 1)
    assert desk.run("assign", "web", "--pool=public") == ("default/web 203.0.113.16 (Assigned)\n", "", 0)
    assert desk.run("assign", "--all") == ("", "", 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("assign", "a", "b", "--ip=192.0.2.201"), "--ip and --pool are for exactly one Service"),
        (("assign", "--all", "--pool=lan"), "--ip and --pool are for exactly one Service"),
        (("assign", "web", "--all"), "names and --all exclude each other"),
        (("assign", "web", "-l", "app=web"), "names and -l exclude each other"),
        (("assign", "web", "--ip=192.0.2.1,192.0.2.2"), "--ip: at most one address per family"),
        (("assign", "web", "--ip=192.0.2.300"), "--ip: '192.0.2.300' is not an IP address"),
        (("assign", "--al"), "No such option: --al (Possible options: --all, --as, --wait)"),
        (("assign", "web", "--wait=soon"), "Invalid value for '--wait'"),
        (("asign", "web"), "No such command 'asign'"),
        (("list", "-l", "app in web"), "-l 'app in web' is no label selector"),
        (("list", "--request-timeout=0"), "Invalid value for '--request-timeout'"),
    ],
)
def test_flags_that_do_not_fit_end_2(desk: Desk, words: tuple[str, ...], said: str) -> None:
    """One sentence and one hint, and nothing is done."""
    out, err, code = desk.run(*words)
    assert (out, code) == ("", 2)
    assert err.startswith(f"error: {said}"), err
    assert [line.partition(":")[0] for line in err.splitlines()] == ["error", "hint"]


@pytest.mark.parametrize(
    ("flag", "error", "hint"),
    [
        ("--ip=", "--ip: '' is not an IP address", "write an address such as 192.0.2.10 or 2001:db8::10"),
        ("--pool=", "--pool: no name is given", "lbctl pools list shows the pools there are"),
    ],
)
def test_an_empty_wish_is_none_that_can_be_met(desk: Desk, flag: str, error: str, hint: str) -> None:
    """As of a script whose variable is not set: that is no leave to give just any address."""
    desk.create("web")
    assert desk.run("assign", "web", flag) == ("", f"error: {error}\nhint: {hint}\n", 2)
    assert desk.api.get(CLAIMS)["items"] == []


@pytest.mark.parametrize("name", ["web", "svc/web", "service/web", "default/web"])
def test_a_service_is_named_as_kubectl_names_it_too(desk: Desk, name: str) -> None:
    """kubectl prints service/web, and takes svc/web."""
    desk.create("web")
    assert desk.run("assign", name) == ("default/web 192.0.2.200 (Assigned)\n", "", 0)


def test_namespace_and_labels_narrow_what_is_acted_on(desk: Desk) -> None:
    """-n and -l choose Services; what the others hold is in use all the same."""
    desk.create("other")
    desk.run("assign", "other")
    body = service("web")
    body["metadata"]["labels"] = {"tier": "front"}
    desk.post(body)
    desk.create("api")
    assert desk.run("assign", "--all", "-n", "kube-system") == ("", "", 0)
    assert desk.run("assign", "--all", "-l", "tier in (front)") == ("default/web 192.0.2.201 (Assigned)\n", "", 0)
    assert desk.run("list", "-o", "name", "-n", "default") == ("default/api\n", "", 0)
    assert desk.run("list", "-o", "name", "-A", LBCTL_NAMESPACE="kube-system") == ("default/api\n", "", 0)
    said = "there is no Service that lacks an address in namespace kube-system\n"
    assert desk.run("list", "-n", "kube-system") == ("", said, 0)


def test_what_list_prints_assign_takes(desk: Desk) -> None:
    """`lbctl list -o name | xargs lbctl assign` is what a shell user would write."""
    for name in ("a", "b", "c"):
        desk.create(name)
    names = desk.run("list", "-o", "name")[0].split()
    assert names == ["default/a", "default/b", "default/c"]
    assert desk.run("assign", *names)[2] == 0
    assert desk.run("list") == ("", "there is no Service that lacks an address\n", 0)


def test_list_says_what_explain_ends_with(desk: Desk) -> None:
    """Of two Services and one address the younger is told why, and by both commands alike."""
    desk.pools.write_text("pools:\n- name: lan\n  addresses: [192.0.2.200]\n")
    desk.create("first")
    desk.create("second")
    lines = desk.run("list")[0].splitlines()
    why = "no IPv4 address is free in lan"
    assert lines[1].endswith("192.0.2.200 of pool lan is free for it; lbctl assign default/first gives it one")
    assert lines[2].endswith(f"{why}; widen a pool, or release what is no longer needed")
    explained = desk.run("explain", "second")[0].splitlines()
    assert explained[-3:] == [
        "Pool lan  its one IPv4 address is not free",
        f"Result    PoolExhausted: {why}",
        "To do     widen a pool, or release what is no longer needed",
    ]
    document = json.loads(desk.run("explain", "second", "-o", "json")[0])
    assert document["service"]["message"] == why
    verdict = "its one IPv4 address is not free"
    assert document["pools"] == [{"pool": "lan", "verdict": verdict, "has": [], "gives": []}]


def test_list_works_without_a_pool_file(desk: Desk) -> None:
    """It then says so, as the reason of each Service that waits."""
    desk.create("web")
    desk.pools.unlink()
    out, err, code = desk.run("list", LBCTL_POOLS="")
    why = "no pool file was found; lbctl pools init writes a pool file to start from"
    assert (err, code) == ("", 0)
    assert out.splitlines()[1].endswith(why)
    assert desk.run("list")[1:] == (
        f"error: {desk.pools}: there is no such file\n"
        "hint: write it; a pool file is at least:\n"
        "pools:\n- name: lan\n  addresses:\n  - 192.0.2.200-192.0.2.220\n",
        3,
    )


def test_who_else_gives_addresses_is_said_before_the_first_one(desk: Desk) -> None:
    """MetalLB at work is named once, before lbctl's first claim; its Services are left alone."""
    for name in ("theirs", "theirs-too"):
        desk.post(_marked(name, **{"metallb.io__ip_allocated_from_pool": "first"}))
        patch = b'{"status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.1"}]}}}'
        desk.api.send([("PATCH", f"{SERVICES}/{name}/status", patch)])
    desk.create("web")
    desk.create("api")
    said = (
        "warning: MetalLB assigns addresses here too (Service default/theirs and 1 more); lbctl leaves those alone\n"
        "hint: let only one of them serve a Service: give the pool file a loadBalancerClass, or remove the other\n"
    )
    assert desk.run("assign", "web") == ("default/web 192.0.2.200 (Assigned)\n", said, 0)
    assert desk.run("assign", "--all") == ("default/api 192.0.2.201 (Assigned)\n", "", 0)
    assert desk.shown()["theirs"] == ["198.51.100.1"]
    said = (
        "error: default/theirs: ForeignOwner: its status shows 198.51.100.1, which lbctl holds no claim for: "
        "MetalLB wrote it\n"
        "hint: remove the other controller's address first, or take it over with lbctl adopt\n"
    )
    assert desk.run("assign", "theirs") == ("", said, 1)


def test_released_services_are_listed_with_the_way_back(desk: Desk) -> None:
    """A parked Service is passed over by --all, listed as Released, and gets its own address back by name."""
    desk.create("web")
    desk.run("assign", "web")
    assert desk.run("release", "web") == ("default/web 192.0.2.200 (Released)\n", "", 0)
    assert desk.run("assign", "--all") == ("", "", 0)
    row = json.loads(desk.run("list", "-o", "json")[0])["items"][0]
    assert (row["reason"], row["hint"]) == ("Released", "lbctl assign default/web gives it an address again")
    assert desk.run("assign", "web") == ("default/web 192.0.2.200 (Assigned)\n", "", 0)
