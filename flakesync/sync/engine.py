"""Carries a plan out: every repo as soon as its upstreams are done; a failed one takes only its dependents along."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from email.utils import parseaddr
from pathlib import Path
from threading import Lock

import msgspec

from flakesync.analysis.plan import Change, Plan, ToUpdate
from flakesync.cache.lock import exclusive
from flakesync.documents.sync import ErrorDocument, Event, Finished, Listener, Note, Outcome, Started, SyncDocument
from flakesync.errors import FlakesyncError, ManifestError, as_error
from flakesync.git import process as git_process
from flakesync.git.repository import Repository
from flakesync.git.values import Signature
from flakesync.nix.program import process as nix_process
from flakesync.survey.survey import Situation
from flakesync.sync.bump import ChecksFailedError, Setting, Source, branch_ref, bump
from flakesync.sync.lockers.auto import FoundNix, LockerChoice, choose_locker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.schedule import run_ready
from flakesync.sync.settled import Settled
from flakesync.terms import RepoName, Rev
from flakesync.update.commit import find_update_branch
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.snapshot import RepoAtCommit, RepoState


def sync(
    situation: Situation,
    plan: Plan,
    *,
    jobs: int,
    dry_run: bool,
    listener: Listener,
    cache: Path,
    locker: LockerChoice = "auto",
    verify: bool = False,
    offline: bool = False,
    dialect: str | None = None,
) -> SyncDocument:
    """Bump every repo of the plan and return what became of each.

    dry_run: commits go to throw-away repositories that borrow the objects of the real ones; nothing is left of them.
    cache: where mirrors are, and the lock file that keeps two runs of one workspace apart. locker: who writes the
    locks. verify: whether Nix looks over what the native locker writes. offline: whether the native locker asks no
    server. dialect: the versions of Nix that it writes like (`nix-2.8`, `nix-2.26+`); None: what each lock shows.

    Raises:
        FlakesyncError: nothing could be begun: no git, no Nix where it is needed for all, a plain folder, or another
            run is going on (`busy`).
    """
    states = situation.snapshot.states
    _refuse_folders(states, plan)
    git_process.git(["--version"])  # without git no repo could be bumped: then nothing is begun at all
    hosts = Hosts(situation.snapshot.workspace, os.environ)
    nix = FoundNix(hosts)
    listener = one_at_a_time(listener)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(only_run(situation.snapshot.workspace.file, cache))
        sources = stack.enter_context(_sources(situation, dict(plan.changes()) if dry_run else {}))
        author = author_of(situation.snapshot.workspace.author)
        known = native_sources(situation, sources, cache, hosts, offline=offline)
        settled = Settled(None if dry_run else run_file(situation.snapshot.workspace.file, cache, "settled"))
        setting = Setting(
            run=plan.run,
            branch=situation.snapshot.workspace.branch,
            author=author,
            locker=choose_locker(locker, known, nix, lambda text: listener(Note(text)), verify=verify, dialect=dialect),
            check=nix.run_check,
            dry_run=dry_run,
            listener=listener,
            sources=sources,
            settled=settled,
        )
        run = _Run(setting, situation, plan)
        try:
            run.carry_out(jobs)
        finally:
            settled.write()
        unchanged = [run.leave(name) for name in plan.unchanged]
    outcomes = [run.outcomes[name] for name, _ in plan.changes()]
    outcomes += [run.outcomes[name] for name in sorted(plan.problems)]
    return SyncDocument(run=plan.run, locker=setting.locker.name, dry_run=dry_run, repos=outcomes + unchanged)


class _Run:
    """One run: the outcomes so far."""

    def __init__(self, setting: Setting, situation: Situation, plan: Plan) -> None:
        states = situation.snapshot.states
        self.setting = setting
        self.states = states
        self.changes = dict(plan.changes())
        self.outcomes: dict[RepoName, Outcome] = {}
        self.done = 0
        # An upstream that was not selected, or could not be read, may be why there is nothing to do.
        partial = len(self.changes) + len(plan.unchanged) + len(plan.problems) < len(states)
        self.undecided = frozenset(states) if partial else situation.graph.downstream(plan.problems)
        for name, detail in plan.problems.items():
            error = states[name].error
            code = error.code if error is not None else "bad-lock"
            hint = error.hint if error is not None else None
            document = ErrorDocument(code=code, message=detail, hint=hint)
            self.outcomes[name] = Outcome(repo=name, status="failed", error=document)

    def carry_out(self, jobs: int) -> None:
        """Do all repos of the plan."""
        tasks = list(self.changes)
        upstreams = {name: self._upstreams(name) & self.changes.keys() for name in tasks}
        run_ready(tasks, upstreams, self._work, self._finish, jobs=jobs, stop=stopper())

    def _upstreams(self, name: RepoName) -> frozenset[RepoName]:
        return frozenset(change.to.upstream for change in self.changes[name] if isinstance(change.to, ToUpdate))

    def _finish(self, name: RepoName, outcome: Outcome) -> None:
        self.outcomes[name] = outcome
        self.done += 1
        self.setting.listener(Finished(outcome, self.done, len(self.changes)))

    def _work(self, name: RepoName) -> Outcome:
        commits: dict[RepoName, Rev] = {}
        for upstream in sorted(self._upstreams(name)):
            outcome = self.outcomes[upstream]
            if outcome.commit is None or outcome.status in ("failed", "skipped"):
                return _skipped(name, upstream, outcome)
            commits[upstream] = Rev(outcome.commit)
        self.setting.listener(Started(name))
        changes: tuple[Change, ...] = self.changes[name]
        try:
            return bump(self.setting, self.states[name], changes, commits)
        except ChecksFailedError as error:
            return msgspec.structs.replace(_failed(name, error), checks=error.results)
        except (FlakesyncError, OSError) as error:  # on a full disk too, the others may still succeed
            return _failed(name, as_error(error))

    def leave(self, name: RepoName) -> Outcome:
        """Return the outcome of a repo that the plan leaves alone; an update branch that it no longer needs goes."""
        source = self.setting.sources.get(name)
        if source is None or self.setting.dry_run or name in self.undecided:
            return Outcome(repo=name, status="unchanged")
        try:
            with Repository.open(source.repository) as repository:
                ref = f"refs/heads/{self.setting.branch}"
                tip = repository.ref(ref)
                if tip is not None:
                    find_update_branch(repository, self.setting.branch, source.base)
                    repository.delete_ref(ref, old=tip)
                    self.setting.listener(Note(f"{name}: nothing to update any more, its update branch is removed"))
        except FlakesyncError as error:
            self.setting.listener(Note(f"{name}: its update branch stays: {error.message}"))
        return Outcome(repo=name, status="unchanged")


def _failed(name: RepoName, error: FlakesyncError) -> Outcome:
    document = ErrorDocument(code=error.code, message=error.message, hint=error.hint)
    return Outcome(repo=name, status="failed", error=document)


def _skipped(name: RepoName, upstream: RepoName, outcome: Outcome) -> Outcome:
    because = outcome.error.because if outcome.error is not None and outcome.error.because else upstream
    message = f"{upstream} {'failed' if outcome.status == 'failed' else 'was skipped'}"
    return Outcome(
        repo=name,
        status="skipped",
        error=ErrorDocument(code="upstream-failed", message=message, because=because),
    )


def _refuse_folders(states: Mapping[RepoName, RepoState], plan: Plan) -> None:
    for name, _ in plan.changes():
        if states[name].clone is None and states[name].error is None:
            raise ManifestError(
                "not-a-repository",
                f"repos.{name}.path: {states[name].repo.path} is a plain folder, not a git repository of its own",
                hint="graph, drift and plan read plain folders; sync needs a repository to commit to",
            )


def run_file(manifest: Path, cache: Path, ending: str) -> Path:
    """Return the file in the cache that runs of this manifest share."""
    digest = hashlib.sha256(os.fsencode(manifest.resolve())).hexdigest()[:16]
    return cache / "runs" / f"{digest}.{ending}"


@contextmanager
def only_run(manifest: Path, cache: Path) -> Iterator[None]:
    """Keep other runs of the same manifest away until the block ends. Raises FlakesyncError (`busy`)."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(run_file(manifest, cache, "lock"), wait=False))
        except FlakesyncError as error:
            if error.code != "busy":
                raise
            hint = "wait for it to end; nothing was changed"
            raise FlakesyncError("busy", f"another run holds {manifest}", hint=hint) from error
        yield


