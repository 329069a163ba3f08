"""Who on this machine's LANs has an address: where it can be asked, as whom, and which MACs are announcers of ours.

An address is asked for on every interface whose subnet holds it. Where it must be asked, the interfaces that its pool
names do, too; otherwise not, for on somebody's laptop an interface of that name is on another LAN.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Collection, Iterable, Mapping

from lbctl.addresses import Address, AddressSet, Range
from lbctl.claims import NAMESPACE
from lbctl.errors import ClusterError, LbctlError
from lbctl.kube.api import Kube
from lbctl.l2.ethernet import Mac
from lbctl.l2.facts import LEASE_LABEL, parse_lease
from lbctl.l2.interfaces import Interface, why_not
from lbctl.l2.messages import Voice, link_local_of
from lbctl.l2.netlink import interfaces
from lbctl.l2.privileges import capable, missing
from lbctl.l2.probe import Found, Probe, Use
from lbctl.pools import Pool, PoolFile

_HINT = "run it on a machine of that LAN, such as a node, or leave it out with --probe=off"
_FIRST = (Use.STRANGER, Use.PEER, Use.PROXY, Use.FREE)  # what is told of an address that was asked for on several LANs


class CannotProbe(LbctlError):
    """Nobody can be asked from here."""


class Prober:
    """Asks for addresses of the pools. `peers` gives the MACs of announcers with the node's name. Whether all `must` be
    asked: then one that cannot be is an error."""

    def __init__(self, pools: PoolFile, peers: Callable[[], Mapping[Mac, str]], *, must: bool) -> None:
        """Raises CannotProbe or MissingCapability."""
        if sys.platform != "linux":
            raise CannotProbe("whether the LAN has an address can be asked on Linux only", hint=_HINT)
        if not capable():
            raise missing()
        self._pools = pools
        self._peers = peers
        self._must = must

    @property
    def near(self) -> bool:
        """Whether a LAN of this machine holds an address of a pool, or a pool names its interface."""
        there = interfaces()
        if any(self._named(pool, there) for pool in self._pools.pools):
            return True
        networks = {p.network for i in _usable(there) for p in i.addresses if p.network.num_addresses > 1}
        lans = AddressSet.of(map(Range.of, networks))
        return any(pool.usable & lans for pool in self._pools.pools)

    def require_near(self) -> None:
        """Raises CannotProbe where there is no such LAN."""
        if not self.near:
            raise CannotProbe("no interface of this machine is on the subnet of a pool", hint=_HINT)

    def __call__(self, addresses: Collection[Address], more: Collection[Address]) -> dict[Address, Found]:
        """Who answers for each of these, nobody among whom is known to have it, and for `more` beside them; those that
        cannot be asked for are left out. Raises CannotProbe or MissingCapability."""
        found = self.ask((*addresses, *more))
        for address in addresses if self._must else ():
            if address not in found:
                words = f"whether {address} is in use cannot be asked here: no interface is on its subnet"
                raise CannotProbe(words, hint=_HINT)
        return found

    def ask(self, addresses: Iterable[Address], free: Collection[Address] | None = None) -> dict[Address, Found]:
        """Likewise of any addresses, of which those `free` are nobody's as far as is known (None: all)."""
        there = interfaces()
        good = _usable(there)
        where: dict[str, list[Address]] = {}
        for address in dict.fromkeys(addresses):
            for name in self._names(address, there, good):
                where.setdefault(name, []).append(address)
        return self._asked(where, there, free) if where else {}

    def _names(self, address: Address, there: Mapping[int, Interface], good: Iterable[Interface]) -> list[str]:
        """The interfaces to ask for it on."""
        found = [i.name for i in good if i.holds(address)]
        pool = self._pools.pool_of(address)
        return found if found or pool is None else self._named(pool, there)

    def _named(self, pool: Pool, there: Mapping[int, Interface]) -> list[str]:
        """The interfaces that the pool names, if they count."""
        named = frozenset(pool.interfaces if self._must else ())
        return [i.name for i in there.values() if i.name in named and why_not(i, there, named=named) is None]

    def _asked(
        self,
        where: Mapping[str, Collection[Address]],
        there: Mapping[int, Interface],
        free: Collection[Address] | None,
    ) -> dict[Address, Found]:
        from lbctl.l2.asking import ask  # here because most runs ask for nothing

        peers = self._peers()
        macs = frozenset(i.mac for i in there.values())
        # Of those alone: another, such as a tunnel, may have no MAC that a link-local address could come from.
        voices = {i.name: Voice(i.mac, i.link_local or link_local_of(i.mac)) for i in there.values() if i.name in where}
        probes = {name: Probe(asked, voices[name], peers, free, macs) for name, asked in where.items()}
        ask(probes, there.values())
        found: dict[Address, Found] = {}
        for probe in probes.values():
            for address, one in probe.found().items():
                found[address] = min(found.get(address, one), one, key=lambda each: _FIRST.index(each.use))
        return found


def _usable(there: Mapping[int, Interface]) -> list[Interface]:
    return [interface for interface in there.values() if why_not(interface, there) is None]


class Announcers:
    """The MACs that the announcers' Leases show, with the node's name: as they are, or while the API server is away, as
    they were. None where Leases may not be read: an announcer is a stranger then."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: dict[Mac, str] = {}

    def __call__(self) -> dict[Mac, str]:
        with contextlib.suppress(ClusterError):
            items = self._kube.list_leases(NAMESPACE, f"{LEASE_LABEL}=v1").items
            found = [lease.presence for lease in map(parse_lease, items) if lease is not None]
            self._known = {mac: presence.node for presence in found for mac in presence.macs}
        return self._known
