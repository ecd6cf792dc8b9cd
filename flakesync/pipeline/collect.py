"""The results of a plan whose tasks other machines carried out, read from the update branches on the servers.

Each server is asked once for each repo, and the commit of a branch is read where it is not here yet, without its
history. Only where that commit is of another run, or there is none, is more of the repo looked at.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from flakesync.analysis.documents.plan import change_document
from flakesync.analysis.moves import Change, ToUpdate
from flakesync.documents.change.task import TaskDocument
from flakesync.documents.plan import ChangeDocument
from flakesync.documents.sync import ErrorDocument, LeftDocument, Outcome, Status, SyncDocument
from flakesync.errors import FlakesyncError, GitError, as_error
from flakesync.git.remotes.commit_files import fetch_files, files_of_commit
from flakesync.git.remotes.mirror import mirror_path
from flakesync.git.remotes.remote import list_refs
from flakesync.git.repository import MIRROR_MARK, Repository
from flakesync.pipeline.elsewhere import Place
from flakesync.pipeline.plan_file import PlanFile
from flakesync.pipeline.states import is_made_by
from flakesync.pipeline.upstreams import Upstreams
from flakesync.publish.each_repo import map_repos
from flakesync.sync.documents import error_document
from flakesync.sync.outcome import FailedUpstream
from flakesync.sync.tasks.task import RepoTask
from flakesync.terms import RepoName, Rev

Claims = Mapping[RepoName, Sequence[TaskDocument]]
"""What tasks say of themselves, by repo."""


def collect(plan: PlanFile, place: Place, claims: Claims) -> SyncDocument:
    """Return the document that `sync` would have answered with, as far as branches and claims tell it.

    An update is what a branch on a server says. Claims add what no branch says: why a task failed, how checks ended.
    """
    return _Collecting(plan, place, claims).carry_out()


@dataclass
class _Collecting:
    """One collection. done: the commits that dependents lock. errors: of repos whose server could not be asked."""

    plan: PlanFile
    place: Place
    claims: Claims
    tips: dict[RepoName, Rev] = field(default_factory=dict)
    done: dict[RepoName, Rev | FailedUpstream] = field(default_factory=dict)
    errors: dict[RepoName, FlakesyncError] = field(default_factory=dict)
    old: set[RepoName] = field(default_factory=set)

    def carry_out(self) -> SyncDocument:
        """Look at all repos, and return the document."""
        jobs, stop = self.place.workspace.jobs, self.place.servers.stop
        tasks = self.plan.by_repo
        made = map_repos(tasks, lambda name: self._is_made(tasks[name]), jobs=jobs, stop=stop)
        self.done |= {name: self.tips[name] for name, is_made in made.items() if is_made}
        upstreams = Upstreams(self.plan, self.place, self.place.states(), self.done)
        needs = {name: task.upstreams for name, task in tasks.items()}
        map_repos(tasks, lambda name: self._decide(name, upstreams), jobs=jobs, stop=stop, upstreams=needs)
        return self._document()

    # ---- branches ------------------------------------------------------------------------------------------------

    def _is_made(self, task: RepoTask) -> bool:
        """Tell whether the update branch of a repo is at what a run of this plan has made; its tip is noted."""
        try:
            return self._look(task)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
            self.errors[task.repo] = self.place.servers.clean_error(as_error(error))
            return False

    def _look(self, task: RepoTask) -> bool:
        repo = self.place.workspace.repo(task.repo)
        ref = f"refs/heads/{self.plan.branch}"
        here = repo.path if repo.path is not None and repo.path.exists() else None
        url = repo.url.git_url() if repo.url is not None else _remote_of(here)
        if url is None or self.place.options.offline:
            if here is None:
                return False  # its mirror is looked at as a whole
            with Repository.open(here) as repository:
                tip = repository.ref(ref)
                return tip is not None and self._is_at(repository, tip, task)
        remote = self.place.servers.remote(url)
        tip = list_refs(remote, [ref]).get(ref)
        if tip is None:
            return False
        cache = self.place.options.cache
        mirror = mirror_path(remote, cache)
        for path in (here, mirror if (mirror / MIRROR_MARK).exists() else None):
            if path is not None:
                with Repository.open(path) as repository:
                    if repository.has(tip) and repository.has(task.base_rev):
                        return self._is_at(repository, tip, task)
        if task.base_rev in fetch_files(remote, [tip, task.base_rev], cache):
            self.tips[task.repo] = tip
            return False  # nobody can have made it on that base
        with files_of_commit(remote, ref, tip, cache) as path:
            if path is None:
                raise GitError("ref-moved", f"{task.repo}: {ref} moved on its server just now", hint="run it again")
            with Repository.open(path) as repository:
                return self._is_at(repository, tip, task)

    def _is_at(self, repository: Repository, tip: Rev, task: RepoTask) -> bool:
        self.tips[task.repo] = tip
        return is_made_by(repository, repository.commit(tip), task)

    # ---- decisions -----------------------------------------------------------------------------------------------

    def _decide(self, name: RepoName, upstreams: Upstreams) -> None:
        """Find the result of a repo whose branch is not of this run; its upstreams are decided on already."""
        if name in self.done:
            return
        if name in self.errors:
            self.done[name] = FailedUpstream(name, skipped=False, because=name)
            return
        for up in sorted(self.plan.by_repo[name].upstreams):
            above = self.done[up]
            if isinstance(above, FailedUpstream):
                self.done[name] = FailedUpstream(up, skipped=above.name != up, because=above.because)
                return
        if name in self.plan.failing or self._failure(name) is not None:
            self.done[name] = FailedUpstream(name, skipped=False, because=name)
            return
        try:
            found = upstreams.commit(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
            self.errors[name] = self.place.servers.clean_error(as_error(error))
            found = FailedUpstream(name, skipped=False, because=name)
        self.done[name] = found
        if not isinstance(found, FailedUpstream):
            self.old.add(name)

    def _failure(self, name: RepoName) -> TaskDocument | None:
        """Return the last claim that a task failed; None: there is none."""
        failed = [each for each in self.claims.get(name, ()) if each.outcome.status == "failed"]
        return failed[-1] if failed else None

    # ---- the document --------------------------------------------------------------------------------------------

    def _document(self) -> SyncDocument:
        plan = self.plan
        repos = [self._outcome(task) for task in plan.tasks]
        repos += [Outcome(repo=name, status="failed", error=error) for name, error in sorted(plan.problems.items())]
        repos += [Outcome(repo=name, status="unchanged") for name in plan.untouched]
        failed = {each.repo for each in repos if each.status in ("failed", "skipped")}
        lockers = {claim.locker for name in plan.by_repo for claim in self.claims.get(name, ()) if claim.locker}
        return SyncDocument(
            run=plan.run,
            locker=", ".join(sorted(lockers)),
            dry_run=False,
            repos=repos,
            left=[*self._left(failed), *(each for each in plan.left if each.repo not in failed)],
            pins=list(plan.pins),
            undecided=list(plan.undecided),
        )

    def _outcome(self, task: RepoTask) -> Outcome:
        name, plan = task.repo, self.plan
        done = self.done[name]
        if isinstance(done, FailedUpstream):
            return self._without(name, done)
        branch = plan.branch if done != task.base_rev else None
        status: Status = "unchanged" if name in self.old else "updated"
        found = Outcome(
            repo=name,
            status=status,
            branch=branch,
            commit=done if branch is not None else None,
            changes=[self._change(change) for change in task.changes],
            failed_upstreams=sorted(
                up for up in plan.beside.get(name, ()) if isinstance(self.done[up], FailedUpstream)
            ),
        )
        claim = self._claim(name, done)
        if claim is None:
            return found
        said = claim.outcome
        return msgspec.structs.replace(
            found, locks=said.locks, files=said.files, after=said.after, checks=said.checks, held=said.held
        )

    def _without(self, name: RepoName, done: FailedUpstream) -> Outcome:
        """Return the outcome of a repo that has no update of this plan."""
        if done.name != name:
            return Outcome(repo=name, status="skipped", error=error_document(done))
        claim = self._failure(name)
        if name in self.errors:
            return Outcome(repo=name, status="failed", error=error_document(self.errors[name]))
        if name in self.plan.failing:
            return Outcome(repo=name, status="failed", error=self.plan.failing[name])
        if claim is not None:
            said = claim.outcome
            error = said.error or ErrorDocument(code="task-failed", message="its task failed")
            return Outcome(repo=name, status="failed", after=said.after, checks=said.checks, error=error)
        where = f"is at {self.tips[name][:12]}" if name in self.tips else "is not there"
        return Outcome(
            repo=name,
            status="failed",
            error=ErrorDocument(
                code="no-update",
                message=f"its server has no update of run {self.plan.run}: {self.plan.branch} {where}",
                hint=f"look at the log of its job; `flakesync task {name} --plan FILE --push` carries it out again",
            ),
        )

    def _claim(self, name: RepoName, commit: Rev) -> TaskDocument | None:
        """Return what the task says that has made a commit, else one that has found it; None: none says so."""
        claims = [each for each in self.claims.get(name, ()) if each.outcome.commit == commit]
        made = [each for each in claims if each.outcome.status == "updated"]
        return made[-1] if made else claims[-1] if claims else None

    def _change(self, change: Change) -> ChangeDocument:
        """Return what has moved: to the update of an upstream, by its commit."""
        found = msgspec.structs.replace(change_document(change), reason=change.why, reaches=[])
        commit = self.done[change.to.upstream] if isinstance(change.to, ToUpdate) else None
        if commit is None or isinstance(commit, FailedUpstream):
            return found
        return msgspec.structs.replace(found, to={"rev": commit})

    def _left(self, failed: Collection[str]) -> list[LeftDocument]:
        """Return the flakes whose locks could not be written, as the tasks say that have made the commits."""
        found: list[LeftDocument] = []
        for name in self.plan.by_repo:
            done = self.done[name]
            claim = self._claim(name, done) if not isinstance(done, FailedUpstream) else None
            if claim is not None and name not in failed:
                found += [each for each in claim.left if each.repo == name]
        return found


def _remote_of(clone: Path | None) -> str | None:
    """Return the address of a clone's origin; None: it has none."""
    if clone is None:
        return None
    with Repository.open(clone) as repository:
        return repository.remote_url()
