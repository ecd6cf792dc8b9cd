"""What all forges have in common: opening without doubles, and merging with a guard."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import assert_never

from flakesync.forge.answers import Meaning, Row, meaning_of, said
from flakesync.forge.calls import ProjectCalls
from flakesync.forge.client import Client
from flakesync.forge.model import (
    Check,
    Forge,
    ForgeError,
    Home,
    MergeMethod,
    MergeStatus,
    NewPull,
    Project,
    Pull,
    PullQuestion,
    Push,
    Undecided,
    Waiting,
)
from flakesync.forge.refusals import Refused, Unclear
from flakesync.terms import Rev

_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
_LAGS_S = (0.5, 1.0, 2.0)
_BROKEN = 500
"""Statuses from here on say nothing of the request: the server stumbled."""


class Adapter(Forge, ABC):
    """The part of `Forge` that does not depend on the kind of forge.

    answers: every answer to a merge that is known of it.
    """

    answers: Sequence[Row]

    def __init__(self, client: Client) -> None:
        """client: calls to the forge's API, with its headers."""
        self._client = client
        self._at = ProjectCalls(client, self._root, self._find_home)

    @property
    def at_once(self) -> int:
        """How many pull requests one call looks up: here one by one."""
        return 1

    def expect_calls(self, calls: int, makes: int = 0) -> None:
        """Take note of how many calls are still to come, and how many of them open or merge a pull request."""
        self._client.limits.calls_left, self._client.limits.made_left = calls, makes

    def find_many(self, questions: Sequence[PullQuestion]) -> Mapping[PullQuestion, Pull | None]:
        """Return nothing: such a forge has no question about several repositories."""
        return {}

    def find_statuses(
        self, pulls: Sequence[tuple[Project, Pull]]
    ) -> Mapping[tuple[Project, int], tuple[Pull, MergeStatus]]:
        """Return nothing: such a forge is asked about one after the other."""
        return {}

    def home(self, project: Project) -> Home:
        """Return where a repository is by now, by one question. Raises ForgeError."""
        return self._find_home(self._client, project)

    def create(self, project: Project, new: NewPull) -> Pull:
        """Open a pull request, or find the one that a lost answer, or somebody else, has opened already."""
        return self.add_labels(project, self._open_once(project, new), labels=new.labels, reviewers=new.reviewers)

    def merge(self, project: Project, pull: Pull, *, head: Rev, method: MergeMethod) -> Pull | Waiting:
        """Merge it if its head is still `head`; return it with its `merged_rev`, or what it waits for.

        Forges take a moment to learn whether a branch can be merged, and say no until then: they are asked again.
        `default` is the repository's own way; where that is not allowed, another one that is.
        """
        ways = [*self._ways(project, method)]
        pauses = iter(_PAUSES_S)
        while True:
            try:
                done = self._merge(project, pull, head, ways[0])
                return done if isinstance(done, Waiting) else self._seen_merged(project, done)
            except (Refused, Unclear) as error:
                now = self.get(project, pull.number)
                if now.state == "merged" and now.head in ("", head):
                    return now
                if now.state == "closed":
                    raise ForgeError("forge", f"{now.url} is closed") from None
                if now.head not in ("", head):  # empty: its branch is gone, and the answer says more
                    raise self._head_moved(now, head) from None
                refusal = error.refused if isinstance(error, Unclear) else error
                means = self._means(project, refusal, now)
                if means == "method" and len(ways) > 1:
                    ways.pop(0)
                    continue
                # A client has asked several times already before it says Refused with 5xx.
                done_asking = means != "computing" or (isinstance(error, Refused) and error.status >= _BROKEN)
                pause = None if done_asking else next(pauses, None)
                if pause is None:
                    return self._refused(project, now, error, means)
            self._client.sleep(pause)

    def pushes(self, project: Project, branch: str, *, since: int) -> Sequence[Push]:
        """Return how a branch was moved. Raises ForgeError: nothing is known of where such a forge records it."""
        raise ForgeError("forge", f"{self._client.host}: flakesync does not know how such a forge tells of pushes")

    def commit_checks(self, project: Project, rev: Rev) -> Sequence[Check]:
        """Return the checks of a commit. Raises ForgeError: nothing is known of where such a forge tells of them."""
        raise ForgeError("forge", f"{self._client.host}: flakesync does not know how such a forge tells of checks")

    @staticmethod
    @abstractmethod
    def headers(token: str) -> dict[str, str]:
        """Return the headers that every call has. token: empty where there is none; see `authorization`."""

    @staticmethod
    @abstractmethod
    def _root(project: Project) -> str:
        """Return the address of a repository, below the API's base."""

    @staticmethod
    @abstractmethod
    def _find_home(client: Client, project: Project) -> Home:
        """Return where a repository is by now, by its own answer."""

    @abstractmethod
    def _open(self, project: Project, new: NewPull) -> Pull:
        """Open it by one POST. Raises Refused, Unclear."""

    @abstractmethod
    def _is_double(self, refusal: Refused) -> bool:
        """Tell whether the forge refused to open a pull request because there is one."""

    @abstractmethod
    def _ways(self, project: Project, method: MergeMethod) -> Sequence[str]:
        """Return what the forge calls a merge method; of `default` all that the repository allows, its own first.

        Raises: ForgeError(`forge-method`): the forge has no such method.
        """

    @abstractmethod
    def _merge(self, project: Project, pull: Pull, head: Rev, way: str) -> Pull | Waiting:
        """Merge it by one call, or let it join the queue of its base. Raises Refused, Unclear."""

    def _seen_merged(self, project: Project, pull: Pull) -> Pull | Waiting:
        """Return a pull request whose merge the forge has taken; where it is still open, what it waits for."""
        for pause in (*_LAGS_S, None):
            if pull.state == "merged":
                return pull
            if pause is not None:
                self._client.sleep(pause)
                pull = self.get(project, pull.number)
        return Waiting("queue", "the forge has taken the merge and has not carried it out yet")

    def _settle(self, project: Project, now: Pull, refusal: Refused) -> Meaning:
        """Return what an answer means that only the pull request itself explains."""
        if now.draft:
            return "person"
        if now.mergeable is None:
            return "computing"
        return "conflict" if now.mergeable is False else "person"

    def _broken(self, project: Project, now: Pull, refusal: Refused) -> Meaning:
        """Return what an answer of 5xx means."""
        return "computing"

    def _detail(self, project: Project, now: Pull, means: Meaning, words: str) -> str:
        """Return what is said of a merge that waits; words: the forge's own."""
        return words

    def _queue(self, project: Project, now: Pull, words: str) -> Waiting:
        """Let a pull request join the merge queue of its base; or return that a person has to."""
        return Waiting("queue", f"{words}: somebody has to add it to the merge queue")

    # ---- refusals ------------------------------------------------------------------------------------------------

    def _means(self, project: Project, refusal: Refused | None, now: Pull) -> Meaning:
        if refusal is None:  # no answer at all, and it is not merged: it may still be going on
            return "computing"
        if refusal.status >= _BROKEN:
            return self._broken(project, now, refusal)
        means = meaning_of(self.answers, refusal.status, refusal.lines)
        return self._settle(project, now, refusal) if means == "state" else means

    def _refused(self, project: Project, now: Pull, error: Refused | Unclear, means: Meaning) -> Waiting:
        """Return what a merge that was refused waits for. Raises ForgeError where it will never be done."""
        refusal = error.refused if isinstance(error, Unclear) else error
        words = said(self.answers, refusal.status, refusal.lines) if refusal is not None else ""
        place = f"{now.url} cannot be merged"
        match means:
            case "rights" | "archived" | "gone":
                code = {"rights": "forge-rights", "archived": "forge-archived", "gone": "forge-not-found"}[means]
                hint = "the token may not merge here: look at its permissions, and at the role of its owner"
                raise ForgeError(code, f"{place}: {words or error.message}", hint=hint if means == "rights" else None)
            case "method":
                hint = "`merge-method` in the manifest's [publish]: a method that the repository and its rules allow"
                raise ForgeError("forge-method", f"{place}: {words}", hint=hint)
            case "checks-failed":
                raise ForgeError("pull-checks-failed", f"{place}: {words}", hint="look at its checks on the forge")
            case "conflict":
                hint = "its base has changed: `flakesync sync` makes the branch anew"
                raise ForgeError("forge-conflict", f"{place}: {words or 'conflict'}", hint=hint)
            case "head-moved":
                raise ForgeError("head-moved", f"{place}: {words}")
            case "behind" | "base-moved":
                keeps_moving = Waiting("computing", "its base keeps moving: others merge too")
                raise Undecided(f"{place}: {words or 'its base has moved'}", keeps_moving)
            case "queue":
                return self._queue(project, now, words)
            case "computing" | "state":
                if refusal is None or refusal.status >= _BROKEN:
                    raise error
                if now.mergeable is False:  # Forgejo says the same of a check that goes on, and of a conflict
                    conflict = Waiting("person", f"{words}: it has a conflict, or could not be checked for one")
                    raise Undecided(f"{place}: {words}", conflict)
                return Waiting("computing", f"the forge has not decided yet whether it can be merged: {words}")
            case "person":
                if now.draft:
                    return Waiting("person", "it is a draft")
                detail = self._detail(project, now, means, words or error.message)
                return Waiting("person", f"somebody has to look at it: {detail}")
            case "upstream" | "reviews" | "checks":
                return Waiting(means, self._detail(project, now, means, words))
            case _:
                assert_never(means)

    def _head_moved(self, now: Pull, head: Rev) -> ForgeError:
        message = f"{now.url}: its head is {now.head}, and not {head}: somebody has pushed to the branch"
        return ForgeError("head-moved", message)

    def _open_once(self, project: Project, new: NewPull) -> Pull:
        failure: ForgeError | None = None
        for _ in range(2):
            try:
                return self._open(project, new)
            except Unclear as unclear:
                failure = unclear
            except Refused as refusal:
                if not self._is_double(refusal):
                    raise
                failure = refusal
            found = self.find(project, head=new.head_branch, base=new.base_branch)
            if found is not None and found.state == "open":
                if (found.title, found.body) == (new.title, new.body):
                    return found
                return self.update(project, found, title=new.title, body=new.body)
        raise failure if failure is not None else AssertionError("two attempts have failed without an error")


def authorization(scheme: str, token: str) -> dict[str, str]:
    """Return the header that logs in with a token; none where there is no token: an empty one would be refused."""
    return {"Authorization": f"{scheme} {token}"} if token else {}


def find_newest(listed: Callable[[bool], Iterator[Pull | None]], page: int) -> Pull | None:
    """Return the newest pull request of a list: an open one if there is one.

    listed: gives all of them, or the open ones alone, newest first; None in the place of one that comes from a fork.
    page: how many the forge gives at a time.
    """
    seen = list(islice(listed(False), page))
    mine = [pull for pull in seen if pull is not None]
    found = next((pull for pull in mine if pull.state == "open"), None)
    if found is None and len(seen) == page:
        # An old one that was opened again may lie far behind the ones of a hundred nights.
        found = next((pull for pull in listed(True) if pull is not None), None)
    return found or next(iter(mine), None)
