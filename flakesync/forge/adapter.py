"""What all forges have in common: opening without doubles, and merging with a guard."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from flakesync.forge.http import Client
from flakesync.forge.model import ForgeError, MergeMethod, NewPull, Project, Pull
from flakesync.forge.refusal import Refused, Unclear
from flakesync.terms import Rev

_MERGE_REFUSALS = frozenset({405, 406, 409, 422})
_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
_PROTECTS = (
    "protect",
    "required",
    "approv",
    "review",
    "rule",
    "not allowed to merge",
    "not ready",
    "draft",
    "progress",
)


class Adapter(ABC):
    """The part of `Forge` that does not depend on the kind of forge."""

    def __init__(self, client: Client) -> None:
        """client: calls to the forge's API, with its headers."""
        self._client = client

    def create(self, project: Project, new: NewPull) -> Pull:
        """Open a pull request, or find the one that a lost answer, or somebody else, has opened already."""
        return self.dress(project, self._open_once(project, new), labels=new.labels, reviewers=new.reviewers)

    def merge(self, project: Project, pull: Pull, *, head: Rev, method: MergeMethod) -> Pull:
        """Merge it if its head is still `head`; return it with its `merged_rev`.

        Forges take a moment to learn whether a branch can be merged, and say no until then: they are asked again.
        """
        for pause in (*_PAUSES_S, None):
            try:
                return self._merge(project, pull, head, method)
            except (Refused, Unclear) as refusal:
                if isinstance(refusal, Refused) and refusal.status not in _MERGE_REFUSALS:
                    raise
                now = self.get(project, pull.number)
                if now.head != head:
                    raise self._head_moved(now, head) from None
                if now.state == "merged":
                    return now
                if pause is None or not (isinstance(refusal, Unclear) or self._not_yet(refusal, now)):
                    raise self._why_not(refusal, now) from None
            self._client.sleep(pause)
        raise AssertionError("the last pause is None")

    @abstractmethod
    def get(self, project: Project, number: int) -> Pull:
        """Return one pull request as it is now."""

    @abstractmethod
    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        """Return the newest pull request from `head` into `base`: an open one if there is one."""

    @abstractmethod
    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        """Set title and body."""

    @abstractmethod
    def dress(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        """Add the labels that it has not, and ask reviewers who have not been asked by `_open`; return it so."""

    @abstractmethod
    def _open(self, project: Project, new: NewPull) -> Pull:
        """Open it by one POST. Raises Refused, Unclear."""

    @abstractmethod
    def _merge(self, project: Project, pull: Pull, head: Rev, method: MergeMethod) -> Pull:
        """Merge it by one call. Raises Refused, Unclear."""

    @abstractmethod
    def _is_double(self, refusal: Refused) -> bool:
        """Tell whether the forge refused to open a pull request because there is one."""

    @abstractmethod
    def _not_yet(self, refusal: Refused, now: Pull) -> bool:
        """Tell whether a merge was refused only because the forge is not done with thinking about it."""

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

    def _why_not(self, refusal: ForgeError, now: Pull) -> ForgeError:
        """Return the error that says why it cannot be merged."""
        words = refusal.words if isinstance(refusal, Refused) else refusal.message
        if isinstance(refusal, Unclear):
            return refusal
        place = f"{now.url} cannot be merged"
        if now.state == "closed":
            return ForgeError("forge", f"{now.url} is closed")
        if now.draft:
            return ForgeError("forge-protected", f"{place}: it is a draft", hint="mark it as ready on the forge")
        told = words.lower()
        if "conflict" in told or (now.mergeable is False and not any(word in told for word in _PROTECTS)):
            hint = "its base has changed: `flakesync sync` makes the branch anew"
            return ForgeError("forge-conflict", f"{place}: {words or 'conflict'}", hint=hint)
        if any(word in told for word in _PROTECTS):
            return ForgeError("forge-protected", f"{place}: {words}")
        return ForgeError("forge", f"{place}: {words or refusal.message}")

    def _head_moved(self, now: Pull, head: Rev) -> ForgeError:
        message = f"{now.url}: its head is {now.head}, and not {head}: somebody has pushed to the branch"
        return ForgeError("head-moved", message)


def reviewers_body(reviewers: Sequence[str]) -> dict[str, list[str]]:
    """Return how GitHub and Forgejo are asked for reviewers: people by name, a team as `org/team`."""
    body = {
        "reviewers": [name for name in reviewers if "/" not in name],
        "team_reviewers": [name.rpartition("/")[2] for name in reviewers if "/" in name],
    }
    return {key: names for key, names in body.items() if names}


def no_method(host: str, method: str, known: str) -> ForgeError:
    """Return the error for a merge method that a forge does not have."""
    return ForgeError("forge", f"{host}: pull requests cannot be merged by {method}", hint=f"merge-method: {known}")
