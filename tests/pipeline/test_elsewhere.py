"""One task on a machine of its own: the commit that sync makes, pushed with a lease."""

import os
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from flakesync.analysis.plan import make_plan
from flakesync.forge.hosts import Servers
from flakesync.pipeline.elsewhere import Place, TaskResult, carry_out
from flakesync.survey.read import read_survey
from flakesync.sync.options import Options
from flakesync.sync.outcome import Unchanged, Updated
from flakesync.sync.tasks.task import RepoTask, make_tasks
from flakesync.terms import RepoName, Rev
from flakesync.workspace.manifest import load_workspace, select
from tests.support import repos
from tests.support.nixspace import UPDATE, Space, chain, run_sync

LIB, APP = RepoName("lib"), RepoName("app")


def tasks_of(manifest: Path) -> dict[RepoName, RepoTask]:
    """Return the tasks of the plan of now."""
    workspace = load_workspace(manifest)
    survey = read_survey(workspace)
    return make_tasks(survey, make_plan(survey, select(workspace, (), (), ())))


def run(manifest: Path, task: RepoTask, cache: Path, *, push: bool = True) -> TaskResult:
    """Carry a task out as a machine does whose cache this is."""
    workspace = load_workspace(manifest)
    with closing(Servers(workspace, os.environ)) as servers:
        options = Options(cache=cache, locker="native")
        return carry_out(
            task, Place(workspace=workspace, options=options, servers=servers, listener=lambda _: None, push=push)
        )


def commit_of(found: TaskResult) -> Rev:
    assert isinstance(found.outcome, Updated | Unchanged), found
    return found.outcome.commit


def all_of(manifest: Path, tmp: Path) -> dict[RepoName, Rev]:
    """Carry out all tasks of the plan, each with an empty cache; return the commits."""
    done: dict[RepoName, Rev] = {}
    for name, task in tasks_of(manifest).items():
        known = {up: done[up] for up in task.upstreams}
        done[name] = commit_of(run(manifest, msgspec.structs.replace(task, commits=known), tmp / f"cache-{name}"))
    return done


@pytest.mark.slow
def test_tasks_with_empty_caches_make_the_commits_of_sync(tmp_path: Path) -> None:
    space = chain(tmp_path / "space", 4)
    manifest = space.manifest({"author": "Bot <bot@acme.example>"}, mirrored=space.names)
    here = all_of(manifest, tmp_path)
    for name, rev in here.items():
        assert space.ref(name) == rev
        space_ref_gone(space, name)
    ran = run_sync(manifest, locker="native")
    assert {each.repo: each.commit for each in ran.document.repos} == here


def space_ref_gone(space: Space, name: str) -> None:
    repos.run_git("update-ref", "-d", UPDATE, cwd=space.path(name))
