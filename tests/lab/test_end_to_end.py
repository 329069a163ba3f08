"""From a pending Service to pods that answer a client: lbctl serve, and an announcer on each of three nodes."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.lab.announcing import SOON, V4, V6, announcers, article, events, explained, owner, printed, reached, running
from tests.testbed.capture import overlap
from tests.testbed.driver import until
from tests.testbed.lab import Lab
from tests.testbed.lan import HOSTS, NODES

pytestmark = pytest.mark.lab

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


@pytest.mark.parametrize(("families", "address"), [(["IPv4"], V4), (["IPv6"], V6)])
def test_the_article_s_service_is_reached(lab: Lab, pools: Path, families: list[str], address: str) -> None:
    """From <pending> to the pods of several nodes, by one MAC."""
    with lab.capture() as seen, announcers(lab, pools):
        article(lab, ipFamilies=families)
        nodes, _ = reached(lab, address)
        assert nodes == set(NODES)
        assert owner(lab, address) in NODES
        with lab.asking(address):
            time.sleep(1)
    assert seen.owners(address) == [owner(lab, address)]


def test_with_local_only_nodes_with_a_ready_pod_announce(lab: Lab, pools: Path) -> None:
    """The pod sees the client's own address, and when it is no longer ready another node has the Service's."""
    with announcers(lab, pools):
        article(lab, externalTrafficPolicy="Local")
        nodes, clients = reached(lab, V4, 10)
        (first,) = nodes
        assert (owner(lab, V4), clients) == (first, {HOSTS["client"].ipv4})
        lab.ready(first, False)
        until(lambda: owner(lab, V4) != first, "another node to announce", seconds=SOON)
        (second,), clients = reached(lab, V4, 10)
        assert (owner(lab, V4), clients) == (second, {HOSTS["client"].ipv4})
        for node in NODES:
            lab.ready(node, False)
        with lab.capture() as seen, lab.asking(V4):
            until(lambda: not seen.answers(V4, time.monotonic() - 1), "silence", seconds=SOON)
        why = f"{V4} by nobody: no Service on it has a ready endpoint"
        until(lambda: why in explained(lab, pools), "explain to say why", seconds=SOON)


def all_may(lab: Lab, pools: Path) -> bool:
    """Whether every node may announce the Service's address, as far as the API server has been told by now."""
    (found,) = json.loads(explained(lab, pools, "-o", "json"))["announced"]
    return set(found["candidates"]) == set(NODES)


def test_everybody_can_ask_who_announces(lab: Lab, pools: Path) -> None:
    """status, explain, --simulate-drain and an Event name the node whose MAC the client sees; a drain does as told."""
    with announcers(lab, pools):
        article(lab)
        reached(lab, V4, 1)
        first = owner(lab, V4)
        file = f"--pools={pools}"
        row = [V4, "default/test-svc-1", first]
        until(lambda: row == printed(lab, "status", file).splitlines()[1].split()[:3], "status to know", seconds=SOON)
        until(lambda: all_may(lab, pools), "all to be candidates", seconds=SOON)
        found = json.loads(explained(lab, pools, "-o", "json"))["announced"]
        assert [(one["address"], [by["node"] for by in one["by"]]) for one in found] == [(V4, [first])]
        until(lambda: [name for name, *_ in events(lab, "Announced")] == ["test-svc-1"], "the Event", seconds=SOON)
        header, moved = printed(lab, "arp-announce", f"--simulate-drain={first}", file).splitlines()
        address, service, second = moved.split()
        assert (header.split(), address, service) == (["ADDRESS", "SERVICE", "TO", "WHY"], V4, "default/test-svc-1")
        with lab.capture() as seen, lab.asking(V4):
            lab.label(first, {EXCLUDE: ""})
            until(lambda: owner(lab, V4) == second, f"{second} to announce", seconds=SOON)
            time.sleep(1)
        assert seen.owners(V4)[-1] == second
        assert overlap(seen.answers(V4)) <= 1
        for node in NODES:
            lab.label(node, {EXCLUDE: ""})
        until(lambda: "labelled" in printed(lab, "status", file), "status to say why", seconds=SOON)


def test_an_announcer_that_is_told_to_end_hands_over(lab: Lab, pools: Path) -> None:
    """Not one connection fails meanwhile, and the others know at once."""
    with announcers(lab, pools) as there:
        article(lab)
        reached(lab, V4, 1)
        first = owner(lab, V4)
        with lab.capture() as seen, lab.asking(V4):
            assert there[first].end() == 0
            for _ in range(50):
                lab.connect(V4, timeout=0.5).close()
                time.sleep(0.02)
        assert overlap(seen.answers(V4)) <= 1
        assert owner(lab, V4) != first


def test_it_goes_on_without_the_api_server(lab: Lab, pools: Path) -> None:
    """Gone for all, and the owner is killed: another takes over, and keeps the address when all are back."""
    with announcers(lab, pools) as there:
        article(lab)
        reached(lab, V4, 1)
        first = owner(lab, V4)
        lab.hand.apiserver.stop()
        try:
            assert lab.reaches(V4)
            there[first].end(signal.SIGKILL)
            until(lambda: owner(lab, V4) != first, "another to take over", seconds=SOON)
            second = owner(lab, V4)
            assert lab.reaches(V4)
        finally:
            lab.hand.apiserver.start()
            lab.hand.ready()
        with running(lab, first, "arp-announce", f"--node-name={first}", f"--pools={pools}", "--listen=off") as again:
            again.waits("synced")
            with lab.capture() as seen, lab.asking(V4):
                time.sleep(3)
            assert seen.owners(V4) == [second]


def test_addresses_on_the_command_line_need_no_cluster(lab: Lab) -> None:
    """Asked first, announced until Ctrl-C, and then nothing answers any more."""
    lab.expose("web", V4, V6)
    with running(lab, "n1", "arp-announce", V4, V6, "--kubeconfig=/nonexistent") as first:
        assert reached(lab, V4)[0] == set(NODES)
        assert reached(lab, V6)[0] == set(NODES)
        assert {owner(lab, V4), owner(lab, V6)} == {"n1"}
        with running(lab, "n2", "arp-announce", V4) as second:
            assert second.wait() == 1
        assert second.said == [
            f"error: {V4} is taken: {HOSTS['n1'].mac} answers for it on eth0",
            "hint: choose another address, or announce it all the same with --force",
        ]
        assert first.end(signal.SIGINT) == 130
    with lab.capture() as seen, lab.asking(V4, V6):
        time.sleep(1)
    assert not seen.answers(V4)
    assert not seen.answers(V6)
