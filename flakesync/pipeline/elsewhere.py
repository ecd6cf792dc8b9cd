"""One task of a plan, carried out on a machine of its own: git carries the commits of its upstreams there and back.

Only the task's repo and its upstreams are read. Upstreams are locked from throw-away repositories that borrow their
objects, so no ref of theirs moves, and tasks of other plans may go on beside it. The update branch goes out with a
lease on what was seen before: whoever pushes meanwhile wins, and the task fails.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from flakesync.analysis.moves import ToRev
from flakesync.audit.gate import make_gate
from flakesync.cache.layout import task_lock
from flakesync.cache.lock import exclusive
from flakesync.errors import FlakesyncError, LockError, SyncError, as_error
from flakesync.forge.hosts import Servers
from flakesync.git.repository import Repository
from flakesync.git.scratch.alternates import borrow_objects
from flakesync.git.trailers import trailer
from flakesync.nix.lock.file import LockFile
from flakesync.pipeline.states import RepoStates, is_behind, is_made_by, update_tip
from flakesync.processes.folders import temporary_folder
from flakesync.publish.branches import Branches, as_read, find_branches, last_fetched, push
from flakesync.survey.held.check_holds import holds_of
from flakesync.sync.events import Note, Progress
from flakesync.sync.job import full_ref
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.options import Options
from flakesync.sync.outcome import Failed, RepoOutcome, Unchanged, Updated
from flakesync.sync.preflight import require_identity
from flakesync.sync.tasks.task import RepoTask
from flakesync.sync.tasks.worker import Worker, make_rests
from flakesync.sync.tools import make_tools
from flakesync.sync.up_to_date import UpToDateBranches
from flakesync.terms import RepoName, Rev, flake_file
from flakesync.update.commit import MOVER, RUN
from flakesync.update.content import own_commits
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.snapshot import RepoAtCommit


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where tasks are carried out, and with what; threads share it.

    workspace: the whole manifest, whose names and rules count, though few of its repos are read. servers: what git logs
    in with. push: whether the update branch is pushed to its server. up_to_date: the update branches that are known to
    be as planned.
    """

    workspace: Workspace
    options: Options
    servers: Servers
    listener: Callable[[Progress], None]
    push: bool = True
    up_to_date: UpToDateBranches = UpToDateBranches(None)  # noqa: RUF009 - it keeps nothing

    def told(self, listener: Callable[[Progress], None]) -> "Place":
        """Return the same place with another listener."""
        return replace(self, listener=listener)

    def states(self) -> RepoStates:
        """Return the repos as their servers have them from now on, each asked once."""
        options = self.options
        return RepoStates(self.workspace, options.cache, self.servers.hosts, offline=options.offline)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of one task.

    pushed: whether the update branch of its server was moved. notes: for a person. locker: who wrote the locks; empty:
    it did not come to that.
    """

    outcome: RepoOutcome
    pushed: bool = False
    notes: tuple[str, ...] = ()
    locker: str = ""


def carry_out(task: RepoTask, place: Place, states: RepoStates | None = None) -> TaskResult:
    """Update the repo of a task whose upstreams' commits are known, push its update branch, and return the result.

    The commit is the one that `sync` makes. A second task of the same repo waits for the first one, and finds its
    work done; on another machine it makes the same commit. states: repos that have been read already; None: none.
    """
    notes: list[str] = []
    listener = place.listener

    def listen(event: Progress) -> None:
        if isinstance(event, Note):
            notes.append(event.text)
        listener(event)

    place = place.told(listen)
    try:
        with exclusive(task_lock(place.workspace.file, place.options.cache, task.repo), wait=True):
            result = _Task(task, place, states or place.states()).carry_out()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
        result = TaskResult(Failed(task.repo, place.servers.clean_error(as_error(error))))
    return replace(result, notes=tuple(notes))


class _Task:
    """One task, and the repos that it needs."""

    def __init__(self, task: RepoTask, place: Place, states: RepoStates) -> None:
        self.task = task
        self.place = place
        self.states = states
        self.branch = place.workspace.branch

    def carry_out(self) -> TaskResult:
        """Return the result. Raises: FlakesyncError."""
        state = self.states.at(self.task.repo, self.task.base_rev)
        with Repository.open(state.clone) as repository:
            branches = self._look(repository, state)
            task = self._with_holds(repository, branches)
        require_identity(self.place.workspace.author, [state.clone])
        with self._repositories(state) as (upstreams, locks):
            worker = make_worker(self.place, {task.repo: state, **upstreams}, locks, task.day)
            outcome = worker.carry_out(task)
        pushed = False
        if not isinstance(outcome, Failed) and self._is_to_be_pushed(outcome, branches):
            outcome, pushed = self._push(outcome, branches)
        return TaskResult(outcome, pushed, locker=worker.tools.locker.name)

    def _is_to_be_pushed(self, outcome: Updated | Unchanged, branches: Branches) -> bool:
        return self.place.push and outcome.branch is not None and outcome.commit != branches.remote

    def _push(self, outcome: Updated | Unchanged, branches: Branches) -> tuple[Updated | Unchanged | Failed, bool]:
        """Move the update branch of the server; return the outcome with that, and whether it was moved."""
        servers = self.place.servers
        try:
            with Repository.open(branches.clone) as repository:
                push(repository, branches.url or "", self.branch, outcome.commit, branches.remote, servers)
        except FlakesyncError as error:
            checks, after = (outcome.checks, outcome.after) if isinstance(outcome, Updated) else ((), ())
            return Failed(outcome.repo, servers.clean_error(error), checks, after), False
        return outcome, True

    def _with_holds(self, repository: Repository, branches: Branches) -> RepoTask:
        """Return the task with what a run of this plan has found out already: which inputs its checks fail with."""
        tip = branches.remote or branches.local
        if tip is None:
            return self.task
        commit = repository.commit(tip)
        if not is_made_by(repository, commit, self.task):
            return self.task
        return msgspec.structs.replace(self.task, holds=holds_of(commit))

    def _look(self, repository: Repository, state: RepoAtCommit) -> Branches:
        """Return where the update branch is, which is flakesync's own. Raises: FlakesyncError."""
        place = self.place
        if place.push:
            found = as_read(repository, state, self.branch)
            branches = found or find_branches(repository, state, self.branch, place.servers)
            if branches.url is None:
                raise SyncError(
                    "no-server",
                    f"{state.name}: there is no server to push to: the manifest has no `url`, its clone no remote",
                    hint="give it a `url` in the manifest; without --push the commit stays in the clone",
                )
        else:
            branches = last_fetched(repository, state, self.branch)
        if branches.remote is not None:
            self._require_turn(repository, branches, branches.remote)
            self._follow_server(repository, branches, branches.remote)
        return branches

    def _require_turn(self, repository: Repository, branches: Branches, tip: Rev) -> None:
        """Leave a branch alone with somebody else's commit, and one that a newer plan has made. Raises: SyncError."""
        commits = own_commits(repository, self.branch, tip, branches.bases, " of the server")
        base = commits[-1].parents[0] if commits else self.task.base_rev
        if base != self.task.base_rev and repository.history.is_ancestor(self.task.base_rev, base):
            raise SyncError(
                "newer-plan",
                f"{self.branch} of the server was made on {base[:12]}, a later base than that of this plan",
                hint="a newer plan was carried out meanwhile; this one is over",
            )

    def _follow_server(self, repository: Repository, branches: Branches, tip: Rev) -> None:
        """Let the update branch here be its server's, unless it is this plan's and the push was cut off."""
        local = branches.local
        if local is None or local == tip:
            return
        commit = repository.commit(local)
        if trailer(commit, RUN) == self.task.run and commit.parents == (self.task.base_rev,):
            return
        own_commits(repository, self.branch, local, branches.bases)
        repository.clear_dead_locks(branches.ref)
        repository.update_ref(branches.ref, tip, old=local, message=f"{MOVER}: as the server has it")

    # ---- upstreams -----------------------------------------------------------------------------------------------

    @contextmanager
    def _repositories(self, state: RepoAtCommit) -> Iterator[tuple[Mapping[RepoName, RepoAtCommit], list[LockFile]]]:
        """Give the upstreams, each in a repository that has the commits that are locked, and the locks that are known.

        Raises: FlakesyncError: an upstream cannot be read, or does not have such a commit.
        """
        locks = [flake.lock for flake in state.flakes if flake.lock is not None]
        found: dict[RepoName, RepoAtCommit] = {}
        with temporary_folder("task") as tmp:
            for name in sorted(upstreams_of(self.task)):
                if name == self.task.repo:
                    continue
                base = self.task.bases.get(name)
                upstream = self.states.at(name, base) if base is not None else self.states.now(name)
                locks += [flake.lock for flake in upstream.flakes if flake.lock is not None]
                commit = self.task.commits.get(name)
                if commit is not None and commit != upstream.base_rev:
                    self._require_there(upstream, commit)
                    locks += _locks_at(upstream, commit)
                self.states.bring(upstream, self._revs(name))
                found[name] = self._lent(upstream, commit, tmp)
            yield found, locks

    def _revs(self, name: RepoName) -> Iterator[tuple[str | None, Rev]]:
        """Give the commits of a repo's own branches that the task locks, each with its branch."""
        for change in self.task.changes:
            if isinstance(change.to, ToRev) and change.to.upstream == name:
                yield change.to.branch, change.to.rev

    def _require_there(self, state: RepoAtCommit, commit: Rev) -> None:
        """Make sure that a commit is the tip of an upstream's update branch, or has landed. Raises: SyncError."""
        with Repository.open(state.clone) as repository:
            tip = update_tip(repository, state, self.branch)
            landed = repository.has(commit) and is_behind(repository, commit, self.states.now(state.name).base_rev)
            if commit == tip or landed:
                return
            at = f"is at {tip[:12]}" if tip is not None else "is not there"
            raise SyncError(
                "upstream-moved",
                f"the update branch of {state.name} {at}, and should be at {commit[:12]}",
                hint="run its task again, then this one",
            )

    def _lent(self, state: RepoAtCommit, commit: Rev | None, tmp: Path) -> RepoAtCommit:
        """Return an upstream in a repository of its own, whose update branch is at what is locked."""
        with Repository.open(state.clone) as repository:
            refs = {full_ref(repository, state, state.base): state.base_rev}
            for branch, _ in self._revs(state.name):
                ref = full_ref(repository, state, branch or state.base)
                if (tip := repository.ref(ref)) is not None:
                    refs[ref] = tip
            if commit is not None and commit != state.base_rev:
                refs[f"refs/heads/{self.branch}"] = commit
            return msgspec.structs.replace(state, clone=borrow_objects(repository, tmp, refs))


