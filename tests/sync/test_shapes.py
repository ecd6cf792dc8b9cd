"""The shapes that real workspaces have: sources, cycles, several flakes in a repo, subfolders, nested pins, holds."""

import subprocess
from pathlib import Path

import pytest

from tests.support.nix import RealNix
from tests.support.nixspace import UPDATE_BRANCH, Ran, Space, Take, drift_of, read, run_sync
from tests.support.repos import run_git

pytestmark = [pytest.mark.usefixtures("use_nix"), pytest.mark.slow_between]


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path / "space")


def synced(space: Space, nix: RealNix, manifest: Path, *, alike: bool = True) -> Ran:
    """Sync twice, and check that all went well, that the second run did nothing, and that Nix takes every lock.

    alike: before that, check that `--locker auto` comes to the same commits.
    """
    auto = run_sync(manifest, dry_run=True, locker="auto") if alike else None
    ran = run_sync(manifest)
    assert ran.errors == {}
    if auto is not None:
        assert commits(auto) == commits(ran)
    before = {name: space.ref(name) for name in space.names}
    again = run_sync(manifest)
    assert set(again.statuses.values()) == {"unchanged"}
    assert {name: space.ref(name) for name in space.names} == before
    for name in space.names:
        if space.ref(name) is not None:
            accepted(space, nix, name)
    return ran


def commits(ran: Ran) -> dict[str, str | None]:
    return {outcome.repo: outcome.commit for outcome in ran.document.repos}


