"""Rows as each group makes them, and one row for what is the same of many repos."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from flakesync.documents.doctor import DoctorGroup, DoctorRow, How
from flakesync.errors import FlakesyncError
from flakesync.terms import RepoName

Rows = Iterator[DoctorRow]

DAY_S = 86_400
_SOON_S = 14 * DAY_S


class DoctorRows:
    """Makes the rows of one group."""

    def __init__(self, group: DoctorGroup) -> None:
        """group: as its rows have it."""
        self._group: DoctorGroup = group

    def ok(self, what: str, detail: str, *, hint: str | None = None, repos: Sequence[str] = ()) -> DoctorRow:
        """Return a row about what is as it should be."""
        return self._row(what, "ok", detail, hint, repos)

    def warning(self, what: str, detail: str, *, hint: str | None = None, repos: Sequence[str] = ()) -> DoctorRow:
        """Return a row about what stops no run, and should be looked at."""
        return self._row(what, "warning", detail, hint, repos)

    def fails(self, what: str, detail: str, *, hint: str | None = None, repos: Sequence[str] = ()) -> DoctorRow:
        """Return a row about what the next run, or these repos in it, will fail for."""
        return self._row(what, "fails", detail, hint, repos)

    def unseen(self, what: str, detail: str, *, hint: str | None = None, repos: Sequence[str] = ()) -> DoctorRow:
        """Return a row about what could not be looked at. detail: why."""
        return self._row(what, "not-looked-at", detail, hint, repos)

    def error(self, what: str, error: FlakesyncError, *, repos: Sequence[str] = ()) -> DoctorRow:
        """Return the row of an error that a run would meet too."""
        return self._row(what, "fails", error.message, error.hint, repos)

    def _row(self, what: str, how: How, detail: str, hint: str | None, repos: Sequence[str]) -> DoctorRow:
        return DoctorRow(group=self._group, what=what, how=how, detail=detail, hint=hint, repos=list(repos))


FOLDER = "FOLDER"
"""What stands for a repo's folder where the same is said of several."""


def together(found: Iterable[tuple[RepoName, DoctorRow]], folders: Mapping[RepoName, Path] | None = None) -> Rows:
    """Give one row for all repos of which the same was found; what fails comes first.

    folders: of the repos, whose names in a row make no difference.
    """
    names: dict[tuple[str, How, str, str | None], list[RepoName]] = {}
    rows: dict[tuple[str, How, str, str | None], DoctorRow] = {}
    for name, row in found:
        folder = str((folders or {}).get(name, FOLDER))
        hint = row.hint.replace(folder, FOLDER) if row.hint is not None else None
        key = (row.what, row.how, row.detail.replace(folder, FOLDER), hint)
        rows.setdefault(key, row)
        names.setdefault(key, []).append(name)
    order: tuple[How, ...] = ("fails", "warning", "not-looked-at", "ok")
    for key, row in sorted(rows.items(), key=lambda item: order.index(item[1].how)):
        of = names[key]
        shown = row if len(of) == 1 else replace(row, detail=key[2], hint=key[3])
        yield replace(shown, repos=[*of])


def expiry(make: DoctorRows, what: str, ends: float, now: float) -> DoctorRow:
    """Return the row about when a token ends. ends, now: seconds since the epoch."""
    day = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%d %H:%M UTC")
    hint = "make a new one, and put it where this one is"
    if ends <= now:
        return make.fails(what, f"has ended on {day}", hint=hint)
    if ends <= now + DAY_S:
        return make.fails(what, f"ends within a day: {day}", hint=hint)
    if ends <= now + _SOON_S:
        return make.warning(what, f"ends on {day}", hint=hint)
    return make.ok(what, f"until {day}")
