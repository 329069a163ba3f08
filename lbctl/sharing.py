"""Who may stand on one address with whom: a sharing key, ports that do not clash, and traffic that goes the same way.

Services share an address when their keys are equal, no protocol and port is asked for twice, and all of them have
externalTrafficPolicy Cluster, or all have Local and send to the same pods of one namespace: a node answers for an
address as a whole, so it must be right for each Service on it. Across namespaces only where the pool says so, or a key
alone would let one tenant onto another's address. Pure values; the facts are kept in the claim as well, in short form,
for a newcomer must suit what the ledger says of each holder and what the cluster shows (DESIGN 6).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

MOST_SPANS = 64  # kept in a claim, which stays under 1 KiB


class Span(NamedTuple):
    """Neighbouring ports of one protocol, both ends included."""

    protocol: str
    low: int
    high: int

    def __str__(self) -> str:
        """Such as TCP/80 or UDP/53-60."""
        return f"{self.protocol}/{self.low}" + (f"-{self.high}" if self.high > self.low else "")

    @classmethod
    def parse(cls, text: str) -> Span:
        """Read TCP/80 or UDP/53-60; ValueError when it is neither."""
        protocol, _, numbers = text.partition("/")
        low, _, high = numbers.partition("-")
        return cls(protocol, int(low), int(high or low))


@dataclass(frozen=True, slots=True)
class Sharing:
    """What decides with whom a Service may share: `key` and `selector` as eight hex digits (no selector: empty),
    `local` for externalTrafficPolicy Local, its ports sorted and joined."""

    key: str
    local: bool
    selector: str
    ports: tuple[Span, ...]

    @property
    def too_many_ports(self) -> bool:
        """Whether its ports are more than a claim holds."""
        return len(self.ports) > MOST_SPANS

    def to_json(self) -> dict[str, Any]:
        """The facts as they stand in a claim."""
        policy = "Local" if self.local else "Cluster"
        return {"key": self.key, "policy": policy, "selector": self.selector, "ports": [str(p) for p in self.ports]}

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Sharing:
        """Read them; KeyError, TypeError or ValueError when they are none."""
        if item["policy"] not in ("Local", "Cluster"):
            raise ValueError(f"no policy: {item['policy']!r}")
        ports = tuple(Span.parse(text) for text in item["ports"])
        return cls(str(item["key"]), item["policy"] == "Local", str(item["selector"]), ports)


def digest(value: object) -> str:
    """Eight hex digits for a value of JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def spans(ports: Iterable[tuple[str, int]]) -> tuple[Span, ...]:
    """The (protocol, port) pairs, sorted, neighbours joined."""
    found: list[Span] = []
    for protocol, port in sorted(set(ports)):
        if found and found[-1].protocol == protocol and found[-1].high + 1 == port:
            found[-1] = found[-1]._replace(high=port)
        else:
            found.append(Span(protocol, port, port))
    return tuple(found)


def obstacle(one: Sharing, other: Sharing, *, same_namespace: bool, across: bool) -> str:
    """Why two Services may not stand on one address, as the end of a sentence; empty when they may.

    `across` is what the address's pool says of different namespaces.
    """
    if one.key != other.key:
        return "its sharing key is another"
    if not (same_namespace or across):
        return "it is of another namespace, and the pool has shareAcrossNamespaces: false"
    if (clash := _clash(one.ports, other.ports)) is not None:
        return f"both use {clash}"
    if one.local != other.local:
        return "only one of them has externalTrafficPolicy Local"
    if not one.local:
        return ""
    if not same_namespace:
        return "externalTrafficPolicy Local sends to pods of one namespace"
    if not one.selector or one.selector != other.selector:
        return "with externalTrafficPolicy Local both must have the same selector"
    return ""


def _clash(one: Iterable[Span], other: Iterable[Span]) -> Span | None:
    """The first ports that both have."""
    for mine in one:
        for theirs in other:
            if mine.protocol == theirs.protocol and mine.low <= theirs.high and theirs.low <= mine.high:
                return Span(mine.protocol, max(mine.low, theirs.low), min(mine.high, theirs.high))
    return None
