"""What was synced with the gate open, or by an older version, is neither published nor landed with it shut."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from flakesync.publish.publish import publish
from flakesync.publish.work import Published
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


def published(landing: Landing) -> Mapping[str, Published]:
    workspace = load_workspace(landing.file)
    servers = MemoryServers(workspace, landing.forge, ())
    graph = read_graph(workspace, at="update")
    results = publish(workspace, graph, select(workspace, (), (), ()), servers)
    return {str(each.repo): each for each in results}


def test_publish_leaves_out_what_the_gate_refuses_and_no_other_repo(space: Space) -> None:
    landing = Landing(space, audit=OPEN)
    assert set(landing.sync().statuses.values()) == {"unchanged", "updated"}
    shut(landing)
    results = published(landing)
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


def test_a_stale_lock_is_judged_as_any_other_by_publish_and_land(space: Space) -> None:
    space.commit("other", {"flake.nix": space.flake_nix({"nixpkgs": Take(), "lib": Take()})})
    landing = Landing(space, audit=OPEN)
    assert landing.sync()["other"].status == "updated"
    shut(landing)
    error = published(landing)["other"].error
    assert (error.code if error is not None else None, landing.update("other")) == ("audit-gate", None)
    space.manifest(mirrored=space.names, audit=OPEN)
    landing.publish()
    base, branch = landing.tip("other"), landing.update("other")
    assert branch is not None
    shut(landing)
    landed = landing.land()
    assert landed.errors == {"app": "audit-gate", "other": "audit-gate", "top": "upstream-failed"}
    assert (landing.tip("other"), landing.update("other")) == (base, branch)
