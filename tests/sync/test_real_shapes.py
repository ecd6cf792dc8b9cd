"""Workspaces in the shapes of real organisations come to rest after a night; all names are made up."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from flakesync.analysis.moves import ToUpdate
from flakesync.survey.read import read_graph
from flakesync.terms import RepoName
from flakesync.workspace.manifest import load_workspace
from tests.support.landing import Landing
from tests.support.nixspace import Space, Take, Takes, flake_nix, run_sync
from tests.sync.test_rest import night, rest

DESKTOP: Mapping[str, str] = {
    "lang": "",
    "protocols": "",
    "scanner": "",
    "icons": "",
    "utils": "lang scanner",
    "cursor": "lang icons",
    "wires": "protocols scanner",
    "glue": "lang protocols",
    "paint": "utils lang",
    "input": "utils wires scanner",
    "toolkit": "utils paint lang",
    "sysinfo": "utils toolkit lang",
    "widgets": "toolkit cursor utils lang",
    "compositor": "utils cursor wires glue paint lang protocols scanner input",
    "portal": "compositor protocols scanner utils lang icons wires glue",
    "lock": "utils paint lang protocols scanner",
    "idle": "utils lang protocols scanner",
    "picker": "utils scanner",
    "paper": "utils paint lang protocols scanner",
    "sunset": "utils lang protocols",
    "launcher": "toolkit widgets utils lang",
    "welcome": "toolkit utils",
    "agent": "toolkit utils lang",
    "contrib": "compositor",
    "shot": "compositor portal contrib",
    "tiling": "compositor portal",
    "session": "compositor portal lock idle paper toolkit agent sunset",
}
"""Repo → the repos that it takes: everything that it takes shares its nixpkgs and all else that both take."""


def desktop(space: Space) -> Space:
    """Add these repos; one of them has the nixpkgs of its upstream."""
    space.make("systems", {"flake.nix": flake_nix("")})
    for name, words in DESKTOP.items():
        upstreams = words.split()
        takes: dict[str, Take | str] = {"nixpkgs": Take(), "systems": Take()}
        if name == "tiling":
            takes = {"nixpkgs": "compositor/nixpkgs", "systems": "compositor/systems"}
        for upstream in upstreams:
            shared = {"nixpkgs", "systems"} | (set(DESKTOP[upstream].split()) & set(upstreams))
            own = {} if (name, upstream) == ("tiling", "compositor") else {each: each for each in sorted(shared)}
            takes[upstream] = Take(follows=own)
        space.add(name, takes)
    return space


@pytest.mark.slow
def test_a_desktops_repos_take_what_is_new_in_few_waves_and_rest(tmp_path: Path) -> None:
    landing = Landing(desktop(Space(tmp_path)))
    graph = read_graph(load_workspace(landing.file))
    edges = [edge for edge in graph.edges if edge.follows is None]
    assert (len(DESKTOP), len(edges), len(graph.waves)) == (27, 82, 6)
    assert night(landing) == sorted(DESKTOP)
    rest(landing)
    # One commit in the middle of it all moves those that take it, and those alone.
    landing.space.commit("compositor", {"new.nix": "1"})
    takes_it = {name for name, upstreams in DESKTOP.items() if "compositor" in upstreams.split()}
    assert set(night(landing)) == takes_it
    rest(landing, nights=1)


def test_repos_that_follow_the_pins_of_one_of_them_rest(tmp_path: Path) -> None:
    space = Space(tmp_path).add("pins")
    for number in range(6):
        above = {f"tool{number - 1}": Take(follows={"nixpkgs": "nixpkgs", "pins": "pins"})} if number else {}
        space.add(f"tool{number}", {"pins": Take(), "nixpkgs": "pins/nixpkgs", **above})
    landing = Landing(space)
    assert night(landing) == sorted(space.names)
    rest(landing)


def test_agents_that_take_each_other_and_examples_that_take_themselves_rest(tmp_path: Path) -> None:
    shared = {"nixpkgs": "nixpkgs"}
    space = Space(tmp_path).add("hooks").add("shell", {"nixpkgs": Take(), "hooks": Take(follows=shared)})
    space.add("cache", {"nixpkgs": Take(), "shell": Take(follows=shared)})
    space.lock("shell", {".": {"nixpkgs": Take(), "hooks": Take(follows=shared), "cache": Take(follows=shared)}})
    example = "examples/hello"
    flakes: dict[str, Takes] = {example: {"nixpkgs": Take()}}
    space.add("library", {"nixpkgs": Take()}, files=None, **flakes)
    space.lock("library", {".": {"nixpkgs": Take()}, example: {"library": Take(), "nixpkgs": "library/nixpkgs"}})
    landing = Landing(space)
    assert night(landing) == ["cache", "hooks", "library", "shell"]
    rest(landing, findings=frozenset({"duplicate"}))


@pytest.mark.slow
def test_a_bump_of_what_all_follow_is_one_wave_and_locks_nobodys_update(tmp_path: Path) -> None:
    landing = Landing(desktop(Space(tmp_path)))
    night(landing)
    landing.space.commit("nixpkgs", {"flake.nix": flake_nix("", note="more")}, message="More")
    plan = run_sync(landing.file, locker="native", dry_run=True).plan
    assert len(plan.waves) == 2, "the one that takes its upstream's nixpkgs waits for it"
    taken = [change.to for _, changes in plan.changes() for change in changes if isinstance(change.to, ToUpdate)]
    assert taken == [ToUpdate(RepoName("compositor"))]
