"""Cilium's LB-IPAM: CiliumLoadBalancerIPPool in cilium.io/v2alpha1 and cilium.io/v2.

Cilium masks the host bits of a CIDR, takes a block with a start alone as one address, and matches a pool's
serviceSelector against the Service's labels and two more that it makes of the Service's namespace and name. Whether the
first and last address of a CIDR are given out when nothing is said has changed: no up to 1.15, yes from 1.16 on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lbctl.imports import fields
from lbctl.imports.fields import NAMESPACE_NAME, Unreadable
from lbctl.imports.values import About, Chosen, Draft, Found, Part, Remark, Value, plain
from lbctl.selectors import Operator, Requirement

SYSTEM = "Cilium"
GROUP = "cilium.io"
CUSTOM = ((GROUP, ("v2", "v2alpha1"), "ciliumloadbalancerippools"),)
CONFIGMAPS: tuple[tuple[str, str], ...] = ()
KINDS = ("CiliumLoadBalancerIPPool",)

_KIND = KINDS[0]
_NAMESPACE, _NAME = "io.kubernetes.service.namespace", "io.kubernetes.service.name"
_OTHERS = {
    "CiliumL2AnnouncementPolicy": "a pool file says nothing of who announces where; it is not carried over",
    "CiliumBGPPeeringPolicy": "lbctl does not speak BGP; it is not carried over",
    "CiliumBGPClusterConfig": "lbctl does not speak BGP; it is not carried over",
    "CiliumBGPPeerConfig": "lbctl does not speak BGP; it is not carried over",
    "CiliumBGPAdvertisement": "lbctl does not speak BGP; it is not carried over",
}


def takes(found: Found) -> bool:
    """Whether an object is of Cilium's LoadBalancer."""
    return found.group == GROUP and (found.kind == _KIND or found.kind in _OTHERS)


def drafts(objects: Sequence[Found], book: list[Remark]) -> list[Draft]:
    """The pools, in the order of the input."""
    pools = []
    for found in objects:
        about = About(found, book)
        if found.kind == _KIND:
            pools.append(_pool(found, about))
        else:
            about.say("", _OTHERS[found.kind])
    return pools


def _pool(found: Found, about: About) -> Draft:
    parts = tuple(fields.parts(list(_blocks(found.spec, about)), about, reader=SYSTEM))
    draft = Draft(
        SYSTEM,
        found.name,
        parts,
        about,
        exclude=tuple(end for part in parts for end in fields.ends(part)) if _without_ends(found, parts, about) else (),
        disabled=fields.flag(found.spec, "disabled", False, safe=True, about=about),
    )
    try:
        chosen = fields.selector(found.spec.get("serviceSelector"), "spec.serviceSelector")
    except Unreadable as bad:
        about.say(bad.where, f"{bad.sentence}; nobody knows whom the pool is for, so it is disabled")
        return replace(draft, disabled=True)
    return _selected(draft, chosen)


def _blocks(spec: Mapping[str, Value], about: About) -> list[tuple[str, Value]]:
    """The blocks as CIDRs and ranges; `cidrs` is what `blocks` was called up to Cilium 1.15."""
    found: list[tuple[str, Value]] = []
    for key in ("blocks", "cidrs"):
        try:
            listed = fields.items(spec.get(key), f"spec.{key}")
        except Unreadable as bad:
            about.say(bad.where, f"{bad.sentence}; it is not carried over")
            continue
        found += [(f"spec.{key}[{number}]", _block(block)) for number, block in enumerate(listed)]
    return found


def _block(block: Value) -> Value:
    if not isinstance(block, Mapping):
        return block
    cidr, start, stop = (block.get(key) for key in ("cidr", "start", "stop"))
    if cidr:
        return cidr
    return f"{start or ''}-{stop}" if stop else start


def _without_ends(found: Found, parts: Sequence[Part], about: About) -> bool:
    """Whether the first and last addresses of its CIDRs stay unused."""
    given = found.spec.get("allowFirstLastIPs")
    concerned = any(True for part in parts for _ in fields.ends(part))
    if str(given).lower() in ("no", "yes"):
        return str(given).lower() == "no"
    if given is not None:
        about.say("spec.allowFirstLastIPs", f"{plain(given)} is neither Yes nor No, and is taken for No")
        return True
    if not concerned or found.version != "v2alpha1":
        return False
    # Two addresses less do no harm; a network's or broadcast address handed out by mistake does.
    about.say(
        "spec.allowFirstLastIPs",
        "it is not set, which means No up to Cilium 1.15 and Yes from 1.16 on: the first and last address of each CIDR "
        "are written as exclude, which you can take out for 1.16 or newer",
    )
    return True


def _selected(draft: Draft, chosen: Chosen) -> Draft:
    """The pool for what its serviceSelector selects; disabled when a pool file cannot say that."""
    if any(one.key == _NAME for one in chosen):
        draft.about.say(
            "spec.serviceSelector",
            f"{fields.shown(chosen)}: a pool cannot be for Services by name, so it is disabled; give them a label, and "
            "select that",
        )
        return replace(draft, disabled=True)
    draft = replace(draft, service_selector=tuple(one for one in chosen if one.key != _NAMESPACE) or None)
    spaces = [one for one in chosen if one.key == _NAMESPACE]
    inside = [one for one in spaces if one.operator is Operator.IN]
    outside = {value for one in spaces if one.operator is Operator.NOT_IN for value in one.values}
    names = [value for value in (inside[0].values if inside else ()) if all(value in one.values for one in inside)]
    names = [value for value in names if value not in outside]
    if any(one.operator is Operator.DOES_NOT_EXIST for one in spaces) or (inside and not names):
        draft.about.say("spec.serviceSelector", f"{fields.shown(chosen)} fits no Service, so the pool is disabled")
        return replace(draft, disabled=True)
    if inside:
        return _in_namespaces(draft, names)
    if outside:
        return replace(
            draft, namespace_selector=(Requirement(NAMESPACE_NAME, Operator.NOT_IN, tuple(sorted(outside))),)
        )
    return draft


def _in_namespaces(draft: Draft, names: list[str]) -> Draft:
    try:
        return replace(draft, namespaces=fields.namespaces(names, "spec.serviceSelector"))
    except Unreadable as bad:
        draft.about.say("spec.serviceSelector", f"{bad.sentence}, so the pool is disabled")
        return replace(draft, disabled=True)
