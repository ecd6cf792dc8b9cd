"""Whoever carries tasks out, and in whatever order: the same document and the same commits."""

import random
from pathlib import Path

import msgspec
import pytest

from flakesync.cache.layout import cache_dir
from flakesync.documents.sync import SyncDocument
from flakesync.sync.events import Finished, Note, Started
from flakesync.sync.executors.choice import MakeExecutor, inline, threads
from flakesync.sync.executors.processes import Processes
from tests.support import repos
from tests.support.nixspace import UPDATE, Ran, Space, Take, run_sync
from tests.sync.executors.hostile import hostile

KINDS = ("inline", "threads", "processes", "hostile")


def executor(kind: str, seed: int = 0) -> MakeExecutor:
    return {
        "inline": inline,
        "threads": lambda run: threads(run, 3),
        "processes": lambda run: Processes(run, 2),
        "hostile": hostile(seed),
    }[kind]


def again(space: Space) -> None:
    """Take all away that a run has left, but objects."""
    for name in space.names:
        if space.ref(name) is not None:
            repos.run_git("update-ref", "-d", UPDATE, cwd=space.path(name))
    for file in (cache_dir() / "runs").glob("*"):
        file.unlink()


def without_times(document: SyncDocument) -> SyncDocument:
    """Return a document without how long checks took."""
    plain = [
        msgspec.structs.replace(
            each,
            checks=[msgspec.structs.replace(check, duration_s=0) for check in each.checks],
            after=[msgspec.structs.replace(check, duration_s=0) for check in each.after],
        )
        for each in document.repos
    ]
    return msgspec.structs.replace(document, repos=plain)


def random_space(root: Path, seed: int) -> tuple[Space, Path]:
    """Return a workspace of any shape with its manifest: some repos fail, some stay as they are, some have checks."""
    rng = random.Random(seed)
    space = Space(root)
    names = [f"r{number}" for number in range(rng.randint(2, 6))]
    tables: dict[str, dict[str, object]] = {}
    for number, name in enumerate(names):
        ups = rng.sample(names[:number], rng.randint(0, min(number, 3)))
        space.add(name, ({"nixpkgs": Take()} if rng.random() < 0.8 else {}) | {up: Take() for up in ups})
        checks = rng.choices([[], ["true"], ["false"]], weights=[14, 3, 1])[0]
        tables[name] = {"checks": checks} if checks else {}
    return space, space.manifest(tables=tables)


def all_runs(manifest: Path, space: Space, seed: int) -> dict[str, Ran]:
    found = {}
    for kind in KINDS:
        found[kind] = run_sync(manifest, locker="native", executor=executor(kind, seed))
        again(space)
    return found


def compare(root: Path, seed: int) -> None:
    space, manifest = random_space(root, seed)
    runs = all_runs(manifest, space, seed)
    wanted = without_times(runs["inline"].document)
    for kind, ran in runs.items():
        assert without_times(ran.document) == wanted, kind
    # Whose worker was lost when the commit was made, is found to be as planned already.
    lossy = run_sync(manifest, locker="native", executor=hostile(seed, late=True))
    again(space)
    tips = {each.repo: each.commit for each in wanted.repos}
    assert {each.repo: each.commit for each in lossy.document.repos} == tips


@pytest.mark.parametrize("seed", range(2))
def test_every_executor_makes_the_same(tmp_path: Path, seed: int) -> None:
    compare(tmp_path / "space", seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10, 210, 20))
def test_every_executor_makes_the_same_of_two_hundred_random_workspaces(tmp_path: Path, first: int) -> None:
    for seed in range(first, first + 20):
        compare(tmp_path / f"space{seed}", seed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_check_skips_dependents_and_comes_back_as_it_is(tmp_path: Path, kind: str) -> None:
    space = Space(tmp_path)
    space.add("lib").add("app", {"lib": Take()}).add("other")
    manifest = space.manifest(tables={"lib": {"checks": ["sh -c 'echo broken; exit 3'"]}})
    ran = run_sync(manifest, locker="native", executor=executor(kind))
    assert ran.statuses == {"lib": "failed", "app": "skipped", "other": "updated"}
    error = ran["lib"].error
    assert error is not None
    assert error.code == "check-failed"
    assert "exit status 3" in error.message
    assert "flakesync bisect" in (error.hint or "")
    assert ran["lib"].checks[0].output == "broken\n"


@pytest.mark.parametrize("kind", KINDS)
def test_each_repo_is_told_to_have_begun_and_ended_and_notes_arrive(tmp_path: Path, kind: str) -> None:
    space = Space(tmp_path)
    space.add("lib").add("app", {"lib": Take()})
    manifest = space.manifest(tables={"lib": {"after": [{"run": ["true"], "files": ["x"]}]}})
    ran = run_sync(manifest, locker="native", dry_run=True, executor=executor(kind))
    assert [event.repo for event in ran.events if isinstance(event, Finished)] == ["lib", "app"]
    assert [event.repo for event in ran.events if isinstance(event, Started)] == ["lib", "app"]
    assert any("dry run" in event.text for event in ran.events if isinstance(event, Note))
    assert ran["lib"].diff


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_knows_from_the_first_which_branches_are_up_to_date(tmp_path: Path, kind: str) -> None:
    space = Space(tmp_path)
    space.add("lib").add("app", {"lib": Take()})
    run_sync(space.manifest(), locker="native", executor=executor(kind))
    kept = next((cache_dir() / "runs").glob("*.up-to-date"))
    assert len(msgspec.msgpack.decode(kept.read_bytes())) == 2
    assert set(run_sync(space.manifest(), locker="native", executor=executor(kind)).statuses.values()) == {"unchanged"}
