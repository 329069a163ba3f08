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
from typing import TYPE_CHECKING, NamedTuple

from lbctl.addresses import Address, AddressSet, Family, family_of, is_buggy, parse_address
from lbctl.errors import PoolFileError
from lbctl.problems import Place, Problem

if TYPE_CHECKING:  # read by no program, and each costs a start-up that has no use for it
    from lbctl import poolschema
    from lbctl.keys import Key
    from lbctl.poolrules import PoolSets
    from lbctl.poolschema import PoolFileModel, PoolModel, SelectorModel
    from lbctl.selectors import Selector
    from lbctl.yamltext import Node

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
    """A named set of addresses and the rules for handing them out; `usable` is its addresses but the excluded ones.

    `namespaces` and `namespace_selector` are alternatives, and `service_selector` holds beside them; None and an empty
    tuple ask for nothing, an empty selector for nothing either. `interfaces` and `node_selector` say where an address
    is announced, `on_conflict` (defend or yield) what becomes of that when another machine claims it.
    """

    name: str
    addresses: AddressSet
    exclude: AddressSet = field(default_factory=AddressSet)
    avoid_buggy_ips: bool = False
    auto_assign: bool = True
    priority: int | None = None
    reuse_after: timedelta = REUSE_AFTER
    keep_for: timedelta = KEEP_FOR
    namespaces: tuple[str, ...] = ()
    namespace_selector: Selector | None = None
    service_selector: Selector | None = None
    share_across_namespaces: bool = False
    disabled: bool = False
    interfaces: tuple[str, ...] = ()
    node_selector: Selector | None = None
    on_conflict: str = "defend"
    usable: AddressSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "usable", self.addresses - self.exclude)

    def hands_out(self, address: Address) -> bool:
        """Whether avoidBuggyIPs lets the address go (IPv4 .0 and .255 upset old routers)."""
        return not (self.avoid_buggy_ips and is_buggy(address))

    def offers(self, address: Address) -> bool:
        """Whether the pool may give this address to a Service."""
        return address in self.usable and self.hands_out(address)

    @property
    def restricted(self) -> bool:
        """Whether it says which Services it is for, be it that all match."""
        return bool(self.namespaces) or self.namespace_selector is not None or self.service_selector is not None

    def admits(self, namespace: str, namespace_labels: Mapping[str, str], service_labels: Mapping[str, str]) -> str:
        """Empty when a Service with these labels, in a namespace with those, is one the pool is for; else who it is
        for, in words that go after the pool's name, such as `is for namespaces with env=prod`."""
        wanted = [] if self._admits_namespace(namespace, namespace_labels) else [f"for {self._its_namespaces()}"]
        if self.service_selector is not None and not self.service_selector.matches(service_labels):
            wanted.append(f"for Services with {self.service_selector}")
        return f"is {', and '.join(wanted)}" if wanted else ""

    @property
    def whom(self) -> str:
        """Whom it is for, in words, such as `namespace prod and Services with app=web`."""
        wanted = [self._its_namespaces()] if self.namespaces or self.namespace_selector else []
        if self.service_selector:
            wanted.append(f"Services with {self.service_selector}")
        return " and ".join(wanted) or "every Service"

    def _admits_namespace(self, namespace: str, labels: Mapping[str, str]) -> bool:
        if namespace in self.namespaces:
            return True
        return not self.namespaces if self.namespace_selector is None else self.namespace_selector.matches(labels)

    def _its_namespaces(self) -> str:
        names = f"namespace{'' if len(self.namespaces) == 1 else 's'} {', '.join(self.namespaces)}"
        if self.namespace_selector is None:
            return names
        those = f"{names} and those" if self.namespaces else "namespaces"
        return f"{those} with {self.namespace_selector}"

    def count(self, family: Family) -> int:
        """How many addresses of one family the pool may give to Services."""
        size = self.usable.size(family)
        if self.avoid_buggy_ips and family is Family.IPV4:
            size -= sum(_buggy_below(high + 1) - _buggy_below(low) for low, high in self.usable.ranges(family))
        return size


def _buggy_below(number: int) -> int:
    """How many IPv4 addresses below this one end in .0 or .255."""
    return (number + 255) // 256 + number // 256


