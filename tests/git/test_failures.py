"""Why git does not run: only where it is missing is the advice to install it."""

import errno
import os
import resource
import shutil
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.failures import not_started, refused
from flakesync.git.process import git
from flakesync.git.repository import Repository
from flakesync.workspace.manifest import load_workspace
from flakesync.workspace.snapshot import read_snapshot
from tests.support.repos import make_repo


def failing(*argv: str, cwd: Path | str = "/") -> GitError:
    with pytest.raises(GitError) as caught:
        git(argv or ["config", "--list"], cwd=cwd)
    return caught.value


def test_a_git_that_may_not_be_run_is_not_to_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (failing().message, failing().hint) == ("there is no git program on PATH", "install git")
    (tmp_path / "git").write_text("#!/bin/sh\n")
    assert failing().message == f"{tmp_path}/git may not be run"
    assert "install" not in (failing().hint or "")


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_CONFIG_COUNT": "abc"},
        {"GIT_CONFIG_COUNT": "-1"},
        {"GIT_CONFIG_COUNT": "1"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "ab", "GIT_CONFIG_VALUE_0": "x"},
        {"GIT_CONFIG_PARAMETERS": "x"},
    ],
)
def test_variables_that_git_cannot_read_fail_every_command_with_one_code(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    monkeypatch.delenv("GIT_CONFIG_COUNT", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(GitError) as caught:
        git(["config", "--get", "user.name"], check=False)  # or it would look as if there were no such setting
    assert caught.value.code == "git-settings"
    assert "command-line config" in caught.value.message or "GIT_CONFIG_COUNT" in caught.value.message
    assert "unset" in (caught.value.hint or "")


def test_a_broken_file_of_the_user_is_named_and_a_broken_one_of_a_repository_is_that_repositorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo(tmp_path / "r", {"x": "1"})
    (tmp_path / "r/.git/config").write_text("[core\n")
    own = failing(cwd=tmp_path / "r")
    assert own.code == "bad-config"
    assert own.message.startswith(f"{tmp_path}/r: bad config line 1 in file .git/config")
    (tmp_path / "broken").write_text("[user\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "broken"))
    error = failing()
    assert (error.code, error.message) == (
        "git-settings",
        f"git cannot run: bad config line 1 in file {tmp_path}/broken",
    )
    assert "install" not in (error.hint or "")


def test_broken_settings_are_one_error_of_the_run_and_not_one_of_each_repo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo(tmp_path / "a", {"flake.nix": "{ }"})
    manifest = tmp_path / "workspace.toml"
    manifest.write_text(f'[workspace]\nname = "x"\n[repos.a]\nurl = "git+file://{tmp_path}/a"\n')
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.delenv("GIT_CONFIG_KEY_0", raising=False)
    with pytest.raises(GitError) as caught:
        read_snapshot(load_workspace(manifest), cache=tmp_path / "cache")
    assert caught.value.code == "git-settings"


def test_what_gitpython_says_of_a_broken_file_has_the_same_code() -> None:
    cause = ValueError()
    cause.stderr = "\n  stderr: 'fatal: bad config line 1 in file /home/u/.gitconfig'"  # type: ignore[attr-defined]
    error = ImportError("Failed to initialize")
    error.__cause__ = cause
    assert not_started(error).message == "git cannot run: bad config line 1 in file /home/u/.gitconfig"


def test_too_many_open_files_are_named_as_such() -> None:
    git(["--version"])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), hard))
    try:
        error = failing("--version")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert error.code == "too-many-files"
    assert "ulimit -n" in (error.hint or "")


def test_what_the_system_refuses_to_our_own_work_is_named_with_its_advice() -> None:
    full = refused("/r: the tree could not be written", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert (full.code, full.message) == ("disk-full", "/r: the tree could not be written: No space left on device")
    assert full.hint is not None
    assert refused("/r", OSError(errno.EIO, os.strerror(errno.EIO))).code == "git"


def test_a_person_whose_name_is_no_utf_8_is_written_as_git_writes_it(tmp_path: Path) -> None:
    make_repo(tmp_path / "r", {"x": "1"})
    (tmp_path / "r/.git/config").write_bytes(b"[user]\n\tname = caf\xe9\n\temail = a@b\n")
    with Repository.open(tmp_path / "r") as repository:
        who = repository.identity()
    assert who is not None
    assert who.encode().startswith(b"caf\xe9 <a@b> ")


def test_inherited_state_that_nothing_can_take_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(["--version"])
    found = shutil.which("git")
    assert found is not None
    (tmp_path / "git").symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    assert failing().code == "no-env"
    monkeypatch.delenv("GIT_DIR")
    assert git(["--version"]).status == 0


def test_a_full_disk_is_named_with_its_folder(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: git dies of it, or says so; a device that is full says so."""
    make_repo(tmp_path / "r", {"x": "1"})
    error = failing("archive", "--output=/dev/full", "main", cwd=tmp_path / "r")
    assert error.code == "disk-full"
    assert f"{tmp_path}/r: " in error.message
    assert "No space left on device" in error.message
