"""Every interleaving of two lbctl processes, two Services and a world that moves, up to bounds it states.

States are texts (see world.py), visited breadth first, so the first violation found is a shortest one. Two processes
are the same whichever is called first; a state is kept as 16 bytes of its hash, so that millions fit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from tests.property import world
from tests.property.process import Setting, answered, begin, foresee, next_request, service_number
from tests.property.world import CUT, dump, load, renamed

START = dump([["~0", "~1", True, "", [], None], ["~2", "~3", True, "", [], None]])


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the search goes: how often the world moves in all, how many PATCHes may be `late` at once, whether claim
    writes, too, may be late or their answers lost (`shaky`; any PATCH's answer may be), what processes do.

    There is no bound on the processes' own steps: names are forgotten with what bore them, so the space is finite.
    """

    moves: int
    late: int = 0
    shaky: bool = False
    operations: tuple[str, ...] = ("assign 0", "assign 1", "release 0", "release 1")

    def __str__(self) -> str:
        what = "writes of any kind" if self.shaky else "PATCHes"
        world = f"{self.moves} moves of the world, {self.late} {what} late at once"
        return f"2 processes ({', '.join(self.operations)}), 2 Services, {world}"


@dataclass(frozen=True, slots=True)
class State:
    """One state, its parts as text; `flying` are writes sent whose sender has given up on them."""

    services: str
    ledger: str
    moves: int
    flying: tuple[str, ...]
    processes: tuple[str, str]

    def text(self) -> str:
        """The state in one text, its names renumbered."""
        # By what they are under names of their own, for who is first must not matter.
        first, second = sorted(self.processes, key=renamed)
        flying = "\t".join(write for write in self.flying if not self._dead(write))
        return renamed("\n".join((self.services, self.ledger, str(self.moves), flying, first, second)))

    def _dead(self, write: str) -> bool:
        """Whether a write in flight can never take effect: its resourceVersion is past, and none ever comes back."""
        conditional = write.startswith("POST") or "resourceVersion" in write
        return conditional and _written(self, write)[2] in ("404", "409")

    @classmethod
    def read(cls, text: str) -> State:
        """The state of a text."""
        services, ledger, moves, flying, first, second = text.split("\n")
        return cls(services, ledger, int(moves), tuple(flying.split("\t")) if flying else (), (first, second))


def twice(state: State) -> str:
    """Promise 1 itself."""
    shown = world.shown(state.services)
    return "two Services show one address" if len({address for address, _, _ in shown}) < len(shown) else ""


def unclaimed(state: State) -> str:
    """What promise 1 rests on: every address shown is held by the Service that shows it. Breaks some steps earlier."""
    covered = world.holders(state.ledger).issuperset(world.shown(state.services))
    return "" if covered else "an address is shown that its Service does not hold"


def successors(state: State, setting: Setting, bounds: Bounds) -> Iterator[tuple[str, State]]:
    """Everything that may happen next: (what, the state afterwards)."""
    s = state
    if s.moves:
        for what, services in world.moves(s.services, setting.asks):
            yield what, State(services, s.ledger, s.moves - 1, s.flying, s.processes)
    for n, write in enumerate(s.flying):
        services, ledger, _ = _written(s, write)
        rest = s.flying[:n] + s.flying[n + 1 :]
        yield f"late {_brief(write)}", State(services, ledger, s.moves, rest, s.processes)
    for n in (0, 1):
        yield from _process_steps(s, n, setting, bounds)


