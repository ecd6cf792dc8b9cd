"""Commits and refs: nothing but objects and one ref changes, whatever state the user's clone is in."""

import hashlib
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.remotes.remote import ls_remote
from flakesync.git.repository import Repository
from flakesync.git.scratch.alternates import borrow_objects
from flakesync.git.scratch.worktree import checkout
from flakesync.git.store.trees import changed_paths
from flakesync.git.values import Signature
from flakesync.terms import Rev
from tests.support.repos import commit, make_bare, make_repo, run_git

BOT = Signature("Bot", "bot@test.example", 1_700_000_500, 60)
UPDATE = "refs/heads/flakesync/update"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_repo(
        tmp_path / "r", {"flake.lock": "{}", "b": "exec:x", "dev/flake.lock": "{}", "d.x": "", "link": "link:dev"}
    )
    return tmp_path / "r"


def write(repo: Repository, files: Mapping[str, bytes], message: str = "flake.lock: Update\n\nbody\n") -> Rev:
    base = repo.branch("main")
    assert base is not None
    return repo.write_commit(
        parents=[base], base_tree_of=base, files=files, message=message, author=BOT, committer=BOT.at(1_700_000_600)
    )


def contents(top: Path) -> dict[str, tuple[int, str]]:
    """Return everything below a folder: path → (mode, content)."""
    found = {}
    for file in sorted(top.rglob("*")):
        mode = file.lstat().st_mode
        text = os.readlink(file) if file.is_symlink() else file.read_bytes().hex() if file.is_file() else ""
        found[str(file.relative_to(top))] = (mode, hashlib.sha256(text.encode()).hexdigest())
    return found


def test_a_commit_is_the_base_and_the_files_and_nothing_else(path: Path) -> None:
    with Repository.open(path) as repo:
        rev = write(repo, {"flake.lock": b"new", "dev/flake.lock": b"newer", "new/deep/file": b"f"})
        assert changed_paths(repo.reader, Rev(run_git("rev-parse", "HEAD", cwd=path)), rev) == {
            "flake.lock",
            "dev/flake.lock",
            "new/deep/file",
        }
        made = repo.commit(rev)
    assert (made.author, made.committer) == (BOT, BOT.at(1_700_000_600))
    assert made.message == "flake.lock: Update\n\nbody\n"
    shown = run_git("log", "-1", "--format=%an <%ae> %ai|%ci", rev, cwd=path)
    assert shown == "Bot <bot@test.example> 2023-11-14 23:21:40 +0100|2023-11-14 22:23:20 +0000"
    run_git("fsck", "--strict", cwd=path)


def test_a_commit_is_byte_for_byte_what_git_would_write(path: Path, tmp_path: Path) -> None:
    with Repository.open(path) as repo:
        rev = write(repo, {"flake.lock": b"new", "d/x": b"sorted as d/"}, "Grüße\n\nbody\n\n")
    clone = tmp_path / "clone"
    run_git("clone", "--quiet", str(path), str(clone), cwd=tmp_path)
    (clone / "flake.lock").write_text("new")
    (clone / "d").mkdir()
    (clone / "d/x").write_text("sorted as d/")
    run_git("add", ".", cwd=clone)
    env = {
        **os.environ,
        "GIT_AUTHOR_NAME": "Bot",
        "GIT_AUTHOR_EMAIL": "bot@test.example",
        "GIT_AUTHOR_DATE": "1700000500 +0100",
        "GIT_COMMITTER_NAME": "Bot",
        "GIT_COMMITTER_EMAIL": "bot@test.example",
        "GIT_COMMITTER_DATE": "1700000600 +0000",
    }
    subprocess.run(["git", "commit", "--quiet", "-m", "Grüße\n\nbody\n"], cwd=clone, env=env, check=True)
    assert run_git("rev-parse", "HEAD", cwd=clone) == rev


def test_the_same_input_gives_the_same_commit(path: Path) -> None:
    with Repository.open(path) as repo:
        first = write(repo, {"flake.lock": b"new"})
        assert write(repo, {"flake.lock": b"new"}) == first
        assert write(repo, {"flake.lock": b"other"}) != first


