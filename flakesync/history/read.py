"""The lines of a history, read back. Whoever can publish the file can write anything into it."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import get_args

import msgspec

from flakesync.documents.drift import FindingKind
from flakesync.documents.history import HistoryLine

LIMIT_BYTES = 32 << 20
"""More of a history is not read: that is a line every hour for eight years."""

_LONGEST_LINE = 1 << 20
_SCHEMA = b'"flakesync/history/1"'
_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_KINDS = frozenset(get_args(FindingKind))
_decoder = msgspec.json.Decoder(HistoryLine)


class History(msgspec.Struct, frozen=True):
    """What a file holds. lines: as they stand there.

    left_out: the places (from 1) of lines that are of something else, or of a version that is not known. torn: its
    last line was not written to its end.
    """

    lines: Sequence[HistoryLine] = ()
    left_out: Sequence[int] = ()
    torn: bool = False


def read_history(data: bytes) -> History:
    """Return the lines of a file; what is none is left out and counted, never an error."""
    *pieces, rest = data.split(b"\n")
    lines: list[HistoryLine] = []
    left_out: list[int] = []
    for place, piece in enumerate(pieces, start=1):
        line = _read_line(piece)
        if line is not None:
            lines.append(line)
        elif piece.strip():
            left_out.append(place)
    last = _read_line(rest) if rest.strip() else None  # an editor may have left out the last line feed
    return History([*lines, *([last] if last is not None else [])], left_out, torn=bool(rest.strip()) and last is None)


def notes_on(history: History, name: str) -> list[str]:
    """Return what a person should know of a file called `name`: at most one note, of what was left out."""
    words = []
    if history.left_out:
        count, first = len(history.left_out), history.left_out[0]
        more = f"line {first}" if count == 1 else f"{count} lines, the first is line {first}"
        words.append(f"{more}, not of a history that this flakesync knows")
    if history.torn:
        words.append("the last line, which was not written to its end")
    return [f"{name}: left out: {'; '.join(words)}"] if words else []


def one_a_day(lines: Iterable[HistoryLine]) -> list[HistoryLine]:
    """Return the last line of each day (UTC), oldest first."""
    by_day = {line.at[:10]: line for line in lines}
    return [by_day[day] for day in sorted(by_day)]


def _read_line(piece: bytes) -> HistoryLine | None:
    """Return a line; None: it is none, or of a version that is not known."""
    if len(piece) > _LONGEST_LINE or _SCHEMA not in piece:  # decoding alone would take its absence for the default
        return None
    try:
        line = _decode(piece)
        datetime.fromisoformat(line.at)  # a month has no 31st of February
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return line if _AT.fullmatch(line.at) else None


def _decode(piece: bytes) -> HistoryLine:
    """Return a line without the kinds of findings that a later flakesync may count. Raises: msgspec.DecodeError."""
    try:
        return _decoder.decode(piece)
    except msgspec.ValidationError:
        values = msgspec.json.decode(piece, type=dict[str, object])
        findings = values.get("findings")
        if not isinstance(findings, dict):
            raise
        return msgspec.convert({**values, "findings": {k: n for k, n in findings.items() if k in _KINDS}}, HistoryLine)
