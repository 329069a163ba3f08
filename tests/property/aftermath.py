"""What one `lbctl assign --all` makes of a state once both processes have died (promise 4: nothing lost).

Unlike in the search, time passes here: the run sleeps, and leaves young claims to their writers for 5 s, as it does in
life. It runs alone and to its end, on the world that the search left behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, cast

from lbctl import apply
from lbctl.decisions import Decision
from lbctl.kube.api import Kube
from lbctl.kube.transport import Answer, KubeTransport
from lbctl.reasons import Reason
from lbctl.rounds import Cluster
from lbctl.services import Key
from tests.property import world
from tests.property.names import FRESH, NAME, text
from tests.property.process import NOW, Setting, body_of, listed
from tests.property.search import Search, read, state_of, twice, written
from tests.property.world import CUT, dump, load

SEED = b"lbctl"


def left_behind(search: Search, every: int) -> Iterator[tuple[str, str]]:
    """The Services and the ledger wherever both processes may have died, once what was in flight is lost or has landed:
    one in `every`, by a hash of their texts."""
    worlds = {(s.services, s.ledger, s.flying) for s in map(state_of, search.came)}
    for services, ledger, flying in worlds:
        lost = text(services), text(ledger)
        if int.from_bytes(blake2b("\n".join(lost).encode(), digest_size=4, key=SEED).digest(), "big") % every:
            continue
        landed = lost
        for number, write in enumerate(flying, 200):  # names that nothing bears
            services_then, ledger_then, _ = written(*landed, text(write))
            landed = services_then.replace(FRESH, f"~{number}"), ledger_then.replace(FRESH, f"~{number}")
        yield from {lost, landed}


class Alone:
    """The API server with one client: a transport that answers at once, and a clock that its sleeps move."""

    def __init__(self, services: str, ledger: str, setting: Setting) -> None:
        self.services, self.ledger = services, ledger
        self.now = float(NOW)
        self.setting = setting
        self._names = 0

    def name(self) -> str:
        """A name that nothing bears."""
        used = {int(n) for n in NAME.findall(self.services + self.ledger)}
        self._names = max({self._names, *used}) + 1
        return f"~{self._names}"

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "",
    ) -> Answer:
        """Answer as the API server would."""
        del params, content_type
        if path == "/api/v1/nodes":
            return Answer(listed([]), self.now)
        if method == "GET":
            answer = read(self.services, self.ledger, path)
        else:
            new = self.name()
            done = written(self.services, self.ledger, f"{method}{CUT}{path}{CUT}{dump(body)}")
            self.services, self.ledger, answer = (part.replace(FRESH, new) for part in done)
        return Answer(body_of(method, path, answer, self.setting), self.now)

    def assign_all(self) -> dict[Key, Decision]:
        """`lbctl assign --all`, with all the time it takes."""
        cluster = Cluster(Kube(cast("KubeTransport", self)), "x", workers=1, name_attempt=self.name)
        return apply.assign(cluster, self.setting.pools, None, wait=600, sleep=self.sleep)


def wrong_after(services: str, ledger: str, setting: Setting) -> str:
    """What is not as it should be after one run alone, and what is not once all Services have been made anew; empty
    when all is well."""
    alone = Alone(services, ledger, setting)
    if bad := _unsettled(alone, alone.assign_all()):
        return bad
    alone.services = dump([None, None])
    if bad := _unsettled(alone, alone.assign_all()):
        return f"all Services deleted: {bad}"
    alone.services = dump([[alone.name(), alone.name(), True, setting.born[0], [], None] for _ in range(2)])
    bad = _unsettled(alone, alone.assign_all())
    having = sum(1 for service in load(alone.services) if service[4])
    return bad or ("" if having == _room(setting) else f"of two Services made anew only {having} have an address")


def _room(setting: Setting) -> int:
    """How many of two Services the pool has addresses for."""
    if setting.born[0].startswith(world.KEY):
        return 2  # on one address
    free, having = list(setting.addresses), 0
    for number in (0, 1):
        wants = setting.families_of(number)
        got = [next((a for a in free if (":" in a) == (family == "IPv6")), None) for family in wants]
        if None not in got:
            having += 1
            free = [a for a in free if a not in got]
    return having


def _unsettled(alone: Alone, decided: Mapping[Key, Decision]) -> str:
    shown, held = set(world.shown(alone.services)), set(world.holders(alone.ledger))
    if shown != held:
        return f"held {sorted(held)}, shown {sorted(shown)}"
    taken = {address for address, _, _ in shown}
    if bad := twice(alone.services, alone.ledger):
        return bad
    for number, service in enumerate(load(alone.services)):
        if service is not None and service[2] and not service[4]:
            reason = decided[Key("d", f"s{number}")].reason
            keys = [world.key_of(alone.services, f"d/s{n}") for n in (number, 1 - number)]
            joins = taken and keys[0] and keys[0] == keys[1]  # nothing keeps it from the other's address
            if (joins and reason is not Reason.Released) or not _excused(
                reason, service[3], taken, alone.setting, number
            ):
                return f"s{number} has no address: {reason.name}, with {sorted(taken)} taken"
    return ""


def _excused(reason: Reason, ask: str, taken: set[str], setting: Setting, number: int) -> bool:
    """Whether a Service may be left without an address for this reason."""
    if reason is Reason.AddressInUse:
        return ask in taken
    if reason in (Reason.PoolExhausted, Reason.SharingConflict):
        free = {"IPv6" if ":" in a else "IPv4" for a in setting.addresses if a not in taken}
        return not free.issuperset(setting.families_of(number))
    return reason is Reason.Released  # by hand: only naming it gives it an address again
