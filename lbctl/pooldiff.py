"""What a changed pool file would change: in the rules of its pools, in how much they hold, and for each Service.

Nothing is decided here: the planner is run with both files over one Snapshot, as `assign --all` runs it and as
`assign --all --reassign` does (promise 6: a plan is the truth), and what it says is compared. A refusal, or a move that
the old file calls for as well, is no change. Pure; nothing is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lbctl.addresses import Address, AddressSet, Family, Range, family_of
from lbctl.allocator import Index
from lbctl.chooser import Chooser
from lbctl.decisions import Action, Decision, Snapshot
from lbctl.durations import duration_text
from lbctl.planner import plan
from lbctl.pools import Pool, PoolFile
from lbctl.reasons import Reason
from lbctl.services import Key, Service
from lbctl.usage import Usage, usages
from lbctl.verdicts import outgrown_words


class Effect(StrEnum):
    """What the new file means for one Service. The words are those of the table and of JSON."""

    KEEPS = "keeps"  # what it has
    MOVES = "moves"  # once --reassign is said; keeps what it has until then
    STAYS = "stays"  # on an address that the new file would not give it, for there is no other
    SETTLES = "settles"  # on its address, which the old file would not give it and the new one would
    SERVED = "served"  # gets what it asks for, which it did not
    REFUSED = "refused"  # does not, and did
    OTHER = "other"  # gets an address all the same, but another one
    LEFT = "left alone"  # is not lbctl's to act on any more
    TAKEN = "taken on"  # is by now


@dataclass(frozen=True, slots=True)
class Fate:
    """One Service: what it shows `now`, what it would have `then`, and why. `outside`: no pool of the new file holds an
    address that it has, so that it keeps it with reason AddressOutsidePools until it is moved."""

    service: Service
    effect: Effect
    now: tuple[Address, ...]
    then: tuple[Address, ...]
    outside: bool
    reason: Reason
    message: str


class Change(StrEnum):
    """What became of a pool."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class PoolDiff:
    """One pool by name: its changed rules in words, and for each family its numbers by the old and the new file (None
    where it is in one of them only)."""

    name: str
    change: Change
    rules: tuple[str, ...]
    usage: Mapping[Family, tuple[Usage | None, Usage | None]]


@dataclass(frozen=True, slots=True)
class Diff:
    """All of it: `file` are changes that are no pool's own, in words; pools in the new file's order, then those that
    are gone; Services by name, those that have nothing and get nothing left out."""

    file: tuple[str, ...]
    pools: tuple[PoolDiff, ...]
    services: tuple[Fate, ...]

    @property
    def changed(self) -> bool:
        """Whether anything does change."""
        rules = bool(self.file) or any(pool.change is not Change.SAME for pool in self.pools)
        return rules or any(fate.effect is not Effect.KEEPS for fate in self.services)


def compare(old: PoolFile, new: PoolFile, look: Snapshot) -> Diff:
    """Compare two pool files over what a cluster shows; over an empty Snapshot that is the files alone."""
    return Diff(tuple(_file(old, new)), tuple(_pools(old, new, look)), tuple(_fates(old, new, look)))


# The pools.


def _pools(old: PoolFile, new: PoolFile, look: Snapshot) -> Iterator[PoolDiff]:
    before, after = ({u.pool.name: u for u in usages(look, file)} for file in (old, new))
    for name in dict.fromkeys([*after, *before]):
        one, other = before.get(name), after.get(name)
        numbers = {f: (one.families[f] if one else None, other.families[f] if other else None) for f in Family}
        if other is None:
            yield PoolDiff(name, Change.REMOVED, (), numbers)
        elif one is None:
            yield PoolDiff(name, Change.ADDED, tuple(_differences(Pool(name, AddressSet()), other.pool)), numbers)
        else:
            rules = tuple(_differences(one.pool, other.pool))
            yield PoolDiff(name, Change.CHANGED if rules else Change.SAME, rules, numbers)


def _flag(value: bool) -> str:
    return "true" if value else "false"


_RULES: tuple[tuple[str, Callable[[Pool], str]], ...] = (
    ("avoidBuggyIPs", lambda p: _flag(p.avoid_buggy_ips)),
    ("autoAssign", lambda p: _flag(p.auto_assign)),
    ("priority", lambda p: "none" if p.priority is None else str(p.priority)),
    ("namespaces", lambda p: ", ".join(sorted(p.namespaces)) or "none"),
    ("namespaceSelector", lambda p: "none" if p.namespace_selector is None else str(p.namespace_selector) or "all"),
    ("serviceSelector", lambda p: "none" if p.service_selector is None else str(p.service_selector) or "all"),
    ("shareAcrossNamespaces", lambda p: _flag(p.share_across_namespaces)),
    ("reuseAfter", lambda p: duration_text(p.reuse_after)),
    ("keepFor", lambda p: duration_text(p.keep_for)),
    ("disabled", lambda p: _flag(p.disabled)),
    ("interfaces", lambda p: ", ".join(sorted(p.interfaces)) or "all"),
    ("nodeSelector", lambda p: "none" if p.node_selector is None else str(p.node_selector) or "all"),
    ("onConflict", lambda p: p.on_conflict),
)