class Reservation(NamedTuple):
    """Addresses kept for one Service, at most one a family, all of pools that may hand them out."""

    key: Key
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class PoolFile:
    """One pool file as read; `digest` is a short hash of its bytes. No two pools share a name or an address, and no two
    reservations a Service or an address."""

    path: str
    load_balancer_class: str | None
    pools: tuple[Pool, ...]
    digest: str
    reservations: tuple[Reservation, ...] = ()
    # Asked for every Service of a plan: all ranges of a family as (low, high, pool), sorted; the pools ordered.
    _ranges: Mapping[Family, Sequence[tuple[int, int, Pool]]] = field(init=False, repr=False, compare=False)
    _by_priority: tuple[Pool, ...] = field(init=False, repr=False, compare=False)
    _in_turn: tuple[Pool, ...] = field(init=False, repr=False, compare=False)
    _by_name: Mapping[str, Pool] = field(init=False, repr=False, compare=False)
    _reserved: Mapping[Address, Key] = field(init=False, repr=False, compare=False)
    _reservations: Mapping[Key, tuple[Address, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ranges = {f: [(low, high, p) for p in self.pools for low, high in p.addresses.ranges(f)] for f in Family}
        for found in ranges.values():
            found.sort(key=lambda r: r[0])
        order = sorted(self.pools, key=lambda p: (p.priority is None, p.priority or 0))
        object.__setattr__(self, "_ranges", ranges)
        object.__setattr__(self, "_by_priority", tuple(order))
        object.__setattr__(self, "_in_turn", tuple(sorted(order, key=lambda p: not p.restricted)))
        object.__setattr__(self, "_by_name", {p.name: p for p in self.pools})
        object.__setattr__(self, "_reserved", {a: key for key, addresses in self.reservations for a in addresses})
        object.__setattr__(self, "_reservations", dict(self.reservations))

    @property
    def asks_for_namespaces(self) -> bool:
        """Whether a pool's rules need the labels of namespaces."""
        return any(pool.namespace_selector is not None for pool in self.pools)

    def pool(self, name: str) -> Pool | None:
        """The pool of that name."""
        return self._by_name.get(name)

    def pool_of(self, address: Address) -> Pool | None:
        """The pool whose addresses hold this one, excluded or not."""
        ranges, number = self._ranges[family_of(address)], int(address)
        at = bisect_right(ranges, number, key=lambda r: r[0])
        return ranges[at - 1][2] if at and number <= ranges[at - 1][1] else None

    def reserved_in(self, pool: Pool) -> list[Reservation]:
        """What of a pool is kept for whom, as the file orders it."""
        kept = (Reservation(key, tuple(a for a in every if a in pool.addresses)) for key, every in self.reservations)
        return [reservation for reservation in kept if reservation.addresses]

    def by_priority(self) -> tuple[Pool, ...]:
        """Lower first, unset last, ties in file order."""
        return self._by_priority

    def in_turn(self) -> tuple[Pool, ...]:
        """Pools that say whom they are for before those for everybody, each by priority."""
        return self._in_turn

    def reserved_for(self, address: Address) -> Key | None:
        """The Service that this address is kept for."""
        return self._reserved.get(address)

    def reservation(self, key: Key) -> tuple[Address, ...]:
        """The addresses kept for this Service, as the file orders them; empty when there are none."""
        return self._reservations.get(key, ())


def find_pools(flag: str | None, environ: Mapping[str, str], home: Path) -> str:
    """The pool file to use; raises PoolFileError naming the places looked in."""
    if named := flag or environ.get("LBCTL_POOLS"):
        return named
    config = environ.get("XDG_CONFIG_HOME") or str(home / ".config")
    places = ["./pools.yaml", f"{config}/lbctl/pools.yaml", "/etc/lbctl/pools.yaml"]
    looked = []
    for place in places:
        try:
            if Path(place).is_file():
                return place
            looked.append(place)
        except PermissionError:
            looked.append(f"{place} (this user may not look there)")
    raise PoolFileMissing(f"no pool file: looked in {', '.join(looked)}", hint=f"write ./pools.yaml:\n{PASTE}")


def load_pools(path: str) -> PoolFile:
    """Read a pool file; raises PoolFileError when it cannot be read, PoolFileInvalid with every error in it."""
    return parse_pools(path, read_pools(path))


def parse_pools(path: str, data: bytes) -> PoolFile:
    """Read what a pool file holds, `path` being how messages call it; raises PoolFileInvalid with every error in it."""
    from lbctl import poolrules, poolschema, yamltext

    document = yamltext.read(data)
    problems = list(document.problems)
    if document.root is None or document.root.value is None:
        raise PoolFileInvalid(path, document.lines, problems or [_empty(document.lines)])
    model, errors = poolschema.check(document.root)
    sets, broken = poolrules.check(document.root)
    wrong = [*broken, *(_in_words(document.root, errors) if errors else ())]
    # What the YAML's own problem has already told of a place, no other rule tells again.
    told = {problem.place for problem in problems}
    problems += [problem for problem in wrong if problem.place not in told]
    if problems or model is None:
        raise PoolFileInvalid(path, document.lines, problems)
    pools = tuple(_pool(pool, found) for pool, found in zip(model.pools, sets, strict=True))
    digest = hashlib.sha256(data).hexdigest()[:8]
    return PoolFile(path, model.load_balancer_class, pools, digest, _reservations(model))


def _in_words(root: Node, errors: list[tuple[poolschema.Path, str]]) -> list[Problem]:
    from lbctl import poolwords

    return poolwords.problems(root, errors)


def _pool(model: PoolModel, sets: PoolSets) -> Pool:
    return Pool(
        name=model.name,
        addresses=sets.addresses,
        exclude=sets.exclude,
        avoid_buggy_ips=model.avoid_buggy_ips,
        auto_assign=model.auto_assign,
        priority=model.priority,
        reuse_after=model.reuse_after,
        keep_for=model.keep_for,
        namespaces=tuple(model.namespaces or ()),
        namespace_selector=_selector(model.namespace_selector),
        service_selector=_selector(model.service_selector),
        share_across_namespaces=model.share_across_namespaces,
        disabled=model.disabled,
        interfaces=tuple(model.interfaces or ()),
        node_selector=_selector(model.node_selector),
        on_conflict=model.on_conflict,
    )


def _selector(model: SelectorModel | None) -> Selector | None:
    if model is None:
        return None
    from lbctl.selectors import Operator, Requirement, Selector

    expressions = (Requirement(e.key, Operator(e.operator), tuple(e.values)) for e in model.match_expressions)
    return Selector.of(model.match_labels, expressions)


def _reservations(model: PoolFileModel) -> tuple[Reservation, ...]:
    if not model.reservations:
        return ()
    from lbctl.keys import Key

    return tuple(Reservation(Key.parse(r.service), tuple(map(parse_address, r.addresses))) for r in model.reservations)


def read_pools(path: str) -> bytes:
    """The bytes of a pool file; raises PoolFileError when they cannot be read."""
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
