"""A branch whose name is in the way of the update branch is named, wherever it is met; nothing untrue is said of it."""

import json
import os
from pathlib import Path

import pytest

from flakesync.demo.forge.model import Kind
from flakesync.documents.sync import ErrorDocument
from flakesync.errors import GitError
from flakesync.git.remotes.mirror import mirror, mirror_path
from flakesync.git.remotes.remote import parse_remote
from flakesync.git.remotes.transfer import push
from flakesync.git.repository import Repository
from flakesync.terms import Rev
from tests.support import forked, repos
from tests.support.forge import Forge
from tests.support.forge.client import HOSTS, client_of
from tests.support.nixspace import UPDATE, Space, Take, ref_in, run_sync
from tests.support.repos import make_bare, run_git

Others = pytest.mark.parametrize("other", ["flakesync", "flakesync/update/x"])


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """`lib`, and `app` that takes it, whose servers are bare repositories."""
    space = Space(tmp_path / "space").add("lib").add("app", {"lib": Take(), "nixpkgs": Take()})
    for name in space.names:
        run_git("clone", "-q", "--bare", str(space.path(name)), str(server(space, name)), cwd=tmp_path)
    return space


def server(space: Space, name: str) -> Path:
    return space.root / "served" / f"{name}.git"


def tables(space: Space) -> dict[str, dict[str, object]]:
    return {
        name: {"url": f"git+file://{server(space, name)}", "aliases": [str(space.path(name))]} for name in space.names
    }


def the_error(error: ErrorDocument | None, other: str) -> str:
    """Return the message of an error that names the branch that is in the way, and the setting that changes it."""
    assert error is not None
    assert error.code == "ref-conflict"
    assert f"a branch {other}, and" in error.message
    assert "`branch` in [workspace]" in str(error.hint)
    assert "moved" not in error.message
    return error.message


def test_packed_branches_with_names_like_it_are_not_in_its_way(tmp_path: Path) -> None:
    tip = make_bare(tmp_path / "r", {"flake.lock": "{}"})
    for name in ("flakesync2", "flakesync/update2/x", "flakesync/other", "a/flakesync/update/x"):
        run_git("update-ref", f"refs/heads/{name}", tip, cwd=tmp_path / "r")
    run_git("pack-refs", "--all", "--prune", cwd=tmp_path / "r")
    with Repository.open(tmp_path / "r") as repo:
        repo.require_room(UPDATE)
        repo.update_ref(UPDATE, tip, old=None, message="m")


@Others
@pytest.mark.parametrize("kind", list(HOSTS))
def test_it_is_named_over_https(forge: Forge, tmp_path: Path, kind: Kind, other: str) -> None:
    client = client_of(forge, kind)
    storage = client.project.storage
    storage.set_branch(other, storage.branch("main"), None)
    run_git("clone", "-q", client.git_url(), "clone", cwd=tmp_path)
    new = repos.commit(tmp_path / "clone", {"x": "y"})
    with Repository.open(tmp_path / "clone") as repository, pytest.raises(GitError) as caught:
        push(repository.path, parse_remote(client.git_url()), UPDATE, new, old=None)
    error = caught.value
    assert the_error(ErrorDocument(code=error.code, message=error.message, hint=error.hint), other)
    assert storage.branch("flakesync/update") is None


@Others
@pytest.mark.parametrize("mirrored", [False, True])
def test_publish_and_status_and_land_and_abandon_say_what_is_so(space: Space, other: str, mirrored: bool) -> None:
    manifest = space.manifest(tables=tables(space), mirrored=space.names if mirrored else ())
    assert run_sync(manifest, locker="native").errors == {}
    run_git("branch", other, "main", cwd=server(space, "app"))

    def call(*argv: str, status: int = 0) -> dict[str, dict[str, object]]:
        ran = forked.flakesync(*argv, "--json", cwd=space.root, env=os.environ)
        assert ran.returncode == status, (ran.stdout, ran.stderr)
        return {repo["repo"]: repo for repo in json.loads(ran.stdout)["repos"]}

    published = call("publish", status=1)
    assert published["lib"]["status"] == "updated"
    told = published["app"]["error"]
    assert isinstance(told, dict)
    assert the_error(ErrorDocument(**told), other).startswith(f"file://{server(space, 'app')}:")
    call("status")
    run_git("update-ref", "refs/heads/main", UPDATE, cwd=server(space, "lib"))
    assert call("land") == {}  # of app there is nothing on the server that could land
    assert call("abandon")["app"]["status"] == "abandoned"
    assert ref_in(server(space, "app"), f"refs/heads/{other}") == space.tip("app")


@Others
@pytest.mark.parametrize("dry_run", [False, True])
def test_sync_says_it_before_anything_is_locked(space: Space, other: str, dry_run: bool) -> None:
    run_git("branch", other, "main", cwd=space.path("app"))
    ran = run_sync(space.manifest(tables=tables(space)), locker="native", dry_run=dry_run)
    assert ran.statuses == {"lib": "updated", "app": "failed"}
    assert the_error(ran["app"].error, other).startswith(f"{space.path('app')}:")
    assert "app" not in {
        getattr(event, "repo", None) for event in ran.events if getattr(event, "what", "") == "locking"
    }


def test_a_mirror_that_holds_an_update_under_another_name_says_which(space: Space) -> None:
    """The manifest said `branch = "flakesync"` before."""
    settings = {"branch": "flakesync"}
    assert run_sync(space.manifest(settings, mirrored=space.names, tables=tables(space)), locker="native").errors == {}
    ran = run_sync(space.manifest(mirrored=space.names, tables=tables(space)), locker="native")
    assert ran.statuses == {"lib": "failed", "app": "skipped"}
    the_error(ran["lib"].error, "flakesync")


def test_a_mirror_follows_a_server_whose_branches_take_each_others_names(tmp_path: Path) -> None:
    rev = make_bare(tmp_path / "r.git", {"x": "y"})
    url, cache = f"file://{tmp_path / 'r.git'}", tmp_path / "cache"
    before: str | None = None
    for name in ("flakesync", "flakesync/update", "flakesync/update/x", "flakesync"):
        if before is not None:
            run_git("branch", "-D", before, cwd=tmp_path / "r.git")
        run_git("branch", name, "main", cwd=tmp_path / "r.git")
        with Repository.open(mirror(url, cache, offline=False)) as repository:
            assert repository.ref(f"refs/remotes/origin/{name}") == rev
        before = name
    assert mirror_path(url, cache).is_dir()
    assert Rev(run_git("rev-parse", "main", cwd=tmp_path / "r.git")) == rev
