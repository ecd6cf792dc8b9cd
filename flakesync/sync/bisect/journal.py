"""The journal of a bisection: a line a result, on disk before the next probe begins, so that nothing runs twice."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from flakesync.cache.lock import cache_error, exclusive
from flakesync.sync.bisect.verdicts import ProbeResult


class JournalEntry(msgspec.Struct, frozen=True):
    """One result. units: the ids of the probe's. time: how often the same had been run before.

    at: the id of a unit that was at another commit of its repo than its move leads to, and that commit.
    """

    units: tuple[str, ...]
    time: int
    result: ProbeResult
    at: tuple[str, str] | None = None


class _Head(msgspec.Struct, frozen=True):
    bisection: str


class Journal:
    """The results so far, and where the next ones are written."""

    def __init__(self, handle: int, entries: Sequence[JournalEntry]) -> None:
        """handle: of the open file, whose end is where the next line goes."""
        self.entries = tuple(entries)
        self._handle = handle

    def append(self, entry: JournalEntry) -> None:
        """Write a result down; it is on the disk when this returns. Raises: OSError."""
        _write(self._handle, msgspec.json.encode(entry))

    def forget(self) -> None:
        """Let the next bisection begin anew. Raises: OSError."""
        os.ftruncate(self._handle, 0)


@contextmanager
def open_journal(place: Path, bisection: Sequence[object], *, fresh: bool = False) -> Iterator[Journal]:
    """Give the journal of a bisection, for this process alone; one of another bisection is begun anew.

    bisection: all that its verdicts depend on: base, locks, units, checks. fresh: whether it is begun anew in any case.

    Raises: GitError(`busy`): another process is at it; CacheError.
    """
    head = _Head(hashlib.sha256(msgspec.json.encode(bisection)).hexdigest())
    with exclusive(place.with_suffix(".lock"), wait=False):
        try:
            handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND, 0o600)
        except OSError as error:
            raise cache_error(place, error) from None
        try:
            yield _opened(place, handle, head, fresh=fresh)
        except OSError as error:
            raise cache_error(place, error) from None
        finally:
            os.close(handle)


def _opened(place: Path, handle: int, head: _Head, *, fresh: bool) -> Journal:
    # A run that was killed may have left half a line.
    whole, _, half = place.read_bytes().rpartition(b"\n")
    lines = whole.splitlines()
    if fresh or not lines or _decode(lines[0], _Head) != head:
        os.ftruncate(handle, 0)
        _write(handle, msgspec.json.encode(head))
        return Journal(handle, ())
    if half:
        os.ftruncate(handle, len(whole) + 1)
    found = (_decode(line, JournalEntry) for line in lines[1:])
    return Journal(handle, [entry for entry in found if isinstance(entry, JournalEntry)])


def _decode(line: bytes, kind: type[_Head] | type[JournalEntry]) -> _Head | JournalEntry | None:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.MsgspecError:
        return None


def _write(handle: int, line: bytes) -> None:
    os.write(handle, line + b"\n")
    os.fsync(handle)
