"""A repo with several flakes: what is guilty is held in each of them, for they move together."""

from pathlib import Path

import pytest

from tests.support.nixspace import Space, Take, run_sync


@pytest.mark.parametrize("breaks", ["lib", "tool"])
def test_an_input_is_held_in_every_flake_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")
    space = Space(tmp_path / "acme").add("lib", {}).add("tool", {})
    space.add("app", {"nixpkgs": Take(), "lib": Take()}, dev={"lib": Take(), "tool": Take()})
    for name in ("lib", "tool"):
        space.commit(name, {"note": "moved"})
    bad = space.tip(breaks)
    check = f"sh -c '! grep -q {bad} flake.lock dev/flake.lock'"
    manifest = space.manifest(tables={"app": {"checks": [check], "on-failure": "bisect"}})
    ran = run_sync(manifest, locker="native")
    assert ran.statuses["app"] == "updated", ran.errors
    flakes = {"lib": [".", "dev"], "tool": ["dev"]}[breaks]
    assert [(each.flake, each.input) for each in ran["app"].held] == [(flake, breaks) for flake in flakes]
    assert space.locked("app", "nixpkgs")["rev"] == space.tip("nixpkgs")
    assert space.locked("app", breaks, file="dev/flake.lock")["rev"] != bad
    before = space.ref("app")
    again = run_sync(manifest, locker="native")
    assert (again.statuses["app"], again["app"].held) == ("unchanged", ran["app"].held)
    assert space.ref("app") == before
