"""A whole bisection: real repositories, locks by the native locker, a check that is a real process."""

import time
from pathlib import Path

import msgspec
import pytest

from flakesync.cache.layout import cache_dir, journal_file
from flakesync.errors import FlakesyncError
from flakesync.sync.bisect.run import Bisection, ProbeRun
from flakesync.sync.bisect.search import FAILURES, Found, NotFound
from tests.support.nixspace import contents, run_sync
from tests.sync.bisect.bisecting import Bisecting, guilty


@pytest.fixture(autouse=True)
def _without_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")


def passing(found: Bisection) -> set[str]:
    assert isinstance(found.result, Found)
    return {found.units[each].id for each in found.result.passing}


def test_the_guilty_input_is_found_and_nothing_is_written_to_the_repos(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 6)
    made.break_with("r3")
    before = contents(made.space.root)
    found = made.bisect()
    assert guilty(found) == ["r3"]
    assert [unit.id for unit in found.units] == ["nixpkgs", "r0", "r1", "r2", "r3", "r4", "r5"]
    assert passing(found) == {"nixpkgs", "r0", "r1", "r2", "r4", "r5"}
    assert found.ran == len(found.probes) == made.runs <= 1 + 3 + 3 + 2  # halvings, the rest, and r3 alone
    assert contents(made.space.root) == before


def test_two_guilty_inputs_are_held_and_the_rest_was_run_as_a_whole(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 6)
    made.break_with("r1", "r4")
    found = made.bisect()
    assert guilty(found) == ["r1", "r4"]
    assert isinstance(found.result, Found)
    assert [each.verdict for each in found.probes if each.units == found.result.passing] == ["pass"]


def test_the_update_of_an_upstream_is_a_unit_too(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 2, own_nixpkgs=True)
    made.break_with("nixpkgs")
    # The update of r0 takes nixpkgs, as the app itself does: each alone breaks the check.
    found = made.bisect()
    assert guilty(found) == ["nixpkgs", "r0", "r1"]
    assert passing(found) == set()


def test_a_check_that_fails_without_the_update_each_time_ends_it(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 2, more="exit 3")
    found = made.bisect()
    assert found.result == NotFound("broken-before")
    assert [each.units for each in found.probes] == [frozenset()] * made.runs
    assert made.runs == FAILURES


def test_a_check_that_fails_one_time_in_three_is_flaky_and_holds_nothing(tmp_path: Path) -> None:
    # Its second run is that of all moves, then it passes twice.
    made = Bisecting(tmp_path, 4, more='[ $(($(wc -l < "$LOG") % 3)) != 2 ]')
    assert made.bisect().result == NotFound("flaky")


def test_an_update_that_passes_has_nothing_to_hold(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 2)
    assert made.bisect().result == NotFound("not-failing")


def test_another_failure_than_the_one_of_all_moves_proves_nothing(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3)
    made.break_with("r2")
    script = f"grep -q {made.space.tip('r0')} flake.lock || exit 0; grep -q {made.space.tip('r2')} flake.lock"
    checks = (("sh", "-c", script), ("sh", "check.sh"))
    found = made.bisect(checks=checks)
    # The first check fails with r0 unless r2 moves too; with all moves it is the second one that fails.
    assert {each.verdict for each in found.probes} == {"pass", "fail", "unknown"}
    assert isinstance(found.result, Found)
    assert [each.verdict for each in found.probes if each.units == found.result.passing] == ["pass"]


def test_sync_has_run_two_of_the_checks_already(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 4)
    made.break_with("r1")
    assert run_sync(made.manifest, locker="native").errors == {"app": "check-failed"}
    found = made.bisect()
    assert guilty(found) == ["r1"]
    assert [each.result.source for each in found.probes].count("sync") == 1
    assert found.ran == len(found.probes) - 1 == made.runs - 1


def test_a_second_bisection_runs_nothing_and_a_fresh_one_everything(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 4)
    made.break_with("r1")
    first = made.bisect()
    seen: list[ProbeRun] = []
    again = made.bisect(listener=seen.append)
    assert again == msgspec.structs.replace(first, ran=0)
    assert tuple(seen) == first.probes
    assert made.runs == first.ran
    made.bisect(fresh=True)
    assert made.runs == 2 * first.ran


def test_where_the_journal_is_gone_what_is_known_of_trees_spares_checks(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 4)
    made.break_with("r1")
    first = made.bisect()
    journal_file(made.manifest, cache_dir(), "app").unlink()
    again = made.bisect()
    assert guilty(again) == ["r1"]
    assert made.runs - first.ran == sum(each.time > 0 for each in first.probes) == 2