def test_a_file_keeps_its_mode(path: Path) -> None:
    with Repository.open(path) as repo:
        rev = write(repo, {"b": b"y", "c": b"z"})
    assert run_git("ls-tree", rev, "b", "c", cwd=path).replace("\t", " ").split()[::4] == ["100755", "100644"]


@pytest.mark.parametrize("file", ["link", "link/flake.lock"])
def test_a_symlink_is_not_written_through(path: Path, file: str) -> None:
    with Repository.open(path) as repo, pytest.raises(GitError) as caught:
        write(repo, {file: b"x"})
    assert caught.value.code == "lock-is-symlink"


@pytest.mark.parametrize(
    "file",
    ["../x", "/x", "a/../x", "", "a//b", ".git/config", "a/.GIT/x", "dev", "b/c", "./x", "a/..", "a/", "a\0b"],
)
def test_a_path_that_climbs_out_or_hits_a_folder_is_refused(path: Path, file: str) -> None:
    before = contents(path)
    with Repository.open(path) as repo, pytest.raises(GitError) as caught:
        write(repo, {file: b"x"})
    assert caught.value.code == "bad-path"
    assert {name for name in contents(path) if name not in before and "objects" not in name} == set()


def make_dirty(path: Path) -> None:
    """Bring a clone into a state that would hurt to lose: stash, staged, unstaged, untracked, half a merge."""
    (path / "flake.lock").write_text("stashed")
    run_git("stash", "--quiet", cwd=path)
    run_git("switch", "--quiet", "-c", "topic", cwd=path)
    (path / "staged").write_text("staged")
    run_git("add", "staged", cwd=path)
    (path / "flake.lock").write_text("unstaged")
    (path / "untracked").write_text("untracked")
    (path / ".git/MERGE_MSG").write_text("half a merge")


def add_hooks(path: Path, trace: Path) -> None:
    """Let every hook that git knows leave a trace and fail."""
    hooks = path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    names = (
        "pre-commit prepare-commit-msg commit-msg post-commit reference-transaction post-checkout post-index-change "
        "pre-push post-rewrite pre-auto-gc update pre-receive post-merge"
    )
    for name in names.split():
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> '{trace}'\nexit 1\n")
        (hooks / name).chmod(0o755)
    run_git("config", "core.fsmonitor", str(hooks / "pre-commit"), cwd=path)


def test_a_dirty_clone_with_hostile_hooks_stays_as_it_is_to_the_byte(path: Path, tmp_path: Path) -> None:
    make_dirty(path)
    add_hooks(path, tmp_path / "trace")
    before = contents(path)
    with Repository.open(path) as repo:
        rev = write(repo, {"flake.lock": b"new"})
        repo.update_ref(UPDATE, rev, old=None, message="flakesync: sync")
        with checkout(repo, rev) as tree:
            assert (tree / "flake.lock").read_text() == "new"
    after = contents(path)
    assert {name for name in before if after.get(name) != before[name]} <= {".git/objects"}
    new = {name for name in after if name not in before and not name.startswith(".git/objects/")}
    assert new - {".git/worktrees"} == {
        ".git/refs/heads/flakesync",
        ".git/refs/heads/flakesync/update",
        ".git/logs/refs/heads/flakesync",
        ".git/logs/refs/heads/flakesync/update",
    }
    assert not (tmp_path / "trace").exists()


def test_moving_a_ref_compares_and_writes_a_reflog(path: Path) -> None:
    with Repository.open(path) as repo:
        one, two = write(repo, {"flake.lock": b"1"}), write(repo, {"flake.lock": b"2"})
        repo.update_ref(UPDATE, one, old=None, message="flakesync: sync 1")
        repo.update_ref(UPDATE, two, old=one, message="flakesync: sync 2")
        assert repo.branch("flakesync/update") == two
        for old in (None, one):
            with pytest.raises(GitError) as caught:
                repo.update_ref(UPDATE, one, old=old, message="no")
            assert caught.value.code == "ref-moved"
            with pytest.raises(GitError) as caught:
                repo.delete_ref(UPDATE, old=one)
            assert caught.value.code == "ref-moved"
        assert run_git("reflog", "show", "--format=%gs", UPDATE, cwd=path).split("\n") == [
            "flakesync: sync 2",
            "flakesync: sync 1",
        ]
        repo.delete_ref(UPDATE, old=two)
        assert repo.branch("flakesync/update") is None
        with pytest.raises(GitError) as caught:
            repo.update_ref(UPDATE, one, old=two, message="no")
        assert caught.value.code == "ref-moved"


