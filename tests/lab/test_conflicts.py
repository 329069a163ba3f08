"""A machine that is no announcer has an address, before or while it is announced: who hears of it, and what is done."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from tests.lab.announcing import (
    BOTH,
    POOLS,
    SOON,
    V4,
    V6,
    Running,
    announcers,
    article,
    events,
    owner,
    reached,
    running,
)
from tests.testbed.capture import Seen
from tests.testbed.driver import until
from tests.testbed.lab import Lab
from tests.testbed.lan import HOSTS, NODES

pytestmark = pytest.mark.lab

CLIENT = HOSTS["client"]
ALL = ("ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01")
BURST = 3.0  # seconds after which the announcements of a takeover are over, the last of which comes after 2
LISTEN = "--listen=127.0.0.1:9656"
REASON = "AddressInUseOnLan"
CLAIMS = "a machine that is no announcer claims the address"
SILENT = "a machine that is no announcer has the address, and this one is silent"


def aloud(frames: list[Seen], host: str) -> list[float]:
    """When a host told all that it has the address."""
    return [seen.at for seen in frames if seen.host == host and seen.to in ALL]


def conflicts(lab: Lab, node: str) -> float:
    """What the metric of a node has counted on its interface."""
    status, text = lab.get(node, "127.0.0.1", 9656, "/metrics")
    assert status == 200, text
    name = 'lbctl_announcer_conflicts_total{interface="eth0"} '
    return next((float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)), 0.0)


def event(node: str, address: str) -> str:
    """What a node's Event says of the client."""
    return f"the machine with MAC {CLIENT.mac} has {address} too, seen by {node} on eth0"


def fields(one: Running, sentence: str) -> list[str]:
    """What stands after a sentence in its lines of the log."""
    return sorted(line.partition(sentence)[2].strip() for line in one.said if sentence in line)


def test_who_claims_an_announced_address_is_reported_and_answered_once_in_10_s(lab: Lab, pools: Path) -> None:
    """In both families: log, Event and metric of the one that announces it; RFC 5227 2.4 c, seen in the switch."""
    with announcers(lab, pools, LISTEN) as there, lab.capture() as seen:
        article(lab, **BOTH)
        owners = {}
        for address in (V4, V6):
            reached(lab, address, 1)
            owners[address] = owner(lab, address)
        time.sleep(BURST)
        began = time.monotonic()
        with lab.stranger("client", V4, V6):
            for address, node in owners.items():
                there[node].waits(f"address={address} interface=eth0 why=stranger mac={CLIENT.mac}")
            until(lambda: sum(count for _, count, _ in events(lab, REASON)) == 2, "both to be an Event", seconds=SOON)
            time.sleep(max(0.0, began + 25 - time.monotonic()))
        ended = time.monotonic()
        time.sleep(11)
        for address, node in owners.items():
            claims = aloud(seen.answers(address, began), "client")
            times = aloud(seen.answers(address, began), node)
            assert len(claims) > 25, "each claim must not be answered"
            assert times[0] - claims[0] < 1
            assert [round((at - times[0]) / 10) for at in times] == [0, 1, 2], times
            assert all(later - one > 9.5 for one, later in itertools.pairwise(times)), times
            assert times[-1] < ended
            assert {s.host for s in seen.answers(address, began)} == {node, "client"}
        for node in NODES:
            mine = [address for address in owners if owners[address] == node]
            said = [f"address={a} interface=eth0 why=stranger mac={CLIENT.mac} reason=AddressInUseOnLan" for a in mine]
            assert fields(there[node], CLAIMS) == sorted(said)
            assert conflicts(lab, node) == len(mine)
        (service, count, words), *others = events(lab, REASON)  # what happens again is the same Event
        assert (service, count, others) == ("test-svc-1", 2, [])
        assert words in [event(node, address) for address, node in owners.items()]


def test_on_conflict_yield_leaves_it_to_the_stranger_until_that_is_gone(lab: Lab, tmp_path: Path) -> None:
    """Silent a second or so after the first claim, with nobody stepping in; asked for again after 30 s."""
    pools = tmp_path / "pools.yaml"
    pools.write_text(POOLS.replace("]}", "], onConflict: yield}"))
    with announcers(lab, pools) as there, lab.capture() as seen:
        article(lab)
        reached(lab, V4, 1)
        first = owner(lab, V4)
        with lab.asking(V4):
            began = time.monotonic()
            with lab.stranger("client", V4):
                there[first].waits(SILENT)
                time.sleep(8)  # in which the others have seen that it is silent, and asked
                gone = time.monotonic()
            silent = max(frame.at for frame in seen.answers(V4, began) if frame.host == first and frame.at < gone)
            assert silent - began < 4
            assert {frame.host for frame in seen.answers(V4, silent + 0.001) if frame.at < gone} == {"client"}
            until(lambda: seen.owners(V4, gone + 1) not in ([], ["client"]), "one to announce it again", seconds=60)
        again = next(frame for frame in seen.answers(V4, gone) if frame.host in NODES)
        assert again.at - silent > 29
        assert lab.reaches(V4, timeout=SOON)
        assert owner(lab, V4) == again.host
    assert fields(there[first], CLAIMS) == [
        f"address={V4} interface=eth0 why=stranger mac={CLIENT.mac} reason=AddressInUseOnLan"
    ]
    assert fields(there[first], SILENT) == [
        f"address={V4} interface=eth0 why=stranger mac={CLIENT.mac} reason=AddressInUseOnLan"
    ]


@pytest.mark.parametrize("address", [V4, V6])
def test_an_address_that_a_host_has_is_announced_only_by_force(lab: Lab, address: str) -> None:
    """On the command line: refused with its MAC; with --force both answer."""
    lab.give("client", address)
    with running(lab, "n1", "arp-announce", address) as one:
        assert one.wait() == 1
    assert one.said == [
        f"error: {address} is taken: {CLIENT.mac} answers for it on eth0",
        "hint: choose another address, or announce it all the same with --force",
    ]
    with running(lab, "n1", "arp-announce", address, "--force") as forced:
        forced.waits(f"the address is announced from here address={address} interface=eth0 why=forced")
        with lab.capture() as seen, lab.asking(address):
            until(lambda: {"n1", "client"} <= set(seen.owners(address)), "both to answer", seconds=SOON)
