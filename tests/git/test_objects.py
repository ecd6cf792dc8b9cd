"""Reading refs and objects: every way git stores them gives the same answers."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import GitError
from flakesync.git.store.base import read_base
from flakesync.git.store.objects import ObjectReader
from flakesync.git.values import check_ref_name
from flakesync.terms import Rev
from tests.support.repos import clone_bare, commit, make_bare, make_repo, run_git

FILES = {
    "flake.lock": "{}",
    "flake.nix": "{ }",
    "dev/flake.lock": "[]",
    "a/b/c": "deep",
    "run": "exec:x",
    "l": "link:run",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    make_repo(tmp_path / "repo", FILES)
    return tmp_path / "repo"


def everything(path: Path) -> object:
    base = read_base(
        ObjectReader.open(path),
        None,
        ["flake.lock", "dev/flake.lock", "a/b/c", "run", "l", "a/b", "nothing", "flake.nix/x"],
    )
    reader = ObjectReader.open(path)
    return base, reader.commit(base.rev), reader.entry(base.rev, "run"), reader.has(base.rev)


def test_a_base_is_its_branch_its_rev_and_its_files(repo: Path) -> None:
    base = read_base(ObjectReader.open(repo), None, ["flake.lock", "dev/flake.lock", "none"])
    assert base.branch == "main"
    assert base.rev == base.base_rev == run_git("rev-parse", "HEAD", cwd=repo)
    assert base.files == {"flake.lock": b"{}", "dev/flake.lock": b"[]", "none": None}


def test_the_update_branch_is_read_where_there_is_one(repo: Path) -> None:
    before = read_base(ObjectReader.open(repo), "main", ["flake.lock"], update="flakesync/update")
    update = commit(repo, {"flake.lock": "new"}, branch="flakesync/update", parents=[before.rev])
    after = read_base(ObjectReader.open(repo), "main", ["flake.lock"], update="flakesync/update")
    assert before.rev == before.base_rev == after.base_rev
    assert (after.branch, after.rev, after.files) == ("main", update, {"flake.lock": b"new"})


def test_packed_and_loose_repositories_read_the_same(repo: Path) -> None:
    loose = everything(repo)
    run_git("gc", "--quiet", "--aggressive", "--prune=now", cwd=repo)
    run_git("pack-refs", "--all", cwd=repo)
    assert not (repo / ".git/refs/heads/main").exists()
    assert list((repo / ".git/objects/pack").glob("*.pack"))
    assert everything(repo) == loose


def test_a_loose_ref_wins_over_a_packed_one(repo: Path) -> None:
    run_git("pack-refs", "--all", cwd=repo)
    newer = commit(repo, {"flake.lock": "2"})
    assert ObjectReader.open(repo).branch("main") == newer


def test_alternates_are_followed(repo: Path, tmp_path: Path) -> None:
    run_git("clone", "--quiet", "--shared", str(repo), "shared", cwd=tmp_path)
    assert everything(tmp_path / "shared") == everything(repo)


def test_a_worktree_and_a_submodule_read_their_own_head_and_shared_objects(repo: Path, tmp_path: Path) -> None:
    run_git("worktree", "add", "--quiet", "-b", "topic", str(tmp_path / "tree"), cwd=repo)
    reader = ObjectReader.open(tmp_path / "tree")
    assert reader.symbolic_ref("HEAD") == "refs/heads/topic"
    assert reader.ref("HEAD") == reader.branch("main") == ObjectReader.open(repo).branch("main")
    make_repo(tmp_path / "outer", {"x": "y"})
    run_git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repo), "sub", cwd=tmp_path / "outer")
    assert (tmp_path / "outer/sub/.git").is_file()
    assert everything(tmp_path / "outer/sub") == everything(repo)


def test_a_bare_repository_reads_like_its_clone(repo: Path, tmp_path: Path) -> None:
    reader = ObjectReader.open(clone_bare(repo, tmp_path / "bare.git"))
    assert reader.bare
    assert everything(tmp_path / "bare.git") == everything(repo)


def test_the_default_branch_is_origins_head_then_main_then_master_then_head(tmp_path: Path) -> None:
    make_repo(tmp_path / "a", {"x": "1"}, branch="trunk")
    assert ObjectReader.open(tmp_path / "a").default_branch() == "trunk"
    tip = ObjectReader.open(tmp_path / "a").branch("trunk")
    assert tip is not None
    run_git("branch", "master", cwd=tmp_path / "a")
    assert ObjectReader.open(tmp_path / "a").default_branch() == "master"
    run_git("branch", "main", cwd=tmp_path / "a")
    assert ObjectReader.open(tmp_path / "a").default_branch() == "main"
    run_git("clone", "--quiet", "a", "b", cwd=tmp_path)
    run_git("switch", "--quiet", "-c", "main", cwd=tmp_path / "b")
    assert ObjectReader.open(tmp_path / "b").default_branch() == "trunk"
    make_bare(tmp_path / "c", {"x": "1"}, branch="trunk")
    run_git("branch", "main", "trunk", cwd=tmp_path / "c")
    assert ObjectReader.open(tmp_path / "c").default_branch() == "trunk"


def test_a_branch_falls_back_to_origins(repo: Path, tmp_path: Path) -> None:
    tip = commit(repo, {"x": "y"}, branch="side")
    run_git("clone", "--quiet", "repo", "clone", cwd=tmp_path)
    assert ObjectReader.open(tmp_path / "clone").branch("side") == tip
    assert ObjectReader.open(tmp_path / "clone").branch("nowhere") is None


def test_an_annotated_tag_is_read_as_the_commit_it_names(repo: Path) -> None:
    run_git("tag", "-a", "-m", "one", "v1", cwd=repo)
    run_git("tag", "-a", "-m", "two", "v2", "v1", cwd=repo)
    reader = ObjectReader.open(repo)
    tag = reader.ref("refs/tags/v2")
    assert tag is not None
    assert tag != reader.branch("main")
    assert reader.read(tag, "flake.lock") == b"{}"


def test_symlinks_folders_and_submodules_are_no_files(repo: Path) -> None:
    rev = Rev(run_git("rev-parse", "HEAD", cwd=repo))
    reader = ObjectReader.open(repo)
    assert [reader.read(rev, path) for path in ("l", "a", "l/x", "")] == [None, None, None, None]


def test_sha256_repositories_are_read_loose_and_packed(tmp_path: Path) -> None:
    run_git("init", "--quiet", "--object-format=sha256", "r", cwd=tmp_path)
    (tmp_path / "r/flake.lock").write_text("{}")
    run_git("add", ".", cwd=tmp_path / "r")
    run_git("commit", "--quiet", "-m", "x", cwd=tmp_path / "r")
    loose = read_base(ObjectReader.open(tmp_path / "r"), None, ["flake.lock"])
    assert len(loose.rev) == 64
    assert loose.files == {"flake.lock": b"{}"}
    run_git("gc", "--quiet", cwd=tmp_path / "r")
    assert read_base(ObjectReader.open(tmp_path / "r"), None, ["flake.lock"]) == loose
    assert ObjectReader.open(tmp_path / "r").has(loose.rev)
    with pytest.raises(GitError) as caught:
        ObjectReader.open(tmp_path / "r").raw("0" * 64)
    assert caught.value.code == "missing-object"


def test_a_partial_clone_gets_what_it_left_at_its_remote(repo: Path, tmp_path: Path) -> None:
    run_git("config", "uploadpack.allowFilter", "true", cwd=repo)
    run_git("clone", "--quiet", "--bare", "--filter=blob:none", f"file://{repo}", "part", cwd=tmp_path)
    assert read_base(ObjectReader.open(tmp_path / "part"), None, ["flake.lock"]).files == {"flake.lock": b"{}"}


@pytest.mark.parametrize("broken", [b"", b"not zlib", b"x\x9c\x03", None])
def test_a_corrupt_object_is_an_error_and_no_crash(repo: Path, broken: bytes | None) -> None:
    rev = run_git("rev-parse", "HEAD", cwd=repo)
    for oid in (rev, run_git("rev-parse", "HEAD^{tree}", cwd=repo), run_git("rev-parse", "HEAD:flake.lock", cwd=repo)):
        file = repo / ".git/objects" / oid[:2] / oid[2:]
        kept = file.read_bytes()
        file.chmod(0o644)
        if broken is None:
            file.unlink()
        else:
            file.write_bytes(broken)
        with pytest.raises(GitError) as caught:
            read_base(ObjectReader.open(repo), None, ["flake.lock"])
        assert caught.value.code == ("missing-object" if broken is None else "corrupt")
        assert broken is None or "git fsck" in str(caught.value.hint)
        file.write_bytes(kept)
    assert read_base(ObjectReader.open(repo), None, ["flake.lock"]).files == {"flake.lock": b"{}"}


@given(data=st.binary(max_size=200))
def test_no_bytes_of_a_tree_or_a_commit_crash_the_reader(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    import hashlib
    import zlib

    path = tmp_path_factory.mktemp("odd")
    make_bare(path / "r", {"x": "y"})
    reader = ObjectReader.open(path / "r")
    for kind in (b"tree", b"commit", b"tag"):
        full = b"%s %d\0%s" % (kind, len(data), data)
        oid = hashlib.sha1(full).hexdigest()
        file = path / "r/objects" / oid[:2] / oid[2:]
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(zlib.compress(full))
        for read in (reader.tree, lambda oid: reader.commit(Rev(oid)), lambda oid: reader.read(Rev(oid), "x")):
            with contextlib.suppress(GitError):
                read(oid)
    shutil.rmtree(path)


@pytest.mark.parametrize(
    "text", ["ref: ../../secret\n", "ref: refs/../x\n", "nonsense\n", "\xff\n", "ref: refs/heads/main\n"]
)
def test_a_ref_that_says_nonsense_is_an_error(repo: Path, text: str) -> None:
    (repo / ".git/refs/heads/main").write_text(text)
    with pytest.raises(GitError) as caught:
        ObjectReader.open(repo).branch("main")
    assert caught.value.code in ("corrupt", "bad-ref")


@pytest.mark.parametrize("name", ["../x", "a..b", "-x", "a b", "x.lock", "a/", "/a", "a//b", "a@{1}", "a\nb", "", "a*"])
def test_a_name_that_git_refuses_is_refused(repo: Path, name: str) -> None:
    assert subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, cwd=repo).returncode != 0
    with pytest.raises(GitError) as caught:
        read_base(ObjectReader.open(repo), name, [])
    assert caught.value.code == "bad-ref"


@given(name=st.text(alphabet="aé/.-@{}~^:?*[\\ lock\x7f\n", max_size=12))
def test_what_is_taken_for_a_ref_name_is_one_for_git(name: str) -> None:
    taken = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], capture_output=True).returncode == 0
    try:
        check_ref_name(f"refs/heads/{name}")
    except GitError:
        assert not taken
    else:
        assert taken


def test_what_is_no_repository_says_so(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/.git").write_text("hello")
    (tmp_path / "empty/.git").mkdir(parents=True)
    for path in (tmp_path / "plain", tmp_path / "none", repo / "dev", tmp_path / "odd", tmp_path / "empty"):
        with pytest.raises(GitError) as caught:
            ObjectReader.open(path)
        assert caught.value.code == "not-a-repository"


def test_a_missing_branch_says_so(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(GitError) as caught:
        read_base(ObjectReader.open(repo), "nope", [])
    assert caught.value.code == "no-such-branch"
    run_git("init", "--quiet", "--bare", str(tmp_path / "empty"), cwd=tmp_path)
    with pytest.raises(GitError) as caught:
        read_base(ObjectReader.open(tmp_path / "empty"), None, [])
    assert caught.value.code == "no-commits"


def test_reading_loose_objects_imports_neither_libgit2_nor_gitpython(repo: Path) -> None:
    code = (
        "import sys; before = set(sys.modules); from flakesync.git.store.base import read_base\n"
        "from flakesync.git.store.objects import ObjectReader\n"
        "base = read_base(ObjectReader.open(sys.argv[1]), None, ['flake.lock', 'none/x'])\n"
        "assert not {'pygit2', 'git', 'subprocess', 'tempfile'} & set(sys.modules) - before, sorted(sys.modules)\n"
        "from flakesync.git.repository import Repository\n"
        "repo = Repository.open(sys.argv[1]); repo.commit(base.rev); repo.history.is_ancestor(base.rev, base.rev)\n"
        "repo.history.ahead_behind(base.rev, repo.commit(base.rev).rev); repo.history.count(base.rev)\n"
        "assert not {'pygit2', 'git'} & set(sys.modules), sorted(sys.modules)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, str(repo)], capture_output=True, text=True, env=env)
    assert done.stderr == ""
