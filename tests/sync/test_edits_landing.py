"""Edited flake.nix files are landed with their locks; on a base that has moved, the edits are made again on it."""

from pathlib import Path

import pytest

from flakesync.documents.pulls.land import LandDocument
from tests.support.landing import Landing
from tests.support.memory_forge import Way
from tests.support.nixspace import read, run_sync
from tests.support.releases import NEW, OLD, Releases


class Moving:
    """The repos of a release that is moved on, on a forge in memory; `sync` has run and its branches are published."""

    def __init__(self, root: Path, way: Way = "squash") -> None:
        self.releases = Releases(root)
        self.space = space = self.releases.space
        pins = {
            "nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=nixos-{{release}}"},
            "hm": {"source": f"git+{space.url('hm')}?ref=release-{{release}}"},
        }
        self.landing = Landing(space, settings={"release": "26.05", "replaces": ["25.11"]}, pins=pins)
        self.landing.forge.way = way
        ran = run_sync(self.landing.file, locker="native")
        assert ran.statuses == {"lib": "updated", "app": "updated", "cli": "updated"}, ran.errors
        self.landing.publish()

    def land(self, *only: str) -> LandDocument:
        landed = self.landing.land(*only, locker="native")
        assert landed.errors == {}
        return landed.document

    def base(self, name: str, file: str = "flake.nix") -> str:
        return read(self.space.path(name), self.space.tip(name), file).decode()

    def commit(self, name: str, **files: str) -> None:
        self.space.commit(name, {file.replace("_", "."): text for file, text in files.items()})


@pytest.mark.parametrize("way", ["squash", "merge"])
def test_edits_land_in_order_and_the_repos_come_to_rest(tmp_path: Path, way: Way) -> None:
    moving = Moving(tmp_path, way)
    published = {name: moving.landing.update(name) for name in moving.space.names}
    document = moving.land()
    assert [outcome.status for outcome in document.repos] == ["landed"] * 3
    assert next(outcome.commit for outcome in document.repos if outcome.repo == "lib") == published["lib"]
    for name in ("lib", "app"):
        assert NEW in moving.base(name)
        assert OLD not in moving.base(name)
        assert OLD not in moving.base(name, "flake.lock")
    moving.land()
    moving.landing.assert_done()
    assert set(run_sync(moving.landing.file, locker="native").statuses.values()) == {"unchanged"}


def test_on_a_new_base_the_edits_are_made_again_and_its_text_stays(tmp_path: Path) -> None:
    moving = Moving(tmp_path)
    published = moving.landing.update("lib")
    text = moving.base("lib").replace("one", "changed on the base")
    moving.commit("lib", flake_nix=f"# new on the base\n{text}")
    (lib,) = moving.land("lib").repos
    assert (lib.status, lib.commit != published) == ("landed", True)
    assert moving.base("lib") == f"# new on the base\n{text}".replace(OLD, NEW)


def test_a_base_that_has_other_inputs_by_now_is_edited_as_it_is(tmp_path: Path) -> None:
    moving = Moving(tmp_path)
    text = moving.base("lib").replace("nixpkgs.url", "renamed.url")
    lock = moving.base("lib", "flake.lock").replace('"nixpkgs"', '"renamed"')
    moving.commit("lib", flake_nix=text, flake_lock=lock)
    (lib,) = moving.land("lib").repos
    assert lib.status == "landed"
    assert moving.base("lib") == text.replace(OLD, NEW)
    assert OLD not in moving.base("lib", "flake.lock")


def test_what_a_person_has_merged_with_more_text_has_landed(tmp_path: Path) -> None:
    moving = Moving(tmp_path)
    update = moving.space.tip("lib", "flakesync/update")
    path = moving.space.path("lib")
    moving.commit(
        "lib",
        flake_nix=f"# and more\n{read(path, update, 'flake.nix').decode()}",
        flake_lock=read(path, update, "flake.lock").decode(),
    )
    base = moving.space.tip("lib")
    assert moving.land("lib").repos == []
    assert moving.space.tip("lib") == base
