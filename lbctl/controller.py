"""The loop of `lbctl serve`: what changed is planned at once, carried out, and looked at again until it is right.

One thread owns the World. Watches put what they see into a queue; the thread takes all that has come, plans for the
Services concerned and does one round; what arrives meanwhile is the next round. No timer, no full scan: a change costs
what it changes. A World may be behind the cluster, so that nothing is dropped or written over on its word alone: who
seems gone is asked for by a quorum GET first (DESIGN 5, rules 1 and 3), and everything else is a compare-and-swap.
"""

from __future__ import annotations

import heapq
import math
import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from lbctl.addresses import Address, Family
from lbctl.adoption import plan_repair
from lbctl.decisions import Action, Decision, Plan
from lbctl.errors import LbctlError
from lbctl.kube.errors import NotFound
from lbctl.planner import YOUNG, plan
from lbctl.reasons import Reason
from lbctl.rounds import Cluster, Round, do_round
from lbctl.services import Key, Service, parse_service
from lbctl.sidebyside import side_by_side
from lbctl.world import World

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0  # seconds before a Service is planned again, doubled each time
SLOW = 300.0  # seconds after which those that were refused are planned again, whatever happened meanwhile
WHOLE = 3600.0  # seconds after which everything is planned, so that nothing is forgotten for ever: 2 s for 20,000
REMEMBERED = 64  # attempts of our own whose claims need not be waited for; a claim is young for 5 s only
PROBE = 1.0  # seconds: while the cluster is away, what comes is a reason to try again this often
MANY = 16  # more holders who seem gone than this are looked for by one list
FIGHTS, WINDOW = 3, 600.0  # a status is put back so often within so many seconds; then somebody else must be stopped


@dataclass(slots=True)
class Pace:
    """Time as the loop sees it: a clock in seconds that never goes back, and jitter from 0 to 1."""

    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random


class Watchers:
    """Who hears of what the loop does, called by the loop's thread; all of it may be passed over."""

    def planned(self, decisions: Iterable[Decision]) -> None:
        """A round's Decisions, as they came out."""

    def settled(self, seconds: float, done: Round) -> None:
        """A round is over, after so many seconds."""

    def failed(self, away: LbctlError) -> None:
        """The cluster could not be reached."""

    def repaired(self, decisions: list[Decision]) -> None:
        """Claims were written anew that somebody had deleted."""


