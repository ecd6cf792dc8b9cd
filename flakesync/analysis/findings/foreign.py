"""`foreign`: a root input is locked to another repository than flake.nix names, by hand or by somebody's intent."""

from flakesync.analysis.rule import InputRule
from flakesync.documents.drift import Finding
from flakesync.survey.pins import is_archive
from flakesync.survey.survey import Survey
from flakesync.terms import show_path
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> Finding | None:
    """Return the finding; None where the two are one repository, or cannot be compared (a registry's name, a link)."""
    source, found = item.source, item.found
    # Nearly every input goes no further than this line.
    if source is None or source[0] == found or found is None or item.rev is None:
        return None
    wanted = source[0]
    if item.original.get("type") == "indirect" or is_archive(item.original):
        return None
    owner = survey.owners.get(wanted)
    if owner is not None and owner == survey.owners.get(found):
        return None
    return Finding(
        kind="foreign",
        repo=state.name,
        flake=flake.dir,
        input=show_path(item.path),
        locked_rev=item.rev,
        wanted_rev=None,
        detail=f"flake.nix names {wanted}, the lock {found}",
    )


RULE = InputRule(kinds=("foreign",), severity="grave", find=find)
