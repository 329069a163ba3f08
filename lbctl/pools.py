"""Pool and PoolFile: the local file that says which addresses may be handed out.

Values for the rooms above, and the way from a path to them. How the file is written (its YAML, keys and rules) is known
to the rooms below, which are imported when a file is loaded: most commands and tests that need Pool read none.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from lbctl.addresses import Address, AddressSet, Family, family_of
from lbctl.errors import PoolFileError
from lbctl.problems import Place, Problem

REUSE_AFTER, KEEP_FOR = timedelta(seconds=60), timedelta(hours=24)  # where no pool of ours says otherwise
PASTE = "pools:\n- name: lan\n  addresses:\n  - 192.0.2.200-192.0.2.220"


class PoolFileMissing(PoolFileError):
    """None was named, and there is none in the usual places."""


class PoolFileInvalid(PoolFileError):
    """A pool file that was read and is wrong: the message tells every problem, in file order."""

    def __init__(self, path: str, lines: list[str], problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
        blocks = (problem.render(path, lines) for problem in self.problems)
        super().__init__("\n\n".join([f"{path} has {count}", *blocks]))


@dataclass(frozen=True, slots=True)
class Pool:
    """A named set of addresses and the rules for handing them out; `usable` is its addresses but the excluded ones."""

    name: str
    addresses: AddressSet
    exclude: AddressSet = field(default_factory=AddressSet)
    avoid_buggy_ips: bool = False
    auto_assign: bool = True
    priority: int | None = None
    reuse_after: timedelta = REUSE_AFTER
    keep_for: timedelta = KEEP_FOR
    usable: AddressSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "usable", self.addresses - self.exclude)

    def hands_out(self, address: Address) -> bool:
        """Whether avoidBuggyIPs lets the address go (IPv4 .0 and .255 upset old routers)."""
        return not (self.avoid_buggy_ips and address.version == 4 and int(address) & 255 in (0, 255))

    def offers(self, address: Address) -> bool:
        """Whether the pool may give this address to a Service."""
        return address in self.usable and self.hands_out(address)

    def count(self, family: Family) -> int:
        """How many addresses of one family the pool may give to Services."""
        size = self.usable.size(family)
        if self.avoid_buggy_ips and family is Family.IPV4:
            size -= sum(_buggy_below(high + 1) - _buggy_below(low) for low, high in self.usable.ranges(family))
        return size


def _buggy_below(number: int) -> int:
    """How many IPv4 addresses below this one end in .0 or .255."""
    return (number + 255) // 256 + number // 256


@dataclass(frozen=True, slots=True)
class PoolFile:
    """One pool file as read; `digest` is a short hash of its bytes. No two pools share a name or an address."""

    path: str
    load_balancer_class: str | None
    pools: tuple[Pool, ...]
    digest: str
    # Asked for every Service of a plan: all ranges of a family as (low, high, pool), sorted; the pools ordered.
    _ranges: Mapping[Family, Sequence[tuple[int, int, Pool]]] = field(init=False, repr=False, compare=False)
    _by_priority: tuple[Pool, ...] = field(init=False, repr=False, compare=False)
    _by_name: Mapping[str, Pool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ranges = {f: [(low, high, p) for p in self.pools for low, high in p.addresses.ranges(f)] for f in Family}
        for found in ranges.values():
            found.sort(key=lambda r: r[0])
        order = sorted(self.pools, key=lambda p: (p.priority is None, p.priority or 0))
        object.__setattr__(self, "_ranges", ranges)
        object.__setattr__(self, "_by_priority", tuple(order))
        object.__setattr__(self, "_by_name", {p.name: p for p in self.pools})

    def pool(self, name: str) -> Pool | None:
        """The pool of that name."""
        return self._by_name.get(name)

    def pool_of(self, address: Address) -> Pool | None:
        """The pool whose addresses hold this one, excluded or not."""
        ranges, number = self._ranges[family_of(address)], int(address)
        at = bisect_right(ranges, number, key=lambda r: r[0])
        return ranges[at - 1][2] if at and number <= ranges[at - 1][1] else None

    def by_priority(self) -> tuple[Pool, ...]:
        """Lower first, unset last, ties in file order."""
        return self._by_priority


def find_pools(flag: str | None, environ: Mapping[str, str], home: Path) -> str:
    """The pool file to use; raises PoolFileError naming the places looked in."""
    if named := flag or environ.get("LBCTL_POOLS"):
        return named
    config = environ.get("XDG_CONFIG_HOME") or str(home / ".config")
    places = ["./pools.yaml", f"{config}/lbctl/pools.yaml", "/etc/lbctl/pools.yaml"]
    for place in places:
        if Path(place).is_file():
            return place
    raise PoolFileMissing(f"no pool file: looked in {', '.join(places)}", hint=f"write ./pools.yaml:\n{PASTE}")


def load_pools(path: str) -> PoolFile:
    """Read a pool file; raises PoolFileError when it cannot be read, PoolFileInvalid with every error in it."""
    from lbctl import poolrules, poolschema, yamltext

    data = _bytes(path)
    document = yamltext.read(data)
    problems = list(document.problems)
    if document.root is None or document.root.value is None:
        raise PoolFileInvalid(path, document.lines, problems or [_empty(document.lines)])
    model, wrong = poolschema.check(document.root)
    sets, bad = poolrules.check(document.root)
    # What the YAML's own problem has already told of a place, no other rule tells again.
    told = {problem.place for problem in problems}
    problems += [problem for problem in wrong + bad if problem.place not in told]
    if problems or model is None:
        raise PoolFileInvalid(path, document.lines, problems)
    pools = tuple(
        Pool(
            name=pool.name,
            addresses=found.addresses,
            exclude=found.exclude,
            avoid_buggy_ips=pool.avoid_buggy_ips,
            auto_assign=pool.auto_assign,
            priority=pool.priority,
            reuse_after=pool.reuse_after,
            keep_for=pool.keep_for,
        )
        for pool, found in zip(model.pools, sets, strict=True)
    )
    return PoolFile(path, model.load_balancer_class, pools, hashlib.sha256(data).hexdigest()[:8])


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as bad:
        raise PoolFileError(
            f"{path}: there is no such file", hint=f"write it; a pool file is at least:\n{PASTE}"
        ) from bad
    except IsADirectoryError as bad:
        raise PoolFileError(f"{path} is a directory", hint=f"name the file in it, such as {path}/pools.yaml") from bad
    except PermissionError as bad:
        raise PoolFileError(f"{path} may not be read by this user", hint=f"ls -l {path} shows who may") from bad
    except OSError as bad:
        raise PoolFileError(f"{path} cannot be read: {bad.strerror}", hint="name another file with --pools") from bad


def _empty(lines: list[str]) -> Problem:
    written = [line for line in map(str.strip, lines) if line]
    comments = all(line.startswith("#") for line in written)
    words = "is empty" if not written else "holds only comments" if comments else "holds no value"
    return Problem(Place(1, 1), f"the file {words}", f"a pool file is at least:\n{PASTE}")
