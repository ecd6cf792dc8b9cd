"""`on-failure = "bisect"`: what breaks the checks of a repo is held, and the rest is its update."""

import time
from pathlib import Path

import pytest

from flakesync.git.repository import Repository
from flakesync.nix.lock.file import LockFile
from flakesync.survey.held.check_holds import holds_of
from flakesync.sync.events import Step
from flakesync.terms import Rev
from flakesync.workspace.inputs import rev_of
from tests.support.nixspace import Ran, Take, read, run_sync
from tests.sync.bisect.bisecting import Bisecting

DAY_S = 86_400


@pytest.fixture(autouse=True)
def _without_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")


def night(made: Bisecting) -> Ran:
    return run_sync(made.manifest, locker="native")


def tips(made: Bisecting) -> dict[str, Rev | None]:
    return {name: made.space.ref(name) for name in made.space.names}


def base_lock(made: Bisecting, *path: str) -> Rev | None:
    """Return where an input of the app is on its base branch."""
    return locked(made, "app", *path, branch="main")


def locked(made: Bisecting, repo: str, *path: str, branch: str = "flakesync/update") -> Rev | None:
    """Return where an input is on a branch of a repo, its update branch for one."""
    lock = LockFile.parse(read(made.space.path(repo), made.space.tip(repo, branch), "flake.lock"))
    node = lock.node(path)
    assert node is not None
    return rev_of(node.locked or {})


def held(ran: Ran, repo: str = "app") -> list[str]:
    return [each.input for each in ran[repo].held]


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    now = time.time() + days * DAY_S
    monkeypatch.setattr("flakesync.survey.read.time.time", lambda: now)


def test_the_guilty_input_is_held_and_the_rest_is_the_update(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 4, on_failure="bisect")
    old = base_lock(made, "r2")
    made.break_with("r2")
    ran = night(made)
    assert ran.statuses["app"] == "updated"
    assert [change.input for change in ran["app"].changes] == ["nixpkgs", "r0", "r1", "r3"]
    [hold] = ran["app"].held
    bad = made.space.tip("r2")
    assert (hold.flake, hold.input, hold.rev, hold.check) == (".", "r2", bad, "sh check.sh")
    assert hold.output == f"error: {bad} is bad"
    assert (locked(made, "app", "r2"), locked(made, "app", "r3")) == (old, made.space.tip("r3"))
    # The rest was run as a whole by the search: it is not run again.
    steps = [event for event in ran.events if isinstance(event, Step) and event.repo == "app"]
    assert [event.step for event in steps].count("checking") == 1
    probes = [event for event in steps if event.step == "bisecting" and event.detail]
    assert made.runs == 1 + len(probes) - 1  # that of all moves is known to the search


def test_the_next_sync_runs_nothing_and_changes_nothing(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 4, on_failure="bisect")
    made.break_with("r1")
    first = night(made)
    before = tips(made), made.runs
    for _ in range(2):
        again = night(made)
        assert again.statuses["app"] == "unchanged"
        assert again["app"].held == first["app"].held
        assert (tips(made), made.runs) == before


def test_a_machine_that_has_nothing_but_the_branch_knows_the_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Bisecting(tmp_path, 3, on_failure="bisect")
    made.break_with("r1")
    first = night(made)
    before = tips(made), made.runs
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    again = night(made)
    assert (again.statuses["app"], again["app"].held) == ("unchanged", first["app"].held)
    assert (tips(made), made.runs) == before


def test_it_is_tried_again_when_the_input_moves_on_and_the_hold_ends_where_it_passes(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3, on_failure="bisect")
    made.break_with("r1")
    night(made)
    made.space.commit("r1", {"note": "mended"})
    ran = night(made)
    assert (ran.statuses["app"], held(ran)) == ("updated", [])
    assert locked(made, "app", "r1") == made.space.tip("r1")


def test_it_is_tried_again_when_the_base_moves(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3, on_failure="bisect")
    made.break_with("r1")
    night(made)
    made.break_with()
    made.space.commit("app", {"other": "file"})
    ran = night(made)
    assert (ran.statuses["app"], held(ran)) == ("updated", [])


def test_it_is_tried_again_after_seven_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Bisecting(tmp_path, 3, on_failure="bisect")
    made.break_with("r1")
    night(made)
    before = tips(made), made.runs
    later(monkeypatch, 6)
    assert held(night(made)) == ["r1"]
    assert (tips(made), made.runs) == before
    later(monkeypatch, 7)
    again = night(made)
    assert (again.statuses["app"], held(again)) == ("updated", ["r1"])
    assert made.runs > before[1]
    made.break_with()
    later(monkeypatch, 14)
    passed = night(made)
    assert (passed.statuses["app"], held(passed)) == ("updated", [])


