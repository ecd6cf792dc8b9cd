"""What was synced with the gate open, or by an older version, is neither published nor landed with it shut."""

from pathlib import Path

import pytest

from flakesync.publish.publish import publish
from flakesync.survey.read import read_graph
from flakesync.workspace.manifest import load_workspace, select
from tests.support.landing import Landing
from tests.support.memory_forge import MemoryServers
from tests.support.nixspace import Space, Take
from tests.sync.test_audit_gate import PATHS_ARE_FINE, swapped

OPEN = {"gate": "never"}


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """`app` takes `lib`, which is locked to `evil` in place of `dep` by now; `other` takes nixpkgs, `top` takes app."""
    space = Space(tmp_path / "space")
    space.make("dep", {"flake.nix": "{ outputs = _: { }; }"})
    space.make("evil", {"flake.nix": "{ outputs = _: { }; }"})
    space.add("lib", {"dep": Take()}).add("app", {"nixpkgs": Take(), "lib": Take()}).add("other")
    space.add("top", {"app": Take()})
    space.commit("lib", {"flake.lock": swapped(space, "lib", "dep", "evil")})
    return space


def shut(landing: Landing) -> None:
    landing.space.manifest(mirrored=landing.space.names, audit=PATHS_ARE_FINE)


def test_publish_leaves_out_what_the_gate_refuses_and_no_other_repo(space: Space) -> None:
    landing = Landing(space, audit=OPEN)
    assert set(landing.sync().statuses.values()) == {"unchanged", "updated"}
    shut(landing)
    workspace = load_workspace(landing.file)
    servers = MemoryServers(workspace, landing.forge, ())
    graph = read_graph(workspace, at="update")
    results = {str(each.repo): each for each in publish(workspace, graph, select(workspace, (), (), ()), servers)}
    error = results["app"].error
    assert error is not None
    assert error.code == "audit-gate"
    assert (results["app"].status, results["other"].status) == ("failed", "opened")
    assert landing.update("app") is None
    assert "no new finding at `high` or above" in landing.forge.one("other").body


def test_land_merges_nothing_that_the_gate_refuses_and_goes_on_with_the_others(space: Space) -> None:
    landing = Landing(space, audit=OPEN)
    landing.sync()
    landing.publish()
    assert "Audit" not in landing.forge.one("other").body
    bases = {name: landing.tip(name) for name in space.names}
    branch = landing.update("app")
    shut(landing)
    landed = landing.land()
    assert landed.errors == {"app": "audit-gate", "top": "upstream-failed"}
    assert landed.statuses["other"] == "landed"
    assert {name: landing.tip(name) for name in ("app", "top")} == {name: bases[name] for name in ("app", "top")}
    assert landing.update("app") == branch
