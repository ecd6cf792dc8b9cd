"""What is to be sent: the branches of the chosen repos, as they were read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flakesync.bundle.send.wanted import Head
from flakesync.documents.airgap.bundled import UnbundledSource
from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import Identity
from flakesync.terms import RepoName
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import At, RepoAtCommit, RepoState, read_snapshot

if TYPE_CHECKING:
    from flakesync.workspace.hosts import Hosts

Branches = Literal["base", "update", "both"]
_READ: Mapping[Branches, tuple[At, ...]] = {"base": ("base",), "update": ("update",), "both": ("base", "update")}


@dataclass(frozen=True, slots=True)
class Cargo:
    """What is to be sent.

    heads: of each chosen repo, by its name. clones, owners: of all repos of the workspace, by identity.
    """

    workspace: str
    heads: Mapping[RepoName, Sequence[Head]]
    clones: Mapping[Identity, Path]
    owners: Mapping[Identity, RepoName]


def read_states(workspace: Workspace, at: Branches, cache: Path, hosts: "Hosts | None") -> list[RepoState]:
    """Return all repos of a workspace, once for each branch that is sent. hosts: None: no server is asked.

    Raises: the errors of `read_snapshot`.
    """
    states: list[RepoState] = []
    for number, each in enumerate(_READ[at]):
        # What was fetched for the first is new enough for the second.
        offline = hosts is None or number > 0
        snapshot = read_snapshot(workspace, at=each, cache=cache, offline=offline, hosts=None if offline else hosts)
        states += snapshot.states.values()
    return states


def make_cargo(
    workspace: Workspace, states: Sequence[RepoState], selected: Collection[RepoName]
) -> tuple[Cargo, list[UnbundledSource]]:
    """Return what is sent of the selected repos, and what there is to say of those that have nothing to send."""
    heads, failed = heads_of([state for state in states if state.name in selected], workspace.branch)
    read = [state for state in states if isinstance(state, RepoAtCommit)]
    clones = {identity: state.clone for state in read for identity in state.repo.identities}
    owners = {identity: state.name for state in read for identity in state.repo.identities}
    return Cargo(workspace.name, heads, clones, owners), failed


def heads_of(states: Sequence[RepoState], branch: str) -> tuple[dict[RepoName, list[Head]], list[UnbundledSource]]:
    """Return the branches that were read of each repo, and what there is to say of repos that have none.

    states: of one repo several times where several branches were read. branch: the update branch.
    """
    heads: dict[RepoName, list[Head]] = {}
    failed: dict[RepoName, UnbundledSource] = {}
    for state in states:
        if isinstance(state, RepoAtCommit):
            name = branch if state.updated else state.base
            own = heads.setdefault(state.name, [])
            if all(head.branch != name for head in own):
                own.append(Head(state, name, state.rev, state.flakes))
            failed |= _unread_locks(state)
            continue
        error = getattr(state, "error", None) or FlakesyncError(
            "plain-folder",
            f"{state.name} is a plain folder: it has no commits to send",
            hint="make it a git repository",
        )
        failed[state.name] = repo_failure(state.name, error)
    return heads, list(failed.values())


def _unread_locks(state: RepoAtCommit) -> dict[RepoName, UnbundledSource]:
    """Return what there is to say of a lock that cannot be read."""
    bad = [flake.problem.detail for flake in state.flakes if flake.problem is not None]
    error = FlakesyncError("unlocked", f"{state.name}: {bad[0]}") if bad else None
    return {state.name: repo_failure(state.name, error)} if error is not None else {}


def repo_failure(name: RepoName, error: FlakesyncError) -> UnbundledSource:
    """Return what there is to say of a repo that is not sent."""
    message = error.message if name in error.message else f"{name}: {error.message}"
    return UnbundledSource(nar_hash=None, inputs=[name], code=error.code, message=message, hint=error.hint)
