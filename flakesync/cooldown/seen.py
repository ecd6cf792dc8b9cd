"""The seen record: when flakesync first saw a branch at a commit.

No server has to be asked for it, and nobody who pushes can forge it. It lies in the cache directory, or is committed:
one line an entry, each ending with a comma, between a first and a last line that never change. So what git's union
merge makes of two of them is the record of both, in whatever order the lines come.
"""

import re
import stat
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from flakesync.cache.layout import cache_dir, seen_file, seen_lock
from flakesync.cache.lock import exclusive
from flakesync.cooldown.model import DAY_S
from flakesync.errors import CacheError, FlakesyncError
from flakesync.files import replacing
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.nix.reference.source import ARCHIVES
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev
from flakesync.workspace.model import Workspace
from flakesync.workspace.settings.cooldown import LONGEST_DAYS

Branch = tuple[str, str | None]
"""A source (`source_name`) and its ref, None for the default branch."""

MOST_BYTES = 32 << 20
"""The largest record that is read: some 200,000 tips."""

_FIRST = '{"schema":"flakesync/seen-record/1","tips":['
_LAST = "null]}"
_PLACE = frozenset({"host", "owner", "repo", "url"})
_CLOCKS_DIFFER_S = 300
_CONFLICT = re.compile(rb"^(?:<<<<<<<|=======|>>>>>>>)", re.MULTILINE)
_Text = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+\Z", max_length=4096)]
_RevText = Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")]


class _Entry(msgspec.Struct, frozen=True):
    """One line of the file."""

    source: _Text
    ref: _Text | None
    rev: _RevText
    seen: Annotated[datetime, Meta(tz=True)]


class _File(msgspec.Struct, frozen=True):
    schema: Literal["flakesync/seen-record/1"]
    tips: list[_Entry | None]


_decoder = msgspec.json.Decoder(_File)
_entry_decoder = msgspec.json.Decoder(_Entry)


class SeenRecord(msgspec.Struct, frozen=True):
    """When branches were first seen at their commits. note: what a person should know of it."""

    tips: Mapping[Branch, Mapping[Rev, int]] = {}
    note: str | None = None

    def first_seen(self, source: str, ref: str | None) -> Mapping[Rev, int]:
        """Return when each tip of a branch was first seen, in seconds since the epoch.

        source: `source_name` of its reference. ref: None for the default branch.
        """
        return self.tips.get((source, _branch(ref)), {})

    def with_tip(self, source: str, ref: str | None, rev: Rev, now: int) -> "SeenRecord":
        """Return the record after a branch was seen at a commit."""
        return self.with_tips(source, ref, {rev: now})

    def with_tips(self, source: str, ref: str | None, times: Mapping[Rev, int]) -> "SeenRecord":
        """Return the record with tips of a branch; of two times for one tip the earlier counts."""
        branch = (source, _branch(ref))
        known = self.tips.get(branch, {})
        new = {rev: seen for rev, seen in times.items() if rev not in known or seen < known[rev]}
        return SeenRecord({**self.tips, branch: {**known, **new}}, self.note) if new else self

    def merged(self, other: "SeenRecord") -> "SeenRecord":
        """Return what both say."""
        found = self
        for (source, ref), times in other.tips.items():
            found = found.with_tips(source, ref, times)
        return found

    def until(self, now: int) -> "SeenRecord":
        """Return the record as it is kept: nothing seen after `now`, and what was seen long ago only if it is the last.

        The last tip of a branch stays however old it is: seen again tomorrow, it would be new.
        """
        oldest = now - LONGEST_DAYS * DAY_S
        tips = {}
        for branch, times in self.tips.items():
            last = max(times.values(), default=0)
            tips[branch] = {rev: min(seen, now) for rev, seen in times.items() if seen >= oldest or seen == last}
        return SeenRecord(tips, self.note)


def source_name(reference: FlakeRef) -> str:
    """Return what a source is called in the record: its URL without ref, rev and query; that of an archive whole."""
    if reference.type in ARCHIVES:
        return hide_secrets(str(reference.attrs.get("url")))
    place = {key: value for key, value in reference.attrs.items() if key in _PLACE}
    return str(FlakeRef(reference.type, place)).partition("?")[0]


def branch_of(reference: FlakeRef) -> Branch:
    """Return what the branch of a reference is called in the record."""
    return source_name(reference), _branch(reference.ref)


def seen_place(workspace: Workspace, cache: Path) -> Path:
    """Return the file of the record: that of the manifest, else one in the cache that all workspaces share."""
    return workspace.seen if workspace.seen is not None else seen_file(cache)


def read_seen(place: Path, *, now: int | None = None) -> SeenRecord:
    """Return the record; an empty one where there is none. now: seconds since the epoch, None: the clock's.

    A time in the future is taken for now: some clock was wrong, and the commit is no older than that.

    Raises: FlakesyncError (`seen-corrupt`, with file and line).
    """
    now = int(time.time()) if now is None else now
    record = _read(place)
    ahead = sum(seen > now + _CLOCKS_DIFFER_S for times in record.tips.values() for seen in times.values())
    note = f"{place}: {ahead} of its times are in the future, and taken for now" if ahead else None
    tips = {branch: {rev: min(seen, now) for rev, seen in times.items()} for branch, times in record.tips.items()}
    return SeenRecord(tips, note)


