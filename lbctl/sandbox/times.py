"""Times as the API writes them (RFC 3339, in UTC), and ages as kubectl shows them. Pure: `now` comes in."""

from __future__ import annotations

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


def microtime(text: str) -> str:
    """A time to the microsecond, as a MicroTime is kept."""
    return _parsed(text).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def age(text: str | None, now: float) -> str:
    """How long ago, in the one or two units that kubectl shows: 5s, 3m20s, 2d4h."""
    if not text:
        return "<unknown>"
    return lasting(now - _parsed(text).timestamp())
