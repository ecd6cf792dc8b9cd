"""GitHub's GraphQL API: what one call tells of a pull request, and merge queues, which REST does not know.

A summary of all checks is told even to a fine-grained token, which may not read check runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from flakesync.forge.client import GRAPHQL, Client
from flakesync.forge.model import Checks, ForgeError, Pull
from flakesync.forge.refusals import Refused
from flakesync.terms import Rev

T = TypeVar("T")

_ROLLUPS: Mapping[str, Checks] = {"SUCCESS": "passed", "PENDING": "pending", "EXPECTED": "pending"}

_FIELDS = """
fragment Fields on PullRequest {
  state headRefOid mergeable mergeStateStatus reviewDecision isInMergeQueue
  mergeQueueEntry { state position }
  autoMergeRequest { enabledAt }
  latestOpinionatedReviews(first: 100) { nodes { state } }
  commits(last: 1) { nodes { commit { oid statusCheckRollup { state } } } }
  timelineItems(last: 1, itemTypes: [REMOVED_FROM_MERGE_QUEUE_EVENT]) {
    nodes { ... on RemovedFromMergeQueueEvent { reason } }
  }
}
"""
# One point of 5,000 an hour (docs: rate limits for the GraphQL API), as much as one call of REST.
STATE = f"query PullRequestState($id: ID!) {{ node(id: $id) {{ ...Fields }} }}{_FIELDS}"
# Two points for fifty: one for a hundred lists.
STATES = f"query PullRequestStates($ids: [ID!]!) {{ nodes(ids: $ids) {{ ...Fields }} }}{_FIELDS}"
_ENQUEUE = """
mutation Enqueue($id: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { mergeQueueEntry { state position } }
}
"""
_AUTO_MERGE = """
mutation AutoMerge($id: ID!, $head: GitObjectID!) {
  enablePullRequestAutoMerge(input: {pullRequestId: $id, expectedHeadOid: $head}) {
    pullRequest { autoMergeRequest { enabledAt } }
  }
}
"""


class _Named(msgspec.Struct, frozen=True):
    state: str = ""


class _Entry(msgspec.Struct, frozen=True):
    position: int | None = None


class _Rollup(msgspec.Struct, frozen=True):
    state: str


class _Commit(msgspec.Struct, frozen=True, rename="camel"):
    oid: str
    status_check_rollup: _Rollup | None = None


class _CommitNode(msgspec.Struct, frozen=True):
    commit: _Commit


class _Removed(msgspec.Struct, frozen=True):
    reason: str | None = None


class _List(msgspec.Struct, Generic[T], frozen=True):
    nodes: tuple[T | None, ...] = ()

    def present(self) -> list[T]:
        """Return what the token may read of it."""
        return [node for node in self.nodes if node is not None]


class State(msgspec.Struct, frozen=True, rename="camel"):
    """A pull request."""

    state: str
    head_ref_oid: str = ""
    mergeable: str = ""
    merge_state_status: str = ""
    review_decision: str | None = None
    is_in_merge_queue: bool = False
    merge_queue_entry: _Entry | None = None
    auto_merge_request: dict[str, msgspec.Raw] | None = None
    latest_opinionated_reviews: _List[_Named] | None = None
    commits: _List[_CommitNode] = _List()
    timeline_items: _List[_Removed] = _List()

    def rollup(self, head: Rev) -> Checks | None:
        """Return what all checks of the head come to; None: it is said of another commit."""
        for node in self.commits.present():
            if node.commit.oid == head:
                rollup = node.commit.status_check_rollup
                return _ROLLUPS.get(rollup.state, "failed") if rollup is not None else "none"
        return None

    @property
    def can_be_merged(self) -> bool | None:
        """Whether it has no conflict with its base; None: GitHub has not decided yet."""
        return {"MERGEABLE": True, "CONFLICTING": False}.get(self.mergeable)

    @property
    def opinions(self) -> list[str]:
        """The last review of each person that was more than a comment."""
        found = self.latest_opinionated_reviews
        return [node.state for node in found.present()] if found is not None else []

    @property
    def has_auto_merge(self) -> bool:
        """Whether GitHub is to merge it by itself."""
        return self.auto_merge_request is not None

    @property
    def removal(self) -> str | None:
        """Why a merge queue took it out the last time; None: it never did, or does not say."""
        return next((node.reason for node in self.timeline_items.present()), None)


class _Node(msgspec.Struct, frozen=True):
    node: State | None = None


class _Nodes(msgspec.Struct, frozen=True):
    nodes: tuple[State | None, ...]


class _Enqueued(msgspec.Struct, frozen=True, rename="camel"):
    merge_queue_entry: _Entry | None = None


class _Enqueue(msgspec.Struct, frozen=True, rename="camel"):
    enqueue_pull_request: _Enqueued | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    # Where in the answer it belongs; None: it is about the whole of it.
    path: tuple[str | int, ...] | None = None


class GraphError(Exception):
    """GraphQL did not do it. Its text is the server's."""


