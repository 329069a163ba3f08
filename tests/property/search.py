"""Every interleaving of two lbctl processes, two Services and a world that moves, up to bounds it states.

States are visited breadth first, so the first violation found is a shortest one. Two processes are the same whichever
is called first, and two states that differ in names alone are one. What may happen next depends on a process, the
Services and the ledger, not on the other process: it is worked out once for each three that meet (see names.py).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.property import world
from tests.property.names import NUMBERS, Outcome, Part, Remembered, bears, in_order, part, renumbered
from tests.property.process import Setting, answered, begin, foresee, next_request, service_number
from tests.property.world import CUT, START, dump, load

IDLE = part("")
UNDECIDED = "?"  # what a process does matters only once it has read the ledger: all of them do that first


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the search goes: how often the world moves in all, how many PATCHes may be `late` at once, whether claim
    writes, too, may be late or their answers lost (`shaky`; any PATCH's answer may be), what processes do, and the
    Services at the start. `repeats`: a Service may be created again at the resourceVersion of the one before it.

    There is no bound on the processes' own steps: names are forgotten with what bore them, so the space is finite.
    """

    moves: int
    late: int = 0
    shaky: bool = False
    operations: tuple[str, ...] = ("assign 0", "assign 1", "release 0", "release 1")
    start: str = START
    repeats: bool = False

    def __str__(self) -> str:
        what = "writes of any kind" if self.shaky else "PATCHes"
        world = f"{self.moves} moves of the world, {self.late} {what} late at once"
        kinds = ", resourceVersions that come back" if self.repeats else ""
        return f"2 processes ({', '.join(self.operations)}), 2 Services, {world}{kinds}"


class State(NamedTuple):
    """One state; `flying` are writes sent whose sender has given up on them."""

    services: Part
    ledger: Part
    moves: int
    flying: tuple[Part, ...]
    processes: tuple[Part, Part]


def twice(services: str, ledger: str) -> str:
    """Promise 1 itself, where no key is changed under those who share by it."""
    del ledger
    shown = world.shown(services)
    if len({address for address, _, _ in shown}) == len(shown):
        return ""
    keys = {world.key_of(services, name) for _, name, _ in shown}  # of both: there are but two Services
    return "" if len(keys) == 1 and "" not in keys else "two Services show one address"


def unclaimed(services: str, ledger: str) -> str:
    """What promise 1 rests on: every address shown is held by the Service that shows it. Breaks some steps earlier."""
    covered = world.holders(ledger).issuperset(world.shown(services))
    return "" if covered else "an address is shown that its Service does not hold"


@dataclass(frozen=True, slots=True)
class Found:
    """How a search ended: the violation and the steps to it, or nothing in so many states; `cut` by its cap."""

    states: int
    cut: bool
    violation: str = ""
    path: tuple[str, ...] = ()


