"""`external`: an input that is no repo's and no pin's is not where `external` in the manifest moves it."""

from flakesync.analysis.rule import DAY_S, InputRule
from flakesync.documents.drift import Finding
from flakesync.survey.pins import Target, is_ahead, is_at, last_modified
from flakesync.survey.survey import Survey
from flakesync.terms import show_path
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> Finding | None:
    """Return the finding; None under `external = "hold"`, and for what flake.nix fixes."""
    target = survey.external.get(item.source) if item.source is not None else None
    if target is None or item.fixed or is_at(item.locked, target) or is_ahead(item.locked, target):
        return None
    if _is_anothers(survey, state, flake, item):
        return None
    newest = survey.snapshot.workspace.external == "newest-locked"
    date = last_modified(item.locked)
    days = (target.last_modified - date) // DAY_S if date is not None and target.last_modified is not None else 0
    return Finding(
        kind="external",
        repo=state.name,
        flake=flake.dir,
        input=show_path(item.path),
        locked_rev=item.rev,
        wanted_rev=target.rev,
        detail=("another lock has a newer commit" if newest else _not_at(target))
        + (f", {days} days behind" if days > 0 else ""),
    )


def _not_at(target: Target) -> str:
    return "not at the newest commit" if target.choice is None else "not at the newest commit that is proven"


def _is_anothers(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> bool:
    """Return whether a pin or a repo of the workspace says where an input should be."""
    if item.path in survey.governed_in(state.name, flake.dir):
        return True
    return any(edge.input == item.path for edge in survey.edges_into(state.name, flake.dir))


RULE = InputRule(
    kinds=("external",), among=lambda survey, flake: flake.inputs_of(survey.external_repositories), find=find
)
