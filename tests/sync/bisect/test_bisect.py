"""A whole bisection: real repositories, locks by the native locker, a check that is a real process."""

from pathlib import Path

import pytest

from flakesync.sync.bisect.search import Found
from tests.support.nixspace import contents
from tests.sync.bisect.bisecting import Bisecting, guilty

pytestmark = pytest.mark.usefixtures("without_nix")


@pytest.fixture
def without_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")


def test_the_guilty_input_is_found_and_nothing_is_written_to_the_repos(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 6)
    made.break_with("r3")
    before = contents(made.space.root)
    found = made.bisect()
    assert guilty(found) == ["r3"]
    assert [unit.id for unit in found.units] == ["nixpkgs", "r0", "r1", "r2", "r3", "r4", "r5"]
    assert isinstance(found.result, Found)
    assert {found.units[each].id for each in found.result.passing} == {"nixpkgs", "r0", "r1", "r2", "r4", "r5"}
    assert found.ran == len(found.probes) == made.runs <= 3 + 3 + 2
    assert contents(made.space.root) == before