def test_another_input_that_breaks_later_is_held_beside(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 4, on_failure="bisect")
    made.break_with("r1")
    night(made)
    first = made.space.tip("r1")
    made.space.commit("r3", {"note": "worse"})
    made.bad.write_text(f"{first}\n{made.space.tip('r3')}\n")
    ran = night(made)
    assert (ran.statuses["app"], held(ran)) == ("updated", ["r1", "r3"])


def test_a_repo_whose_update_is_guilty_stays_and_dependents_of_both_are_right(tmp_path: Path) -> None:
    need = tmp_path / "need"
    more = f'if ! grep -qf {need} flake.lock; then echo "error: r0 has moved"; exit 1; fi'
    made = Bisecting(tmp_path, 2, own_nixpkgs=True, more=more, on_failure="bisect")
    need.write_text(f"{base_lock(made, 'r0')}\n")
    made.space.add("top", {"app": Take(), "r0": Take()})
    made.manifest = made.space.manifest(tables={"app": {"checks": ["sh check.sh"], "on-failure": "bisect"}})
    ran = night(made)
    assert set(ran.statuses.values()) == {"updated"}, ran.errors
    assert held(ran) == ["r0"]
    app, r0 = tips(made)["app"], tips(made)["r0"]
    assert (locked(made, "top", "app"), locked(made, "top", "r0")) == (app, r0)
    assert locked(made, "top", "app", "r0") == locked(made, "app", "r0") != r0
    before = tips(made), made.runs
    assert set(night(made).statuses.values()) == {"unchanged"}
    assert (tips(made), made.runs) == before


def test_where_nothing_else_would_move_the_repo_fails(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 1, on_failure="bisect")
    made.manifest = made.space.manifest(
        tables={"app": {"checks": ["sh check.sh"], "on-failure": "bisect", "hold": ["nixpkgs"]}}
    )
    made.break_with("r0")
    ran = night(made)
    assert ran.errors == {"app": "check-failed"}
    assert "nothing else would move without r0" in str(ran["app"].error)
    assert made.space.ref("app") is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("exit 3", "they fail without the update too"),
        ('[ $(wc -l < "$LOG") != 1 ]', "they pass and fail with the same locks"),
    ],
)
def test_what_is_not_the_updates_fault_fails_and_holds_nothing(tmp_path: Path, more: str, said: str) -> None:
    made = Bisecting(tmp_path, 3, more=more, on_failure="bisect")
    ran = night(made)
    assert ran.errors == {"app": "check-failed"}
    assert said in str(ran["app"].error)
    assert made.space.ref("app") is None


def test_past_the_limits_it_fails_with_what_is_known_and_the_next_run_goes_on(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 6, on_failure="bisect", max_checks=4)
    made.break_with("r4")
    ran = night(made)
    assert ran.errors == {"app": "check-failed"}
    assert "max-checks" in str(ran["app"].error)
    assert made.runs == 1 + 4
    again = night(made)
    assert (again.statuses["app"], held(again)) == ("updated", ["r4"])


