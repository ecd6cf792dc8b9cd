"""`unreachable`: a repo could not be read."""

from flakesync.analysis.rule import RepoRule
from flakesync.documents.drift import Finding
from flakesync.survey.survey import Survey
from flakesync.workspace.snapshot import RepoState, UnreadableRepo


def find(survey: Survey, state: RepoState) -> Finding | None:
    """Return the finding; None for a repo that was read."""
    if not isinstance(state, UnreadableRepo):
        return None
    return Finding(
        kind="unreachable",
        repo=state.name,
        flake=None,
        input=None,
        locked_rev=None,
        wanted_rev=None,
        detail=state.error.message,
    )


RULE = RepoRule(kinds=("unreachable",), severity="grave", find=find)
