"""The task of a repo by its name: its upstreams are found on their servers, and its commit is that of sync."""

import threading
from pathlib import Path

import pytest

from flakesync.terms import Rev
from tests.pipeline.machines import AUTHOR, Machines, commits_of, forget_updates, put_update
from tests.support import repos
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, Take, chain, ref_in, run_sync


def make_space(root: Path) -> Space:
    """lib; tool takes lib; app takes both; left takes nothing."""
    space = Space(root / "space")
    space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take()}).add("left", {})
    return space.add("app", {"nixpkgs": Take(), "tool": Take(follows={"lib": "lib"}), "lib": Take()})


def make(root: Path, **tables: dict[str, object]) -> tuple[Space, Machines]:
    space = make_space(root)
    return space, Machines(space.manifest(AUTHOR, mirrored=space.names, tables=tables), root)


def test_machines_that_share_nothing_make_the_commits_of_sync(tmp_path: Path) -> None:
    space, machines = make(tmp_path, app={"checks": ["test -f flake.lock"], "on-failure": "bisect"})
    space.commit("left", {"new": "commit"})
    plan = machines.plan()
    done = machines.all(plan)
    assert {name: (each.outcome.status, each.pushed) for name, each in done.items()} == dict.fromkeys(
        ("lib", "tool", "app"), ("updated", True)
    )
    assert commits_of(done) == {name: space.ref(name) for name in done}
    assert [check.exit_status for check in done["app"].outcome.checks] == [0]
    forget_updates(space)
    ran = run_sync(machines.manifest, locker="native")
    assert {name: ran[name].commit for name in done} == commits_of(done)
    assert {name: ran[name].changes for name in done} == {name: each.outcome.changes for name, each in done.items()}


