"""Machines that carry out the tasks of one plan, each with a cache of its own; in this process."""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from flakesync.analysis.plan import make_plan
from flakesync.documents.change.task import TaskDocument
from flakesync.documents.sync import SyncDocument
from flakesync.forge.hosts import Servers
from flakesync.pipeline.collect import collect
from flakesync.pipeline.documents import task_document
from flakesync.pipeline.elsewhere import Place
from flakesync.pipeline.plan_file import PlanFile, make_plan_file, read_plan_file
from flakesync.pipeline.task import run_task
from flakesync.survey.read import read_survey
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.options import Options
from flakesync.terms import RepoName, Rev
from flakesync.workspace.manifest import load_workspace, select
from tests.support import repos
from tests.support.nixspace import UPDATE, Space

AUTHOR = {"author": "Bot <bot@acme.example>"}
"""Settings of a manifest with which every machine makes the same commits."""


@dataclass(frozen=True)
class Machines:
    """A manifest, and a folder below which each machine has its cache, by its name."""

    manifest: Path
    root: Path

    def plan(self, *only: str) -> PlanFile:
        """Make the plan of now, write it, and read it back."""
        workspace = load_workspace(self.manifest)
        survey = read_survey(workspace)
        selected = select(workspace, only, (), ())
        self.file.write_bytes(make_plan_file(survey, make_plan(survey, selected), selected).encode())
        return read_plan_file(self.file, workspace)

    @property
    def file(self) -> Path:
        """Where the plan is."""
        return self.root / "plan.json"

    def task(
        self, plan: PlanFile, name: str, *, on: str | None = None, push: bool = True, locker: LockerChoice = "native"
    ) -> TaskDocument:
        """Carry out the task of a repo. on: the machine; None: one of its own."""
        workspace = load_workspace(self.manifest)
        options = Options(cache=self.root / f"cache-{on or name}", locker=locker)
        with closing(Servers(workspace, os.environ)) as servers:
            place = Place(workspace=workspace, options=options, servers=servers, listener=lambda _: None, push=push)
            return task_document(plan.run, run_task(plan, RepoName(name), place))

    def all(self, plan: PlanFile, *, locker: LockerChoice = "native") -> dict[str, TaskDocument]:
        """Carry out all tasks in their order, each on a machine of its own."""
        return {name: self.task(plan, name, locker=locker) for name in plan.by_repo}

    def collect(
        self, plan: PlanFile, claims: Mapping[RepoName, Sequence[TaskDocument]] | None = None, *, on: str = "collect"
    ) -> SyncDocument:
        """Do what `flakesync collect` does."""
        workspace = load_workspace(self.manifest)
        options = Options(cache=self.root / f"cache-{on}", locker="native")
        with closing(Servers(workspace, os.environ)) as servers:
            place = Place(workspace=workspace, options=options, servers=servers, listener=lambda _: None, push=False)
            return collect(plan, place, claims or {})


def commits_of(documents: Mapping[str, TaskDocument]) -> dict[str, str | None]:
    """Return the commit of each repo."""
    return {name: each.outcome.commit for name, each in documents.items()}


def statuses(document: SyncDocument) -> dict[str, str]:
    """Return the status of each repo."""
    return {each.repo: each.status for each in document.repos}


def forget_updates(space: Space) -> None:
    """Delete all update branches on the servers."""
    for name in space.names:
        if space.ref(name) is not None:
            repos.run_git("update-ref", "-d", UPDATE, cwd=space.path(name))


def put_update(space: Space, name: str, rev: Rev | str | None) -> None:
    """Let the update branch of a server be at a commit; None: let it be gone."""
    repos.run_git("update-ref", *(["-d", UPDATE] if rev is None else [UPDATE, rev]), cwd=space.path(name))
