"""What the lab's eyes make of frames and connections, on made-up ones; those of real kernels are in test_lab.py."""

from __future__ import annotations

import pytest

from tests.testbed.asking import claim, question
from tests.testbed.capture import Seen, decode, overlap, stretches
from tests.testbed.lan import HOSTS
from tests.testbed.probing import Attempt, longest_gap

CLIENT, N1, N2 = HOSTS["client"], HOSTS["n1"], HOSTS["n2"]
V4, V6 = "192.0.2.200", "2001:db8::200"


def _answers(**times: list[float]) -> list[Seen]:
    """Replies of hosts at these times."""
    found = [
        Seen(at, host, "reply", V4, HOSTS[host].mac, CLIENT.mac) for host, at_all in times.items() for at in at_all
    ]
    return sorted(found, key=lambda seen: seen.at)


@pytest.mark.parametrize(("address", "to"), [(V4, "ff:ff:ff:ff:ff:ff"), (V6, "33:33:ff:00:02:00")])
def test_a_question_is_read_as_one(address: str, to: str) -> None:
    """By broadcast, or to the solicited-node group."""
    assert decode(question(CLIENT, address), 1.5) == Seen(1.5, "client", "request", address, CLIENT.mac, to)


@pytest.mark.parametrize(
    ("address", "kind", "to"),
    [(V4, "gratuitous", "ff:ff:ff:ff:ff:ff"), (V6, "advertisement", "33:33:00:00:00:01")],
)
def test_a_claim_is_read_as_one(address: str, kind: str, to: str) -> None:
    """To all hosts."""
    assert decode(claim(N1, address), 1.5) == Seen(1.5, "n1", kind, address, N1.mac, to)


def _arp(operation: int, sender: str, target: str) -> bytes:
    """An ARP frame of n1, as hexadecimal text has it."""
    mac = N1.mac.replace(":", "")
    return bytes.fromhex(f"ffffffffffff{mac}080600010800060400{operation:02x}{mac}{sender}{'00' * 6}{target}")


@pytest.mark.parametrize(
    ("operation", "sender", "target", "kind", "claims"),
    [
        (2, "c00002c8", "c000020a", "reply", True),
        (2, "c00002c8", "c00002c8", "reply", True),
        (1, "c00002c8", "c00002c8", "gratuitous", True),
        (1, "00000000", "c00002c8", "probe", False),
        (1, "c000020b", "c00002c8", "request", False),
    ],
)
def test_arp_claims_an_address_or_asks_for_it(
    operation: int, sender: str, target: str, kind: str, claims: bool
) -> None:
    """RFC 826; RFC 5227 1.1 for the probe."""
    seen = decode(_arp(operation, sender, target), 0)
    assert seen is not None
    assert (seen.host, seen.kind, seen.address, seen.mac, seen.claims) == ("n1", kind, V4, N1.mac, claims)


def test_what_is_neither_arp_nor_neighbor_discovery_is_nothing() -> None:
    """Cut short, or of another protocol."""
    frame = question(CLIENT, V6)
    assert decode(frame[:60], 0) is None
    assert decode(frame[:20] + b"\x06" + frame[21:], 0) is None
    assert decode(question(CLIENT, V4)[:41], 0) is None
    assert decode(b"", 0) is None


def test_a_host_that_pauses_answers_in_two_stretches() -> None:
    """A pause of exactly the gap is none yet."""
    assert stretches(_answers(n1=[0, 1, 2, 3.5, 4]), gap=1) == [("n1", 0, 2), ("n1", 3.5, 4)]


@pytest.mark.parametrize(
    ("times", "both"),
    [
        ({"n1": [0, 0.5, 1], "n2": [1.1, 1.5, 2]}, 0),
        ({"n1": [0, 0.5, 1, 1.5], "n2": [0.75, 1.25, 1.75]}, 0.75),
        ({"n1": [0, 0.5, 5, 5.5], "n2": [1, 1.5, 2, 2.5, 3, 3.5, 4]}, 0),
        ({"n1": [0, 1, 2, 3], "n2": [2.5]}, 0),
        ({"n1": [0, 1, 2, 3], "n2": [0, 1, 2, 3], "n3": [1, 2]}, 3),
        ({"n1": [0, 1]}, 0),
        ({}, 0),
    ],
)
def test_two_answer_at_once_for_as_long_as_their_stretches_overlap(times: dict[str, list[float]], both: float) -> None:
    """One after the other is no overlap, even when the first comes back, and a single answer lasts no time."""
    assert overlap(_answers(**times), gap=1) == both


def test_a_gap_is_from_one_success_to_the_next_or_to_the_end() -> None:
    """Whatever failed in between; and before the first success, too."""
    good = [Attempt(at, at + 0.01, "") for at in (0.0, 0.1, 0.5)]
    bad = [Attempt(0.2, 1.15, "timed out")]
    assert longest_gap(good) == pytest.approx(0.4)
    assert longest_gap(good + bad) == pytest.approx(0.64)
    assert longest_gap(bad) == pytest.approx(0.95)
