"""How long a client on the LAN goes without an address when whoever announces it is gone.

In the lab: an `lbctl arp-announce` on each of three nodes, one Service, a client that connects every 10 ms, and a host
that asks for the address all the time, so that a capture at the switch shows at each moment who answers. Each case is
done five times, each time to the node that answers just then, in quiet between. Cases where that node's network is lost
are judged by the outage, with ready pods on the other nodes only; in all others no connection may fail, and none may
come later than in ten quiet seconds of the same run and a little. Never may two answer for longer than a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure
from tests.lab.announcing import Running, running
from tests.testbed.capture import Capture, overlap
from tests.testbed.driver import until
from tests.testbed.lab import LEASES, Lab
from tests.testbed.lan import NODES
from tests.testbed.probing import Probing

ADDRESS = "192.0.2.200"
POOLS = "pools:\n- {name: lan, addresses: [192.0.2.200-192.0.2.210]}\n"
TIMES = 5
AIM, LIMIT = 1.2, 1.8  # seconds without the address
LATER = 0.1  # seconds that a gap may be longer than in quiet
BOTH = 1.0  # seconds that two may answer at once
ASKED = 0.05  # seconds between two questions
PAUSE = 0.5  # seconds without an answer after which somebody has stopped answering
QUIET = 10.0  # seconds
LEAD = 1.0  # seconds of the client's before something happens
WITHOUT_API = 110.0  # seconds: a Lease of 30 runs out, 60 later another announces, and the clients have found it
FOUND_AGAIN = (
    120.0  # seconds that a kube-proxy may take to notice that its connection died in a cut, and to watch again
)
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


class Scene:
    """The lab with its announcers, and the eyes on it."""

    def __init__(self, lab: Lab, seen: Capture, folder: Path) -> None:
        self.lab = lab
        self.seen = seen
        self._pools = folder / "pools.yaml"
        self._pools.write_text(POOLS)
        self._announcers: dict[str, tuple[contextlib.ExitStack, Running]] = {}

    def start(self, node: str) -> None:
        """Start a node's announcer; returns when it knows the cluster."""
        stack = contextlib.ExitStack()
        words = ("arp-announce", f"--node-name={node}", f"--pools={self._pools}", "--listen=off")
        one = stack.enter_context(running(self.lab, node, *words))
        self._announcers[node] = stack, one
        one.waits("synced")

    def end(self) -> None:
        """End all announcers; what they said goes to stderr."""
        with contextlib.redirect_stdout(sys.stderr):
            for stack, _ in self._announcers.values():
                stack.close()

    def signal(self, node: str, number: int) -> None:
        """Send a signal to a node's announcer, and whatever processes it has."""
        for pid in _family(self._announcers[node][1].child.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def again(self, node: str) -> None:
        """Start a node's announcer again after it was ended."""
        stack, one = self._announcers.pop(node)
        one.wait()
        with contextlib.redirect_stdout(sys.stderr):
            stack.close()
        self.start(node)

    def settled(self) -> None:
        """Wait until every announcer has written its Lease anew, and so has found the API server again."""
        since = datetime.now(UTC).isoformat()

        def all_anew() -> bool:
            items = self.lab.hand.admin.get(LEASES)["items"]
            return sum(str(item["spec"].get("renewTime")) > since for item in items) == len(NODES)

        until(all_anew, "all Leases to be renewed", seconds=60)

    def owner(self) -> str:
        """Who answers, alone for two seconds."""

        def alone() -> set[str]:
            return {a.host for a in self.seen.answers(ADDRESS, since=time.monotonic() - 2)}

        until(lambda: len(alone()) == 1, "one node to answer alone", seconds=30)
        return alone().pop()


def _family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


Heal = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """What is done to the node that answers, and for how long the client then watches; `lost`: its network is gone.

    `prepare` happens before the client looks. Both give what undoes them.
    """

    act: Callable[[Scene, str], Heal]
    lost: bool = False
    seconds: float = 6.0
    prepare: Callable[[Scene, str], Heal] = lambda _scene, _owner: lambda: None
    changes: int = 1  # times that another may begin to answer


def _cut_link(scene: Scene, owner: str) -> Heal:
    """Its only link: the API server is behind the same cable, so nobody can be told by way of it."""
    scene.lab.cut_api(owner)
    scene.lab.lan.cut_link(owner)
    return lambda: _mended(scene, owner)


def _cut_in_switch(scene: Scene, owner: str) -> Heal:
    scene.lab.cut_api(owner)
    scene.lab.lan.cut_in_switch(owner)
    return lambda: _mended(scene, owner)


def _mended(scene: Scene, owner: str) -> None:
    scene.lab.lan.restore()
    scene.lab.restore_api(owner)


def _pods_elsewhere(scene: Scene, owner: str) -> Heal:
    """Ready pods on the nodes that stay only, and every kube-proxy knows."""
    scene.lab.ready(owner, False)

    def elsewhere() -> bool:
        said = [scene.lab.fetch(ADDRESS, host=node) for node in NODES for _ in range(12)]
        return owner not in {line.split()[0] for line in said}

    until(elsewhere, f"{owner} to have no pod", seconds=FOUND_AGAIN)
    return lambda: scene.lab.ready(owner)


def _no_api(scene: Scene, owner: str) -> Heal:
    undo = _pods_elsewhere(scene, owner)
    server = scene.lab.hand.apiserver
    server.stop()

    def heal() -> None:
        server.start()
        scene.lab.hand.ready()
        undo()

    return heal


def _lost_already(scene: Scene, owner: str) -> Heal:
    """Its link is cut, and another has the address."""
    undo = _pods_elsewhere(scene, owner)
    _cut_link(scene, owner)
    until(lambda: scene.owner() != owner, "another to answer", seconds=10)
    return undo


def _back(scene: Scene, _: str) -> Heal:
    for node in NODES:
        _mended(scene, node)
    return lambda: None


def _ended(number: int) -> Callable[[Scene, str], Heal]:
    def act(scene: Scene, owner: str) -> Heal:
        scene.signal(owner, number)
        return lambda: scene.again(owner)

    return act


def _stopped(scene: Scene, owner: str) -> Heal:
    scene.signal(owner, signal.SIGSTOP)
    time.sleep(4)  # because the others are to take over meanwhile
    scene.signal(owner, signal.SIGCONT)
    return lambda: None


def _drained(scene: Scene, owner: str) -> Heal:
    scene.lab.label(owner, {EXCLUDE: ""})
    return lambda: scene.lab.label(owner, {EXCLUDE: None})


def _cut_api(scene: Scene, owner: str) -> Heal:
    scene.lab.cut_api(owner)
    return lambda: scene.lab.restore_api(owner)


CASES = {
    "link-cut": Case(_cut_link, lost=True, prepare=_pods_elsewhere),
    "switch-cut": Case(_cut_in_switch, lost=True, prepare=_pods_elsewhere),
    "api-gone-link-cut": Case(_cut_link, lost=True, prepare=_no_api),
    "sigterm": Case(_ended(signal.SIGTERM)),
    "drain": Case(_drained),
    "sigkill": Case(_ended(signal.SIGKILL)),
    "sigstop": Case(_stopped),
    "api-cut": Case(_cut_api, seconds=WITHOUT_API),
    "back": Case(_back, prepare=_lost_already, changes=0),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client and the switch saw of one time."""

    gap: float
    failures: int
    both: float
    changes: int


def run(*, quick: bool, only: Sequence[str] = ()) -> Iterator[Figure]:
    """The cases asked for, else all; each once if `quick`, and then without the one that takes minutes."""
    with tempfile.TemporaryDirectory() as folder, Lab() as lab, contextlib.ExitStack() as stack:
        lab.expose("web", ADDRESS)
        seen = stack.enter_context(lab.capture())
        stack.enter_context(lab.asking(ADDRESS, period=ASKED))
        scene = Scene(lab, seen, Path(folder))
        stack.callback(scene.end)
        for node in NODES:
            scene.start(node)
        scene.owner()
        with Probing(lab, ADDRESS) as still:
            time.sleep(QUIET)  # because so long a quiet LAN is watched
        quiet = still.gap
        yield Figure(f"longest gap in {QUIET:g} quiet seconds", quiet, "s")
        yield Figure("failed connections in them", still.failures, "", limit=0)
        for name in only or CASES:
            if not (quick and not only and CASES[name].seconds > 60):
                yield from _figures(
                    name, CASES[name], [_once(scene, CASES[name]) for _ in range(1 if quick else TIMES)], quiet
                )


def _once(scene: Scene, case: Case) -> Outcome:
    owner = scene.owner()
    undo = case.prepare(scene, owner)
    owner = scene.owner() if case.changes == 0 else owner
    began = time.monotonic()
    with Probing(scene.lab, ADDRESS) as client:
        time.sleep(LEAD)  # because the client is to be under way
        heal = case.act(scene, owner)
        time.sleep(case.seconds)  # because so long the case is watched
    ended = time.monotonic()
    heal()
    undo()
    scene.settled()
    answers = [a for a in scene.seen.answers(ADDRESS, since=began) if a.at < ended]
    changes = sum(earlier.host != later.host for earlier, later in pairwise(answers))
    return Outcome(client.gap, client.failures, overlap(answers, PAUSE), changes)


def _figures(name: str, case: Case, outcomes: Sequence[Outcome], quiet: float) -> Iterator[Figure]:
    gaps = [outcome.gap for outcome in outcomes]
    of = f"of {len(outcomes)}"
    if case.lost:
        yield Figure(f"{name}: outage, median {of}", median(gaps), "s", limit=LIMIT, aim=AIM)
        yield Figure(f"{name}: outage, worst {of}", max(gaps), "s", limit=LIMIT, aim=AIM)
    else:
        yield Figure(f"{name}: failed connections, worst {of}", max(o.failures for o in outcomes), "", limit=0)
        yield Figure(f"{name}: longest gap, worst {of}", max(gaps), "s", limit=quiet + LATER)
    yield Figure(f"{name}: two answer at once, worst {of}", max(o.both for o in outcomes), "s", limit=BOTH)
    yield Figure(
        f"{name}: changes of who answers, worst {of}", max(o.changes for o in outcomes), "", limit=case.changes
    )
