"""Addresses that somebody on the LAN has are not given (DESIGN 7, Conflicts): a plan, what it gives asked for, a plan.

Whoever answers for an address that a plan would give anew has it withheld, and the plan is made again. With what is
to be given goes what may come next: so the second plan rarely needs to ask again, and a router that answers for
whatever it is asked for (proxy ARP) is told from a host. Pure: `ask` comes in, and so does whoever is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from lbctl.addresses import Address, family_of
from lbctl.allocator import Index, Refusal
from lbctl.answers import judged, refusal, router_words
from lbctl.decisions import Action, Plan, Snapshot
from lbctl.l2.ethernet import Mac
from lbctl.l2.probe import Found, Use
from lbctl.pools import PoolFile
from lbctl.services import Service

MORE = 32  # addresses asked along with those to be given, a pool and family; twice as many each time
TURNS = 8  # by then 8,000 addresses of the pool were asked, and what is to be given goes as it is

Ask = Callable[[Collection[Address], Collection[Address]], Mapping[Address, Found]]
"""Asks for addresses that must be asked and for others beside them; those that cannot be asked for are left out."""


class Lan:
    """What the LAN has answered in one run of a command. `tell` gets warnings."""

    def __init__(self, ask: Ask, pools: PoolFile, tell: Callable[[str], object]) -> None:
        self._ask = ask
        self._pools = pools
        self._tell = tell
        self._asked: set[Address] = set()
        self._lan: dict[Address, Refusal] = {}
        self._routers: set[Mac] = set()

    def planned(self, decide: Callable[[Snapshot], Plan], look: Snapshot) -> Plan:
        """A plan that gives nothing which somebody on the LAN answers for. Raises what `ask` raises."""
        planned = decide(replace(look, lan=self._lan))
        for turn in range(TURNS):
            if not any(decision.claims for decision in planned.decisions):
                break
            index = Index(look.services, look.blocks, look.others, self._pools, look.now)
            index.put_lan(self._lan)
            anew = {a: s for a, s in _given(planned) if a not in self._asked and not index.is_held(a)}
            if not anew or not self._withheld(anew, self._next(planned, index, anew, MORE << turn)):
                break
            planned = decide(replace(look, lan=self._lan))
        return planned

    def _next(self, planned: Plan, index: Index, anew: Collection[Address], count: int) -> list[Address]:
        """What may come after those that the plan gives, of the same pools and families."""
        for address, service in _given(planned):
            index.take(address, service)
        touched = [(pool, family_of(a)) for a in anew if (pool := self._pools.pool_of(a)) is not None]
        spots = {(pool.name, family): pool for pool, family in touched}
        coming = [a for (_, family), pool in spots.items() for a in index.coming(pool, family, count)]
        return [a for a in coming if a not in self._asked]

    def _withheld(self, anew: Mapping[Address, Service], more: Collection[Address]) -> bool:
        """Ask for all these; whether one of those to be given is withheld by now."""
        found = self._ask(anew, more)
        self._asked |= {*anew, *found}
        for one in found.values():
            if one.use is Use.PROXY and one.mac is not None and one.mac not in self._routers:
                self._routers.add(one.mac)
                self._tell(f"warning: {router_words(one.mac)}")
        # Another mapping each time: an Index sees by that that there is something new.
        answers = {address: refusal(judged(one, self._routers)) for address, one in found.items()}
        self._lan = {**self._lan, **{a: why for a, why in answers.items() if why is not None}}
        lost = [a for a in anew if a in self._lan]
        for address in lost:
            service, why = anew[address], self._lan[address]
            if address not in (*service.ask.addresses, *self._pools.reservation(service.key)):
                self._tell(f"warning: {why.reason.name}: {why.message}, so it is passed over")
        return bool(lost)


def _given(planned: Plan) -> Iterator[tuple[Address, Service]]:
    for decision in planned.decisions:
        if decision.action is Action.ASSIGN:
            for address in decision.claims:
                yield address, decision.service
