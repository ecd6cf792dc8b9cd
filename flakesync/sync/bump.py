"""The story of one repo: lock, verify, commit, check, move the branch."""

import difflib
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from flakesync.analysis.plan import Change, ChangeDocument, ToUpdate, change_document
from flakesync.documents.sync import CheckResult, Listener, Outcome, Step
from flakesync.errors import LockError, SyncError
from flakesync.git.repository import Repository
from flakesync.git.scratch.worktree import checkout
from flakesync.git.store.trees import changed_paths
from flakesync.git.values import Signature
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import CheckRun
from flakesync.survey.pins import last_modified
from flakesync.sync.lockers import FromClone, FromServer, Locker, Move, Request
from flakesync.sync.settled import Settled
from flakesync.sync.verify import verify
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName, Rev, flake_file
from flakesync.update.check_reuse import same_trees
from flakesync.update.commit import UpdateBranch, find_update_branch, message, read_lock, write_update
from flakesync.update.difference import describe_all
from flakesync.workspace.inputs import rev_of
from flakesync.workspace.snapshot import RepoState


@dataclass(frozen=True, slots=True)
class Source:
    """Where the commits of an upstream are: `repository` is its clone, its mirror, or a borrowed one."""

    repository: Path
    branch: str
    base_ref: str
    base: Rev


@dataclass(frozen=True, slots=True)
class Setting:
    """What all repos of a run share.

    author: None for git's own identity. check: runs one check in a folder. carry_over: whether checks that the update
    branch, or the base, has passed count for a commit that holds the same trees. settled: update branches that are as
    planned.
    """

    run: str
    branch: str
    author: Signature | None
    locker: Locker
    check: Callable[[Sequence[str], Path], CheckRun]
    dry_run: bool
    listener: Listener
    sources: Mapping[RepoName, Source]
    carry_over: bool = False
    settled: Settled = field(default_factory=lambda: Settled(None))


class ChecksFailedError(SyncError):
    """A check of a repo failed. results: of all checks that ran."""

    def __init__(self, results: list[CheckResult]) -> None:
        """Name the last check, which is the one that failed."""
        last = results[-1]
        super().__init__(
            "check-failed",
            f"`{last.command}` "
            + ("took too long" if last.exit_status is None else f"ended with exit status {last.exit_status}"),
            hint="its last lines are in the report; the update branch was not moved",
        )
        self.results = results


def bump(setting: Setting, state: RepoState, changes: tuple[Change, ...], commits: Mapping[RepoName, Rev]) -> Outcome:
    """Bring one repo's update branch to what the plan says, and return what became of it.

    commits: the update commits of its upstreams. The branch ref is moved last, so an interruption at any moment leaves
    the repo as it was.

    Raises:
        FlakesyncError: this repo failed.
    """
    source = setting.sources[state.name]
    wanted = {(change.flake, change.input): _wanted(change, commits) for change in changes}
    documents = [_document(change, wanted[change.flake, change.input]) for change in changes]
    with Repository.open(source.repository) as repository:
        ref = f"refs/heads/{setting.branch}"
        # Read before the branch is looked at: if somebody commits to it while the checks run, it is not moved.
        old = repository.ref(ref)
        branches = {(change.flake, change.input): _branch(setting, change) for change in changes}
        decided = (setting.branch, source.base, [(*key, rev, branches[key]) for key, rev in wanted.items()])
        pushed = repository.ref(f"refs/remotes/origin/{setting.branch}")
        unchanged = Outcome(repo=state.name, status="unchanged", branch=setting.branch, commit=old, changes=documents)
        if old is not None and setting.settled.has(old, pushed, decided):
            return unchanged
        existing = find_update_branch(repository, setting.branch, source.base)
        before = {flake.dir: flake.lock for flake in state.flakes if flake.lock is not None}
        if existing is not None and _is_current(setting.run, repository, existing, source, before, wanted, branches):
            if old is None:  # made elsewhere and fetched: dependents are locked from this ref
                repository.update_ref(ref, existing.tip, old=None, message=f"flakesync: run {setting.run}")
            setting.settled.add(existing.tip, pushed, decided)
            return msgspec.structs.replace(unchanged, commit=existing.tip)
        if old is None:
            # Before anything is locked or checked, and in a dry run too, whose repository has no other branches.
            _require_room(state.clone or source.repository, ref)
        setting.listener(Step(state.name, "locking"))
        after = _lock(setting, state, source, changes, wanted, before)
        files = {flake_file(dir): lock.to_bytes() for dir, lock in after.items()}
        described = list(describe_all({flake_file(dir): (before[dir], lock) for dir, lock in after.items()}))
        text = message(setting.run, described, _pins(changes, wanted))
        commit = write_update(repository, source.base, files, text, setting.author, _dates(after, wanted))
        checks: list[CheckResult] = []
        tested = (source.base,) if existing is None else (existing.tip, source.base)
        passed = setting.carry_over and any(same_trees(repository, each, commit) for each in tested)
        if state.repo.checks and not setting.dry_run and not passed:
            checks = _check(setting, state, repository, commit)
        repository.update_ref(ref, commit, old=old, message=f"flakesync: run {setting.run}")
        setting.settled.add(commit, pushed, decided)
        diff = _diff(repository, source.base, files) if setting.dry_run else None
    return Outcome(
        repo=state.name,
        status="updated",
        branch=setting.branch,
        commit=commit,
        changes=documents,
        locks=described,
        checks=checks,
        diff=diff,
    )


def _require_room(path: Path, ref: str) -> None:
    with Repository.open(path) as repository:
        repository.require_room(ref)


def _wanted(change: Change, commits: Mapping[RepoName, Rev]) -> Rev:
    return commits[change.to.upstream] if isinstance(change.to, ToUpdate) else change.to.rev


