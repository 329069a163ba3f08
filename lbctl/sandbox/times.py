"""Times as the API writes them (RFC 3339, in UTC), and ages as kubectl shows them. Pure: `now` comes in."""

from __future__ import annotations

import time
from datetime import UTC, datetime

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


class TimeError(ValueError):
    """What is no time."""


def stamp(now: float) -> str:
    """Seconds since the epoch as the API writes them."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


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


def lasting(seconds: float) -> str:
    """A span as kubectl shows it: finer while it is young, two years and older in years."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    if whole < 2 * MINUTE:
        return f"{whole}s"
    for unit, fine, until, names in (
        (MINUTE, 10 * MINUTE, 3 * HOUR, "ms"),
        (HOUR, 8 * HOUR, 2 * DAY, "hm"),
        (DAY, 8 * DAY, 2 * YEAR, "dh"),
        (YEAR, 8 * YEAR, None, "yd"),
    ):
        if until is None or whole < until:
            return _two(whole, unit, fine, names)
    raise AssertionError("years have no end")


def _two(whole: int, unit: int, fine: int, names: str) -> str:
    """Whole units, and below `fine` the next smaller one too."""
    smaller = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY}[names[1]]
    rest = whole % unit // smaller
    first = f"{whole // unit}{names[0]}"
    return f"{first}{rest}{names[1]}" if whole < fine and rest else first
