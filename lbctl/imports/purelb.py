"""PureLB: ServiceGroup in purelb.io/v1 and purelb.io/v2.

A Service gets addresses of the group that its annotation names, else of its namespace's, else of the group named
default; a group may be for namespaces, as a preference or, enforced, as a fence in both directions. A CIDR with host
bits begins at the address written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lbctl.imports import fields
from lbctl.imports.fields import NAMESPACE_NAME, Unreadable
from lbctl.imports.values import About, Draft, Found, Remark, Value, plain
from lbctl.selectors import Operator, Requirement

SYSTEM = "PureLB"
GROUP = "purelb.io"
CUSTOM = ((GROUP, ("v2", "v1"), "servicegroups"),)
CONFIGMAPS: tuple[tuple[str, str], ...] = ()
KINDS = ("ServiceGroup",)

DEFAULT = "default"
_ELSEWHERE = ("external", "netbox", "epic")
_FLAGS = {
    "multiPool": "a Service gets one address a family; it is not carried over",
    "balancePools": "lbctl fills one range after the other; it is not carried over",
    "skipIPv6DAD": "a pool file says nothing of it; it is not carried over",
}


@dataclass(frozen=True, slots=True)
class _Group:
    """A ServiceGroup and whom it is for."""

    draft: Draft
    enforced: bool
    preferred: bool  # namespaceDefault

    @property
    def namespaces(self) -> tuple[str, ...]:
        return self.draft.namespaces


def takes(found: Found) -> bool:
    """Whether an object is PureLB's."""
    return found.group == GROUP


def drafts(objects: Sequence[Found], book: list[Remark]) -> list[Draft]:
    """The pools, in the order of the input."""
    groups = []
    for found in objects:
        about = About(found, book)
        if found.kind == "ServiceGroup":
            groups.append(_group(found, about))
        elif found.kind == "LBNodeAgent":
            about.say("", "a pool file says nothing of who announces where; it is not carried over")
    return [_for_whom(group, groups) for group in groups]


def _group(found: Found, about: About) -> _Group:
    spec = found.spec
    for key in _ELSEWHERE:
        if spec.get(key) is not None:
            about.say(f"spec.{key}", "its addresses come from another system; it is not carried over")
    written = [item for kind in ("local", "remote") for item in _written(spec.get(kind), f"spec.{kind}", about)]
    if written and spec.get("remote") is not None:
        about.say("spec.remote", "lbctl announces no routes; the addresses alone are carried over")
    parts = tuple(fields.parts(written, about, reader=SYSTEM, from_host=True))
    draft = Draft(SYSTEM, found.name, parts, about)
    enforced = fields.flag(spec, "enforceNamespaces", False, safe=True, about=about)
    preferred = fields.flag(spec, "namespaceDefault", False, safe=False, about=about)
    try:
        draft = replace(draft, namespaces=fields.namespaces(spec.get("namespaces"), "spec.namespaces"))
    except Unreadable as bad:
        about.say(bad.where, f"{bad.sentence}; nobody knows whom the pool is for, so it is disabled")
        draft = replace(draft, disabled=True)
    return _Group(draft, enforced, preferred)


def _written(value: Value, path: str, about: About) -> Iterable[tuple[str, Value]]:
    if not isinstance(value, Mapping):
        if value is not None:
            about.say(path, "this is no mapping, and is not carried over")
        return
    for key, sentence in _FLAGS.items():
        if fields.flag(value, key, False, safe=False, about=about, path=path):
            about.say(f"{path}.{key}", sentence)
    holders = [(path, value)] if "pool" in value else []
    holders += [(f"{path}.{key}", value[key]) for key in ("v4pool", "v6pool") if value.get(key) is not None]
    for key in ("v4pools", "v6pools"):
        listed = value.get(key)
        holders += [(f"{path}.{key}[{n}]", one) for n, one in enumerate(listed if isinstance(listed, list) else ())]
    for where, holder in holders:
        if isinstance(holder, Mapping):
            _aggregation(holder, where, about)
            yield f"{where}.pool", holder.get("pool")
        else:
            about.say(where, "this is no mapping, and is not carried over")


def _aggregation(holder: Mapping[str, Value], where: str, about: About) -> None:
    if (value := holder.get("aggregation")) not in (None, "", "default"):
        about.say(f"{where}.aggregation", f"{plain(value)}: lbctl announces no routes; it is not carried over")


def _for_whom(group: _Group, groups: Sequence[_Group]) -> Draft:
    """The pool with what a pool file can say of whom it is for; where that is not all, the pool is for fewer."""
    draft, about = group.draft, group.draft.about
    if draft.disabled or not draft.parts:
        return draft
    confined = {space for other in groups if other.enforced for space in other.namespaces}
    if not draft.namespaces:
        if draft.name != DEFAULT:
            about.say("", "PureLB gives its addresses only to Services that name it: written as autoAssign: false")
            draft = replace(draft, auto_assign=False)
        bound = _bound(groups) if draft.name == DEFAULT else set()
        return _without(draft, confined | bound)
    if draft.name == DEFAULT and not confined & set(draft.namespaces):
        about.say(
            "spec.namespaces", "PureLB gives addresses of the group default to all namespaces, and so does the pool"
        )
        return _without(replace(draft, namespaces=()), confined | (_bound(groups) - set(draft.namespaces)))
    if not confined & set(draft.namespaces):
        about.say(
            "spec.namespaces",
            "PureLB gives its addresses to other namespaces too where a Service names it; here it is for these alone",
        )
    if [space for space in draft.namespaces if not _is_default(group, space, groups)]:
        about.say(
            "spec.namespaceDefault",
            "it is not the group that every one of its namespaces gets unasked: written as autoAssign: false",
        )
        return replace(draft, auto_assign=False)
    return draft


def _is_default(group: _Group, space: str, groups: Sequence[_Group]) -> bool:
    """Whether a Service of this namespace that names no group gets an address of this one."""
    serving = [other for other in groups if space in other.namespaces]
    marked = [other for other in serving if other.preferred]
    return (marked if len(serving) > 1 else serving) == [group]


def _bound(groups: Sequence[_Group]) -> set[str]:
    """The namespaces whose Services get addresses of a group of their own when they name none."""
    return {space for group in groups for space in group.namespaces if _is_default(group, space, groups)}


def _without(draft: Draft, spaces: set[str]) -> Draft:
    """The pool for every namespace but these."""
    if not spaces:
        return draft
    names = tuple(sorted(spaces))
    draft.about.say(
        "", f"{', '.join(names)}: these have groups of their own, so the pool selects the other namespaces alone"
    )
    return replace(draft, namespace_selector=(Requirement(NAMESPACE_NAME, Operator.NOT_IN, names),))
