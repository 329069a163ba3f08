"""The kube-vip cloud provider: the ConfigMap kubevip in kube-system.

A Service takes its addresses from `cidr-NAMESPACE`, else `cidr-global`, else `range-NAMESPACE`, else `range-global`,
and from that one alone, full or not; either key takes CIDRs and ranges. Services share addresses without a key of
theirs. An address that is asked for is not held against any of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lbctl.addresses import AddressSet, Family
from lbctl.imports import fields
from lbctl.imports.fields import NAMESPACE_NAME
from lbctl.imports.values import About, Draft, Found, Remark, Value, plain
from lbctl.selectors import Operator, Requirement

SYSTEM = "kube-vip"
CUSTOM: tuple[tuple[str, tuple[str, ...], str], ...] = ()
CONFIGMAPS = (("kube-system", "kubevip"),)
KINDS = ("ConfigMap kubevip",)

GLOBAL = "global"
DHCP = "0.0.0.0/32"  # the provider's word for it
_SKIP = "skip-end-ips-in-cidr"
_SAID = {
    "allow-share": "Services share an address only where their annotation lbctl/share says so; it is not carried over",
    "interface": "a pool file says nothing of interfaces; it is not carried over",
}


def takes(found: Found) -> bool:
    """Whether an object is the provider's ConfigMap, which may have been given another name."""
    if found.group or found.kind != "ConfigMap":
        return False
    keys = set(_data(found))
    return bool(keys & {f"cidr-{GLOBAL}", f"range-{GLOBAL}"}) or (
        found.name == "kubevip" and any(key.startswith(("cidr-", "range-")) for key in keys)
    )


def drafts(objects: Sequence[Found], book: list[Remark]) -> list[Draft]:
    """The pools: those of namespaces, each for its own, and the global one for all other namespaces."""
    return [pool for found in objects for pool in _pools(found, book)]


def _data(found: Found) -> Mapping[str, Value]:
    data = found.body.get("data")
    return data if isinstance(data, Mapping) else {}


def _pools(found: Found, book: list[Remark]) -> list[Draft]:
    data, used = _data(found), {}
    for key in data:
        kind, _, space = key.partition("-")
        if kind not in ("cidr", "range") or not space:
            _other(key, data[key], About(found, book))
        elif before := _before(kind, space, data):
            About(found, book).say(key, f"{before} goes before it, so it is never used; it is not carried over")
        else:
            used[space] = key
    own = [space for space in used if space != GLOBAL and fields.is_namespace(space)]
    pools = [_pool(space, key, data, About(found, book)) for space, key in used.items()]
    return [_for_the_rest(pool, own) if pool.name == GLOBAL else pool for pool in pools]


def _before(kind: str, space: str, data: Mapping[str, Value]) -> str:
    """The key that every Service which could come to this one is served from instead; empty when there is none."""
    if kind == "cidr":
        return ""
    return next((key for key in (f"cidr-{space}", f"cidr-{GLOBAL}") if key in data), "")


def _other(key: str, value: Value, about: About) -> None:
    kind = next((kind for kind in _SAID if key.startswith(f"{kind}-")), "")
    if kind == "allow-share" and str(value).lower() not in ("true", "t", "1"):
        return
    if kind:
        about.say(key, _SAID[kind])
    elif key == "search-order" and value == "desc":
        about.say(key, "lbctl hands out the lowest address first; it is not carried over")
    elif key not in ("search-order", _SKIP):
        about.say(plain(key), "lbctl does not know this key; it is not carried over")


def _pool(space: str, key: str, data: Mapping[str, Value], about: About) -> Draft:
    value = data[key]
    texts = value.split(",") if isinstance(value, str) else [value]
    written = [(key, text) for text in texts if text != DHCP and text != ""]
    if DHCP in texts:
        about.say(key, f"{DHCP} stands for DHCP, which lbctl does not do; it is not carried over")
    parts = tuple(fields.parts(written, about, reader=SYSTEM))
    cidrs = AddressSet.of(part.range for part in parts if "/" in part.text)
    ends = [end for span in cidrs.ranges(Family.IPV4) for end in fields.prefix_ends(*span)]
    skip = data.get(_SKIP) == "true"
    if ends and _SKIP not in data:
        about.say(
            key,
            f"the first and last address of an IPv4 CIDR are carried over, for {_SKIP} is not set; old versions of the "
            "provider left them out all the same",
        )
    draft = Draft(SYSTEM, space, parts, about, exclude=tuple(ends) if skip else ())
    if space == GLOBAL:
        return draft
    if fields.is_namespace(space):
        return replace(draft, namespaces=(space,))
    about.say(key, f"no namespace can be named {plain(space)!r}, so the pool is disabled")
    return replace(draft, disabled=True)


def _for_the_rest(pool: Draft, own: Sequence[str]) -> Draft:
    """The global pool, which a namespace with addresses of its own never gets an address of."""
    if not own:
        return pool
    names = ", ".join(map(plain, own))
    pool.about.say(
        f"*-{GLOBAL}", f"kube-vip gives no address of it to {names}, and so the pool selects the other namespaces alone"
    )
    return replace(pool, namespace_selector=(Requirement(NAMESPACE_NAME, Operator.NOT_IN, tuple(sorted(own))),))
