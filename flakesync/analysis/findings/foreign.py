"""`foreign`: a root input is locked to another repository than flake.nix names, by hand or by somebody's intent."""

from collections.abc import Mapping

from flakesync.analysis.rule import InputRule
from flakesync.documents.drift import Finding
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.source import Origin, is_relative
from flakesync.survey.pins import is_archive
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName, show_path
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> Finding | None:
    """Return the finding; None where the two are one repository, or cannot be compared (a registry's name, a link)."""
    # Nearly every input goes no further than this line.
    if item.source is None or item.source[0] == item.found or item.rev is None:
        return None
    if not is_another(item.node.origin, survey.owners):
        return None
    return Finding(
        kind="foreign",
        repo=state.name,
        flake=flake.dir,
        input=show_path(item.path),
        locked_rev=item.rev,
        wanted_rev=None,
        detail=f"flake.nix names {item.source[0]}, the lock {item.found}",
    )


def is_another(origin: Origin, owners: Mapping[Identity, RepoName]) -> bool:
    """Tell whether a node is locked to another repository than its `original` names.

    A folder of the flake itself (`path:./sub`) is in none, and every Nix fetches what is locked in its place. Not where
    they cannot be compared (a registry's name, an archive whose server sends on to another address), nor where both are
    one repo of the workspace. owners: which repo each identity is.
    """
    source, found = origin.source, origin.found
    if is_relative(origin.original):
        return found is not None and origin.locked.get("type") != "path"
    if source is None or found is None or source[0] == found:
        return False
    if origin.original.get("type") == "indirect" or is_archive(origin.original):
        return False
    owner = owners.get(source[0])
    return owner is None or owner != owners.get(found)


RULE = InputRule(kinds=("foreign",), severity="grave", find=find)
