"""Whose Lease is renewed: judged by this node's clock, and not while it cannot see."""

from __future__ import annotations

from lbctl.l2.actions import Peer
from lbctl.l2.facts import Interface, Lease, Presence
from lbctl.l2.renewals import FORGOTTEN, Renewals

TERM = 40
MAC = bytes([2, 0, 0, 0, 0, 2])


def lease(node: str, renewed: int, *, left: bool = False) -> Lease:
    """The Lease of a node's announcer; what its clock says is only ever compared with itself."""
    return Lease(Presence(node, (Interface("eth0", MAC, ()),), left), str(renewed), TERM)


def known(now: float = 0.0) -> Renewals:
    """This node, n1, and a peer, both renewed."""
    found = Renewals("n1")
    found.put(now, lease("n1", 0))
    found.put(now, lease("n2", 0))
    return found


def test_a_lease_that_is_seen_to_change_is_renewed() -> None:
    """Whatever its holder's clock says; one that comes again unchanged is not."""
    found = known()
    for now in (10, 20, 30, 40):
        found.put(now, lease("n1", now))
        found.put(now, lease("n2", 0))
    assert found.peers(39.9) == {"n2": Peer(frozenset({MAC}))}
    assert found.peers(40) == {"n2": Peer(frozenset({MAC}), TERM)}
    found.put(41, lease("n2", -5))
    assert found.peers(80)["n2"].lapsed is None


def test_who_is_cut_off_cannot_tell() -> None:
    """Its own Lease is not renewed either: nobody's counts as run out, however long."""
    found = known()
    assert found.connected(39.9)
    assert not found.connected(40)
    assert found.peers(500) == {"n2": Peer(frozenset({MAC}))}
    assert found.forgotten(5000) == frozenset()


def test_after_it_is_back_the_others_have_a_term() -> None:
    """The API server was away for all of them for ten minutes; nobody is replaced for that."""
    found = known()
    found.put(600, lease("n1", 1))
    assert found.connected(600)
    assert found.peers(639)["n2"].lapsed is None
    found.put(630, lease("n1", 2))
    assert found.peers(640)["n2"].lapsed == 640


def test_one_that_was_given_back_is_no_peer() -> None:
    """Nor one that is gone; this node is none of its own."""
    found = known()
    found.put(1, lease("n2", 1, left=True))
    assert found.peers(2) == {}
    found.put(3, lease("n2", 2))
    assert set(found.peers(4)) == {"n2"}
    found.drop("n2")
    found.drop("n3")
    assert found.peers(5) == {}


def test_nobody_waits_for_ever() -> None:
    """Five minutes after it ran out it is no candidate; until then it may be the owner, with a deaf API server."""
    found = known()
    for now in range(0, 400, 10):
        found.put(now, lease("n1", now))
    assert found.forgotten(TERM + FORGOTTEN - 1) == frozenset()
    assert found.forgotten(TERM + FORGOTTEN) == {"n2"}
