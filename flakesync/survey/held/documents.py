"""Holds as the document of `flakesync hold`."""

from collections.abc import Collection, Iterator
from datetime import date

from flakesync.documents.change.hold import HoldDocument, HoldsDocument
from flakesync.terms import RepoName
from flakesync.workspace.manifest import Repo, Workspace
from flakesync.workspace.settings.hold_edits import WrittenHolds
from flakesync.workspace.settings.holds import Hold


def holds_document(
    workspace: Workspace, repos: Collection[RepoName], done: WrittenHolds | None, today: date
) -> HoldsDocument:
    """Return what is held in some repos. done: what was done to the manifest; None: nothing was asked for."""
    holds = [
        document for repo in workspace.repos if repo.name in repos for document in _of_repo(workspace, repo, today)
    ]
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