def test_a_packed_ref_is_moved_and_deleted_too(path: Path) -> None:
    with Repository.open(path) as repo:
        one, two = write(repo, {"flake.lock": b"1"}), write(repo, {"flake.lock": b"2"})
        repo.update_ref(UPDATE, one, old=None, message="m")
        run_git("pack-refs", "--all", cwd=path)
        repo.update_ref(UPDATE, two, old=one, message="m")
        run_git("pack-refs", "--all", cwd=path)
        assert repo.branch("flakesync/update") == two
        repo.delete_ref(UPDATE, old=two)
        assert repo.branch("flakesync/update") is None


def in_clone(path: Path, _: Path) -> None:
    run_git("switch", "--quiet", "-c", "flakesync/update", cwd=path)


def in_worktree(path: Path, tmp_path: Path) -> None:
    run_git("worktree", "add", "--quiet", "-b", "flakesync/update", str(tmp_path / "tree"), cwd=path)


def in_rebase(path: Path, tmp_path: Path) -> None:
    in_clone(path, tmp_path)
    commit(path, {"flake.lock": "mine"})
    run_git("switch", "--quiet", "-c", "other", "main", cwd=path)
    commit(path, {"flake.lock": "theirs"})
    run_git("switch", "--quiet", "flakesync/update", cwd=path)
    assert subprocess.run(["git", "rebase", "other"], cwd=path, capture_output=True).returncode != 0
    assert "detached" in run_git("status", cwd=path) or "rebase in progress" in run_git("status", cwd=path)


@pytest.mark.parametrize("place", [in_clone, in_worktree, in_rebase])
def test_a_branch_that_someone_is_on_is_not_moved(
    path: Path, tmp_path: Path, place: Callable[[Path, Path], None]
) -> None:
    place(path, tmp_path)
    tip = Rev(run_git("rev-parse", UPDATE, cwd=path))
    with Repository.open(path) as repo:
        rev = write(repo, {"flake.lock": b"1"})
        with pytest.raises(GitError) as caught:
            repo.update_ref(UPDATE, rev, old=tip, message="m")
        assert caught.value.code == "branch-checked-out"
        assert "git -C" in (caught.value.hint or "")
        with pytest.raises(GitError) as caught:
            repo.delete_ref(UPDATE, old=tip)
        assert caught.value.code == "branch-checked-out"
        assert repo.branch("flakesync/update") == tip


def test_a_branch_of_a_worktree_that_is_gone_may_be_moved(path: Path, tmp_path: Path) -> None:
    in_worktree(path, tmp_path)
    shutil.rmtree(tmp_path / "tree")
    with Repository.open(path) as repo:
        rev = write(repo, {"flake.lock": b"1"})
        repo.update_ref(UPDATE, rev, old=repo.branch("flakesync/update"), message="m")
        assert repo.branch("flakesync/update") == rev


def test_the_head_of_a_bare_repository_is_nobodys_checkout(tmp_path: Path) -> None:
    rev = make_bare(tmp_path / "bare", {"flake.lock": "{}"})
    with Repository.open(tmp_path / "bare") as repo:
        assert repo.bare
        new = write(repo, {"flake.lock": b"1"})
        repo.update_ref("refs/heads/main", new, old=rev, message="m")
        assert repo.branch("main") == new


def test_a_branch_in_the_way_and_a_lock_in_the_way_are_named(path: Path) -> None:
    with Repository.open(path) as repo:
        rev = write(repo, {"flake.lock": b"1"})
        repo.update_ref("refs/heads/flakesync", rev, old=None, message="m")
        with pytest.raises(GitError) as caught:
            repo.update_ref(UPDATE, rev, old=None, message="m")
        assert caught.value.code == "ref-conflict"
        (path / ".git/refs/heads/x.lock").touch()
        with pytest.raises(GitError) as caught:
            repo.update_ref("refs/heads/x", rev, old=None, message="m")
        assert caught.value.code == "ref-locked"
        with pytest.raises(GitError) as caught:
            repo.update_ref("refs/heads/a..b", rev, old=None, message="m")
        assert caught.value.code == "bad-ref"


