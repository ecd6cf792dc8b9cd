"""What a forge would serve for a commit: `git archive` with its own attributes and nothing of this machine's."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.repository import Repository
from flakesync.git.scratch.alternates import borrow_objects
from flakesync.git.scratch.archive import archive
from flakesync.terms import Rev
from tests.support import gitusers
from tests.support.repos import clone_bare, make_repo, run_git

FILES: dict[str, str | bytes | None] = {
    "flake.nix": "{ }\n",
    "tests/a": "a\n",
    "version": "$Format:%H %an %ct$\n",
    "win.bat": "echo\n",
    "id": "$Id$\n",
    "link": "link:version",
    "run": "exec:#!/bin/sh\n",
}
ATTRIBUTES = "tests export-ignore\nversion export-subst\n*.bat eol=crlf\nid ident\n"


def unpacked(data: bytes) -> dict[str, tuple[int, str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {
            member.name.partition("/")[2]: (
                member.mode & 0o100,
                member.linkname,
                tar.extractfile(member).read() if member.isfile() else b"",  # type: ignore[union-attr]
            )
            for member in tar
        }


def ours(path: Path, rev: Rev) -> dict[str, tuple[int, str, bytes]]:
    return unpacked(b"".join(archive(path, rev)))


def gits(path: Path, rev: Rev) -> dict[str, tuple[int, str, bytes]]:
    argv = ["git", "archive", "--prefix=x/", rev]
    return unpacked(subprocess.run(argv, cwd=path, check=True, capture_output=True).stdout)


def test_attributes_are_applied_as_a_forge_does(tmp_path: Path) -> None:
    rev = make_repo(tmp_path / "repo", FILES | {".gitattributes": ATTRIBUTES}, checkout=False)
    found = ours(tmp_path / "repo", rev)
    assert found == gits(clone_bare(tmp_path / "repo", tmp_path / "forge"), rev)
    assert found["version"][2] == f"{rev} Test Author 1700000000\n".encode()
    assert "tests/a" not in found
    assert found["win.bat"][2] == b"echo\r\n"
    assert found["run"][0]
    assert found["link"][1] == "version"


def test_settings_of_this_machine_change_nothing(tmp_path: Path, hermetic: Path) -> None:
    repo = tmp_path / "repo"
    rev = make_repo(repo, FILES, checkout=False)
    before = ours(repo, rev)
    (repo / ".git/info/attributes").write_text("flake.nix export-ignore\n")
    (hermetic / ".config/git").mkdir(parents=True)
    (hermetic / ".config/git/attributes").write_text("* eol=crlf filter=shout\n")
    for key, value in {"core.autocrlf": "true", "filter.shout.smudge": "tr a-z A-Z", "tar.umask": "0777"}.items():
        run_git("config", "--global", key, value, cwd=repo)
        run_git("config", key, value, cwd=repo)
    assert gits(repo, rev) != before
    assert ours(repo, rev) == before


@pytest.mark.parametrize("user", gitusers.CONVERSIONS)
def test_what_the_user_converts_changes_nothing(tmp_path: Path, hermetic: Path, user: str) -> None:
    rev = make_repo(tmp_path / "repo", gitusers.FILES, checkout=False)
    before = ours(tmp_path / "repo", rev)
    gitusers.become(hermetic, user)
    assert ours(tmp_path / "repo", rev) == before


def test_what_another_git_hands_over_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rev = make_repo(tmp_path / "repo", gitusers.FILES, checkout=False)
    before = ours(tmp_path / "repo", rev)
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.autocrlf'='true' 'tar.umask'='0777'")
    assert ours(tmp_path / "repo", rev) == before


_PRINT = """
import sys
from pathlib import Path
from flakesync.git.scratch.archive import archive
from flakesync.git.scratch.worktree import checkout
from flakesync.git.repository import Repository
path, rev = Path(sys.argv[1]), sys.argv[2]
with Repository.open(path) as repo, checkout(repo, rev) as tree:
    sys.stdout.buffer.write((tree / "lf.txt").read_bytes() + b"".join(archive(path, rev)))
