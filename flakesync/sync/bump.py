"""The story of one repo: lock, verify, commit, check, move the branch."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from flakesync.audit.gate import NewLock
from flakesync.errors import GitError, as_error
from flakesync.git.repository import Repository
from flakesync.git.store.trees import is_sound
from flakesync.git.store.write import blob_id
from flakesync.nix.lock.file import LockFile
from flakesync.survey.pins import last_modified
from flakesync.sync.checks import run_checks
from flakesync.sync.events import Note, Step
from flakesync.sync.files.after import AFTER, AfterFiles, after_name, run_after
from flakesync.sync.files.edits import edited_base, edited_files
from flakesync.sync.job import BumpJob
from flakesync.sync.lockers import Request
from flakesync.sync.outcome import FailedFlake, Unchanged, Updated
from flakesync.sync.tools import Tools
from flakesync.sync.verify import is_current, is_the_same, read_back
from flakesync.terms import FlakeDir, Rev, flake_file
from flakesync.update.check_reuse import same_trees
from flakesync.update.commit import (
    MOVER,
    UpdateBranch,
    find_update_branch,
    message,
    read_lock,
    write_update,
)
from flakesync.update.difference import Difference, describe_all
from flakesync.update.files import file_lines, named_files
from flakesync.update.made import encode_made
from flakesync.workspace.clones.flakes import outline_of


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
        files = _files_of(job, repository, old)
        if known and old is not None and is_sound(repository.reader, old, files):
            return _unchanged(job, old)
        edited = edited_files(repository, job)
        before = locks_before(job, repository, tools.locks)
        try:
            existing = find_update_branch(repository, job.branch, job.base_rev, job.tracking)
            current = existing is not None and is_current(job, repository, tools.gate, existing, before, edited)
        except GitError as error:
            # After a power cut an update commit may be damaged. Written anew, it has the same id.
            if error.code not in ("corrupt", "missing-object") or not repository.is_moved_by(MOVER, ref, old):
                raise
            if old is not None:
                repository.remove_damaged(old, files, base=job.base_rev)
            existing, current = None, False
        if old is None and not current:
            # Before anything is locked or checked, and in a dry run too, whose repository has no other branches.
            _require_room(job, repository, ref)
        updated = existing if current else _make(job, tools, repository, before, edited, existing)
        if isinstance(updated, UpdateBranch):
            if old is None:  # made elsewhere and fetched: dependents are locked from this ref
                repository.update_ref(ref, updated.tip, old=None, message=note)
            tools.up_to_date.add(updated.tip, pushed, job.decisions, tools.gate.key)
            return _unchanged(job, updated.tip)
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


def _unchanged(job: BumpJob, tip: Rev) -> Unchanged:
    return Unchanged(
        repo=job.repo, branch=job.branch, commit=tip, moves=job.moves, rewrites=job.rewrites, holds=job.holds
    )


def _require_room(job: BumpJob, repository: Repository, ref: str) -> None:
    if job.clone == job.repository:
        repository.require_room(ref)
        return
    with Repository.open(job.clone) as clone:
        clone.require_room(ref)


def _files_of(job: BumpJob, repository: Repository, tip: Rev | None) -> list[str]:
    """Return the files that an update commit may hold; of one that cannot be read the locks alone."""
    locks = [flake_file(dir) for dir in job.flakes]
    if tip is None or not (job.edits or job.after):
        return locks
    try:
        return [*locks, *(named_files(repository.commit(tip)) or ())]
    except GitError:
        return locks


def locks_before(
    job: BumpJob, repository: Repository, known: Mapping[tuple[Rev, FlakeDir], LockFile]
) -> dict[FlakeDir, LockFile]:
    """Return the locks at the base: those that move, and those of flakes that are edited, as far as they have one.

    known: those that have been read already, by their commit.
    """
    found: dict[FlakeDir, LockFile] = {}
    for dir in dict.fromkeys([*job.flakes, *(dir for dir, _ in job.edits)]):
        lock = known.get((job.base_rev, dir))
        data = repository.read(job.base_rev, flake_file(dir)) if lock is None else None
        if lock is not None:
            found[dir] = lock
        elif data is not None or dir in job.flakes:
            found[dir] = read_lock(data or b"", flake_file(dir))
    return found


def _make(
    job: BumpJob,
    tools: Tools,
    repository: Repository,
    before: Mapping[FlakeDir, LockFile],
    edited: Mapping[str, bytes],
    existing: UpdateBranch | None,
) -> Updated | UpdateBranch | None:
    """Lock, commit and check; return the result, to whose commit no ref leads yet.

    None: the base has these locks. `existing`: the result is what is there already, but for the run that it names.
    """
    tools.listener(Step(job.repo, "locking"))
    after, differing, failed = _lock(job, tools, repository, before, edited)
    if not edited and all(lock == before[dir] for dir, lock in after.items()):
        # Somebody locked or merged the upstream's update commit before this one was made.
        if failed:
            raise failed[0].error
        return None
    if failed and not {dir for dir, _ in job.edits} <= after.keys():
        # An edited flake.nix is what other flakes of the repo may be locked by too: it is committed with all, or not.
        raise failed[0].error
    files = {**{flake_file(dir): lock.to_bytes() for dir, lock in after.items()}, **edited}
    described = list(describe_all({flake_file(dir): differing[dir] for dir in after}))
    pins = {each.pin: each.rev for each in job.moves if each.pin is not None}
    signed_by = (job.author or repository.identity()) if job.sign_off else None
    words = partial(message, changed=described, pins=pins, subject=job.subject, signed_by=signed_by)
    write = partial(write_update, repository, job.base_rev, files, author=job.author, dates=_dates(after, job))
    ran = AfterFiles({}, ())
    if job.after and not job.runs_after:
        tools.listener(Note(f"{job.repo}: a dry run runs no command of `after`: its commit is without their files"))
    elif job.after:
        ran = run_after(job, tools, repository, write(text=words(job.run), passing=True))
    further = (*job.trailers, *_file_lines(job, edited, ran))
    commit = write(text=words(job.run, further=further), placed=ran.entries)
    if job.after and existing is not None and existing.run is not None:
        text = words(existing.run, further=further)
        if is_the_same(repository, existing, commit, text):
            return existing
    tested = (job.base_rev,) if existing is None else (existing.tip, job.base_rev)
    passed = job.reuse_checks and any(same_trees(repository, each, commit) for each in tested)
    passed = passed or (bool(job.tested) and repository.reader.tree_of(commit) in job.tested)
    checked = bool(job.checks) and job.borrowed is None and not passed
    # What `after` and edits write is no lock alone, and a flake that fails has no part in it.
    locks_alone = not (edited or failed or job.after)
    return Updated(
        repo=job.repo,
        branch=job.branch,
        commit=commit,
        moves=tuple(each for each in job.moves if each.flake in after),
        rewrites=tuple(each for each in job.rewrites if each.flake in after),
        failed_flakes=failed,
        holds=job.holds,
        locks=tuple(described),
        after=ran.results,
        files=tuple(sorted({*edited, *ran.entries})),
        checks=run_checks(job, tools, repository, commit, ran.results) if checked else (),
        diff=_diff(repository, job.base_rev, files) if job.borrowed is not None else None,
        outlines=_outlines(after, files) if job.borrowed is None else {},
        record=encode_made(job.base_rev, differing.values(), job.branch) if locks_alone else None,
    )


def _outlines(after: Mapping[FlakeDir, LockFile], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the outlines of new locks: who reads the update branch next need not take them apart."""
    found: dict[str, bytes] = {}
    for dir, lock in after.items():
        found |= outline_of(dir, lock, files[flake_file(dir)])
    return found


