"""How announcing stands: which node answers for each address since when, or why none does; and what a drain moves.

From one look at the API: an Eligibility, and what the announcers' Leases say. Pure; the time comes in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lbctl.addresses import Address
from lbctl.ages import seconds_of
from lbctl.keys import Key
from lbctl.l2.eligible import Candidacy, Eligibility
from lbctl.l2.facts import (
    Announced,
    Lease,
    parse_announces,
    parse_exposed,
    parse_lease,
    parse_node,
    parse_slice,
)
from lbctl.pools import PoolFile


@dataclass(frozen=True, slots=True)
class Standing:
    """One address: who may announce it, and who does by the Leases of those whose Lease is renewed."""

    candidacy: Candidacy
    by: tuple[Announced, ...]

    @property
    def address(self) -> Address:
        """The address."""
        return self.candidacy.address

    @property
    def services(self) -> tuple[Key, ...]:
        """The Services that show it."""
        return self.candidacy.services

    @property
    def why(self) -> str:
        """Why nobody announces it; empty when somebody does."""
        if self.by:
            return ""
        may = self.candidacy.order
        if not may:
            return self.candidacy.why
        return f"{', '.join(may[:3])} may, and {'does not' if len(may) == 1 else 'none does'}"

    @property
    def hint(self) -> str:
        """What to do about that; empty when there is nothing to do."""
        if self.by:
            return ""
        if not self.candidacy.order:
            return self.candidacy.hint
        return "look again in a few seconds, and at the log of lbctl arp-announce there"


@dataclass(slots=True)
class View:
    """What one look shows at `now` (seconds since the epoch); `lapsed` are the seconds for which an announcer's Lease
    has run out."""

    known: Eligibility
    announced: Mapping[Address, tuple[Announced, ...]]
    lapsed: Mapping[str, float]
    now: float

    @property
    def anybody(self) -> bool:
        """Whether there is any announcer."""
        return any(not presence.left for presence in self.known.presences.values())

    def standing(self, address: Address) -> Standing | None:
        """How it stands with one address; None when no Service of lbctl's shows it."""
        candidacy = self.known.judge(address)
        return Standing(candidacy, self.announced.get(address, ())) if candidacy else None

    def all(self) -> list[Standing]:
        """All addresses, by number."""
        found = sorted(self.known.addresses, key=lambda address: (address.version, int(address)))
        return [one for one in map(self.standing, found) if one is not None]

    def drained(self, node: str) -> list[tuple[Standing, Candidacy]]:
        """What a node announces, and who may announce that if the node may no longer."""
        moved = []
        for one in self.all():
            without = self.known.judge(one.address, without=frozenset({node}))
            if without is not None and any(by.node == node for by in one.by):
                moved.append((one, without))
        return moved


def view(
    pools: PoolFile,
    services: Iterable[Mapping[str, Any]],
    slices: Iterable[Mapping[str, Any]],
    nodes: Iterable[Mapping[str, Any]],
    leases: Iterable[Mapping[str, Any]],
    announces: Iterable[Mapping[str, Any]],
    now: float,
) -> View:
    """Make it of the API's objects; `now` is the API server's time in seconds since the epoch."""
    known = Eligibility(pools)
    for item in services:
        exposed = parse_exposed(item)
        known.put_service(exposed.service.key, exposed)
    for item in slices:
        known.put_slice(Key(item["metadata"]["namespace"], item["metadata"]["name"]), parse_slice(item))
    for item in nodes:
        known.put_node(item["metadata"]["name"], parse_node(item))
    lapsed: dict[str, float] = {}
    for lease in filter(None, map(parse_lease, leases)):
        known.put_presence(lease.presence.node, lease.presence)
        if (over := now - _until(lease)) > 0 and not lease.presence.left:
            lapsed[lease.presence.node] = over
    known.lapse(frozenset(lapsed))
    by: dict[Address, list[Announced]] = defaultdict(list)
    for one in (one for item in announces for one in parse_announces(item)):
        presence = known.presences.get(one.node)
        if presence is not None and not presence.left and one.node not in lapsed:
            by[one.address].append(one)
    return View(known, {address: tuple(ones) for address, ones in by.items()}, lapsed, now)


def _until(lease: Lease) -> float:
    """Until when it lasts, by its holder's clock, which for showing is good enough."""
    return seconds_of(lease.renewed) + lease.seconds