@contextmanager
def _sources(situation: Situation, borrow: Container[RepoName]) -> Iterator[Mapping[RepoName, Source]]:
    """Give, for each repo, the repository that its commits are read from and written to.

    borrow: the repos that get a throw-away one, which ends with the block.
    """
    branch = situation.snapshot.workspace.branch
    with tempfile.TemporaryDirectory(prefix="flakesync-dry-run-") as tmp:
        found: dict[RepoName, Source] = {}
        for name, state in situation.snapshot.states.items():
            if not isinstance(state, RepoAtCommit):
                continue
            path = state.clone
            with Repository.open(path) as repository:
                base_ref = branch_ref(repository, state.base)
                if name in borrow:
                    refs = {base_ref: state.base_rev}
                    for ref in (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"):
                        tip = repository.ref(ref)
                        if tip is not None:
                            refs[ref] = tip
                    path = repository.borrow(Path(tmp), refs)
            found[name] = Source(path, state.base, base_ref, state.base_rev)
        yield found


def native_sources(
    situation: Situation, sources: Mapping[RepoName, Source], cache: Path, hosts: Hosts, *, offline: bool
) -> Sources:
    """Return where the native locker finds commits: the repos' own repositories, all locks, the cache."""
    states = situation.snapshot.states
    repositories = {
        identity: source.repository for name, source in sources.items() for identity in states[name].repo.identities
    }
    locks = [flake.lock for state in states.values() for flake in state.flakes if flake.lock is not None]
    return Sources(repositories, locks, cache, offline=offline, hosts=hosts)


def stopper() -> Callable[[], None]:
    """Return what ends the processes of a run; called again, it leaves git alone, which then takes worktrees away."""
    first = True

    def stop() -> None:
        nonlocal first
        if first:
            git_process.stop_all()
        first = False
        nix_process.stop_all()

    return stop


def one_at_a_time(listener: Listener) -> Listener:
    """Return a listener that several threads may tell something."""
    guard = Lock()

    def listen(event: Event) -> None:
        with guard:
            listener(event)

    return listen


def author_of(text: str | None) -> Signature | None:
    """Return the person that `author` in the manifest names; None: git's own identity."""
    if text is None:
        return None
    name, email = parseaddr(text)
    return Signature(name, email)