class Search:
    """One search. `foresight` is for a protocol that keeps rule 2: a PATCH that lands finds the Service as it was read,
    so that a process which has read all it reads is no more than what it will do."""

    def __init__(self, setting: Setting, bounds: Bounds, *, foresight: bool = True) -> None:
        self._bounds = bounds
        self._steps = Remembered(_Steps(setting, bounds, foresight=foresight).of)
        self._moves = Remembered(
            lambda s: ((what, (after,)) for what, after in world.moves(s, setting.asks, bounds.repeats, setting.born))
        )
        self._landings = Remembered(lambda write, s, ledger: [(f"late {brief(write)}", written(s, ledger, write)[:2])])
        self._deaths = Remembered(lambda write, s, ledger: [("dead", ())] if dead(write, s, ledger) else [])
        self.came: dict[bytes, bytes] = {}

    def run(self, cap: int, *wrong: Callable[[str, str], str]) -> Found:
        """Visit every state within the bounds, at most `cap` of them, until one is `wrong`."""
        judged = Remembered(lambda s, ledger: [(bad, ()) for judge in wrong if (bad := judge(s, ledger))])
        came = self.came
        start = self.key(State(part(self._bounds.start), part("[]"), self._bounds.moves, (), (IDLE, IDLE)))
        came[start] = b""
        queue = deque([start])
        while queue:
            key = queue.popleft()
            for _, after in self.successors(state_of(key)):
                new = self.key(after)
                if new in came:
                    continue
                came[new] = key
                if broken := "; ".join(words for words, _ in judged(after.services, after.ledger)):
                    return Found(len(came), cut=False, violation=broken, path=self.path(new))
                if len(came) >= cap:
                    return Found(len(came), cut=True)
                queue.append(new)
        return Found(len(came), cut=False)

    def successors(self, s: State) -> Iterator[tuple[str, State]]:
        """Everything that may happen next: (what, the state afterwards)."""
        if s.moves:
            for what, (services,) in self._moves(s.services):
                yield what, s._replace(services=services or s.services, moves=s.moves - 1)
        for n, write in enumerate(s.flying):
            rest = s.flying[:n] + s.flying[n + 1 :]
            for what, (services, ledger) in self._landings(write, s.services, s.ledger):
                yield what, State(services or s.services, ledger or s.ledger, s.moves, rest, s.processes)
        first, second = s.processes
        yield from self._process_steps(s, first, second)
        if first != second:
            yield from self._process_steps(s, second, first)

    def _process_steps(self, s: State, process: Part, other: Part) -> Iterator[tuple[str, State]]:
        room = len(s.flying) < self._bounds.late
        for what, (after, services, ledger, flown) in self._steps(process, s.services, s.ledger):
            if flown and not room:
                continue
            flying = (*s.flying, flown) if flown else s.flying
            yield what, State(services or s.services, ledger or s.ledger, s.moves, flying, (after or IDLE, other))

    def key(self, s: State) -> bytes:
        """The state packed, its names renumbered: the Services' and the ledger's first, then, with what is in flight
        and the processes put in order by these, all others."""
        base = in_order(s.services[1] + s.ledger[1])
        table = bytes.maketrans(base, NUMBERS[: len(base)])

        def known(of: Part) -> tuple[int, bytes]:
            return of[0], of[1].translate(table)

        first, second = s.processes
        if second[0] < first[0] or (second[0] == first[0] and known(second) < known(first)):
            first, second = second, first
        flying = s.flying
        if flying:
            alive = (write for write in flying if not self._deaths(write, s.services, s.ledger))
            flying = tuple(sorted(alive, key=known))
        parts = (s.services, s.ledger, first, second, *flying)
        names = renumbered(b"".join([p[1] for p in parts]))
        return struct.pack(f"<BB{len(parts)}I", s.moves, len(flying), *[p[0] for p in parts]) + names

    def path(self, key: bytes) -> tuple[str, ...]:
        """The steps that led to a state."""
        steps: list[str] = []
        while before := self.came[key]:
            steps.append(next(what for what, after in self.successors(state_of(before)) if self.key(after) == key))
            key = before
        return tuple(reversed(steps))


def state_of(key: bytes) -> State:
    """The state that was packed."""
    moves, flying = key[0], key[1]
    shapes = struct.unpack_from(f"<{4 + flying}I", key, 2)
    at, parts = 2 + 4 * len(shapes), []
    for shape in shapes:
        parts.append((shape, key[at : at + bears(shape)]))
        at += bears(shape)
    services, ledger, first, second, *rest = parts
    return State(services, ledger, moves, tuple(rest), (first, second))


