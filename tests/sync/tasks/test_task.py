"""A RepoTask is a value: written down and read elsewhere, it makes the same commit."""

from pathlib import Path

import pytest

from flakesync.sync.outcome import Failed, Unchanged, Updated
from flakesync.sync.tasks.task import RepoTask
from flakesync.sync.tasks.worker import Worker
from tests.support.nixspace import Space, Take, run_sync


def test_a_task_that_was_written_down_makes_the_commit_of_the_one_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Space(tmp_path / "space")
    space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take()}).add("left", {})
    space.add("app", {"tool": Take(follows={"lib": "lib"}), "lib": Take(), "left": Take()}, dev={"nixpkgs": Take()})
    space.commit("left", {"new": "commit"})
    manifest = space.manifest(tables={"app": {"checks": ["test -f flake.lock"], "on-failure": "bisect"}})
    wanted = run_sync(manifest, dry_run=True, locker="native")
    tasks: dict[str, RepoTask] = {}
    carry_out = Worker.carry_out

    def carry_out_copy(self: Worker, task: RepoTask) -> Updated | Unchanged | Failed:
        copy = RepoTask.decode(task.encode())
        assert copy == task
        assert copy.encode() == task.encode()
        tasks[task.repo] = task
        return carry_out(self, copy)

    monkeypatch.setattr(Worker, "carry_out", carry_out_copy)
    ran = run_sync(manifest, locker="native")
    assert ran.statuses == {"lib": "updated", "tool": "updated", "app": "updated", "left": "unchanged"}, ran.errors
    for name in ("lib", "tool", "app"):
        assert wanted[name].commit == ran[name].commit == space.ref(name)
    assert tasks["app"].commits == {"lib": ran["lib"].commit, "tool": ran["tool"].commit}
    assert {unit.id for unit in tasks["app"].units} == {"nixpkgs", "lib", "tool", "left"}
    assert (tasks["lib"].upstreams, tasks["lib"].units) == (frozenset(), ())
    assert str(tmp_path) not in tasks["tool"].encode().decode().replace(f"file://{tmp_path}", "")
