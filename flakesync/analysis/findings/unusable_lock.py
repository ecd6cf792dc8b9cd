"""`no-lock`, `bad-lock`: a flake has no flake.lock, or one that cannot be used."""

from collections.abc import Iterator

from flakesync.analysis.rule import FlakeRule
from flakesync.documents.drift import Finding
from flakesync.survey.survey import Survey
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(survey: Survey, state: RepoState, flake: FlakeState) -> Iterator[Finding]:
    """Yield what the snapshot has noted as the flake's problem."""
    if flake.problem is not None:
        yield Finding(
            kind=flake.problem.kind,
            repo=state.name,
            flake=flake.dir,
            input=None,
            locked_rev=None,
            wanted_rev=None,
            detail=flake.problem.detail,
        )


RULE = FlakeRule(kinds=("no-lock", "bad-lock"), severity="grave", find=find)
