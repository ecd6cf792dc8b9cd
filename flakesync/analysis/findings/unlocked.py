"""`unlocked`: a root input has no commit, so nobody can fetch what was tested."""

from flakesync.analysis.rule import InputRule
from flakesync.documents.drift import Finding
from flakesync.nix.reference.flakeref import is_full_rev
from flakesync.nix.reference.source import Origin, archived_ref
from flakesync.survey.pins import is_archive
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName, show_path
from flakesync.workspace.inputs import OwnInput
from flakesync.workspace.snapshot import FlakeState, RepoState

_ARCHIVE = "an archive of {} without a commit: it is never moved; its server, or the Nix that locked it, named none"


def find(survey: Survey, state: RepoState, flake: FlakeState, item: OwnInput) -> Finding | None:
    """Return the finding; None for a commit, and for an archive, which its narHash locks, unless it is of a repo."""
    why = why_unlocked(item.node.origin)
    if why is None and (upstream := _repo_of(survey, item)) is not None:
        why = _ARCHIVE.format(upstream)
    if why is None:
        return None
    return Finding(
        kind="unlocked",
        repo=state.name,
        flake=flake.dir,
        input=show_path(item.path),
        locked_rev=None,
        wanted_rev=None,
        detail=why,
    )


def why_unlocked(origin: Origin) -> str | None:
    """Return what is locked instead of a commit, as a phrase; None: a commit is, or an archive, by its narHash."""
    locked = origin.locked
    if is_archive(locked):
        return None
    if "dirtyRev" in locked or "dirtyShortRev" in locked:
        return "a dirty tree: no commit"
    if locked.get("type") == "indirect":
        return "a name of the registry, which may lead elsewhere on each machine"
    if origin.rev is None:
        if locked.get("type") == "path":
            return "a path of one machine"
        return "a dirty tree: no commit" if "narHash" in locked else "no commit"
    # What `builtins.fetchGit` calls the commit of a dirty tree, of either length.
    return None if origin.rev.strip("0") else "a commit id of zeros, which stands for a dirty tree"


def _repo_of(survey: Survey, item: OwnInput) -> RepoName | None:
    """Return the repo of the workspace that an archive is of; None: of none, or flake.nix names the commit."""
    if item.rev is not None or item.source is None or is_full_rev(archived_ref(item.original) or ""):
        return None
    return survey.owners.get(item.source[0])


RULE = InputRule(kinds=("unlocked",), severity="grave", among=lambda _, flake: flake.unusual_inputs, find=find)
