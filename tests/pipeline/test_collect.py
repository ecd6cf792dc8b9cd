"""What became of a plan: the branches on the servers say it, and the jobs' documents say why."""

from pathlib import Path

import msgspec
import pytest

from flakesync.documents.change.task import TaskDocument
from flakesync.documents.sync import CheckResult, ErrorDocument, Outcome
from flakesync.pipeline.outcomes import read_outcomes
from flakesync.report.documents import to_json
from flakesync.terms import RepoName
from tests.pipeline.machines import AUTHOR, Machines, commits_of, put_update, statuses
from tests.support import repos
from tests.support.nixspace import UPDATE_BRANCH, Space, Take, run_sync

LIB, APP = RepoName("lib"), RepoName("app")


def make(root: Path, **tables: dict[str, object]) -> tuple[Space, Machines]:
    space = Space(root / "space")
    space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take()}).add("left", {})
    space.add("app", {"nixpkgs": Take(), "tool": Take(follows={"lib": "lib"}), "lib": Take()})
    return space, Machines(space.manifest(AUTHOR, mirrored=space.names, tables=tables), root)


def test_collect_answers_as_sync_does(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    done = machines.all(plan)
    claims = {RepoName(name): [document] for name, document in done.items()}
    for each in (machines.collect(plan), machines.collect(plan, claims, on="app"), machines.collect(plan, claims)):
        assert statuses(each) == {"lib": "updated", "tool": "updated", "app": "updated", "left": "unchanged"}
        assert {repo.repo: repo.commit for repo in each.repos} == {**commits_of(done), "left": None}
    ran = run_sync(machines.manifest, locker="native").document
    ours = machines.collect(plan, claims)
    assert ours.run == ran.run
    assert [each.changes for each in ours.repos] == [each.changes for each in ran.repos]
    assert [each.commit for each in ours.repos] == [each.commit for each in ran.repos]
    assert [each.repo for each in ours.repos] == [each.repo for each in ran.repos]
    assert (ours.left, ours.locker) == (ran.left, "native")
    assert space.ref("left") is None


def test_a_repo_without_an_update_failed_and_takes_its_dependents_along(tmp_path: Path) -> None:
    _, machines = make(tmp_path)
    plan = machines.plan()
    machines.task(plan, "lib")
    document = machines.collect(plan)
    assert statuses(document) == {"lib": "updated", "tool": "failed", "app": "skipped", "left": "unchanged"}
    tool, app = (each.error for each in document.repos if each.repo in ("tool", "app"))
    assert tool is not None
    assert (tool.code, tool.message) == (
        "no-update",
        f"its server has no update of run {plan.run}: {UPDATE_BRANCH} is not there",
    )
    assert app is not None
    assert (app.code, app.message, app.because) == ("upstream-failed", "tool failed", "tool")


def test_a_branch_says_more_than_a_document(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    done = machines.task(plan, "lib")
    commit = done.outcome.commit
    lie = msgspec.structs.replace(done, outcome=msgspec.structs.replace(done.outcome, repo="tool"))
    failed = Outcome(repo="lib", status="failed", error=ErrorDocument(code="x", message="I failed"))
    claims = {
        RepoName("tool"): [lie],
        LIB: [done, TaskDocument(run=plan.run, locker="", outcome=failed, pushed=False)],
    }
    assert statuses(machines.collect(plan, claims)) | {"left": ""} == {
        "lib": "updated", "tool": "failed", "app": "skipped", "left": "",
    }  # fmt: skip
    put_update(space, "lib", space.commit("lib", {"mine": "mine"}, branch="mine"))
    document = machines.collect(plan, claims, on="elsewhere")
    assert statuses(document)["lib"] == "failed"
    assert commit not in {each.commit for each in document.repos}


def test_why_a_task_failed_is_what_its_document_says(tmp_path: Path) -> None:
    _, machines = make(tmp_path, tool={"checks": ["sh -c 'echo broken; false'"]})
    plan = machines.plan()
    done = machines.all(plan)
    (tmp_path / "outcomes/job-1").mkdir(parents=True)
    for name, document in done.items():
        (tmp_path / f"outcomes/job-1/{name}.json").write_bytes(to_json(document))
    notes: list[str] = []
    claims = read_outcomes(tmp_path / "outcomes", plan, notes.append)
    assert notes == []
    answer = machines.collect(plan, claims)
    assert statuses(answer) == {"lib": "updated", "tool": "failed", "app": "skipped", "left": "unchanged"}
    (tool,) = [each for each in answer.repos if each.repo == "tool"]
    assert tool.error is not None
    assert tool.error.code == "check-failed"
    assert [check.output.strip() for check in tool.checks] == ["broken"]


def test_a_folder_of_documents_may_hold_anything(tmp_path: Path) -> None:
    _, machines = make(tmp_path)
    plan = machines.plan("lib")
    folder = tmp_path / "outcomes"
    folder.mkdir()
    outcome = Outcome(
        repo="lib", status="failed", checks=[CheckResult(command="x", exit_status=1, duration_s=1, output="")]
    )
    good = TaskDocument(run=plan.run, locker="native", outcome=outcome, pushed=False)
    (folder / "good.json").write_bytes(to_json(good))
    (folder / "old.json").write_bytes(to_json(msgspec.structs.replace(good, run="another")))
    other = msgspec.structs.replace(good, outcome=msgspec.structs.replace(outcome, repo="../x"))
    (folder / "other.json").write_bytes(to_json(other))
    (folder / "deep.json").write_bytes(b"[" * 100_000)
    (folder / "torn.json").write_bytes(to_json(good)[:50])
    (folder / "link.json").symlink_to(folder / "good.json")
    (folder / "a-folder.json").mkdir()
    (folder / "sub").mkdir()
    (folder / "sub" / "second.json").write_bytes(to_json(good))
    notes: list[str] = []
    claims = read_outcomes(folder, plan, notes.append)
    assert claims == {LIB: [good, good]}
    assert sorted(note.split(":")[0].rsplit("/")[-1] for note in notes) == ["deep.json", "torn.json"]


@pytest.mark.slow
def test_a_current_branch_of_an_older_run_is_unchanged(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    machines.all(machines.plan())
    space.commit("tool", {"new": "file"})
    plan = machines.plan()
    for name in ("tool", "app"):
        machines.task(plan, name, on=f"new-{name}")
    document = machines.collect(plan)
    assert statuses(document) == {"lib": "unchanged", "tool": "updated", "app": "updated", "left": "unchanged"}
    (lib,) = [each for each in document.repos if each.repo == "lib"]
    assert lib.commit == space.ref("lib")


def test_an_amended_commit_is_no_update(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    machines.task(plan, "lib")
    lib = space.path("lib")
    message = repos.run_git("log", "-1", "--format=%B", UPDATE_BRANCH, cwd=lib)
    repos.run_git("checkout", "-q", "-b", "mine", UPDATE_BRANCH, cwd=lib)
    (lib / "evil").write_text("evil")
    repos.run_git("add", "evil", cwd=lib)
    repos.run_git("commit", "-q", "--amend", "-m", message, cwd=lib)
    put_update(space, "lib", repos.run_git("rev-parse", "mine", cwd=lib))
    assert statuses(machines.collect(plan))["lib"] == "failed"
    assert machines.task(plan, "tool").outcome.status == "skipped"


@pytest.mark.slow
def test_a_server_that_is_down_fails_its_repos_alone(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    machines.all(plan)
    space.path("app").rename(tmp_path / "away")
    document = machines.collect(plan)
    assert statuses(document) == {"lib": "updated", "tool": "updated", "app": "failed", "left": "unchanged"}
    (app,) = [each for each in document.repos if each.repo == "app"]
    assert app.error is not None
    assert app.error.code == "unreachable"
