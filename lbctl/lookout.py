"""What `serve` knows of the LAN, as it keeps asking: who answers for addresses that nobody should have, and since when.

The next free addresses of each pool are asked for again and again, so that an automatic assignment need not wait for
an answer; one asked for by name is waited for, if it was not asked for lately (DESIGN 7, Conflicts). Pure: times are
seconds of a clock that never goes back, and come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lbctl.addresses import Address, Family
from lbctl.allocator import Index, Refusal
from lbctl.answers import judged, refusal, router_words
from lbctl.l2.ethernet import Mac
from lbctl.l2.probe import Found, Use
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.services import Key

AHEAD = 32  # free addresses of a pool and family that are known to be silent
FRESH = 60.0  # seconds for which an answer, or silence, counts
AGAIN = 50.0  # seconds after which it is asked anew, so that it always counts
SOON = 2.0  # likewise where a node still announces an address: it stops within a second of being told
PATIENCE = 2.0  # seconds that a Service waits for an answer, which takes 0.4


@dataclass(slots=True)
class News:
    """What answers change: Services that waited for them, whether an address fell silent, what to warn of."""

    waited: set[Key] = field(default_factory=set)
    silent: bool = False
    warnings: list[str] = field(default_factory=list)


class Lookout:
    """Kept by one thread. `lan` is what is withheld; another mapping whenever it is different."""

    def __init__(self) -> None:
        self.lan: Mapping[Address, Refusal] = {}
        self._asked: dict[Address, float] = {}
        self._waiting: dict[Address, tuple[float, set[Key]]] = {}
        self._routers: set[Mac] = set()
        self._told: set[str] = set()

    def wanted(self, index: Index, pools: PoolFile, now: float) -> tuple[list[Address], list[Address]]:
        """What is to be asked for by now: of those that come next, and those that somebody answered for. Beside it
        what comes next of each pool."""
        kept = {a: why for a, why in self.lan.items() if pools.pool_of(a) is not None and not index.is_held(a)}
        if len(kept) < len(self.lan):
            self.lan = kept
        index.put_lan(self.lan)
        self._asked = {a: at for a, at in self._asked.items() if now - at < FRESH}
        spots = ((pool, family) for pool in pools.pools if not pool.disabled for family in Family)
        coming = [a for pool, family in spots for a in index.coming(pool, family, AHEAD)]
        return [a for a in dict.fromkeys((*self.lan, *coming)) if self._due(a, now)], coming

    def _due(self, address: Address, now: float) -> bool:
        why, asked = self.lan.get(address), self._asked.get(address)
        rest = SOON if why is not None and why.reason is Reason.StillAnnounced else AGAIN
        return asked is None or now - asked >= rest

    def waits(self, key: Key, address: Address, now: float) -> bool:
        """Whether a Service must wait for this address to be asked for. Not for ever: who asks may be in trouble."""
        asked = self._asked.get(address)
        if asked is not None and now - asked < FRESH:
            return False
        began, keys = self._waiting.setdefault(address, (now, set()))
        keys.add(key)
        return now - began < PATIENCE

    def heard(self, asked: Iterable[Address], found: Mapping[Address, Found], now: float) -> News:
        """The answers for these addresses; those that are not in `found` could not be asked for."""
        news, lan = News(), dict(self.lan)
        self._learn(found.values(), news)
        for address in asked:
            self._asked[address] = now
            _, keys = self._waiting.pop(address, (0.0, set()))
            news.waited |= keys
            why = refusal(judged(found.get(address) or Found(address, Use.FREE), self._routers))
            if why is None:
                news.silent = lan.pop(address, None) is not None or news.silent
            else:
                lan[address] = why
                if not keys:  # else it is refused with these words
                    self._warn(f"{why.reason.name}: {why.message}, so it is passed over", news)
        if lan != self.lan:
            self.lan = lan
        return news

    def _learn(self, found: Iterable[Found], news: News) -> None:
        for one in found:
            if one.use is Use.PROXY and one.mac is not None:
                self._routers.add(one.mac)
                self._warn(router_words(one.mac), news)

    def _warn(self, words: str, news: News) -> None:
        if words not in self._told:
            self._told.add(words)
            news.warnings.append(words)
