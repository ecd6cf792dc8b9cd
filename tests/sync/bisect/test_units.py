"""Units: what moves together, in an order in which each beginning is a state that somebody may have had."""

from flakesync.analysis.plan import Change, ToFlakeNix, ToRev, ToUpdate
from flakesync.sync.bisect.units import Unit, make_units
from flakesync.terms import FlakeDir, PinName, RepoName, Rev

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


def test_what_flake_nix_says_otherwise_than_the_lock_moves_together_and_first() -> None:
    changes = [
        change("nixpkgs", ToRev(NEW), pin="nixpkgs"),
        change("crane", ToFlakeNix("gone")),
        change("core", ToRev(NEW, RepoName("core")), stale=True),
        change("core", ToRev(NEW, RepoName("core")), flake="dev", stale=True),
    ]
    found = make_units(changes, REPOS)
    assert [unit.id for unit in found] == ["dev/flake.nix", "flake.nix", "nixpkgs"]
    assert found[1].moves == ((ROOT, ("core",)), (ROOT, ("crane",)))


def test_no_two_units_have_one_name() -> None:
    changes = [
        change("crane", ToRev(NEW), pin="lib"),
        change("core", ToRev(NEW, RepoName("lib"))),
        change("lib", ToRev(NEW)),
        change("lib", ToRev(NEW), flake="dev", repo="other"),
    ]
    assert [unit.id for unit in make_units(changes, REPOS)] == ["pin lib", "repo lib", "input lib", "input lib 2"]
