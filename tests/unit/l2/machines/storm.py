"""Everything that breaks, at random, in a LAN of announcers; and what must hold all the while.

A storm is a row of spells: one to three mishaps close together, then quiet. What it does is a function of its seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from lbctl.addresses import Address
from tests.unit.l2.machines.segment import Node, Segment

ADDRESSES = ("192.0.2.200", "192.0.2.201", "2001:db8::1")
TOGETHER = 1.0 + 0.01  # seconds that two may answer while they hear each other, and what a timer may be late
OUTAGE = 1.8  # seconds until another answers after one mishap (DESIGN 7)
SETTLED = 3.5  # seconds until all is in order after several: each place in the order adds 0.3 s
BRIEF = 0.6  # seconds of standing still that move nothing: the others wait for longer than that
# A mend or a return moves nothing; a split or a join of the LAN with nodes on both sides may move it twice.
GENTLE = ("mend", "start", "undrain", "find api", "stop api", "start api", "lose api")
HARSH = ("cut", "switch", "kill", "stop", "stall", "drain")
WIDE = ("split", "join")


@dataclass
class Storm:
    """One LAN, its mishaps and what went wrong."""

    seed: int
    nodes: int = 3
    wide: bool = True  # whether the LAN itself may break in two
    wrong: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lan = Segment(self.nodes, ADDRESSES, self.seed)
        self.random = self.lan.random
        self.lan.watch = self._watch
        self._together: dict[tuple[str, str, Address], float] = {}
        self._vacant: dict[tuple[int, Address], float] = {}
        self._mishap = 0.0  # when the last one was, or ended
        self._bound = SETTLED

    def run(self, spells: int = 12) -> list[str]:
        """Let it rage; what went wrong, in words."""
        self.lan.start_all(self.random.choice((0.0, 0.05, 1.0)))
        self._quiet(SETTLED + 3)
        for _ in range(spells):
            if self.wrong:
                break
            if self.random.random() < 0.6:
                self._one()
            else:
                self._bound = SETTLED
                for _ in range(self.random.randint(2, 3)):
                    self._do(self.random.choice(GENTLE + HARSH + WIDE * self.wide))
                    self.lan.run(self.random.uniform(0.0, 1.5))
                self._quiet(self.random.uniform(4.0, 8.0))
            if self.random.random() < 0.3:  # else all is hardly ever well before a mishap
                self._heal()
        return self.wrong

    def _heal(self) -> None:
        """All is well again."""
        self._bound = SETTLED
        for kind in ("start api", "find api", "start", "undrain", "mend", "join"):
            self._do(kind)
        self._quiet(SETTLED + 3)

    def _one(self) -> None:
        """One mishap when all is well, and what one mishap may cost."""
        kind = self.random.choice(GENTLE + HARSH + WIDE * self.wide)
        whole = self._whole()
        # Who asks is heard; where nobody else does, an owner cannot tell whether it was cut off or the other.
        company = sum(any(_able(n, a) for a in self.lan.addresses) for n in self.lan.nodes if n.side == 0) > 1
        before = {address: self.lan.owners(address) for address in self.lan.addresses}
        moves = {address: self.lan.moves(address) for address in self.lan.addresses}
        self._bound = OUTAGE if whole and kind not in WIDE else SETTLED
        self._do(kind)
        self._quiet(self.random.uniform(4.0, 8.0))
        for address in self.lan.addresses:
            moved = self.lan.moves(address) - moves[address]
            if whole and kind not in WIDE and moved > (kind in HARSH and not self._brief):
                self._blame(f"{kind}: {address} moved {moved} times")
            here = [n for n in before[address] if n not in self._mended and self.lan.node(n).eligible]
            if kind == "mend" and company and not set(here) <= set(self.lan.owners(address)):
                self._blame(f"who came back took {address}: {here} before, now {self.lan.owners(address)}")

    def _whole(self) -> bool:
        """Whether nothing is broken now: one LAN, each node on it, running, with the API; and the client knows who
        answers, which an owner that was cut off when it was the only one cannot see to."""
        nodes = self.lan.nodes
        known = (node.mac for a in self.lan.addresses for node in nodes if self.lan.owners(a) == [node.name])
        return (
            self.lan.api_up
            and [macs[-1] for macs in self.lan.client.values() if macs] == list(known)
            and all(n.running and n.carrier and n.side == 0 and n.api and n.eligible and not n.stopping for n in nodes)
        )

    def _do(self, kind: str) -> None:
        lan, node = self.lan, self.random.choice(self.lan.nodes)
        if self.random.random() < 0.6:  # those who own something are of more interest
            node = self.random.choice([n for n in lan.nodes if n.answers] or lan.nodes)
        self.log.append(f"{lan.now:.3f} {kind} {node.name}")
        self._mishap = lan.now
        self._mended: list[str] = []
        self._brief = False
        acts: dict[str, Callable[[], None]] = {
            "cut": partial(lan.cut, node),
            "switch": partial(lan.cut, node, carrier=False),
            "kill": partial(lan.kill, node),
            "stop": partial(lan.stop, node),
            "stall": partial(self._stall, node),
            "drain": partial(self._eligible, node, False),
            "mend": self._mend,
            "start": self._start,
            "undrain": self._undrain,
            "lose api": partial(lan.lose_api, node),
            "find api": self._find_api,
            "stop api": lan.stop_api,
            "start api": lan.start_api,
            "split": self._split,
            "join": self._join,
        }
        acts[kind]()

    def _stall(self, node: Node) -> None:
        seconds = self.random.choice((0.3, 0.55, 0.65, 0.9, 1.0, 1.2, 2.0, 4.0))
        self._brief = seconds < BRIEF
        self.lan.stall(node, seconds)
        self._mishap = max(self._mishap, self.lan.now + seconds)

    def _mend(self) -> None:
        for node in self.lan.nodes:
            if not node.carrier or node.side >= 100:
                self._mended.append(node.name)
                self.lan.mend(node)

    def _start(self) -> None:
        for node in self.lan.nodes:
            if node.announcer is None:
                self.lan.start(node)

    def _eligible(self, node: Node, eligible: bool) -> None:
        node.eligible = eligible
        self.lan.tell()

    def _undrain(self) -> None:
        for node in self.lan.nodes:
            self._eligible(node, True)

    def _find_api(self) -> None:
        for node in self.lan.nodes:
            self.lan.find_api(node)

    def _split(self) -> None:
        for node in self.lan.nodes:
            if node.side < 100:
                node.side = self.random.randrange(2)

    def _join(self) -> None:
        for node in self.lan.nodes:
            node.side = 0

    def _quiet(self, seconds: float) -> None:
        self.lan.run(max(self._mishap - self.lan.now, 0.0) + seconds)

    def _blame(self, words: str) -> None:
        self.wrong.append(f"seed {self.seed}, {self.nodes} nodes: {self.lan.now:.3f} {words}; " + ", ".join(self.log))

    def _watch(self) -> None:
        """After each thing that happens."""
        lan = self.lan
        for address in lan.addresses:
            owners = [node for node in lan.nodes if address in node.answers and node.running and node.carrier]
            seen = {
                (one.name, other.name, address)
                for one in owners
                for other in owners
                if one.name < other.name and lan.hear_each_other(one, other)
            }
            for pair in [pair for pair in self._together if pair[2] == address and pair not in seen]:
                del self._together[pair]
            for pair in seen:
                if lan.now - self._together.setdefault(pair, lan.now) > TOGETHER and not self.wrong:
                    self._blame(f"{pair[0]} and {pair[1]} both answer for {address}")
            self._vacancies(address, owners)

    def _vacancies(self, address: Address, owners: list[Node]) -> None:
        lan = self.lan
        able = {node.side for node in lan.nodes if _able(node, address)}
        for side in {node.side for node in lan.nodes}:
            key = side, address
            if side not in able or any(node.side == side for node in owners):
                self._vacant.pop(key, None)
                continue
            since = max(self._vacant.setdefault(key, lan.now), self._mishap)
            bound = self._bound if side == 0 else SETTLED  # who was cut off has all its places to wait for
            if lan.now - since > bound and not self.wrong:
                self._blame(f"nobody answers for {address} for {lan.now - since:.2f} s")


def _able(node: Node, address: Address) -> bool:
    """Whether it knows that it may announce it, and can."""
    duty = node.told.get(address)
    may = duty is not None and node.name in duty.order
    return may and node.running and node.carrier and not node.stopping
