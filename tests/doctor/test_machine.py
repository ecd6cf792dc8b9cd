"""Folders, limits, clocks, and who else works on the workspace: nothing is written to find out."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from flakesync.cache.layout import cache_dir, run_file
from flakesync.doctor.doctor import LOOKS, examine, find_place
from flakesync.documents.doctor import DoctorGroup, DoctorRow
from tests.doctor.asking import one, rows
from tests.support import locks
from tests.support.repos import make_repo, run_git

MIB = 1 << 20

pytestmark = pytest.mark.usefixtures("away")


def look(*groups: DoctorGroup, manifest: Path | None = None) -> Callable[[str], DoctorRow]:
    """Return what is said of some groups, by the beginning of a row's subject."""
    document = examine(find_place(manifest, os.environ), [each for each in LOOKS if each[0] in groups])
    return lambda what: one(document, what)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A workspace of one clone."""
    make_repo(tmp_path / "lib", {"flake.nix": "{ outputs = _: { }; }"})
    file = tmp_path / "workspace.toml"
    file.write_text('[workspace]\nname = "acme"\n\n[repos.lib]\npath = "lib"\n')
    return file


def test_a_cache_that_is_not_there_yet_is_ok_and_stays_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_CACHE", str(tmp_path / "new/cache"))
    assert look("machine")("cache").detail == f"{tmp_path}/new/cache, not made yet"
    assert not (tmp_path / "new").exists()


def test_a_cache_that_is_a_file_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("FLAKESYNC_CACHE", str(tmp_path / "cache"))
    assert look("machine")("cache").how == "fails"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    monkeypatch.setenv("FLAKESYNC_CACHE", str(tmp_path / "cache"))
    assert look("machine")("cache").how == "fails"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_mirror_of_another_user_fails(tmp_path: Path) -> None:
    mirror = cache_dir() / "mirrors/lib-0123"
    mirror.mkdir(parents=True)
    os.chown(mirror, 12345, 12345)
    owner = look("machine")("owner of the cache")
    assert (owner.how, str(mirror) in owner.detail) == ("fails", True)


def test_a_cache_that_others_can_write_to_is_a_warning() -> None:
    cache_dir().mkdir(parents=True)
    cache_dir().chmod(0o777)
    assert look("machine")("rights of the cache").how == "warning"


def test_no_home_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "relative")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert look("machine")("cache").how == "fails"


@pytest.mark.parametrize(
    ("free", "files", "how"), [(50 * MIB, 10**6, "fails"), (500 * MIB, 10**6, "warning"), (9000 * MIB, 10, "fails"),
                               (9000 * MIB, 10**6, "ok")]
)  # fmt: skip
def test_little_room_is_said_before_it_is_none(
    monkeypatch: pytest.MonkeyPatch, free: int, files: int, how: str
) -> None:
    found = SimpleNamespace(f_bavail=free, f_frsize=1, f_files=10**7, f_favail=files, f_flag=0)
    monkeypatch.setattr("flakesync.doctor.disk.os.statvfs", lambda _: found)
    assert look("machine")("room in the cache").how == how


@pytest.mark.parametrize(("name", "how"), [("gone", "fails"), ("file", "fails"), ("folder", "ok")])
def test_tmpdir_has_to_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / name))
    assert look("machine")("temporary files").how == how


def test_a_file_of_the_future_is_a_warning(manifest: Path) -> None:
    assert look("machine", manifest=manifest)("clock of the files").how == "ok"
    ahead = time.time() + 3 * 86_400
    os.utime(manifest, (ahead, ahead))
    clock = look("machine", manifest=manifest)("clock of the files")
    assert (clock.how, clock.detail) == ("warning", f"{manifest} is from the future, by 3 d")


def test_few_open_files_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    files = look("machine")("open files")
    assert (files.how, "ulimit -n" in str(files.hint)) == ("warning", True)


HOLDER = """\
import sys
from pathlib import Path
from flakesync.cache.lock import exclusive
with exclusive(Path(sys.argv[1]), wait=False):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_that_is_going_on_is_named_and_not_disturbed(manifest: Path) -> None:
    assert look("runs", manifest=manifest)("another run").how == "ok"
    lock = run_file(manifest, cache_dir(), "lock")
    argv = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        row = look("runs", manifest=manifest)("another run")
        assert (row.how, row.detail) == ("warning", f"process {holder.pid} holds this workspace")
        holder.communicate("")
    assert look("runs", manifest=manifest)("another run").detail == "none is going on"


def test_a_lock_that_a_dead_git_has_left_is_named(manifest: Path) -> None:
    lock = manifest.parent / "lib/.git/packed-refs.lock"
    lock.write_text("")
    assert look("runs", manifest=manifest)("locks of git").how == "ok"  # a git may be at work
    old = time.time() - 3600
    os.utime(lock, (old, old))
    row = look("runs", manifest=manifest)("locks of git")
    assert (row.how, row.repos) == ("warning", ["lib"])
    assert str(lock) in str(row.hint)


def test_a_shallow_clone_is_named_with_those_that_it_blinds(tmp_path: Path, manifest: Path) -> None:
    make_repo(tmp_path / "old", {"flake.nix": "{ outputs = _: { }; }"})
    run_git("commit", "-q", "--allow-empty", "-m", "more", cwd=tmp_path / "old")
    run_git("clone", "-q", "--depth", "1", f"file://{tmp_path}/old", "up", cwd=tmp_path)
    lock = locks.to_bytes(locks.lock({"up": locks.github("acme", "up")})).decode()
    make_repo(tmp_path / "app", {"flake.nix": "{ outputs = _: { }; }", "flake.lock": lock})
    more = '[repos.up]\npath = "up"\naliases = ["github:acme/up"]\n[repos.app]\npath = "app"\n'
    manifest.write_text(f"{manifest.read_text()}\n{more}")
    row = look("clones", manifest=manifest)("histories")
    assert (row.how, row.repos) == ("warning", ["up"])
    assert row.detail == "the clone is shallow: how far app lag behind is not known"
    assert "--unshallow" in str(row.hint)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_is_the_same_of_many_clones_is_one_row(manifest: Path) -> None:
    for name in ("one", "two"):
        make_repo(manifest.parent / name, {"flake.nix": "{ }"})
        os.chown(manifest.parent / name, 12345, 12345)
        os.chown(manifest.parent / name / ".git", 12345, 12345)
        manifest.write_text(f'{manifest.read_text()}\n[repos.{name}]\npath = "{name}"\n')
    document = examine(find_place(manifest, os.environ), [each for each in LOOKS if each[0] == "clones"])
    foreign = rows(document, "clones")[0]
    assert (foreign.how, foreign.repos) == ("fails", ["one", "two"])
    assert foreign.detail.startswith("FOLDER: another user owns it")
    assert foreign.hint == "if you trust it: git config --global --add safe.directory FOLDER"


def test_an_update_branch_that_is_checked_out_fails(manifest: Path) -> None:
    run_git("switch", "-q", "-c", "flakesync/update", cwd=manifest.parent / "lib")
    row = look("clones", manifest=manifest)("update branch")
    assert (row.how, row.repos) == ("fails", ["lib"])


def test_a_plain_folder_is_a_warning(manifest: Path) -> None:
    (manifest.parent / "docs").mkdir()
    manifest.write_text(f'{manifest.read_text()}\n[repos.docs]\npath = "docs"\n')
    document = examine(find_place(manifest, os.environ), [each for each in LOOKS if each[0] == "clones"])
    assert [(row.how, row.repos) for row in rows(document, "clones")] == [("warning", ["docs"]), ("ok", ["lib"])]
