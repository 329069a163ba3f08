"""Label selectors as Kubernetes has them: matchLabels and matchExpressions, and which labels they match.

The form is that of LabelSelector in meta/v1; what matches, and how a selector is written, is as the API server has it
(k8s.io/apimachinery, pkg/labels: Requirement). Pure values; whose labels they are asked of, the rooms above know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Operator(StrEnum):
    """What an expression asks of the label with its key, named as in matchExpressions."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"

    @property
    def takes_values(self) -> bool:
        """Whether an expression with it has values, at least one; the others have none."""
        return self in (Operator.IN, Operator.NOT_IN)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One item of matchExpressions; raises ValueError where the operator and the values do not go together."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.values) is not self.operator.takes_values:
            raise ValueError(f"{self.operator} takes {'values' if self.operator.takes_values else 'no values'}")

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it; NotIn is met by labels without the key too, as it is by the API server."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels

    def __str__(self) -> str:
        """As `kubectl get -l` takes it."""
        match self.operator:
            case Operator.IN:
                return f"{self.key} in ({','.join(self.values)})"
            case Operator.NOT_IN:
                return f"{self.key} notin ({','.join(self.values)})"
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector: all its labels and all its expressions must hold, so one without any matches everything."""

    match_labels: tuple[tuple[str, str], ...] = ()
    match_expressions: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, labels: Mapping[str, str], expressions: Iterable[Requirement] = ()) -> Selector:
        """The selector with these matchLabels and matchExpressions."""
        return cls(tuple(labels.items()), tuple(expressions))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether something with these labels is selected."""
        exact = all(labels.get(key) == value for key, value in self.match_labels)
        return exact and all(expression.matches(labels) for expression in self.match_expressions)

    def __bool__(self) -> bool:
        """Whether it asks for anything; without labels and expressions it matches everything."""
        return bool(self.match_labels or self.match_expressions)

    def __str__(self) -> str:
        """As `kubectl get -l` takes it, such as `app=web,tier in (a,b)`; empty when it matches everything."""
        return ",".join([*(f"{key}={value}" for key, value in self.match_labels), *map(str, self.match_expressions)])
