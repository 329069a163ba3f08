"""Candidates as processes on a real API server, as the least Role: paused, killed and stopped at random.

What a process says of itself are intervals in which it led, a term each, by one clock for all.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lbctl.kube.lease import Timing
from tests.testbed.driver import ROOT, Hand, until

pytestmark = [pytest.mark.cluster, pytest.mark.long]

SEED = 20260302
MISHAPS = 200
# The real numbers, an eighth as long: the shortest that a Lease can say in whole seconds.
QUICK = Timing(lease=2, deadline=1.25, retry=0.25, look=0.1)
LEASES = "/apis/coordination.k8s.io/v1/namespaces/lbctl-system/leases"


@dataclass(frozen=True, slots=True)
class Term:
    """One leader's time, in seconds."""

    who: str
    first: float
    last: float


@dataclass
class Race:
    """Processes that want one Lease."""

    bed: Hand
    folder: Path
    timing: Timing
    lease: str = field(default_factory=lambda: f"lbctl-test-{secrets.token_hex(4)}")
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def enter(self) -> str:
        """Start one more; its name."""
        name = f"c{next(self._numbers)}"
        t = self.timing
        numbers = [str(n) for n in (t.lease, t.deadline, t.retry, t.look)]
        words = [str(self.bed.kubeconfig), self.lease, name, str(self.folder / name), *numbers]
        command = [sys.executable, "-m", "tests.cluster.candidate", *words]
        self.running[name] = subprocess.Popen(command, cwd=ROOT)
        return name

    def end(self, name: str, how: signal.Signals) -> None:
        """Send a last signal to one, and wait for it."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        process.wait(30)

    def terms(self) -> list[Term]:
        """All that was written so far, by its beginning."""
        found: dict[tuple[str, str], Term] = {}
        for path in self.folder.iterdir():
            for line in path.read_text().splitlines():
                number, _, when = line.partition(" ")
                known = found.get((path.name, number))
                found[path.name, number] = Term(path.name, known.first if known else float(when), float(when))
        return sorted(found.values(), key=lambda term: term.first)

    @property
    def leader(self) -> str | None:
        """Who leads now, or did a moment ago."""
        last = max(self.terms(), key=lambda term: term.last, default=None)
        return last.who if last and time.clock_gettime(time.CLOCK_BOOTTIME) - last.last < 0.1 else None


@contextlib.contextmanager
def racing(bed: Hand, folder: Path, timing: Timing, count: int) -> Iterator[Race]:
    """So many candidates, of whom one leads."""
    race = Race(bed, folder, timing)
    try:
        for _ in range(count):
            race.enter()
        until(lambda: race.leader is not None, "the first leader", seconds=60)
        yield race
    finally:
        for name in list(race.running):
            race.end(name, signal.SIGKILL)
        bed.admin.request("DELETE", f"{LEASES}/{race.lease}")


def overlaps(terms: list[Term]) -> list[str]:
    """Two terms, of whomever, in which a moment is the same."""
    return [f"{a} and {b}" for a, b in itertools.pairwise(terms) if b.first <= a.last and a.who != b.who]


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="NOT RUN: one clock for all processes is Linux's")
def test_two_never_lead_at_once_over_200_pauses_kills_and_stops(bed: Hand, tmp_path: Path) -> None:
    """Three candidates; the leader is hit as often as the others together."""
    print("seed", SEED)
    chance = random.Random(SEED)
    with racing(bed, tmp_path, QUICK, 3) as race:
        for _ in range(MISHAPS):
            time.sleep(chance.uniform(0.1, 1.0))  # because the processes are to run meanwhile
            leader = race.leader
            name = leader if leader in race.running and chance.random() < 0.5 else chance.choice(list(race.running))
            assert name is not None
            match chance.choice(["pause", "pause", "kill", "stop"]):
                case "pause":
                    os.kill(race.running[name].pid, signal.SIGSTOP)
                    time.sleep(chance.choice([0.2, 1.0, 1.5, 2.5]))
                    os.kill(race.running[name].pid, signal.SIGCONT)
                case "kill":
                    race.end(name, signal.SIGKILL)
                    race.enter()
                case "stop":
                    race.end(name, signal.SIGTERM)
                    race.enter()
        until(lambda: race.leader is not None, "a leader in the end", seconds=30)
        terms = race.terms()
    print(len(terms), "terms")
    assert overlaps(terms) == []
    assert len(terms) > MISHAPS / 8, "the lead hardly ever changed hands, so this shows nothing"


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="NOT RUN: one clock for all processes is Linux's")
def test_a_leader_that_is_killed_is_followed_within_the_time_of_a_lease(bed: Hand, tmp_path: Path) -> None:
    """With the real numbers: not before 15 s, for it might have lived, and within a look after that."""
    with racing(bed, tmp_path, Timing(), 1) as race:
        race.enter()
        time.sleep(3)  # because the second must have seen the Lease once
        leader = race.leader
        assert leader is not None
        race.end(leader, signal.SIGKILL)
        until(lambda: len(race.terms()) == 2, "the next leader", seconds=25)
        first, second = race.terms()
    gap = second.first - first.last
    print(f"{gap:.1f} s without a leader")
    # The last renewal is up to 2.4 s older than the end; a look is 0.84 s at most.
    assert 12 < gap < 17


def test_an_overlap_is_seen() -> None:
    """Else the storm would prove nothing."""
    apart = [Term("a", 1, 2), Term("b", 2.1, 3), Term("a", 3.1, 4)]
    assert overlaps(apart) == []
    assert overlaps([*apart, Term("b", 3.9, 5)]) != []
