"""Who announces an address: the order of the candidates, whose turn it is, and which of two owners yields.

Functions of what both sides know, so that all nodes come to the same answer without a word (DESIGN section 7).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

from lbctl.addresses import Address


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
