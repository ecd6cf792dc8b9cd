"""The story of one repo: lock, verify, commit, check, move the branch."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from flakesync.audit.gate import Gate, NewLock
from flakesync.cooldown.waivers import COOLDOWN
from flakesync.errors import GitError, LockError, SyncError, as_error
from flakesync.git.repository import Repository
from flakesync.git.store.links import read_through
from flakesync.git.store.trees import changed_paths, is_sound
from flakesync.git.trailers import trailer, trailers
from flakesync.nix.lock.file import LockFile
from flakesync.survey.pins import last_modified
from flakesync.sync.checks import run_checks
from flakesync.sync.events import Note, Step
from flakesync.sync.job import BumpJob
from flakesync.sync.lockers import Request
from flakesync.sync.outcome import FailedFlake, Unchanged, Updated
from flakesync.sync.tools import Tools
from flakesync.sync.verify import require_agreement, verify
from flakesync.terms import FlakeDir, InputPath, Rev, flake_file
from flakesync.update.check_reuse import same_trees
from flakesync.update.commit import (
    MOVER,
    SIGNED,
    UpdateBranch,
    find_update_branch,
    message,
    read_lock,
    write_update,
)
from flakesync.update.difference import describe_all
from flakesync.workspace.inputs import rev_of


def bump(job: BumpJob, tools: Tools) -> Updated | Unchanged:
    """Bring one repo's update branch to what the plan says, and return the result.

    The branch ref is moved last, so an interruption at any moment leaves the repo as it was.

    Raises:
        FlakesyncError: this repo failed.
    """
    with Repository.open(job.repository) as repository:
        ref = f"refs/heads/{job.branch}"
        note = f"{MOVER}: run {job.run}"
        repository.clear_dead_locks(ref)
        # Read before the branch is looked at: if somebody commits to it while the checks run, it is not moved.
        old = repository.ref(ref)
        pushed = repository.ref(f"{job.tracking}{job.branch}")
        known = old is not None and tools.up_to_date.has(old, pushed, job.decisions, tools.gate.key)
        files = [flake_file(dir) for dir in job.flakes]
        if known and old is not None and is_sound(repository.reader, old, files):
            return Unchanged(repo=job.repo, branch=job.branch, commit=old, moves=job.moves, rewrites=job.rewrites)
        before = {
            dir: read_lock(repository.read(job.base_rev, flake_file(dir)) or b"", flake_file(dir)) for dir in job.flakes
        }
        try:
            existing = find_update_branch(repository, job.branch, job.base_rev, job.tracking)
            current = existing is not None and _is_current(job, repository, tools.gate, existing, before)
        except GitError as error:
            # After a power cut an update commit may be damaged. Written anew, it has the same id.
            if error.code not in ("corrupt", "missing-object") or not repository.is_moved_by(MOVER, ref, old):
                raise
            if old is not None:
                repository.remove_damaged(old, files, base=job.base_rev)
            existing, current = None, False
        if existing is not None and current:
            if old is None:  # made elsewhere and fetched: dependents are locked from this ref
                repository.update_ref(ref, existing.tip, old=None, message=note)
            tools.up_to_date.add(existing.tip, pushed, job.decisions, tools.gate.key)
            return Unchanged(
                repo=job.repo, branch=job.branch, commit=existing.tip, moves=job.moves, rewrites=job.rewrites
            )
        if old is None:
            # Before anything is locked or checked, and in a dry run too, whose repository has no other branches.
            _require_room(job.clone, ref)
        updated = _make(job, tools, repository, before, existing)
        if updated is None:
            if old is not None:
                repository.delete_ref(ref, old=old)
                tools.listener(
                    Note(f"{job.repo}: its base has the planned locks already, its update branch is removed")
                )
            return Unchanged(repo=job.repo, branch=None, commit=job.base_rev, moves=())
        repository.update_ref(ref, updated.commit, old=old, message=note)
        if not updated.failed_flakes:
            tools.up_to_date.add(updated.commit, pushed, job.decisions, tools.gate.key)
    return updated


def _require_room(path: Path, ref: str) -> None:
    with Repository.open(path) as repository:
        repository.require_room(ref)


def _make(
    job: BumpJob,
    tools: Tools,
    repository: Repository,
    before: Mapping[FlakeDir, LockFile],
    existing: UpdateBranch | None,
) -> Updated | None:
    """Lock, commit and check; return the result, to whose commit no ref leads yet. None: the base has these locks."""
    tools.listener(Step(job.repo, "locking"))
    after, failed = _lock(job, tools, repository, before)
    if all(lock == before[dir] for dir, lock in after.items()):
        # Somebody locked or merged the upstream's update commit before this one was made.
        if failed:
            raise failed[0].error
        return None
    files = {flake_file(dir): lock.to_bytes() for dir, lock in after.items()}
    described = list(describe_all({flake_file(dir): (before[dir], lock) for dir, lock in after.items()}))
    pins = {each.pin: each.rev for each in job.moves if each.pin is not None}
    signed_by = (job.author or repository.identity()) if job.sign_off else None
    text = message(job.run, described, pins, subject=job.subject, further=job.trailers, signed_by=signed_by)
    commit = write_update(repository, job.base_rev, files, text, job.author, _dates(after, job))
    tested = (job.base_rev,) if existing is None else (existing.tip, job.base_rev)
    passed = job.reuse_checks and any(same_trees(repository, each, commit) for each in tested)
    checked = bool(job.checks) and job.borrowed is None and not passed
    return Updated(
        repo=job.repo,
        branch=job.branch,
        commit=commit,
        moves=tuple(each for each in job.moves if each.flake in after),
        rewrites=tuple(each for each in job.rewrites if each.flake in after),
        failed_flakes=failed,
        locks=tuple(described),
        checks=run_checks(job, tools, repository, commit) if checked else (),
        diff=_diff(repository, job.base_rev, files) if job.borrowed is not None else None,
    )


def _is_current(
    job: BumpJob,
    repository: Repository,
    gate: Gate,
    existing: UpdateBranch,
    before: Mapping[FlakeDir, LockFile],
) -> bool:
    """Tell whether the update branch is what this job would make: one commit on the base with the planned locks.

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
    if not verified:
        changed = changed_paths(repository.reader, job.base_rev, existing.tip)
        if not changed <= set(map(flake_file, before)):
            return False
    for dir in before:
        data = repository.read(existing.tip, flake_file(dir))
        if data is None:
            return False
        try:
            lock = read_lock(data, flake_file(dir))
            if not verified:
                _verify(job, repository, dir, before[dir], lock)
            gate.require_none_added(NewLock(job.repo, dir, before[dir], lock), repository.reader, job.base_rev)
        except (SyncError, LockError):
            return False
        for each in job.moves:
            if each.flake == dir and each.rev != _rev(lock, each.move.input):
                return False
            if each.flake == dir and each.branch not in (None, _ref(lock, each.move.input)):
                return False
    return True


