"""One task by the name of its repo: what its upstreams have come to is read from their update branches."""

import msgspec

from flakesync.documents.sync import ErrorDocument
from flakesync.errors import FlakesyncError, as_error
from flakesync.pipeline.elsewhere import Place, TaskResult, carry_out
from flakesync.pipeline.plan_file import PlanFile
from flakesync.pipeline.upstreams import Upstreams
from flakesync.sync.events import Note, Progress
from flakesync.sync.outcome import Failed, FailedUpstream, Skipped, Unchanged
from flakesync.terms import RepoName, Rev

_OF_THE_MACHINE = frozenset({"no-git", "no-identity", "no-nix", "nix-too-old"})
"""Codes of what says nothing of a repo: no task can be carried out here."""


def run_task(plan: PlanFile, name: RepoName, place: Place) -> TaskResult:
    """Carry out the task of a repo of the plan, and return the result; what goes wrong is in it.

    It is skipped where an upstream has no update of this plan yet. A repo that the plan leaves alone is unchanged.

    Raises: FlakesyncError: this machine can carry out no task: there is no git, no Nix that is needed, no author.
    """
    if name in plan.problems:
        return TaskResult(Failed(name, error_of(plan.problems[name])))
    task = plan.by_repo.get(name)
    if task is None:
        return TaskResult(Unchanged(repo=name, branch=None, commit=Rev(""), moves=()))
    notes: list[str] = []

    def listen(event: Progress) -> None:
        if isinstance(event, Note):
            notes.append(event.text)
        place.listener(event)

    states = place.states()
    try:
        commits = Upstreams(plan, place.told(listen), states).commits_of(task)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
        return TaskResult(Failed(name, place.servers.clean_error(as_error(error))), notes=tuple(notes))
    if isinstance(commits, FailedUpstream):
        return TaskResult(Skipped(name, commits), notes=tuple(notes))
    if name in plan.failing:
        return TaskResult(Failed(name, error_of(plan.failing[name])), notes=tuple(notes))
    result = carry_out(msgspec.structs.replace(task, commits=commits), place, states)
    if isinstance(result.outcome, Failed) and result.outcome.error.code in _OF_THE_MACHINE:
        raise result.outcome.error
    return TaskResult(result.outcome, result.pushed, (*notes, *result.notes), result.locker)


def error_of(document: ErrorDocument) -> FlakesyncError:
    """Return the error that a plan has of a repo."""
    return FlakesyncError(document.code, document.message, hint=document.hint)
