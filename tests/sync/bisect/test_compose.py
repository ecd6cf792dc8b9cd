"""Composed locks: what Nix would write if only some inputs moved, without asking it."""

import random
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import Nix
from flakesync.sync.bisect.compose import compose
from flakesync.terms import Rev
from tests.support import locks
from tests.support.nix import RealNix
from tests.support.nixspace import Space, Take, Takes

LIBS = 8


class Update:
    """A flake that takes nine others, with follows among them, before and after all of these have moved."""

    def __init__(self, root: Path, seed: int) -> None:
        self.space = Space(root)
        dice = random.Random(seed)
        self.names = ["nixpkgs", *(f"l{number}" for number in range(LIBS))]
        own = {name: self._takes(dice, name) for name in self.names[1:]}
        for name, takes in own.items():
            self.space.add(name, takes)
        self.old: dict[str, Rev] = {"nixpkgs": self.space.first_nixpkgs}
        self.old |= {name: self.space.tip(name) for name in own}
        for name in own:
            # An input comes, another one goes, others only move.
            takes = self._takes(dice, name)
            self.space.lock(name, {".": {**takes, "nixpkgs": Take(at=self.space.tip("nixpkgs"))}})
            self.space.commit(name, {"note": name})
        self.new = {name: self.space.tip(name) for name in self.names}
        self.follows = {name: {inner: inner for inner in own[name] if dice.random() < 0.5} for name in own}

    def _takes(self, dice: random.Random, name: str) -> Takes:
        earlier = self.names[1 : self.names.index(name)]
        return {"nixpkgs": Take()} | {other: Take() for other in earlier if dice.random() < 0.4}

    def takes(self, chosen: Collection[str]) -> Takes:
        """Return what the flake takes when only these have moved."""
        return {
            name: Take(at=(self.new if name in chosen else self.old)[name], follows=self.follows.get(name, {}))
            for name in self.names
        }

    def lock(self, chosen: Collection[str]) -> LockFile:
        """Return the lock of that, by the second implementation of Nix's rules."""
        return LockFile.parse(locks.to_bytes(locks.lock(self.space._lock_inputs(self.takes(chosen)))))

    def compose(self, chosen: Collection[str]) -> LockFile | None:
        moved = [(name,) for name in self.names]
        return compose(self.lock(()), self.lock(self.names), moved, [(name,) for name in chosen])

    def subsets(self, seed: int, number: int) -> list[list[str]]:
        dice = random.Random(seed)
        return [[name for name in self.names if dice.random() < 0.5] for _ in range(number)]


@pytest.mark.parametrize("seed", range(3))
def test_a_composed_lock_is_byte_for_byte_that_of_the_inputs_that_moved(tmp_path: Path, seed: int) -> None:
    update = Update(tmp_path / "acme", seed)
    assert update.compose([]) == update.lock([])
    assert update.compose(update.names) == update.lock(update.names)
    composed = 0
    for chosen in update.subsets(seed, 40):
        found = update.compose(chosen)
        if found is not None:
            composed += 1
            assert found.to_bytes() == update.lock(chosen).to_bytes()
    assert composed == 40


def leaves_alone(nix: Nix, update: Update, folder: Path, number: int) -> None:
    """Claim that Nix takes so many composed locks as they are."""
    flake_nix = update.space.flake_nix(update.takes(update.names))
    for at, chosen in enumerate(update.subsets(at_seed := 11, number)):
        lock = update.compose(chosen)
        assert lock is not None, (at_seed, chosen)
        place = folder / str(at)
        place.mkdir()
        (place / "flake.nix").write_text(flake_nix)
        (place / "flake.lock").write_bytes(lock.to_bytes())
        assert nix.check_lock(place), chosen


@pytest.mark.nix
def test_nix_leaves_composed_locks_as_they_are(tmp_path: Path, nix: RealNix) -> None:
    leaves_alone(Nix.find(nix.env()), Update(tmp_path / "acme", 1), tmp_path, 5)


@pytest.mark.nix
@pytest.mark.slow
def test_nix_leaves_a_hundred_composed_locks_as_they_are(tmp_path: Path, nix: RealNix) -> None:
    for seed in range(4):
        folder = tmp_path / f"of-{seed}"
        folder.mkdir()
        leaves_alone(Nix.find(nix.env()), Update(tmp_path / f"acme-{seed}", seed), folder, 25)


def flat(**inputs: locks.Input) -> LockFile:
    return LockFile.parse(locks.to_bytes(locks.lock(inputs)))


def lib(rev: str, inputs: "Mapping[str, locks.Input | tuple[str, ...]] | None" = None) -> locks.Input:
    return locks.github("acme", "lib", rev=locks.rev_of(rev), inputs=inputs)


def test_a_follows_that_would_lead_to_nothing_is_left_to_nix() -> None:
    helper = locks.github("acme", "helper")
    base = flat(lib=lib("old", {"helper": helper}), tool=locks.github("acme", "tool", inputs={"it": ("lib", "helper")}))
    full = flat(lib=lib("new"), tool=locks.github("acme", "tool", rev=locks.rev_of("new")))
    assert compose(base, full, [("lib",), ("tool",)], [("lib",)]) is None
    found = compose(base, full, [("lib",), ("tool",)], [("tool",)])
    assert found is not None
    assert found.node(("lib", "helper")) is not None


def test_an_input_that_moves_below_another_one_is_left_to_nix_unless_both_move() -> None:
    base = flat(lib=lib("old", {"nixpkgs": locks.github("NixOS", "nixpkgs", rev=locks.rev_of("old"))}), other=lib("a"))
    full = flat(lib=lib("new", {"nixpkgs": locks.github("NixOS", "nixpkgs", rev=locks.rev_of("new"))}), other=lib("b"))
    moved = [("lib",), ("lib", "nixpkgs"), ("other",)]
    assert compose(base, full, moved, [("lib",)]) is None
    both = compose(base, full, moved, [("lib",), ("lib", "nixpkgs")])
    assert both is not None
    assert (
        both.to_bytes()
        == flat(
            lib=lib("new", {"nixpkgs": locks.github("NixOS", "nixpkgs", rev=locks.rev_of("new"))}), other=lib("a")
        ).to_bytes()
    )


def test_an_input_deeper_down_moves_alone() -> None:
    old, new = (locks.github("NixOS", "nixpkgs", rev=locks.rev_of(each)) for each in ("old", "new"))
    base, full = (
        flat(lib=lib("a", {"nixpkgs": old}), other=lib("a")),
        flat(lib=lib("a", {"nixpkgs": new}), other=lib("b")),
    )
    found = compose(base, full, [("lib", "nixpkgs"), ("other",)], [("lib", "nixpkgs")])
    assert found is not None
    assert found.to_bytes() == flat(lib=lib("a", {"nixpkgs": new}), other=lib("a")).to_bytes()
