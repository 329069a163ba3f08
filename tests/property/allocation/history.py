"""Random histories of a cluster: users edit Services and the pool file, others write statuses, time passes, lbctl runs
and is killed now and then between two requests. Every run of it is judged (see judge.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from lbctl import apply, rounds
from lbctl.addresses import parse_address
from lbctl.decisions import Action, Decision, Snapshot, Wish
from lbctl.kube.api import Kube
from lbctl.kube.transport import KubeTransport
from lbctl.planner import plan
from lbctl.services import Key
from tests.property.allocation.cluster import Cluster, Killed, Look
from tests.property.allocation.judge import Judge, Run
from tests.property.allocation.specs import (
    DHCP,
    EVERY,
    NAMES,
    NONSENSE,
    OUTSIDE,
    POLICIES,
    PORTS,
    UNIVERSE,
    FileSpec,
    Name,
    PoolSpec,
    Spec,
    family,
)

FIRED: Counter[str] = Counter()

names = st.sampled_from(NAMES)
pool_numbers = st.integers(0, len(UNIVERSE) - 1)
addresses = st.sampled_from((*EVERY, *EVERY, *OUTSIDE))
pool_names = st.sampled_from(("p", "q", "r", "renamed"))


class History(RuleBasedStateMachine):
    """One history of a cluster."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()
        self.judge = Judge()
        self.pools = FileSpec(tuple(PoolSpec(name, here) for name, here in UNIVERSE.items()))
        self.serial = 0

    # Users and their Services.

    def _new(self, name: Name, **more: Any) -> None:
        self.serial += 1
        self.cluster.put(Spec(name, f"u{self.serial}", self.serial, **more))

    def _edit(self, name: Name, **changes: Any) -> None:
        before = self.cluster.specs.get(name)
        if before is None:
            self._new(name, **changes)
        elif replace(before, **changes) != before:
            self.cluster.put(replace(before, **changes))

    @initialize(policies=st.tuples(*[st.sampled_from(POLICIES)] * 4))
    def begin(self, policies: tuple[tuple[tuple[str, ...], str], ...]) -> None:
        """A cluster with some Services."""
        for name, (families, policy) in zip(NAMES, policies, strict=False):
            self._new(name, families=families, policy=policy)

    @rule(name=names, policy=st.sampled_from(POLICIES), key=st.sampled_from(("", "", "k")), port=st.sampled_from(PORTS))
    def create(self, name: Name, policy: tuple[tuple[str, ...], str], key: str, port: Any) -> None:
        """A Service is created; one of that name is deleted before, so that it is created anew."""
        FIRED["recreate" if name in self.cluster.specs else "create"] += 1
        if name in self.cluster.specs:
            self.cluster.remove(name)
        self._new(name, families=policy[0], policy=policy[1], share=key, ports=port)

    @rule(name=names, slowly=st.booleans())
    def delete(self, name: Name, slowly: bool) -> None:
        """A Service is deleted, at once or once somebody's finalizer is done."""
        if name in self.cluster.specs:
            FIRED["delete"] += 1
            if slowly and not self.cluster.specs[name].deleting:
                self._edit(name, deleting=True)
            else:
                self.cluster.remove(name)

    @rule(name=names, class_name=st.sampled_from((None, None, "other/class")))
    def retype(self, name: Name, class_name: str | None) -> None:
        """LoadBalancer to ClusterIP, or back, be it with another class."""
        FIRED["retype"] += 1
        balancer = not (name in self.cluster.specs and self.cluster.specs[name].balancer)
        self._edit(name, balancer=balancer, class_name=class_name if balancer else None)

    @rule(name=names, ignored=st.booleans(), tier=st.sampled_from(("", "gold")))
    def mark(self, name: Name, ignored: bool, tier: str) -> None:
        """To be left alone, or a label."""
        FIRED["mark"] += 1
        self._edit(name, ignored=ignored, tier=tier)

    @rule(
        name=names, asked=st.sampled_from((*EVERY, *OUTSIDE, DHCP, NONSENSE, "", "", "", "two", "two")), other=addresses
    )
    def ask_for_an_address(self, name: Name, asked: str, other: str) -> None:
        """The annotation lbctl/addresses."""
        FIRED["ask for an address"] += 1
        if asked == "two":
            pair = [next(a for a in UNIVERSE["q"] if family(a) != family(other)), other]
            self._edit(name, addresses=tuple(pair))
        else:
            self._edit(name, addresses=(asked,) if asked else ())

    @rule(name=names, pool=st.sampled_from(("", "", "p", "q", "r", "renamed")))
    def ask_for_a_pool(self, name: Name, pool: str) -> None:
        """The annotation lbctl/pool."""
        FIRED["ask for a pool"] += 1
        self._edit(name, pool=pool)

    @rule(name=names, key=st.sampled_from(("", "k", "k", "l")), ports=st.sampled_from(PORTS))
    def share(self, name: Name, key: str, ports: Any) -> None:
        """The sharing key and the ports."""
        FIRED["share"] += 1
        self._edit(name, share=key, ports=ports)

    @rule(name=names, local=st.booleans(), selector=st.sampled_from(("", "x", "x", "y")))
    def send_traffic(self, name: Name, local: bool, selector: str) -> None:
        """The externalTrafficPolicy and the pods it goes to."""
        FIRED["policy of traffic"] += 1
        self._edit(name, local=local, selector=selector)

    @rule(name=names, policy=st.sampled_from(POLICIES))
    def change_families(self, name: Name, policy: tuple[tuple[str, ...], str]) -> None:
        """One family or both."""
        FIRED["families"] += 1
        self._edit(name, families=policy[0], policy=policy[1])

    # Others.

    @rule(name=names, foreign=st.sampled_from((*EVERY, *OUTSIDE, "lb.example")), beside=st.booleans())
    def others_write_a_status(self, name: Name, foreign: str, beside: bool) -> None:
        """Another controller fills a status, in the place of ours or beside it."""
        spec = self.cluster.specs.get(name)
        if spec is not None and spec.balancer:
            FIRED["foreign address"] += 1
            ours = self.cluster.look().status[name] if beside else ()
            shown = dict.fromkeys((*ours, foreign))
            self.cluster.put(spec, ingress=[{"ip" if a[0].isdigit() else "hostname": a} for a in shown])

    @rule(name=names)
    def wipe_the_status(self, name: Name) -> None:
        """Somebody clears a status."""
        if name in self.cluster.specs:
            FIRED["status wiped"] += 1
            self.cluster.put(self.cluster.specs[name], ingress=[])

    @rule(name=names, external=st.lists(addresses, max_size=2, unique=True))
    def use_external_ips(self, name: Name, external: list[str]) -> None:
        """spec.externalIPs of any Service."""
        FIRED["externalIPs"] += 1
        self._edit(name, external=tuple(external))

    @rule(used=st.lists(addresses, max_size=2, unique=True))
    def use_by_nodes(self, used: list[str]) -> None:
        """Nodes come, with addresses out of a pool."""
        FIRED["node addresses"] += 1
        self.cluster.use_by_nodes(tuple(used))

    @rule(seconds=st.sampled_from((1, 7, 60, 90, 600, 5_000, 86_400, 3 * 86_400)))
    def time_passes(self, seconds: int) -> None:
        """Seconds, minutes or days."""
        FIRED["clock"] += 1
        self.cluster.sleep(seconds)

    # The pool file.

    def _pool(self, number: int, **changes: Any) -> None:
        changed = [replace(p, **changes) if n == number else p for n, p in enumerate(self.pools.pools)]
        self.pools = FileSpec(tuple(changed), self.pools.reserved).sound()

    @rule(number=pool_numbers, some=st.integers(1, 31))
    def resize(self, number: int, some: int) -> None:
        """A pool shrinks, or grows."""
        here = tuple(a for n, a in enumerate(list(UNIVERSE.values())[number]) if some >> n & 1)
        if here:
            FIRED["shrink" if len(here) < len(self.pools.pools[number].addresses) else "grow"] += 1
            kept = tuple(a for a in self.pools.pools[number].exclude if a in here)
            self._pool(number, addresses=here, exclude=kept)

    @rule(number=pool_numbers)
    def rename(self, number: int) -> None:
        """A pool gets another name, or its old one back."""
        FIRED["rename"] += 1
        before, own = self.pools.pools[number].name, list(UNIVERSE)[number]
        if before != own or self.pools.named("renamed") is None:
            self._pool(number, name=own if before != own else "renamed")

    @rule(number=pool_numbers, disabled=st.booleans(), auto=st.booleans())
    def disable(self, number: int, disabled: bool, auto: bool) -> None:
        """A pool hands out nothing new, or only what is asked for."""
        FIRED["disable"] += 1
        self._pool(number, disabled=disabled, auto=auto)

    @rule(number=pool_numbers, which=st.integers(0, 31), buggy=st.booleans())
    def exclude(self, number: int, which: int, buggy: bool) -> None:
        """Addresses of a pool are excluded."""
        FIRED["exclude"] += 1
        out = tuple(a for n, a in enumerate(self.pools.pools[number].addresses) if which >> n & 1)
        self._pool(number, exclude=out, avoid_buggy=buggy)

    @rule(number=pool_numbers, spaces=st.sampled_from(((), (), ("d",), ("e",))), env=st.sampled_from(("", "", "prod")))
    def narrow_to_namespaces(self, number: int, spaces: tuple[str, ...], env: str) -> None:
        """A pool is for some namespaces."""
        FIRED["namespaces"] += 1
        self._pool(number, namespaces=spaces, env=env)

    @rule(number=pool_numbers, tier=st.sampled_from(("", "", "gold")), across=st.booleans())
    def narrow_to_services(self, number: int, tier: str, across: bool) -> None:
        """A pool is for some Services; and whether namespaces may share its addresses."""
        FIRED["serviceSelector"] += 1
        self._pool(number, tier=tier, across=across)

    @rule(
        number=pool_numbers,
        priority=st.sampled_from((None, 1, 2)),
        reuse=st.sampled_from((0, 60, 3_600)),
        keep=st.sampled_from((0, 600, 86_400)),
    )
    def tune(self, number: int, priority: int | None, reuse: int, keep: int) -> None:
        """Priority, reuseAfter and keepFor."""
        FIRED["priority and times"] += 1
        self._pool(number, priority=priority, reuse=reuse, keep=keep)

    @rule(name=names, address=st.sampled_from(EVERY))
    def reserve(self, name: Name, address: str) -> None:
        """Another reservation, or none of this name any more."""
        FIRED["reservations"] += 1
        mine = {a for a, n in self.pools.reserved if n == name}
        if address in mine:
            kept = tuple((a, n) for a, n in self.pools.reserved if n != name)
        else:
            out = {address, *(a for a in mine if family(a) == family(address))}
            kept = (*((a, n) for a, n in self.pools.reserved if a not in out), (address, name))
        self.pools = FileSpec(self.pools.pools, kept).sound()

    # lbctl.

    @rule()
    def assign_all(self) -> None:
        """lbctl assign --all."""
        self._run("assign --all", Run())

    @rule()
    def assign_all_again(self) -> None:
        """The same, for that is what loops."""
        self._run("assign --all", Run())

    @rule(chosen=st.sets(names, min_size=1, max_size=2))
    def assign_named(self, chosen: set[Name]) -> None:
        """lbctl assign NAMESPACE/NAME."""
        self._run("assign named", Run(names=frozenset(chosen)))

    @rule(name=names, address=addresses)
    def assign_ip(self, name: Name, address: str) -> None:
        """lbctl assign NAMESPACE/NAME --ip."""
        self._run("assign --ip", Run(names=frozenset({name}), address=address))

    @rule(name=names, pool=pool_names)
    def assign_pool(self, name: Name, pool: str) -> None:
        """lbctl assign NAMESPACE/NAME --pool."""
        self._run("assign --pool", Run(names=frozenset({name}), pool=pool))

    @rule(chosen=st.none() | st.sets(names, min_size=1, max_size=2))
    def reassign(self, chosen: set[Name] | None) -> None:
        """lbctl assign --reassign."""
        self._run("assign --reassign", Run(names=None if chosen is None else frozenset(chosen), reassign=True))

    @rule(chosen=st.sets(names, min_size=1, max_size=2), now=st.booleans())
    def release(self, chosen: set[Name], now: bool) -> None:
        """lbctl release, also --now."""
        self._run("release --now" if now else "release", Run("release", frozenset(chosen), now=now))

    @rule(lives=st.integers(0, 16), what=st.sampled_from(("all", "all", "named", "reassign", "release")), name=names)
    def crash(self, lives: int, what: str, name: Name) -> None:
        """A run is killed before or after one of its requests."""
        one = frozenset({name})
        runs = {"all": Run(), "named": Run(names=one), "reassign": Run(reassign=True), "release": Run("release", one)}
        self._run("crash", runs[what], lives)

    def _run(self, rule_name: str, run: Run, lives: int | None = None) -> None:
        cluster, before, pools = self.cluster, self.cluster.look(), self.pools
        looked = self._lbctl().snapshot() if lives is None and not run.releases else None
        planned = looked and _planned(looked, run, pools)
        cluster.on_patch = lambda was, name: self.judge.patched(run, pools, was, cluster.look(), name)
        cluster.lives = lives
        try:
            results = self._carry_out(run)
        except Killed:
            FIRED[rule_name] += 1
            cluster.lives = None
            self.judge.killed(run, before, cluster.look())
            return
        cluster.lives = None
        FIRED[rule_name if lives is None else "crash too late"] += 1
        after = cluster.look()
        self.judge.finished(run, pools, before, after, results)
        if planned:
            _a_plan_is_the_truth(planned, after)
        if not run.releases:
            written = cluster.writes
            self._carry_out(run)
            assert cluster.writes == written, "a second run, with nothing changed in between, has written"

    def _lbctl(self) -> rounds.Cluster:
        kube = Kube(cast("KubeTransport", self.cluster))
        self.serial += 1
        return rounds.Cluster(kube, "x", with_namespaces=True, workers=1)

    def _carry_out(self, run: Run) -> dict[Key, Decision]:
        # Whole seconds, whatever is asked for: apply's pauses are random, and a history must be the same each time.
        lbctl, sleep = self._lbctl(), lambda _: self.cluster.sleep(1)
        keys = None if run.names is None else frozenset(Key(*n) for n in run.names)
        if run.releases:
            return apply.release(lbctl, keys or frozenset(), at_once=run.now, wait=30, sleep=sleep)
        pools = self.pools.to_pool_file()
        return apply.assign(lbctl, pools, keys, wish=_wish(run), reassign=run.reassign, wait=30, sleep=sleep)


