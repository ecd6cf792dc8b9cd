"""GitHub: the statuses and check runs of a commit."""

from collections.abc import Mapping

import msgspec

from flakesync.forge.calls import ProjectCalls
from flakesync.forge.client import Query
from flakesync.forge.model import Check, Checks, Project
from flakesync.forge.refusals import Refused
from flakesync.terms import Rev

_PAGE = 100
_PAGES = 50
_GOOD = frozenset({"success", "neutral", "skipped"})
"""Conclusions that GitHub lets through where a check is required; a run that was cancelled, timed out, waits for
somebody's action, or is stale as it never ended, has not passed."""
_UNDECIDED = frozenset({"neutral", "skipped"})
_STATUSES: Mapping[str, Checks] = {"success": "passed", "pending": "pending"}


class _Status(msgspec.Struct, frozen=True):
    context: str
    state: str


class _Combined(msgspec.Struct, frozen=True):
    state: str = ""
    statuses: tuple[_Status, ...] = ()
    total_count: int = 0


class _Run(msgspec.Struct, frozen=True):
    status: str
    name: str = ""
    conclusion: str | None = None


class _Runs(msgspec.Struct, frozen=True):
    check_runs: tuple[_Run, ...] = ()


def read_checks(at: ProjectCalls, project: Project, rev: Rev) -> tuple[list[Check], bool]:
    """Return the checks of a commit, and whether these are all: a token may not be allowed to read some."""
    found: list[Check] = []
    complete = True
    for read in (read_statuses, read_runs):
        try:
            found += read(at, project, rev)
        except Refused as refusal:
            if refusal.status != 403:
                raise
            complete = False
    return found, complete


def read_statuses(at: ProjectCalls, project: Project, rev: Rev) -> list[Check]:
    """Return the newest status of each context. Raises ForgeError."""
    found: list[_Status] = []
    for number in range(1, _PAGES + 1):
        query: Query = {"per_page": _PAGE, "page": number}
        page = at.call(project, "GET", f"/commits/{rev}/status", _Combined, query=query)
        found += page.statuses
        if not found and page.total_count:
            return [Check("", _STATUSES.get(page.state, "failed"))]
        if len(found) >= page.total_count or not page.statuses:
            break
    return [Check(each.context, _STATUSES.get(each.state, "failed")) for each in found]


def read_runs(at: ProjectCalls, project: Project, rev: Rev) -> list[Check]:
    """Return the newest check run of each name. Raises ForgeError."""
    found: list[_Run] = []
    for number in range(1, _PAGES + 1):
        query: Query = {"filter": "latest", "per_page": _PAGE, "page": number}
        page = at.call(project, "GET", f"/commits/{rev}/check-runs", _Runs, query=query).check_runs
        found += page
        if len(page) < _PAGE:
            break
    return [Check(run.name, _of_run(run), run.conclusion not in _UNDECIDED) for run in found]


def _of_run(run: _Run) -> Checks:
    if run.status != "completed":
        return "pending"
    return "passed" if run.conclusion in _GOOD else "failed"
