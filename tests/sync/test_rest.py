"""A workspace comes to rest: nights of sync, publish and land after which nothing is made any more."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import pygit2
import pytest

from flakesync.cache.layout import cache_dir
from flakesync.terms import Rev
from tests.support.landing import Landing
from tests.support.nixspace import Space, Take, drift_of, read, run_sync

FOLLOWED = Take(follows={"nixpkgs": "nixpkgs"})


def tips(space: Space) -> dict[str, Rev]:
    return {name: space.tip(name) for name in space.names}


def refs(landing: Landing) -> dict[str, str]:
    """Return every ref of every repo and of every mirror."""
    found: dict[str, str] = {}
    places = [landing.space.path(name) for name in landing.space.names]
    for place in (*places, *(cache_dir() / "mirrors").glob("*/")):
        repo = pygit2.Repository(str(place))
        found |= {f"{place} {name}": str(repo.references[name].target) for name in repo.references}
        repo.free()
    assert len({key.partition(" ")[0] for key in found}) == 2 * len(places)
    return found


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
    """Look that nights with nothing new make nothing, and that drift finds nothing but these kinds.

    nights: how many at most; none is needed after one that leaves all refs as the one before, as it would be the same.
    """
    before = None
    for _ in range(nights):
        assert night(landing) == []
        now = refs(landing)
        if now == before:
            break
        before = now
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


def unfollowed_ring(space: Space) -> Space:
    """Add three repos around, of which one does not share its nixpkgs."""
    space.add("a").add("b", {"nixpkgs": Take(), "a": FOLLOWED}).add("c", {"nixpkgs": Take(), "b": Take()})
    space.lock("a", {".": {"nixpkgs": Take(), "c": FOLLOWED}})
    return space


def ring_by_a_source(space: Space) -> Space:
    """Add three repos around, one of them taken as files alone."""
    space.add("a").add("b", {"nixpkgs": Take(), "a": Take(flake=False)})
    space.add("c", {"nixpkgs": Take(), "b": Take(flake=False)})
    space.lock("a", {".": {"nixpkgs": Take(), "c": Take(flake=False)}})
    return space


def example(space: Space, take: Take) -> Space:
    """Add a repo whose second flake takes the repo by its address."""
    space.add("hello", {"nixpkgs": Take()}, example={"nixpkgs": Take()})
    space.lock("hello", {".": {"nixpkgs": Take()}, "example": {"nixpkgs": Take(), "hello": take}})
    return space


def example_and_app(space: Space) -> Space:
    """Add such a repo, and one that takes both of its flakes and is taken by the second."""
    space.add("hello", {"nixpkgs": Take()}, example={"nixpkgs": Take(), "hello": Take()})
    both = {"hello": FOLLOWED, "demo": Take("hello", dir="example")}
    space.add("app", {"nixpkgs": Take(), **both})
    space.lock("hello", {".": {"nixpkgs": Take()}, "example": {"nixpkgs": Take(), "hello": Take(), "app": Take()}})
    return space


def two_flakes_across(space: Space, take: Take) -> Space:
    """Add two repos of two flakes each: the first of one takes the second of the other."""
    space.add("a", {"nixpkgs": Take()}, sub={"nixpkgs": Take()})
    lib = dataclasses.replace(take, dir="sub")
    space.add("b", {"nixpkgs": Take(), "a": lib}, sub={"nixpkgs": Take()})
    space.lock("a", {".": {"nixpkgs": Take(), "b": lib}, "sub": {"nixpkgs": Take()}})
    return space


def twice_across(space: Space) -> Space:
    """Add two repos of which both flakes of one take the other, which takes both of these."""
    space.add("a", {"nixpkgs": Take()}, sub={"nixpkgs": Take()})
    space.add("b", {"nixpkgs": Take(), "a": FOLLOWED, "part": Take("a", dir="sub")})
    space.lock("a", {".": {"nixpkgs": Take(), "b": FOLLOWED}, "sub": {"nixpkgs": Take(), "b": Take()}})
    return space


def through(space: Space) -> Space:
    """Add a cycle whose nixpkgs are those of a repo of pins, and a repo that takes all."""
    space.add("pins")
    shared: dict[str, Take | str] = {"pins": Take(), "nixpkgs": "pins/nixpkgs"}
    one = Take(follows={"nixpkgs": "pins/nixpkgs", "pins": "pins"})
    space.add("agent", shared).add("effects", {**shared, "agent": one})
    space.lock("agent", {".": {**shared, "effects": one}})
    space.add("all", {**shared, "agent": one, "effects": one})
    return space


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
MORE: Mapping[str, Callable[[Space], Space]] = {
    "unfollowed ring": unfollowed_ring,
    "ring by a source": ring_by_a_source,
    "example": lambda space: example(space, Take()),
    "followed example": lambda space: example(space, FOLLOWED),
    "example by a source": lambda space: example(space, Take(flake=False)),
    "example and app": example_and_app,
    "across": lambda space: two_flakes_across(space, Take()),
    "followed across": lambda space: two_flakes_across(space, FOLLOWED),
    "across by a source": lambda space: two_flakes_across(space, Take(flake=False)),
    "twice across": twice_across,
    "through pins": through,
}
NIGHTS = [(shape, "content") for shape in SHAPES] + [("cycle", "always"), ("ring", "always"), ("self", "always")]
SLOW_NIGHTS = [(shape, "always") for shape in SHAPES if (shape, "always") not in NIGHTS]
SLOW_NIGHTS += [*((shape, "content") for shape in MORE), ("unfollowed ring", "always"), ("example and app", "always")]


@pytest.mark.parametrize(
    ("shape", "propagate"), [*NIGHTS, *(pytest.param(*night, marks=pytest.mark.slow) for night in SLOW_NIGHTS)]
)
def test_after_a_night_with_nothing_new_nothing_is_made(tmp_path: Path, shape: str, propagate: str) -> None:
    landing = Landing({**SHAPES, **MORE}[shape](Space(tmp_path)), settings={"propagate": propagate})
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