def _process_steps(s: State, n: int, setting: Setting, bounds: Bounds) -> Iterator[tuple[str, State]]:
    def to(
        process: str, services: str = s.services, ledger: str = s.ledger, flying: tuple[str, ...] = s.flying
    ) -> State:
        if process and not next_request(process, setting):
            process = ""  # its round is over; what it does next starts with a fresh look
        both = (process, s.processes[1]) if n == 0 else (s.processes[0], process)
        return State(services, ledger, s.moves, flying, both)

    process = s.processes[n]
    if not process:
        for operation in bounds.operations:
            new = begin(operation)  # with its first read, for nothing that happens between the two can matter
            _, path, _ = next_request(new, setting).split(CUT)
            yield f"{operation}: reads {path}", to(f"{new}{CUT}{_read(s, path)}")
        return
    request = next_request(process, setting)
    method, path, _ = request.split(CUT)
    if process.startswith("[") or process.count(CUT) > 2:  # before, it dies like one that never came
        yield "a process dies", to("")
    if method == "GET":
        process = f"{process}{CUT}{_read(s, path)}"
        foreseen = not bounds.shaky and path == "/api/v1/services"
        yield f"reads {path}", to(foresee(process, setting) if foreseen else process)
        return
    services, ledger, answer = _written(s, request)
    yield _brief(request), to(answered(process, answer), services, ledger)
    if method != "PATCH" and not bounds.shaky:
        return
    yield f"{_brief(request)}, answer lost", to(answered(process, "lost"), services, ledger)
    if len(s.flying) < bounds.late:
        yield f"{_brief(request)}, delayed", to(answered(process, "lost"), flying=tuple(sorted((*s.flying, request))))


def _brief(request: str) -> str:
    method, path, body = request.split(CUT)
    what = load(body)
    if method == "PATCH":
        return f"{method} {path[-9:-7]} {[e['ip'] for e in what['status']['loadBalancer']['ingress'] or ()]}"
    return f"{method} {what['data']['claims']}"


def _read(s: State, path: str) -> str:
    if path == "/api/v1/services":
        return f"200 {s.services}"
    if path.endswith("/configmaps"):
        return f"200 {s.ledger}"
    if "/services/" in path:
        service = load(s.services)[service_number(path)]
        return "404" if service is None else f"200 {dump(service)}"
    found = [dump(entry) for entry in load(s.ledger) if path.endswith(f"/configmaps/{entry[0]}")]
    return f"200 {found[0]}" if found else "404"


def _written(s: State, request: str) -> tuple[str, str, str]:
    """A write takes effect: (the Services, the ledger, the answer)."""
    method, path, text = request.split(CUT)
    body = load(text)
    if method == "PATCH":
        number = service_number(path)
        services, code = world.patch_status(s.services, number, body)
        return services, s.ledger, f"200 {dump(load(services)[number])}" if code == 200 else str(code)
    ledger, code = world.write_block(s.ledger, method, body)
    name = body["metadata"]["name"]
    answer = next((dump(entry) for entry in load(ledger) if entry[0] == name), "")
    return s.services, ledger, f"200 {answer}" if code == 200 else str(code)


@dataclass(frozen=True, slots=True)
class Found:
    """How a search ended: the violation and the steps to it, or nothing in so many states; `cut` by its cap."""

    states: int
    cut: bool
    violation: str = ""
    path: tuple[str, ...] = ()


def search(setting: Setting, bounds: Bounds, cap: int, *wrong: Callable[[State], str]) -> Found:
    """Visit every state within the bounds, at most `cap` of them, until one is `wrong`."""
    start = State(START, "[]", bounds.moves, (), ("", "")).text()
    came: dict[bytes, tuple[bytes, str]] = {_mark(start): (b"", "")}
    queue = deque([start])
    while queue:
        text = queue.popleft()
        mark = _mark(text)
        for what, after in successors(State.read(text), setting, bounds):
            new = after.text()
            new_mark = _mark(new)
            if new_mark in came:
                continue
            came[new_mark] = (mark, what)
            if broken := "; ".join(filter(None, (judge(after) for judge in wrong))):
                return Found(len(came), cut=False, violation=broken, path=_path(came, new_mark))
            if len(came) >= cap:
                return Found(len(came), cut=True)
            queue.append(new)
    return Found(len(came), cut=False)


def _mark(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _path(came: dict[bytes, tuple[bytes, str]], mark: bytes) -> tuple[str, ...]:
    steps: list[str] = []
    while mark:
        mark, what = came[mark]
        steps.append(what)
    return tuple(reversed(steps[:-1]))
