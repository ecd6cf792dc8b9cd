"""What commands of `after` have written is landed as it was published; on a base that has moved they run again."""

from pathlib import Path

import pytest

from flakesync.sync.events import Note
from tests.support.landing import Landing
from tests.support.memory_forge import Way
from tests.support.nixspace import Space, Take, read, run_sync
from tests.sync.test_rest import cycle, night

NAMES = ("lib", "app")


class Nightly:
    """lib ← app; both write deps.json from their locks, and note that they ran."""

    def __init__(self, root: Path, way: Way = "squash") -> None:
        self.root = root
        space = Space(root / "space")
        for name, takes in (("lib", None), ("app", {"nixpkgs": Take(), "lib": Take()})):
            space.add(name, takes, files={"deps.json": "old\n", "seed": "1\n"})
        self.space = space
        self.landing = Landing(space)
        self.use('echo >> "$0/$1"; cat seed > deps.json; grep -c narHash flake.lock >> deps.json')
        self.landing.forge.way = way

    def use(self, script: str) -> None:
        """Have both run a script, which finds the folder for its notes and the repo's name in $0 and $1."""
        tables = {
            name: {"after": [{"run": ["sh", "-ec", script, str(self.root), name], "files": ["deps.json"]}]}
            for name in NAMES
        }
        self.landing.file = self.space.manifest(mirrored=NAMES, tables=tables)

    def publish(self) -> dict[str, object]:
        ran = run_sync(self.landing.file, locker="native")
        assert ran.statuses == {"lib": "updated", "app": "updated"}, ran.errors
        document = self.landing.publish()
        return {outcome.repo: self.landing.update(outcome.repo) for outcome in document.repos}

    def runs(self) -> dict[str, int]:
        return {name: len((self.root / name).read_text()) for name in NAMES if (self.root / name).exists()}

    def deps(self, name: str) -> bytes:
        return read(self.space.path(name), self.space.tip(name), "deps.json")


@pytest.mark.parametrize("way", ["squash", "merge", "rebase"])
def test_what_was_published_is_landed_and_runs_again_only_where_the_lock_is_another(tmp_path: Path, way: Way) -> None:
    nightly = Nightly(tmp_path, way)
    published = nightly.publish()
    assert nightly.runs() == {"lib": 1, "app": 1}
    landed = nightly.landing.land(locker="native")
    assert landed.statuses == {"lib": "landed", "app": "landed"}, landed.errors
    assert landed["lib"].commit == published["lib"]
    # Only where lib has landed as another commit is the update of app made anew, on a lock that names that.
    anew = landed["app"].commit != published["app"]
    assert anew == (way != "merge") or way == "merge"
    assert nightly.runs() == {"lib": 1, "app": 2 if anew else 1}
    assert (nightly.deps("lib"), nightly.deps("app")) == (b"1\n1\n", b"1\n3\n")
    nightly.landing.land(locker="native")
    nightly.landing.assert_done()
    # Nothing new: nothing is made, nothing runs.
    before = nightly.runs()
    assert set(run_sync(nightly.landing.file, locker="native").statuses.values()) == {"unchanged"}
    assert nightly.runs() == before


def test_on_a_base_that_has_moved_the_commands_run_again(tmp_path: Path) -> None:
    nightly = Nightly(tmp_path)
    published = nightly.publish()
    nightly.space.commit("lib", {"seed": "2\n"})
    landed = nightly.landing.land("lib", locker="native")
    assert landed.statuses["lib"] == "landed", landed.errors
    assert landed["lib"].commit != published["lib"]
    assert nightly.runs()["lib"] == 2
    assert nightly.deps("lib") == b"2\n1\n"
    assert [result.exit_status for result in landed["lib"].results] == [0]


def test_a_command_that_fails_on_a_new_base_fails_the_landing(tmp_path: Path) -> None:
    nightly = Nightly(tmp_path)
    published = nightly.publish()
    nightly.space.commit("lib", {"seed": None})
    landed = nightly.landing.land(locker="native")
    assert landed.errors["lib"] == "after-failed"
    assert [result.exit_status for result in landed["lib"].results] == [1]
    assert nightly.landing.update("lib") == published["lib"]


def test_what_the_manifest_does_not_ask_for_any_more_is_not_landed(tmp_path: Path) -> None:
    nightly = Nightly(tmp_path)
    published = nightly.publish()
    nightly.landing.file = nightly.space.manifest(mirrored=NAMES)
    landed = nightly.landing.land("lib", locker="native")
    assert landed.statuses["lib"] == "landed", landed.errors
    assert landed["lib"].commit != published["lib"]
    assert nightly.deps("lib") == b"old\n"


def test_locks_that_a_person_has_taken_without_their_files_are_no_landed_update(tmp_path: Path) -> None:
    nightly = Nightly(tmp_path)
    published = nightly.publish()
    update = nightly.space.tip("lib", "flakesync/update")
    lock, deps = (read(nightly.space.path("lib"), update, file) for file in ("flake.lock", "deps.json"))
    nightly.space.commit("lib", {"flake.lock": lock})
    ran = run_sync(nightly.landing.file, locker="native")
    assert [event.text for event in ran.events if isinstance(event, Note) and event.text.startswith("lib: ")] == [
        "lib: its base has the locks of its update, but not its deps.json"
    ]
    landed = nightly.landing.land("lib", locker="native")
    assert landed.errors == {"lib": "not-landed"}
    assert nightly.landing.update("lib") == published["lib"]
    # With the files, or with others of its own, it has.
    nightly.space.commit("lib", {"deps.json": deps.decode() + "more\n"})
    assert nightly.landing.land("lib", locker="native").errors == {}


@pytest.mark.parametrize("followed", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_cycle_whose_files_are_made_from_its_locks_comes_to_rest(tmp_path: Path, followed: bool) -> None:
    take = Take(follows={"nixpkgs": "nixpkgs"}) if followed else Take()
    space = cycle(Space(tmp_path / "space"), take, take)
    landing = Landing(space)
    after = [{"run": ["sh", "-ec", "sha256sum < flake.lock > deps.json"], "files": ["deps.json"]}]
    landing.file = space.manifest(mirrored=space.names, defaults={"after": after})
    assert night(landing) == ["agent", "effects"]
    nights = [night(landing) for _ in range(4)]
    assert nights[-2:] == [[], []], nights
