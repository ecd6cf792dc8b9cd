"""Whose repositories a run works in: the repos' own, or throw-away ones that borrow their objects."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from flakesync.errors import FlakesyncError, as_error
from flakesync.git.repository import Repository
from flakesync.git.scratch.alternates import borrow_objects
from flakesync.nix.lock.file import LockFile
from flakesync.processes.folders import temporary_folder
from flakesync.sync.job import full_ref
from flakesync.terms import FlakeDir, RepoName, Rev
from flakesync.workspace.snapshot import RepoAtCommit, RepoState, Snapshot


def at_commits(states: Mapping[RepoName, RepoState]) -> dict[RepoName, RepoAtCommit]:
    """Return the repos that were read at a commit."""
    return {name: state for name, state in states.items() if isinstance(state, RepoAtCommit)}


def locks_at_base(states: Mapping[RepoName, RepoState]) -> dict[tuple[Rev, FlakeDir], LockFile]:
    """Return the locks of base commits as they were read, by commit and folder of the flake.

    Without those that cannot be used, and those of repos that were read at their update branch.
    """
    read = (state for state in at_commits(states).values() if not state.updated)
    return {
        (state.base_rev, flake.dir): flake.lock for state in read for flake in state.flakes if flake.lock is not None
    }


@contextmanager
def repositories_of(
    snapshot: Snapshot, borrow: Collection[RepoName]
) -> Iterator[tuple[Mapping[RepoName, RepoAtCommit], Mapping[RepoName, FlakesyncError]]]:
    """Give, for each repo, the state whose clone its commits are read from and written to.

    borrow: the repos that get a throw-away one, which ends with the block. The second mapping says which got none, and
    why: nothing may be written to them.
    """
    found = at_commits(snapshot.states)
    failed: dict[RepoName, FlakesyncError] = {}
    if not borrow:
        yield found, failed
        return
    with temporary_folder("dry-run") as tmp:
        for name in borrow:
            try:
                found[name] = borrowed(found[name], snapshot.workspace.branch, tmp)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
                failed[name] = as_error(error)
        yield found, failed


def borrowed(state: RepoAtCommit, branch: str, tmp: Path) -> RepoAtCommit:
    """Return a repo in a throw-away repository below `tmp`, which has its base and its update branch alone."""
    with Repository.open(state.clone) as repository:
        refs = {full_ref(repository, state, state.base): state.base_rev}
        for ref in (f"refs/heads/{branch}", f"{state.branches.tracking}{branch}"):
            tip = repository.ref(ref)
            if tip is not None:
                refs[ref] = tip
        return msgspec.structs.replace(state, clone=borrow_objects(repository, tmp, refs))
