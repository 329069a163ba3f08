"""Who announces an address: the order of the candidates, whose turn it is, and which of two owners yields.

Functions of what both sides know, so that all nodes come to the same answer without a word (DESIGN section 7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

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

    interrupted: bool  # heard no peer for a second since it last asked: others may have taken over rightly
    succeeded: bool  # took the address from that very peer, because it was silent
    connected: bool  # reaches the API
    recent: bool  # took it just now, perhaps at the same moment
    ahead: bool  # comes before the peer in the order (`rank`)


Rule = tuple[str, Callable[[Standing, bool], bool], Callable[[Standing], bool]]

# The first that applies decides: its name, when it applies (the standing; whether the peer told all of the LAN), and
# whether to keep the address. DESIGN 7: "Two owners that hear each other".
RULES: tuple[Rule, ...] = (
    ("one that was interrupted since it last asked yields", lambda s, _: s.interrupted, lambda _: False),
    # The peer, not we, was away. It yields by the first rule, or both wait for the last one.
    ("who took over from the silent peer stays", lambda s, _: s.succeeded, lambda _: True),
    # Its kube-proxy goes stale, and the peer may know better. When both took over at the same time the order decides,
    # or both would yield.
    (
        "an owner without API yields to a gratuitous ARP",
        lambda s, told_all: told_all and not s.connected and not s.recent,
        lambda _: False,
    ),
    ("else the lower in order yields", lambda _s, _: True, lambda s: s.ahead),
)


def keeps(standing: Standing, told_all: bool, insisted: bool) -> bool:
    """Whether an owner stays that hears a peer claim its address: as a gratuitous ARP (`told_all`) or as an answer.

    `insisted`: the peer claims it still, though it has heard us since. Then what either knows does not settle it, and
    the order alone does, which both know.
    """
    if insisted:
        return standing.ahead
    return next(verdict(standing) for _, applies, verdict in RULES if applies(standing, told_all))
