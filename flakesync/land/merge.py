"""Brings an update commit in: publishes it, merges it, and reads the base until it has it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from flakesync.errors import SyncError
from flakesync.forge.model import Checks, ForgeError, MergeStatus, OnForge, Pull, Waiting
from flakesync.git.repository import Repository
from flakesync.land.gate import find_obstacle
from flakesync.land.outcome import Closed, LandOutcome, Made
from flakesync.land.run import LandRun
from flakesync.land.server_state import RepoOnServer, movable_edges
from flakesync.publish.body import Around, Link, run_of
from flakesync.publish.publish import publish_again
from flakesync.survey.survey import Survey
from flakesync.sync.events import Step
from flakesync.sync.outcome import FailedUpstream
from flakesync.terms import RepoName, Rev
from flakesync.update.content import has_content, own_commits, read_update
from flakesync.workspace.snapshot import RepoAtCommit

_LAGS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
SETTLE_S = 120.0
"""How long a forge may take to begin its checks of a pushed commit; until then `none` is not taken for an answer."""


@dataclass(frozen=True, slots=True)
class Merge:
    """One update commit that is to be merged.

    found: the repo as it was read. survey: what its plan was decided on. waiting: what has not landed yet, of all
    repos. untested: upstreams with checks that did not land; a repo without any has no other test.
    """

    run: LandRun
    found: RepoOnServer
    survey: Survey
    made: Made
    waiting: frozenset[RepoName]
    untested: tuple[FailedUpstream, ...] = ()

    @property
    def state(self) -> RepoAtCommit:
        """The repo at its base."""
        return self.found.state

    def by_push(self) -> LandOutcome:
        """Land on a plain git server: somebody merges the branch, or, where that is wished, the base is moved on."""
        state, made, merge = self.state, self.made, self.run.options.merge
        branch = self.run.workspace.branch
        if made.anew:
            self._push(branch, self.found.tip)
        if merge and self.run.workspace.publish.merge_method == "fast-forward":
            if (skipped := self._skipped(None, checks="none")) is not None:
                return skipped
            self.run.tools.listener(Step(state.name, "merging"))
            self._push(state.base, state.base_rev)
            return self._read_back(None, made.commit)
        by_hand = Waiting("person", f"somebody has to merge {branch} into {state.base}")
        return made.result("repinned" if not merge and made.anew else "waiting", waiting=by_hand)

    def _push(self, branch: str, old: Rev | None) -> None:
        with Repository.open(self.state.clone) as repository:
            self.run.push(repository, self.state, branch, self.made.commit, old)

    def by_forge(self, on_forge: OnForge, pull: Pull | None, merge_status: MergeStatus | None) -> LandOutcome:
        """Publish what was made, and merge it unless something is in its way.

        pull: the repo's newest pull request; None: it has had none. merge_status: of it before the branch was made
        anew; None: it was not asked.
        """
        run, made, name = self.run, self.made, self.state.name
        forge, project = on_forge.forge, on_forge.project
        if made.anew or pull is None or pull.state != "open" or self._tells_of_another_run(pull):
            run.tools.listener(Step(name, "publishing"))
            pull = self._publish(pull)
            if merge_status is not None and _wants_checks(merge_status, made):
                run.pushed[name] = (made.commit, run.options.patience.clock())
            merge_status = None
        for pause in _LAGS_S:
            if pull.head == made.commit:
                break
            run.options.patience.sleep(pause)
            pull = forge.get(project, pull.number)
            merge_status = None  # what was asked was asked of another head
        else:
            lag = Waiting("computing", "the forge has not seen the pushed commit yet")
            return made.result("waiting", pull, waiting=lag)
        if not run.options.merge:
            status: Literal["repinned", "waiting"] = "repinned" if made.anew else "waiting"
            return made.result(status, pull, waiting=Waiting("person", "somebody has to merge it"))
        if merge_status is None:
            merge_status = forge.merge_status(project, pull)
        obstacle = find_obstacle(pull, merge_status, settling=self._is_settling())
        if obstacle is not None:
            return made.result("waiting", pull, waiting=obstacle)
        if (skipped := self._skipped(pull, merge_status.checks)) is not None:
            return skipped
        run.tools.listener(Step(name, "merging"))
        merged = forge.merge(project, pull, head=made.commit, method=run.workspace.publish.merge_method)
        if isinstance(merged, Waiting):
            return made.result("waiting", pull, waiting=merged)
        run.merged[name] = merged
        return self._read_back(merged, merged.merged_rev)

    def _skipped(self, pull: Pull | None, checks: Checks) -> LandOutcome | None:
        """Return the outcome of a repo that nothing has tested: an upstream failed, and it has no checks; else None.

        checks: those that its forge knows of.
        """
        if not self.untested or self.state.repo.checks or checks != "none":
            return None
        commit, error = self.made.commit, self.untested[0]
        return LandOutcome(repo=self.state.name, status="skipped", pull=pull, commit=commit, error=error)

    def _tells_of_another_run(self, pull: Pull) -> bool:
        """Tell whether a run that made the branch anew ended before it could write that into the pull request.

        The text becomes the message of a squash, so it has to be right when it is merged.
        """
        update = self.found.update
        return update is not None and run_of(pull.body) not in (None, update.run)

    def _is_settling(self) -> bool:
        """Tell whether the commit was pushed so lately that the forge may not have begun its checks."""
        pushed, since = self.run.pushed.get(self.state.name, (None, 0.0))
        return pushed == self.made.commit and self.run.options.patience.clock() < since + SETTLE_S

    def _publish(self, pull: Pull | None) -> Pull:
        """Publish the update branch as it is now. pull: its pull request, as it was found."""
        graph, name = self.survey.graph, self.state.name
        edges = movable_edges(graph)
        dependents = [each for each in self.waiting if any(edge.upstream == name for edge in edges[each])]
        upstreams = sorted({edge.upstream for edge in edges[name]})
        around = Around(dict(self._links(upstreams)), sorted(dependents))
        result = publish_again(self.run.workspace, graph, name, self.run.servers, around, pull)
        now = result.pull
        if result.error is not None:
            raise SyncError(result.error.code, result.error.message, hint=result.error.hint)
        if result.reason == "closed":
            raise Closed("pull-closed", f"{now.url if now is not None else name} was closed by a person")
        if result.status == "skipped":
            raise ForgeError("head-moved", f"{name}: its base has moved on: {result.reason}")
        if now is None or now.state != "open":
            raise ForgeError("head-moved", f"{name}: its pull request is no longer open")
        return now

    def _links(self, upstreams: Sequence[RepoName]) -> Iterator[tuple[Rev, Link]]:
        """Give the pull requests by which the commits came that are locked now."""
        wanted = {move.rev for move in self.made.outcome.moves}
        for upstream in upstreams:
            state = self.survey.snapshot.states[upstream]
            if not isinstance(state, RepoAtCommit) or state.base_rev not in wanted:
                continue
            on_forge = self.run.servers.for_repo(state.repo)
            pull = self.run.merged.get(upstream)
            if pull is None and on_forge is not None:
                pull = on_forge.find(head=self.run.workspace.branch, base=state.base)
            if pull is not None and pull.state == "merged" and pull.merged_rev == state.base_rev:
                yield state.base_rev, Link(f"pull request of {upstream}", pull.url)

    def _read_back(self, pull: Pull | None, merged: Rev | None) -> LandOutcome:
        """Read the base until it has what was merged: exit 0 of a push and the word of a forge prove nothing."""
        state, branch = self.state, self.run.workspace.branch
        with Repository.open(state.clone) as repository:
            commits = own_commits(repository, branch, self.made.commit, [state.base_rev])
            update = read_update(repository, commits)
        for pause in (0.0, *_LAGS_S):
            if pause:
                self.run.options.patience.sleep(pause)
            now = self.run.server_state.renew(state.name)
            if not isinstance(now, RepoAtCommit) or now.base_rev == state.base_rev:
                continue
            with Repository.open(state.clone) as repository:
                if has_content(repository, now.base_rev, update):
                    return self.made.result("landed", pull, merged=merged or now.base_rev)
        where = pull.url if pull is not None else branch
        raise SyncError("not-landed", f"{where} was merged, but {state.base} does not have its locks")


def _wants_checks(merge_status: MergeStatus, made: Made) -> bool:
    """Tell whether the forge is to check a new commit: it checked the one before, and that does not count for both.

    merge_status: of the pull request before.
    """
    carried_over = made.tested == "carried-over" and merge_status.checks == "passed"
    return merge_status.checks != "none" and not carried_over
