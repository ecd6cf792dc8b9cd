"""Reading every lock of a workspace, from real repositories and plain folders."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from flakesync.errors import GitError, ManifestError
from flakesync.nix.expression.need_of_lock import may_have_inputs
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.manifest import Repo, load_workspace
from flakesync.workspace.snapshot import (
    FlakeState,
    PlainFolder,
    RepoAtCommit,
    RepoState,
    Snapshot,
    UnreadableRepo,
    read_locks,
    read_snapshot,
)
from tests.support import locks, repos
from tests.support.workspaces import UPDATE_BRANCH, make_ground, nixpkgs, repo, takes, workspace

LOCK = locks.to_bytes(locks.small_lock()).decode()
NO_INPUTS = "{ outputs = { self }: { }; }"
INPUTS = '{ inputs.nixpkgs.url = "nixpkgs"; outputs = { self, nixpkgs }: { }; }'


def read(tmp_path: Path, *found: Repo, **values: object) -> Snapshot:
    return read_snapshot(workspace(found), cache=tmp_path / "cache", **values)  # type: ignore[arg-type]


def read_one(tmp_path: Path, **values: object) -> RepoState:
    """Return the state of the repo that lies in `lib`."""
    at = values.pop("at", "base")
    lib = msgspec.structs.replace(repo("lib"), path=tmp_path / "lib", **values)
    return read(tmp_path, lib, at=at).states[RepoName("lib")]


def at_commit(state: RepoState) -> RepoAtCommit:
    assert isinstance(state, RepoAtCommit)
    return state


def kinds(state: RepoState) -> list[str | None]:
    return [flake.problem.kind if flake.problem else None for flake in state.flakes]


@pytest.mark.parametrize("link", ["nix/flake.lock", "nowhere", "../flake.lock", "/etc/flake.lock"])
@pytest.mark.parametrize("git", [True, False])
def test_a_lock_that_is_a_symlink_is_told_with_where_it_leads(tmp_path: Path, link: str, git: bool) -> None:
    repos.make_repo(tmp_path / "lib", {"flake.nix": INPUTS, "flake.lock": f"link:{link}", "nix/flake.lock": LOCK})
    if not git:
        shutil.rmtree(tmp_path / "lib/.git")
    state = read_one(tmp_path)
    assert isinstance(state, RepoAtCommit if git else PlainFolder)
    problem = state.flakes[0].problem
    assert problem is not None
    assert problem.kind == "bad-lock"
    assert problem.detail.startswith(f"lib/flake.lock: is a symlink to {link}, ")


@pytest.mark.parametrize("git", [True, False])
def test_a_flake_nix_is_read_through_a_symlink(tmp_path: Path, git: bool) -> None:
    files = {"flake.nix": "link:nix/flake.nix", "nix/flake.nix": INPUTS, "dev/flake.nix": "link:../no.nix"}
    repos.make_repo(tmp_path / "lib", {**files, "no.nix": NO_INPUTS})
    if not git:
        shutil.rmtree(tmp_path / "lib/.git")
    state = read_one(tmp_path, flakes=(FlakeDir("."), FlakeDir("dev")))
    assert kinds(state) == ["no-lock", None]


def test_a_lock_is_read_at_the_base_and_not_from_the_working_tree(tmp_path: Path) -> None:
    tip = repos.make_repo(tmp_path / "lib", {"flake.nix": INPUTS, "flake.lock": LOCK})
    (tmp_path / "lib/flake.lock").write_text("broken")
    subprocess.run(["git", "checkout", "-q", "-b", "work"], cwd=tmp_path / "lib", check=True)
    repos.commit(tmp_path / "lib", {"flake.lock": "broken too"})
    state = read_one(tmp_path)
    commit = at_commit(state)
    assert (commit.clone, commit.base, commit.rev, commit.base_rev) == (tmp_path / "lib", "main", tip, tip)
    assert not state.updated
    assert state.flakes[0].lock is not None
    assert state.flakes[0].lock.to_bytes().decode() == LOCK


def test_nothing_of_a_clone_is_touched(tmp_path: Path) -> None:
    repos.make_repo(tmp_path / "lib", {"flake.nix": INPUTS, "flake.lock": LOCK})

    def files() -> dict[str, tuple[int, int]]:
        found = (Path(folder) / name for folder, _, names in os.walk(tmp_path / "lib") for name in names)
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}

    before = files()
    read_one(tmp_path)
    assert files() == before


def test_the_base_may_be_any_branch(tmp_path: Path) -> None:
    repos.make_repo(tmp_path / "lib", {"flake.nix": NO_INPUTS})
    tip = repos.commit(tmp_path / "lib", {"flake.lock": LOCK}, branch="dev/next", parents=[])
    state = read_one(tmp_path, base="dev/next")
    assert (state.base, at_commit(state).rev) == ("dev/next", tip)


def test_without_a_base_it_is_the_default_branch(tmp_path: Path) -> None:
    repos.make_repo(tmp_path / "lib", {"flake.nix": NO_INPUTS}, branch="trunk")
    assert read_one(tmp_path).base == "trunk"


def test_several_flakes_are_read_in_the_order_of_the_manifest(tmp_path: Path) -> None:
    files = {"flake.nix": NO_INPUTS, "dev/flake.nix": INPUTS, "dev/flake.lock": LOCK, "a/b/flake.nix": INPUTS}
    repos.make_repo(tmp_path / "lib", files)
    state = read_one(tmp_path, flakes=(FlakeDir("dev"), FlakeDir("."), FlakeDir("a/b"), FlakeDir("gone")))
    assert [flake.dir for flake in state.flakes] == ["dev", ".", "a/b", "gone"]
    assert kinds(state) == [None, None, "no-lock", "no-lock"]
    assert [flake.lock is not None for flake in state.flakes] == [True, False, False, False]
    details = [flake.problem.detail for flake in state.flakes if flake.problem]
    assert details == ["a/b/flake.nix has inputs but no flake.lock", "there is no gone/flake.nix"]


@pytest.mark.parametrize("text", ["", "{", '{"nodes":{},"root":"root","version":4}', "../flake.lock"])
def test_a_lock_that_cannot_be_read_is_a_problem_of_that_flake(tmp_path: Path, text: str) -> None:
    repos.make_repo(tmp_path / "lib", {"flake.nix": INPUTS, "flake.lock": text})
    (flake,) = read_one(tmp_path).flakes
    assert flake.lock is None
    assert flake.problem is not None
    assert flake.problem.kind == "bad-lock"
    assert flake.problem.detail.startswith("lib/flake.lock: ")


def test_at_update_the_update_branch_is_read_where_there_is_one(tmp_path: Path) -> None:
    base = repos.make_repo(tmp_path / "lib", {"flake.nix": INPUTS, "flake.lock": "{}"})
    assert not read_one(tmp_path, at="update").updated
    tip = repos.commit(tmp_path / "lib", {"flake.lock": LOCK}, branch=UPDATE_BRANCH, parents=[base])
    state = read_one(tmp_path, at="update")
    commit = at_commit(state)
    assert (commit.rev, commit.base_rev, commit.updated, commit.base) == (tip, base, True, "main")
    assert kinds(state) == [None]
    assert at_commit(read_one(tmp_path)).rev == base


def test_an_update_branch_at_the_base_is_no_update(tmp_path: Path) -> None:
    base = repos.make_repo(tmp_path / "lib", {"flake.nix": NO_INPUTS})
    (tmp_path / "lib/.git/refs/heads/flakesync").mkdir()
    (tmp_path / "lib/.git/refs/heads/flakesync/update").write_text(f"{base}\n")
    assert not read_one(tmp_path, at="update").updated


def test_a_plain_folder_is_read_as_it_lies(tmp_path: Path) -> None:
    (tmp_path / "lib/dev").mkdir(parents=True)
    (tmp_path / "lib/flake.nix").write_text(NO_INPUTS)
    (tmp_path / "lib/dev/flake.nix").write_text(INPUTS)
    (tmp_path / "lib/dev/flake.lock").write_text(LOCK)
    state = read_one(tmp_path, flakes=(FlakeDir("."), FlakeDir("dev")))
    assert isinstance(state, PlainFolder)
    assert state.base is None
    assert [flake.lock is not None for flake in state.flakes] == [False, True]
    assert kinds(state) == [None, None]


def test_a_folder_inside_of_another_repository_is_a_plain_folder(tmp_path: Path) -> None:
    repos.make_repo(tmp_path, {"lib/flake.nix": INPUTS, "lib/flake.lock": LOCK})
    assert isinstance(read_one(tmp_path), PlainFolder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/flake.lock").write_text(LOCK)
    (tmp_path / "lib/flake.lock").chmod(0)
    with pytest.raises(ManifestError, match=r"flake\.lock"):
        read_one(tmp_path)


def test_a_bare_repository_and_a_worktree_are_read_as_any_other(tmp_path: Path) -> None:
    tip = repos.make_repo(tmp_path / "origin", {"flake.nix": INPUTS, "flake.lock": LOCK})
    repos.clone_bare(tmp_path / "origin", tmp_path / "bare")
    subprocess.run(
        ["git", "worktree", "add", "-q", "-b", "x", str(tmp_path / "tree")], cwd=tmp_path / "origin", check=True
    )
    found = read(
        tmp_path, repo("bare", path=tmp_path / "bare", base="main"), repo("tree", path=tmp_path / "tree", base="main")
    )
    assert [at_commit(state).rev for state in found.states.values()] == [tip, tip]
    assert all(state.flakes[0].lock is not None for state in found.states.values())


def test_a_base_that_does_not_exist_is_an_error_that_names_the_repo(tmp_path: Path) -> None:
    repos.make_repo(tmp_path / "lib", {"flake.nix": NO_INPUTS})
    with pytest.raises(ManifestError) as caught:
        read_one(tmp_path, base="gone")
    assert caught.value.code == "no-such-branch"
    assert caught.value.message.startswith("repos.lib: ")


def test_a_repo_without_commits_is_a_state_with_an_error_and_the_others_are_read(tmp_path: Path) -> None:
    for name in ("new", "server"):
        subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path / name)], check=True)
    repos.make_repo(tmp_path / "clone", {"flake.nix": NO_INPUTS})
    tip = repos.make_repo(tmp_path / "lib", {"flake.nix": NO_INPUTS})
    url = f"git+file://{tmp_path}/server"
    found = read(
        tmp_path,
        repo("lib", path=tmp_path / "lib"),
        repo("new", path=tmp_path / "new"),
        repo("mirrored", url=url, base="main"),
    )
    cloned = workspace([repo("cloned", url=url, path=tmp_path / "clone", base="main")])
    of_server = read_snapshot(msgspec.structs.replace(cloned, read="server"), cache=tmp_path / "cache")
    assert at_commit(found.states[RepoName("lib")]).rev == tip
    empty = [state for state in (*found.states.values(), *of_server.states.values()) if state.name != "lib"]
    assert [state.name for state in empty] == ["mirrored", "new", "cloned"]
    for state in empty:
        assert isinstance(state, UnreadableRepo)
        assert state.error.code == "no-commits"
        assert "has no commit yet: " in state.error.message


def test_states_are_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        repos.make_repo(tmp_path / name, {"flake.nix": NO_INPUTS})
    found = read(tmp_path, *(repo(name, path=tmp_path / name) for name in ("b", "a", "c")))
    assert list(found.states) == ["a", "b", "c"]


def test_a_repo_given_by_url_is_mirrored(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {"nixpkgs": nixpkgs(takes("x").locked["rev"])}, "app": {}}, mirrored=["lib"])
    found = read_snapshot(load_workspace(ground.manifest), cache=tmp_path / "cache")
    lib, app = found.states[RepoName("lib")], found.states[RepoName("app")]
    lib, app = at_commit(lib), at_commit(app)
    assert lib.clone.is_relative_to(tmp_path / "cache")
    assert app.clone == ground.repos["app"]
    assert (lib.rev, lib.base) == (ground.tips["lib"], "main")
    assert lib.flakes[0].lock is not None


def test_a_mirror_is_brought_up_to_date_unless_offline(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}}, mirrored=["lib"])
    found = load_workspace(ground.manifest)
    read_snapshot(found, cache=tmp_path / "cache")
    tip = repos.commit(ground.repos["lib"], {"x": "y"})

    def lib(*, offline: bool) -> RepoState:
        return read_snapshot(found, cache=tmp_path / "cache", offline=offline).states[RepoName("lib")]

    assert at_commit(lib(offline=True)).rev == ground.tips["lib"]
    assert at_commit(lib(offline=False)).rev == tip


def test_a_repo_that_cannot_be_reached_is_a_state_with_an_error(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "app": {}}, mirrored=["lib"])
    ground.repos["lib"].rename(tmp_path / "moved")
    found = read_snapshot(load_workspace(ground.manifest), cache=tmp_path / "cache")
    lib = found.states[RepoName("lib")]
    assert isinstance(lib, UnreadableRepo)
    assert lib.flakes == ()
    assert at_commit(found.states[RepoName("app")]).rev == ground.tips["app"]


def test_a_cache_that_cannot_be_written_is_an_error_and_no_fault_of_a_repo(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "app": {}}, mirrored=["lib"])
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(GitError) as caught:
        read_snapshot(load_workspace(ground.manifest), cache=tmp_path / "cache")
    assert caught.value.code == "cache"
    assert caught.value.hint is not None


def test_without_git_no_mirror_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ground = make_ground(tmp_path, {"lib": {}}, mirrored=["lib"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError) as caught:
        read_snapshot(load_workspace(ground.manifest), cache=tmp_path / "cache")
    assert caught.value.code == "no-git"


def test_offline_a_repo_that_was_never_mirrored_is_a_state_with_an_error(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}}, mirrored=["lib"])
    found = read_snapshot(load_workspace(ground.manifest), cache=tmp_path / "cache", offline=True)
    assert isinstance(found.states[RepoName("lib")], UnreadableRepo)


def test_a_url_that_git_cannot_clone_is_an_error(tmp_path: Path) -> None:
    odd = Repo(name=RepoName("odd"), url=FlakeRef.parse("https://example.com/x.tar.gz"))
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, odd)
    assert caught.value.code == "no-git-url"


@pytest.mark.parametrize(
    ("flake_nix", "expected"),
    [
        (NO_INPUTS, False),
        (INPUTS, True),
        ("{ outputs = _: { }; }", False),
        ("{ outputs = { self, ... }: { }; }", False),
        ("{ outputs = { nixpkgs, ... }: { }; }", True),
        ("{ outputs = { self, nixpkgs ? null }: { }; }", True),
        ("{ outputs = inputs@{ self, ... }: { }; }", False),
        ("{ outputs = { self, systems }@inputs: { }; }", True),
        ("{ inputs = { }; outputs = _: { }; }", False),
        ("{ inputs = { x = { }; }; outputs = _: { }; }", True),
        ("{ # inputs.x = 1\n outputs = { self }: { }; }", False),
        ("{ /* inputs = { */ outputs = { self }: { }; }", False),
        ("{ outputs = { self }: { my-inputs = { }; x.inputs-of = 1; }; }", False),
        ("{ outputs\n=\n{\n self\n,\n nixpkgs\n}:\n{ }; }", True),
        ("{ inputs.self.submodules = true; outputs = _: { }; }", False),
        ("{ inputs = { self = { lfs = true; }; }; outputs = { self, ... }: { x = self.x; }; }", False),
        ("{ inputs.self.submodules = true; outputs = { self, nixpkgs }: { }; }", True),
        ('{ inputs.self.submodules = true; inputs.x.url = "github:o/r"; outputs = _: { }; }', True),
        ('{ inputs = { self.lfs = true; x.follows = ""; }; outputs = _: { }; }', True),
        ("{ inputs = import ./x; outputs = { self }: { self = 1; }; }", True),
    ],
)
def test_a_missing_lock_matters_only_where_there_are_inputs(flake_nix: str, *, expected: bool) -> None:
    assert may_have_inputs(flake_nix.encode()) is expected


def test_where_flake_nix_and_the_lock_disagree_is_found_once_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "app": {"lib": takes("lib")}})
    text = '{ inputs = { lib.url = "github:acme/lib"; np.url = "github:acme/np"; }; outputs = _: { }; }'
    repos.commit(ground.repos["app"], {"flake.nix": text})
    workspace = load_workspace(ground.manifest)

    def stale() -> list[str]:
        snapshot = read_snapshot(workspace, cache=tmp_path / "cache")
        return [each.detail for state in snapshot.states.values() for flake in state.flakes for each in flake.stale]

    said = stale()
    assert "flake.nix has np, the lock does not" in said
    monkeypatch.setattr("flakesync.workspace.clones.flakes.disagreements", None)
    assert stale() == said


def test_who_asks_for_locks_alone_compares_no_flake_nix_and_leaves_that_to_who_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "app": {"lib": takes("lib")}})
    text = '{ inputs = { lib.url = "github:acme/lib"; np.url = "github:acme/np"; }; outputs = _: { }; }'
    repos.commit(ground.repos["app"], {"flake.nix": text})
    workspace = load_workspace(ground.manifest)

    def flakes(read: Callable[..., Snapshot]) -> list[FlakeState]:
        return [flake for state in read(workspace, cache=tmp_path / "cache").states.values() for flake in state.flakes]

    with monkeypatch.context() as patched:
        patched.setattr("flakesync.workspace.clones.flakes.disagreements", None)
        first, later = flakes(read_locks), flakes(read_locks)
    assert [flake.stale for flake in first] == [(), ()]
    assert [flake.outline for flake in first] == [None, None]
    assert later[0].outline is not None
    assert [flake.lock for flake in later] == [flake.lock for flake in first]
    compared, again = flakes(read_snapshot), flakes(read_snapshot)
    assert "flake.nix has np, the lock does not" in [each.detail for flake in compared for each in flake.stale]
    assert [flake.stale for flake in again] == [flake.stale for flake in compared]
    assert [flake.stale for flake in flakes(read_locks)] == [(), ()]


def test_a_lock_that_was_read_before_is_not_decoded_and_says_the_same(tmp_path: Path) -> None:
    plain = {"lib": locks.github("acme", "lib", inputs={"nixpkgs": locks.github("NixOS", "nixpkgs")})}
    lock = locks.to_bytes(locks.lock(plain)).decode()
    flake_nix = '{ inputs.lib.url = "github:acme/lib"; outputs = _: { }; }'
    repos.make_repo(tmp_path / "lib", {"flake.nix": flake_nix, "flake.lock": lock})
    first, later = at_commit(read_one(tmp_path)).flakes[0], at_commit(read_one(tmp_path)).flakes[0]
    assert first.outline is None
    assert later.outline is not None
    assert later.inputs == first.inputs
    assert later.lock is not None
    assert later.lock.unread == lock.encode()
    assert later.lock == first.lock
    assert not later.lock.unread
    assert [item.path for item in later.inputs_of({("github.com", "acme/lib")})] == [("lib",)]


def test_what_was_kept_of_a_lock_and_is_damaged_is_read_from_the_lock(tmp_path: Path) -> None:
    lock = locks.to_bytes(locks.lock({"lib": locks.github("acme", "lib")})).decode()
    repos.make_repo(tmp_path / "lib", {"flake.nix": INPUTS, "flake.lock": lock})
    first = at_commit(read_one(tmp_path)).flakes[0]
    (kept,) = (tmp_path / "cache/files").iterdir()
    data = kept.read_bytes()
    assert data.count(b"github.com") == 1
    kept.write_bytes(data.replace(b"github.com", b"\xff" * 10))
    later = at_commit(read_one(tmp_path)).flakes[0]
    assert later.outline is None
    assert later.inputs == first.inputs
