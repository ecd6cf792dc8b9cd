"""A `[[hold]]` of the manifest through a sync: the input stays, the rest is the update, and a rerun changes nothing."""

from datetime import date
from pathlib import Path

import pytest

from flakesync.terms import RepoName
from flakesync.workspace.settings.hold_edits import release_hold, write_hold
from flakesync.workspace.settings.holds import Hold
from tests.sync.bisect.bisecting import Bisecting
from tests.sync.holding.test_on_failure import base_lock, locked, night, tips


@pytest.fixture(autouse=True)
def _without_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")


def hold(reason: str) -> Hold:
    return Hold(repo=RepoName("app"), input="r1", reason=reason, until=date(2099, 1, 1))


def test_a_held_input_stays_and_the_rest_is_the_update(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3)
    write_hold(made.manifest, hold("one"))
    ran = night(made)
    assert ran.statuses["app"] == "updated"
    assert [change.input for change in ran["app"].changes] == ["nixpkgs", "r0", "r2"]
    assert (locked(made, "app", "r1"), locked(made, "app", "r2")) == (base_lock(made, "r1"), made.space.tip("r2"))
    assert [(each.input, each.reason) for each in ran.plan.held] == [(("r1",), "held until 2099-01-01: one")]

    before = tips(made)
    assert night(made).statuses["app"] == "unchanged"
    write_hold(made.manifest, hold("another reason"))
    assert night(made).statuses["app"] == "unchanged"
    assert tips(made) == before

    release_hold(made.manifest, RepoName("app"), None, "r1")
    night(made)
    assert locked(made, "app", "r1") == made.space.tip("r1")
