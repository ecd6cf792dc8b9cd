"""A pin is moved to another branch, and the edits of every flake.nix are published and landed on each kind of forge."""

from pathlib import Path

import pytest

from flakesync.cli.main import run
from tests.support.forge import Forge
from tests.support.forge.landing import Hosted, make_hosted
from tests.support.repos import run_git

CHAIN = {"lib": (), "app": ("lib",), "site": ("app",)}
NEXT = "nixos-26.05"
# The merge and the branch are git's; what is the forge's own has tests of its own.
KINDS = ("gitlab", pytest.param("github", marks=pytest.mark.slow), pytest.param("forgejo", marks=pytest.mark.slow))


def text_of(hosted: Hosted, name: str, branch: str, file: str = "flake.nix") -> str:
    storage = hosted.project(name).storage
    return run_git("show", f"{branch}:{file}", cwd=storage.path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_moved_branch_is_landed_in_order_after_squash_merges(
    tmp_path: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    hosted = make_hosted(tmp_path, forge, kind, monkeypatch, CHAIN)  # type: ignore[arg-type]
    nixpkgs = tmp_path / "space/nixpkgs"
    run_git("branch", NEXT, cwd=nixpkgs)
    assert run(["-w", str(hosted.manifest), "move", "nixpkgs", NEXT]) == 0
    assert set(hosted.sync().statuses.values()) == {"updated"}
    assert {outcome.status for outcome in hosted.publish().repos} == {"opened"}
    published = {name: hosted.project(name).storage.branch("flakesync/update") for name in CHAIN}
    assert set(hosted.sync().statuses.values()) == {"unchanged"}
    assert {outcome.status for outcome in hosted.publish().repos} == {"unchanged"}
    assert {name: hosted.project(name).storage.branch("flakesync/update") for name in CHAIN} == published
    landed = hosted.land(wait=True)
    assert landed.statuses == dict.fromkeys(CHAIN, "landed")
    hosted.assert_done()
    for name in CHAIN:
        assert f"ref={NEXT}" in text_of(hosted, name, "main")
        assert NEXT in text_of(hosted, name, "main", "flake.lock")
        assert "flakesync/update" not in text_of(hosted, name, "main", "flake.lock")
    assert run(["-w", str(hosted.manifest), "move", "--check"]) == 0
