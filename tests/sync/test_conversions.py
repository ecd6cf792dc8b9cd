"""Both lockers come to the same commits, whatever the user has set up git to convert."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from flakesync.sync.lockers.auto import LockerChoice
from tests.support import gitusers
from tests.support.nixspace import Space, Take, commit_info, run_sync
from tests.support.repos import run_git

pytestmark = [pytest.mark.usefixtures("use_nix"), pytest.mark.slow_but_newest]


@pytest.mark.parametrize("user", gitusers.CONVERSIONS)
def test_both_lockers_hash_what_was_committed(outer_nix: object, tmp_path: Path, hermetic: Path, user: str) -> None:
    files = {**gitusers.FILES, "user": user}  # other commits each time: Nix remembers what it has hashed of one
    space = Space(tmp_path / "space").add("lib", files=files).add("app", {"lib": Take(), "nixpkgs": Take()})
    space.commit("nixpkgs", files)
    gitusers.become(hermetic, user)
    manifest = space.manifest()
    made: dict[LockerChoice, Mapping[str, object]] = {}
    lockers: tuple[LockerChoice, ...] = ("nix", "native")
    for locker in lockers:
        assert run_sync(manifest, locker=locker).errors == {}
        made[locker] = {name: space.ref(name) for name in space.names}
        for name, rev in made[locker].items():
            run_git("update-ref", "-d", "refs/heads/flakesync/update", str(rev), cwd=space.path(name))
    assert made["nix"] == made["native"]
    update = made["nix"]["lib"]
    app = made["nix"]["app"]
    for path, repo, rev in (("lib", "lib", update), ("nixpkgs", "nixpkgs", space.tip("nixpkgs"))):
        locked = space.locked("app", path, rev=app)  # type: ignore[arg-type]
        assert locked["narHash"] == commit_info(space.path(repo), rev)["narHash"]  # type: ignore[arg-type]
