"""Clones whose server the manifest names: which branches are read, and what is left alone."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flakesync.errors import HostDownError, ManifestError, SyncError
from flakesync.git.remotes.remote import Listing, Remote, list_server
from flakesync.git.repository import Repository
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import RepoName, Rev
from flakesync.update.commit import find_update_branch
from flakesync.workspace.model import Repo
from flakesync.workspace.snapshot import RepoAtCommit, RepoState, UnreadableRepo, read_snapshot
from tests.support import repos
from tests.support.workspaces import UPDATE_BRANCH, repo, workspace

FLAKE = {"flake.nix": "{ outputs = _: { }; }"}


@dataclass(frozen=True)
class Pair:
    """A repository on a server (a bare one, by file://), and a clone of it that has its first commit."""

    root: Path
    first: Rev

    @property
    def server(self) -> Path:
        return self.root / "server/lib.git"

    @property
    def clone(self) -> Path:
        return self.root / "lib"

    def commit(self, branch: str | None = None, **files: str) -> Rev:
        """Commit to the server."""
        return repos.commit(self.server, files or {"new": "1"}, branch=branch, parents=None)

    def git(self, *argv: str) -> str:
        return repos.run_git(*argv, cwd=self.clone)

    def repo(self, **values: object) -> Repo:
        found = repo("lib", url=f"git+file://{self.server}")
        return msgspec.structs.replace(found, **{"path": self.clone, **values})

    def read(self, found: Repo | None = None, **values: object) -> RepoAtCommit:
        """Read the clone, and return what came of it."""
        state = self.try_to_read(found, **values)
        assert isinstance(state, RepoAtCommit), state
        return state

    def try_to_read(self, found: Repo | None = None, **values: object) -> RepoState:
        space = msgspec.structs.replace(workspace([found or self.repo()]), base=None, read=values.pop("read", "server"))
        read = read_snapshot(space, cache=self.root / "cache", **values)  # type: ignore[arg-type]
        return read.states[RepoName("lib")]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    first = repos.make_bare(tmp_path / "server/lib.git", FLAKE)
    repos.run_git("clone", "-q", f"file://{tmp_path}/server/lib.git", str(tmp_path / "lib"), cwd=tmp_path)
    return Pair(tmp_path, first)


def theirs(clone: Path, *ours: str) -> Mapping[str, bytes]:
    """Return what a clone has besides objects. ours: parts of paths that are left out."""
    found = {}
    for folder, _, names in os.walk(clone):
        for name in names:
            path = Path(folder, name)
            if not any(part in f"{path}" for part in ("/objects/", *ours)):
                found[str(path)] = path.read_bytes()
    return found


def test_a_clone_that_nobody_pulled_is_read_at_its_servers_base(pair: Pair) -> None:
    new = pair.commit()
    found = pair.read()
    assert (found.base, found.base_rev) == ("main", new)
    assert pair.git("rev-parse", "refs/remotes/origin/main") == new


def test_nothing_but_the_remote_tracking_branch_of_a_clone_changes(pair: Pair) -> None:
    (pair.clone / "flake.nix").write_text("{ outputs = _: { mine = 1; }; }")
    pair.git("stash")
    (pair.clone / "staged").write_text("mine")
    pair.git("add", "staged")
    (pair.clone / "flake.nix").write_text("dirty")
    pair.git("switch", "-q", "-c", "work")
    pair.commit()
    before = theirs(pair.clone, "refs/remotes/origin/main")
    pair.read()
    assert theirs(pair.clone, "refs/remotes/origin/main") == before


def test_a_server_with_nothing_new_changes_nothing(pair: Pair) -> None:
    before = theirs(pair.clone)
    assert pair.read().base_rev == pair.first
    assert theirs(pair.clone) == before


def test_local_commits_that_the_server_lacks_are_not_its_base(pair: Pair) -> None:
    mine = repos.commit(pair.clone, {"mine": "1"})
    new = pair.commit()
    assert pair.read().base_rev == new
    assert pair.git("rev-parse", "main") == mine


@pytest.mark.parametrize("how", ["local", "no url"])
def test_own_branches_are_read_where_that_is_wished_or_no_server_is_named(pair: Pair, how: str) -> None:
    mine = repos.commit(pair.clone, {"mine": "1"})
    pair.commit()
    found = pair.read(read="local") if how == "local" else pair.read(pair.repo(url=None))
    assert found.base_rev == mine
    assert pair.git("rev-parse", "refs/remotes/origin/main") == pair.first


def test_the_remote_whose_address_it_is_counts_and_not_a_fork_called_origin(pair: Pair, tmp_path: Path) -> None:
    repos.clone_bare(pair.server, tmp_path / "fork.git")
    fork = repos.commit(tmp_path / "fork.git", {"fork": "1"})
    pair.git("remote", "rename", "origin", "upstream")
    pair.git("remote", "add", "origin", f"file://{tmp_path}/fork.git")
    pair.git("fetch", "-q", "origin")
    new = pair.commit()
    assert pair.read().base_rev == new
    assert pair.git("rev-parse", "refs/remotes/upstream/main", "refs/remotes/origin/main").split() == [new, fork]


@pytest.mark.parametrize("spelling", ["path", "git", "relative", "instead"])
def test_a_remote_is_known_by_what_it_means_and_not_by_its_spelling(pair: Pair, spelling: str) -> None:
    url = {
        "path": f"{pair.server}/",
        "git": f"file://{pair.server}",
        "relative": "../server/lib.git",
        "instead": "my:lib.git",
    }
    pair.git("remote", "set-url", "origin", url[spelling])
    subprocess.run(["git", "config", "--global", f"url.file://{pair.server.parent}/.insteadOf", "my:"], check=True)
    new = pair.commit()
    pair.read()
    assert pair.git("rev-parse", "refs/remotes/origin/main") == new


def test_where_no_remote_is_the_server_the_refs_are_flakesyncs_own(pair: Pair) -> None:
    pair.git("remote", "remove", "origin")
    new = pair.commit()
    found = pair.read()
    assert found.base_rev == new
    names = pair.git("for-each-ref", "--format=%(refname)").split()
    assert names == [*(f"{found.branches.refs[0]}{name}" for name in ("HEAD", "main")), "refs/heads/main"]
    assert found.branches.refs[0].startswith("refs/flakesync/server/")
    assert pair.read(offline=True).base_rev == new


def test_a_mirror_of_the_users_keeps_its_own_branches(pair: Pair, tmp_path: Path) -> None:
    repos.run_git("clone", "-q", "--mirror", f"file://{pair.server}", str(tmp_path / "mirror"), cwd=tmp_path)
    new = pair.commit()
    found = pair.read(pair.repo(path=tmp_path / "mirror"))
    assert found.base_rev == new
    assert repos.run_git("rev-parse", "main", cwd=tmp_path / "mirror") == pair.first


@pytest.mark.parametrize("kind", ["detached", "worktree", "bare", "single branch", "partial", "shallow"])
def test_every_kind_of_clone_is_read_at_its_servers_base(pair: Pair, tmp_path: Path, kind: str) -> None:
    url, other = f"file://{pair.server}", tmp_path / "other"
    repos.run_git("config", "uploadpack.allowFilter", "true", cwd=pair.server)
    clones = {
        "bare": ["--bare"], "single branch": ["--single-branch"], "partial": ["--filter=blob:none"],
        "shallow": ["--depth=1"],
    }  # fmt: skip
    if kind == "detached":
        pair.git("switch", "-q", "--detach")
    elif kind == "worktree":
        pair.git("worktree", "add", "-q", "-b", "work", str(other))
    else:
        repos.run_git("clone", "-q", *clones[kind], url, str(other), cwd=tmp_path)
    new = pair.commit(**{"flake.lock": "{}"})
    found = pair.read(pair.repo(path=pair.clone if kind == "detached" else other))
    assert (found.base, found.base_rev) == ("main", new)
    assert [flake.problem.kind for flake in found.flakes if flake.problem] == ["bad-lock"]  # of the new commit


def test_the_servers_default_branch_counts_and_not_what_the_clone_took_for_it(pair: Pair) -> None:
    new = pair.commit(branch="trunk")
    (pair.server / "HEAD").write_text("ref: refs/heads/trunk\n")
    found = pair.read()
    assert (found.base, found.base_rev) == ("trunk", new)


def test_a_base_that_the_server_lacks_is_an_error_though_the_clone_has_it(pair: Pair) -> None:
    pair.git("branch", "mine")
    with pytest.raises(ManifestError, match=r"repos\.lib: .* has no branch mine, its base; its default branch is main"):
        pair.read(pair.repo(base="mine"))


def test_the_update_branch_of_the_server_comes_along(pair: Pair) -> None:
    update = pair.commit(branch=UPDATE_BRANCH, **{"flake.lock": "{}"})
    assert pair.read(at="update").rev == update


def test_without_renewal_a_server_is_asked_only_where_nothing_of_it_is_known(pair: Pair) -> None:
    new = pair.commit()
    assert pair.read(renew=False).base_rev == pair.first
    pair.git("remote", "remove", "origin")
    assert pair.read(renew=False).base_rev == new


def test_offline_a_clone_that_has_nothing_of_its_server_is_read_as_it_lies(pair: Pair) -> None:
    pair.git("remote", "remove", "origin")
    mine = repos.commit(pair.clone, {"mine": "1"})
    assert pair.read(offline=True).base_rev == mine


def test_offline_the_last_fetch_counts_and_is_dated(pair: Pair) -> None:
    pair.commit()
    found = pair.read(offline=True)
    cloned = int(pair.git("log", "-g", "-1", "--format=%gd", "--date=unix", "origin/HEAD").split("{")[1].rstrip("}"))
    assert (found.base_rev, found.branches.heads, found.branches.fetched) == (pair.first, None, cloned)


def test_offline_what_an_earlier_run_has_asked_counts_though_nothing_was_new(pair: Pair) -> None:
    for log in (pair.clone / ".git/logs/refs/remotes/origin").iterdir():
        log.unlink()
    assert pair.read(offline=True).branches.fetched is None
    before = int(time.time())
    pair.read()
    fetched = pair.read(offline=True).branches.fetched
    assert fetched is not None
    assert before <= fetched <= time.time()


def test_a_clone_whose_url_is_the_clone_itself_has_no_server(pair: Pair) -> None:
    mine = repos.commit(pair.clone, {"mine": "1"})
    pair.commit()
    found = msgspec.structs.replace(pair.repo(), url=FlakeRef.parse(f"git+file://{pair.clone}"))
    assert pair.read(found).base_rev == mine


def test_a_host_that_answers_nobody_is_asked_once(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def listen(remote: Remote, patterns: Sequence[str], **values: bool) -> Listing:
        asked.append(remote.url)
        return list_server(remote, patterns, **values)

    monkeypatch.setattr("flakesync.git.remotes.branches.list_server", listen)
    dead = [
        msgspec.structs.replace(repo(f"dead{n}", url=f"git+http://127.0.0.1:1/acme/dead{n}"), path=pair.clone)
        for n in range(5)
    ]
    space = msgspec.structs.replace(workspace([*dead, pair.repo()]), base=None, read="server")
    states = read_snapshot(space, cache=tmp_path / "cache").states
    errors = [state.error for state in states.values() if isinstance(state, UnreadableRepo)]
    assert len(errors) == 5
    assert all(isinstance(error, HostDownError) and error.host == "127.0.0.1:1" for error in errors)
    (message,) = {error.message for error in errors}  # of the host, not of one repo
    assert message.startswith("127.0.0.1:1 cannot be reached: Failed to connect to 127.0.0.1 port 1")
    assert sorted(asked) == [f"file://{pair.server}", "http://127.0.0.1:1/acme/dead0"]
    assert isinstance(states[RepoName("lib")], RepoAtCommit)


def test_an_update_branch_that_its_server_has_deleted_is_gone_here_too(pair: Pair) -> None:
    pair.commit(branch=UPDATE_BRANCH, **{"flake.lock": "{}"})
    assert pair.read(at="update").updated
    repos.run_git("update-ref", "-d", f"refs/heads/{UPDATE_BRANCH}", cwd=pair.server)
    assert not pair.read(at="update").updated
    assert pair.git("for-each-ref", "refs/remotes/origin/flakesync") == ""


def test_the_update_branch_of_a_fork_is_nobodys(pair: Pair, tmp_path: Path) -> None:
    repos.clone_bare(pair.server, tmp_path / "fork.git")
    repos.commit(tmp_path / "fork.git", {"theirs": "1"}, branch=UPDATE_BRANCH, parents=[pair.first])
    pair.git("remote", "rename", "origin", "upstream")
    pair.git("remote", "add", "-f", "origin", f"file://{tmp_path}/fork.git")
    found = pair.read(at="update")
    assert (found.rev, found.branches.tracking) == (pair.first, "refs/remotes/upstream/")
    with Repository.open(pair.clone) as repository:
        assert find_update_branch(repository, UPDATE_BRANCH, pair.first, found.branches.tracking) is None
        with pytest.raises(SyncError, match="flakesync/update has a commit that flakesync did not make"):
            find_update_branch(repository, UPDATE_BRANCH, pair.first)


def test_a_stale_ref_in_the_way_of_the_update_branch_does_not_hide_the_base(pair: Pair) -> None:
    pair.git("update-ref", "refs/remotes/origin/flakesync", pair.first)
    pair.commit(branch=UPDATE_BRANCH)
    new = pair.commit()
    assert pair.read().base_rev == new


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_clone_of_another_user_that_is_trusted_is_read_at_its_server_too(pair: Pair) -> None:
    os.chown(pair.clone / ".git", 12345, 12345)
    pair.git("config", "--global", "safe.directory", str(pair.clone))
    found = pair.read()
    assert (found.base_rev, found.branches.tracking) == (pair.first, "refs/remotes/origin/")


@pytest.mark.parametrize("moved", [False, True])
def test_the_lock_file_of_a_run_that_was_killed_is_in_nobodys_way(pair: Pair, moved: bool) -> None:
    pair.read()
    new = pair.commit() if moved else pair.first
    lock = pair.clone / ".git/refs/remotes/origin/main.lock"
    lock.write_text("flakesync\n")  # as `git.store.refs` writes it
    assert pair.read().base_rev == new
    assert not lock.exists()


def test_a_branch_that_moves_back_while_it_is_fetched_is_read_where_it_is(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = pair.commit()

    def late(*arguments: Any, **options: Any) -> Listing:
        found = list_server(*arguments, **options)
        repos.run_git("update-ref", "refs/heads/main", pair.first, cwd=pair.server)
        repos.run_git("gc", "-q", "--prune=now", cwd=pair.server)
        repos.commit(pair.server, {"other": "2"})
        return found

    monkeypatch.setattr("flakesync.git.remotes.branches.list_server", late)
    now = pair.read().base_rev
    assert now != listed
    assert now == repos.run_git("rev-parse", "main", cwd=pair.server)
