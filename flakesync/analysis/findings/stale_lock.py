"""`stale-lock`: flake.nix and flake.lock disagree on what the inputs are, so Nix refuses the lock as it is."""

from collections.abc import Iterator

from flakesync.analysis.rule import FlakeRule
from flakesync.documents.drift import Finding
from flakesync.survey.survey import Survey
from flakesync.workspace.snapshot import FlakeState, RepoState

_MOST_NAMED = 5


def find(survey: Survey, state: RepoState, flake: FlakeState) -> Iterator[Finding]:
    """Yield one finding for a flake, which names the inputs; none for what only sync will make of its flake.nix."""
    planned = {each.input for each in flake.edits}
    said = [each.detail for each in flake.stale if each.input not in planned or each.kind == "new"]
    if not said:
        return
    more = [f"and {len(said) - _MOST_NAMED} more"] if len(said) > _MOST_NAMED else []
    yield Finding(
        kind="stale-lock",
        repo=state.name,
        flake=flake.dir,
        input=None,
        locked_rev=None,
        wanted_rev=None,
        detail="; ".join([*said[:_MOST_NAMED], *more]),
    )


RULE = FlakeRule(kinds=("stale-lock",), severity="grave", find=find)
