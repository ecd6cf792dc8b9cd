"""What keeps a GitHub pull request from being merged: checks, reviews, branch rules, merge queues.

GraphQL tells most of it in one call. REST tells the names of checks, and everything where there is no GraphQL for us.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from flakesync.forge.answers import Meaning
from flakesync.forge.calls import ProjectCalls
from flakesync.forge.checks import opinion, summary
from flakesync.forge.github.commit_checks import read_checks
from flakesync.forge.github.graphql import GraphError, GraphQL, State
from flakesync.forge.model import Check, Checks, ForgeError, MergeStatus, Project, Pull, Waiting
from flakesync.forge.refusals import Refused
from flakesync.forge.urls import segment
from flakesync.terms import Rev

_PAGE = 100
_PAUSES_S = (1.0, 2.0, 4.0)
_SETTLING_S = 2.0
"""A queue takes a pull request out an instant before it is merged."""


class _User(msgspec.Struct, frozen=True):
    login: str


class _Review(msgspec.Struct, frozen=True):
    state: str
    user: _User | None = None


class _PullState(msgspec.Struct, frozen=True):
    mergeable_state: str = ""


class _Context(msgspec.Struct, frozen=True):
    context: str


class _Parameters(msgspec.Struct, frozen=True):
    required_status_checks: tuple[_Context, ...] = ()
    required_approving_review_count: int = 0


class _Rule(msgspec.Struct, frozen=True):
    type: str
    parameters: _Parameters = _Parameters()


class _Contexts(msgspec.Struct, frozen=True):
    contexts: tuple[str, ...] = ()


class _Protection(msgspec.Struct, frozen=True):
    required_status_checks: _Contexts | None = None


class _Branch(msgspec.Struct, frozen=True):
    protection: _Protection | None = None


@dataclass(frozen=True, slots=True)
class _Needs:
    """What the rules of a branch demand, as far as the token may read them. checks: their names."""

    checks: frozenset[str] = frozenset()
    approvals: int = 0
    queue: bool = False


@dataclass
class Merging:
    """Asks one GitHub. Threads may share it."""

    at: ProjectCalls
    graphql: GraphQL
    # What this run has put into a queue: pull request → its head then.
    _joined: dict[str, Rev] = field(default_factory=dict)
    _queues: set[tuple[Project, str]] = field(default_factory=set)

    def merge_status(self, project: Project, pull: Pull) -> MergeStatus:
        """Return the state of a pull request's checks and reviews, and what else it waits for."""
        state = self.graphql.state(pull)
        return self.by_state(project, pull, state) if state is not None else self._status_by_rest(project, pull)

    def by_state(self, project: Project, pull: Pull, state: State) -> MergeStatus:
        """Return the same out of what GraphQL has said of it."""
        rollup = state.rollup(pull.head)
        failed: tuple[str, ...] = ()
        pending: tuple[str, ...] = ()
        total: Checks = rollup if rollup is not None else "unknown"
        checks: Sequence[Check] | None = None
        if total not in ("none", "passed"):
            checks, complete = read_checks(self.at, project, pull.head)
            total, failed, pending = summary(checks, complete)
            if total in ("unknown", "none") and rollup is not None:
                total = rollup
        reviews = opinion((found, str(number)) for number, found in enumerate(state.opinions))
        if total == "pending" and not pending:
            # What is required and has not reported at all counts in the summary, and is in no list of checks.
            waiting = _in_queue(state) or self._expected(project, pull, checks)
        else:
            waiting = _in_queue(state) or self._by_rules(project, pull, state, total, checks)
        return MergeStatus(total, reviews, failed, pending, waiting)

    def detail(self, project: Project, pull: Pull, means: Meaning, words: str) -> str:
        """Return what a refused merge waits for; where GitHub only counts checks, with their names."""
        if means != "checks" or '"' in words:
            return words
        missing = self._missing(project, pull, self._needs(project, pull.base_branch), None)
        return f"{words} ({', '.join(missing)})" if missing else words

    def is_behind(self, project: Project, pull: Pull) -> bool:
        """Tell whether its base demands that it has all of the base's commits, and it has not."""
        return self._merge_state(project, pull) == "BEHIND"

    def has_queue(self, project: Project, base: str) -> bool:
        """Tell whether a branch is known to be merged into by a merge queue alone."""
        return (project, base) in self._queues

    def join_queue(self, pull: Pull, words: str) -> Waiting:
        """Add a pull request to the merge queue of its base, or let GitHub do so when nothing is lacking any more.

        Raises: ForgeError(`pull-dequeued`): the queue has taken out what this run added; `head-moved`.
        """
        if self._joined.get(pull.url) == pull.head:
            self.at.client.sleep(_SETTLING_S)
            state = self.graphql.state(pull)
            if state is None or state.state != "OPEN":
                return Waiting("queue", "the merge queue is done with it")
            known = _in_queue(state)
            if known is not None:
                return known
            message = f"{pull.url}: the merge queue took it out: {state.removal or 'it does not say why'}"
            raise ForgeError("pull-dequeued", message, hint="look at it on the forge; the next landing adds it again")
        try:
            position = self.graphql.enqueue(pull)
        except GraphError as error:
            return self._join_later(pull, words, str(error))
        self._joined[pull.url] = pull.head
        return Waiting("queue", _queued(position))

    def _join_later(self, pull: Pull, words: str, why: str) -> Waiting:
        """Let GitHub add it when nothing is lacking any more. why: the queue does not take it yet."""
        if "head oid" in why.lower():
            raise ForgeError("head-moved", f"{pull.url}: {why}")
        try:
            self.graphql.enable_auto_merge(pull)
        except GraphError:
            return Waiting("queue", f"{words}; somebody has to add it to the merge queue ({why})")
        self._joined[pull.url] = pull.head
        return Waiting("queue", f"it goes into the merge queue when nothing is lacking any more: {why}")

    # ---- REST ----------------------------------------------------------------------------------------------------

    def _status_by_rest(self, project: Project, pull: Pull) -> MergeStatus:
        checks, complete = read_checks(self.at, project, pull.head)
        total, failed, pending = summary(checks, complete)
        rest = f"/pulls/{pull.number}/reviews"
        listed = self.at.each(project, rest, _Review, lambda _: {"per_page": _PAGE})
        reviews = opinion((each.state, each.user.login if each.user is not None else "") for each in listed)
        waiting = None
        if total in ("none", "unknown"):
            state = State(state="OPEN", merge_state_status=self._merge_state(project, pull))
            waiting = self._by_rules(project, pull, state, total, checks)
        return MergeStatus(total, reviews, failed, pending, waiting)

    def _merge_state(self, project: Project, pull: Pull) -> str:
        """Return GitHub's `mergeable_state` in upper case; asking for it makes GitHub work it out."""
        for pause in (*_PAUSES_S, None):
            found = self.at.call(project, "GET", f"/pulls/{pull.number}", _PullState)
            if pause is None or found.mergeable_state != "unknown":
                return found.mergeable_state.upper()
            self.at.client.sleep(pause)
        raise AssertionError("the last pause is None")

    # ---- branch rules --------------------------------------------------------------------------------------------

    def _by_rules(
        self, project: Project, pull: Pull, state: State, total: Checks, checks: Sequence[Check] | None
    ) -> Waiting | None:
        """Return what branch rules still demand, where GitHub says that they block it; None: nothing, or not known.

        total: what its checks come to. checks: as they were read; None: they were not.
        A token that may bypass the rules would merge all the same: it is not asked to.
        """
        if total in ("failed", "pending"):
            return None
        if state.merge_state_status == "UNSTABLE" and total == "unknown":
            return Waiting("checks", "not all checks have passed, and this token may not read which")
        if state.merge_state_status == "UNKNOWN" and total == "unknown":
            return Waiting("computing", "this token may not read its checks, and GitHub has not decided yet")
        if state.merge_state_status != "BLOCKED":
            return None
        needs = self._needs(project, pull.base_branch)
        if needs.queue:
            self._queues.add((project, pull.base_branch))
            return None
        unseen = ", or this token may not see them" if total == "unknown" else ""
        if (waiting := _not_reported(self._missing(project, pull, needs, checks), unseen)) is not None:
            return waiting
        if state.review_decision == "REVIEW_REQUIRED":
            return Waiting("reviews", f"{max(needs.approvals, 1)} approving review(s) required")
        return None

    def _expected(self, project: Project, pull: Pull, checks: Sequence[Check] | None) -> Waiting | None:
        """Return which required checks have not reported; None: that cannot be read."""
        return _not_reported(self._missing(project, pull, self._needs(project, pull.base_branch), checks))

    def _missing(self, project: Project, pull: Pull, needs: _Needs, checks: Sequence[Check] | None) -> list[str]:
        """Return the names of required checks that have not reported. checks: None where they are still to be read."""
        if checks is None:
            checks, _ = read_checks(self.at, project, pull.head)
        return sorted(needs.checks - {check.name for check in checks})

    def _needs(self, project: Project, base: str) -> _Needs:
        """Return what a branch demands: by the rulesets, which every token may read, and by classic protection."""
        checks: set[str] = set()
        approvals, queue = 0, False
        place = segment(base)
        try:
            for rule in self.at.each(project, f"/rules/branches/{place}", _Rule, lambda _: {"per_page": _PAGE}):
                checks |= {each.context for each in rule.parameters.required_status_checks}
                approvals = max(approvals, rule.parameters.required_approving_review_count)
                queue = queue or rule.type == "merge_queue"
        except Refused:
            pass
        try:
            branch = self.at.call(project, "GET", f"/branches/{place}", _Branch)
        except Refused:
            return _Needs(frozenset(checks), approvals, queue)
        if branch.protection is not None and branch.protection.required_status_checks is not None:
            checks |= {*branch.protection.required_status_checks.contexts}
        return _Needs(frozenset(checks), approvals, queue)


def _in_queue(state: State) -> Waiting | None:
    if state.is_in_merge_queue:
        entry = state.merge_queue_entry
        return Waiting("queue", _queued(entry.position if entry is not None else None))
    if state.has_auto_merge:
        return Waiting("queue", "auto-merge is on: GitHub merges it when nothing is lacking any more")
    return None


def _not_reported(checks: Sequence[str], unseen: str = "") -> Waiting | None:
    """Return that required checks have not reported; None: there are none of them. unseen: why that may be untrue."""
    return Waiting("checks", f"required checks have not reported yet{unseen}: {', '.join(checks)}") if checks else None


def _queued(position: int | None) -> str:
    return "it is in the merge queue" + (f", at position {position}" if position is not None else "")
