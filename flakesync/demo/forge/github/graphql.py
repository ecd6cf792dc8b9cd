"""GitHub: its GraphQL, as far as it is about pull requests and merge queues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flakesync.demo.forge import meanwhile, pulls, rules
from flakesync.demo.forge.github import queue
from flakesync.demo.forge.github.api import not_found, refusal
from flakesync.demo.forge.github.documents import CONCLUSIONS, Documents, mergeable_state
from flakesync.demo.forge.github.query import FieldError, QueryError, Thing, Value, connection
from flakesync.demo.forge.github.query import answer as run
from flakesync.demo.forge.model import Account, Check, Project, Pull, Site
from flakesync.demo.forge.times import time
from flakesync.demo.forge.web.messages import Answer, Json, Request

Arguments = Mapping[str, object]

_STATES = {"open": "OPEN", "closed": "CLOSED", "merged": "MERGED"}
_REVIEWS = {"approved": "APPROVED", "changes-requested": "CHANGES_REQUESTED"}
_REFUSED = "Resource not accessible by personal access token"


def answer(site: Site, request: Request) -> Answer:
    """Return the answer to a query: almost always 200, whatever is wrong."""
    account = site.account(request)
    if not site.graphql:
        return not_found()
    if account is None:
        return refusal(401, "Bad credentials" if request.secret else "This endpoint requires you to be authenticated.")
    asked = request.fields()
    query, variables = asked.get("query"), asked.get("variables") or {}
    if not isinstance(query, str) or not isinstance(variables, dict):
        return Answer(400, {"message": "A query attribute must be specified and must be a string."})
    name = asked.get("operationName")
    graph = _Graph(site, account, Documents.of(site, request).web)
    roots = {"query": graph.query(), "mutation": graph.mutation()}
    try:
        with site.lock:
            return Answer(200, run(query, str(name) if name else None, variables, roots))
    except QueryError as error:
        told: Json = {"message": error.message, "locations": [{"line": 1, "column": 1}]}
        return Answer(200, {"errors": [told | ({"extensions": error.extensions} if error.extensions else {})]})


@dataclass(frozen=True, slots=True)
class _Graph:
    """The graph as one account sees it. web: the address of the site for people, without a final slash."""

    site: Site
    account: Account
    web: str

    def query(self) -> Thing:
        return Thing("Query", {
            "node": lambda given: self.pull(*self._known(given.get("id"))),
            "nodes": self._nodes,
            "repository": self._repository,
            "viewer": Thing("User", {"login": self.account.login}),
        })  # fmt: skip

    def mutation(self) -> Thing:
        return Thing("Mutation", {
            "enqueuePullRequest": self._enqueue,
            "enablePullRequestAutoMerge": self._enable,
        })  # fmt: skip

    def _nodes(self, given: Arguments) -> list[Value]:
        ids = given.get("ids")
        return [self._node(each) for each in ids] if isinstance(ids, list) else []

    def _node(self, id: object) -> Value:
        try:
            return self.pull(*self._known(id))
        except FieldError as error:
            return error

    def _known(self, id: object) -> tuple[Project, Pull]:
        for project in [*self.site.projects.values()]:
            if self.site.may_read(project, self.account):
                for pull in project.pulls:
                    if id == f"PR_{pull.id}":
                        meanwhile.catch_up(self.site, project)
                        return project, pull
        raise FieldError("NOT_FOUND", f"Could not resolve to a node with the global id of '{id}'")

    def _changed(self, given: Arguments) -> tuple[Project, Pull, dict[str, object]]:
        """Return what a mutation is about, for those who may do it."""
        fields = given.get("input")
        if not isinstance(fields, dict):
            raise QueryError("Field is missing required arguments: input")
        project, pull = self._known(fields.get("pullRequestId") or fields.get("id"))
        if self.account.right != "write" or "contents" in self.account.lacks:
            raise FieldError("FORBIDDEN", _REFUSED)
        return project, pull, fields

    def _enqueue(self, given: Arguments) -> Thing:
        project, pull, fields = self._changed(given)
        queue.enqueue(self.site, project, pull, self.account, fields.get("expectedHeadOid"))
        return Thing("EnqueuePullRequestPayload", {"mergeQueueEntry": self._entry(project, pull)})

    def _enable(self, given: Arguments) -> Thing:
        project, pull, fields = self._changed(given)
        queue.enable(self.site, project, pull, self.account, fields)
        return Thing("EnablePullRequestAutoMergePayload", {"pullRequest": self.pull(project, pull)})

    def _repository(self, given: Arguments) -> Thing:
        path = f"{given.get('owner')}/{given.get('name')}"
        project = self.site.find(path)
        if project is None and given.get("followRenames", True):
            project = self.site.find_moved(path, self.account)
        if project is None or not self.site.may_read(project, self.account):
            raise FieldError("NOT_FOUND", f"Could not resolve to a Repository with the name '{path}'.")
        meanwhile.catch_up(self.site, project)
        return self._project(project)

    def _project(self, project: Project) -> Thing:
        def one(given: Arguments) -> Thing:
            number = given.get("number")
            pull = project.pull(number) if isinstance(number, int) else None
            if pull is None:
                raise FieldError("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}.")
            return self.pull(project, pull)

        return Thing("Repository", {"pullRequest": one, "pullRequests": lambda given: self._listed(project, given)})

    def _listed(self, project: Project, given: Arguments) -> Thing:
        states = given.get("states")
        wanted = [states] if isinstance(states, str) else states
        found: Sequence[Value] = [
            self.pull(project, pull)
            for pull in project.pulls
            if (not isinstance(wanted, list) or _STATES[pull.state] in wanted)
            and given.get("headRefName") in (None, pull.head)
            and given.get("baseRefName") in (None, pull.base)
        ]
        order = given.get("orderBy")
        if isinstance(order, dict) and order.get("direction") == "DESC":  # they are kept in the order of their making
            found = [*reversed(found)]
        return connection("PullRequest", found)(given)

    def pull(self, project: Project, pull: Pull) -> Thing:
        """Return a `PullRequest`; what takes time is worked out where it is asked for."""
        on_its_way, wished = self._entry(project, pull), Thing("AutoMergeRequest", {"enabledAt": time(pull.updated)})
        return Thing("PullRequest", {
            "id": f"PR_{pull.id}", "number": pull.number, "state": _STATES[pull.state], "headRefOid": pull.head_rev,
            "url": f"{self.web}/{project.path}/pull/{pull.number}", "title": pull.title, "body": pull.body,
            "isDraft": pull.draft, "headRefName": pull.head, "baseRefName": pull.base, "isCrossRepository": False,
            "labels": connection("Label", [Thing("Label", {"name": label.name}) for label in pull.labels]),
            "mergeCommit": Thing("Commit", {"oid": pull.merged_rev}) if pull.merged_rev is not None else None,
            "mergeable": lambda _: self._mergeable(project, pull),
            "mergeStateStatus": lambda _: self._merge_state(project, pull),
            "reviewDecision": lambda _: self._decision(project, pull),
            "isInMergeQueue": on_its_way is not None, "mergeQueueEntry": on_its_way,
            "autoMergeRequest": wished if pull.auto_merge is not None else None,
            "statusCheckRollup": lambda _: self._rollup(project, pull.head_rev),
            "commits": connection("PullRequestCommit", [Thing("PullRequestCommit", {
                "commit": Thing("Commit", {
                    "oid": pull.head_rev, "statusCheckRollup": lambda _: self._rollup(project, pull.head_rev),
                }),
            })]),
            "latestOpinionatedReviews": lambda given: self._latest(project, pull, given),
            "timelineItems": lambda given: self._timeline(pull, given),
        })  # fmt: skip

    def _mergeable(self, project: Project, pull: Pull) -> str:
        known = pulls.can_be_merged(self.site, project, pull)
        return "UNKNOWN" if known is None else "MERGEABLE" if known else "CONFLICTING"

    def _merge_state(self, project: Project, pull: Pull) -> str:
        known = pulls.can_be_merged(self.site, project, pull)
        return mergeable_state(self.site, project, pull, known).upper()

    def _decision(self, project: Project, pull: Pull) -> str | None:
        rule = project.rules.get(pull.base)
        if rule is None or not rule.approvals:
            return None
        last = {review.by.id: review.opinion for review in pull.reviews if review.opinion != "commented"}
        if "changes-requested" in last.values():
            return "CHANGES_REQUESTED"
        return "APPROVED" if len(rules.approvals(project, pull)) >= rule.approvals else "REVIEW_REQUIRED"

    def _entry(self, project: Project, pull: Pull) -> Thing | None:
        if pull not in project.queue or pull.entry is None or pull.entry.state == "merging":
            return None
        position = project.queue.index(pull) + 1
        return Thing("MergeQueueEntry", {
            "state": "AWAITING_CHECKS" if position == 1 else "QUEUED", "position": position,
        })  # fmt: skip

    def _latest(self, project: Project, pull: Pull, given: Arguments) -> Thing:
        """Return what each person said last, comments and what a push has dismissed left out."""
        last = {
            review.by.id: Thing("PullRequestReview", {"state": _REVIEWS[review.opinion]})
            for review in pull.reviews
            if review.opinion in _REVIEWS and not (project.dismiss_stale and review.rev != pull.head_rev)
        }
        return connection("PullRequestReview", [*last.values()])(given)

    def _timeline(self, pull: Pull, given: Arguments) -> Thing:
        wanted = given.get("itemTypes")
        removed = wanted is None or "REMOVED_FROM_MERGE_QUEUE_EVENT" in (
            wanted if isinstance(wanted, list) else [wanted]
        )
        events = [Thing("RemovedFromMergeQueueEvent", {"reason": reason}) for reason in pull.removals if removed]
        return connection("PullRequestTimelineItems", events)(given)

    def _rollup(self, project: Project, rev: str) -> Thing | None:
        """Return a `StatusCheckRollup`; its state is there even for those who may not read check runs."""
        checks = project.results(rev).values()
        if not checks:
            return None
        states = [check.state for check in checks if check.state not in ("success", "neutral", "skipped")]
        pending = [state for state in states if state in ("pending", "queued")]
        worst = "FAILURE" if len(states) > len(pending) else "PENDING" if pending else "SUCCESS"
        return Thing("StatusCheckRollup", {
            "state": worst, "contexts": connection("StatusCheckRollupContext", [*map(self._context, checks)]),
        })  # fmt: skip

    def _context(self, check: Check) -> Value:
        if ("checks" if check.run else "statuses") in self.account.lacks:
            return FieldError("FORBIDDEN", _REFUSED)
        if not check.run:
            return Thing("StatusContext", {"context": check.name, "state": check.state.upper()})
        done = check.state not in ("pending", "queued")
        found = check.state if check.state in ("success", *CONCLUSIONS) else "failure"
        status = "COMPLETED" if done else "QUEUED" if check.state == "queued" else "IN_PROGRESS"
        return Thing("CheckRun", {
            "name": check.name, "status": status, "conclusion": found.upper() if done else None,
        })  # fmt: skip