def test_a_full_disk_is_an_error_and_leaves_nothing_half_written(path: Path) -> None:
    before = contents(path)
    code = (
        "import resource, sys, os; from pathlib import Path; from tests.git.test_write import write\n"
        "from flakesync.git.repository import Repository; from flakesync.errors import GitError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: write(Repository.open(Path(sys.argv[1])), {'flake.lock': os.urandom(100_000)})\n"
        "except GitError as error: print(error.code, error)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, env=env)
    assert done.stderr == ""
    assert done.stdout.startswith("git ")
    assert "File too large" in done.stdout
    after = contents(path)
    assert not [name for name in after if name not in before and not after[name][0] & stat.S_IFDIR]
    run_git("fsck", "--strict", cwd=path)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_commit_is_signed_as_configured(path: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text()
    (tmp_path / "allowed").write_text(f"bot@test.example {public}")
    for name, value in (
        ("commit.gpgSign", "true"),
        ("gpg.format", "ssh"),
        ("user.signingKey", str(key)),
        ("gpg.ssh.allowedSignersFile", str(tmp_path / "allowed")),
        ("i18n.commitEncoding", "ISO-8859-1"),
    ):
        run_git("config", name, value, cwd=path)
    with Repository.open(path) as repo:
        rev = write(repo, {"flake.lock": b"new"}, "Grüße\n")
        assert write(repo, {"flake.lock": b"new"}, "Grüße\n") == rev
        assert repo.commit(rev).author == BOT
        assert repo.commit(rev).message == "Grüße\n"
        borrowed = borrow_objects(repo, tmp_path, {"refs/heads/main": repo.branch("main") or Rev("")})
    run_git("verify-commit", rev, cwd=path)
    with Repository.open(borrowed) as repo:
        assert write(repo, {"flake.lock": b"new"}, "Grüße\n") == rev
    key.unlink()
    with Repository.open(path) as repo, pytest.raises(GitError) as caught:
        write(repo, {"flake.lock": b"new"})
    assert caught.value.code == "signing"
    assert caught.value.hint == "commit.gpgSign is set: see user.signingKey and gpg.format"


@pytest.mark.parametrize("value", ["false", "no", "0"])
def test_a_commit_is_not_signed_when_signing_is_off(path: Path, value: str) -> None:
    run_git("config", "commit.gpgSign", value, cwd=path)
    with Repository.open(path) as repo:
        assert "gpgsig" not in run_git("cat-file", "-p", write(repo, {"flake.lock": b"new"}), cwd=path)


def test_a_sha256_repository_is_written_too(tmp_path: Path) -> None:
    run_git("init", "--quiet", "--object-format=sha256", "r", cwd=tmp_path)
    (tmp_path / "r/flake.lock").write_text("{}")
    run_git("add", ".", cwd=tmp_path / "r")
    run_git("commit", "--quiet", "-m", "x", cwd=tmp_path / "r")
    with Repository.open(tmp_path / "r") as repo:
        rev = write(repo, {"flake.lock": b"new"})
        repo.update_ref(UPDATE, rev, old=None, message="m")
        assert repo.read(rev, "flake.lock") == b"new"
        base = Rev(run_git("rev-parse", "HEAD", cwd=tmp_path / "r"))
        assert [commit.rev for commit in repo.history.log(rev, not_in=[base])] == [rev]
        with pytest.raises(GitError) as caught:
            repo.history.log(rev, not_in=[])
        assert caught.value.code == "repository-format"
    run_git("fsck", "--strict", cwd=tmp_path / "r")


def test_the_identity_is_gits_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(role: str = "author") -> tuple[str, str]:
        with Repository.open(path) as repo:
            who = repo.identity("author" if role == "author" else "committer")
        shown = run_git("var", f"GIT_{role.upper()}_IDENT", cwd=path)
        assert shown.startswith(f"{who.name} <{who.email}> ")
        return who.name, who.email

    assert ask() == ("Test Author", "author@test.example")
    run_git("config", "user.name", "Local", cwd=path)
    assert ask() == ("Local", "author@test.example")
    run_git("config", "committer.name", "Com", cwd=path)
    assert (ask()[0], ask("committer")[0]) == ("Local", "Com")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Env")
    assert (ask()[0], ask("committer")[0]) == ("Env", "Com")


def test_no_identity_is_an_error_and_no_guess(path: Path, monkeypatch: pytest.MonkeyPatch, hermetic: Path) -> None:
    (hermetic / ".gitconfig").unlink()
    with Repository.open(path) as repo, pytest.raises(GitError) as caught:
        repo.identity()
    assert caught.value.code == "no-identity"
    monkeypatch.setenv("EMAIL", "e@x")
    run_git("config", "user.name", "N", cwd=path)
    with Repository.open(path) as repo:
        assert repo.identity() == Signature("N", "e@x")


def test_a_borrowed_repository_keeps_its_writes_to_itself(path: Path, tmp_path: Path) -> None:
    run_git("config", "user.name", 'Quote " \\ and # ; more', cwd=path)
    run_git("gc", "--quiet", cwd=path)
    before = contents(path)
    (tmp_path / "tmp").mkdir()
    with Repository.open(path) as repo:
        base = repo.branch("main")
        assert base is not None
        borrowed = borrow_objects(repo, tmp_path / "tmp", {"refs/heads/main": base})
        with Repository.open(borrowed) as dry:
            assert not dry.bare  # Nix copies a bare one into its cache
            assert dry.default_branch() == "main"
            assert dry.read(base, "flake.lock") == b"{}"
            assert dry.identity() == repo.identity()
            rev = write(dry, {"flake.lock": b"new"})
            dry.update_ref(UPDATE, rev, old=None, message="dry")
            assert dry.history.log(rev, not_in=[base])[0].rev == rev
        assert not repo.has(rev)
        assert write(repo, {"flake.lock": b"new"}) == rev
    run_git("fsck", "--strict", cwd=borrowed)
    assert {name for name in before if contents(path).get(name) != before[name]} <= {".git/objects"}


def test_a_remotes_address_is_what_is_configured(path: Path) -> None:
    run_git("remote", "add", "origin", "git@host:o/r", cwd=path)
    run_git("remote", "add", "With.Dots", "x:y", cwd=path)
    with Repository.open(path) as repo:
        assert repo.remote_url() == "git@host:o/r"
        assert repo.remote_url("With.Dots") == "x:y"
        assert repo.remote_url("none") is None


@pytest.mark.parametrize("name", ["served", "a b", "$HOME", "~", "it's", "a:b", "line\nfeed"])
def test_a_remote_that_is_a_folder_is_found_from_the_repositorys_own(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run_git("clone", "-q", "--bare", str(path), str(path.parent / name), cwd=tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/link").symlink_to(path)
    for place in (path, tmp_path / "elsewhere/link"):
        for address in (f"../{name}", str(path.parent / name)):
            run_git("config", "remote.origin.url", address, cwd=path)
            with Repository.open(place) as repo:
                url = repo.remote_url()
                assert url is not None
                assert ls_remote(url, "main") == repo.branch("main")


DAMAGE = [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: bytes(len(data)), lambda data: data[:-3]]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
def test_an_object_that_a_power_cut_has_damaged_is_written_anew(
    path: Path, damage: Callable[[bytes], bytes], kind: str
) -> None:
    with Repository.open(path) as repo:
        rev = write(repo, {"dev/flake.lock": b"new"})
    name = {"commit": rev, "tree": f"{rev}:dev", "blob": f"{rev}:dev/flake.lock"}[kind]
    oid = run_git("rev-parse", name, cwd=path)
    file = path / ".git/objects" / oid[:2] / oid[2:]
    whole = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(damage(whole))
    with Repository.open(path) as repo:
        assert write(repo, {"dev/flake.lock": b"new"}) == rev
    assert file.read_bytes() == whole
    run_git("fsck", "--strict", cwd=path)


def test_a_sound_object_is_left_where_it_is_and_counts_as_new(path: Path) -> None:
    with Repository.open(path) as repo:
        rev = write(repo, {"flake.lock": b"new"})
        file = path / ".git/objects" / rev[:2] / rev[2:]
        os.utime(file, (1_600_000_000, 1_600_000_000))
        before = file.stat()
        assert write(repo, {"flake.lock": b"new"}) == rev
    assert file.stat().st_ino == before.st_ino
    assert file.stat().st_mtime > before.st_mtime


def test_a_damaged_file_of_an_object_that_is_packed_too_does_not_matter(path: Path) -> None:
    run_git("gc", "--quiet", cwd=path)
    oid = run_git("rev-parse", "main:flake.lock", cwd=path)
    file = path / ".git/objects" / oid[:2] / oid[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"")
    with Repository.open(path) as repo:
        assert repo.read(repo.branch("main") or Rev(""), "flake.lock") == b"{}"


@pytest.mark.parametrize(
    ("settings", "objects", "refs"),
    [
        ([], False, False),
        (["core.fsync=none"], False, False),
        (["core.fsync=default"], False, False),
        (["core.fsync=objects"], True, False),
        (["core.fsync=committed"], True, True),
        (["core.fsync=committed,-loose-object"], True, True),
        (["core.fsync=-loose-object, objects"], True, False),
        (["core.fsync=-reference"], False, False),
        (["core.fsync=loose"], True, False),
        (["core.fsync=reference"], False, True),
        (["core.fsync=all"], True, True),
        (["core.fsync=unheard-of"], False, False),
        (["core.fsyncObjectFiles=true"], True, False),
        (["core.fsyncObjectFiles"], True, False),
    ],
)
def test_what_git_would_wait_for_is_on_the_disk_before_the_branch_moves(
    path: Path, hermetic: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str], objects: bool, refs: bool
) -> None:
    run_git("config", "--global", "--unset", "core.fsync", cwd=hermetic)
    with (path / ".git/config").open("a") as config:
        config.writelines(f"[core]\n\t{each.removeprefix('core.').replace('=', ' = ')}\n" for each in settings)
    done: list[str] = []
    sync, rename = os.fsync, os.rename

    def note_sync(handle: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    def note_rename(old: str, new: str) -> None:
        done.append(f"{old} -> {new}")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "rename", note_rename)
    with Repository.open(path) as repo:
        rev = write(repo, {"flake.lock": b"new"})
        repo.update_ref(UPDATE, rev, old=None, message="m")
    (moved,) = (number for number, each in enumerate(done) if each.endswith(f"-> {path}/.git/{UPDATE}"))
    before, after = done[:moved], done[moved + 1 :]
    for oid in (rev, *(run_git("rev-parse", f"{rev}{of}", cwd=path) for of in ("^{tree}", ":flake.lock"))):
        folder = f"{path}/.git/objects/{oid[:2]}"
        named = next(number for number, each in enumerate(before) if each.endswith(f"-> {folder}/{oid[2:]}"))
        assert any(each.startswith(f"{folder}/tmp_obj_") and "->" not in each for each in before[:named]) == objects
        assert (folder in before[named:]) == objects
        assert (f"{path}/.git/objects" in before[named:]) == objects
    assert any(each.startswith(f"{path}/.git/objects/tmp_obj_") and "->" not in each for each in before) == refs
    assert (f"{path}/.git/refs/heads/flakesync" in after) == refs
    assert syncs_of_git(path, hermetic, "hash-object", "-w", "f") == objects
    assert syncs_of_git(path, hermetic, "update-ref", "refs/heads/gits", rev) == refs


def syncs_of_git(path: Path, hermetic: Path, *argv: str) -> bool:
    """Tell whether a command of git waits for the disk."""
    (path / "f").write_text("new to git")
    env = {**os.environ, "GIT_TRACE2_EVENT": str(hermetic / "trace")}
    (hermetic / "trace").unlink(missing_ok=True)
    subprocess.run(["git", *argv], cwd=path, env=env, check=True, capture_output=True)
    return '"fsync/hardware-flush"' in (hermetic / "trace").read_text()
