"""The conformance table: cases in YAML beside this module, made into what the planner takes in and gives out.

A case is written as a newcomer would tell it, `web: {ask: 192.0.2.5, shows: 192.0.2.1}`; here it becomes core/v1 JSON,
the text of a pool file, and claims (see compact). A name nobody knows is an error: no table is wrong in silence.

    name     what is promised, in one sentence
    row      the row of rows.yaml it belongs to, or several
    metallb  what MetalLB does there, where lbctl does something else; then also
    promise  which of the promises in rows.yaml says so
    pools    the pool file: its name among the `files` of the table, or its text; left out: the first; null: none at all
    services by [NAMESPACE/]NAME, see service()
    claims   by address, see claim()
    nodes    addresses in use by what is no Service: {ADDRESS: words}
    labels   of namespaces: {NAMESPACE: {KEY: VALUE}}
    frozen   an address in a block of claims that a newer lbctl wrote
    named    the Services a person names; `changed` those that serve looks at again; neither: all of them
    release  the Services a person releases; with `now`, for others at once
    wish     {ip: ADDRESS, pool: NAME}, what a person asks for by flag
    reassign what the pool file no longer allows is to move
    expect   for every Service that is decided, see Wanted
    lets_go  holders whose claims are let go, as ADDRESS of NAMESPACE/NAME; left out: none
    forgets  addresses whose released claims are forgotten; left out: none
    xfail    why the case does not hold yet
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lbctl.addresses import parse_address
from lbctl.claims import Block, BlockId
from lbctl.decisions import Action, Decision, Plan, Snapshot, Wish
from lbctl.planner import plan, plan_release
from lbctl.pools import PoolFile, load_pools
from lbctl.services import parse_service
from tests.unit.conformance.compact import NOW, Json, claim, frozen, key_of, keys_of, service, several

HERE = Path(__file__).parent
CASE = {"name", "row", "metallb", "promise", "pools", "services", "claims", "nodes", "labels", "frozen", "xfail"}
CASE |= {"named", "changed", "release", "now", "wish", "reassign", "expect", "lets_go", "forgets"}


class _Loader(yaml.SafeLoader):
    """Plain YAML, but that a key written twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {str(key) for key in keys if keys.count(key) > 1}
        assert not twice, f"written twice: {', '.join(twice)}{node.start_mark}"
        return super().construct_mapping(node, deep=deep)


def read(name: str) -> Any:
    """One of the YAML files of this directory."""
    return yaml.load((HERE / name).read_text(), Loader=_Loader)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table; `facts` as written, `files` the pool files of its table by name."""

    table: str
    facts: Mapping[str, Any]
    files: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its promise."""
        return str(self.facts["name"])

    @property
    def rows(self) -> list[str]:
        """The rows of rows.yaml that it shows."""
        return several(self.facts.get("row"))

    def pools(self, directory: Path) -> PoolFile:
        """The case's pool file, written and read as a user's would be."""
        text = self.facts.get("pools", next(iter(self.files), ""))
        if text is None:
            return PoolFile("", None, (), "")
        path = directory / "pools.yaml"
        path.write_text(self.files.get(text, text))
        return load_pools(str(path))

    def plan(self, pools: PoolFile) -> Plan:
        """What the planner makes of it."""
        look = self.snapshot(pools)
        if self.facts.get("release"):
            return plan_release(look, keys_of(self.facts["release"]), at_once=bool(self.facts.get("now")))
        wish = self.facts.get("wish")
        named, changed = self.facts.get("named"), self.facts.get("changed")
        return plan(
            look,
            pools,
            keys_of(named or changed) if named or changed else None,
            named=False if changed else None,
            wish=Wish(tuple(map(parse_address, several(wish.get("ip")))), wish.get("pool")) if wish else None,
            reassign=bool(self.facts.get("reassign")),
        )

    def snapshot(self, pools: PoolFile) -> Snapshot:
        """The cluster as the case tells it."""
        items = self.facts.get("services") or {}
        services = {s.key: s for s in (parse_service(service(name, facts or {})) for name, facts in items.items())}
        ledger: dict[BlockId, Block] = {}
        for text, facts in (self.facts.get("claims") or {}).items():
            made = claim(parse_address(text), facts, items, pools)
            at = BlockId.of(made.address)
            ledger[at] = ledger.get(at, Block(at, "1", {})).with_claims([made])
        for address in several(self.facts.get("frozen")):
            block = frozen(parse_address(address))
            ledger[block.id] = block
        others = {parse_address(a): words for a, words in (self.facts.get("nodes") or {}).items()}
        return Snapshot(services, ledger, others, NOW, "this", namespaces=self.facts.get("labels") or {})