def keep_seen(place: Path, record: SeenRecord, *, now: int | None = None) -> str | None:
    """Write what the record has more than the file, merged with what lies there by now; nothing else is changed.

    Processes wait for each other. Where it cannot be written, the reason is returned, as a phrase: what was decided on
    the record holds all the same.

    Raises: FlakesyncError (`seen-corrupt`): what lies there is left as it is.
    """
    now = int(time.time()) if now is None else now
    place = place.resolve()
    if not _has_news(_read(place), record.until(now)):  # without a lock: nothing has to be writable
        return None
    cache = cache_dir()
    try:
        with exclusive(seen_lock(cache, place), wait=True):
            there = _read(place)
            place.parent.mkdir(parents=True, exist_ok=True)
            with replacing(place, encode_seen(there.merged(record).until(now)), _mode(place, cache)):
                pass
    except (OSError, CacheError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"{place} cannot be written: {reason}; what was seen today is forgotten"
    return None


def encode_seen(record: SeenRecord) -> bytes:
    """Return the file of a record; one record has one file."""
    entries = sorted(
        ((source, ref or "", seen, rev), ref)
        for (source, ref), times in record.tips.items()
        for rev, seen in times.items()
    )
    lines = [
        msgspec.json.encode(_Entry(source, ref, rev, datetime.fromtimestamp(seen, UTC))).decode() + ","
        for (source, _, seen, rev), ref in entries
    ]
    return "\n".join([_FIRST, *lines, _LAST, ""]).encode()


def _mode(place: Path, cache: Path) -> int:
    """Return the permissions that the file has, or gets: what is committed others read, too."""
    if place.exists():
        return stat.S_IMODE(place.stat().st_mode)
    return 0o600 if place.is_relative_to(cache.resolve()) else 0o644


def _has_news(there: SeenRecord, record: SeenRecord) -> bool:
    def unknown(branch: Branch, times: Mapping[Rev, int]) -> Iterable[bool]:
        known = there.tips.get(branch, {})
        return (rev not in known or seen < known[rev] for rev, seen in times.items())

    return any(any(unknown(branch, times)) for branch, times in record.tips.items())


def _branch(ref: str | None) -> str | None:
    return ref.removeprefix("refs/heads/") if ref is not None and ref != "HEAD" else None


def _read(place: Path) -> SeenRecord:
    """Return the record as it is written. Raises FlakesyncError (`seen-corrupt`)."""
    data = _content(place)
    if data is None:
        return SeenRecord()
    tips: dict[Branch, dict[Rev, int]] = {}
    try:
        for entry in _decoder.decode(data).tips:
            if entry is not None:
                times = tips.setdefault((entry.source, _branch(entry.ref)), {})
                rev, seen = Rev(entry.rev), max(0, int(entry.seen.timestamp()))
                times[rev] = min(seen, times.get(rev, seen))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise _corrupt(place, data, error) from None
    return SeenRecord(tips)


def _content(place: Path) -> bytes | None:
    try:
        status = place.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _refused(f"{place} is no file")
        if status.st_size > MOST_BYTES:
            raise _refused(f"{place} is larger than {MOST_BYTES >> 20} MB")
        with place.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _refused(f"{place} cannot be read: {error.strerror}") from None


def _corrupt(place: Path, data: bytes, error: Exception) -> FlakesyncError:
    conflict = _CONFLICT.search(data)
    if conflict is not None:
        line = data.count(b"\n", 0, conflict.start()) + 1
        hint = f"keep the lines of both sides; `{place.name} merge=union` in .gitattributes does so by itself"
        return _refused(f"{place}:{line}: git has left a conflict in it", hint)
    line, why = _wrong_line(data) or (_line_of(data, error), str(error))
    # msgspec's own words: `Expected …`, but `JSON is …`.
    return _refused(f"{place}:{line}: {why if why[1:2].isupper() else why[:1].lower() + why[1:]}")


def _wrong_line(data: bytes) -> tuple[int, str] | None:
    """Return the first line between the first and the last that is no entry, and why; None: each of them is one."""
    for number, line in enumerate(data.rstrip().splitlines()[1:-1], 2):
        text = line.strip()
        if not text:
            continue
        try:
            _entry_decoder.decode(text.removesuffix(b","))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return number, str(error)
    return None


def _line_of(data: bytes, error: Exception) -> int:
    """Return the line that an error of the whole file speaks of: the first where it names none."""
    found = re.search(r"\(byte ([0-9]+)\)", str(error))
    end = int(found[1]) if found else len(data.rstrip()) if "truncated" in str(error) else 0
    return data.count(b"\n", 0, end) + 1


def _refused(message: str, hint: str | None = None) -> FlakesyncError:
    usual = "mend the line or remove it; without the file every tip is as if seen today for the first time"
    return FlakesyncError("seen-corrupt", message, hint=hint or usual)
