"""What a benchmark prints: a value, the floor it stands on, their ratio and the limit; and whether that is met."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value in `unit`. With a `floor` (same unit, same run) the limit is on their ratio, else on the
    value; without a limit it is only shown."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    limit: float | None = None
    aim: float | None = None

    @property
    def judged(self) -> float:
        """What the limit is held against."""
        return self.value if self.floor is None else self.value / self.floor

    @property
    def met(self) -> bool:
        """Whether the limit is kept."""
        return self.limit is None or self.judged <= self.limit

    def __str__(self) -> str:
        words = [f"{self.name}: {self.value:.3g} {self.unit}"]
        if self.floor is not None:
            words.append(f"floor {self.floor:.3g} {self.unit}, ratio {self.judged:.2f}")
        if self.limit is not None:
            words.append(f"limit {self.limit:g}" + (f" (aim {self.aim:g})" if self.aim else ""))
        return ", ".join(words) + ("" if self.met else "  MISSED")

    def to_json(self) -> dict[str, object]:
        """The figure for --json."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "floor": self.floor,
            "ratio": None if self.floor is None else self.judged,
            "limit": self.limit,
            "met": self.met,
        }


def report(figures: Iterable[Figure], *, as_json: bool) -> int:
    """Print the figures; 0 when every limit is met, else 1."""
    every = list(figures)
    passed = all(figure.met for figure in every)
    if as_json:
        print(json.dumps({"figures": [f.to_json() for f in every], "passed": passed}, indent=2))
    else:
        print(*every, "PASS" if passed else "MISSED", sep="\n")
    return 0 if passed else 1
