"""The landing of one repo, when all that it takes has landed: make its branch anew, publish it, merge it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import assert_never

import msgspec

from flakesync.analysis.moves import Change
from flakesync.analysis.plan import make_plan
from flakesync.cooldown.waivers import waiver_lines
from flakesync.documents.pulls.land import Tested
from flakesync.errors import GitError, ManifestError, SyncError, plain
from flakesync.forge.model import ForgeError, OnForge, Pull, Undecided, Waiting
from flakesync.git.repository import Repository
from flakesync.land.merge import Merge
from flakesync.land.outcome import Closed, LandOutcome, Made, checks_of, left_waiting
from flakesync.land.run import LandRun
from flakesync.land.server_state import RepoOnServer, movable_edges
from flakesync.publish.body import run_of, was_abandoned
from flakesync.survey.graph import Edge
from flakesync.survey.held.check_holds import hold_lines
from flakesync.survey.pins import last_modified
from flakesync.survey.survey import Survey
from flakesync.sync.bump import bump
from flakesync.sync.job import BumpJob, make_job, plan_move
from flakesync.sync.outcome import FailedUpstream, Unchanged, Updated
from flakesync.terms import RepoName, Rev
from flakesync.update.check_reuse import same_trees
from flakesync.update.commit import MOVER
from flakesync.update.content import Update, find_left, locked_of
from flakesync.workspace.snapshot import PlainFolder, RepoAtCommit, UnreadableRepo

_PAUSES_S = (1.0, 2.0, 4.0)
_LOOK_AGAIN = frozenset({"head-moved", "ref-moved", "base-moved", "forge-conflict"})


@dataclass(frozen=True, slots=True)
class RepoLanding:
    """The landing of one repo.

    landed: what has landed in this run. waiting: what has not yet, of all repos. untested: upstreams with checks that
    did not land, and that it does not wait for.
    """

    run: LandRun
    name: RepoName
    landed: frozenset[RepoName]
    waiting: frozenset[RepoName]
    untested: tuple[FailedUpstream, ...] = ()

    def carry_out(self) -> LandOutcome:
        """Do what can be done for the repo now, and return what became of it.

        Raises:
            FlakesyncError: it failed.
        """
        for pause in (*_PAUSES_S, None):
            self.run.server_state.renew(self.name)
            try:
                return self._attempt(self._look())
            except (GitError, ForgeError) as error:
                # The base, the branch or the pull request moved meanwhile: look at all of it again.
                if pause is None and isinstance(error, Undecided):
                    return left_waiting(self.name, error.waiting)
                if pause is None or error.code not in _LOOK_AGAIN:
                    raise
            self.run.options.patience.sleep(pause)
        raise AssertionError("the last pause is None")

    def _look(self) -> RepoOnServer:
        found = self.run.server_state.look(self.name)
        match found:
            case RepoOnServer():
                return found
            case PlainFolder(repo=repo):
                raise ManifestError(
                    "not-a-repository",
                    f"repos.{self.name}.path: {repo.path} is a plain folder, not a git repository of its own",
                    hint="land needs a repository to commit to",
                )
            case UnreadableRepo(error=error):
                raise error
            case _:
                assert_never(found)

    def _attempt(self, found: RepoOnServer) -> LandOutcome:
        state = found.state
        on_forge = self.run.servers.for_repo(state.repo)
        pull = None
        if on_forge is not None:
            pull = self.run.lookup.find(on_forge, head=self.run.workspace.branch, base=state.base)
        if found.update is not None and pull is not None and _is_of(pull, found.update):
            if pull.state == "merged":
                _require_merged(state, pull)
                found = replace(found, update=None)
            elif pull.state == "closed" and not was_abandoned(pull.body):
                message = f"{pull.url} was closed by a person"
                hint = "open it again (`flakesync publish --reopen`), or take the update back (`flakesync abandon`)"
                raise Closed("pull-closed", message, hint=hint)
        run, changes, survey = self._plan(found)
        if not changes:
            _require_none_left(found)
            return self._nothing_left(found, on_forge, pull)
        merge_status = None
        if on_forge is not None and pull is not None and pull.state == "open" and self.run.options.merge:
            merge_status = on_forge.forge.merge_status(on_forge.project, pull)
            if merge_status.waiting is not None and merge_status.waiting.reason == "queue":
                # A push would throw it out of the queue.
                return left_waiting(self.name, merge_status.waiting, pull)
        made = self._make(found, self._job(found, run, changes, survey))
        if made is None:
            return self._nothing_left(found, on_forge, pull)
        merge = Merge(self.run, found, survey, made, self.waiting, self.untested)
        return merge.by_push() if on_forge is None else merge.by_forge(on_forge, pull, merge_status)

    def _nothing_left(self, found: RepoOnServer, on_forge: OnForge | None, pull: Pull | None) -> LandOutcome:
        merged = found.state.base_rev
        if pull is not None and pull.state == "merged" and pull.merged_rev is not None:
            merged = pull.merged_rev
        closes = self.run.options.merge and found.tip is not None
        if closes and on_forge is not None and pull is not None and pull.state == "open":
            # The base has it already, by whatever way.
            with suppress(ForgeError):
                pull = on_forge.forge.close(on_forge.project, pull)
        return LandOutcome(repo=self.name, status="landed", pull=pull, commit=found.tip, merged=merged)

    # ---- what to change --------------------------------------------------------------------------------------------

    def _plan(self, found: RepoOnServer) -> tuple[str, tuple[Change, ...], Survey]:
        """Return the changes that bring the repo to what its update says and its upstreams have landed as."""
        state = self.run.server_state
        mends = [
            edge
            for edge in movable_edges(state.graph())[self.name]
            if edge.upstream not in self.waiting and state.names_update(edge)
        ]
        survey = state.survey(found, mends)
        plan = make_plan(survey, frozenset({self.name}))
        for problem in plan.problems.values():  # also where only its edges show that it cannot be read
            raise problem
        held = {hold.key for hold in found.update.holds} if found.update is not None else set()
        every = [change for _, planned in plan.changes() for change in planned]
        changes = [change for change in every if (change.flake, change.input) not in held]
        return plan.run, tuple(change for change in changes if self._is_wanted(change, found, mends)), survey

    def _is_wanted(self, change: Change, found: RepoOnServer, mends: Sequence[Edge]) -> bool:
        upstream = change.to.upstream
        if found.update is None:
            mended = any((edge.flake, edge.input) == (change.flake, change.input) for edge in mends)
            return mended or upstream in self.landed
        if upstream is not None:
            return True
        for move in found.update.moves:
            if move.key == (change.flake, change.input) and change.from_rev != move.old:
                # Somebody has moved it on the base meanwhile: it is not moved back.
                return (last_modified(change.locked) or 0) <= (last_modified(locked_of(move.after)) or 0)
        return True

    # ---- the update commit -----------------------------------------------------------------------------------------

    def _job(self, found: RepoOnServer, run: str, changes: Sequence[Change], survey: Survey) -> BumpJob:
        """Return what makes the update commit on the base as it is now: it waives and holds what the published does."""
        state = found.state
        states = survey.snapshot.states
        repositories = {name: each for name, each in states.items() if isinstance(each, RepoAtCommit)}
        moves = [plan_move(change, self.run.workspace.branch, repositories, {}) for change in changes]
        job = make_job(self.run.workspace, run, state, moves)
        waivers = found.update.waivers if found.update is not None else {}
        pins = {each.pin for each in job.moves}
        trailers = waiver_lines({pin: reason for pin, reason in waivers.items() if pin in pins})
        holds = found.update.holds if found.update is not None else ()
        trailers += hold_lines(holds)
        return msgspec.structs.replace(job, reuse_checks=True, trailers=trailers, holds=holds)

    def _make(self, found: RepoOnServer, job: BumpJob) -> Made | None:
        """Make the update commit, or find that the one on the server is it. None: the base has its locks already."""
        state = found.state
        with Repository.open(state.clone) as repository:
            _align(repository, job.branch, found.tip)
        outcome = bump(job, self.run.tools)
        if outcome.branch is None:
            return None
        _require_all(found, outcome)
        commit = outcome.commit
        if commit == found.tip:
            return Made(commit, anew=False, tested="as-published" if job.checks else "none", outcome=outcome)
        ran = bool(checks_of(outcome))
        tested: Tested = "ran" if ran else "none"
        with Repository.open(state.clone) as repository:
            known = [rev for rev in (found.tip, state.base_rev) if rev is not None]
            if not ran and any(same_trees(repository, rev, commit) for rev in known):
                tested = "carried-over"
        if isinstance(outcome, Updated):
            self._require_unmoved(found)
        return Made(commit, anew=True, tested=tested, outcome=outcome)

    def _require_unmoved(self, found: RepoOnServer) -> None:
        """Look whether base and branch are still what they were before the checks. Raises GitError(`ref-moved`)."""
        self.run.server_state.renew(self.name)
        match self.run.server_state.look(self.name):
            case RepoOnServer(state=state, tip=tip) if (state.base_rev, tip) == (found.state.base_rev, found.tip):
                return
        message = f"{self.name}: its base or its update branch moves all the time"
        raise GitError("ref-moved", message, hint="try later")


def _require_all(found: RepoOnServer, outcome: Updated | Unchanged) -> None:
    """Refuse an update without a flake that the tested one has. Raises: FlakesyncError."""
    tested = {move.flake for move in found.update.moves} if found.update is not None else set()
    for each in outcome.failed_flakes if isinstance(outcome, Updated) else ():
        if each.dir in tested:
            raise each.error


def _require_none_left(found: RepoOnServer) -> None:
    """Refuse to call an update landed of which the base has the locks alone. Raises: SyncError(`not-landed`)."""
    if found.update is None:
        return
    with Repository.open(found.state.clone) as repository:
        left = find_left(repository, found.state.base_rev, found.update)
    if left:
        names = plain(", ".join(left))
        raise SyncError(
            "not-landed",
            f"{found.state.base} has the locks of the update, but not its {names}",
            hint="take these files from the update branch to the base, or take its locks back",
        )


def _align(repository: Repository, branch: str, tip: Rev | None) -> None:
    """Make the mirror's own update branch what the server has: that is what was published."""
    ref = f"refs/heads/{branch}"
    here = repository.ref(ref)
    if tip is not None and here != tip:
        repository.update_ref(ref, tip, old=here, message=f"{MOVER}: as on the server")
    elif tip is None and here is not None:
        repository.delete_ref(ref, old=here)


def _require_merged(state: RepoAtCommit, pull: Pull) -> None:
    """Look whether the base, as it was read, has what the forge says was merged: it may have been read just before.

    Raises: Undecided.
    """
    if pull.merged_rev is None:
        return
    with Repository.open(state.clone) as repository:
        if repository.has(pull.merged_rev) and repository.history.is_ancestor(pull.merged_rev, state.base_rev):
            return
    words = f"it was merged as {pull.merged_rev[:12]}, which {state.base} does not have yet"
    raise Undecided(f"{pull.url}: {words}", Waiting("computing", words))


def _is_of(pull: Pull, update: Update) -> bool:
    """Tell whether a pull request is that of an update; some forges forget its head with its branch."""
    return pull.head == update.commit or (not pull.head and run_of(pull.body) == update.run)
