"""When to announce aloud: a burst on takeover, for a lost frame or a port that is not forwarding yet, and slow repeats.

Addresses taken at once share one burst, and the slow repeats go round: no timer an address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from lbctl.addresses import Address

BURST = (0.0, 0.1, 0.5, 1.0, 2.0)  # seconds after a takeover (DESIGN 7)
SLOW = 100.0  # seconds between two repeats of an address: a third of the 300 s after which switches forget a MAC
SLICE = 2.0  # seconds between two slices of the slow repeats, so that 2,000 addresses are 40 at a time


@dataclass(slots=True)
class _Burst:
    began: float
    addresses: list[Address]
    done: int = 0

    @property
    def due(self) -> float:
        return self.began + BURST[self.done]


class Gratuitous:
    """The schedule of one interface."""

    def __init__(self) -> None:
        self._bursts: list[_Burst] = []
        self._slow: dict[Address, float] = {}  # address -> announced last; in the order of the rounds
        self._slice = 0.0

    def add(self, now: float, addresses: Iterable[Address]) -> None:
        """These were taken over: a burst from now on, then the slow repeats."""
        taken = list(addresses)
        self._bursts.append(_Burst(now, taken))
        for address in taken:
            self._slow.pop(address, None)
            self._slow[address] = now

    def discard(self, address: Address) -> None:
        """It is announced no longer."""
        self._slow.pop(address, None)

    def due(self) -> float | None:
        """When `run` is wanted next."""
        times = [burst.due for burst in self._bursts]
        if self._slow:
            times.append(max(next(iter(self._slow.values())) + SLOW, self._slice))
        return min(times, default=None)

    def run(self, now: float) -> list[Address]:
        """What to announce now."""
        told: dict[Address, None] = {}
        for burst in self._bursts:
            if burst.due <= now:
                # Who comes late skips what he missed.
                burst.done = sum(burst.began + at <= now for at in BURST)
                told.update(dict.fromkeys(a for a in burst.addresses if a in self._slow))
        self._bursts = [burst for burst in self._bursts if burst.done < len(BURST)]
        if now >= self._slice and self._slow:
            told.update(dict.fromkeys(self._slow_ones(now)))
        return list(told)

    def _slow_ones(self, now: float) -> list[Address]:
        most = ceil(len(self._slow) * SLICE / SLOW)
        ones: list[Address] = []
        for address, last in self._slow.items():
            if len(ones) == most or last + SLOW > now:
                break
            ones.append(address)
        for address in ones:
            del self._slow[address]
            self._slow[address] = now
        if ones:
            self._slice = now + SLICE
        return ones
