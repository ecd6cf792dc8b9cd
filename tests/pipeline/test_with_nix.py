"""Tasks whose locks Nix writes, which reads upstreams' commits from repositories that borrow them."""

from pathlib import Path

import pytest

from tests.pipeline.machines import AUTHOR, Machines, commits_of, forget_updates
from tests.support.nix import RealNix
from tests.support.nixspace import Space, Take, run_sync


@pytest.mark.usefixtures("use_nix")
def test_nix_locks_what_upstreams_have_pushed(tmp_path: Path, any_nix: RealNix) -> None:
    space = Space(tmp_path / "space")
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()})
    machines = Machines(space.manifest(AUTHOR, mirrored=space.names), tmp_path)
    plan = machines.plan()
    done = machines.all(plan, locker="nix")
    assert {each.outcome.status for each in done.values()} == {"updated"}, done
    assert {each.locker for each in done.values()} == {f"nix {any_nix.full_version}"}
    forget_updates(space)
    ran = run_sync(machines.manifest, locker="native")
    assert {name: ran[name].commit for name in done} == commits_of(done)
