"""How many git processes `status` starts, counted by a git on PATH that writes down how it was called."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.publish.status import status
from flakesync.survey.read import read_graph
from flakesync.terms import RepoName
from tests.forge.town import BRANCH, Town, make_town
from tests.support import repos
from tests.support.kept import Kept
from tests.support.memory_forge import MemoryServers

NAMES = [f"r{number}" for number in range(60)]
CHAIN: dict[str, tuple[str, ...]] = {"lib": (), "app": ("lib",), "site": ("app", "lib")}


class Git:
    """The real git, called by way of a script that keeps a line a call."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "calls"
        script = folder / "git"
        script.write_text(f'#!/bin/sh\necho "$*" >> "{self._log}"\nexec "{shutil.which("git")}" "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def calls(self, work: Callable[[], object]) -> list[str]:
        """Return how git is called while `work` is done."""
        self._log.write_text("")
        work()
        return self._log.read_text().splitlines()


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    folder = tmp_path / "bin"
    folder.mkdir()
    made = Git(folder)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return made


def look(town: Town, *, offline: bool = False, forge: bool = False) -> list[str]:
    """Do what `flakesync status` does; return the stages."""
    graph = read_graph(town.workspace, at="update", offline=offline)
    servers = MemoryServers(town.workspace, town.forge if forge else None)
    return [each.stage for each in status(town.workspace, graph, town.everything, servers, offline=offline).repos]


def by_path_alone(town: Town) -> None:
    for name in town.names:
        repos.run_git("remote", "remove", "origin", cwd=town.clone(name))
    lines = [f'[repos.{name}]\npath = "repos/{name}"\n' for name in town.names]
    (town.root / "workspace.toml").write_text('[workspace]\nname = "acme"\njobs = 2\n' + "".join(lines))


def sixty(root: Path) -> Town:
    """Return repos whose updates are out, each with its pull request."""
    town = make_town(root, dict.fromkeys(NAMES, ()))
    town.bump_all()
    town.publish()
    return town


def by_url_alone(town: Town) -> None:
    lines = [f'[repos.{name}]\nurl = "git+{town.url(name)}"\n' for name in town.names]
    (town.root / "workspace.toml").write_text('[workspace]\nname = "acme"\njobs = 2\n' + "".join(lines))


@pytest.mark.parametrize("updated", [False, True])
def test_clones_without_a_server_take_no_git_at_all(tmp_path: Path, git: Git, updated: bool) -> None:
    town = make_town(tmp_path / "town", CHAIN)
    if updated:
        town.bump_all()
    by_path_alone(town)
    assert git.calls(lambda: look(town)) == []
    assert look(town) == ["local" if updated else "none"] * 3


@pytest.mark.parametrize("updated", [False, True])
def test_offline_clones_of_servers_take_no_git_at_all(tmp_path: Path, git: Git, updated: bool) -> None:
    town = make_town(tmp_path / "town", CHAIN)
    if updated:
        town.bump_all()
    assert git.calls(lambda: look(town, offline=True)) == []
    assert look(town, offline=True) == ["local" if updated else "none"] * 3


def test_offline_mirrors_take_no_git_at_all(tmp_path: Path, git: Git) -> None:
    town = make_town(tmp_path / "town", CHAIN)
    town.bump_all()
    town.publish()
    by_url_alone(town)
    assert look(town) == ["pushed"] * 3
    assert git.calls(lambda: look(town, offline=True)) == []
    assert look(town, offline=True) == ["pushed"] * 3


@pytest.mark.parametrize("kind", ["clones", "mirrors"])
def test_each_server_is_asked_once_and_hardly_any_git_comes_on_top(kept: Kept, git: Git, kind: str) -> None:
    town = kept.again("sixty", sixty)
    if kind == "mirrors":
        by_url_alone(town)
    look(town, forge=True)
    calls = git.calls(lambda: look(town, forge=True))
    asking = [call for call in calls if "ls-remote" in call]
    assert len(asking) == len(NAMES)
    assert len(calls) - len(asking) <= len(NAMES) / 50


def test_what_has_moved_on_the_server_is_fetched_where_there_is_an_update_and_nowhere_else(
    tmp_path: Path, git: Git
) -> None:
    town = make_town(tmp_path / "town", CHAIN)
    town.bump("lib", nixpkgs=town.bump_all()["lib"])
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.clone("site"))
    for name in ("lib", "site"):
        repos.commit(town.server(name), {"README": "more"}, message="Go on", branch="main")
    calls = git.calls(lambda: look(town))
    assert sum("fetch" in call for call in calls) == 1
    assert look(town) == ["local", "local", "none"]
    assert not any("fetch" in call for call in git.calls(lambda: look(town)))


def test_a_server_that_moves_after_it_was_read_is_seen_at_the_next_run(tmp_path: Path) -> None:
    town = make_town(tmp_path / "town", CHAIN)
    town.bump_all()
    town.publish()
    by_url_alone(town)
    graph = read_graph(town.workspace, at="update")
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.server("lib"))
    servers = MemoryServers(town.workspace, None)
    one = {RepoName("lib")}
    assert [each.stage for each in status(town.workspace, graph, frozenset(one), servers).repos] == ["pushed"]
    assert look(town)[0] == "none"


@pytest.mark.parametrize("kind", ["clones", "mirrors"])
def test_publish_of_an_unchanged_set_asks_each_server_once_too(kept: Kept, git: Git, kind: str) -> None:
    town = kept.again("sixty", sixty)
    if kind == "mirrors":
        by_url_alone(town)
    town.publish()
    calls = git.calls(lambda: town.publish())
    asking = [call for call in calls if "ls-remote" in call]
    assert len(asking) == len(NAMES)
    assert len(calls) - len(asking) <= len(NAMES) / 50
