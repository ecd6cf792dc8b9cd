"""Tips that somebody else has seen, as lines of a commit and a time: a mirror's reflog, another tool's log."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from flakesync.cooldown.model import DAY_S
from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import is_full_rev
from flakesync.terms import Rev
from flakesync.workspace.settings.cooldown import LONGEST_DAYS

MOST_BYTES = 32 << 20

_SELECTOR = re.compile(r"[^@\s]*@\{(.*)\}")
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+ ?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?", re.ASCII)


def read_tips(data: bytes, name: str, *, now: int) -> tuple[Mapping[Rev, int], int]:
    """Return when each commit was first seen, and how many lines were left out, as they are too old to be kept.

    data: a line each of a full rev and a time: seconds since the epoch, or ISO 8601 (UTC where it names no zone), or
    either in braces as git shows reflogs (`main@{1790000000}`). Empty lines and those that begin with `#` do not count.
    now: seconds since the epoch; what is later is taken for now. name: what errors call the data.

    Raises: FlakesyncError (`seen-import`, with the line).
    """
    tips: dict[Rev, int] = {}
    left = 0
    for rev, seen in _lines(data, name):
        if seen < now - LONGEST_DAYS * DAY_S:
            left += 1
        else:
            tips[rev] = min(seen, now, tips.get(rev, now))
    return tips, left


def _lines(data: bytes, name: str) -> Iterator[tuple[Rev, int]]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _refused(name, data.count(b"\n", 0, error.start) + 1, "is no text") from None
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        if not is_full_rev(words[0]):
            raise _refused(name, number, f"`{words[0][:70]}` is not a full rev")
        seen = _time(words[1].strip()) if len(words) == 2 else None
        if seen is None:
            said = f"`{words[1].strip()[:70]}` is no time" if len(words) == 2 else "there is no time"
            raise _refused(name, number, said)
        yield Rev(words[0]), seen


def _time(text: str) -> int | None:
    if found := _SELECTOR.fullmatch(text):
        text = found[1]
    if _SECONDS.fullmatch(text):
        return int(text)
    if not _ISO.fullmatch(text):
        return None
    try:
        # Git writes a blank before the zone.
        time = datetime.fromisoformat(re.sub(r" (?=[+-]|Z)", "", text))
    except ValueError:
        return None
    return int((time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp())


def _refused(name: str, line: int, message: str) -> FlakesyncError:
    hint = "each line is a full rev and a time: seconds since 1970, or as `2026-11-20T03:00:00Z`"
    return FlakesyncError("seen-import", f"{name}:{line}: {message}", hint=hint)
