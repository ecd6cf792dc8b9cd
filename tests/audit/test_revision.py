"""Repos at any revision: as git reads it in their clones, in mirrors as their servers have it."""

from pathlib import Path

import pytest
import tomli_w

from flakesync.audit.revision import read_at
from flakesync.cache.layout import cache_dir
from flakesync.errors import FlakesyncError
from flakesync.terms import RepoName
from flakesync.workspace.manifest import load_workspace
from flakesync.workspace.snapshot import RepoAtCommit, RepoState, Snapshot, UnreadableRepo, read_snapshot
from tests.support import locks
from tests.support.locks import github
from tests.support.repos import commit, make_repo, run_git
from tests.support.workspaces import flake_nix


def files(rev: str, *, url: str | None = None) -> dict[str, str]:
    inputs = {"x": github("o", "x", rev=locks.rev_of(rev))}
    nix = flake_nix(inputs) if url is None else flake_nix({"x": github(url, "x")})
    return {"flake.nix": nix, "flake.lock": locks.to_bytes(locks.lock(inputs)).decode()}


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """`lib` as a clone, `app` as a mirror: each with commit one (tag v1), two (main), and a branch `work`."""
    for name in ("lib", "app"):
        make_repo(tmp_path / name, files("one"))
        run_git("tag", "v1", cwd=tmp_path / name)
        commit(tmp_path / name, files("two"))
        commit(tmp_path / name, files("three"), branch="work")
    run_git("checkout", "--quiet", "work", cwd=tmp_path / "lib")
    repos: dict[str, object] = {"lib": {"path": "lib"}, "app": {"url": f"git+file://{tmp_path}/app"}}
    (tmp_path / "folder").mkdir()
    repos["folder"] = {"path": "folder"}
    (tmp_path / "workspace.toml").write_text(tomli_w.dumps({"repos": repos}))
    return read_snapshot(load_workspace(tmp_path / "workspace.toml"), cache=cache_dir())


def locked(state: RepoState) -> str | None:
    assert isinstance(state, RepoAtCommit), state
    lock = state.flakes[0].lock
    node = lock.node(("x",)) if lock is not None else None
    return node.origin.rev if node is not None else None


def both(*names: str) -> frozenset[RepoName]:
    return frozenset(RepoName(name) for name in names or ("lib", "app"))


@pytest.mark.parametrize(
    ("revision", "expected"), [("v1", "one"), ("main", "two"), ("work", "three"), ("main~1", "one")]
)
def test_a_tag_a_branch_and_an_expression_are_read_in_a_clone_and_in_a_mirror(
    snapshot: Snapshot, revision: str, expected: str
) -> None:
    states = read_at(snapshot, both(), revision)
    assert {name: locked(state) for name, state in states.items()} == dict.fromkeys(
        ("lib", "app"), locks.rev_of(expected)
    )


def test_head_is_what_is_checked_out_in_a_clone_and_the_servers_own_branch_in_a_mirror(snapshot: Snapshot) -> None:
    states = read_at(snapshot, both(), "HEAD")
    assert locked(states[RepoName("lib")]) == locks.rev_of("three")
    assert locked(states[RepoName("app")]) == locks.rev_of("two")


def test_origin_main_is_the_servers_main_in_a_mirror(snapshot: Snapshot) -> None:
    assert locked(read_at(snapshot, both("app"), "origin/main")[RepoName("app")]) == locks.rev_of("two")


def test_a_repo_without_the_revision_fails_alone(snapshot: Snapshot, tmp_path: Path) -> None:
    run_git("tag", "only-here", cwd=tmp_path / "lib")
    states = read_at(snapshot, both("lib", "app", "folder"), "only-here")
    assert locked(states[RepoName("lib")]) == locks.rev_of("three")
    errors = {name: state.error for name, state in states.items() if isinstance(state, UnreadableRepo)}
    assert {name: error.code for name, error in errors.items()} == {"app": "no-revision", "folder": "not-a-repository"}
    assert "`only-here`" in errors[RepoName("app")].message


@pytest.mark.parametrize("revision", ["nowhere", "-x", "--all", "", "main:flake.nix", "a b", "main^{tree}", "\x1b[31m"])
def test_what_no_repo_has_is_one_error_with_what_to_do(snapshot: Snapshot, revision: str) -> None:
    with pytest.raises(FlakesyncError) as raised:
        read_at(snapshot, both(), revision)
    assert raised.value.code == "no-revision"
    assert "\x1b" not in raised.value.message
    assert raised.value.hint is not None


def test_a_flake_nix_that_disagrees_with_its_lock_is_seen_there_too(snapshot: Snapshot, tmp_path: Path) -> None:
    commit(tmp_path / "lib", files("one", url="other"), branch="stale")
    (state,) = read_at(snapshot, both("lib"), "stale").values()
    assert state.flakes[0].stale


def test_a_lock_that_is_gone_or_broken_is_the_flakes_problem(snapshot: Snapshot, tmp_path: Path) -> None:
    commit(tmp_path / "lib", {**files("one"), "flake.lock": "{"}, branch="broken")
    (state,) = read_at(snapshot, both("lib"), "broken").values()
    problem = state.flakes[0].problem
    assert problem is not None
    assert problem.kind == "bad-lock"
