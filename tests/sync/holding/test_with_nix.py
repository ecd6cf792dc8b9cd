"""With locks that Nix itself writes: what is held is what sync writes when the manifest holds it, byte for byte."""

from pathlib import Path

import pytest

from tests.support.nixspace import read, run_sync
from tests.sync.bisect.bisecting import Bisecting


@pytest.mark.nix
@pytest.mark.usefixtures("use_nix", "outer_nix")
def test_the_lock_is_that_of_a_sync_that_holds_the_guilty_input(tmp_path: Path) -> None:
    made = Bisecting(tmp_path / "found", 3, on_failure="bisect")
    made.break_with("r1")
    ran = run_sync(made.manifest, locker="nix")
    assert [each.input for each in ran["app"].held] == ["r1"], ran.errors
    found = read(made.space.path("app"), made.space.tip("app", "flakesync/update"), "flake.lock")
    made.manifest = made.space.manifest(tables={"app": {"hold": ["r1"]}})
    assert run_sync(made.manifest, locker="nix").statuses["app"] == "updated"
    assert read(made.space.path("app"), made.space.tip("app", "flakesync/update"), "flake.lock") == found
