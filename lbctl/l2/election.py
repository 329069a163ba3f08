"""Who announces an address: the order of the candidates, whose turn it is, and which of two owners yields.

Functions of what both sides know, so that all nodes come to the same answer without a word (DESIGN section 7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from lbctl.addresses import Address
from lbctl.l2.frames import Mac


@lru_cache(maxsize=1 << 16)
def rank(node: str, address: Address) -> bytes:
    """Where a node stands in the order for an address; the smallest is first.

    A rendezvous hash: a node that comes or goes moves none but its own addresses, and each of several addresses has
    its own order, so that the failed node's are spread over all that stay. The name breaks a tie.
    """
    name = node.encode()
    return blake2b(address.packed + name, digest_size=8).digest() + name


def order(nodes: Iterable[str], address: Address) -> tuple[str, ...]:
    """The nodes in their order for an address, best first."""
    return tuple(sorted(set(nodes), key=lambda node: rank(node, address)))


def ahead(node: str, other: str, address: Address, mac: Mac = b"", its: Mac = b"") -> bool:
    """Whether a node comes before another for an address; of one node's two interfaces, that of the lower MAC."""
    return (rank(node, address), mac) < (rank(other, address), its)


def place(node: str, candidates: Iterable[str], fresh: Callable[[str], bool], without: str = "") -> int:
    """How many come before a node, of those that may be alive (`fresh`) and are not the one that is to be replaced.

    Without the fresh ones only: who has been gone for long costs no further 300 ms.
    """
    before = 0
    for other in candidates:
        if other == node:
            break
        before += other != without and fresh(other)
    return before


@dataclass(frozen=True, slots=True)
class Standing:
    """What an owner knows of its own claim when it hears that a peer claims the address, too."""

    interrupted: bool = False  # heard no peer for a second since it took it: others may have it by right
    lonely: bool = False  # heard no peer when it took it, and not since: perhaps it was away, and not the peer
    succeeded: bool = False  # took the address from that very peer, because it was silent
    away: bool = False  # has not heard that peer for a second until just now, but others
    connected: bool = True  # reaches the API
    recent: bool = False  # took it just now, perhaps at the same moment
    ahead: bool = False  # comes before the peer in the order (`rank`)


@dataclass(frozen=True, slots=True)
class Heard:
    """How the peer claims it: to all of the LAN (`aloud`: a gratuitous ARP), and how often again after it heard us."""

    aloud: bool = False
    again: int = 0


class Rule(NamedTuple):
    """A sentence, when it applies, and whether to keep the address then."""

    says: str
    applies: Callable[[Standing, Heard], bool]
    keeps: Callable[[Standing], bool]


# The first that applies decides. DESIGN 7: "Two owners that hear each other: one that was interrupted since it last
# asked yields, else the lower in order; the other announces once more." The others see to it that not both yield, and
# that who was cut off from all yields to who was not.
RULES = (
    Rule("claimed again three times: the order alone, for both know it", lambda _, h: h.again > 2, lambda s: s.ahead),
    Rule("one that was interrupted since it last asked yields", lambda s, _: s.interrupted, lambda _: False),
    # In a LAN of two, both heard nobody: who took over stays, for the other is interrupted. Where it is not, and says
    # so again, there are others that hear it. Should both have taken it alone, not both yield: the first in the order
    # lets the other insist twice.
    Rule("who took it alone yields to who insists", lambda s, h: s.lonely and h.again > s.ahead, lambda _: False),
    Rule("who took it alone stays at first", lambda s, _: s.lonely, lambda _: True),
    Rule("who took over from the silent peer stays", lambda s, _: s.succeeded, lambda _: True),
    Rule("who heard others while the peer was away stays", lambda s, _: s.away, lambda _: True),
    # Its kube-proxy goes stale, and the peer may know better. When both took over at the same moment the order decides.
    Rule(
        "an owner without API yields to a gratuitous ARP",
        lambda s, h: h.aloud and not s.connected and not s.recent,
        lambda _: False,
    ),
    Rule("else the lower in order yields", lambda _s, _h: True, lambda s: s.ahead),
)


def keeps(standing: Standing, heard: Heard) -> bool:
    """Whether an owner stays that hears a peer claim its address."""
    return next(rule.keeps(standing) for rule in RULES if rule.applies(standing, heard))
