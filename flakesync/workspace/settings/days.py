"""Days of the manifest, in UTC."""

import re
import time
from contextlib import suppress
from datetime import UTC, date, datetime

from flakesync.workspace import values
from flakesync.workspace.values import bad

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def day(value: object) -> date:
    """Return a day, written as TOML's own date or as text, `YYYY-MM-DD` both times."""
    hint = "write a day: `2027-03-01`"
    if isinstance(value, datetime):
        raise bad("is a time, and must be a day", hint)
    if isinstance(value, date):
        return value
    word = values.text(value)
    # Python reads more than one way of writing a day, `20270301` and `2027-W09-1` too; versions differ in which.
    if _DAY.fullmatch(word):
        with suppress(ValueError):
            return date.fromisoformat(word)
    raise bad(f"`{word}` is not a day", hint)


def today() -> date:
    """Return the day that it is."""
    return datetime.fromtimestamp(time.time(), UTC).date()
