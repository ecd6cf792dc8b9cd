"""git's settings, as git says them, though git is hardly asked."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flakesync.git import process
from flakesync.git.remotes.of_clone import read_remotes
from flakesync.git.repository import Repository
from flakesync.git.store import config
from flakesync.git.store.objects import ObjectReader
from tests.support.repos import make_repo, run_git


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_repo(tmp_path / "r", {"flake.lock": "{}"})
    return tmp_path / "r"


def gits(path: Path) -> dict[str, str]:
    """Return what git itself says: the last value of each key."""
    found: dict[str, str] = {}
    for entry in run_git("config", "--null", "--list", cwd=path).split("\0"):
        key, newline, value = entry.partition("\n")
        if key:
            found[key] = value if newline else "true"
    return found


def ours(path: Path) -> dict[str, str]:
    """Return what flakesync reads, without what it tells git itself."""
    with Repository.open(path) as repo:
        own = {"core.hookspath", "core.fsmonitor", "safe.barerepository"}
        return {key: value for key, value in repo.config.items() if key not in own}


LINES = st.sampled_from([
    "[user]", "[User]", '[remote "With.Dots"]', '[remote "x y"]', "[a.B]", "[core]", "; c", "# c", "",
    "[commit] gpgSign",
    "name = x", "NAME = y z", '  url = "a # b" ; c', "flag", "empty =", "bare = false", "v = a\\\n  b", "t = a\tb",
    'q = \\"',
    "bad_key = x", "u = é", "autocrlf = input", "\turl = https://x.example/b.git",
    "\tfetch = +refs/heads/*:refs/r/o/*",
    "w = a  b", "\tz = c:\\\\d", "[include]",
])  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(lines=st.lists(LINES, max_size=12))
def test_a_repositorys_own_settings_are_what_git_says(path: Path, lines: list[str]) -> None:
    (path / ".git/config").write_text("\n".join(["[core]", "repositoryformatversion = 0", *lines, ""]))
    argv = ["config", "--null", "--list"]
    if process.git(argv, cwd=path, check=False).status == 0:
        assert ours(path) == gits(path)


def test_the_environment_wins_over_the_repository_and_that_over_the_user(
    path: Path, hermetic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_git("config", "--global", "user.name", "User", cwd=path)
    assert ours(path)["user.name"] == "User"
    run_git("config", "user.name", "Own", cwd=path)
    assert ours(path)["user.name"] == "Own"
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Env")
    assert ours(path)["user.name"] == "Env"
    assert ours(path) == gits(path)


@pytest.mark.parametrize("where", ["--global", "--local"])
@pytest.mark.parametrize("kind", ["include.path", "includeIf.gitdir:**/r/.path"])
def test_files_that_are_included_count(path: Path, tmp_path: Path, where: str, kind: str) -> None:
    (tmp_path / "more").write_text("[user]\n\tname = Included\n")
    run_git("config", where, kind, str(tmp_path / "more"), cwd=path)
    assert ours(path)["user.name"] == "Included"
    assert ours(path) == gits(path)


def test_the_settings_of_a_worktree_count(path: Path, tmp_path: Path) -> None:
    run_git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"), cwd=path)
    run_git("config", "extensions.worktreeConfig", "true", cwd=path)
    run_git("config", "--worktree", "user.name", "There", cwd=tmp_path / "tree")
    assert ours(tmp_path / "tree")["user.name"] == "There"
    assert ours(path) == gits(path)


def test_git_is_asked_once_for_many_repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    real = process.git

    def spy(argv: list[str], **options: object) -> process.Answer:
        asked.append(argv)
        return real(argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "git", spy)
    for number in range(5):
        make_repo(tmp_path / f"r{number}", {"flake.lock": "{}"})
        assert ours(tmp_path / f"r{number}")["core.bare"] == "false"
    assert len(asked) <= 1


def test_of_a_clone_without_a_remote_git_is_asked_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "read_shared_settings", lambda: pytest.fail("git is asked"))
    assert read_remotes(ObjectReader.open(path)) == ()
