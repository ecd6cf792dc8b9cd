"""What keeps a GitLab merge request from being merged: the pipeline of its very head commit, and merge trains."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from flakesync.forge.calls import ProjectCalls
from flakesync.forge.checks import summary
from flakesync.forge.model import Check, Checks, ForgeError, MergeStatus, Project, Pull, Waiting
from flakesync.forge.refusals import refused_with
from flakesync.terms import Rev

_PAGE = 100
UNREADABLE = (401, 403, 404)
"""How GitLab turns away a token that it knows, and that may not read this: 401 is for the token of a job."""
_PIPELINES: Mapping[str, Checks] = {
    "success": "passed",
    "failed": "failed",
    "canceled": "failed",
    "skipped": "none",
}
_JOBS: Mapping[str, Checks] = {**_PIPELINES, "skipped": "passed"}
# Pipelines of merged results, and of trains, run on a commit that GitLab makes of the base and the head.
_MADE_OF_BOTH = re.compile(r"refs/merge-requests/\d+/(merge|train)")


class Pipeline(msgspec.Struct, frozen=True):
    """A pipeline, as a merge request names it."""

    status: str
    sha: str = ""
    ref: str = ""


class _Status(msgspec.Struct, frozen=True):
    name: str
    status: str
    id: int = 0
    allow_failure: bool = False


class _Commit(msgspec.Struct, frozen=True):
    parent_ids: tuple[str, ...] = ()
    last_pipeline: Pipeline | None = None


class _Project(msgspec.Struct, frozen=True):
    merge_trains_enabled: bool | None = None


class _Car(msgspec.Struct, frozen=True):
    status: str = ""


@dataclass
class Merging:
    """Asks one GitLab. Threads may share it."""

    at: ProjectCalls
    _trains: dict[Project, bool] = field(default_factory=dict)
    # What this run has put on a train: merge request → its head then.
    _joined: dict[str, Rev] = field(default_factory=dict)

    def pipeline(self, project: Project, pull: Pull, newest: Pipeline | None) -> MergeStatus:
        """Return what the pipelines say of the head of a merge request; reviews are `none`.

        newest: the `head_pipeline`. After a push it can be the one of the commit before: only a pipeline of exactly
        this commit is believed, or one of a commit that GitLab made of it and the base.
        """
        if newest is None:
            return MergeStatus("none", "none")
        if not self._is_of(project, newest, pull.head):
            jobs = self._jobs(project, pull.head)
            if jobs:
                total, failed, pending = summary([_check(job) for job in jobs])
                return MergeStatus(total, "none", failed, pending)
            detail = f"no pipeline has begun for {pull.head[:12]} yet; the newest is of {newest.sha[:12]}"
            return MergeStatus("pending", "none", waiting=Waiting("checks", detail))
        if newest.status == "manual":
            jobs = self._jobs(project, Rev(newest.sha))
            names = [job.name for job in jobs if job.status == "manual" and not job.allow_failure]
            by_hand = f"somebody has to start a manual job of its pipeline: {', '.join(names)}".rstrip(": ")
            return MergeStatus("pending", "none", pending=tuple(names), waiting=Waiting("person", by_hand))
        state = _PIPELINES.get(newest.status, "pending")
        if state != "failed":
            return MergeStatus(state, "none")
        _, failed, _ = summary([_check(job) for job in self._jobs(project, Rev(newest.sha))])
        return MergeStatus("failed", "none", failed=failed)

    def commit_checks(self, project: Project, rev: Rev) -> Sequence[Check]:
        """Return the newest result of each job and external status of a commit, and what its newest pipeline came to.

        A pipeline has more than the commit tells: what it starts in other projects, and jobs that are still to be made.

        Raises: ForgeError.
        """
        rest = f"/repository/commits/{rev}"
        last = self.at.call(project, "GET", rest, _Commit).last_pipeline
        state = _PIPELINES.get(last.status, "pending") if last is not None else "none"
        jobs = self.at.each(project, f"{rest}/statuses", _Status, lambda _: {"per_page": _PAGE})
        # Of a job that ran in several pipelines, and of a status that was reported again, the newest counts.
        newest = {job.name: job for job in sorted(jobs, key=lambda job: job.id)}
        own = [Check("pipeline", state)] if state != "none" else []
        return [*(_check(job) for job in newest.values()), *own]

    def has_train(self, project: Project) -> bool:
        """Tell whether merges go through a merge train here (GitLab Premium)."""
        if project not in self._trains:
            found = _Project()
            with refused_with(*UNREADABLE):  # a job's token may read merge requests, and not the project
                found = self.at.call(project, "GET", "", _Project)
            self._trains[project] = bool(found.merge_trains_enabled)
        return self._trains[project]

    def on_train(self, project: Project, pull: Pull) -> Waiting | None:
        """Return that an open merge request is on a train; None: it is not, or trains are not known here."""
        if not self.has_train(project):
            return None
        with refused_with(*UNREADABLE):
            car = self.at.call(project, "GET", _train(pull), _Car)
            if car.status in ("merged", "skip_merged"):
                return Waiting("queue", "the merge train has merged it just now")
            return Waiting("queue", f"it is on the merge train ({car.status})")
        return None

    def join_train(self, project: Project, pull: Pull, body: Mapping[str, object]) -> Waiting:
        """Put a merge request on the train of its base, now or when its pipeline has succeeded.

        Raises: ForgeError(`pull-dequeued`): the train has dropped what this run put on it. Refused, Unclear.
        """
        if self._joined.get(pull.url) == pull.head:
            message = f"{pull.url}: the merge train dropped it"
            hint = "look at its pipelines on the forge; the next landing puts it on the train again"
            raise ForgeError("pull-dequeued", message, hint=hint)
        self.at.tell(project, "POST", _train(pull), body={**body, "auto_merge": True})
        self._joined[pull.url] = pull.head
        return Waiting("queue", "it is on the merge train")

    def _is_of(self, project: Project, pipeline: Pipeline, head: Rev) -> bool:
        if pipeline.sha == head:
            return True
        if not _MADE_OF_BOTH.fullmatch(pipeline.ref):
            return False
        with refused_with(404):
            return head in self.at.call(project, "GET", f"/repository/commits/{pipeline.sha}", _Commit).parent_ids
        return False

    def _jobs(self, project: Project, rev: Rev) -> Sequence[_Status]:
        """Return the newest state of each job and external status of a commit."""
        rest = f"/repository/commits/{rev}/statuses"
        with refused_with(*UNREADABLE):
            return list(self.at.each(project, rest, _Status, lambda _: {"per_page": _PAGE}))
        return []


def _check(job: _Status) -> Check:
    state = _JOBS.get(job.status, "pending")
    # A manual job that may fail is one that nobody has to start.
    optional = job.allow_failure and (state == "failed" or job.status == "manual")
    return Check(job.name, "passed" if optional else state, job.status not in ("skipped", "manual"))


def _train(pull: Pull) -> str:
    return f"/merge_trains/merge_requests/{pull.number}"
