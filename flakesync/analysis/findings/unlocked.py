"""`unlocked`: a root input has no commit, so nobody can fetch what was tested."""

from collections.abc import Mapping

from flakesync.analysis.rule import InputRule
from flakesync.documents.drift import Finding
from flakesync.nix.reference.flakeref import Attr
from flakesync.survey.pins import is_archive
from flakesync.survey.survey import Survey
from flakesync.terms import show_path
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState


def find(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> Finding | None:
    """Return the finding; None for a commit, and for an archive, which its narHash locks."""
    if item.rev is not None or is_archive(item.locked):
        return None
    return Finding(
        kind="unlocked",
        repo=state.name,
        flake=flake.dir,
        input=show_path(item.path),
        locked_rev=None,
        wanted_rev=None,
        detail=_what_it_is(item.locked),
    )


def _what_it_is(locked: Mapping[str, Attr]) -> str:
    if locked.get("type") == "path":
        return "a path of one machine"
    return "a dirty tree: no commit" if "narHash" in locked else "no commit"


RULE = InputRule(kinds=("unlocked",), severity="grave", find=find)
