"""A clone vouches for what its settings say came from its server's branches and tags, and for nothing beside that."""

from pathlib import Path

import pytest

from flakesync.audit.evidence.histories import find_histories
from flakesync.audit.evidence.model import CommitKey
from flakesync.nix.reference.identity import Identity
from flakesync.terms import Rev
from tests.support import repos

UPDATE = "flakesync/update"
KINDS = {
    "pull": ("refs/pull/1/head", "+refs/pull/*/head:refs/remotes/origin/pr/*", "pr/1"),
    "merge request": ("refs/merge-requests/1/head", "+refs/merge-requests/*/head:refs/remotes/origin/mr/*", "mr/1"),
    "change": ("refs/changes/01/1/1", "+refs/changes/*:refs/remotes/origin/changes/*", "changes/01/1/1"),
    "one pull": ("refs/pull/1/head", "+refs/pull/1/head:refs/remotes/origin/one", "one"),
    "pull as update": ("refs/pull/1/head", f"+refs/pull/1/head:refs/remotes/origin/{UPDATE}", "main"),
    "pull as own update": ("refs/pull/1/head", f"+refs/pull/1/head:refs/heads/{UPDATE}", "main"),
    "pull as tag": ("refs/pull/1/head", "+refs/pull/*/head:refs/tags/pr-*", "refs/tags/pr-1"),
}


class Place:
    """The repository `lib` at its server, with a commit `stray` that is on none of its branches."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "lib.git"
        self.url = f"file://{self.path}"
        self.old = repos.make_bare(self.path, {"f": "0"})
        self.stray = repos.commit(self.path, {"f": "2"}, branch="stray", parents=[self.old])
        self.tip = repos.commit(self.path, {"f": "1"})
        repos.run_git("tag", "v1", self.tip, cwd=self.path)

    def hide_stray_in(self, ref: str) -> None:
        repos.run_git("update-ref", ref, self.stray, cwd=self.path)
        repos.run_git("update-ref", "-d", "refs/heads/stray", cwd=self.path)

    def clone(self, *argv: str, fetch: tuple[str, ...] = ()) -> Path:
        repos.run_git("clone", "--quiet", *argv, self.url, "clone", cwd=self.root)
        clone = self.root / "clone"
        for spec in fetch:
            repos.run_git("config", "--add", "remote.origin.fetch", spec, cwd=clone)
        repos.run_git("fetch", "--quiet", "--update-head-ok", "origin", cwd=clone)
        return clone

    def vouched(self, clone: Path, rev: Rev, ref: str | None) -> bool:
        """Tell whether a clone says that a commit is on a branch; its server is not asked."""
        key = CommitKey(
            Identity("", str(self.path)), self.url, ref, any_ref=False, rev=rev, counted=False, served=False,
            submodules=False,
        )  # fmt: skip
        found = find_histories(
            [key], {key: repos.DATE}, {key.identity: clone}, None, self.root / "cache", jobs=1, offline=True,
            update_branch=UPDATE,
        )  # fmt: skip
        return getattr(found[key], "standing", None) == "on-branch"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_clone_fetches_beside_branches_is_none(place: Place, kind: str) -> None:
    ref, spec, name = KINDS[kind]
    place.hide_stray_in(ref)
    clone = place.clone(fetch=(spec,))
    assert place.stray in repos.run_git("for-each-ref", cwd=clone)
    for asked in {name, f"origin/{name}", f"refs/remotes/origin/{name}", ref, None}:
        assert not place.vouched(clone, place.stray, asked)
    assert place.vouched(clone, place.tip, "main")
    assert place.vouched(clone, place.tip, "refs/heads/main")
    assert place.vouched(clone, place.old, None)


def test_the_setting_may_be_that_of_all_repositories(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ref, spec, name = KINDS["pull"]
    place.hide_stray_in(ref)
    repos.run_git("config", "--global", "--add", "remote.origin.fetch", spec, cwd=place.root)
    repos.run_git("config", "--global", "--add", "remote.origin.fetch", "+refs/notes/*:refs/notes/*", cwd=place.root)
    clone = place.clone()
    assert repos.run_git("rev-parse", f"refs/remotes/origin/{name}", cwd=clone) == place.stray
    assert not place.vouched(clone, place.stray, name)
    assert place.vouched(clone, place.tip, "main")


def test_a_mirror_vouches_for_branches_and_tags_and_for_no_pull_request(place: Place) -> None:
    place.hide_stray_in("refs/pull/1/head")
    mirror = place.clone("--mirror")
    assert repos.run_git("rev-parse", "refs/pull/1/head", cwd=mirror) == place.stray
    for ref in ("pull/1/head", "refs/pull/1/head", "1/head", "main", None):
        assert not place.vouched(mirror, place.stray, ref)
    for ref in ("main", "refs/heads/main", "refs/tags/v1", None):
        assert place.vouched(mirror, place.tip, ref)


@pytest.mark.parametrize("name", ["fork", "origin/fork", "afork"])
def test_a_fork_beside_the_server_is_not_the_server(place: Place, name: str) -> None:
    clone = place.clone()
    repos.run_git("clone", "--quiet", "--bare", place.url, "fork.git", cwd=place.root)
    evil = repos.commit(place.root / "fork.git", {"f": "9"}, branch="evil", parents=[place.old])
    repos.run_git("tag", "v2", evil, cwd=place.root / "fork.git")
    repos.run_git("remote", "add", "-f", name, f"file://{place.root}/fork.git", cwd=clone)
    assert repos.run_git("rev-parse", f"refs/remotes/{name}/evil", "v2", cwd=clone).split() == [evil, evil]
    for ref in ("evil", f"{name}/evil", "fork/evil", "refs/tags/v2"):
        assert not place.vouched(clone, evil, ref)
    assert place.vouched(clone, place.tip, "main")
    assert place.vouched(clone, place.stray, "stray")


def test_a_tag_of_the_clone_s_own_vouches_for_nothing_and_one_that_is_fetched_by_name_does(place: Place) -> None:
    clone = place.clone()
    local = repos.commit(clone, {"f": "7"}, branch="mine", checkout=False, parents=[place.tip])
    repos.run_git("tag", "v9", local, cwd=clone)
    assert not place.vouched(clone, local, "refs/tags/v9")
    assert not place.vouched(clone, local, "mine")
    repos.run_git("config", "--add", "remote.origin.fetch", "+refs/tags/*:refs/tags/*", cwd=clone)
    assert place.vouched(clone, place.tip, "refs/tags/v1")


def test_a_branch_that_a_refspec_leaves_out_is_not_the_server_s(place: Place) -> None:
    clone = place.clone(fetch=("^refs/heads/stray",))
    assert not place.vouched(clone, place.stray, "stray")
    assert place.vouched(clone, place.tip, "main")


def test_a_repository_without_remotes_vouches_for_its_own_branches_and_tags(place: Place) -> None:
    for ref in ("main", "refs/tags/v1", None):
        assert place.vouched(place.path, place.tip, ref)
    assert not place.vouched(place.path, place.stray, "main")