def test_half_a_line_in_the_journal_is_taken_away(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 4)
    made.break_with("r1")
    first = made.bisect()
    place = journal_file(made.manifest, cache_dir(), "app")
    place.write_bytes(place.read_bytes()[:-10])
    again = made.bisect(fresh=False)
    assert guilty(again) == ["r1"]
    assert len(place.read_bytes().splitlines()) == 1 + len(first.probes)


def test_after_another_commit_on_the_base_the_journal_does_not_count(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 2)
    made.break_with("r1")
    made.bisect()
    before = made.runs
    made.space.commit("app", {"other": "file"})
    found = made.bisect()
    assert guilty(found) == ["r1"]
    assert made.runs - before == len(found.probes)


@pytest.mark.parametrize("jobs", [2, 4])
def test_probes_run_at_the_same_time_and_find_the_same(tmp_path: Path, jobs: int) -> None:
    (tmp_path / "now").mkdir()
    # Each waits until as many run as may, for a while.
    more = f"""
    trap 'rm -f {tmp_path}/now/$$' EXIT
    trap 'exit 1' TERM
    touch {tmp_path}/now/$$
    for _ in 1 2 3 4 5; do [ $(ls {tmp_path}/now | wc -l) -ge {jobs} ] || sleep 0.1; done
    ls {tmp_path}/now | wc -l >> {tmp_path}/at-once"""
    made = Bisecting(tmp_path, 15, more=more)
    made.break_with("r9")
    found = made.bisect(jobs=jobs)
    assert guilty(found) == ["r9"]
    assert max(map(int, (tmp_path / "at-once").read_text().split())) == jobs


def test_a_probe_that_is_not_needed_any_more_is_ended(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 7)
    made.break_with("r0")
    late, all_ = made.space.tip("r4"), made.space.tip("r6")
    script = tmp_path / "slow"
    script.write_text(
        f'if grep -q {late} flake.lock && ! grep -q {all_} flake.lock; then echo $$ > "$1"; sleep 300; fi'
    )
    pid = tmp_path / "pid"
    begin = time.monotonic()
    found = made.bisect(jobs=3, checks=(("sh", str(script), str(pid)), ("sh", "check.sh")))
    assert guilty(found) == ["r0"]
    assert time.monotonic() - begin < 100
    assert not pid.exists() or not (Path("/proc") / pid.read_text().strip()).exists()


def test_the_limit_of_checks_ends_it_and_the_next_one_goes_on(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 6)
    made.break_with("r3")
    found = made.bisect(max_checks=4)
    assert (found.result, found.ran, made.runs) == (None, 4, 4)
    assert guilty(made.bisect()) == ["r3"]
    assert made.runs <= 9


def test_a_full_disk_says_nothing_of_a_move_and_breaks_it_off_the_second_time(tmp_path: Path) -> None:
    full = tmp_path / "full"
    # The disk is full from the third check on.
    words = 'echo "error: No space left on device"; exit 1'
    more = f'if [ -e {full} ] && [ "$(wc -l < "$LOG")" -ge 3 ]; then {words}; fi'
    made = Bisecting(tmp_path, 6, more=more)
    made.break_with("r3")
    full.touch()
    with pytest.raises(FlakesyncError) as error:
        made.bisect()
    assert error.value.code == "disk-full"
    assert made.runs == 4
    full.unlink()
    assert guilty(made.bisect()) == ["r3"]


def test_the_limit_of_time_ends_what_runs(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 2, more="sleep 300")
    begin = time.monotonic()
    assert made.bisect(limit_s=0.5).result is None
    assert time.monotonic() - begin < 100


def test_only_the_inputs_that_the_globs_match_move(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 6)
    made.break_with("r3")
    found = made.bisect(inputs=["r[2-4]"])
    assert [unit.id for unit in found.units] == ["r2", "r3", "r4"]
    assert guilty(found) == ["r3"]


@pytest.mark.parametrize(("code", "inputs", "checks"), [("nothing-moves", ["none"], None), ("no-check", [], ())])
def test_what_there_is_nothing_to_bisect_in_is_an_error(
    tmp_path: Path, code: str, inputs: list[str], checks: tuple[()] | None
) -> None:
    made = Bisecting(tmp_path, 2)
    if checks is not None:
        made.manifest = made.space.manifest()
    with pytest.raises(FlakesyncError) as error:
        made.bisect(inputs=inputs)
    assert error.value.code == code
