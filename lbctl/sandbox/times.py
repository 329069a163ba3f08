"""Times as the API writes them (RFC 3339, in UTC), and ages as kubectl shows them. Pure: `now` comes in."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from lbctl.ages import lasting


class TimeError(ValueError):
    """What is no time."""


def _parsed(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        layout = "2006-01-02T15:04:05Z07:00"
        raise TimeError(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"')
    return when.astimezone(UTC)


def second(text: str) -> str:
    """A time to the second, as a Time is kept."""
    return _parsed(text).strftime("%Y-%m-%dT%H:%M:%SZ")


MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"  # as Go writes how a MicroTime is written
MICRO_PIECES = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "2006"),
    (r"\.\d{6}", ".000000"),
    (r"Z|[+-]\d\d:\d\d", "Z07:00"),
)


def microtime(text: str) -> str:
    """A time to the microsecond, as a MicroTime is kept; all six digits must be there."""
    rest = text
    for pattern, piece in MICRO_PIECES:
        match = re.match(pattern, rest)
        if match is None:
            raise TimeError(f'parsing time "{text}" as "{MICRO_LAYOUT}": cannot parse "{rest}" as "{piece}"')
        rest = rest[match.end() :]
    if rest:
        raise TimeError(f'parsing time "{text}": extra text: "{rest}"')
    for at, name, most in ((5, "month", 12), (11, "hour", 23), (14, "minute", 59), (17, "second", 59)):
        if int(text[at : at + 2]) > most:
            raise TimeError(f'parsing time "{text}": {name} out of range')
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError as bad:
        raise TimeError(f'parsing time "{text}": day out of range') from bad


def age(text: str | None, now: float) -> str:
    """How long ago, in the one or two units that kubectl shows: 5s, 3m20s, 2d4h."""
    if not text:
        return "<unknown>"
    return lasting(now - _parsed(text).timestamp())