def cases() -> Iterator[Case]:
    """Every case of every table."""
    for path in sorted(HERE.glob("*.yaml")):
        if path.name != "rows.yaml":
            table = read(path.name)
            assert set(table) <= {"about", "files", "cases"}, f"{path.name} has {set(table)}"
            for facts in table["cases"]:
                assert set(facts) <= CASE, f"{path.name}: {facts.get('name')!r} has {set(facts) - CASE}"
                yield Case(path.stem, facts, table.get("files") or {})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is expected for one Service, one of

    {assign: ADDRESSES, pool: NAMES, drops: ADDRESSES, reason: Assigned}   claimed from these pools, and shown
    {keep: ADDRESSES, reason: Assigned}                                    nothing to do
    {release: ADDRESSES}                                                   cleared, and their claims parked
    {refuse: REASON, says: WORDS, drops: ADDRESSES}, {skip: REASON}, {wait: REASON}: its status stays as it is

    each with `says`, words that stand in the sentence a person reads.
    """

    outcome: Json
    says: tuple[str, ...]

    @classmethod
    def of(cls, name: str, facts: Mapping[str, Any], items: Mapping[str, Any]) -> Wanted:
        """Read it."""
        assert set(facts) <= {*Action, "pool", "drops", "says", "reason"}, f"{name}: {facts}"
        (action,) = (one for one in Action if one in facts)
        value, shown = facts[action], several((items.get(name) or {}).get("shows"))
        ips = [entry.get("ip") if isinstance(entry, dict) else entry for entry in shown]
        outcome: Json = {"action": str(action), "addresses": [str(parse_address(ip)) for ip in ips if ip]}
        outcome["drops"] = sorted(several(facts.get("drops")))
        outcome["claims"] = {}
        if action in (Action.REFUSE, Action.SKIP, Action.WAIT):
            return cls({**outcome, "reason": value}, tuple(several(facts.get("says"))))
        if action is Action.RELEASE:
            outcome |= {"addresses": [], "drops": sorted(several(value)), "reason": facts.get("reason", "Released")}
            return cls(outcome, tuple(several(facts.get("says"))))
        outcome |= {"addresses": several(value), "reason": facts.get("reason", "Assigned")}
        if action is Action.ASSIGN:
            pools = several(facts["pool"])
            pools = pools * len(several(value)) if len(pools) == 1 else pools
            outcome["claims"] = dict(zip(several(value), pools, strict=True))
        return cls(outcome, tuple(several(facts.get("says"))))


def outcome(decision: Decision) -> Json:
    """A Decision in the form of a Wanted."""
    return {
        "action": str(decision.action),
        "reason": decision.reason.name,
        "addresses": [str(a) for a in decision.addresses],
        "claims": {str(a): pool for a, pool in decision.claims.items()},
        "drops": sorted(map(str, decision.drops)),
    }


def wanted(case: Case) -> dict[str, Wanted]:
    """What the case expects, by the Service's full name."""
    items = case.facts.get("services") or {}
    return {str(key_of(name)): Wanted.of(name, facts, items) for name, facts in (case.facts["expect"] or {}).items()}


def reasons(found: Iterable[Case]) -> set[str]:
    """Every reason that the cases expect."""
    return {w.outcome["reason"] for case in found for w in wanted(case).values()}
