"""Leases of coordination.k8s.io/v1, by which processes agree on who leads: their shape and what is checked. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lbctl.sandbox.kinds import top
from lbctl.sandbox.refusals import Cause, Object, invalid
from lbctl.sandbox.rules import Rules
from lbctl.sandbox.schema import INT_KEPT, MICROTIME, TEXT_KEPT, Struct

LEASE = top(
    "Lease",
    spec=Struct(
        "LeaseSpec",
        {
            "holderIdentity": TEXT_KEPT,
            "leaseDurationSeconds": INT_KEPT,
            "acquireTime": MICROTIME,
            "renewTime": MICROTIME,
            "leaseTransitions": INT_KEPT,
            "strategy": TEXT_KEPT,
            "preferredHolder": TEXT_KEPT,
        },
    ),
)
COORDINATED = ("strategy", "preferredHolder")  # of coordinated leader election, which is off where nobody turns it on


class LeaseRules(Rules):
    """A Lease is what its holder writes; nobody but the clients looks at the time."""

    def create(self, new: Object) -> None:
        """What is off is dropped."""
        for name in COORDINATED:
            new["spec"].pop(name, None)

    def update(self, new: Object, _old: Object) -> None:
        """The same."""
        self.create(new)

    def wrong(self, new: Object, _old: Object | None) -> Iterable[Cause]:
        """A term of no length, fewer than no transitions."""
        seconds, transitions = new["spec"].get("leaseDurationSeconds"), new["spec"].get("leaseTransitions")
        if seconds is not None and seconds <= 0:
            yield invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
        if transitions is not None and transitions < 0:
            yield invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0")
