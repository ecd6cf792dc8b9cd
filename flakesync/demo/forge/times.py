"""Times as all three forges write them."""

from datetime import UTC, datetime


def time(seconds: float) -> str:
    """Return a time as all three forges write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe(seconds: float | None) -> str | None:
    """Return a time, or None."""
    return time(seconds) if seconds is not None else None
