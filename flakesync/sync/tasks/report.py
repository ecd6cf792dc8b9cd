"""What a process reports of a task that it has carried out, as JSON: the outcome, and what else the run has to know."""

from collections.abc import Sequence
from pathlib import Path
from traceback import format_exception

import msgspec

from flakesync.errors import BUGS, BugError, FlakesyncError, escaped
from flakesync.sync.job import decode_path, encode_path
from flakesync.sync.outcome import Failed, Unchanged, Updated


class TaskBug(msgspec.Struct, frozen=True):
    """What nobody foresaw, in another process. message: the error's. trace: its traceback, as text."""

    message: str
    trace: str


class TaskReport(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One task that was carried out in another process: one of the three results, and what else came of it.

    locker: who wrote the locks there, so far. up_to_date: digests of `UpToDateBranches`. bugs: that were met. notes:
    what a person should know, where the process has not told it itself.
    """

    updated: Updated | None = None
    unchanged: Unchanged | None = None
    failed: Failed | None = None
    locker: str = ""
    up_to_date: frozenset[bytes] = frozenset()
    bugs: tuple[TaskBug, ...] = ()
    notes: tuple[str, ...] = ()

    def outcome(self) -> Updated | Unchanged | Failed:
        """Return the result, with its errors as they were. Raises msgspec.ValidationError: there is none."""
        for each in (self.updated, self.unchanged, self.failed):
            if each is not None:
                return each
        raise msgspec.ValidationError("a report without a result")

    def encode(self) -> bytes:
        """Return it as JSON; bytes of names and outputs that are no UTF-8 are in it as people see them."""
        try:
            return msgspec.json.encode(self, enc_hook=_encode)
        except UnicodeEncodeError:
            return msgspec.json.encode(_plain(msgspec.to_builtins(self, enc_hook=_encode)))

    @classmethod
    def decode(cls, data: bytes) -> "TaskReport":
        """Return the report that `encode` has written. Raises msgspec.ValidationError."""
        return msgspec.json.decode(data, type=cls, dec_hook=_decode)


def report_of(
    outcome: Updated | Unchanged | Failed,
    *,
    locker: str = "",
    up_to_date: frozenset[bytes] = frozenset(),
    bugs: Sequence[BugError] = (),
    notes: Sequence[str] = (),
) -> TaskReport:
    """Return the report of a task with its result. locker, up_to_date, notes: as of TaskReport. bugs: met meanwhile."""
    told = tuple(TaskBug(bug.message, "".join(format_exception(bug.exception))) for bug in bugs)
    return TaskReport(
        updated=outcome if isinstance(outcome, Updated) else None,
        unchanged=outcome if isinstance(outcome, Unchanged) else None,
        failed=outcome if isinstance(outcome, Failed) else None,
        locker=locker,
        up_to_date=up_to_date,
        bugs=told,
        notes=tuple(notes),
    )


def note_bugs(report: TaskReport) -> None:
    """Let the exit status of this process say that there was a bug in another one."""
    for bug in report.bugs:
        error = BugError(_BugElsewhereError(bug.trace))
        error.message, error.args = bug.message, (bug.message,)
        BUGS.append(error)


class _BugElsewhereError(Exception):
    """An exception of another process: its traceback as text."""


def _encode(value: object) -> object:
    if isinstance(value, FlakesyncError):
        return {"code": value.code, "message": value.message, "hint": value.hint}
    return encode_path(value)


def _decode(kind: type, value: object) -> FlakesyncError | Path:
    if kind is FlakesyncError:
        told = msgspec.convert(value, _Error)
        return FlakesyncError(told.code, told.message, hint=told.hint)
    return decode_path(kind, value)


class _Error(msgspec.Struct, frozen=True):
    code: str
    message: str
    hint: str | None


def _plain(value: object) -> object:
    match value:
        case str():
            return escaped(value)
        case dict():
            return {_plain(key): _plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(each) for each in value]
        case _:
            return value
