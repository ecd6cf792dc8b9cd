"""`ref`: a root input is of a pin's repository, at a ref that no pin has."""

from flakesync.analysis.rule import InputRule
from flakesync.documents.drift import Finding
from flakesync.survey.survey import Survey
from flakesync.terms import show_path
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> Finding | None:
    """Return the finding; None for what a pin governs, whose globs may take in other refs."""
    source = item.source
    if source is None or source[0] not in survey.pinned or source in survey.pin_sources:
        return None
    if item.path in survey.governed_in(state.name, flake.dir):
        return None
    return Finding(
        kind="ref",
        repo=state.name,
        flake=flake.dir,
        input=show_path(item.path),
        locked_rev=item.rev,
        wanted_rev=None,
        detail=f"{source[0]} at {source[1] or 'the default branch'}, which no pin has",
    )


RULE = InputRule(kinds=("ref",), find=find)
