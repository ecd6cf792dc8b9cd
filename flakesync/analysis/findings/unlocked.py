"""`unlocked`: a root input has no commit, so nobody can fetch what was tested."""

from collections.abc import Mapping

from flakesync.analysis.rule import InputRule
from flakesync.documents.drift import Finding
from flakesync.nix.reference.flakeref import Attr, is_full_rev
from flakesync.nix.reference.source import archived_ref
from flakesync.survey.pins import is_archive
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName, show_path
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState

_ARCHIVE = "an archive of {} without a commit: it is never moved; its server, or the Nix that locked it, named none"


def find(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> Finding | None:
    """Return the finding; None for a commit, and for an archive, which its narHash locks, unless it is of a repo."""
    if item.rev is not None:
        return None
    upstream = _repo_of(survey, item) if is_archive(item.locked) else None
    if is_archive(item.locked) and upstream is None:
        return None
    return Finding(
        kind="unlocked",
        repo=state.name,
        flake=flake.dir,
        input=show_path(item.path),
        locked_rev=None,
        wanted_rev=None,
        detail=_what_it_is(item.locked) if upstream is None else _ARCHIVE.format(upstream),
    )


def _repo_of(survey: Survey, item: OwnInput) -> RepoName | None:
    """Return the repo of the workspace that an archive is of; None: it is of none, or flake.nix names the commit."""
    if item.source is None or is_full_rev(archived_ref(item.original) or ""):
        return None
    return survey.owners.get(item.source[0])


def _what_it_is(locked: Mapping[str, Attr]) -> str:
    if locked.get("type") == "path":
        return "a path of one machine"
    return "a dirty tree: no commit" if "narHash" in locked else "no commit"


RULE = InputRule(kinds=("unlocked",), severity="grave", find=find)
