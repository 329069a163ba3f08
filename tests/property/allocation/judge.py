"""The promises of DESIGN 1 that concern allocation, judged after every run of lbctl and at every status it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address

from lbctl.decisions import Action, Decision
from lbctl.services import Key
from tests.property.allocation.cluster import Look
from tests.property.allocation.reasons import HOLDS, Case
from tests.property.allocation.specs import NONSENSE, FileSpec, Name, Spec, family, may_share


@dataclass(frozen=True, slots=True)
class Run:
    """What lbctl was called for: `names` None is `--all`; `address` and `pool` are what --ip and --pool say."""

    command: str = "assign"
    names: frozenset[Name] | None = None
    address: str = ""
    pool: str = ""
    reassign: bool = False
    now: bool = False

    @property
    def releases(self) -> bool:
        """Whether it takes addresses away."""
        return self.command == "release"

    def acts_on(self, name: Name) -> bool:
        """Whether it may write to a Service of this name."""
        return self.names is None or name in self.names

    def wished(self, spec: Spec) -> Spec | None:
        """The Service with what the flags ask for beside its own ask; None where the two exclude each other."""
        if self.address and spec.addresses not in ((), (self.address,)):
            return None
        if self.pool and spec.pool not in ("", self.pool):
            return None
        return replace(spec, addresses=(self.address,) if self.address else spec.addresses, pool=self.pool or spec.pool)


Park = tuple[str, tuple[object, ...]]  # a uid and what it asked for


class Judge:
    """Judges one run after another; it remembers whom a person has released."""

    def __init__(self) -> None:
        self.parked: dict[Name, Park] = {}
        self.perhaps: set[tuple[Name, Park]] = set()  # by a run that was killed

    def patched(self, run: Run, pools: FileSpec, before: Look, after: Look, name: Name) -> None:
        """lbctl has just written this status."""
        spec, old, new = after.specs[name], before.status[name], after.status[name]
        assert run.acts_on(name), "it wrote to a Service that it was not called for"
        assert not before.strange(name), "it wrote to a status that is not ours"
        assert run.releases or spec.in_scope, "it wrote to a Service out of scope"
        assert new or not old or run.releases, "it took an address away before there was another"
        assert not (run.releases and set(new) - set(old)), "a release gave an address"
        for address in set(new) - set(old):
            assert address in after.held(name), f"{address} was published without a claim"
            assert after.may_stand(spec, address, pools), f"{address} is given to two who may not share it"
        if new and not run.releases:
            self.parked.pop(name, None)

    def untouched(self, run: Run, before: Look, after: Look) -> None:
        """Whatever became of the run: what is not ours, and what it was not called for, stays as it was."""
        for name, spec in before.specs.items():
            leave = before.strange(name) or not run.acts_on(name) or not (run.releases or spec.in_scope)
            assert not leave or after.versions[name] == before.versions[name], f"{name} was touched"
            if not run.releases and not leave:
                assert after.status[name] or not before.status[name], f"{name} lost its address"

    def killed(self, run: Run, before: Look, after: Look) -> None:
        """The run was killed."""
        self.untouched(run, before, after)
        for name in run.names or () if run.releases else ():
            if name in before.specs:
                self.perhaps.add((name, _park(before.specs[name])))

    def finished(self, run: Run, pools: FileSpec, before: Look, after: Look, results: Mapping[Key, Decision]) -> None:
        """The run came to its end, alone."""
        self.untouched(run, before, after)
        if not run.releases:
            _no_holder_is_gone(after)
        for name, spec in before.specs.items():
            if not run.acts_on(name):
                continue
            decision = results.get(Key(*name))
            assert decision is not None, f"nothing was said of {name}"
            assert decision.action is not Action.WAIT, f"{name} waits, and nobody is at it"
            if run.releases:
                self._released(run, before, after, name, decision)
            elif not spec.in_scope:
                assert decision.action is Action.SKIP
            elif before.strange(name):
                assert (decision.action, decision.reason.name) == (Action.SKIP, "ForeignOwner")
            elif not self._parked(run, before, after, spec, decision):
                _assigned(run, Case(spec, pools, before, after, run.reassign), decision)

    def _released(self, run: Run, before: Look, after: Look, name: Name, decision: Decision) -> None:
        held = before.held(name)
        if before.strange(name):
            assert decision.action is Action.REFUSE
        elif held:
            assert not after.status[name], f"{name} was released and shows an address"
            assert not after.held(name), f"{name} was released and holds an address"
            self.parked[name] = _park(before.specs[name])
            for address in held - set(after.holders):
                left = after.released[address]
                assert (left.name, left.parked) == (name, True)
                assert left.since == 0 if run.now else before.now - 1 <= left.since <= after.now
        else:
            assert decision.reason.name in ("NotOurs", "Released")

    def _parked(self, run: Run, before: Look, after: Look, spec: Spec, decision: Decision) -> bool:
        """Whether the Service was released by hand, and so gets nothing before a person names it."""
        park = _park(spec)
        holds = bool(before.held(spec.name))
        said = decision.reason.name == "Released"
        if self.parked.get(spec.name) == park and run.names is None and not holds:
            assert said, f"{spec.name} was released by hand, and has been given {after.status[spec.name]}"
        if said:
            known = self.parked.get(spec.name) == park or (spec.name, park) in self.perhaps
            assert known, f"{spec.name} was not released by hand"
            assert run.names is None
            assert not after.status[spec.name]
        return said


def _park(spec: Spec) -> Park:
    return spec.uid, spec.ask


def _no_holder_is_gone(after: Look) -> None:
    """Every holder is a Service that stands (promise 4: no address leaks)."""
    for address, holders in after.holders.items():
        for name, uid, _ in holders:
            spec = after.specs.get(name)
            assert spec is not None, f"{address} is held by {name}, which is gone"
            assert spec.uid == uid, f"{address} is held by an older {name}"
            assert spec.balancer, f"{address} is held by {name}, which is no LoadBalancer"


def _assigned(run: Run, own: Case, decision: Decision) -> None:
    name, before, after = own.spec.name, own.before, own.after
    had, has, code = before.status[name], after.status[name], decision.reason.name
    assert after.held(name) == set(has), f"{name} shows {has} and holds {after.held(name)}"
    wished = run.wished(own.spec)
    if wished is None:
        assert has == had
        assert code == ("InvalidRequest" if NONSENSE in own.spec.addresses else "RequestConflict")
        return
    case = replace(own, spec=wished)
    if decision.action is Action.REFUSE:
        assert has == had, f"{name} is refused what it asks for, and its addresses went from {had} to {has}"
        assert code in HOLDS, f"{code} is no reason to refuse"
        assert HOLDS[code](case), f"{name} is refused for {code}, which is not so: {decision.message}"
        return
    assert has == tuple(map(str, decision.addresses)), f"{name} was to have {decision.addresses} and has {has}"
    _is_what_it_asks(own, has, wished=wished != own.spec)
    assert set(case.spec.addresses) <= set(has), f"{name} has {has}, and --ip was {run.address}"
    _stays(run, case, own)
    for address in set(has) - before.held(name):
        _is_the_one(case, address)


def _is_what_it_asks(case: Case, has: tuple[str, ...], *, wished: bool) -> None:
    spec, families = case.spec, [family(a) for a in has]
    assert families == [f for f in spec.families if f in families], f"{has} are not in the order of its families"
    if spec.addresses:
        assert set(has) == set(spec.addresses)
    if spec.require:
        assert len(has) == len(spec.families)
    elif not spec.addresses and not wished:
        assert spec.families[0] in families


def _stays(run: Run, case: Case, own: Case) -> None:
    """A Service keeps its address while it asks for the same, and also when it still suits what it asks for by now."""
    spec, before = own.spec, own.before
    name = spec.name
    has = set(own.after.status[name])
    versions = [v for hs in before.holders.values() for n, u, v in hs if (n, u) == (name, spec.uid)]
    same = all(before.written[v].ask == spec.ask for v in versions) and case.spec is not None and own.spec == case.spec
    for address in set(before.status[name]) - has:
        pool = own.pools.pool_of(address)
        words = f"{name} lost {address} and has {sorted(has)}"
        if run.reassign:
            other = [r for r in own.pools.kept_for(name) if family(r) == family(address)]
            outgrown = not own.allowed(address) or bool(other and address not in other)
            assert outgrown or not case.suits(address) or not before.may_stand(spec, address, own.pools), words
        elif same:
            parted = [o for o in before.before_and_after(spec, address)[0] if not _go_together(before, spec, o)]
            assert parted, f"{words}, though it asks for what it did"
        else:
            suits = case.suits(address) and before.may_stand(spec, address, own.pools)
            assert not suits or pool is None, f"{words}, though it suits what it asks for"


def _go_together(look: Look, spec: Spec, other: Name) -> bool:
    return may_share(spec, look.specs[other], across=True)


def _is_the_one(case: Case, address: str) -> None:
    """A new address is the one that the rules of DESIGN 6 lead to."""
    spec, pools, wants = case.spec, case.pools, family(address)
    assert case.allowed(address), f"{spec.name} may not have {address}"
    assert case.suits(address), f"{address} is not what {spec.name} asks for"
    if spec.addresses:
        return
    reserved = [r for r in pools.kept_for(spec.name) if family(r) == wants and _could(case, r)]
    if reserved:
        assert address in reserved, f"{reserved} is reserved for {spec.name}, which has got {address}"
        return
    had = [a for a in case.had() if family(a) == wants and _could(case, a)]
    if had:
        assert address == had[0], f"{spec.name} had {had} before, and has got {address}"
        return
    assert pools.pool_of(address) in case.candidates(), f"{address} is in a pool that gives it none unasked"
    joinable = [a for a in _of(case, wants) if _joins(case.before, case, a) and case.joinable(a)]
    if joinable:
        assert address in joinable, f"{spec.name} may share {joinable}, and has got {address}"
    if len(case.after.holders[address]) == 1:
        _is_the_next_free(case, address)


def _could(case: Case, address: str) -> bool:
    return case.allowed(address) and case.suits(address) and case.stands(address)


def _of(case: Case, wants: str) -> list[str]:
    return [a for p in case.candidates() for a in p.addresses if family(a) == wants and case.allowed(a)]


def _joins(look: Look, case: Case, address: str) -> bool:
    return bool(look.users(address, case.spec.name)) and look.may_stand(case.spec, address, case.pools)


def _is_the_next_free(case: Case, address: str) -> None:
    """Untouched before released ones, by number; then the longest released, none of them before reuseAfter."""
    pool = next(p for p in case.pools.pools if address in p.addresses)
    wants, name, before, after = family(address), case.spec.name, case.before, case.after
    free = [a for a in pool.addresses if family(a) == wants and a != address and case.free(a, pool)]
    untouched = [a for a in free if before.untouched(a, name) and after.untouched(a, name)]
    left = before.released.get(address)
    if left is None:
        lower = [a for a in untouched if _number(a) < _number(address)]
        assert not lower, f"{lower} were free, and {name} has got {address}"
    elif after.now - left.since < max(pool.keep, pool.reuse):  # else it went in the same run
        assert left.since + pool.reuse <= after.now, f"{address} was released {before.now - left.since:.0f} s ago"
        assert not untouched, f"{untouched} bear no trace, and {name} has got {address}, which {left.name} had"
        longer = [a for a in free if a in before.released and before.released[a].since < left.since]
        assert not longer, f"{longer} were released before {address}"
    if len(case.spec.families) == 1:
        for earlier in case.candidates()[: case.candidates().index(pool)]:
            missed = [a for a in earlier.addresses if family(a) == wants and case.free(a, earlier)]
            assert not missed, f"pool {earlier.name} comes first and has {missed}"


def _number(address: str) -> int:
    return int(ip_address(address))
