"""The update branch of a repo: what is on it, whose it is, and the one commit that flakesync puts there.

An update commit is a function of its base, of what it locks and of the files that commands of `after` have written:
author and date included, so that a rerun, on any machine with the same identity, makes the same commit again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from flakesync.cooldown.waivers import PIN
from flakesync.errors import LockError, SyncError, plain
from flakesync.git.repository import Repository
from flakesync.git.store.base import LOCAL_REFS
from flakesync.git.store.trees import changed_paths
from flakesync.git.store.write import Entry
from flakesync.git.trailers import trailer
from flakesync.git.values import Commit, Signature
from flakesync.nix.lock.file import LockFile
from flakesync.terms import PinName, Rev, is_lock_file
from flakesync.update.files import names_its_files
from flakesync.update.subject import USUAL

RUN = "Flakesync-Run"
SIGNED = "Signed-off-by"
MOVER = "flakesync"
"""How the entries begin that flakesync writes into the reflog of an update branch."""
_REBUILT = "an update branch is rebuilt on every run"


class UpdateBranch(msgspec.Struct, frozen=True):
    """An update branch with commits that the base does not have.

    base: the parent of its commit. single: whether it is exactly one commit, on `base`. run: the run that made it.
    """

    tip: Rev
    base: Rev
    single: bool
    run: str | None = None


def find_update_branch(
    repository: Repository, branch: str, base: Rev, tracking: str = LOCAL_REFS[-1]
) -> UpdateBranch | None:
    """Return the update branch; None where there is none, or nothing on it that the base lacks.

    tracking: how the refs begin that follow the server's branches.

    Raises:
        SyncError: `branch-taken`, somebody else's commit is on it, here or on the server as it was last fetched.
    """
    pushed = repository.ref(f"{tracking}{branch}")
    tip = repository.ref(f"refs/heads/{branch}") or pushed
    if pushed is not None and pushed != tip:
        name = f"{tracking.removeprefix('refs/remotes/').removeprefix('refs/')}{branch}"
        own_commits(repository, name, pushed, [base], hint=_REBUILT)
    commits = own_commits(repository, branch, tip, [base], hint=_REBUILT) if tip is not None else []
    if tip is None or not commits:
        return None
    return UpdateBranch(tip, commits[-1].parents[0], single=len(commits) == 1, run=trailer(commits[0], RUN))


def own_commits(repository: Repository, name: str, tip: Rev, bases: Sequence[Rev], *, hint: str) -> list[Commit]:
    """Return the commits of an update branch that no base has, newest first; all of them are flakesync's.

    name: the branch, and hint: what to do, in the message.

    Raises:
        SyncError: `branch-taken`, somebody else's commit is on it.
    """
    commits, other = split_commits(repository, tip, bases)
    if other is not None:
        raise branch_taken(name, other, hint=hint)
    return commits


def split_commits(repository: Repository, tip: Rev, bases: Sequence[Rev]) -> tuple[list[Commit], Commit | None]:
    """Return flakesync's commits of an update branch that no base has, newest first, and the newest of somebody else.

    Where there is one of somebody else (None: there is none), flakesync's are those below it: what it was put on.
    """
    commits = repository.history.log(tip, not_in=bases) if tip not in bases else []
    known = {commit.rev for commit in commits}
    own: dict[Rev, Commit] = {}
    other: Commit | None = None
    for commit in reversed(commits):
        if not is_ours(repository, commit):
            other = commit
        elif commit.parents[0] in own or commit.parents[0] not in known:
            own[commit.rev] = commit
    return list(_chain(own)), other


def _chain(own: dict[Rev, Commit]) -> Iterator[Commit]:
    """Yield the newest of these commits, and those that it was put on; own: oldest first."""
    at = next(reversed(own), None)
    while at is not None and at in own:
        yield own[at]
        at = own[at].parents[0]


def branch_taken(name: str, commit: Commit, *, hint: str) -> SyncError:
    """Return the error of an update branch that somebody else has committed to. name: the branch, in the message."""
    return SyncError(
        "branch-taken",
        f"{name} has a commit that flakesync did not make: {commit.rev[:12]} "
        f"({plain(commit.message.partition(chr(10))[0])}, {plain(commit.author.name)})",
        hint=f"move that commit to another branch, or merge it; {hint}",
    )


def is_ours(repository: Repository, commit: Commit) -> bool:
    """Tell whether flakesync made a commit, and nobody amended it.

    It has the trailer of a run, one parent, one and the same author and committer at one and the same time (git gives
    an amended or rebased commit a new committer date), changes nothing but flake.lock files and those that its trailers
    name, as they name them, and its date is that of its parent or of something it locks (`git commit --amend
    --reset-author` gives both dates the present time).
    """
    if trailer(commit, RUN) is None or len(commit.parents) != 1 or commit.author != commit.committer:
        return False
    changed = changed_paths(repository.reader, commit.parents[0], commit.rev)
    if not names_its_files(repository.reader, commit, changed):
        return False
    time = commit.committer.time
    return time == repository.commit(commit.parents[0]).committer.time or any(
        _has_date(repository.read(commit.rev, path) or b"", time, path) for path in changed if is_lock_file(path)
    )


def _has_date(data: bytes, time: int, file: str) -> bool:
    if b"%d" % time not in data:
        return False
    try:
        nodes = read_lock(data, file).nodes.values()
    except LockError:
        return False
    return any((node.locked or {}).get("lastModified") == time for node in nodes)


@lru_cache(maxsize=8)
def read_lock(data: bytes, file: str) -> LockFile:
    """Return the lock in `data`, which is looked at more than once on the way. Raises LockError."""
    return LockFile.parse(data, file=file)


def message(
    run: str,
    changed: Iterable[str],
    pins: Mapping[PinName, Rev],
    *,
    subject: str = USUAL,
    further: Iterable[str] = (),
    signed_by: Signature | None = None,
) -> str:
    """Return the message of an update commit: the subject, Nix's own lines, then the trailers.

    further: more trailers, as lines. signed_by: who signs it off; None: nobody does.
    """
    lines = [f"{RUN}: {run}", *(f"{PIN}: {name} {rev}" for name, rev in sorted(pins.items())), *further]
    if signed_by is not None:
        lines.append(f"{SIGNED}: {signed_by.person}")
    body = "\n".join(changed)
    updates = f"Flake lock file updates:\n\n{body}\n\n" if body else ""
    return f"{subject}\n\n{updates}" + "\n".join(lines) + "\n"


def write_update(
    repository: Repository,
    base: Rev,
    files: Mapping[str, bytes],
    text: str,
    author: Signature | None,
    dates: Iterable[int],
    *,
    placed: Mapping[str, Entry | None] | None = None,
    passing: bool = False,
) -> Rev:
    """Write the update commit and return its id; no ref moves.

    author: None for git's own configured identity. dates: seconds since the epoch of what the commit depends on; its
    own date is the latest of these and of the base's. placed, passing: as of `Repository.write_commit`.
    """
    time = max([repository.commit(base).committer.time, *dates])
    person = (author or repository.identity()).at(time)
    return repository.write_commit(
        parents=(base,),
        base_tree_of=base,
        files=files,
        message=text,
        author=person,
        committer=person,
        placed=placed,
        passing=passing,
    )
