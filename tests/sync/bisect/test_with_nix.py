"""A bisection whose check is real Nix, which fetches and evaluates what the composed locks say."""

from pathlib import Path

import pytest

from flakesync.git.repository import Repository
from flakesync.nix.lock.file import LockFile
from flakesync.sync.bisect.compose import compose
from flakesync.sync.bisect.search import Found
from tests.support.nix import RealNix
from tests.support.nixspace import Space, Take, flake_nix, read, run_sync
from tests.sync.bisect.bisecting import Bisecting, guilty

CHECK = (("nix", "eval", "--json", "--no-update-lock-file", ".#ok"),)


class Evaluated(Bisecting):
    """An app that evaluates each of its inputs; one of them has a commit that makes it throw."""

    def __init__(self, root: Path, repos: int, bad: str) -> None:
        super().__init__(root, repos)
        takes = {"nixpkgs": Take()} | {f"r{number}": Take() for number in range(repos)}
        text = self.space.flake_nix(takes)
        ok = f'map (name: if inputs.${{name}}.note == "bad" then throw "bad ${{name}}" else name) {_list(takes)}'
        self.space.commit("app", {"flake.nix": text.replace('note = "one";', f"ok = {ok};")})
        self.space.commit(bad, {"flake.nix": flake_nix("", note="bad")})


def _list(names: "dict[str, Take]") -> str:
    return "[ " + " ".join(f'"{name}"' for name in names) + " ]"


@pytest.mark.slow_between
@pytest.mark.nix
@pytest.mark.usefixtures("use_nix")
def test_the_input_with_which_nix_fails_is_found(tmp_path: Path, nix: RealNix) -> None:
    made = Evaluated(tmp_path, 4, "r2")
    found = made.bisect(checks=CHECK, jobs=2, locker="auto")
    assert guilty(found) == ["r2"]
    whole = next(each.result for each in found.probes if len(each.units) == 5)
    assert "bad r2" in whole.output
    assert [each.verdict for each in found.probes].count("unknown") == 0


def test_what_passes_is_byte_for_byte_what_sync_writes_when_the_guilty_one_is_held(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 6)
    made.break_with("r1", "r4")
    found = made.bisect()
    assert isinstance(found.result, Found)
    chosen = [path for each in found.result.passing for _, path in found.units[each].moves]
    moved = [path for unit in found.units for _, path in unit.moves]
    base = LockFile.parse(read(made.space.path("app"), made.space.tip("app"), "flake.lock"))
    full = _synced(made.space, {"app": {"checks": ["true"]}})
    held = _synced(made.space, {"app": {"hold": guilty(found), "checks": ["sh check.sh"]}})
    composed = compose(base, full, moved, chosen)
    assert composed is not None
    assert composed.to_bytes() == held.to_bytes()


def _synced(space: Space, tables: "dict[str, dict[str, object]]") -> LockFile:
    """Return the lock that sync writes with this manifest."""
    assert run_sync(space.manifest(tables=tables), locker="native").statuses["app"] == "updated"
    with Repository.open(space.path("app")) as repository:
        tip = repository.ref("refs/heads/flakesync/update")
        assert tip is not None
        return LockFile.parse(repository.read(tip, "flake.lock") or b"")