def _reads_as_planned(job: BumpJob, repository: Repository, existing: UpdateBranch) -> bool:
    """Tell whether the message is what is wanted now: its subject, what it waives, and whether it is signed off."""
    tip = repository.commit(existing.tip)
    if tip.message.partition("\n")[0] != job.subject or (trailer(tip, SIGNED) is not None) != job.sign_off:
        return False
    return [f"{COOLDOWN}: {value}" for value in trailers(tip, COOLDOWN)] == list(job.trailers)


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


def _lock(
    job: BumpJob, tools: Tools, repository: Repository, before: Mapping[FlakeDir, LockFile]
) -> tuple[dict[FlakeDir, LockFile], tuple[FailedFlake, ...]]:
    """Return the new locks, and the flakes whose locks could not be written: those fail alone, unless all do."""
    after: dict[FlakeDir, LockFile] = {}
    failed: list[FailedFlake] = []
    for dir, lock in before.items():
        moves = [each.move for each in job.moves if each.flake == dir]
        stale = job.stale_in(dir)
        try:
            new = tools.locker.lock(Request(job.repository, job.base_rev, dir, lock, moves, job.repo, stale))
            _verify(job, repository, dir, lock, new)
            tools.gate.require_none_added(NewLock(job.repo, dir, lock, new), repository.reader, job.base_rev)
        except Exception as error:
            failure = as_error(error)
            if failure.code == "nix-interrupted":
                raise
            failed.append(FailedFlake(dir, failure, stale=bool(stale), pinned=_is_pinned(job, dir)))
        else:
            after[dir] = new
    if not after:
        raise failed[0].error
    return after, tuple(failed)


def _is_pinned(job: BumpJob, dir: FlakeDir) -> bool:
    return any(each.pin is not None for each in job.moves if each.flake == dir)


def _verify(job: BumpJob, repository: Repository, dir: FlakeDir, before: LockFile, after: LockFile) -> None:
    """Read a new lock back. Raises: SyncError."""
    stale, file = job.stale_in(dir), flake_file(dir)
    verify(before, after, _planned(job, dir), file=file, stale=stale)
    if stale:
        flake_nix = read_through(repository.reader, job.base_rev, flake_file(dir, "flake.nix"))
        require_agreement(flake_nix or b"", after, file=file)


def _dates(after: Mapping[FlakeDir, LockFile], job: BumpJob) -> list[int]:
    dates: list[int] = []
    for dir, path in (*job.wanted, *((each.flake, each.input) for each in job.rewrites)):
        node = after[dir].node(path) if dir in after else None
        date = last_modified(node.locked) if node is not None and node.locked is not None else None
        if date is not None:
            dates.append(date)
    return dates


def _diff(repository: Repository, base: Rev, files: Mapping[str, bytes]) -> str:
    parts: list[str] = []
    for file, new in sorted(files.items()):
        old = repository.read(base, file) or b""
        lines = difflib.unified_diff(
            old.decode().splitlines(keepends=True),
            new.decode().splitlines(keepends=True),
            f"a/{file}",
            f"b/{file}",
        )
        parts += lines
    return "".join(parts)