def _wish(run: Run) -> Wish | None:
    asked = (parse_address(run.address),) if run.address else ()
    return Wish(asked, run.pool or None) if asked or run.pool else None


def _planned(look: Snapshot, run: Run, pools: FileSpec) -> Mapping[Key, Decision]:
    """The Decisions of one look; the order in which the API lists things makes no difference to them."""
    keys = None if run.names is None else frozenset(Key(*n) for n in run.names)
    turned = replace(look, services=_backwards(look.services), blocks=_backwards(look.blocks))
    one, other = (
        {
            d.service.key: d
            for d in plan(s, pools.to_pool_file(), keys, wish=_wish(run), reassign=run.reassign).decisions
        }
        for s in (look, turned)
    )
    assert one == other, "a plan depends on the order in which things are listed"
    return one


def _backwards(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    return dict(reversed(list(mapping.items())))


def _a_plan_is_the_truth(planned: Mapping[Key, Decision], after: Look) -> None:
    """What it says is what comes out; but one that makes do with less than it would like (PreferDualStack) may get the
    rest in the same run, once that has freed an address or made one shared, and the run has looked again."""
    for key, decision in planned.items():
        if decision.action is Action.ASSIGN:
            shown, wanted = after.status[key.namespace, key.name], tuple(map(str, decision.addresses))
            makes_do = len(wanted) < len(decision.service.ask.families)
            right = set(wanted) <= set(shown) if makes_do else shown == wanted
            assert right, f"{key} was to have {decision.addresses}: {shown}"
