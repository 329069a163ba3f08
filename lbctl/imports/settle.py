"""Drafts of pools of all systems made one set that a pool file can hold: names, and no address in two pools.

Where two pools have an address, the one that fewer Services may have it from keeps it: so nobody gets one by an import
who could not before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lbctl.addresses import AddressSet, Family, Range
from lbctl.imports.values import Draft, Part, plain

LONGEST = 63  # a DNS label, as a pool's name is one
HIGHEST = 999_999_999  # of a pool file's integers
# The annotation by which a Service names a pool of that system, which lbctl reads too.
NAMED_BY = {"MetalLB": "metallb.io/address-pool", "PureLB": "purelb.io/service-group"}


def settle(drafts: Sequence[Draft]) -> list[Draft]:
    """The pools, in the order of the drafts; every change is remarked."""
    named = _named([draft for draft in map(_bounded, drafts) if _holds(draft)])
    return [draft for draft in _parted(named) if _holds(draft)]


def _holds(draft: Draft) -> bool:
    if not draft.parts:
        draft.about.say("", "no address of it can be carried over, so it becomes no pool")
    return bool(draft.parts)


def _bounded(draft: Draft) -> Draft:
    if draft.priority is None or abs(draft.priority) <= HIGHEST:
        return draft
    bound = HIGHEST if draft.priority > 0 else -HIGHEST
    draft.about.say("spec.serviceAllocation.priority", f"{draft.priority} is written as {bound}, the furthest there is")
    return replace(draft, priority=bound)


def _named(drafts: Sequence[Draft]) -> list[Draft]:
    taken: set[str] = set()
    found = []
    for draft in drafts:
        name = _free(_valid(draft.name), draft.system, taken)
        taken.add(name)
        if name != draft.name:
            why = "another pool has its name" if name != _valid(draft.name) else "a pool cannot have its name"
            note = NAMED_BY.get(draft.system)
            asks = f"; Services that ask for it by {note} have to ask for {name}" if note else ""
            draft.about.say("", f"the pool is named {name}, because {why}{asks}")
        found.append(replace(draft, name=name))
    return found


def _valid(name: str) -> str:
    words = re.sub("[^a-z0-9]+", "-", name.lower()) if not re.fullmatch("[a-z0-9-]*", name) else name
    return words.strip("-")[:LONGEST].strip("-") or "pool"


def _free(name: str, system: str, taken: set[str]) -> str:
    """The name, or one made of it that is not taken."""
    if name not in taken:
        return name
    tail = f"-{system.lower()}"
    number = 1
    while (other := name[: LONGEST - len(tail)].strip("-") + tail) in taken:
        number += 1
        tail = f"-{system.lower()}-{number}"
    return other


def _parted(drafts: Sequence[Draft]) -> list[Draft]:
    """Each address in one pool and once."""
    settled: dict[int, Draft] = {}
    for number in sorted(range(len(drafts)), key=lambda number: (_openness(drafts[number]), number)):
        settled[number] = _apart(drafts[number], list(settled.values()))
    return [settled[number] for number in range(len(drafts))]


def _openness(draft: Draft) -> int:
    if draft.disabled:
        return 0
    return 1 if not draft.open else 3 if draft.auto_assign else 2


def _apart(draft: Draft, others: Sequence[Draft]) -> Draft:
    """The pool without what others have, and with its exclusions cut to what is left."""
    mine = AddressSet()
    parts: list[Part] = []
    for part in draft.parts:
        left = AddressSet.of([part.range])
        for other in others:
            left = _less(left, _set(other.parts), part, f"in pool {other.name} of {other.system} already", draft)
        left = _less(left, mine, part, "in this pool already", draft)
        mine |= left
        if left == AddressSet.of([part.range]):
            parts.append(part)
        else:
            parts += [Part(r, str(r), part.field) for r in _ranges(left)]
    holes = AddressSet.of(draft.exclude) & mine
    return replace(draft, parts=tuple(parts), exclude=tuple(_ranges(holes)))


def _less(left: AddressSet, taken: AddressSet, part: Part, why: str, draft: Draft) -> AddressSet:
    common = left & taken
    if common:
        draft.about.say(part.field, f"{plain(common)} is {why}, and is left out here")
    return left - common


def _set(parts: Sequence[Part]) -> AddressSet:
    return AddressSet.of(part.range for part in parts)


def _ranges(addresses: AddressSet) -> list[Range]:
    return [Range(family, low, high) for family in Family for low, high in addresses.ranges(family)]
