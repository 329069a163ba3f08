"""Operations of lbctl that are killed at every request, each crash on a Service and a pool of its own.

So that they run side by side on one control plane, and one next run finishes them all: each Service names its pool, and
no two pools touch one block. How many requests an operation makes is seen from a run that nobody disturbs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.testbed.client import Request, Watch
from tests.testbed.driver import SERVICES, Bed, addresses, service
from tests.testbed.proxy import Kill, Proxy, Rule, When

SIDE_BY_SIDE = 3  # more gains nothing on two cores
MOST = 8  # requests of one operation: so many pools are laid out for it


@dataclass(frozen=True, slots=True)
class Lot:
    """A Service's name and the addresses laid out for it: two in one block, one in another, one of IPv6."""

    name: str
    number: int

    @property
    def near(self) -> str:
        """The first address."""
        return self._four(18, 0)

    @property
    def next(self) -> str:
        """Its neighbour in the block."""
        return self._four(18, 1)

    @property
    def far(self) -> str:
        """An address in another block."""
        return self._four(19, 0)

    @property
    def six(self) -> str:
        """The IPv6 address."""
        return f"2001:db8::{self.number * 64:x}"

    def _four(self, second: int, offset: int) -> str:
        third, fourth = divmod(self.number * 64 + offset, 256)
        return f"198.{second}.{third}.{fourth}"

    def wants(self, ask: str = "", families: tuple[str, ...] = (), *, role: str = "") -> Request:
        """To create a Service that names the lot's pool, and perhaps an address of it."""
        item = service(self.name + role, ask=ask, families=families)
        item["metadata"]["annotations"]["lbctl/pool"] = self.name
        return "POST", SERVICES, json.dumps(item).encode()

    def asks(self, address: str) -> Request:
        """To have the Service ask for another address."""
        body = {"metadata": {"annotations": {"lbctl/addresses": address}}}
        return "PATCH", f"{SERVICES}/{self.name}", json.dumps(body).encode()

    def deletes(self, role: str) -> Request:
        """To delete a Service of the lot."""
        return "DELETE", f"{SERVICES}/{self.name}{role}", None


@dataclass(frozen=True, slots=True)
class Operation:
    """What is killed: `words` for lbctl, the addresses of its pool, the Services that `before` makes and that get their
    addresses undisturbed, what happens `then`, and what the Service shows when all is over."""

    name: str
    words: tuple[str, ...]
    given: Callable[[Lot], tuple[str, ...]]
    before: Callable[[Lot], list[Request]]
    then: Callable[[Lot], list[Request]]
    shows: Callable[[Lot], list[str]]


@dataclass(frozen=True, slots=True)
class Crash:
    """One crash: before or after which request, and lbctl's exit status."""

    operation: Operation
    lot: Lot
    number: int
    when: When
    call: str
    code: int = 0

    def __str__(self) -> str:
        return f"{self.operation.name}, killed {self.when} request {self.number} ({self.call})"


@dataclass(slots=True)
class Field:
    """A control plane with a pool for each crash that there may be."""

    bed: Bed
    folder: Path
    operations: Sequence[Operation]
    lots: dict[str, Lot] = field(init=False)

    def __post_init__(self) -> None:
        names = [name for operation in self.operations for name in _names(operation)]
        self.lots = {name: Lot(name, number) for number, name in enumerate(names)}
        entries = (self._entry(o, self.lots[name]) for o in self.operations for name in _names(o))
        Path(self.pools).write_text("pools:\n" + "".join(entries))

    @property
    def pools(self) -> str:
        """The pool file."""
        return str(self.folder / "pools.yaml")

    def _entry(self, operation: Operation, lot: Lot) -> str:
        given = ", ".join(f"'{address}'" for address in operation.given(lot))
        return f"- {{name: {lot.name}, addresses: [{given}]}}\n"

    def calm(self) -> dict[str, list[str]]:
        """Run each operation undisturbed; the requests that it makes."""
        crashes = [Crash(o, self.lots[f"{o.name}-calm"], 0, When.AFTER, "") for o in self.operations]
        self._lay_out(crashes)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            runs = list(pool.map(self._through, crashes))
        return {crash.operation.name: run.calls for crash, run in zip(crashes, runs, strict=True)}

    def crash(self, calls: dict[str, list[str]]) -> list[Crash]:
        """Run each operation once for each of its crash points, up to there."""
        crashes = [
            Crash(o, self.lots[f"{o.name}-{n}-{when}"], n, when, call)
            for o in self.operations
            for n, call in enumerate(calls[o.name], 1)
            for when in When
        ]
        self._lay_out(crashes)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            runs = list(pool.map(self._through, crashes))
        return [replace(crash, code=run.code) for crash, run in zip(crashes, runs, strict=True)]

    def _lay_out(self, crashes: Iterable[Crash]) -> None:
        """Bring the Services to where the operation begins."""
        crashes = list(crashes)
        self.bed.admin.send([request for crash in crashes for request in crash.operation.before(crash.lot)])
        self.bed.run("assign", "--all", f"--pools={self.pools}")
        for crash in crashes:  # one by one, because of two requests about one Service the first comes first
            self.bed.admin.send(crash.operation.then(crash.lot), workers=1)

    def _through(self, crash: Crash) -> Run:
        words = [word.format(name=crash.lot.name, pools=self.pools) for word in crash.operation.words]
        folder = self.folder / crash.lot.name
        folder.mkdir()
        return run_through(self.bed, folder, words, [Rule(Kill(crash.when), number=crash.number)])


@dataclass(frozen=True, slots=True)
class Run:
    """What a run through a proxy came to: stdout, stderr, exit status, and the requests that went by."""

    out: str
    err: str
    code: int
    calls: list[str]


def run_through(bed: Bed, folder: Path, words: Sequence[str], rules: Sequence[Rule], *, one_by_one: bool = True) -> Run:
    """Run lbctl through a proxy of its own, one request after the other."""
    with Proxy(bed.url, bed.certificate, rules, one_by_one=one_by_one) as proxy:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(bed.kubeconfig_for(proxy.url))
        child = bed.lbctl(*words, kubeconfig=kubeconfig)
        proxy.client(child)
        out, err = child.communicate(timeout=60)
    # A proxy's port is another each time.
    return Run(
        out,
        err.replace(proxy.url, "http://proxy").replace(str(kubeconfig), "kubeconfig"),
        child.returncode,
        proxy.calls,
    )


def _names(operation: Operation) -> Iterator[str]:
    yield f"{operation.name}-calm"
    yield from (f"{operation.name}-{n}-{when}" for n in range(1, MOST + 1) for when in When)


def shown_twice(bed: Bed, watch: Watch) -> list[str]:
    """Every moment of a watch of all Services, begun without any, at which two of them showed one address; ends it."""
    marker = service("the-end", kind="ClusterIP")
    _, made = bed.admin.request("POST", SERVICES, marker)  # because only an event ends a watch
    now: dict[str, list[str]] = {}
    found: list[str] = []
    for event in watch.until(made["metadata"]["resourceVersion"]):
        item = event["object"]
        now[item["metadata"]["name"]] = [] if event["type"] == "DELETED" else addresses(item)
        every = [address for shown in now.values() for address in shown]
        found += [f"{a} at {item['metadata']['resourceVersion']}" for a in set(every) if every.count(a) > 1]
    return found
