"""Tasks in any order, twice, on any machine: in the end the commits are those of sync."""

from pathlib import Path
from random import Random

import pytest

from flakesync.terms import RepoName
from tests.pipeline.machines import AUTHOR, Machines, commits_of, forget_updates, put_update, statuses
from tests.support import repos
from tests.support.nixspace import Space, Take, run_sync


def random_space(root: Path, chance: Random, count: int) -> Space:
    """Return repos each of which takes some of those before it."""
    space = Space(root / "space")
    for number in range(count):
        above = [f"r{each}" for each in range(number) if chance.random() < 0.4]
        takes = {name: Take() for name in above}
        space.add(f"r{number}", takes if above and chance.random() < 0.3 else {"nixpkgs": Take(), **takes})
    return space


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_tasks_that_are_begun_too_early_or_twice_end_in_the_commits_of_sync(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    space = random_space(tmp_path, chance, 4 if seed == 0 else 8)
    machines = Machines(space.manifest(AUTHOR, mirrored=space.names), tmp_path)
    plan = machines.plan()
    done: dict[str, str | None] = {}
    while len(done) < len(plan.tasks):
        name = chance.choice([*plan.by_repo])
        found = machines.task(plan, name, on=f"machine-{chance.randrange(4)}").outcome
        assert found.status in ("updated", "unchanged", "skipped"), found
        assert (found.status == "skipped") == bool(plan.by_repo[RepoName(name)].upstreams - done.keys())
        if found.status != "skipped":
            assert done.setdefault(name, found.commit) == found.commit
    assert set(statuses(machines.collect(plan)).values()) <= {"updated", "unchanged"}
    assert {name: space.ref(name) for name in done} == done
    forget_updates(space)
    ran = run_sync(machines.manifest, locker="native")
    assert {name: ran[name].commit for name in done} == done


def test_what_the_checks_fail_with_is_held_and_a_second_machine_believes_it(tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()})
    runs = tmp_path / "runs"
    # The checks of `app` fail with the new nixpkgs of its own.
    new = space.tip("nixpkgs")
    check = f"sh -c 'echo x >> {runs}; test $(grep -c {new} flake.lock) -lt 2'"
    tables = {"app": {"checks": [check], "on-failure": "bisect"}}
    machines = Machines(space.manifest(AUTHOR, mirrored=space.names, tables=tables), tmp_path)
    plan = machines.plan()
    done = machines.all(plan)
    app = done["app"].outcome
    assert (app.status, len(app.held)) == ("updated", 1), app
    checked = len(runs.read_text().splitlines())
    again = machines.task(plan, "app", on="another")
    assert (again.outcome.status, again.pushed, again.outcome.commit) == ("unchanged", False, app.commit)
    assert again.outcome.held == app.held
    assert len(runs.read_text().splitlines()) == checked
    forget_updates(space)
    ran = run_sync(machines.manifest, locker="native")
    assert {name: ran[name].commit for name in done} == commits_of(done)


@pytest.mark.slow
def test_commands_of_after_run_once_and_their_files_are_pushed(tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    space.add("lib", files={"deps.txt": "old\n"}).add("app", {"nixpkgs": Take(), "lib": Take()})
    after = {"run": "sh -c 'grep rev flake.lock > deps.txt'", "files": ["deps.txt"]}
    machines = Machines(space.manifest(AUTHOR, mirrored=space.names, tables={"lib": {"after": [after]}}), tmp_path)
    plan = machines.plan()
    done = machines.all(plan)
    lib = done["lib"].outcome
    assert (lib.status, lib.files) == ("updated", ["deps.txt"]), lib
    assert "rev" in repos.run_git("show", f"{lib.commit}:deps.txt", cwd=space.path("lib"))
    again = machines.task(plan, "lib", on="another").outcome
    assert (again.status, again.commit, again.after) == ("unchanged", lib.commit, [])
    put_update(space, "lib", None)
    anew = machines.task(plan, "lib", on="a third").outcome
    assert (anew.status, anew.commit) == ("updated", lib.commit)
