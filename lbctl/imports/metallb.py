"""MetalLB: IPAddressPool, the older AddressPool and ConfigMap; what the advertisements say is remarked.

MetalLB (v0.9 to v0.16) masks the host bits of a CIDR in silence, takes priority 0 as none, and takes the namespaces and
namespaceSelectors of a pool as alternatives. A pool with a serviceAllocation that selects nothing is given to nobody
unasked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lbctl.imports import fields
from lbctl.imports.fields import NAMESPACE_NAME, Unreadable
from lbctl.imports.values import About, Chosen, Draft, Found, Remark, Value, plain, words
from lbctl.selectors import Operator

SYSTEM = "MetalLB"
GROUP = "metallb.io"
CUSTOM = (
    (GROUP, ("v1beta1",), "ipaddresspools"),
    (GROUP, ("v1beta1",), "addresspools"),
    (GROUP, ("v1beta1",), "l2advertisements"),
    (GROUP, ("v1beta1",), "bgpadvertisements"),
)
CONFIGMAPS = (("metallb-system", "config"),)
KINDS = ("IPAddressPool", "AddressPool", "ConfigMap config")

_OTHERS = {
    "BGPPeer": "lbctl does not speak BGP; it is not carried over",
    "BFDProfile": "lbctl does not speak BFD; it is not carried over",
    "Community": "lbctl does not speak BGP; it is not carried over",
}
# What of an L2Advertisement says where an address is announced, which a pool file cannot.
_WHERE = ("interfaces", "nodeSelectors", "preferredNodeSelectors", "serviceSelectors")
_OLD_KEYS = {"auto-assign": "autoAssign", "avoid-buggy-ips": "avoidBuggyIPs"}


def takes(found: Found) -> bool:
    """Whether an object is MetalLB's."""
    if found.group == GROUP:
        return True
    return not found.group and found.kind == "ConfigMap" and "address-pools" in _old(found)


def drafts(objects: Sequence[Found], book: list[Remark]) -> list[Draft]:
    """The pools, in the order of the input."""
    pools: list[Draft] = []
    for found in objects:
        about = About(found, book)
        if found.kind in ("IPAddressPool", "AddressPool"):
            pools.append(_pool(found.name, found.spec, "spec", about))
        elif found.kind == "ConfigMap":
            pools += _from_configmap(found, book)
        elif found.kind in _OTHERS:
            about.say("", _OTHERS[found.kind])
    advertisements = [found for found in objects if found.kind in ("L2Advertisement", "BGPAdvertisement")]
    for found in advertisements:
        _advertisement(found, About(found, book))
    if advertisements:
        _unannounced(pools, advertisements)
    return pools


def _pool(name: str, spec: Mapping[str, Value], path: str, about: About) -> Draft:
    written: Sequence[tuple[str, Value]] = ()
    try:
        listed = fields.items(spec.get("addresses"), f"{path}.addresses")
        written = [(f"{path}.addresses[{number}]", value) for number, value in enumerate(listed)]
    except Unreadable as bad:
        about.say(bad.where, f"{bad.sentence}; it is not carried over")
    if spec.get("protocol") == "bgp":
        about.say(f"{path}.protocol", "lbctl does not speak BGP; the addresses alone are carried over")
    draft = Draft(
        SYSTEM,
        name,
        tuple(fields.parts(written, about, reader=SYSTEM)),
        about,
        avoid_buggy_ips=fields.flag(spec, "avoidBuggyIPs", False, safe=True, about=about, path=path),
        auto_assign=fields.flag(spec, "autoAssign", True, safe=False, about=about, path=path),
    )
    allocation = spec.get("serviceAllocation")
    return draft if allocation is None else _allocated(draft, allocation)


def _allocated(draft: Draft, allocation: Value) -> Draft:
    """The pool with its serviceAllocation; disabled when a pool file cannot say whom it is for."""
    about, path = draft.about, "spec.serviceAllocation"
    try:
        whole = fields.mapping(allocation, path)
        names = fields.namespaces(whole.get("namespaces"), f"{path}.namespaces")
        spaces = _selectors(whole, "namespaceSelectors")
        services = _selectors(whole, "serviceSelectors")
    except Unreadable as bad:
        about.say(bad.where, f"{bad.sentence}; nobody knows whom the pool is for, so it is disabled")
        return replace(draft, disabled=True)
    draft = replace(draft, priority=_priority(whole.get("priority"), about))
    if not (names or spaces or services):
        about.say(
            path,
            "it selects neither namespaces nor Services, and then MetalLB gives no address of it unasked: written as "
            "autoAssign: false",
        )
        return replace(draft, auto_assign=False)
    by_name = [one for one in spaces if _names(one)]
    names = tuple(dict.fromkeys([*names, *(value for one in by_name for value in one[0].values)]))
    try:
        space = _one([one for one in spaces if one not in by_name], "namespaceSelectors")
        service = _one(services, "serviceSelectors")
    except Unreadable as bad:
        about.say(bad.where, bad.sentence)
        return replace(draft, disabled=True)
    return replace(draft, namespaces=names, namespace_selector=space, service_selector=service)