def accepted(space: Space, nix: RealNix, name: str) -> None:
    """Check on a clone of the update branch that Nix would change nothing in any of its locks."""
    clone = space.root.parent / "clones" / name
    run_git("clone", "--quiet", "--branch", UPDATE_BRANCH, str(space.path(name)), str(clone), cwd=space.root)
    for lock in sorted(clone.rglob("flake.lock")):
        before = lock.read_bytes()
        dir = lock.parent.relative_to(clone).as_posix()
        url = f"git+file://{clone}" + ("" if dir == "." else f"?dir={dir}")
        argv = [str(nix.path), "flake", "lock", url, "--no-update-lock-file"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert lock.read_bytes() == before


def test_a_source_moves_and_its_reference_stays(nix: RealNix, space: Space) -> None:
    space.add("lib").add("app", {"lib": Take(flake=False), "nixpkgs": Take()})
    synced(space, nix, space.manifest())
    assert space.locked("app", "lib")["rev"] == space.ref("lib")
    lock = read(space.path("app"), space.tip("app", UPDATE_BRANCH), "flake.lock").decode()
    assert lock.count('"flake": false') == 1
    # Nix up to 2.9 makes the override the `original` of a source; the next `nix flake lock` would take it back.
    original = lock.partition('"original": {')[2].partition("}")[0]
    assert UPDATE_BRANCH not in original
    assert "rev" not in original


def test_two_flakes_of_one_repo_move_in_one_commit(nix: RealNix, space: Space) -> None:
    space.add("lib").add("app", {"lib": Take()}, dev={"nixpkgs": Take(), "lib": Take()})
    ran = synced(space, nix, space.manifest())
    app = space.path("app")
    changed = run_git("show", "--format=", "--name-only", UPDATE_BRANCH, cwd=app)
    assert changed.split() == ["dev/flake.lock", "flake.lock"]
    assert space.locked("app", "lib", file="dev/flake.lock")["rev"] == space.ref("lib")
    message = run_git("log", "-1", "--format=%B", UPDATE_BRANCH, cwd=app)
    assert "dev/flake.lock:\n• Updated input 'lib':" in message
    assert [(change.flake, change.input) for change in ran["app"].changes] == [
        (".", "lib"), ("dev", "lib"), ("dev", "nixpkgs"),
    ]  # fmt: skip


def test_a_flake_in_a_subfolder_is_taken_from_it(nix: RealNix, space: Space) -> None:
    space.add("lib", dev={"nixpkgs": Take()}).add("app", {"tool": Take("lib", dir="dev"), "top": Take("lib")})
    relock(space, nix, "app")  # Nix up to 2.25 leaves `?dir=` in the address too
    synced(space, nix, space.manifest())
    locked = space.locked("app", "tool")
    assert (locked["dir"], locked["rev"]) == ("dev", space.ref("lib"))
    assert space.locked("app", "tool/nixpkgs")["rev"] == space.tip("nixpkgs")


def relock(space: Space, nix: RealNix, name: str) -> None:
    """Commit the lock that Nix itself makes."""
    clone = space.root.parent / f"relock-{name}"
    run_git("clone", "--quiet", str(space.path(name)), str(clone), cwd=space.root)
    (clone / "flake.lock").unlink()
    subprocess.run([str(nix.path), "flake", "lock", f"path:{clone}"], check=True, capture_output=True)
    space.commit(name, {"flake.lock": (clone / "flake.lock").read_bytes()})


def test_nested_inputs_that_a_pin_governs_move(nix: RealNix, space: Space) -> None:
    source = f"git+{space.url('nixpkgs')}?ref=main"
    space.add("lib").add("app", {"lib": Take(), "nixpkgs": Take()})
    pins = {"nixpkgs": {"source": source, "inputs": ["nixpkgs", "*/nixpkgs"]}}
    synced(space, nix, space.manifest(pins=pins, tables={"lib": {"hold": ["*"]}}))
    assert space.ref("lib") is None
    assert space.locked("app", "lib")["rev"] == space.tip("lib")
    assert space.locked("app", "lib/nixpkgs")["rev"] == space.tip("nixpkgs")


def test_a_nested_pin_and_its_parent_move_together(nix: RealNix, space: Space) -> None:
    source = f"git+{space.url('nixpkgs')}?ref=main"
    space.add("lib", {"nixpkgs": Take(), "other": Take("nixpkgs")}).add("app", {"lib": Take()})
    pins = {"nixpkgs": {"source": source, "inputs": ["nixpkgs", "*/nixpkgs"]}}
    # Under `content` app would not move to lib at all: what lib moves is what app has a pin for.
    synced(space, nix, space.manifest({"propagate": "always"}, pins=pins))
    assert space.locked("app", "lib")["rev"] == space.ref("lib")
    assert space.locked("app", "lib/nixpkgs")["rev"] == space.tip("nixpkgs")
    assert space.locked("app", "lib/other")["rev"] == space.first_nixpkgs


def test_a_relative_input_is_locked_in_its_tree(nix: RealNix, space: Space) -> None:
    space.add("lib").add("app", {"lib": Take(), "nixpkgs": Take()})
    text = read(space.path("app"), space.tip("app"), "flake.nix").decode()
    text = text.replace("inputs = {", 'inputs = {\n    part.url = "path:./part";')
    space.commit("app", {"flake.nix": text, "part/flake.nix": "{ outputs = _: { }; }\n"})
    clone = space.root.parent / "relock"
    run_git("clone", "--quiet", str(space.path("app")), str(clone), cwd=space.root)
    subprocess.run([str(nix.path), "flake", "lock", f"git+file://{clone}"], check=True, capture_output=True)
    space.commit("app", {"flake.lock": (clone / "flake.lock").read_bytes()})
    synced(space, nix, space.manifest())
    assert space.locked("app", "part")["type"] == "path"
    assert space.locked("app", "lib")["rev"] == space.ref("lib")


def cycle(space: Space) -> Space:
    """Make `cachix` ↔ `devenv`, each of which cuts itself off the other's inputs."""
    space.add("cachix", {"nixpkgs": Take()})
    space.add("devenv", {"nixpkgs": Take(), "cachix": Take(follows={"nixpkgs": "nixpkgs"})})
    space.lock("cachix", {".": {"nixpkgs": Take(), "devenv": Take(follows={"nixpkgs": "nixpkgs", "cachix": ""})}})
    space.lock("devenv", {".": {"nixpkgs": Take(), "cachix": Take(follows={"nixpkgs": "nixpkgs", "devenv": ""})}})
    return space


def test_a_cycle_is_bumped_in_a_fixed_order_and_the_edge_that_runs_backwards_waits(nix: RealNix, space: Space) -> None:
    cycle(space).add("app", {"devenv": Take()})
    first = synced(space, nix, space.manifest({"propagate": "always"}))
    assert [(stays.repo, stays.input) for stays in first.plan.deferred] == [("cachix", ("devenv",))]
    assert space.locked("cachix", "devenv")["rev"] == space.tip("devenv")
    assert space.locked("devenv", "cachix")["rev"] == space.ref("cachix")
    assert space.locked("app", "devenv")["rev"] == space.ref("devenv")
    for name in ("cachix", "devenv"):
        assert space.locked(name, "nixpkgs")["rev"] == space.tip("nixpkgs")


def test_a_repo_that_takes_itself_takes_its_base(any_nix: RealNix, space: Space) -> None:
    space.add("lib")
    old = space.tip("lib")
    space.lock("lib", {".": {"nixpkgs": Take(), "self-test": Take("lib", at=old, flake=False)}})
    base = space.tip("lib")
    synced(space, any_nix, space.manifest())
    assert space.locked("lib", "self-test")["rev"] == base
    assert space.locked("lib", "self-test")["ref"] == "main"


def test_held_inputs_stay_and_all_else_moves(any_nix: RealNix, space: Space) -> None:
    space.add("lib").add("app", {"lib": Take(), "nixpkgs": Take(), "nixpkgs-old": Take("nixpkgs")})
    ran = synced(space, any_nix, space.manifest(tables={"app": {"hold": ["nixpkgs-*"]}}))
    assert space.locked("app", "nixpkgs")["rev"] == space.tip("nixpkgs")
    assert space.locked("app", "nixpkgs-old")["rev"] == space.first_nixpkgs
    assert [(stays.repo, stays.input, stays.reason) for stays in ran.plan.held] == [("app", ("nixpkgs-old",), "hold")]


def test_what_flake_nix_fixes_stays(any_nix: RealNix, space: Space) -> None:
    space.add("lib").add("app", {"lib": Take(fixed=True), "nixpkgs": Take()})
    old = space.tip("lib")
    synced(space, any_nix, space.manifest())
    assert space.locked("app", "lib")["rev"] == old
    assert space.locked("app", "nixpkgs")["rev"] == space.tip("nixpkgs")


def test_an_input_on_another_branch_follows_that_branch(nix: RealNix, space: Space) -> None:
    space.add("lib")
    space.commit("lib", {"README": "next"}, branch="next")
    old = space.tip("lib", "next")
    space.add("app", {"lib": Take(ref="next"), "nixpkgs": Take()})
    new = space.commit("lib", {"README": "more"}, branch="next")
    synced(space, nix, space.manifest())
    locked = space.locked("app", "lib")
    assert (locked["rev"], locked["ref"]) == (new, "next")
    assert new != old


def test_an_input_without_a_branch_in_flake_nix_follows_the_default_branch(nix: RealNix, space: Space) -> None:
    space.add("lib").add("app", {"lib": Take(ref=None), "nixpkgs": Take()})
    synced(space, nix, space.manifest())
    locked = space.locked("app", "lib")
    assert (locked["rev"], locked["ref"]) == (space.ref("lib"), f"refs/heads/{UPDATE_BRANCH}")


@pytest.mark.parametrize("external", ["hold", "latest", "newest-locked"])
def test_external_sources_move_as_the_manifest_says(any_nix: RealNix, space: Space, external: str) -> None:
    space.make("utils", {"flake.nix": "{ outputs = _: { }; }\n"})
    first = space.tip("utils")
    second = space.commit("utils", {"README": "two"})
    space.add("lib", {"nixpkgs": Take(), "utils": Take(at=first)})
    space.add("app", {"nixpkgs": Take(), "utils": Take(at=second), "source": Take("utils", at=first, flake=False)})
    third = space.commit("utils", {"README": "three"})
    synced(space, any_nix, space.manifest({"external": external}))
    wanted = {"hold": (first, second, first), "latest": (third,) * 3, "newest-locked": (second,) * 3}[external]
    places = [("lib", "utils"), ("app", "utils"), ("app", "source")]
    assert tuple(space.locked(name, path)["rev"] for name, path in places) == wanted


def test_a_pin_on_a_repo_of_the_workspace(any_nix: RealNix, space: Space) -> None:
    space.add("lib", {"nixpkgs": Take(at=space.tip("nixpkgs"))}).add("app", {"nixpkgs": Take()})
    newest = space.tip("nixpkgs")
    space.commit("nixpkgs", {"README": "three"})
    pins = {"nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=main", "target": "repo:lib"}}
    ran = synced(space, any_nix, space.manifest(pins=pins))
    assert ran.statuses == {"app": "updated", "lib": "unchanged"}
    assert space.locked("app", "nixpkgs")["rev"] == newest


