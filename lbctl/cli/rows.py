"""What is said of one Service, from the Decision of the planner alone: whether it lacks something, why, what to do.

`list` shows it in a line, `explain` as its last lines, JSON as fields: the same words everywhere (promises 5 and 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lbctl.decisions import Action
from lbctl.reasons import Reason

if TYPE_CHECKING:
    from lbctl.decisions import Decision, Plan


@dataclass(frozen=True, slots=True)
class Row:
    """One Service and what there is to say of it; `pool` is that of the addresses it has."""

    decision: Decision
    pool: str

    @property
    def pending(self) -> bool:
        """Whether it is of type LoadBalancer and shows nothing: where kubectl prints <pending>."""
        return self.decision.service.pending

    @property
    def lacking(self) -> bool:
        """Whether it lacks what it asks for, whoever is to give it."""
        if self.decision.action in (Action.ASSIGN, Action.REFUSE, Action.WAIT):
            return True
        return self.pending and self.decision.reason is not Reason.Deleting

    @property
    def reason(self) -> Reason:
        """The reason; what a plan would assign is Pending until somebody does."""
        return Reason.Pending if self.decision.action is Action.ASSIGN else self.decision.reason

    @property
    def message(self) -> str:
        """Why, in words."""
        if self.decision.action is not Action.ASSIGN:
            return self.decision.sentence
        offers = [
            f"{address} of pool {pool}"
            for address, pool in self.decision.claims.items()
            if address not in self.decision.service.status
        ]
        if not offers:
            return "its claim is to be written anew"
        return f"{' and '.join(offers)} {'is' if len(offers) == 1 else 'are'} free for it"

    @property
    def hint(self) -> str:
        """What to do."""
        if self.reason is Reason.AddressOutsidePools and self.decision.action is Action.KEEP:
            return f"add the address to a pool, or move it: lbctl assign {self.decision.service.key} --reassign"
        return self.decision.hint_of(self.reason)


def rows_of(planned: Plan) -> list[Row]:
    """A Row for each Decision, by namespace and name."""
    from lbctl.cli.documents import pools_of

    decisions = sorted(planned.decisions, key=lambda d: d.service.key)
    return [Row(d, pools_of(d.service, planned.snapshot)) for d in decisions]