def _names(chosen: Chosen) -> bool:
    """Whether a selector only lists namespaces by name, as `namespaces` does."""
    return len(chosen) == 1 and chosen[0].key == NAMESPACE_NAME and chosen[0].operator is Operator.IN


def _selectors(allocation: Mapping[str, Value], key: str) -> list[Chosen]:
    path = f"spec.serviceAllocation.{key}"
    listed = fields.items(allocation.get(key), path)
    return [fields.selector(value, f"{path}[{number}]") for number, value in enumerate(listed)]


def _one(alternatives: Sequence[Chosen], key: str) -> Chosen | None:
    """The one selector for them all, None for none of them; raises Unreadable when no one selector says it."""
    one = fields.either(alternatives) if alternatives else None
    if alternatives and one is None:
        listed = " or ".join(map(fields.shown, alternatives))
        raise Unreadable(
            f"spec.serviceAllocation.{key}",
            f"a pool has one selector, and this is {listed}: the pool is disabled until you choose one of them, or "
            "give each a pool with addresses of its own",
        )
    return one


def _priority(value: Value, about: About) -> int | None:
    """The priority, lower first in both; MetalLB's 0 is none, and goes last."""
    try:
        number = int(str(value if value is not None else 0))
    except ValueError:
        about.say("spec.serviceAllocation.priority", f"{plain(value)} is no whole number; it is not carried over")
        return None
    return number or None


def _from_configmap(found: Found, book: list[Remark]) -> list[Draft]:
    """The pools of the ConfigMap that MetalLB read before v0.13."""
    old, pools = _old(found), []
    for key in sorted(set(old) - {"address-pools"}):
        About(found, book).say(f"data.config.{plain(key)}", "lbctl does not speak BGP; it is not carried over")
    listed = old["address-pools"]
    for number, value in enumerate(listed if isinstance(listed, list) else ()):
        about, path = About(found, book), f"data.config.address-pools[{number}]"
        if not isinstance(value, Mapping):
            about.say(path, "this is no mapping, and is not carried over")
            continue
        spec = {_OLD_KEYS.get(str(key), str(key)): part for key, part in value.items()}
        pools.append(_pool(plain(spec.get("name") or ""), spec, path, about))
    return pools


def _old(found: Found) -> Mapping[str, Any]:
    from lbctl.imports.reader import one_mapping

    data = found.body.get("data")
    text = data.get("config") if isinstance(data, Mapping) else None
    return one_mapping(text) if isinstance(text, str) else {}


def _advertisement(found: Found, about: About) -> None:
    if found.kind == "BGPAdvertisement":
        about.say("", "lbctl does not speak BGP; it is not carried over")
        return
    for key in _WHERE:
        if value := found.spec.get(key):
            about.say(f"spec.{key}", f"{_described(value)}: a pool file says nothing of this; it is not carried over")


def _described(value: Value) -> str:
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        try:
            return " or ".join(fields.shown(fields.selector(_inner(item), "")) for item in value)
        except Unreadable:
            return f"{len(value)} selectors"
    return words(value)


def _inner(item: Value) -> Value:
    """The selector of a weighted one (preferredNodeSelectors)."""
    return item.get("preference", item) if isinstance(item, Mapping) and "weight" in item else item


def _unannounced(pools: Iterable[Draft], advertisements: Sequence[Found]) -> None:
    """Say of each pool that nothing, or BGP alone, announces; only where the input has advertisements at all."""
    for pool in pools:
        kinds = {found.kind for found in advertisements if _covers(found, pool)}
        if "L2Advertisement" not in kinds and pool.about.found.kind == "IPAddressPool":
            how = "BGP alone announces it" if kinds else "no advertisement here announces it"
            pool.about.say("", how)


def _covers(found: Found, pool: Draft) -> bool:
    names, selectors = found.spec.get("ipAddressPools"), found.spec.get("ipAddressPoolSelectors")
    if not names and not selectors:
        return True
    if isinstance(names, list) and pool.name in names:
        return True
    labels = pool.about.found.meta.get("labels")
    for selector in selectors if isinstance(selectors, list) else ():
        try:
            chosen = fields.selector(selector, "")
        except Unreadable:
            continue
        if all(one.matches(labels if isinstance(labels, Mapping) else {}) for one in chosen):
            return True
    return False
