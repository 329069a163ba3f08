"""Pool and PoolFile: the local file that says which addresses may be handed out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import yaml

from lbctl.addresses import Address, AddressError, AddressSet
from lbctl.errors import PoolFileError

PASTE = "pools:\n- name: lan\n  addresses:\n  - 192.0.2.200-192.0.2.220"


@dataclass(frozen=True, slots=True)
class Pool:
    """A named set of addresses and the rules for handing them out."""

    name: str
    addresses: AddressSet
    exclude: AddressSet = field(default_factory=AddressSet)
    avoid_buggy_ips: bool = False
    auto_assign: bool = True
    priority: int | None = None
    reuse_after: timedelta = timedelta(seconds=60)
    keep_for: timedelta = timedelta(hours=24)

    @property
    def usable(self) -> AddressSet:
        """What may be handed out, but for avoidBuggyIPs."""
        return self.addresses - self.exclude

    def hands_out(self, address: Address) -> bool:
        """Whether avoidBuggyIPs lets the address go (IPv4 .0 and .255 upset old routers)."""
        return not (self.avoid_buggy_ips and address.version == 4 and int(address) & 255 in (0, 255))

    def offers(self, address: Address) -> bool:
        """Whether the pool may give this address to a Service."""
        return address in self.addresses and address not in self.exclude and self.hands_out(address)


@dataclass(frozen=True, slots=True)
class PoolFile:
    """One pool file as read; `digest` is a short hash of its bytes."""

    path: str
    load_balancer_class: str | None
    pools: tuple[Pool, ...]
    digest: str

    def pool(self, name: str) -> Pool | None:
        """The pool of that name."""
        return next((p for p in self.pools if p.name == name), None)

    def pool_of(self, address: Address) -> Pool | None:
        """The pool whose addresses hold this one, excluded or not."""
        return next((p for p in self.pools if address in p.addresses), None)

    def by_priority(self) -> tuple[Pool, ...]:
        """Lower first, unset last, ties in file order."""
        return tuple(sorted(self.pools, key=lambda p: (p.priority is None, p.priority or 0)))


def find_pools(flag: str | None, environ: Mapping[str, str], home: Path) -> str:
    """The pool file to use; raises PoolFileError naming the places looked in."""
    if named := flag or environ.get("LBCTL_POOLS"):
        return named
    config = environ.get("XDG_CONFIG_HOME") or str(home / ".config")
    places = ["./pools.yaml", f"{config}/lbctl/pools.yaml", "/etc/lbctl/pools.yaml"]
    for place in places:
        if Path(place).is_file():
            return place
    raise PoolFileError(f"no pool file: looked in {', '.join(places)}", hint=f"write ./pools.yaml:\n{PASTE}")


def load_pools(path: str) -> PoolFile:
    """Read a pool file; raises PoolFileError."""
    try:
        data = Path(path).read_bytes()
        tree = yaml.load(data, Loader=yaml.BaseLoader)  # noqa: S506 because BaseLoader reads text only
    except (OSError, yaml.YAMLError) as bad:
        raise PoolFileError(f"{path}: {bad}", hint=f"a pool file is at least:\n{PASTE}") from bad
    try:
        pools = tuple(_pool(item) for item in tree["pools"])
    except (KeyError, TypeError, ValueError) as bad:
        hint = bad.hint if isinstance(bad, AddressError) else f"a pool file is at least:\n{PASTE}"
        raise PoolFileError(f"{path}: {bad}", hint=hint) from bad
    digest = hashlib.sha256(data).hexdigest()[:8]
    return PoolFile(path, tree.get("loadBalancerClass"), pools, digest)


def _pool(item: Mapping[str, object]) -> Pool:
    priority = item.get("priority")
    return Pool(
        name=str(item["name"]),
        addresses=_set(item["addresses"]),
        exclude=_set(item.get("exclude", [])),
        avoid_buggy_ips=item.get("avoidBuggyIPs") == "true",
        auto_assign=item.get("autoAssign", "true") == "true",
        priority=None if priority is None else int(str(priority)),
    )


def _set(texts: object) -> AddressSet:
    if not isinstance(texts, list):
        raise TypeError("addresses is a list")
    found = AddressSet()
    for text in texts:
        found = found | AddressSet.parse(str(text))
    return found