def _differences(old: Pool, new: Pool) -> Iterator[str]:
    """Each rule in which two pools differ, in words."""
    for key, one, other in (("addresses", old.addresses, new.addresses), ("exclude", old.exclude, new.exclude)):
        if one != other:
            yield f"{key}: {_signed(one, other)}"
    for key, value in _RULES:
        if value(old) != value(new):
            yield f"{key}: {value(old)} -> {value(new)}"


def _signed(old: AddressSet, new: AddressSet) -> str:
    parts = (f"{sign} {spans}" for sign, spans in (("+", new - old), ("-", old - new)) if spans)
    return "; ".join(parts)


def _single(address: Address) -> Range:
    return Range(family_of(address), int(address), int(address))


def _file(old: PoolFile, new: PoolFile) -> Iterator[str]:
    """What differs beside the pools: the class, the reservations, the order in which pools are asked."""
    if old.load_balancer_class != new.load_balancer_class:
        yield f"loadBalancerClass: {old.load_balancer_class or 'none'} -> {new.load_balancer_class or 'none'}"
    one, other = dict(old.reservations), dict(new.reservations)
    for key in sorted(one.keys() | other.keys()):
        was, now = (AddressSet.of(map(_single, kept.get(key, ()))) for kept in (one, other))
        if was != now:
            yield f"reservations: {key}: {_signed(was, now)}"
    names = [[p.name for p in file.by_priority()] for file in (old, new)]
    common = [[name for name in order if all(name in n for n in names)] for order in names]
    if common[0] != common[1]:
        yield f"pools are asked in another order: {', '.join(common[0])} -> {', '.join(common[1])}"


# The Services.


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one file means for one Service: as assign --all has it, and as --reassign does; `outside` are addresses it
    holds that are in no pool."""

    plain: Decision
    again: Decision
    outside: tuple[Address, ...]

    @property
    def moves(self) -> bool:
        """Whether --reassign takes an address from it that it would keep without."""
        gone = [a for a in self.again.service.status if a not in self.again.addresses]
        kept = self.plain.addresses
        return self.again.action is Action.ASSIGN and bool(gone) and all(a in kept for a in gone)

    @property
    def stays(self) -> bool:
        """Whether --reassign would move it, and cannot."""
        return self.again.action is Action.REFUSE and self.plain.satisfied


def _fates(old: PoolFile, new: PoolFile, look: Snapshot) -> Iterator[Fate]:
    before, after = _outcomes(old, look), _outcomes(new, look)
    index = Index(look.services, look.blocks, look.others, new, look.now)
    chooser = Chooser(index, new, look.namespaces, lambda _: ())
    for key in sorted(after):
        effect = _effect(before[key], after[key])
        if effect is not None:
            yield _fate(effect, after[key], chooser)


def _outcomes(pools: PoolFile, look: Snapshot) -> dict[Key, _Outcome]:
    again = {d.service.key: d for d in plan(look, pools, reassign=True).decisions}
    found = {}
    for plain in plan(look, pools).decisions:
        held = [a for a in plain.service.status if look.claim_of(plain.service, a) is not None]
        outside = tuple(address for address in held if pools.pool_of(address) is None)
        found[plain.service.key] = _Outcome(plain, again[plain.service.key], outside)
    return found


def _fate(effect: Effect, new: _Outcome, chooser: Chooser) -> Fate:
    service, decided = new.plain.service, new.again if effect is Effect.MOVES else new.plain
    words: list[str] = []
    if effect in (Effect.MOVES, Effect.STAYS):
        words += filter(None, (outgrown_words(chooser, service, address) for address in service.status))
    if effect in (Effect.LEFT, Effect.REFUSED):
        words.append(new.plain.sentence)
    elif effect is Effect.STAYS and new.stays:
        words.append(new.again.sentence)
    outside = bool(new.outside) and effect is not Effect.LEFT
    return Fate(
        service, effect, service.status, decided.addresses, outside, new.plain.reason, "; ".join(dict.fromkeys(words))
    )


def _effect(old: _Outcome, new: _Outcome) -> Effect | None:
    """What changes for one Service; None for one that has nothing of lbctl's, and for which nothing does."""
    was, now = old.plain, new.plain
    if Action.SKIP in (was.action, now.action):
        if was.action is now.action:
            return None
        return Effect.LEFT if now.action is Action.SKIP else Effect.TAKEN
    if new.moves and not (old.moves and old.again.addresses == new.again.addresses):
        return Effect.MOVES
    if (new.stays and not old.stays) or (new.outside and not old.outside):
        return Effect.STAYS
    if was.satisfied != now.satisfied:
        return Effect.SERVED if now.satisfied else Effect.REFUSED
    if now.action is Action.ASSIGN and was.addresses != now.addresses:
        return Effect.OTHER
    if (old.moves or old.stays or old.outside) and not (new.moves or new.stays or new.outside):
        return Effect.SETTLES
    return Effect.KEEPS if now.service.status else None
