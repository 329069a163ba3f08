"""What goes into an announcer's machine, and what comes out of it: values only.

In: what the API says of an address (Duty) and of a node (Peer). Out: actions; the edge carries them out in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lbctl.addresses import Address
from lbctl.l2.frames import Frame, Mac


class OnConflict(StrEnum):
    """What to do when a stranger claims an address that is announced here; the words of `onConflict`."""

    DEFEND = "defend"
    YIELD = "yield"


@dataclass(frozen=True, slots=True)
class Duty:
    """What the API says of one address, as seen from one node.

    `order` has the names of the nodes that may announce it (election.order), best first; this node's own among them if
    it may itself. It says nothing of who is alive: a node whose Lease ran out stays in it. `interfaces` are this node's
    on which to announce. `force` announces without asking whether a stranger has the address.
    """

    order: tuple[str, ...]
    interfaces: frozenset[str]
    on_conflict: OnConflict = OnConflict.DEFEND
    force: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node's announcer as its Lease shows it: its MACs, and since when the Lease has run out by this node's
    clock (seconds, as `now`); None while it is renewed."""

    macs: frozenset[Mac]
    lapsed: float | None = None


class Kind(StrEnum):
    """What a Report tells; the values are a metric's label."""

    ANNOUNCING = "announcing"  # this node answers from now on; `why` says how it came to it
    YIELDED = "yielded"  # another announcer answers, and this one stopped; `mac` and `peer` say which
    LEFT = "left"  # stopped: the API says that this node may no longer, or the link went down
    CONFLICT = "conflict"  # a stranger's MAC claims it; once a stranger, until it was quiet for five minutes
    REFUSED = "refused"  # a stranger's MAC has it, so it is not announced here; asked again every 30 s
    CUT_OFF = "cut off"  # no peer was heard for a second on this interface (no address)
    STALLED = "stalled"  # this process stood still, so it asks before it answers again (no address, no interface)


class Why(StrEnum):
    """How an announcer came to an address, or why it let go; the values are a metric's label."""

    UNCLAIMED = "unclaimed"  # asked, and nobody answered
    SILENCE = "silence"  # the owner fell silent
    HANDOVER = "handover"  # the API says that the owner may no longer
    UNREACHABLE = "unreachable"  # the owner's Lease ran out 60 s ago: it has lost the API
    DUPLICATE = "duplicate"  # two announced it, and heard each other
    FORCED = "forced"
    STRANGER = "stranger"
    DUTY = "duty"  # the API says so
    LINK = "link"
    STALL = "stall"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Send:
    """Put this frame on the wire."""

    interface: str
    frame: Frame
    gratuitous: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """From now on the responder answers for the address on this interface with this MAC."""

    interface: str
    address: Address
    mac: Mac


@dataclass(frozen=True, slots=True)
class Silence:
    """From now on the responder does not answer for the address on this interface."""

    interface: str
    address: Address


@dataclass(frozen=True, slots=True)
class Report:
    """Something for the log, an Event or a metric; the fields that do not apply are empty."""

    kind: Kind
    interface: str = ""
    address: Address | None = None
    why: Why | None = None
    mac: Mac | None = None
    peer: str = ""


Action = Send | Answer | Silence | Report
