"""What landing knows without fetching it: the commits of its repos, and what their locks say of others."""

from pathlib import Path

import pytest

from flakesync.cache.layout import cache_dir
from flakesync.land.server_state import ServerState
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import Rev
from flakesync.workspace.manifest import load_workspace
from tests.support.kept import Kept
from tests.support.landing import Landing
from tests.support.memory_forge import MemoryServers
from tests.support.nixspace import UPDATE_BRANCH, Space


def published(root: Path) -> Landing:
    # Without a lock there is nothing to learn, and nothing to stumble over.
    found = Landing(Space(root).add("lib").add("bare", {}))
    assert found.sync().statuses["lib"] == "updated"
    found.publish()
    return found


@pytest.fixture
def landing(kept: Kept) -> Landing:
    return kept.again("sources", published)


def facts(landing: Landing, name: str, rev: Rev) -> dict[str, object]:
    """Return what a landing that has read every repo notes of a commit, without any server."""
    workspace = load_workspace(landing.file)
    state = ServerState(workspace, cache_dir(), MemoryServers(workspace, landing.forge))
    state.read([repo.name for repo in workspace.repos])
    for each in (name, "nixpkgs"):
        path = landing.space.path(each)
        if path.exists():
            path.rename(landing.space.root / f"{each}-is-down")
    reference = FlakeRef.parse(f"git+{landing.space.url(name)}?ref=main&rev={rev}")
    return dict(state.sources.fetch(reference).locked({}))


@pytest.mark.parametrize("where", ["base", "update"])
def test_what_a_base_or_an_update_branch_locks_is_known(landing: Landing, where: str) -> None:
    rev = landing.tip("lib") if where == "base" else landing.update("lib")
    known = dict(landing.space.locked("lib", "nixpkgs", rev=rev))
    assert facts(landing, "nixpkgs", Rev(str(known["rev"])))["narHash"] == known["narHash"]


def test_a_branch_with_somebodys_commit_takes_nothing_away_from_the_others(landing: Landing) -> None:
    known = dict(landing.space.locked("lib", "nixpkgs", rev=landing.tip("lib")))
    landing.space.commit("lib", {"x": "of a person"}, branch=UPDATE_BRANCH)
    assert facts(landing, "nixpkgs", Rev(str(known["rev"])))["narHash"] == known["narHash"]


def test_what_no_lock_names_is_not_known(landing: Landing) -> None:
    newer = landing.space.commit("nixpkgs", {"three": "3"})
    with pytest.raises(NotNativeError):
        facts(landing, "nixpkgs", newer)


def test_the_commits_of_a_repo_are_found_in_its_mirror(landing: Landing) -> None:
    tip = landing.space.commit("lib", {"new": "1"})
    assert facts(landing, "lib", tip)["rev"] == tip