@dataclass(slots=True)
class Later:
    """Services to plan again, by when; the earliest counts."""

    _heap: list[tuple[float, Key]] = field(default_factory=list)
    _due: dict[Key, float] = field(default_factory=dict)

    def at(self, when: float, key: Key) -> None:
        """Plan this Service at that time, or sooner where that was said before."""
        if key not in self._due or when < self._due[key]:
            self._due[key] = when
            heapq.heappush(self._heap, (when, key))

    def forget(self, key: Key) -> None:
        """It need not be planned again."""
        self._due.pop(key, None)

    def next(self) -> float | None:
        """When the first is due."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> set[Key]:
        """Those that are due."""
        found = set()
        while (when := self.next()) is not None and when <= now:
            _, key = heapq.heappop(self._heap)
            found.add(key)
            del self._due[key]
        return found


class Controller:
    """The loop over one World. `tell` (any thread) gives it a change to make to the World, `run` is its life."""

    def __init__(
        self,
        cluster: Cluster,
        world: World,
        *,
        now: Callable[[], float],
        pace: Pace | None = None,
        watchers: Watchers | None = None,
        ask: Callable[[Collection[Address]], object] | None = None,
    ) -> None:
        """`ask` has the LAN asked for addresses, where that can be; the World's Lookout is told the answers."""
        self.world = world
        self.stuck: dict[Key, Reason] = {}
        self.writing = 0  # statuses of the round under way
        self._cluster = cluster
        self._now = now  # the API server's time in seconds since the epoch
        self._pace = pace or Pace()
        self._watchers = watchers or Watchers()
        self.ask = ask
        self._news: deque[Callable[[World], None]] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._leading = False
        self._later = Later()
        self._tries: dict[Key, int] = {}
        self._failures = 0
        self._trouble = ""
        self._retry_at = self._tried_at = 0.0
        self._held_up: set[Key] = set()  # by a cluster that is away
        self._attempts: deque[str] = deque(maxlen=REMEMBERED)
        self._restored: dict[Key, deque[float]] = {}
        self._all_at = 0.0
        self._stuck_at: float | None = None
        self._slow_at = 0.0
        self.moved_at = self._pace.clock()

    # For every thread.

    def tell(self, change: Callable[[World], None]) -> None:
        """Something changed; the loop makes it so in the World."""
        with self._wake:
            self._news.append(change)
            self._wake.notify()

    def lead(self, leading: bool) -> None:
        """Whether to act. One that does not only keeps up; one that begins plans everything."""

        def begin(world: World) -> None:
            self._leading = leading
            self._all_at = 0.0
            world.lost = leading  # for claims may have gone while nobody looked
            world.helps = world.helps or leading

        self.tell(begin)

    def moved(self) -> None:
        """There is progress."""
        self.moved_at = self._pace.clock()

    @property
    def idle(self) -> float:
        """Seconds since there was progress; a loop that waits makes some each second."""
        return self._pace.clock() - self.moved_at

    @property
    def away(self) -> str:
        """Why the last round could not reach the cluster; empty when it could."""
        return self._trouble

    def stop(self) -> None:
        """End after the round under way."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    # The loop.

    def run(self) -> None:
        """Until stop()."""
        while self._wait():
            self.step()

    def _wait(self) -> bool:
        """Until there is something to do; False when it is time to stop."""
        with self._wake:
            while not self._stopping and not self._news:
                left = self._until() - self._pace.clock()
                if left <= 0:
                    break
                self._wake.wait(min(left, 1.0))
                self.moved_at = self._pace.clock()
            return not self._stopping

    def _until(self) -> float:
        """When there is something to do, if nothing comes."""
        if self._leading and self.world.lost:
            return self._all_at
        if not self._leading:
            return self._pace.clock() + 1.0
        return min(self._later.next() or math.inf, self._stuck_due(), self._all_at)

    def _stuck_due(self) -> float:
        """When those that were refused are planned again."""
        if not self.stuck:
            return math.inf
        return self._slow_at if self._stuck_at is None else min(self._stuck_at, self._slow_at)

    def step(self) -> None:
        """Take all news, and do a round for whom they concern."""
        self.moved_at = now = self._pace.clock()
        while self._news:
            self._news.popleft()(self.world)
        if not self._leading:
            return
        if self.world.lost and not self._repaired():
            return
        keys = self._later.take(now)
        everything = now >= self._all_at
        if self.world.helps or now >= self._stuck_due():
            keys |= self.stuck.keys()
            self.world.helps, self._stuck_at, self._slow_at = False, None, now + SLOW
        keys |= self.world.dirty
        self.world.dirty = set()
        if everything:
            self._all_at = now + WHOLE
        if self._failures and now < (soon := min(self._retry_at, self._tried_at + PROBE)):
            self._held_up |= keys
            self._put_off(keys, everything=everything, until=soon)
        elif keys or everything:
            self._round(frozenset(keys), everything=everything)

    def _repaired(self) -> bool:
        """Claim anew what we have published and somebody took the claims of away; whether all is claimed again."""
        attempt = secrets.token_hex(4)
        look = self.world.snapshot(int(self._now()), attempt, frozenset(self._attempts))
        planned = plan_repair(look, self.world.pools)
        try:
            done = do_round(self._cluster, planned)
        except LbctlError as away:
            self._watchers.failed(away)
            self._trouble = away.message
            self._all_at = self._later_each_time()
            return False
        self._attempts.append(attempt)
        for block in done.blocks.values():
            self.world.put_claims(block)
        if repaired := [d for d in planned.decisions if d.writes and d.service.key in done.done]:
            self._watchers.repaired(repaired)
        self.world.lost = bool(done.again)
        if self.world.lost:  # the claims are not known as they are, and news of them come
            self._all_at = max(self._later_each_time(), self._pace.clock() + done.pause)
        return not self.world.lost

    def _round(self, keys: frozenset[Key], *, everything: bool) -> None:
        began = self._pace.clock()
        try:
            planned = self._planned(None if everything else keys)
            if planned is None:  # the World is behind: what it missed is there by then
                self._put_off(keys, everything=everything)
                return
            restored = {d.service.key for d in planned.decisions if self._restores(d)}
            self.writing = sum(decision.writes for decision in planned.decisions)
            done = do_round(self._cluster, planned)
        except LbctlError as away:
            self._watchers.failed(away)
            self._trouble = away.message
            self._held_up |= keys
            self._put_off(keys, everything=everything, until=self._later_each_time())
            return
        finally:
            self.writing = 0
        self._resume()
        before = set(self.world.dirty)
        for block in done.blocks.values():
            self.world.put_claims(block)
        # Our own claims are no news to whom they were written for: one whose status is not taken would be tried hotly.
        self.world.dirty = before | (self.world.dirty - {d.service.key for d in planned.decisions})
        for key in keys:
            if key not in self.world.services:
                self._forget(key)
        self._settle(planned, done, restored)
        self._watchers.settled(self._pace.clock() - began, done)

    def _planned(self, keys: frozenset[Key] | None) -> Plan | None:
        """A plan of which every holder to be let go, and every claim to be written over, is proven; None when the World
        was behind three times."""
        for _ in range(3):
            attempt = secrets.token_hex(4)
            look = self.world.snapshot(int(self._now()), attempt, frozenset(self._attempts))
            planned = plan(look, self.world.pools, keys, named=False, index=self.world.index)
            if not self._behind(self._doubtful(planned)):
                self._attempts.append(attempt)
                decisions = (self._once_asked(self._restrained(d)) for d in planned.decisions)
                return replace(planned, decisions=tuple(decisions))
        return None

    def _doubtful(self, planned: Plan) -> set[Key]:
        """Services that must be asked for before this plan may be done: holders who seem gone, and those who hold a
        claim that is written over."""
        doubtful = {holder.key for _, holder in planned.orphans}
        for decision in planned.decisions:
            for address in decision.claims:
                claim = self.world.index.claims.get(address)
                doubtful |= {h.key for h in claim.holders} if claim is not None else set()
        return doubtful

    def _behind(self, keys: set[Key]) -> bool:
        """Ask for these Services by quorum reads; whether the World did not know one as it is."""
        if not keys:
            return False
        before = {key: self.world.services.get(key) for key in keys}
        if len(keys) > MANY:
            items = self._cluster.kube.list_services().items
            found = {s.key: s for s in map(parse_service, items)}
        else:
            asked = sorted(keys)
            answers = side_by_side(self._ask, asked, self._cluster.workers)
            found = {s.key: s for s in answers if s is not None}
        for key in keys:
            if key in found:
                self.world.put_service(found[key])
            elif (known := before[key]) is not None:
                self.world.drop_service(key, known.uid)
        return any(self.world.services.get(key) != before[key] for key in keys)

    def _ask(self, key: Key) -> Service | None:
        try:
            return parse_service(self._cluster.kube.get_service(key.namespace, key.name).object)
        except NotFound:
            return None

    def _restrained(self, decision: Decision) -> Decision:
        """The decision, unless it puts back a status that somebody clears again and again."""
        times = self._restored.get(decision.service.key)
        if times is None or len(times) < FIGHTS or not self._restores(decision):
            return decision
        if self._pace.clock() - times[0] >= WINDOW:
            return decision
        service, minutes = decision.service, int(WINDOW / 60)
        words = f"somebody has cleared its status {FIGHTS} times within {minutes} minutes"
        words += f"; {service.rival} writes there too" if service.rival else ""
        return Decision(service, Action.REFUSE, Reason.StatusFight, words, service.status)

    def _once_asked(self, decision: Decision) -> Decision:
        """The decision; or to wait, where an address was asked for by name that the LAN was not asked for lately."""
        if self.ask is None or decision.action is not Action.ASSIGN:
            return decision
        service, now = decision.service, self._pace.clock()
        named = {*service.ask.addresses, *self.world.pools.reservation(service.key)}
        anew = [a for a in decision.claims if a in named and not self.world.index.is_held(a)]
        lacking = [a for a in anew if self.world.lookout.waits(service.key, a, now)]
        if not lacking:
            return decision
        self.ask(lacking)
        return Decision(service, Action.WAIT, Reason.BeingAssigned, addresses=service.status)

    def _restores(self, decision: Decision) -> bool:
        """Whether it only puts back what the Service holds and its status no longer shows."""
        service = decision.service
        held = {c.address for c, h in self.world.index.held(service.key) if h.uid == service.uid}
        return decision.action is Action.ASSIGN and not service.status and held >= set(decision.addresses)

    # What becomes of it.

    def _settle(self, planned: Plan, done: Round, restored: set[Key]) -> None:
        now = self._pace.clock()
        self._watchers.planned([done.outcome(d) for d in planned.decisions])
        if done.refused is not None:
            self._watchers.failed(done.refused)
        for claim, holder in planned.orphans:
            left = self.world.index.claims.get(claim.address)
            if left is not None and left.holder(holder.key) is not None:  # the block was another's just then
                self._later.at(now + max(FIRST_PAUSE, done.pause), holder.key)
        for key in restored - done.again:
            self._restored.setdefault(key, deque(maxlen=FIGHTS)).append(now)
        for decision in planned.decisions:
            key = decision.service.key
            if key in done.again:
                self.stuck.pop(key, None)
                self._again(key, now, decision, done.pause)
                continue
            self._tries.pop(key, None)
            if decision.action is Action.REFUSE:
                self.stuck[key] = decision.reason
            else:
                self.stuck.pop(key, None)
        if done.freed:
            self.world.helps = True
        self._stuck_at = self._next_cooled(now)
        if self.world.helps and self.stuck:
            self._stuck_at = now

    def _forget(self, key: Key) -> None:
        """A Service that is gone."""
        self.stuck.pop(key, None)
        self._restored.pop(key, None)
        self._tries.pop(key, None)
        self._later.forget(key)

    def _again(self, key: Key, now: float, decision: Decision, pause: float) -> None:
        if decision.action is Action.WAIT:  # another run is at it: its claim is not young for ever
            self._later.at(now + YOUNG + 0.1, key)
            return
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        self._later.at(now + max(self._pause(tries - 1), pause), key)

    def _pause(self, tries: int) -> float:
        """Seconds to wait after so many tries."""
        pause: float = min(FIRST_PAUSE * 2 ** min(tries, 16), LONGEST_PAUSE)
        return pause * (0.5 + self._pace.jitter())

    def _put_off(self, keys: Iterable[Key], *, everything: bool, until: float | None = None) -> None:
        when = self._pace.clock() + FIRST_PAUSE if until is None else until
        for key in keys:
            self._later.at(when, key)
        if everything:
            self._all_at = when

    def _later_each_time(self) -> float:
        """The cluster is away: when to try again, which is later each time. What comes meanwhile is tried too, for it
        shows that somebody is there; but that it fails as well says nothing new."""
        now = self._tried_at = self._pace.clock()
        if now >= self._retry_at:
            self._failures += 1
            self._retry_at = now + self._pause(self._failures)
        return self._retry_at

    def _resume(self) -> None:
        """The cluster is there: what waits for it waits no longer."""
        self._trouble = ""
        if not self._failures:
            return
        self._failures, self._retry_at, self._tried_at = 0, 0.0, 0.0
        now = self._pace.clock()
        for key in self._held_up:
            self._later.at(now, key)
        self._held_up = set()

    def _next_cooled(self, now: float) -> float | None:
        """When the next released address may be given to one of those that wait for any."""
        if Reason.PoolExhausted not in self.stuck.values():
            return None
        waits = [self.world.index.next_cooled(self.world.pools.pools, family) for family in Family]
        return min((now + wait for wait in waits if wait is not None), default=None)
