"""`foreign`: a root input is locked to another repository than flake.nix names, by hand or by somebody's intent."""

from collections.abc import Mapping
from typing import Literal

from flakesync.analysis.rule import InputRule
from flakesync.documents.drift import Finding
from flakesync.nix.expression.nested import as_overridden
from flakesync.nix.reference.flakeref import Attr
from flakesync.nix.reference.identity import Identity, repository_of_tarball
from flakesync.nix.reference.source import Origin, is_relative
from flakesync.survey.pins import is_archive
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName, show_path
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> Finding | None:
    """Return the finding; None where the two are one repository, or cannot be compared (a registry's name, a link)."""
    origin = item.node.origin
    if item.path in flake.overrides:
        origin = as_overridden(item.node, flake.overrides[item.path]).origin
    source = origin.source
    # Nearly every input goes no further than this line.
    if source is None or source[0] == item.found or item.rev is None:
        return None
    if compare(origin, survey.owners) != "another":
        return None
    return Finding(
        kind="foreign",
        repo=state.name,
        flake=flake.dir,
        input=show_path(item.path),
        locked_rev=item.rev,
        wanted_rev=None,
        detail=f"flake.nix names {source[0]}, the lock {item.found}",
    )


Comparison = Literal["same", "another", "unknown"]


def compare(origin: Origin, owners: Mapping[Identity, RepoName]) -> Comparison:
    """Tell whether a node is locked to the repository that its `original` names, whatever the spelling and the type.

    A folder of the flake itself (`path:./sub`) is in none, and every Nix fetches what is locked in its place. Two
    places of one repo of the workspace are the same. `unknown`: a name of the registry stands for what the registry
    said then, and a link to a file for whatever its server sends on to. owners: which repo each identity is.
    """
    source, found, original = origin.source, origin.found, origin.original
    if is_relative(original):
        return "another" if found is not None and origin.locked.get("type") != "path" else "same"
    if original.get("type") == "indirect":
        return "unknown"
    wanted = source[0] if source is not None else None
    if wanted == found:
        return "same" if wanted is not None else "unknown"
    if wanted is None or (is_archive(original) and not _is_of_repository(original)):
        return "unknown"
    owner = owners.get(wanted)
    return "same" if owner is not None and found is not None and owner == owners.get(found) else "another"


def _is_of_repository(archive: Mapping[str, Attr]) -> bool:
    """Tell whether the address of an archive says which repository it is of."""
    try:
        return repository_of_tarball(str(archive.get("url"))) is not None
    except (ValueError, OSError):
        return False


RULE = InputRule(kinds=("foreign",), severity="grave", among=lambda _, flake: flake.unusual_inputs, find=find)
