"""A workspace comes to rest: nights of sync, publish and land after which nothing is made any more."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from flakesync.terms import Rev
from tests.support.landing import Landing
from tests.support.nixspace import Space, Take, drift_of, read, run_sync

FOLLOWED = Take(follows={"nixpkgs": "nixpkgs"})


def tips(space: Space) -> dict[str, Rev]:
    return {name: space.tip(name) for name in space.names}


def night(landing: Landing) -> list[str]:
    """Sync, publish and land; return the repos that got a commit."""
    before = tips(landing.space)
    ran = run_sync(landing.file, locker="native")
    assert not ran.errors
    landing.publish()
    landed = landing.land(locker="native", wait=lambda: None)
    assert set(landed.statuses.values()) <= {"landed"}, landed.document
    after = tips(landing.space)
    return sorted(name for name in before if before[name] != after[name])


def rest(landing: Landing, *, nights: int = 4, findings: frozenset[str] = frozenset()) -> None:
    """Look that so many nights with nothing new make nothing, and that drift finds nothing but these kinds."""
    assert [night(landing) for _ in range(nights)] == [[]] * nights
    assert {found.kind for found in drift_of(landing.file, at="base")} <= findings


def cycle(space: Space, one: Take, other: Take) -> Space:
    """Add two repos that take each other."""
    space.add("agent").add("effects", {"nixpkgs": Take(), "agent": one})
    space.lock("agent", {".": {"nixpkgs": Take(), "effects": other}})
    return space


def ring(space: Space) -> Space:
    """Add three repos, each of which takes another, around; nothing is followed, locks are cut at the third step."""
    space.add("a").add("b", {"nixpkgs": Take(), "a": Take()}).add("c", {"nixpkgs": Take(), "b": Take()})
    space.lock("a", {".": {"nixpkgs": Take(), "c": Take()}})
    return space


def itself(space: Space, take: Take) -> Space:
    """Add a repo that takes itself."""
    return space.add("hello", {"nixpkgs": Take(), "hello": take})


SHAPES: Mapping[str, Callable[[Space], Space]] = {
    "followed cycle": lambda space: cycle(space, FOLLOWED, FOLLOWED),
    "cut cycle": lambda space: cycle(space, Take(follows={"nixpkgs": "nixpkgs", "effects": ""}), FOLLOWED),
    "cycle": lambda space: cycle(space, Take(), Take()),
    "cycle with a source": lambda space: cycle(space, Take(), Take(flake=False)),
    "cycle of sources": lambda space: cycle(space, Take(flake=False), Take(flake=False)),
    "ring": ring,
    "self": lambda space: itself(space, Take()),
    "followed self": lambda space: itself(space, FOLLOWED),
    "self as a source": lambda space: itself(space, Take(flake=False)),
}


@pytest.mark.parametrize("propagate", ["content", "always"])
@pytest.mark.parametrize("shape", SHAPES)
def test_after_a_night_with_nothing_new_nothing_is_made(tmp_path: Path, shape: str, propagate: str) -> None:
    landing = Landing(SHAPES[shape](Space(tmp_path)), settings={"propagate": propagate})
    assert night(landing)
    rest(landing, findings=frozenset({"duplicate"}))


def test_real_commits_on_both_sides_of_a_cycle_arrive_in_one_night(tmp_path: Path) -> None:
    space = cycle(Space(tmp_path), FOLLOWED, FOLLOWED)
    landing = Landing(space)
    night(landing)
    real = {name: space.commit(name, {"new.nix": f'"{name}"'}) for name in space.names}
    assert night(landing) == ["agent", "effects"]
    # The edge that runs backwards takes the base commit, the other one what landed on top of it.
    assert landing.base_locked("agent", "effects")["rev"] == real["effects"]
    taken = Rev(str(landing.base_locked("effects", "agent")["rev"]))
    assert read(space.path("agent"), taken, "new.nix") == b'"agent"'
    rest(landing, findings=frozenset({"duplicate"}))
