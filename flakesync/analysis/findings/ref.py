"""`ref`: a root input is of a pin's repository, at a ref that no pin has, or that a pin has left."""

from collections.abc import Iterable

from flakesync.analysis.rule import InputRule
from flakesync.documents.drift import Finding
from flakesync.survey.survey import Survey
from flakesync.terms import PinName, show_path
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> Finding | None:
    """Return the finding; None for what a pin governs, whose globs may take in other refs."""
    left = _left_behind(flake, item)
    if left is not None:
        pin, detail = left
        target = survey.targets.get(pin)
        return Finding(
            kind="ref",
            repo=state.name,
            flake=flake.dir,
            input=show_path(item.path),
            locked_rev=item.rev,
            wanted_rev=target.rev if target is not None else None,
            detail=detail,
        )
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


def _left_behind(flake: FlakeState, item: OwnInput) -> tuple[PinName, str] | None:
    """Return the pin that wants an input at another branch, and what is said of it; None: none does."""
    for edit in flake.edits:
        if edit.input == item.path and edit.pin is not None:
            return edit.pin, f"{edit.before} in {edit.file}:{edit.line}, pin {edit.pin} has {edit.after}"
    for other in flake.unedited:
        if other.input == item.path and other.before is not None:
            line = f":{other.line}:{other.column}" if other.line is not None else ""
            detail = f"{other.before} in {other.file}{line}, pin {other.pin} has {other.after}: {other.detail}"
            return other.pin, detail
    return None


def _among(survey: Survey, flake: FlakeState) -> Iterable[OwnInput]:
    return flake.inputs if flake.edits or flake.unedited else flake.inputs_of(survey.pinned)


RULE = InputRule(kinds=("ref",), among=_among, find=find)
