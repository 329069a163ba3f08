"""Keeps asking the LAN for what `serve` may give next, in a thread of its own, so that the loop waits for nothing.

Which addresses those are only the loop knows: it is told to say so, and is told the answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping

from lbctl.addresses import Address
from lbctl.errors import LbctlError
from lbctl.l2.probe import Found
from lbctl.world import World

LOOK = 1.0  # seconds between two looks at what comes next
SHARE = 100  # of the loop's time a look takes at most one part in so many
COMPANY = 8  # addresses to ask for at once at least: a router with proxy ARP is one that answers for four
FIRST = 1.0  # seconds that the start waits for the first answers
ENDS = 1.0  # seconds that a probe under way gets to end

Ask = Callable[[Collection[Address]], Mapping[Address, Found]]


class Scout:
    """start(), then stop(). `ask` asks the LAN, `tell` is the loop's, `warn` gets what an operator should know,
    `now` is the API server's time in seconds since the epoch."""

    def __init__(
        self,
        ask: Ask,
        tell: Callable[[Callable[[World], None]], object],
        warn: Callable[[str], object],
        now: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ready = threading.Event()  # the first answers are there
        self._ask = ask
        self._tell = tell
        self._warn = warn
        self._now = now
        self._clock = clock
        self._wake = threading.Condition()  # guards what follows
        self._wanted: dict[Address, None] = {}
        self._coming: list[Address] = []
        self._next_look = 0.0
        self._stopping = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="scout", daemon=True)

    def start(self) -> None:
        """Begin, once the loop knows the cluster."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(ENDS)

    def want(self, addresses: Collection[Address]) -> None:
        """Ask for these at once."""
        with self._wake:
            self._wanted |= dict.fromkeys(addresses)
            self._wake.notify()

    def _run(self) -> None:
        while not self._stopping:
            if batch := self._batch():
                self._carry(batch)

    def _batch(self) -> list[Address]:
        """What to ask for, as soon as there is something; the loop is told to look for it now and then."""
        with self._wake:
            rest = self._next_look - self._clock()
            if rest <= 0:
                self._next_look = self._clock() + LOOK
                self._tell(self._look)
            elif not self._wanted and not self._stopping:
                self._wake.wait(rest)
            batch, self._wanted = list(self._wanted), {}
            company = [a for a in self._coming if a not in batch]
            return [*batch, *company[: max(0, COMPANY - len(batch))]] if batch else []

    def _look(self, world: World) -> None:
        began = self._clock()
        wanted, coming = world.ahead(int(self._now()), began)
        with self._wake:
            self._next_look = max(self._next_look, began + (self._clock() - began) * SHARE)
            self._coming = coming
        self.want(wanted)
        if not wanted:
            self.ready.set()

    def _carry(self, batch: list[Address]) -> None:
        found: Mapping[Address, Found] = {}
        try:
            found, trouble = self._ask(batch), ""
        except (LbctlError, OSError) as failed:
            trouble = f"the LAN cannot be asked: {failed}"
        except Exception as bug:  # noqa: BLE001 because a thread that has died of it would not even say so
            trouble = f"the LAN cannot be asked because of a bug: {bug!r}"
        if trouble and trouble != self._trouble:
            self._warn(trouble)
        self._trouble = trouble
        now = self._clock()

        def heard(world: World) -> None:
            news = world.lookout.heard(batch, found, now)
            world.dirty |= news.waited
            world.helps = world.helps or news.silent
            for words in news.warnings:
                self._warn(words)
            self.ready.set()

        self._tell(heard)