def test_a_second_time_nothing_is_pushed(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    machines.all(plan)
    before = {name: space.ref(name) for name in space.names}
    for machine in ("lib", "another"):
        again = machines.task(plan, "lib", on=machine)
        assert (again.outcome.status, again.pushed, again.outcome.commit) == ("unchanged", False, before["lib"])
    assert {name: space.ref(name) for name in space.names} == before


def test_a_repo_whose_upstream_has_no_update_of_this_plan_is_skipped(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    skipped = machines.task(plan, "tool")
    assert (skipped.outcome.status, skipped.pushed) == ("skipped", False)
    assert skipped.outcome.error is not None
    assert (skipped.outcome.error.code, skipped.outcome.error.because) == ("upstream-failed", "lib")
    assert skipped.outcome.error.message == "lib has no update of this plan"
    assert skipped.notes == [f"lib: its server has no {UPDATE_BRANCH}; its own job says why"]
    app = machines.task(plan, "app").outcome.error
    assert app is not None
    assert (app.because, app.message) == ("lib", "lib has no update of this plan")
    assert [space.ref(name) for name in ("tool", "app")] == [None, None]


def test_the_upstream_that_began_it_is_named(tmp_path: Path) -> None:
    space = chain(tmp_path / "space", 3)
    machines = Machines(space.manifest(AUTHOR, mirrored=space.names), tmp_path)
    last = machines.task(machines.plan(), "r2").outcome.error
    assert last is not None
    assert (last.because, last.message) == ("r0", "r1 has no update of this plan, as r0 has none")


def test_an_update_of_an_older_run_does_not_count_unless_it_is_as_planned(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    machines.all(machines.plan())
    space.commit("tool", {"new": "file"})  # lib stays as it is, and keeps the name of the older run
    plan = machines.plan()
    lib = space.ref("lib")
    for name in ("tool", "app"):
        done = machines.task(plan, name, on=f"new-{name}")
        assert done.outcome.status == "updated", done
    assert space.ref("lib") == lib
    assert lib is not None
    assert f"Flakesync-Run: {plan.run}" not in repos.run_git("log", "-1", "--format=%B", lib, cwd=space.path("lib"))
    ran = run_sync(machines.manifest, locker="native")
    assert {name: ran[name].commit for name in ("lib", "tool", "app")} == {
        name: space.ref(name) for name in ("lib", "tool", "app")
    }
    space.commit("nixpkgs", {"three": "three"})
    plan = machines.plan()
    late = machines.task(plan, "tool", on="late")
    assert late.outcome.status == "skipped"
    assert "is of run" in late.notes[0]


@pytest.mark.slow
def test_a_base_that_has_all_that_was_planned_counts_by_its_own_commit(tmp_path: Path) -> None:
    # The update of `lib` was taken into the base of `tool` by hand, before lib's own task was done.
    space, machines = make(tmp_path)
    first = machines.plan()
    lib = machines.task(first, "lib").outcome.commit
    tool = machines.task(first, "tool").outcome.commit
    assert lib is not None
    assert tool is not None
    lock = repos.run_git("show", f"{tool}:flake.lock", cwd=space.path("tool"))
    space.commit("tool", {"flake.lock": lock})
    put_update(space, "tool", None)
    plan = machines.plan()
    done = machines.task(plan, "tool", on="new")
    assert (done.outcome.status, done.outcome.branch) == ("unchanged", None)
    assert machines.task(plan, "app", on="newer").outcome.status == "updated"


def test_somebody_elses_commit_on_the_branch_is_left_alone(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    mine = space.commit("lib", {"mine": "mine"}, branch=UPDATE_BRANCH)
    failed = machines.task(plan, "lib")
    assert failed.outcome.error is not None
    assert (failed.outcome.status, failed.outcome.error.code) == ("failed", "branch-taken")
    assert space.ref("lib") == mine
    assert machines.task(plan, "tool").outcome.status == "skipped"


@pytest.mark.slow
def test_a_base_that_has_moved_on_since_the_plan_does_not_count(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    expected = machines.all(plan)
    forget_updates(space)
    for name in space.names:
        space.commit(name, {"later": "later"})
    assert commits_of(Machines(machines.manifest, tmp_path / "later").all(plan)) == commits_of(expected)


def test_a_plan_on_a_base_that_is_gone_fails_and_says_so(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    parent = repos.run_git("rev-parse", "main~1", cwd=space.path("lib")).strip()
    other = repos.commit(space.path("lib"), {"other": "x"}, branch="aside", parents=[Rev(parent)], date=repos.DATE)
    repos.run_git("update-ref", "refs/heads/main", other, cwd=space.path("lib"))
    repos.run_git("update-ref", "-d", "refs/heads/aside", cwd=space.path("lib"))
    for machine in ("empty", "lib"):
        failed = machines.task(plan, "lib", on=machine)
        assert failed.outcome.error is not None
        assert failed.outcome.error.code == "base-gone"
        assert failed.outcome.error.hint is not None
    assert space.ref("lib") is None
    assert machines.task(plan, "tool").outcome.status == "skipped"


def test_a_plan_does_not_undo_what_a_newer_one_has_made_on_a_later_base(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    old = machines.plan()
    space.commit("lib", {"later": "later"})
    machines.task(machines.plan(), "lib", on="newer")
    newer = space.ref("lib")
    failed = machines.task(old, "lib", on="older")
    assert failed.outcome.error is not None
    assert failed.outcome.error.code == "newer-plan"
    assert space.ref("lib") == newer


def test_two_tasks_of_one_repo_at_once_make_one_commit(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    done: list[tuple[str, str | None]] = []

    def run(machine: str) -> None:
        found = machines.task(plan, "lib", on=machine).outcome
        done.append((found.status, found.commit))

    threads = [threading.Thread(target=run, args=(machine,)) for machine in ("one", "one", "two", "two")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {commit for _, commit in done} == {space.ref("lib")}
    assert {status for status, _ in done} <= {"updated", "unchanged"}


def test_what_was_made_and_not_pushed_is_pushed_by_the_next(tmp_path: Path) -> None:
    space, machines = make(tmp_path)
    plan = machines.plan()
    made = machines.task(plan, "lib", push=False)
    assert (made.outcome.status, made.pushed, space.ref("lib")) == ("updated", False, None)
    pushed = machines.task(plan, "lib")
    assert (pushed.outcome.status, pushed.pushed) == ("unchanged", True)
    assert pushed.outcome.commit == made.outcome.commit == space.ref("lib")


def test_a_clone_keeps_its_files_and_gets_the_branch(tmp_path: Path) -> None:
    space = make_space(tmp_path)
    clones = tmp_path / "work"
    clones.mkdir()
    tables = {name: {"path": str(clones / name)} for name in space.names}
    for name in space.names:
        repos.run_git("clone", "-q", str(space.path(name)), name, cwd=clones)
    machines = Machines(space.manifest(AUTHOR, tables=tables), tmp_path)
    plan = machines.plan()
    done = machines.all(plan)
    assert {each.pushed for each in done.values()} == {True}
    for name in done:
        assert space.ref(name) == ref_in(clones / name, UPDATE) == done[name].outcome.commit
        assert repos.run_git("status", "--porcelain", "--branch", cwd=clones / name) == "## main...origin/main"


def test_a_folder_without_a_server_is_committed_to_and_cannot_be_pushed(tmp_path: Path) -> None:
    space = make_space(tmp_path)
    manifest = space.manifest(AUTHOR)
    manifest.write_text("".join(line for line in manifest.read_text().splitlines(keepends=True)
                                if not line.startswith("url = ")))  # fmt: skip
    machines = Machines(manifest, tmp_path)
    plan = machines.plan()
    failed = machines.task(plan, "lib")
    assert failed.outcome.error is not None
    assert failed.outcome.error.code == "no-server"
    assert space.ref("lib") is None
    for name in plan.by_repo:
        made = machines.task(plan, name, push=False)
        assert (made.outcome.status, made.outcome.commit) == ("updated", space.ref(name))


def test_a_repo_that_the_plan_leaves_alone_is_unchanged(tmp_path: Path) -> None:
    _, machines = make(tmp_path)
    left = machines.task(machines.plan(), "left")
    assert (left.outcome.status, left.outcome.branch, left.outcome.commit) == ("unchanged", None, None)
    assert not left.pushed


def test_a_check_that_fails_leaves_the_branch_alone_and_is_shown(tmp_path: Path) -> None:
    space, machines = make(tmp_path, lib={"checks": ["false"]})
    failed = machines.task(machines.plan(), "lib")
    assert failed.outcome.error is not None
    assert failed.outcome.error.code == "check-failed"
    assert [check.exit_status for check in failed.outcome.checks] == [1]
    assert space.ref("lib") is None
