"""The turn of one repo, when all that it takes has landed: make its branch anew, publish it, merge it, read it back."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

from flakesync.analysis.plan import Change, make_plan
from flakesync.documents.land import LandOutcome, Tested
from flakesync.documents.publish import error_document
from flakesync.documents.sync import Outcome, Step
from flakesync.errors import FlakesyncError, GitError, SyncError
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Forge, ForgeError, MergeMethod, Project, Pull, Standing, Undecided, Waiting
from flakesync.git.repository import Repository
from flakesync.land.gate import find_obstacle
from flakesync.land.server_state import Found, Ground, movable_edges, sources_of
from flakesync.publish.body import Around, Link, run_of, was_abandoned
from flakesync.publish.branches import push
from flakesync.publish.publish import publish_again
from flakesync.survey.graph import Edge
from flakesync.survey.pins import last_modified
from flakesync.survey.survey import Situation
from flakesync.sync.bump import Setting, bump
from flakesync.terms import RepoName, Rev
from flakesync.update.check_reuse import same_trees
from flakesync.update.content import Update, has_content, locked_of, own_commits, read_update
from flakesync.workspace.snapshot import RepoState

_PAUSES_S = (1.0, 2.0, 4.0)
_LAGS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_LOOK_AGAIN = frozenset({"head-moved", "ref-moved", "base-moved", "forge-conflict"})
SETTLE_S = 120.0
"""How long a forge may take to begin its checks of a pushed commit; until then `none` is not taken for an answer."""


class Closed(ForgeError):  # noqa: N818 - it says what happened
    """A person closed the pull request of this very update."""


@dataclass(frozen=True, slots=True)
class Made:
    """The update commit of a turn. anew: whether it is another one than the server had."""

    commit: Rev
    anew: bool
    tested: Tested
    outcome: Outcome


@dataclass
class Turn:
    """Lands one repo after the other; threads may share it.

    setting: of the engine; run and sources are filled in for each repo. merge: False: nothing is merged. landed: what
    has landed in this run. waiting: what has not landed yet, of all repos. merged: pull requests that this run merged.
    """

    ground: Ground
    servers: Servers
    setting: Setting
    method: MergeMethod
    merge: bool
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    landed: Collection[RepoName] = ()
    waiting: Collection[RepoName] = ()
    merged: dict[RepoName, Pull] = field(default_factory=dict)
    _pushed: dict[RepoName, tuple[Rev, float]] = field(default_factory=dict)

    def take(self, name: RepoName) -> LandOutcome:
        """Do what can be done for a repo now, and return what became of it.

        Raises:
            FlakesyncError: it failed.
        """
        for pause in (*_PAUSES_S, None):
            self.ground.renew(name)
            try:
                return self._attempt(name)
            except (GitError, ForgeError) as error:
                # The base, the branch or the pull request moved meanwhile: look at all of it again.
                if pause is None and isinstance(error, Undecided):
                    return LandOutcome(
                        repo=name, status="waiting", reason=error.waiting.reason, detail=error.waiting.detail
                    )
                if pause is None or error.code not in _LOOK_AGAIN:
                    raise
            self.sleep(pause)
        raise AssertionError("the last pause is None")

    def _attempt(self, name: RepoName) -> LandOutcome:
        found = self.ground.look(name)
        if found.error is not None:
            raise found.error
        state = found.state
        forge, project = self.servers.for_repo(state.repo)
        pull = None
        if forge is not None:
            assert state.base is not None
            pull = forge.find(project, head=self.ground.branch, base=state.base)
        if found.update is not None and pull is not None and _is_of(pull, found.update):
            if pull.state == "merged":
                self._require_merged(state, pull)
                found = replace(found, update=None)
            elif pull.state == "closed" and not was_abandoned(pull.body):
                message = f"{pull.url} was closed by a person"
                hint = "open it again (`flakesync publish --reopen`), or take the update back (`flakesync abandon`)"
                raise Closed("pull-closed", message, hint=hint)
        run, changes, situation = self._plan(found)
        if not changes:
            return self._nothing_left(found, forge, project, pull)
        standing = None
        if forge is not None and pull is not None and pull.state == "open" and self.merge:
            standing = forge.standing(project, pull)
            if standing.waiting is not None and standing.waiting.reason == "queue":
                # A push would throw it out of the queue.
                return self._waits(name, pull, standing.waiting)
        made = self._make(found, run, changes, situation)
        if forge is None:
            return self._land_by_push(found, made)
        return self._land_by_forge(found, made, situation, forge, project, pull, standing)

    def _require_merged(self, state: RepoState, pull: Pull) -> None:
        """Look whether the base, as it was read, has what the forge says was merged: it may have been read just before.

        Raises: Undecided.
        """
        assert state.clone is not None
        assert state.base_rev is not None
        if pull.merged_rev is None:
            return
        with Repository.open(state.clone) as repository:
            if repository.has(pull.merged_rev) and repository.history.is_ancestor(pull.merged_rev, state.base_rev):
                return
        words = f"it was merged as {pull.merged_rev[:12]}, which {state.base} does not have yet"
        raise Undecided(f"{pull.url}: {words}", Waiting("computing", words))

    # ---- what to change --------------------------------------------------------------------------------------------

    def _plan(self, found: Found) -> tuple[str, tuple[Change, ...], Situation]:
        """Return the changes that bring the repo to what its update says and its upstreams have landed as."""
        name = found.state.name
        graph = self.ground.graph()
        mends = [
            edge
            for edge in movable_edges(graph)[name]
            if edge.upstream not in self.waiting and self.ground.names_update(edge)
        ]
        situation = self.ground.situation(found, mends)
        plan = make_plan(situation, frozenset({name}))
        for problem in plan.problems.values():
            raise SyncError("bad-lock", problem)
        changes = [change for _, planned in plan.changes() for change in planned]
        return plan.run, tuple(change for change in changes if self._is_wanted(change, found, mends)), situation

    def _is_wanted(self, change: Change, found: Found, mends: Sequence[Edge]) -> bool:
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

    def _nothing_left(self, found: Found, forge: Forge | None, project: Project, pull: Pull | None) -> LandOutcome:
        state = found.state
        merged = state.base_rev
        if pull is not None and pull.state == "merged" and pull.merged_rev is not None:
            merged = pull.merged_rev
        if pull is not None and pull.state == "open" and forge is not None and found.tip is not None and self.merge:
            # The base has it already, by whatever way.
            with suppress(ForgeError):
                pull = forge.close(project, pull)
        return LandOutcome(
            repo=state.name, status="landed", pull=pull.url if pull else None, commit=found.tip, merged=merged
        )

    # ---- the update commit -----------------------------------------------------------------------------------------

    def _make(self, found: Found, run: str, changes: tuple[Change, ...], situation: Situation) -> Made:
        """Make the update commit on the base as it is now, or find that the one on the server is it."""
        state = found.state
        assert state.clone is not None
        with Repository.open(state.clone) as repository:
            self._align(repository, found.tip)
        upstreams = (change.to.upstream for change in changes)
        sources = sources_of(situation, {state.name, *upstreams})
        outcome = bump(replace(self.setting, run=run, sources=sources), state, changes, {})
        commit = Rev(outcome.commit or "")
        if commit == found.tip:
            return Made(commit, anew=False, tested="as-published" if state.repo.checks else "none", outcome=outcome)
        tested: Tested = "ran" if outcome.checks else "none"
        with Repository.open(state.clone) as repository:
            known = [rev for rev in (found.tip, state.base_rev) if rev is not None]
            if not outcome.checks and any(same_trees(repository, rev, commit) for rev in known):
                tested = "carried-over"
        if outcome.status == "updated":
            self._require_unmoved(found)
        return Made(commit, anew=True, tested=tested, outcome=outcome)

    def _align(self, repository: Repository, tip: Rev | None) -> None:
        """Make the mirror's own update branch what the server has: that is what was published."""
        ref = f"refs/heads/{self.ground.branch}"
        here = repository.ref(ref)
        if tip is not None and here != tip:
            repository.update_ref(ref, tip, old=here, message="flakesync: as on the server")
        elif tip is None and here is not None:
            repository.delete_ref(ref, old=here)

    def _require_unmoved(self, found: Found) -> None:
        """Look whether base and branch are still what they were before the checks. Raises GitError(`ref-moved`)."""
        name = found.state.name
        self.ground.renew(name)
        now = self.ground.look(name)
        if now.state.base_rev != found.state.base_rev or now.tip != found.tip:
            raise GitError("ref-moved", f"{name}: its base or its update branch moves all the time", hint="try later")

    # ---- merging ---------------------------------------------------------------------------------------------------

    def _land_by_push(self, found: Found, made: Made) -> LandOutcome:
        """Land on a plain git server: somebody merges the branch, or, where that is wished, the base is moved on."""
        state = found.state
        assert state.base is not None
        if made.anew:
            self._push(state, self.ground.branch, made.commit, found.tip)
        if self.merge and self.method == "fast-forward":
            self.setting.listener(Step(state.name, "merging"))
            self._push(state, state.base, made.commit, state.base_rev)
            return self._read_back(found, made, None, made.commit)
        by_hand = Waiting("person", f"somebody has to merge {self.ground.branch} into {state.base}")
        if not self.merge and made.anew:
            return self._outcome(found, made, "repinned", waiting=by_hand)
        return self._outcome(found, made, "waiting", waiting=by_hand)

    def _land_by_forge(
        self,
        found: Found,
        made: Made,
        situation: Situation,
        forge: Forge,
        project: Project,
        pull: Pull | None,
        standing: Standing | None,
    ) -> LandOutcome:
        """Publish what was made, and merge it unless something is in its way.

        standing: of the pull request before the branch was made anew; None: it was not asked.
        """
        state = found.state
        if made.anew or pull is None or pull.state != "open":
            self.setting.listener(Step(state.name, "publishing"))
            pull = self._publish(situation, state, made, pull)
            if standing is not None and _wants_checks(standing, made):
                self._pushed[state.name] = (made.commit, self.clock())
            standing = None
        for pause in _LAGS_S:
            if pull.head == made.commit:
                break
            self.sleep(pause)
            pull = forge.get(project, pull.number)
            standing = None  # what was asked was asked of another head
        else:
            lag = Waiting("computing", "the forge has not seen the pushed commit yet")
            return self._outcome(found, made, "waiting", pull, waiting=lag)
        if not self.merge:
            status: Literal["repinned", "waiting"] = "repinned" if made.anew else "waiting"
            by_hand = Waiting("person", "somebody has to merge it")
            return self._outcome(found, made, status, pull, waiting=by_hand)
        if standing is None:
            standing = forge.standing(project, pull)
        obstacle = find_obstacle(pull, standing, settling=self._is_settling(state.name, made.commit))
        if obstacle is not None:
            return self._outcome(found, made, "waiting", pull, waiting=obstacle)
        self.setting.listener(Step(state.name, "merging"))
        merged = forge.merge(project, pull, head=made.commit, method=self.method)
        if isinstance(merged, Waiting):
            return self._outcome(found, made, "waiting", pull, waiting=merged)
        self.merged[state.name] = merged
        return self._read_back(found, made, merged, merged.merged_rev)

    def _publish(self, situation: Situation, state: RepoState, made: Made, pull: Pull | None) -> Pull:
        """Publish the update branch as it is now. pull: its pull request, as it was found."""
        workspace, graph, name = self.ground.workspace, situation.graph, state.name
        edges = movable_edges(graph)
        dependents = [each for each in self.waiting if any(edge.upstream == name for edge in edges[each])]
        upstreams = sorted({edge.upstream for edge in edges[name]})
        around = Around(dict(self._links(upstreams, situation, made)), sorted(dependents))
        outcome, now = publish_again(workspace, graph, name, self.servers, around, pull)
        if outcome.error is not None:
            raise SyncError(outcome.error.code, outcome.error.message, hint=outcome.error.hint)
        if outcome.reason == "closed":
            raise Closed("pull-closed", f"{outcome.pull.url if outcome.pull else state.name} was closed by a person")
        if outcome.status == "skipped":
            raise ForgeError("head-moved", f"{state.name}: its base has moved on: {outcome.reason}")
        if now is None or now.state != "open":
            raise ForgeError("head-moved", f"{state.name}: its pull request is no longer open")
        return now

    def _links(self, upstreams: Sequence[RepoName], situation: Situation, made: Made) -> Iterator[tuple[Rev, Link]]:
        """Give the pull requests by which the commits came that are locked now."""
        wanted = {change.to.get("rev") for change in made.outcome.changes}
        for upstream in upstreams:
            state = situation.snapshot.states[upstream]
            if state.base_rev is None or state.base_rev not in wanted or state.base is None:
                continue
            forge, project = self.servers.for_repo(state.repo)
            pull = self.merged.get(upstream)
            if pull is None and forge is not None:
                pull = forge.find(project, head=self.ground.branch, base=state.base)
            if pull is not None and pull.state == "merged" and pull.merged_rev == state.base_rev:
                yield state.base_rev, Link(f"pull request of {upstream}", pull.url)

    def _is_settling(self, name: RepoName, commit: Rev) -> bool:
        """Tell whether a commit was pushed so lately that the forge may not have begun its checks."""
        pushed, since = self._pushed.get(name, (None, 0.0))
        return pushed == commit and self.clock() < since + SETTLE_S

    def _read_back(self, found: Found, made: Made, pull: Pull | None, merged: Rev | None) -> LandOutcome:
        """Read the base until it has what was merged: exit 0 of a push and the word of a forge prove nothing."""
        state = found.state
        assert state.clone is not None
        assert state.base_rev is not None
        with Repository.open(state.clone) as repository:
            commits = own_commits(repository, self.ground.branch, made.commit, [state.base_rev])
            update = read_update(repository, commits)
        for pause in (0.0, *_LAGS_S):
            if pause:
                self.sleep(pause)
            now = self.ground.renew(state.name)
            if now.error is not None or now.base_rev is None or now.base_rev == state.base_rev:
                continue
            with Repository.open(state.clone) as repository:
                if has_content(repository, now.base_rev, update):
                    return self._outcome(found, made, "landed", pull, merged=merged or now.base_rev)
        where = pull.url if pull is not None else self.ground.branch
        raise SyncError("not-landed", f"{where} was merged, but {state.base} does not have its locks")

    def _push(self, state: RepoState, branch: str, new: Rev, old: Rev | None) -> None:
        url = state.repo.url.git_url() if state.repo.url is not None else None
        assert url is not None
        assert state.clone is not None
        with Repository.open(state.clone) as repository:
            push(repository, url, branch, new, old, self.servers)

    def _outcome(
        self,
        found: Found,
        made: Made,
        status: Literal["landed", "repinned", "waiting"],
        pull: Pull | None = None,
        *,
        waiting: Waiting | None = None,
        merged: Rev | None = None,
    ) -> LandOutcome:
        return LandOutcome(
            repo=found.state.name,
            status=status,
            pull=pull.url if pull is not None else None,
            commit=made.commit,
            merged=merged,
            changes=made.outcome.changes if made.anew else [],
            checks=made.tested,
            results=made.outcome.checks,
            reason=waiting.reason if waiting is not None and status == "waiting" else None,
            detail=waiting.detail if waiting is not None else None,
        )

    def _waits(self, name: RepoName, pull: Pull, waiting: Waiting) -> LandOutcome:
        """Return the outcome of a pull request that is left as it is."""
        return LandOutcome(
            repo=name, status="waiting", pull=pull.url, commit=pull.head, reason=waiting.reason, detail=waiting.detail
        )

    def failed(self, name: RepoName, error: FlakesyncError) -> LandOutcome:
        """Return the outcome of a repo whose turn ended with an error."""
        status: Literal["failed", "skipped"] = "skipped" if isinstance(error, Closed) else "failed"
        return LandOutcome(repo=name, status=status, error=error_document(error, self.servers))


def _wants_checks(standing: Standing, made: Made) -> bool:
    """Tell whether the forge is to check a new commit: it checked the one before, and that does not count for both.

    standing: of the pull request before.
    """
    carried_over = made.tested == "carried-over" and standing.checks == "passed"
    return standing.checks != "none" and not carried_over


def _is_of(pull: Pull, update: Update) -> bool:
    """Tell whether a pull request is that of an update; some forges forget its head with its branch."""
    return pull.head == update.commit or (not pull.head and run_of(pull.body) == update.run)
