"""`unreachable`: a repo could not be read."""

from flakesync.analysis.rule import RepoRule
from flakesync.documents.drift import Finding
from flakesync.errors import FlakesyncError
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName
from flakesync.workspace.snapshot import RepoState, UnreadableRepo


def find(survey: Survey, state: RepoState) -> Finding | None:
    """Return the finding; None for a repo that was read."""
    return finding(state.name, state.error) if isinstance(state, UnreadableRepo) else None


def finding(repo: RepoName, error: FlakesyncError) -> Finding:
    """Return the finding for a repo that cannot be looked at, and why."""
    return Finding(
        kind="unreachable",
        repo=repo,
        flake=None,
        input=None,
        locked_rev=None,
        wanted_rev=None,
        detail=error.message,
    )


RULE = RepoRule(kinds=("unreachable",), severity="grave", find=find)
