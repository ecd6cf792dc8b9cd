"""Temporary folders go with their block, and those of killed processes with the next run; nobody else's do."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from flakesync.processes import folders
from flakesync.processes.folders import clear_left_behind, temporary_folder
from tests.cli.conftest import environment

MAKES_ONE = """
import sys, time
from pathlib import Path
from flakesync.processes.folders import temporary_folder
with temporary_folder("checkout", along=lambda name: Path(sys.argv[1]) / name) as folder:
    (Path(sys.argv[1]) / folder.name).mkdir()
    (folder / "read-only").mkdir(0o500)
    print(folder, flush=True)
    time.sleep(300)
"""


@pytest.fixture
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder, which is empty."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_a_folder_goes_with_its_block(tmp: Path) -> None:
    with temporary_folder("dry-run") as one, temporary_folder("dry-run") as other:
        assert one != other
        assert one.is_dir()
        assert oct(one.parent.stat().st_mode)[-3:] == "700"
    with contextlib.suppress(ZeroDivisionError), temporary_folder("lock") as third:
        (third / "a/b").mkdir(parents=True)
        (third / "a").chmod(0o500)
        raise ZeroDivisionError
    assert list(tmp.iterdir()) == []


def test_a_killed_process_s_folder_goes_with_the_next_run_and_a_living_one_s_stays(tmp: Path, tmp_path: Path) -> None:
    along = tmp_path / "along"
    along.mkdir()
    (along / "others").mkdir()
    env = environment(TMPDIR=str(tmp))
    with subprocess.Popen([sys.executable, "-c", MAKES_ONE, str(along)], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().decode().strip())
        clear_left_behind()
        assert (folder / "read-only").is_dir()
        assert {path.name for path in along.iterdir()} == {"others", folder.name}
        process.kill()
    clear_left_behind()
    assert list(tmp.iterdir()) == []
    assert [path.name for path in along.iterdir()] == ["others"]


def test_what_only_looks_like_a_folder_of_ours_stays(tmp: Path, tmp_path: Path) -> None:
    names = ["flakesync-demo-abc", "flakesync-checkout-new", "flakesync-other-x", "flakesync-lock-file"]
    for name in names[:3]:
        (tmp / name).mkdir()
    (tmp / names[0] / "lock").touch()
    (tmp / names[3]).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/lock").touch()
    (tmp / "flakesync-lock-link").symlink_to(tmp_path / "elsewhere")
    clear_left_behind()
    assert sorted(path.name for path in tmp.iterdir()) == sorted([*names, "flakesync-lock-link"])
    assert (tmp_path / "elsewhere/lock").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_another_user_has_made_stays(tmp: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    folder = tmp / "flakesync-checkout-theirs"
    folder.mkdir()
    (folder / "lock").write_text(str(tmp_path / "precious"))
    os.chown(folder, 12345, 12345)
    clear_left_behind()
    assert folder.exists()
    assert (tmp_path / "precious").exists()


def test_a_folder_without_a_lock_goes_when_it_is_old(tmp: Path) -> None:
    folder = tmp / "flakesync-dry-run-abc"
    folder.mkdir()
    clear_left_behind()
    assert folder.exists()
    long_ago = time.time() - folders._NO_LOCK_FOR_S - 1
    os.utime(folder, (long_ago, long_ago))
    clear_left_behind()
    assert not folder.exists()


def test_a_folder_that_is_cleared_away_before_it_is_locked_is_made_again(
    tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tempfile.mkdtemp
    made: list[str] = []

    def mkdtemp(prefix: str) -> str:
        made.append(real(prefix=prefix))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    with temporary_folder("build") as folder:
        assert folder.is_relative_to(made[1])


def test_what_goes_along_goes_first_as_the_folder_alone_says_where_it_is(
    tmp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, there = folders._remove_folder, []

    def remove(path: Path) -> None:
        there.append((tmp_path / "along" / path.name.rpartition("-")[2]).exists())
        whole(path)

    monkeypatch.setattr(folders, "_remove_folder", remove)
    with temporary_folder("checkout", along=lambda name: tmp_path / "along" / name) as folder:
        (tmp_path / "along" / folder.name).mkdir(parents=True)
    assert there == [False]
    assert not folder.parent.exists()