class _Steps:
    """What a process may do next."""

    def __init__(self, setting: Setting, bounds: Bounds, *, foresight: bool) -> None:
        self._setting = setting
        self._bounds = bounds
        self._foresight = foresight and not bounds.shaky

    def of(self, process: str, services: str, ledger: str) -> Iterator[Outcome]:
        """Every step of a process in the state that it, the Services and the ledger make: (what happens, (the process,
        the Services, the ledger, the write in flight))."""
        if not process:
            # With its first read, for nothing that happens between the two can matter.
            yield from self._reads("", begin(UNDECIDED), services, ledger)
            return
        if process.startswith(UNDECIDED):
            for operation in self._bounds.operations:
                chosen = process.replace(UNDECIDED, operation, 1)
                yield from self._reads(f"{operation}: ", chosen, services, ledger)
            return
        request = next_request(process, self._setting)
        if process.startswith("[") or process.count(CUT) > 2:  # before, it dies like one that never came
            yield "a process dies", ("", None, None, None)
        if request.startswith("GET"):
            yield from self._reads("", process, services, ledger)
        else:
            yield from self._writes(process, request, services, ledger)

    def _reads(self, doing: str, process: str, services: str, ledger: str) -> Iterator[Outcome]:
        path = self._next_read(process)
        process = f"{process}{CUT}{read(services, ledger, path)}"
        if self._foresight and path == "/api/v1/services":
            process = foresee(process, self._setting)
        yield f"{doing}reads {path}", (self._on(process), None, None, None)

    def _next_read(self, process: str) -> str:
        choices = [process]
        if process.startswith(UNDECIDED):
            choices = [process.replace(UNDECIDED, operation, 1) for operation in self._bounds.operations]
        paths = {next_request(choice, self._setting).split(CUT)[1] for choice in choices}
        if len(paths) > 1:
            raise ValueError(f"what a process reads first depends on what it will do: {paths}")
        return paths.pop()

    def _writes(self, process: str, request: str, services: str, ledger: str) -> Iterator[Outcome]:
        after, blocks, answer = written(services, ledger, request)
        changed = (after if after != services else None, blocks if blocks != ledger else None)
        yield brief(request), (self._on(answered(process, answer)), *changed, None)
        if not request.startswith("PATCH") and not self._bounds.shaky:
            return
        lost = self._on(answered(process, "lost"))
        yield f"{brief(request)}, answer lost", (lost, *changed, None)
        if self._bounds.late:
            yield f"{brief(request)}, delayed", (lost, None, None, request)

    def _on(self, process: str) -> str:
        """The process; nothing once its round is over, for what it does next starts with a fresh look."""
        return process if process.startswith(UNDECIDED) or (process and next_request(process, self._setting)) else ""


def brief(request: str) -> str:
    """A write in words."""
    method, path, body = request.split(CUT)
    what = load(body)
    if method == "PATCH":
        status = what["status"]
        if "loadBalancer" not in status:
            return f"{method} {path[-9:-7]} {status['conditions'][0]['reason']}"
        return f"{method} {path[-9:-7]} {[e['ip'] for e in status['loadBalancer']['ingress'] or ()]}"
    return f"{method} {what['data']['claims']}"


def read(services: str, ledger: str, path: str) -> str:
    """The answer to a GET."""
    if path == "/api/v1/services":
        return f"200 {services}"
    if path.endswith("/configmaps"):
        return f"200 {ledger}"
    if "/services/" in path:
        service = load(services)[service_number(path)]
        return "404" if service is None else f"200 {dump(service)}"
    found = [dump(entry) for entry in load(ledger) if path.endswith(f"/configmaps/{entry[0]}")]
    return f"200 {found[0]}" if found else "404"


def written(services: str, ledger: str, request: str) -> tuple[str, str, str]:
    """A write takes effect: (the Services, the ledger, the answer)."""
    method, path, body_text = request.split(CUT)
    body = load(body_text)
    if method == "PATCH":
        number = service_number(path)
        services, code = world.patch_status(services, number, body)
        return services, ledger, f"200 {dump(load(services)[number])}" if code == 200 else str(code)
    ledger, code = world.write_block(ledger, method, body)
    name = body["metadata"]["name"]
    answer = next((dump(entry) for entry in load(ledger) if entry[0] == name), "")
    return services, ledger, f"200 {answer}" if code == 200 else str(code)


def dead(write: str, services: str, ledger: str) -> bool:
    """Whether a write in flight can never take effect: its resourceVersion is past, and none ever comes back."""
    conditional = write.startswith("POST") or "resourceVersion" in write
    return conditional and written(services, ledger, write)[2] in ("404", "409")
