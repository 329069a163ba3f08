"""Durations as Go and so Kubernetes write them: 60s, 1m30s, 24h."""

from __future__ import annotations

import re
from datetime import timedelta

# Go's time.ParseDuration, without a sign. Both signs for micro are meant: U+00B5 and U+03BC.
_TERM = re.compile("([0-9]{0,15})(?:[.]([0-9]{0,15}))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_LONGEST = 2**63 - 1  # nanoseconds: what Go's time.Duration holds, some 292 years


class DurationError(ValueError):
    """Text that is no duration; `kind` says why: form, negative or long."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def parse_duration(text: str) -> timedelta:
    """Read a duration as Go writes it, cut to microseconds; raises DurationError."""
    if text.startswith("-"):
        raise DurationError("negative")
    total, at = 0, 0
    while (term := _TERM.match(text, at)) and (term[1] or term[2]):
        unit, fraction = _NANOSECONDS[term[3]], term[2] or ""
        total += int(term[1] or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        at = term.end()
    if text != "0" and (at < len(text) or at == 0):
        raise DurationError("form")
    if total > _LONGEST:
        raise DurationError("long")
    return timedelta(microseconds=total // 1000)


def duration_text(duration: timedelta) -> str:
    """A duration as a pool file has it, in the largest units that do: 24h, 1h30m, 500ms."""
    rest, words = duration // timedelta(microseconds=1), ""
    for unit, size in (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)):
        if rest >= size:
            words += f"{rest // size}{unit}"
            rest %= size
    return words or "0s"
