"""The API's timestamps (RFC 3339, in UTC), and how long ago as kubectl shows it. Pure: the time comes in."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as the API writes them."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(seconds: float) -> str:
    """The same, but for times that no calendar has: somebody may have written any number into a claim."""
    try:
        return timestamp(seconds)
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def ago(seconds: float | None, now: float) -> str:
    """How long ago a time was."""
    return f"{lasting(now - (seconds or 0))} ago"


def seconds_of(stamp: str) -> float:
    """Seconds since the epoch of a timestamp of the API; 0 when it is none."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return 0.0


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
