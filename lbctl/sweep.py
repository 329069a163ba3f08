"""All addresses of the pools asked for on the LAN: which those are, and whose they turn out to be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from lbctl.addresses import Address
from lbctl.allocator import Index
from lbctl.decisions import Snapshot
from lbctl.l2.ethernet import mac_text
from lbctl.l2.probe import Found, Use
from lbctl.pools import Pool, PoolFile

MOST = 4096  # addresses of a pool: half a second, and 12,000 frames that every host of the LAN must look at


class Sweep:
    """One sweep. `look` is the cluster, where it is known: whoever answers is held against it."""

    def __init__(self, pools: PoolFile, look: Snapshot | None) -> None:
        self._look = look
        self._pools = pools
        self._index = Index(look.services, look.blocks, look.others, pools, look.now) if look else None
        used = self._used()
        found: dict[Address, None] = {}
        self.cut: list[str] = []  # what is left out, in words
        for pool in pools.pools:
            here = dict.fromkeys(islice(_in_turn(pool, used), MOST))
            found |= here
            if (size := pool.usable.size()) > len(here):
                self.cut.append(f"pool {pool.name} has {size} addresses, of which only {len(here)} are asked for")
        self.addresses = tuple(found)
        self.free = frozenset(address for address in found if not self._user(address))  # as far as is known

    def _used(self) -> dict[Address, None]:
        """The addresses in use, in order."""
        if self._look is None:
            return {}
        shown = (a for service in self._look.services.values() for a in service.status)
        claimed = (claim.address for claim in self._look.claims if claim.holders)
        every = {*shown, *claimed, *self._look.others}
        return dict.fromkeys(sorted(every, key=lambda address: (address.version, int(address))))

    def _user(self, address: Address) -> str:
        return self._index.user(address) if self._index is not None else ""

    def far(self, answers: Mapping[Address, Found]) -> list[str]:
        """Pools of which nothing could be asked for, in words."""
        near = {pool.name for a in answers if (pool := self._pools.pool_of(a)) is not None}
        far = [pool.name for pool in self._pools.pools if pool.name not in near and pool.usable]
        return [f"pool {name} is not asked for: no interface of this machine is on its subnet" for name in far]

    def rows(self, answers: Mapping[Address, Found]) -> list[tuple[str, str, str]]:
        """Address, MAC and whose it is, for each that somebody answers for; a router with proxy ARP is nobody."""
        there = [one for one in answers.values() if one.mac is not None and one.use is not Use.PROXY]
        there.sort(key=lambda one: (one.address.version, int(one.address)))
        return [(str(one.address), mac_text(one.mac or b""), self._who(one)) for one in there]

    def _who(self, one: Found) -> str:
        user = self._user(one.address)
        if one.use is Use.PEER:
            return f"node {one.peer}; {user}" if user else f"node {one.peer}, which still announces it"
        if self._look is None:
            return "unknown, for the cluster is left out"
        if one.address in self._look.others:
            return user
        return f"a stranger; {user}" if user else "a stranger"


def _in_turn(pool: Pool, used: Mapping[Address, None]) -> Iterator[Address]:
    """The pool's addresses, those in use first, for of them something is to be told."""
    yield from (address for address in used if address in pool.usable)
    yield from (address for address in pool.usable if address not in used)
