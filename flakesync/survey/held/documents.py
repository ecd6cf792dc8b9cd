"""Holds as the document of `flakesync hold`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta

from flakesync.documents.change.hold import HoldDocument, HoldsDocument
from flakesync.survey.held.check_holds import HOLD_DAYS, CheckHold
from flakesync.terms import RepoName, show_path
from flakesync.workspace.manifest import Repo, Workspace
from flakesync.workspace.settings.hold_edits import WrittenHolds
from flakesync.workspace.settings.holds import Hold


def holds_document(
    workspace: Workspace,
    repos: Collection[RepoName],
    done: WrittenHolds | None,
    today: date,
    by_checks: Mapping[RepoName, Sequence[CheckHold]],
) -> HoldsDocument:
    """Return what is held in some repos. done: what was done to the manifest; None: nothing was asked for.

    by_checks: what sync holds, as the checks of its repo fail.
    """
    holds: list[HoldDocument] = []
    for repo in (repo for repo in workspace.repos if repo.name in repos):
        holds += _of_repo(workspace, repo, today)
        holds += (_by_checks(repo, each, today) for each in by_checks.get(repo.name, ()))
    if done is None:
        return HoldsDocument(holds=holds)
    changed = [_until(each, today) for each in done.holds]
    return HoldsDocument(written=done.written, changed=changed, holds=holds)


def _of_repo(workspace: Workspace, repo: Repo, today: date) -> Iterator[HoldDocument]:
    for hold in workspace.holds:
        if hold.repo == repo.name:
            yield _until(hold, today)
    for glob in repo.hold:
        yield HoldDocument(
            kind="for-ever", repo=repo.name, flake=None, input=glob, until=None, days_left=None, reason=None
        )


def _by_checks(repo: Repo, hold: CheckHold, today: date) -> HoldDocument:
    last = date.fromisoformat(hold.since) + timedelta(days=HOLD_DAYS - 1)
    return HoldDocument(
        kind="checks",
        repo=repo.name,
        flake=hold.flake,
        input=show_path(hold.input),
        until=last.isoformat(),
        days_left=(last - today).days,
        reason=hold.reason,
    )


def _until(hold: Hold, today: date) -> HoldDocument:
    return HoldDocument(
        kind="until",
        repo=hold.repo,
        flake=hold.flake,
        input=hold.input,
        until=hold.until.isoformat(),
        days_left=(hold.until - today).days,
        reason=hold.reason,
    )
