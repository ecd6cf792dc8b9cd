"""Did the lock do what the plan said? Exit 0 of Nix proves nothing, so every new lock is read back and compared.

And is an update branch what its job would make? Then nothing is locked, no command runs, and its commit stays.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from flakesync.audit.gate import Gate, NewLock
from flakesync.cooldown.waivers import COOLDOWN
from flakesync.errors import LockError, SyncError
from flakesync.git.repository import Repository
from flakesync.git.store.links import read_through
from flakesync.git.store.trees import changed_paths
from flakesync.git.trailers import trailer, trailers
from flakesync.nix.expression.stale import find_stale
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.survey.held.check_holds import HELD, OUTPUT
from flakesync.survey.pins import is_archive
from flakesync.sync.files.after import AFTER, after_name
from flakesync.sync.job import BumpJob
from flakesync.terms import FlakeDir, InputPath, Rev, flake_file, show_path
from flakesync.update.commit import SIGNED, UpdateBranch, read_lock
from flakesync.update.difference import Difference, differences, without_dir
from flakesync.update.files import other_files
from flakesync.workspace.inputs import rev_of
from flakesync.workspace.settings.after import may_write

_GONE = "does its flake.nix still have this input, without a follows?"
_NO_COMMITS = (
    "old versions of Nix (2.8 is one) note no commit for an archive: lock with a newer one, or hold this input"
)


def verify(
    before: LockFile,
    after: LockFile,
    wanted: Mapping[InputPath, Rev],
    *,
    file: str,
    stale: AbstractSet[InputPath] = frozenset(),
) -> Sequence[Difference]:
    """Check that exactly the planned inputs have moved, each to its commit, and nothing but what lies below them.

    Return all that differs.

    wanted: the planned inputs and their commits. file: the name of the lock in messages. stale: the inputs on which
    flake.nix and the lock before disagree, which are locked anew.

    Raises:
        SyncError: `not-moved` (a planned input is elsewhere), `stale-lock` (its reference changed as well: flake.nix
        and flake.lock disagreed before), `moved-more` (something else moved).
    """
    for path, rev in wanted.items():
        node, old = after.node(path), before.node(path)
        found = rev_of(node.locked) if node is not None and node.locked is not None else None
        if node is None or found != rev:
            raise SyncError(
                "not-moved",
                f"{file}: input {show_path(path)} should be at {rev}, but the new lock has {found or 'no such commit'}",
                hint=_NO_COMMITS if node is not None and is_archive(node.locked or {}) else _GONE,
            )
        if old is not None and path not in stale and _reference(old) != _reference(node):
            raise SyncError(
                "stale-lock",
                f"{file}: flake.nix and flake.lock disagree on what input {show_path(path)} is",
                hint="run `nix flake lock` there and commit the result to the base branch first",
            )
    differing = differences(before, after)
    stray = [found.path for found in differing if not _is_below(found.path, wanted.keys() | stale)]
    if stray:
        raise SyncError(
            "moved-more",
            f"{file}: {', '.join(map(show_path, stray))} moved too, which the plan does not say",
            hint="flake.nix and flake.lock disagree there: run `nix flake lock`, commit the result to the base branch",
        )
    return differing


def require_agreement(flake_nix: bytes, after: LockFile, *, file: str) -> None:
    """Check that a lock that was stale is not so any more. Raises: SyncError(`stale-lock`)."""
    left = find_stale(flake_nix, after)
    if left:
        raise SyncError(
            "stale-lock",
            f"{file}: the new lock is not as flake.nix says: {'; '.join(each.detail for each in left)}",
            hint="run `nix flake lock` there and commit the result to the base branch first",
        )


def _is_below(path: InputPath, wanted: AbstractSet[InputPath]) -> bool:
    return any(path[:length] in wanted for length in range(1, len(path) + 1))


def _reference(node: LockNode) -> object:
    return without_dir(node.original or {}), node.flake


def is_current(
    job: BumpJob,
    repository: Repository,
    gate: Gate,
    existing: UpdateBranch,
    before: Mapping[FlakeDir, LockFile],
    edited: Mapping[str, bytes],
) -> bool:
    """Tell whether the update branch is what this job would make: one commit on the base with the planned locks.

    And with the planned edits. What commands of `after` would write is not known before they run, so with them only a
    branch of this very run is, or one that is being landed: that was published, and is carried along as it is.

    One that the gate does not let pass is not: made anew, it fails there.

    After an upstream has landed, a lock may hold the right commit on an update branch that is gone. A commit of this
    very run, which is named after its bases and decisions, was verified when it was made: then only where the planned
    inputs are is looked at.
    """
    if not existing.single or existing.base != job.base_rev or not _reads_as_planned(job, repository, existing):
        return False
    if repository.reader.tree_of(existing.tip) == repository.reader.tree_of(job.base_rev):
        return False  # made by an older flakesync: without content there should be none
    verified = existing.run == job.run
    changed = changed_paths(repository.reader, job.base_rev, existing.tip)
    written = set(other_files(changed)) - edited.keys()
    if not verified and not changed - written <= {*map(flake_file, before), *edited}:
        return False
    if job.after and not (verified or job.reuse_checks):
        return False
    if not all(may_write(job.after, path) for path in written):
        return False
    if any(repository.read(existing.tip, path) != content for path, content in edited.items()):
        return False
    for dir in before:
        data = repository.read(existing.tip, flake_file(dir))
        if data is None:
            return False
        try:
            lock = read_lock(data, flake_file(dir))
            if not verified:
                read_back(job, repository, dir, before[dir], lock, existing.tip)
            gate.require_none_added(NewLock(job.repo, dir, before[dir], lock), repository.reader, existing.tip)
        except (SyncError, LockError):
            return False
        for each in job.moves:
            if each.flake == dir and each.rev != _rev(lock, each.move.input):
                return False
            if each.flake == dir and each.branch not in (None, _ref(lock, each.move.input)):
                return False
    return True


def _reads_as_planned(job: BumpJob, repository: Repository, existing: UpdateBranch) -> bool:
    """Tell whether the message is what is wanted now: its subject, what it waives and holds, whether it is signed off.

    And that it was made with the commands that `after` has now.
    """
    tip = repository.commit(existing.tip)
    if tip.message.partition("\n")[0] != job.subject or (trailer(tip, SIGNED) is not None) != job.sign_off:
        return False
    if trailer(tip, AFTER) != after_name(job.after):
        return False
    further = (f"{name}: {value}" for name in (COOLDOWN, HELD, OUTPUT) for value in trailers(tip, name))
    return sorted(further) == sorted(job.trailers)


def _planned(job: BumpJob, dir: FlakeDir) -> dict[InputPath, Rev]:
    """Return the planned inputs of one flake and their commits."""
    return {each.move.input: each.rev for each in job.moves if each.flake == dir}


def _rev(lock: LockFile, path: InputPath) -> Rev | None:
    node = lock.node(path)
    return rev_of(node.locked) if node is not None and node.locked is not None else None


def _ref(lock: LockFile, path: InputPath) -> str | None:
    node = lock.node(path)
    ref = node.locked.get("ref") if node is not None and node.locked is not None else None
    return ref.removeprefix("refs/heads/") if isinstance(ref, str) else None


def is_the_same(repository: Repository, existing: UpdateBranch, commit: Rev, text: str) -> bool:
    """Tell whether the branch holds what a new commit does, whose message would be `text` in the branch's own run."""
    old, new = repository.commit(existing.tip), repository.commit(commit)
    return (
        existing.single
        and repository.reader.tree_of(existing.tip) == repository.reader.tree_of(commit)
        and (old.parents, old.author, old.committer) == (new.parents, new.author, new.committer)
        and old.message.rstrip() == text.rstrip()
    )


def read_back(
    job: BumpJob, repository: Repository, dir: FlakeDir, before: LockFile, after: LockFile, base: Rev
) -> Sequence[Difference]:
    """Read a new lock back; return all that differs. base: the commit with its flake.nix. Raises: SyncError."""
    stale, file = job.stale_in(dir), flake_file(dir)
    differing = verify(before, after, _planned(job, dir), file=file, stale=stale)
    if stale:
        flake_nix = read_through(repository.reader, base, flake_file(dir, "flake.nix"))
        require_agreement(flake_nix or b"", after, file=file)
    return differing