def test_under_fail_nothing_is_looked_for_and_no_branch_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Bisecting(tmp_path, 3)
    made.break_with("r1")

    def read_none(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("flakesync.survey.held.check_holds.branch_tip", read_none)
    monkeypatch.setattr("flakesync.sync.tasks.worker.Rests.find", read_none)
    assert night(made).errors == {"app": "check-failed"}
    assert made.runs == 1


def test_a_dry_run_keeps_what_is_held(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3, on_failure="bisect")
    made.break_with("r1")
    first = night(made)
    before = tips(made), made.runs
    dry = run_sync(made.manifest, locker="native", dry_run=True)
    assert (dry.statuses["app"], dry["app"].held) == ("unchanged", first["app"].held)
    assert (tips(made), made.runs) == before


def test_a_bisection_by_hand_looks_for_all_anew(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3, on_failure="bisect")
    made.break_with("r1")
    night(made)
    found = made.bisect()
    assert [unit.id for unit in found.units] == ["nixpkgs", "r0", "r1", "r2"]


def test_the_commit_says_what_it_holds(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3, on_failure="bisect")
    made.break_with("r1")
    night(made)
    with Repository.open(made.space.path("app")) as repository:
        commit = repository.commit(made.space.tip("app", "flakesync/update"))
    [hold] = holds_of(commit)
    assert (hold.input, hold.rev) == (("r1",), made.space.tip("r1"))
    assert f'\nFlakesync-Held: r1 {hold.rev} check "sh check.sh" since {hold.since}' in commit.message


def test_what_is_guilty_in_one_repo_is_looked_at_first_in_the_others(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 6)
    names = ["app", *(f"app{number}" for number in range(3))]
    check = (made.space.path("app") / "check.sh").read_text()
    takes = {"nixpkgs": Take()} | {f"r{number}": Take() for number in range(6)}
    made.space.commit("r5", {"note": "earlier"})  # what the others begin with is another commit
    for name in names[1:]:
        made.space.add(name, dict(takes), files={"check.sh": check})
    for number in range(6):
        made.space.commit(f"r{number}", {"note": "later"})
    settings = {"checks": ["sh check.sh"], "on-failure": "bisect", "max-checks": 30}
    made.manifest = made.space.manifest(tables=dict.fromkeys(names, settings))
    made.break_with("r4")
    ran = night(made)
    assert {name: held(ran, name) for name in names} == {name: ["r4"] for name in names}, ran.errors
    probes = {
        name: [
            event.detail
            for event in ran.events
            if isinstance(event, Step) and (event.repo, event.step) == (name, "bisecting") and event.detail
        ]
        for name in names
    }
    first, *others = sorted(probes.values(), key=len, reverse=True)
    assert len(others[0]) < len(first)
    assert {each[0] for each in others} == {"pass: nixpkgs r0 r1 r2 r3 r5"}


def test_what_ran_before_an_interruption_is_not_run_again(tmp_path: Path) -> None:
    whole = Bisecting(tmp_path / "whole", 6, on_failure="bisect")
    whole.break_with("r4")
    night(whole)
    made = Bisecting(tmp_path / "cut", 6, on_failure="bisect")
    made.break_with("r4")
    left = [4]

    def cut(event: object) -> None:
        if isinstance(event, Step) and event.step == "bisecting" and event.detail:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sync(made.manifest, locker="native", listener=cut)
    again = night(made)
    assert (again.statuses["app"], held(again)) == ("updated", ["r4"])
    assert made.runs == whole.runs + 1  # sync itself checks all first


def test_a_check_that_is_ended_from_outside_holds_nothing(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 3, more="kill -9 $$", on_failure="bisect")
    ran = night(made)
    assert ran.errors == {"app": "check-failed"}
    assert "tells nothing of an input" in str(ran["app"].error)
    assert made.runs == 1


@pytest.mark.parametrize("pinned", [True, False])
def test_of_eight_repos_that_move_to_a_bad_source_the_one_whose_checks_it_breaks_holds_it(
    tmp_path: Path, pinned: bool
) -> None:
    made = Bisecting(tmp_path, 2, on_failure="bisect")
    calm = [f"calm{number}" for number in range(6)]
    for name in calm:
        made.space.add(name, {"nixpkgs": Take()})
    tables = {"app": {"checks": ["sh check.sh"], "on-failure": "bisect"}}
    settings, pins = ({}, None) if pinned else ({"external": "latest"}, dict[str, dict[str, object]]())
    made.manifest = made.space.manifest(settings, pins=pins, tables=tables)
    made.break_with("nixpkgs")
    ran = night(made)
    assert {name: ran.statuses[name] for name in ("app", *calm)} == dict.fromkeys(("app", *calm), "updated")
    assert {name: held(ran, name) for name in ("app", *calm)} == {"app": ["nixpkgs"], **{name: [] for name in calm}}
    bad = made.space.tip("nixpkgs")
    assert locked(made, "app", "nixpkgs") != bad
    assert {locked(made, name, "nixpkgs") for name in calm} == {bad}
    with Repository.open(made.space.path("app")) as repository:
        assert "Flakesync-Pin" not in repository.commit(made.space.tip("app", "flakesync/update")).message
    before = tips(made), made.runs
    assert set(night(made).statuses.values()) == {"unchanged"}
    assert (tips(made), made.runs) == before
    made.space.commit("nixpkgs", {"note": "mended"})
    mended = night(made)
    assert (held(mended), locked(made, "app", "nixpkgs")) == ([], made.space.tip("nixpkgs"))


def test_files_of_after_are_in_what_is_checked_and_a_rerun_makes_the_same_commit(tmp_path: Path) -> None:
    after = [{"run": ["sh", "-c", "grep -c '\"rev\"' flake.lock > deps.json"], "files": ["deps.json"]}]
    made = Bisecting(tmp_path, 3, on_failure="bisect", after=after)
    made.break_with("r1")
    ran = night(made)
    assert (ran.statuses["app"], held(ran), ran["app"].files) == ("updated", ["r1"], ["deps.json"])
    made.space.commit("r0", {"note": "again"})
    made.space.commit("r0", {"note": "and again"})
    moved = night(made)
    assert (moved.statuses["app"], held(moved)) == ("updated", ["r1"])
    before = tips(made), made.runs
    assert night(made).statuses["app"] == "unchanged"
    assert (tips(made), made.runs) == before
