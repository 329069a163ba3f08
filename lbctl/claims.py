"""Claim and Block: values only, and their form in the cluster.

A claim says who holds an address; a block is 64 neighbouring addresses in one ConfigMap, the unit of compare-and-swap
(DESIGN 5). Nothing here reads or writes a cluster. What a newer lbctl wrote is either kept (unknown fields) or freezes
its block (a higher ledger version, a line that does not parse): an address is never handed out on a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address
from typing import Any

import orjson

from lbctl.addresses import Address, AddressError, Family, family_of, from_int, parse_address
from lbctl.services import Key
from lbctl.sharing import Sharing

NAMESPACE = "lbctl-system"
SELECTOR = "app.kubernetes.io/managed-by=lbctl,lbctl/ledger"
LABELS = {"app.kubernetes.io/managed-by": "lbctl", "lbctl/ledger": "v1"}
BLOCK_SIZE = 64  # measured: 504 writes/s at 64 claims of 200 bytes, 308 at 256; etcd keeps every version whole
MOST_HOLDERS = 16
MOST_PARKS = 4  # remembered of those released before the last: a claim stays under 1 KiB


@dataclass(frozen=True, slots=True)
class Holder:
    """A Service that holds an address. `rv` is the resourceVersion its PATCH carries, `attempt` names the writer's
    try, `at` (seconds since the epoch, by the API server's clock) when this entry was written, `ask` a digest, `share`
    by what it may share the address (None: with nobody)."""

    key: Key
    uid: str
    rv: str
    attempt: str
    at: int
    ask: str
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    share: Sharing | None = None

    def to_json(self) -> dict[str, Any]:
        """The holder as it stands in the ledger."""
        named: dict[str, Any] = {
            "svc": str(self.key),
            "uid": self.uid,
            "rv": self.rv,
            "attempt": self.attempt,
            "at": self.at,
            "ask": self.ask,
        }
        if self.share is not None:
            named["share"] = self.share.to_json()
        return {**self.extra, **named}

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Holder:
        """Read one holder; KeyError, TypeError or ValueError when it is not one."""
        rest = dict(item)
        key = _key(rest.pop("svc"))
        uid, rv, attempt, ask = (_text(rest.pop(name)) for name in ("uid", "rv", "attempt", "ask"))
        at, share = int(rest.pop("at")), rest.pop("share", None)
        return cls(key, uid, rv, attempt, at, ask, rest, None if share is None else Sharing.from_json(share))


@dataclass(frozen=True, slots=True)
class Last:
    """Who held a released address last, and what they asked for: all that giving it back rests on."""

    key: Key
    uid: str
    ask: str

    def to_json(self) -> dict[str, Any]:
        """The last holder as it stands in the ledger."""
        return {"svc": str(self.key), "uid": self.uid, "ask": self.ask}

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Last:
        """Read one; KeyError, TypeError or ValueError when it is not one."""
        return cls(_key(item["svc"]), _text(item["uid"]), _text(item["ask"]))


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds one address, or held it last. Held: `holders` not empty. Released: `last` and `released` (seconds since
    the epoch); `parked` besides when a person released it, so that no loop gives it back unasked. `parks` are Services
    parked so before, whose address others have had since: they stay parked all the same."""

    address: Address
    holders: tuple[Holder, ...]
    pool: str
    since: int
    by: str
    last: Last | None = None
    released: int | None = None
    parked: bool = False
    parks: tuple[Last, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def all_parked(self) -> tuple[Last, ...]:
        """Every Service that a person released from this address, the last one last."""
        return (*self.parks, self.last) if self.parked and self.last is not None else self.parks

    @property
    def state(self) -> str:
        """held, parked or released: the words of `lbctl claims list`."""
        if self.holders:
            return "held"
        return "parked" if self.parked else "released"

    def holder(self, key: Key) -> Holder | None:
        """The holder of that name, if it is one."""
        return next((h for h in self.holders if h.key == key), None)

    def let_go(self, holder: Holder, *, now: int, by: str, parked: bool = False) -> Claim:
        """The claim without that holder; the last one's name stays behind (it gets the address back within keepFor)."""
        rest, last = tuple(h for h in self.holders if h.key != holder.key), Last(holder.key, holder.uid, holder.ask)
        if rest:
            parks = (*self.parks, last)[-MOST_PARKS:] if parked else self.parks
            return replace(self, holders=rest, by=by, parks=parks)
        return replace(self, holders=(), by=by, last=last, released=now, parked=parked)

    def unparked(self, key: Key, *, by: str) -> Claim:
        """The claim of which a Service of that name is no longer parked; one that it held last is released."""
        parked = self.parked and (self.last is None or self.last.key != key)
        return replace(self, parked=parked, parks=tuple(p for p in self.parks if p.key != key), by=by)

    def joined(self, holder: Holder) -> Claim:
        """The claim with that holder, in the place of one of the same name, else as the last to join."""
        known = any(h.key == holder.key for h in self.holders)
        written = tuple(holder if h.key == holder.key else h for h in self.holders)
        return replace(self, holders=written if known else (*written, holder))

    def to_json(self) -> dict[str, Any]:
        """The claim as it stands in the ledger."""
        item: dict[str, Any] = {**self.extra, "ip": str(self.address), "pool": self.pool, "since": self.since}
        item["by"] = self.by
        if self.holders:
            item["holders"] = [h.to_json() for h in self.holders]
        if self.last is not None:
            item["last"] = self.last.to_json()
        if self.released is not None:
            item["released"] = self.released
        if self.parked:
            item["parked"] = True
        if self.parks:
            item["parks"] = [last.to_json() for last in self.parks]
        return item

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Claim:
        """Read one claim; KeyError, TypeError or ValueError when it is not one."""
        rest = dict(item)
        last, released = rest.pop("last", None), rest.pop("released", None)
        holders = tuple(Holder.from_json(h) for h in rest.pop("holders", ()))
        if not holders and (last is None or released is None):
            raise ValueError("neither held nor released")
        return cls(
            address=parse_address(_text(rest.pop("ip"))),
            holders=holders,
            pool=_text(rest.pop("pool")),
            since=int(rest.pop("since")),
            by=_text(rest.pop("by")),
            last=None if last is None else Last.from_json(last),
            released=None if released is None else int(released),
            parked=bool(rest.pop("parked", False)),
            parks=tuple(Last.from_json(item) for item in rest.pop("parks", ())),
            extra=rest,
        )


def _key(value: object) -> Key:
    text = _text(value)
    if text.count("/") != 1:
        raise ValueError(f"not a Service's name: {text!r}")
    return Key.parse(text)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not text: {value!r}")
    return value


@dataclass(frozen=True, slots=True, order=True)
class BlockId:
    """The first address of a block: what names it."""

    family: Family
    first: int

    @classmethod
    def of(cls, address: Address) -> BlockId:
        """The block that an address is in."""
        return cls(family_of(address), int(address) // BLOCK_SIZE * BLOCK_SIZE)

    @property
    def name(self) -> str:
        """The ConfigMap's name: IPv4 as it is, IPv6 as its eight groups joined by `-`."""
        address = from_int(self.family, self.first)
        text = address.exploded.replace(":", "-") if isinstance(address, IPv6Address) else str(address)
        return f"lbctl-claims-{text}"

    @classmethod
    def from_name(cls, name: str) -> BlockId:
        """Read a ConfigMap's name; AddressError when it names no block."""
        text = name.removeprefix("lbctl-claims-")
        block = cls.of(parse_address(text if "." in text else text.replace("-", ":")))
        if block.name != name:
            raise AddressError(f"{name} is not the name of a block of claims")
        return block


@dataclass(frozen=True, slots=True)
class Block:
    """One ConfigMap of the ledger as one read showed it. `resource_version` is None for one not made yet; `unreadable`
    says why a frozen block is frozen; `raw` is the object it was read from, so that a write keeps what is not ours."""

    id: BlockId
    resource_version: str | None
    claims: Mapping[Address, Claim]
    unreadable: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def complaint(self) -> str:
        """Which ConfigMap is frozen and why, in words; empty when it is not."""
        return f"ConfigMap {self.id.name} cannot be read: {self.unreadable}" if self.unreadable else ""

    def with_claims(self, changed: Iterable[Claim], gone: Iterable[Address] = ()) -> Block:
        """The block with these claims written over and those taken out."""
        claims = dict(self.claims)
        for claim in changed:
            claims[claim.address] = claim
        for address in gone:
            claims.pop(address, None)
        return replace(self, claims=claims)

    def written(self, answer: Mapping[str, Any]) -> Block:
        """The block once a write of it was answered with this object: the same claims at a new resourceVersion.

        One that a dry run would have made has none.
        """
        return replace(self, resource_version=answer["metadata"].get("resourceVersion") or None, raw=answer)

    def to_object(self) -> dict[str, Any]:
        """The ConfigMap to create or replace."""
        raw = dict(self.raw)
        meta = dict(raw.get("metadata") or {}, name=self.id.name, namespace=NAMESPACE)
        meta["labels"] = {**(meta.get("labels") or {}), **LABELS}
        meta.pop("managedFields", None)
        if self.resource_version is not None:
            meta["resourceVersion"] = self.resource_version
        lines = [orjson.dumps(c.to_json()).decode() for _, c in sorted(self.claims.items())]
        data = {**(raw.get("data") or {}), "claims": "\n".join(lines)}
        return {**raw, "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def parse_block(item: Mapping[str, Any]) -> Block:
    """Read one ConfigMap of the ledger; what can't be read freezes the block instead of raising.

    Raises AddressError when the ConfigMap's name names no block (it is then none of the ledger's).
    """
    meta = item["metadata"]
    block = BlockId.from_name(meta["name"])
    version = (meta.get("labels") or {}).get("lbctl/ledger")
    claims: dict[Address, Claim] = {}
    unreadable = "" if version == "v1" else f"its ledger version is {version}; this lbctl reads v1"
    if version is None:
        unreadable = "its label lbctl/ledger is gone, which says how to read it"
    for number, line in enumerate(((item.get("data") or {}).get("claims") or "").splitlines(), 1):
        if unreadable:
            break
        try:
            claim = Claim.from_json(orjson.loads(line))
            if BlockId.of(claim.address) != block or claim.address in claims:
                raise ValueError(f"{claim.address} does not belong there")
            claims[claim.address] = claim
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as bad:
            unreadable = f"line {number} of its claims does not parse ({bad})"
    return Block(block, meta["resourceVersion"], {} if unreadable else claims, unreadable, item)
