"""What is searched: pools and Services, and the operations that processes choose from."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.property.process import Setting
from tests.property.search import Bounds, Found, Search
from tests.property.world import KEY, started

A, B, OTHER_BLOCK, SIX = "192.0.2.1", "192.0.2.2", "192.0.2.65", "2001:db8::1"

ONE = Setting((A,))
FORGETFUL = Setting((A,), keep=False)
TWO = Setting((A, B), asks=(A, B))
APART = Setting((A, OTHER_BLOCK), asks=(A, OTHER_BLOCK))
BACKWARDS = Setting((A, B), asks=(A, B), backwards=True)
DUAL = Setting((A, SIX), families=("IPv4", "IPv6"))
MIXED = Setting((A, SIX), families=("IPv4", "IPv6"), second=("IPv4",))

# Two who share; each created again with the same key or another, or changing its key as it stands.
K, L = f"{KEY}k", f"{KEY}l"
SHARERS = started(K, K)
SHARED = Setting((A,), born=(K, L))
SHARED_OF_TWO = Setting((A, B), born=(K, L))
REKEYED = Setting((A, B), asks=(K, L), born=(K,))

ASSIGN = ("assign 0", "assign 1")
NOW = ("assign 0", "assign 1", "release --now 0")
ALL = ("assign --all", "release 0")


REPORT: list[str] = []  # what was searched, for the end of the run


def say(words: str) -> None:
    """Print now, and once more at the end of the run, where pytest shows it whatever the outcome."""
    REPORT.append(words)
    print(words)


def searched(search: Search, setting: Setting, bounds: Bounds, cap: int, *wrong: Callable[[str, str], str]) -> Found:
    """Search, and say within what bounds and how much was seen."""
    began = time.process_time()
    found = search.run(cap, *wrong)
    end = ", CUT" if found.cut else f", violated in {len(found.path)} steps" if found.violation else ""
    seconds = time.process_time() - began
    say(f"{', '.join(setting.addresses)}: {bounds}: {found.states:,} states{end} ({seconds:.1f} s of CPU)")
    return found
