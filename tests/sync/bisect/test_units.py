"""Units: what moves together, in an order in which each beginning is a state that somebody may have had."""

import msgspec

from flakesync.analysis.moves import Change, ToFlakeNix, ToRev, ToUpdate
from flakesync.nix.expression.edit import SetRef
from flakesync.sync.bisect.units import Unit, make_units
from flakesync.terms import FlakeDir, PinName, RepoName, Rev
from flakesync.workspace.clones.edits import FlakeEdit

NEW = Rev("1" * 40)
ROOT = FlakeDir(".")
REPOS = [RepoName("core"), RepoName("api")]


def change(
    path: str, to: ToRev | ToUpdate | ToFlakeNix, *, repo: str = "", flake: str = ".", pin: str | None = None,
    stale: bool = False,
) -> Change:  # fmt: skip
    original = {"type": "github", "owner": "acme", "repo": repo or path}
    name = PinName(pin) if pin is not None else None
    return Change(
        RepoName("app"), FlakeDir(flake), tuple(path.split("/")), original, original, to, "", name, stale=stale
    )


def test_pins_come_first_then_repos_upstreams_first_then_the_rest_by_name() -> None:
    changes = [
        change("zlib", ToRev(NEW)),
        change("crane", ToRev(NEW)),
        change("api", ToUpdate(RepoName("api"))),
        change("core", ToRev(NEW, RepoName("core"))),
        change("nixpkgs", ToRev(NEW), pin="nixpkgs"),
    ]
    assert [unit.id for unit in make_units(changes, REPOS)] == ["nixpkgs", "core", "api", "crane", "zlib"]


def test_inputs_of_one_pin_one_repo_or_one_source_are_a_unit_in_all_flakes() -> None:
    changes = [
        change("nixpkgs", ToRev(NEW), pin="nixpkgs"),
        change("crane/nixpkgs", ToRev(NEW), pin="nixpkgs", flake="dev"),
        change("core", ToRev(NEW, RepoName("core"))),
        change("old-core", ToUpdate(RepoName("core")), repo="core"),
        change("crane", ToRev(NEW)),
        change("builder", ToRev(NEW), repo="crane", flake="dev"),
    ]
    assert make_units(changes, REPOS) == (
        Unit("nixpkgs", ((ROOT, ("nixpkgs",)), (FlakeDir("dev"), ("crane", "nixpkgs")))),
        Unit("core", ((ROOT, ("core",)), (ROOT, ("old-core",)))),
        Unit("crane", ((ROOT, ("crane",)), (FlakeDir("dev"), ("builder",)))),
    )


def test_what_flake_nix_says_otherwise_than_the_lock_moves_together_called_by_its_inputs() -> None:
    changes = [
        change("nixpkgs", ToRev(NEW), pin="nixpkgs"),
        change("crane", ToFlakeNix("gone"), stale=True),
        change("fenix", ToRev(NEW), stale=True),
        change("core", ToRev(NEW, RepoName("core")), flake="dev", stale=True),
        change("zlib", ToRev(NEW)),
    ]
    found = make_units(changes, REPOS)
    assert [unit.id for unit in found] == ["nixpkgs", "core", "crane fenix", "zlib"]
    assert found[2].moves == ((ROOT, ("crane",)), (ROOT, ("fenix",)))


def edited(path: str, pin: str | None, *, flake: str = ".", governed: bool = True) -> Change:
    """Return a change with an edit of its flake.nix. governed: whether the pin has a commit that it moves to."""
    edit = SetRef((path,), "25.05", "25.11")
    name = PinName(pin) if pin is not None else None
    asked = FlakeEdit(FlakeDir(flake), edit, (path,), "flake.nix", 1, 1, "25.05", "25.11", name)
    to = ToRev(NEW) if governed else ToFlakeNix("another branch")
    moved = change(path, to, pin=pin if governed else None, flake=flake, stale=True)
    return msgspec.structs.replace(moved, edit=asked)


def test_pins_that_move_to_another_release_are_one_unit_called_by_them() -> None:
    changes = [
        edited("nixpkgs", "nixpkgs"),
        edited("home", "home-manager", flake="dev", governed=False),
        edited("unstable", "other"),
        change("dev/nixpkgs", ToRev(NEW), pin="nixpkgs", flake="dev"),
        change("core", ToRev(NEW, RepoName("core"))),
    ]
    found = make_units(changes, REPOS, [PinName("nixpkgs"), PinName("home-manager")])
    assert [unit.id for unit in found] == ["home-manager nixpkgs", "other", "core"]
    assert [path for _, path in found[0].moves] == [("nixpkgs",), ("dev", "nixpkgs"), ("home",)]


def test_edits_move_apart_unless_the_lock_is_stale_by_itself() -> None:
    """Nix locks all that is stale or nothing of it."""
    changes = [edited("nixpkgs", "nixpkgs"), edited("crane", None, governed=False)]
    assert [unit.id for unit in make_units(changes, REPOS)] == ["nixpkgs", "crane"]
    changes.append(change("fenix", ToFlakeNix("is new"), stale=True))
    assert [unit.id for unit in make_units(changes, REPOS)] == ["nixpkgs crane fenix"]


def test_pins_that_do_not_change_their_release_move_apart() -> None:
    changes = [change(name, ToRev(NEW), pin=name) for name in ("home-manager", "nixpkgs")]
    pins = [PinName("nixpkgs"), PinName("home-manager")]
    assert [unit.id for unit in make_units(changes, REPOS, pins)] == ["home-manager", "nixpkgs"]


def test_no_two_units_have_one_name() -> None:
    changes = [
        change("crane", ToRev(NEW), pin="lib"),
        change("core", ToRev(NEW, RepoName("lib"))),
        change("lib", ToRev(NEW)),
        change("lib", ToRev(NEW), flake="dev", repo="other"),
    ]
    assert [unit.id for unit in make_units(changes, REPOS)] == ["pin lib", "repo lib", "input lib", "input lib 2"]