def _document(change: Change, rev: Rev) -> ChangeDocument:
    return msgspec.structs.replace(change_document(change), to={"rev": rev})


def _is_current(
    run: str,
    repository: Repository,
    existing: UpdateBranch,
    source: Source,
    before: Mapping[FlakeDir, LockFile],
    wanted: Mapping[tuple[FlakeDir, InputPath], Rev],
    branches: Mapping[tuple[FlakeDir, InputPath], str | None],
) -> bool:
    """Tell whether the update branch is what this run would make: one commit on the base with the planned locks.

    branches: what `ref` of a git node should name; None: whatever it does. After an upstream has landed, a lock may
    hold the right commit on an update branch that is gone. A commit of this very run, which is named after its bases
    and decisions, was verified when it was made: then only where the planned inputs are is looked at.
    """
    if not existing.single or existing.base != source.base:
        return False
    dirs = {dir for dir, _ in wanted}
    verified = existing.run == run
    if not verified and not changed_paths(repository.reader, source.base, existing.tip) <= {
        flake_file(dir) for dir in dirs
    }:
        return False
    for dir in dirs:
        data = repository.read(existing.tip, flake_file(dir))
        if data is None:
            return False
        planned = {path: rev for (flake, path), rev in wanted.items() if flake == dir}
        try:
            lock = read_lock(data, flake_file(dir))
            if not verified:
                verify(before[dir], lock, planned, file=flake_file(dir))
        except (SyncError, LockError):
            return False
        if any(rev != _rev(lock, path) for path, rev in planned.items()):
            return False
        if any(branches[dir, path] not in (None, _ref(lock, path)) for path in planned):
            return False
    return True


def _rev(lock: LockFile, path: InputPath) -> Rev | None:
    node = lock.node(path)
    return rev_of(node.locked) if node is not None and node.locked is not None else None


def _ref(lock: LockFile, path: InputPath) -> str | None:
    node = lock.node(path)
    ref = node.locked.get("ref") if node is not None and node.locked is not None else None
    return ref.removeprefix("refs/heads/") if isinstance(ref, str) else None


def _branch(setting: Setting, change: Change) -> str | None:
    """Return the branch that the new node will name; None: it names none, or one that Nix chooses."""
    to = change.to
    if change.locked.get("type") != "git":
        return None
    if isinstance(to, ToUpdate):
        return setting.branch
    upstream = setting.sources.get(to.upstream) if to.upstream is not None else None
    return (to.branch or upstream.branch) if upstream is not None else None


def _lock(
    setting: Setting,
    state: RepoState,
    source: Source,
    changes: Iterable[Change],
    wanted: Mapping[tuple[FlakeDir, InputPath], Rev],
    before: Mapping[FlakeDir, LockFile],
) -> dict[FlakeDir, LockFile]:
    after: dict[FlakeDir, LockFile] = {}
    for dir in dict.fromkeys(change.flake for change in changes):
        moves = [
            Move(change.input, change.original, change.locked, _source(setting, change, wanted[dir, change.input]))
            for change in changes
            if change.flake == dir
        ]
        request = Request(source.repository, source.base, dir, before[dir], moves, state.name)
        after[dir] = setting.locker.lock(request)
        planned = {move.input: wanted[dir, move.input] for move in moves}
        verify(before[dir], after[dir], planned, file=flake_file(dir))
    return after


def _source(setting: Setting, change: Change, rev: Rev) -> FromServer | FromClone:
    to = change.to
    if isinstance(to, ToUpdate):
        upstream = setting.sources[to.upstream]
        ref = f"refs/heads/{setting.branch}"
        return FromClone(rev, upstream.repository, ref, setting.branch, pushed=False)
    if to.upstream is None or to.upstream not in setting.sources:
        return FromServer(rev, to.branch, to.locked)
    upstream = setting.sources[to.upstream]
    branch = to.branch or upstream.branch
    ref = upstream.base_ref if branch == upstream.branch else _ref_of(upstream.repository, branch)
    return FromClone(rev, upstream.repository, ref, branch, pushed=True)


def _ref_of(repository: Path, branch: str) -> str:
    with Repository.open(repository) as opened:
        return branch_ref(opened, branch)


def branch_ref(repository: Repository, branch: str) -> str:
    """Return the full ref that `Repository.branch` reads."""
    local = f"refs/heads/{branch}"
    return local if repository.ref(local) is not None else f"refs/remotes/origin/{branch}"


def _pins(changes: Iterable[Change], wanted: Mapping[tuple[FlakeDir, InputPath], Rev]) -> dict[PinName, Rev]:
    return {change.pin: wanted[change.flake, change.input] for change in changes if change.pin is not None}


def _dates(after: Mapping[FlakeDir, LockFile], wanted: Iterable[tuple[FlakeDir, InputPath]]) -> list[int]:
    dates: list[int] = []
    for dir, path in wanted:
        node = after[dir].node(path)
        date = last_modified(node.locked) if node is not None and node.locked is not None else None
        if date is not None:
            dates.append(date)
    return dates


def _check(setting: Setting, state: RepoState, repository: Repository, commit: Rev) -> list[CheckResult]:
    """Run the repo's checks in a worktree of the new commit, before the branch moves to it."""
    results: list[CheckResult] = []
    with checkout(repository, commit) as folder:
        for argv in state.repo.checks:
            command = shlex.join(argv)
            setting.listener(Step(state.name, "checking", command))
            begin = time.monotonic()
            ran = setting.check(argv, folder)
            duration_s = round(time.monotonic() - begin, 3)
            results.append(
                CheckResult(command=command, exit_status=ran.status, duration_s=duration_s, output=ran.output)
            )
            if ran.status != 0:
                raise ChecksFailedError(results)
    return results


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