def _file_lines(job: BumpJob, edited: Mapping[str, bytes], ran: AfterFiles) -> Iterator[str]:
    """Yield the trailers that name the commands of `after`, and what is no lock."""
    name = after_name(job.after)
    if name is not None:
        yield f"{AFTER}: {name}"
    blobs = {path: blob_id(content, job.base_rev) for path, content in edited.items()}
    placed = {path: entry[1] if entry is not None else None for path, entry in ran.entries.items()}
    yield from file_lines({**blobs, **placed}, job.base_rev)


def _lock(
    job: BumpJob,
    tools: Tools,
    repository: Repository,
    before: Mapping[FlakeDir, LockFile],
    edited: Mapping[str, bytes],
) -> tuple[dict[FlakeDir, LockFile], dict[FlakeDir, Sequence[Difference]], tuple[FailedFlake, ...]]:
    """Return the new locks, what differs in each, and the flakes whose locks could not be written.

    Those fail alone, unless all do.
    """
    after: dict[FlakeDir, LockFile] = {}
    differing: dict[FlakeDir, Sequence[Difference]] = {}
    failed: list[FailedFlake] = []
    base = edited_base(repository, job, edited)
    for dir, lock in before.items():
        moves = [each.move for each in job.moves if each.flake == dir]
        stale = job.stale_in(dir)
        try:
            new = tools.locker.lock(Request(job.repository, base, dir, lock, moves, job.repo, stale))
            differing[dir] = read_back(job, repository, dir, lock, new, base)
            tools.gate.require_none_added(NewLock(job.repo, dir, lock, new), repository.reader, base)
        except Exception as error:
            failure = as_error(error)
            if failure.code == "nix-interrupted":
                raise
            failed.append(FailedFlake(dir, failure, stale=bool(stale), pinned=_is_pinned(job, dir)))
        else:
            after[dir] = new
    if not after:
        raise failed[0].error
    return after, differing, tuple(failed)


def _is_pinned(job: BumpJob, dir: FlakeDir) -> bool:
    return any(each.pin is not None for each in job.moves if each.flake == dir)


def _dates(after: Mapping[FlakeDir, LockFile], job: BumpJob) -> list[int]:
    dates: list[int] = []
    for dir, path in (*job.wanted, *((each.flake, each.input) for each in job.rewrites)):
        node = after[dir].node(path) if dir in after else None
        date = last_modified(node.locked) if node is not None and node.locked is not None else None
        if date is not None:
            dates.append(date)
    return dates


def _diff(repository: Repository, base: Rev, files: Mapping[str, bytes]) -> str:
    import difflib

    parts: list[str] = []
    for file, new in sorted(files.items()):
        old = repository.read(base, file) or b""
        lines = difflib.unified_diff(
            old.decode("utf-8", "replace").splitlines(keepends=True),
            new.decode("utf-8", "replace").splitlines(keepends=True),
            f"a/{file}",
            f"b/{file}",
        )
        parts += lines
    return "".join(parts)
