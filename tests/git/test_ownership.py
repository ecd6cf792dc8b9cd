"""Repositories of other users: refused where git refuses them, before anything is read or written."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git import process
from flakesync.git.remotes.mirror import mirror
from flakesync.git.store.objects import ObjectReader
from tests.support.forked import flakesync
from tests.support.repos import make_bare, make_repo, run_git

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

SOMEBODY = 12345


def clone(place: Path) -> Path:
    make_repo(place / "r", {"flake.lock": "{}"})
    return place / "r"


def bare(place: Path) -> Path:
    make_bare(place / "r", {"flake.lock": "{}"})
    return place / "r"


def worktree(place: Path) -> Path:
    make_repo(place / "main", {"flake.lock": "{}"})
    run_git("worktree", "add", "--quiet", "--detach", str(place / "r"), cwd=place / "main")
    return place / "r"


def give_away(*places: Path) -> None:
    for place in places:
        os.chown(place, SOMEBODY, SOMEBODY, follow_symlinks=False)


def git_uses(path: Path) -> bool:
    return subprocess.run(["git", "rev-parse", "--git-dir"], cwd=path, capture_output=True).returncode == 0


def we_use(path: Path) -> bool:
    codes = []
    try:
        ObjectReader.open(path)
    except GitError as error:
        codes.append(error.code)
    assert codes in ([], ["dubious-ownership"])
    return not codes


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (clone, ()),
        (clone, ("r",)),
        (clone, ("r/.git",)),
        (clone, ("r/.git/objects", "r/.git/config")),
        (bare, ("r",)),
        (worktree, ("r",)),
        (worktree, ("r/.git",)),
        (worktree, ("main/.git/worktrees/r",)),
        (worktree, ("main", "main/.git")),
    ],
)
def test_what_git_refuses_is_refused_and_nothing_else(
    tmp_path: Path, make: Callable[[Path], Path], given: tuple[str, ...]
) -> None:
    path = make(tmp_path)
    give_away(*(tmp_path / each for each in given))
    assert we_use(path) == git_uses(path)


@pytest.mark.parametrize(
    "values",
    [
        ["*"],
        ["*", ""],
        ["", "*"],
        ["/elsewhere", "*"],
        ["{path}"],
        ["{path}", ""],
        ["{path}/"],
        ["{parent}/*"],
        ["{parent}"],
        ["{link}"],
        ["~/r"],
    ],
)
@pytest.mark.parametrize("at", ["r", "link"])
def test_exceptions_are_those_of_the_git_that_is_there(
    tmp_path: Path, hermetic: Path, values: list[str], at: str
) -> None:
    path = clone(tmp_path)
    (tmp_path / "link").symlink_to(path)
    give_away(path, path / ".git")
    for value in values:
        text = value.format(path=path, parent=tmp_path, link=tmp_path / "link")
        run_git("config", "--global", "--add", "safe.directory", text, cwd=hermetic)
    assert we_use(tmp_path / at) == git_uses(tmp_path / at)


def test_a_repository_cannot_make_itself_an_exception_and_the_environment_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clone(tmp_path)
    run_git("config", "safe.directory", "*", cwd=path)
    give_away(path)
    assert not we_use(path)
    for name, value in (("COUNT", "1"), ("KEY_0", "safe.directory"), ("VALUE_0", "*")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    assert we_use(path)
    assert git_uses(path)


@pytest.mark.parametrize("user", [str(SOMEBODY), "1", "", "no number", f" {SOMEBODY}"])
def test_root_by_sudo_uses_what_its_user_owns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    path = clone(tmp_path)
    give_away(path, path / ".git")
    monkeypatch.setenv("SUDO_UID", user)
    assert we_use(path) == git_uses(path) == (user.strip() == str(SOMEBODY))


def test_git_is_not_started_for_a_repository_of_ones_own(tmp_path: Path, started: list[str]) -> None:
    for make in (clone, bare, worktree):
        (tmp_path / make.__name__).mkdir()
        ObjectReader.open(make(tmp_path / make.__name__))
    assert started == []


@pytest.mark.parametrize("plain", [True, False])
def test_where_every_folder_is_an_exception_git_is_asked_once_at_most(
    tmp_path: Path, hermetic: Path, started: list[str], plain: bool
) -> None:
    run_git("config", "--global", "safe.directory", "*", cwd=hermetic)
    if not plain:  # what git has not written itself is git's to read
        run_git("config", "--global", "include.path", str(hermetic / "more"), cwd=hermetic)
    for number in range(4):
        (tmp_path / str(number)).mkdir()
        give_away(path := clone(tmp_path / str(number)))
        ObjectReader.open(path)
    assert started == ([] if plain else ["config"])


@pytest.mark.parametrize("name", ["r", "it's; a $HOME", "-r"])
def test_the_hint_is_a_command_that_helps(tmp_path: Path, name: str) -> None:
    clone(tmp_path).rename(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / name)
    give_away(tmp_path / name)
    with pytest.raises(GitError) as caught:
        ObjectReader.open(tmp_path / "link")
    assert str(tmp_path / "link") in caught.value.message
    command = str(caught.value.hint).partition(": ")[2]
    assert command == f"git config --global --add safe.directory {shlex.quote(str(tmp_path / name))}"
    subprocess.run(command, shell=True, check=True)
    ObjectReader.open(tmp_path / "link")


def test_a_mirror_that_somebody_else_owns_is_not_used(tmp_path: Path) -> None:
    remote = bare(tmp_path)
    give_away(mirror(str(remote), tmp_path / "cache", offline=False))
    for offline in (False, True):
        with pytest.raises(GitError) as caught:
            mirror(str(remote), tmp_path / "cache", offline=offline)
        assert caught.value.code == "dubious-ownership"


def test_what_git_itself_refuses_has_the_same_code_and_advice(tmp_path: Path) -> None:
    path = clone(tmp_path)
    give_away(path)
    with pytest.raises(GitError) as caught:
        process.git(["status"], cwd=path)
    assert caught.value.code == "dubious-ownership"
    assert caught.value.hint == f"if you trust it: git config --global --add safe.directory {path}"


COMMANDS = ["graph", "drift", "drift --json", "drift --offline", "drift --at update", "plan", "inputs", "sync"]
COMMANDS += ["sync --dry-run", "publish", "status", "abandon"]
URL = "url = 'git+file:///nowhere/lib'\n"


# Where there is a url, land reads its server alone: it does not use the clone at all.
EVERY_COMMAND = [*((each, url) for each in COMMANDS for url in ("", URL)), ("land", "")]


def workspace(root: Path, *, others: int, url: str = "") -> Path:
    """Make a workspace with `lib`, which somebody else owns, and others; return the clone of lib."""
    path = clone(root)
    run_git("remote", "add", "origin", "file:///nowhere/lib", cwd=path)
    manifest = f"[repos.lib]\npath = {str(path)!r}\n{url}"
    for number in range(others):
        make_repo(root / f"r{number}", {"flake.lock": '{"nodes":{"root":{}},"root":"root","version":7}'})
        manifest += f"[repos.r{number}]\npath = 'r{number}'\n"
    (root / "workspace.toml").write_text(manifest)
    give_away(path, path / ".git")
    return path


def files(path: Path) -> list[tuple[Path, int]]:
    return sorted((file, file.lstat().st_mtime_ns) for file in path.rglob("*"))


@pytest.mark.parametrize(("command", "url"), EVERY_COMMAND)
def test_every_command_refuses_it_alone_and_writes_nothing(tmp_path: Path, command: str, url: str) -> None:
    path = workspace(tmp_path, others=1, url=url)
    before = files(path)
    done = flakesync(*command.split(), cwd=tmp_path, env=os.environ)
    assert done.returncode == 1
    told = " ".join((done.stdout + done.stderr).split())  # long lines are folded
    assert f"{path}: another user owns it" in told
    assert f"git config --global --add safe.directory {path}" in told
    assert files(path) == before


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in ("publish", "status", "abandon")])
def test_where_all_are_somebody_elses_it_is_one_error(tmp_path: Path, command: str) -> None:
    path = workspace(tmp_path, others=0)
    before = files(path)
    done = flakesync(*command.split(), cwd=tmp_path, env=os.environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error[dubious-ownership]: {path}: another user owns it" in done.stderr
    assert f"git config --global --add safe.directory {path}" in done.stderr
    assert files(path) == before


def test_init_leaves_it_out_and_says_why(tmp_path: Path) -> None:
    for name in ("lib", "app"):
        make_repo(tmp_path / name, {"flake.nix": "{ outputs = _: { }; }", "flake.lock": "{}"})
    give_away(tmp_path / "lib/.git")
    done = flakesync("init", ".", cwd=tmp_path, env=os.environ)
    assert done.returncode == 0
    text = (tmp_path / "workspace.toml").read_text()
    assert "[repos.app]" in text
    assert "[repos.lib]" not in text
    assert f"git config --global --add safe.directory {tmp_path}/lib" in done.stdout + done.stderr + text
