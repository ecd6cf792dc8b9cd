"""The repos of a workspace as they are at any revision: a pull request, or what it is compared with."""

from collections.abc import Mapping

import msgspec

from flakesync.errors import GitError, as_error, first_of
from flakesync.git import process
from flakesync.git.store.objects import ObjectReader
from flakesync.terms import RepoName, Rev, flake_file
from flakesync.workspace.clones.flakes import read_flakes
from flakesync.workspace.snapshot import PlainFolder, RepoAtCommit, RepoState, Snapshot, UnreadableRepo


def read_at(snapshot: Snapshot, selected: frozenset[RepoName], revision: str) -> Mapping[RepoName, RepoState]:
    """Return the states of the selected repos at a revision, as `git rev-parse` reads it in each of their clones.

    In a mirror `main` is the server's. A repo that does not have it is unreadable, with the reason.

    Raises: FlakesyncError: no repo has it, or git cannot be run.
    """
    states = {name: _at(snapshot.states[name], revision) for name in sorted(selected)}
    failed = [state.error for state in states.values() if isinstance(state, UnreadableRepo)]
    if failed and len(failed) == len(states):
        raise first_of(failed)
    return states


def _at(state: RepoState, revision: str) -> RepoState:
    try:
        match state:
            case RepoAtCommit():
                return _read(state, revision)
            case PlainFolder(repo=repo):
                message = f"repos.{repo.name}: {repo.path} is a plain folder, which has no revisions"
                raise GitError("not-a-repository", message, hint="without --at and --new-since it is read as it lies")
            case UnreadableRepo():
                return state
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
        return UnreadableRepo(state.repo, state.base, as_error(error))


def _read(state: RepoAtCommit, revision: str) -> RepoAtCommit:
    """Raises: FlakesyncError."""
    rev = _resolve(state, revision)
    reader = ObjectReader.open(state.clone)
    locks = {file: reader.read(rev, file) for file in map(flake_file, state.repo.flakes)}
    flakes = read_flakes(state.name, state.repo.flakes, reader, rev, locks, None)
    return msgspec.structs.replace(state, rev=rev, flakes=flakes)


def _resolve(state: RepoAtCommit, revision: str) -> Rev:
    """Return the commit that a revision names in a repo's clone. Raises: GitError(`no-revision`)."""
    for name in (revision, f"origin/{revision}"):
        argv = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
        answer = process.git(argv, cwd=state.clone, check=False)
        if answer.status == 0 and answer.lines:
            return Rev(answer.lines[-1])
    hint = "fetch it first: in CI a clone is often shallow (actions/checkout: `fetch-depth: 0`)"
    raise GitError("no-revision", f"repos.{state.name}: {state.clone} has no revision `{revision}`", hint=hint)
