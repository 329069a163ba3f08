"""What planning takes in and gives out, as values: the Snapshot, the Decisions, the Plan.

A Decision carries everything that apply needs and everything that a person is told; planner.py makes it, apply.py
carries it out, the command line renders it. No rule stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lbctl.addresses import Address
from lbctl.allocator import Refusal
from lbctl.claims import Block, BlockId, Claim, Holder
from lbctl.reasons import Reason
from lbctl.services import Key, Service
from lbctl.verdicts import Verdict


class Action(StrEnum):
    """What a Decision does. The words are those of `--dry-run` and of JSON."""

    KEEP = "keep"  # nothing to do
    ASSIGN = "assign"  # claim, then publish, then drop what is left behind
    RELEASE = "release"  # clear, then park the claims
    ADOPT = "adopt"  # claim what the status shows, and leave the status alone
    WAIT = "wait"  # another run is at it
    REFUSE = "refuse"  # the Service keeps what it has, without what it asks for
    SKIP = "skip"  # not ours to act on


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster as one look saw it: the claims read first, then the Services (rules 1 and 3 rest on that order).

    `others` are addresses in use by Nodes and the API server, in words; `now` is the API server's time in seconds since
    the epoch; `attempt` names this look, `mine` the attempts of the same process, whose claims need not be waited for;
    `namespaces` are labels by a namespace's name, where they were asked for; `lan` are addresses that somebody on the
    LAN answers for, as far as it was asked, each with what is said to a Service that would be given it.
    """

    services: Mapping[Key, Service]
    blocks: Mapping[BlockId, Block]
    others: Mapping[Address, str]
    now: int
    attempt: str
    mine: frozenset[str] = frozenset()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lan: Mapping[Address, Refusal] = field(default_factory=dict)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every claim that could be read, IPv4 first, by address."""
        return tuple(claim for _, block in sorted(self.blocks.items()) for _, claim in sorted(block.claims.items()))

    def claim_of(self, service: Service, address: Address) -> Claim | None:
        """The claim by which this very Service (name and uid) holds the address, or None."""
        block = self.blocks.get(BlockId.of(address))
        claim = block.claims.get(address) if block else None
        holder = claim.holder(service.key) if claim else None
        return claim if holder is not None and holder.uid == service.uid else None


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one Service. `addresses` is what its status shows afterwards; `claims` (address -> pool) is
    written before, and with them those of `unparks` say that it is no longer parked there; `drops` are addresses whose
    claims go after: parked, and free for others `at_once`, on release. `trace` is what each pool said, where it was
    asked for."""

    service: Service
    action: Action
    reason: Reason
    message: str = ""
    addresses: tuple[Address, ...] = ()
    claims: Mapping[Address, str] = field(default_factory=dict)
    drops: tuple[Address, ...] = ()
    unparks: tuple[Address, ...] = ()
    at_once: bool = False
    trace: tuple[Verdict, ...] = ()

    @property
    def satisfied(self) -> bool:
        """Whether the Service has, or will have, what was asked for."""
        return self.action in (Action.KEEP, Action.ASSIGN, Action.RELEASE, Action.ADOPT)

    @property
    def writes(self) -> bool:
        """Whether there is anything to carry out."""
        return self.action in (Action.ASSIGN, Action.RELEASE, Action.ADOPT) or bool(self.drops)

    @property
    def sentence(self) -> str:
        """The particulars, or what the reason always means."""
        return self.message or self.reason.sentence

    @property
    def hint(self) -> str:
        """What to do about it, with the Service's name."""
        return self.hint_of(self.reason)

    def hint_of(self, reason: Reason) -> str:
        """What to do about a reason, with the Service's name."""
        return reason.hint.replace("NAMESPACE/NAME", str(self.service.key))


@dataclass(frozen=True, slots=True)
class Plan:
    """The Decisions in the order the Services were listed; holders whose Service is gone (`orphans`); released claims
    that nobody will get back (`expired`), which go with their block's next write, or in a write of their own when it
    `sweeps`; the `digest` of the pool file; who wrote claims with another pool file within the last hour
    (`other_files`: user, command and digest). It `tells` the Services in their conditions what is refused them, but
    for a plan about statuses that are not lbctl's."""

    snapshot: Snapshot = field(repr=False)
    decisions: tuple[Decision, ...]
    orphans: tuple[tuple[Claim, Holder], ...] = ()
    expired: frozenset[Address] = frozenset()
    digest: str = ""
    other_files: tuple[str, ...] = ()
    sweeps: bool = False
    tells: bool = True


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for by flag, for once, beside what a Service asks for itself."""

    addresses: tuple[Address, ...] = ()
    pool: str | None = None
