"""`stale-lock`: flake.nix and flake.lock disagree on what the inputs are, so Nix refuses the lock as it is."""

from collections.abc import Iterator

from flakesync.analysis.rule import FlakeRule
from flakesync.documents.drift import Finding
from flakesync.survey.survey import Survey
from flakesync.workspace.snapshot import FlakeState, RepoState

_MOST_NAMED = 5


def find(survey: Survey, state: RepoState, flake: FlakeState) -> Iterator[Finding]:
    """Yield one finding for a flake, which names the inputs."""
    if not flake.stale:
        return
    said = [each.detail for each in flake.stale]
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