"""


def test_the_machines_own_attributes_change_nothing(tmp_path: Path) -> None:
    rev = make_repo(tmp_path / "repo", gitusers.FILES, checkout=False)
    etc = tmp_path / "etc"
    etc.mkdir()
    for name in ("passwd", "ld.so.cache"):
        if Path("/etc", name).exists():
            shutil.copy(Path("/etc", name), etc / name)
    if Path("/etc/ssl/certs").is_dir():  # libgit2 looks for it
        shutil.copytree("/etc/ssl", etc / "ssl", symlinks=True, ignore=shutil.ignore_patterns("private"))
    argv = [sys.executable, "-c", _PRINT, str(tmp_path / "repo"), rev]
    inside = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(etc)]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no folder can be mounted here")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    before = subprocess.run([*inside, *argv], env=env, capture_output=True, check=True).stdout
    (etc / "gitattributes").write_text("* text eol=crlf\nlink export-ignore\n")
    assert subprocess.run([*inside, *argv], env=env, stdout=subprocess.PIPE, check=True).stdout == before


@pytest.mark.parametrize("name", ["line\nfeed", '"quoted"', "#", "a b", "$HOME", "\udcff"])
def test_a_repository_is_archived_and_borrowed_from_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    rev = make_repo(tmp_path / name, {"f": "x"}, checkout=False)
    run_git("gc", "-q", cwd=tmp_path / name)  # libgit2 reads packs
    assert ours(tmp_path / name, rev)["f"] == (0, "", b"x")
    with Repository.open(tmp_path / name) as repo:
        borrowed = borrow_objects(repo, tmp_path, {})
    assert borrowed.parent == tmp_path
    with Repository.open(borrowed) as repo:
        assert repo.read(rev, "f") == b"x"
    assert run_git("cat-file", "blob", f"{rev}:f", cwd=borrowed) == "x"


@pytest.mark.parametrize("text", ["%h", "%d", "%D", "%(describe)", "%ad", "%aN", "%ar", "%G?", "%N", "a%nb%p"])
def test_what_differs_from_clone_to_clone_is_refused(tmp_path: Path, text: str) -> None:
    files = {"v": f"$Format:{text}$", "w": "$Format:%H$", ".gitattributes": "v export-subst\n"}
    rev = make_repo(tmp_path, files, checkout=False)
    with pytest.raises(GitError) as caught:
        ours(tmp_path, rev)
    assert caught.value.code == "unstable-archive"


def test_a_format_over_several_lines_is_looked_into(tmp_path: Path) -> None:
    rev = make_repo(tmp_path, {"v": "$Format:%H\n%h$", ".gitattributes": "v export-subst"}, checkout=False)
    with pytest.raises(GitError, match="differs from clone to clone"):
        ours(tmp_path, rev)


def test_text_like_a_format_matters_only_with_the_attribute(tmp_path: Path) -> None:
    rev = make_repo(tmp_path, {"v": "$Format:%h$", "x": "x", ".gitattributes": "x export-ignore"}, checkout=False)
    assert ours(tmp_path, rev)["v"][2] == b"$Format:%h$"


def test_filters_are_refused(tmp_path: Path) -> None:
    rev = make_repo(tmp_path, {"a.bin": "x", ".gitattributes": "*.bin filter=lfs -text"}, checkout=False)
    with pytest.raises(GitError, match=r"\.gitattributes:1: filter=lfs") as caught:
        ours(tmp_path, rev)
    assert caught.value.code == "unstable-archive"


def test_a_sha256_repository_is_archived(tmp_path: Path) -> None:
    run_git("init", "-q", "--object-format=sha256", "-b", "main", ".", cwd=tmp_path)
    (tmp_path / "v").write_text("$Format:%H$")
    (tmp_path / ".gitattributes").write_text("v export-subst")
    run_git("add", ".", cwd=tmp_path)
    run_git("commit", "-qm", "x", cwd=tmp_path)
    rev = Rev(run_git("rev-parse", "HEAD", cwd=tmp_path))
    assert ours(tmp_path, rev)["v"][2] == rev.encode()


def test_a_commit_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    make_repo(tmp_path, FILES, checkout=False)
    with pytest.raises(GitError):
        ours(tmp_path, Rev("1" * 40))


def test_leaving_early_ends_git_and_cleans_up(tmp_path: Path, hermetic: Path) -> None:
    rev = make_repo(tmp_path, {"large": bytes(range(256)) * 40_000, "a": "b"}, checkout=False)
    pieces = archive(tmp_path, rev)
    assert next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert not list((hermetic / "tmp").iterdir())
    assert threading.active_count() == 1