def make_worker(
    place: Place, repositories: Mapping[RepoName, RepoAtCommit], locks: Sequence[LockFile], day: str
) -> Worker:
    """Return who carries out the tasks of some repos. locks: that name what need not be fetched. day: UTC.

    Raises: NixError: Nix is to write or to verify the locks, and there is none.
    """
    workspace, options, hosts = place.workspace, place.options, place.servers.hosts
    clones = {identity: state.clone for state in repositories.values() for identity in state.repo.identities}
    sources = Sources(clones, locks, options.cache, offline=options.offline, hosts=hosts)
    tools = make_tools(options, make_gate(workspace, clones), sources, hosts, place.listener, place.up_to_date)
    return Worker(
        workspace=workspace,
        states=repositories,
        repositories=repositories,
        tools=tools,
        rests=make_rests(tools, workspace.file, options.cache, day),
    )


def upstreams_of(task: RepoTask) -> frozenset[RepoName]:
    """Return the repos of the workspace whose commits a task locks, and those that have to end before."""
    locked = (change.to.upstream for change in task.changes)
    return task.upstreams | frozenset(name for name in locked if name is not None)


def _locks_at(state: RepoAtCommit, commit: Rev) -> list[LockFile]:
    """Return the locks of an update commit: they name what has been fetched, and need not be fetched here."""
    found: list[LockFile] = []
    with Repository.open(state.clone) as repository:
        for dir in state.repo.flakes:
            data = repository.read(commit, flake_file(dir))
            try:
                found += [LockFile.parse(data)] if data is not None else []
            except LockError:
                continue
    return found