def test_a_pin_at_an_older_rev_moves_all_to_it(nix: RealNix, space: Space) -> None:
    space.add("lib").add("app", {"nixpkgs": Take(at=space.tip("nixpkgs")), "lib": Take()})
    target = space.tip("nixpkgs")
    space.commit("nixpkgs", {"README": "three"})
    pins = {"nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=main", "target": target}}
    ran = synced(space, nix, space.manifest(pins=pins))
    assert [change.input for change in ran["app"].changes] == ["lib"]
    assert space.locked("lib", "nixpkgs")["rev"] == target
    assert space.locked("lib", "nixpkgs")["ref"] == "main"


def test_a_lock_ahead_of_its_upstreams_base_stays(any_nix: RealNix, space: Space) -> None:
    space.add("lib")
    ahead = space.commit("lib", {"README": "ahead"}, branch="topic")
    space.add("app", {"lib": Take(at=ahead), "nixpkgs": Take()})
    synced(space, any_nix, space.manifest())
    assert space.locked("app", "lib")["rev"] == ahead
    assert {finding.kind for finding in drift_of(space.root / "workspace.toml")} >= {"unknown-rev"}


def test_the_trailers_name_the_run_and_the_pins(any_nix: RealNix, space: Space) -> None:
    space.add("lib").add("app", {"lib": Take()})
    ran = run_sync(space.manifest())
    message = run_git("log", "-1", "--format=%B", UPDATE_BRANCH, cwd=space.path("lib"))
    assert message.splitlines()[0] == "flake.lock: Update"
    assert message.splitlines()[-2:] == [
        f"Flakesync-Run: {ran.document.run}", f"Flakesync-Pin: nixpkgs {space.tip('nixpkgs')}",
    ]  # fmt: skip
    other = run_git("log", "-1", "--format=%B", UPDATE_BRANCH, cwd=space.path("app"))
    assert "Flakesync-Pin" not in other
    assert other.strip().endswith(f"Flakesync-Run: {ran.document.run}")


def test_a_subfolder_locked_by_another_nix_is_moved_too(
    nix_versions: list[RealNix], nix: RealNix, space: Space
) -> None:
    """Versions differ in whether `?dir=` is part of the address in the lock as well; native writes what is there."""
    space.add("lib", dev={"nixpkgs": Take()}).add("app", {"tool": Take("lib", dir="dev")})
    other = nix_versions[-1] if nix.version < (2, 25) else nix_versions[0]
    relock(space, other, "app")
    synced(space, nix, space.manifest(), alike=False)
    assert space.locked("app", "tool")["rev"] == space.ref("lib")
