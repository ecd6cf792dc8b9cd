"""The answer of `flakesync doctor`: one row for each thing that was looked at."""

from typing import Literal

import msgspec

How = Literal["ok", "warning", "fails", "not-looked-at"]
"""fails: the next run will, in whole or for the repos that are named. not-looked-at: `detail` says why."""

DoctorGroup = Literal["manifest", "programs", "nix", "git", "machine", "runs", "clones", "forges", "repos", "pins"]


class DoctorRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing and how it is.

    what: a few words that name it. detail: what was found, as a phrase. hint: what to do about it, null where nothing
    has to be done, or nothing is known. repos: those that it holds for, where it is not about all.
    """

    group: DoctorGroup
    what: str
    how: How
    detail: str
    hint: str | None = None
    repos: list[str] = []


class DoctorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `flakesync doctor`. manifest: its file; null where there is none. rows: in the order of groups."""

    schema: Literal["flakesync/doctor/1"] = "flakesync/doctor/1"
    manifest: str | None
    rows: list[DoctorRow]


DOCUMENT = DoctorDocument
