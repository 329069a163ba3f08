"""A client that connects every 10 ms (prober.py), and how long it could not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.testbed.lab import Lab

SCRIPT = Path(__file__).with_name("prober.py")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection: when it was begun and ended (time.monotonic()), and why it failed, else empty."""

    began: float
    ended: float
    failed: str


class Probing:
    """Connects to an address from a host; use it as a context manager, and look at `attempts` afterwards."""

    def __init__(self, lab: Lab, address: str, *, port: int = 80, host: str = "client") -> None:
        self.attempts: list[Attempt] = []
        command = [sys.executable, "-IS", str(SCRIPT), address, str(port)]
        self._child = lab.start_in(host, *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Probing:
        return self

    def __exit__(self, *_: object) -> None:
        said = self._child.communicate(timeout=30)[0]
        self.attempts = [Attempt(*json.loads(line)) for line in said.splitlines()]
        assert self.attempts, "the prober has died"

    @property
    def failures(self) -> int:
        """How many failed."""
        return sum(bool(attempt.failed) for attempt in self.attempts)

    @property
    def gap(self) -> float:
        """The longest time, in seconds, without a connection that succeeds."""
        return longest_gap(self.attempts)


def longest_gap(attempts: Sequence[Attempt]) -> float:
    """The longest time from one success to the next, or from the first attempt, or to the end of all."""
    ends = sorted(attempt.ended for attempt in attempts if not attempt.failed)
    marks = [min(a.began for a in attempts), *ends, max(a.ended for a in attempts)]
    return max(later - earlier for earlier, later in pairwise(marks))
