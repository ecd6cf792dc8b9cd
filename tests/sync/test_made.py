"""What sync keeps of the update commits that it makes: status need not read them, and says the same."""

from pathlib import Path

import pytest

from flakesync.cache.files import KeptFiles
from flakesync.cache.layout import cache_dir, made_file, outlines_file, updates_file
from flakesync.documents.pulls.status import RepoStatus
from flakesync.git.repository import Repository
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.outline import decode_outline
from flakesync.publish.standing import look as steps
from flakesync.publish.status import status
from flakesync.survey.read import read_graph
from flakesync.sync.executors.choice import MakeExecutor, inline
from flakesync.sync.executors.processes import Processes
from flakesync.terms import FlakeDir, Rev
from flakesync.update.content import read_update
from flakesync.workspace.clones import flakes
from flakesync.workspace.clones.flakes import outline_of
from flakesync.workspace.manifest import load_workspace
from tests.support.nixspace import UPDATE, UPDATE_BRANCH, Space, Take, run_sync
from tests.support.repos import run_git


@pytest.fixture
def space(tmp_path: Path) -> Space:
    made = Space(tmp_path / "space")
    made.add("lib", {"nixpkgs": Take()}).add("tool", {"nixpkgs": Take(), "lib": Take()})
    return made.add("app", {"tool": Take(), "lib": Take()})


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The update commits that are read from their repositories."""
    found: list[str] = []

    def noting(repository, commits):  # type: ignore[no-untyped-def]
        found.append(commits[0].rev)
        return read_update(repository, commits)

    monkeypatch.setattr(steps, "read_update", noting)
    return found


def look(manifest: Path) -> list[RepoStatus]:
    workspace = load_workspace(manifest)
    graph = read_graph(workspace, at="update")
    return status(workspace, graph, frozenset(graph.states), None).repos


def look_closely(manifest: Path) -> list[RepoStatus]:
    """Return what status says where nothing is kept."""
    for place in (made_file, updates_file):
        place(cache_dir(), manifest).unlink(missing_ok=True)
    return look(manifest)


def track(space: Space) -> None:
    """Let each repository have its update branch as the server's too, as after a push."""
    for name in space.names:
        run_git("update-ref", f"refs/remotes/origin/{UPDATE_BRANCH}", UPDATE, cwd=space.path(name))


def test_status_after_a_sync_reads_no_update_commit(space: Space, read: list[str]) -> None:
    manifest = space.manifest()
    run_sync(manifest, locker="native")
    first, later = look(manifest), look(manifest)
    assert read == []
    assert later == first == look_closely(manifest)
    assert len(read) == 3
    assert [each.waits_for for each in first] == [[], ["lib"], ["lib", "tool"]]


def test_an_update_that_was_pushed_is_not_read_either(space: Space, read: list[str]) -> None:
    manifest = space.manifest()
    run_sync(manifest, locker="native")
    track(space)
    found = look(manifest)
    assert read == []
    assert found == look_closely(manifest)
    assert [each.stage for each in found] == ["pushed"] * 3


def test_beside_an_update_of_the_night_before_that_is_still_on_the_server_neither_is_read(
    space: Space, read: list[str]
) -> None:
    manifest = space.manifest()
    run_sync(manifest, locker="native")
    track(space)
    before = [each.commit for each in look(manifest)]
    space.commit("nixpkgs", {"newer": "1"})
    assert set(run_sync(manifest, locker="native").statuses.values()) == {"updated"}
    found = look(manifest)
    assert read == []
    assert found == look_closely(manifest)
    assert [each.remote for each in found] == before
    assert not {each.commit for each in found} & set(before)


def test_where_the_base_has_gone_on_or_has_it_the_update_is_read(space: Space, read: list[str]) -> None:
    manifest = space.manifest()
    run_sync(manifest, locker="native")
    run_git("checkout", "-q", "--detach", cwd=space.path("lib"))
    run_git("update-ref", "refs/heads/main", UPDATE, cwd=space.path("lib"))
    space.commit("tool", {"more": "1"})
    found = look(manifest)
    assert found == look_closely(manifest)
    assert [each.stage for each in found] == ["landed", "local", "local"]
    assert read[:1] == [found[1].commit]


def test_somebody_elses_commit_on_an_update_is_seen(space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest, locker="native")
    space.commit("lib", {"mine": "1"}, branch=UPDATE_BRANCH)
    found = look(manifest)
    assert found == look_closely(manifest)
    assert found[0].error is not None
    assert found[0].error.code == "branch-taken"


@pytest.mark.parametrize("executor", [inline, lambda run: Processes(run, 2)], ids=["inline", "processes"])
def test_whoever_makes_an_update_it_is_kept(space: Space, read: list[str], executor: MakeExecutor) -> None:
    manifest = space.manifest()
    run_sync(manifest, locker="native", executor=executor)
    assert [each.waits_for for each in look(manifest)] == [[], ["lib"], ["lib", "tool"]]
    assert read == []


def test_a_dry_run_keeps_nothing(space: Space) -> None:
    manifest = space.manifest()
    run_sync(manifest, locker="native", dry_run=True)
    assert not made_file(cache_dir(), manifest).exists()


def test_an_update_with_files_of_commands_is_read(space: Space, read: list[str]) -> None:
    manifest = space.manifest(tables={"lib": {"after": [{"run": ["touch", "made"], "files": ["made"]}]}})
    assert run_sync(manifest, locker="native").errors == {}
    found = look(manifest)
    assert read == [found[0].commit]
    assert found == look_closely(manifest)


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 100])
def test_a_record_that_is_damaged_is_made_up_for_by_reading(space: Space, read: list[str], content: bytes) -> None:
    manifest = space.manifest()
    run_sync(manifest, locker="native")
    place = made_file(cache_dir(), manifest)
    data = place.read_bytes()
    place.write_bytes(content or data.replace(b"\x92\xd9\x28", b"\x93\xd9\x28"))
    found = look(manifest)
    assert len(read) == 3
    assert found == look_closely(manifest)


@pytest.mark.parametrize("executor", [inline, lambda run: Processes(run, 2)])
def test_the_outlines_of_new_locks_are_those_that_reading_them_finds(
    space: Space, executor: MakeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = space.manifest()
    run_sync(manifest, executor=executor)
    kept = KeptFiles(outlines_file(cache_dir(), manifest))
    for name in space.names:
        with Repository.open(space.path(name)) as repository:
            rev = Rev(repository.ref(UPDATE) or "")
            data = repository.read(rev, "flake.lock") or b""
        expected = outline_of(FlakeDir("."), LockFile.parse(data), data)
        assert kept.files(rev, expected) == expected
        assert all(map(decode_outline, expected.values()))
    # Who reads the update branches takes no lock apart.
    monkeypatch.setattr(flakes, "_read_locks", lambda *_: pytest.fail("a lock was read"))
    assert {each.updated for each in read_graph(load_workspace(manifest), at="update").states.values()} == {True}