class TooMuchError(GraphError):
    """Nothing was answered, and less at once might be: it takes too long, say."""


@dataclass
class GraphQL:
    """Asks one GitHub. Threads may share it."""

    client: Client
    _absent: bool = False

    def state(self, pull: Pull) -> State | None:
        """Return what GraphQL says of a pull request; None: nothing that can be used."""
        if self._absent or not pull.key:
            return None
        try:
            return self._ask("PullRequestState", STATE, {"id": pull.key}, _Node, again=True).node
        except GraphError:
            return None

    def states(self, pulls: Sequence[Pull]) -> list[State | None]:
        """Return what GraphQL says of these pull requests, in their order; None: nothing that can be used.

        It is asked once, and what goes wrong with it says nothing of the rest of the API.

        Raises: GraphError, ForgeError(`forge-rate-limit`).
        """
        reply = self._alone("PullRequestStates", STATES, {"ids": [pull.key for pull in pulls]})
        errors = _errors_in(reply)
        paths = [error.path or () for error in errors]
        found = _data_in(reply, _Nodes).nodes
        if len(found) != len(pulls) or not all(len(path) > 1 and path[0] == "nodes" for path in paths):
            raise GraphError(_together(errors))
        wrong = {path[1] for path in paths}
        return [state if number not in wrong else None for number, state in enumerate(found)]

    def enqueue(self, pull: Pull) -> int | None:
        """Add a pull request to the merge queue of its base, and return its position; None: not told.

        Raises: GraphError.
        """
        added = self._mutate("Enqueue", _ENQUEUE, pull, _Enqueue).enqueue_pull_request
        return added.merge_queue_entry.position if added and added.merge_queue_entry else None

    def enable_auto_merge(self, pull: Pull) -> None:
        """Let GitHub merge, or enqueue, a pull request when nothing is lacking any more. Raises: GraphError."""
        self._mutate("AutoMerge", _AUTO_MERGE, pull, dict[str, msgspec.Raw])

    def _mutate(self, name: str, query: str, pull: Pull, expect: type[T]) -> T:
        if self._absent or not pull.key:
            raise GraphError("its API cannot do that here")
        return self._ask(name, query, {"id": pull.key, "head": pull.head}, expect, again=False)

    def parts(self, name: str, query: str, variables: Mapping[str, str]) -> dict[str, msgspec.Raw]:
        """Return the fields of a query that were answered in full; the others are missing, whatever the reason.

        It is asked once, and what goes wrong with it says nothing of the rest of the API.

        Raises: GraphError, ForgeError(`forge-rate-limit`).
        """
        reply = self._alone(name, query, variables)
        errors = _errors_in(reply)
        data = _data_in(reply, dict[str, msgspec.Raw] | None)  # type: ignore[arg-type]
        paths = [error.path for error in errors]
        if not data or not all(paths):
            raise TooMuchError(_together(errors))
        wrong = {path[0] for path in paths if path}
        return {name: part for name, part in data.items() if name not in wrong and part != b"null"}

    def _alone(self, name: str, query: str, variables: Mapping[str, object]) -> dict[str, msgspec.Raw]:
        if self._absent:
            raise GraphError("its API cannot do that here")
        try:
            return self._reply(name, query, variables, again=True, lone=True)
        except ForgeError as error:
            if error.code == "forge-rate-limit":
                raise
            raise TooMuchError(error.message) from None

    def _ask(self, name: str, query: str, variables: Mapping[str, str], expect: type[T], *, again: bool) -> T:
        reply = self._reply(name, query, variables, again=again)
        if errors := _errors_in(reply):
            # Beside them there may be data that lacks what the token may not read: REST tells the rest.
            raise GraphError(_together(errors))
        return _data_in(reply, expect)

    def _reply(
        self, name: str, query: str, variables: Mapping[str, object], *, again: bool, lone: bool = False
    ) -> dict[str, msgspec.Raw]:
        body = {"query": query, "operationName": name, "variables": dict(variables)}
        try:
            return self.client.call("POST", GRAPHQL, dict[str, msgspec.Raw], body=body, again=again, lone=lone)
        except Refused as refusal:
            if refusal.status >= 500 and lone:
                raise TooMuchError(refusal.message) from None
            self._absent = self._absent or refusal.status in (404, 405)
            raise GraphError(refusal.words or refusal.message) from None


def _errors_in(reply: Mapping[str, msgspec.Raw]) -> list[_Error]:
    return _read(reply.get("errors", b"[]"), list[_Error] | None) or []  # type: ignore[arg-type]


def _data_in(reply: Mapping[str, msgspec.Raw], expect: type[T]) -> T:
    return _read(reply.get("data", b"{}"), expect)


def _read(part: msgspec.Raw | bytes, expect: type[T]) -> T:
    try:
        return msgspec.json.decode(part, type=expect)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GraphError(f"another answer than expected: {error}") from None


def _together(errors: Sequence[_Error]) -> str:
    return "; ".join(error.message for error in errors) or "it answered nothing"
