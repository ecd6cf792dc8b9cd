"""sync under a cooldown: what it locks, what waits, and what nobody waited for."""

from pathlib import Path

import pytest

from flakesync.terms import PinName, Rev, iso_day
from flakesync.workspace.snapshot import At
from tests.support import repos
from tests.support.cooling import cooled_chain, note_seen, push, source_of, today, write_cooled
from tests.support.nixspace import UPDATE_BRANCH, Ran, Space, Take, contents, drift_of, run_sync

pytestmark = [pytest.mark.usefixtures("use_nix"), pytest.mark.slow_between]

NIXPKGS = PinName("nixpkgs")
CVE = "CVE-2026-12345"
NOW = {NIXPKGS: CVE}
TRAILER = f'Flakesync-Cooldown: waived nixpkgs "{CVE}"'


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """Two repos at the first commit of nixpkgs; the second is eight days old, and the tip, a third one, two."""
    space = cooled_chain(tmp_path)
    second = space.tip("nixpkgs")
    third = push(space, "three")
    note_seen(source_of(space), {space.first_nixpkgs: 20, second: 8, third: 2})
    return space


def git(space: Space, name: str, *argv: str) -> str:
    return repos.run_git(*argv, cwd=space.path(name))


def second_of(space: Space) -> Rev:
    return Rev(git(space, "nixpkgs", "rev-parse", "main~1").strip())


def sync(space: Space, **options: object) -> Ran:
    return run_sync(space.root / "workspace.toml", **options)  # type: ignore[arg-type]


def kinds(space: Space, at: At = "update") -> list[str]:
    """Return the kinds of findings, but for the copy of nixpkgs that the second repo has by the first."""
    return [found.kind for found in drift_of(space.root / "workspace.toml", at=at) if found.kind != "duplicate"]


def message(space: Space, name: str) -> str:
    return git(space, name, "log", "-1", "--format=%B", UPDATE_BRANCH)


def updates(space: Space) -> dict[str, Rev | None]:
    return {name: space.ref(name) for name in space.names}


def test_the_lock_holds_exactly_the_chosen_commit_though_the_branch_has_moved_on(space: Space, nix: object) -> None:
    ran = sync(space)
    assert ran.statuses == {"r0": "updated", "r1": "updated"}
    assert [space.locked(name, "nixpkgs")["rev"] for name in space.names] == [second_of(space)] * 2
    assert space.locked("r0", "nixpkgs")["ref"] in ("main", "refs/heads/main")
    assert kinds(space) == []
    (pin,) = ran.document.pins
    assert (pin.target_rev, pin.tip.rev, pin.waived) == (second_of(space), space.tip("nixpkgs"), None)
    assert [(wait.why, wait.until) for wait in pin.waits] == [("age", iso_day((today() + 5) * 86_400))]


def test_the_same_night_twice_changes_nothing_and_the_tip_that_comes_meanwhile_neither(space: Space) -> None:
    sync(space)
    before = updates(space)
    assert sync(space).statuses == {"r0": "unchanged", "r1": "unchanged"}
    push(space, "four")
    assert sync(space).statuses == {"r0": "unchanged", "r1": "unchanged"}
    assert updates(space) == before


def test_another_machine_that_knows_the_ages_from_somebody_else_makes_the_same_commits(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(space)
    before = updates(space)
    for name in space.names:
        git(space, name, "update-ref", "-d", f"refs/heads/{UPDATE_BRANCH}")
    monkeypatch.setenv("FLAKESYNC_CACHE", str(tmp_path / "another"))
    note_seen(source_of(space), {second_of(space): 30, space.tip("nixpkgs"): 4})
    sync(space)
    assert updates(space) == before


def test_where_all_commits_are_too_young_nothing_changes_and_the_day_is_said(tmp_path: Path) -> None:
    space = cooled_chain(tmp_path, **{"cooldown": "7d", "dated-by": "trusted"})
    before = contents(tmp_path)
    ran = sync(space)
    assert (ran.statuses, ran.errors) == ({"r0": "unchanged", "r1": "unchanged"}, {})
    assert contents(tmp_path) == before
    (pin,) = ran.document.pins
    assert (pin.target_rev, ran.document.undecided) == (None, [])
    assert [wait.until for wait in pin.waits] == [iso_day((today() + 7) * 86_400)]
    assert kinds(space) == []


def test_an_update_branch_that_needs_no_move_any_more_goes_but_not_where_nothing_was_decided(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(space)
    before = updates(space)

    def fail(*_: object, **__: object) -> None:
        from flakesync.errors import GitError

        raise GitError("unreachable", "nobody answers")

    monkeypatch.setattr("flakesync.cooldown.evidence.find_candidates", fail)
    ran = sync(space)
    assert [error.code for error in ran.document.undecided] == ["unreachable"]
    assert updates(space) == before


# ---- sync --now ------------------------------------------------------------------------------------------------------


def test_now_takes_the_tip_and_says_why_in_each_commit(space: Space) -> None:
    ran = sync(space, waived=NOW)
    assert [space.locked(name, "nixpkgs")["rev"] for name in space.names] == [space.tip("nixpkgs")] * 2
    assert all(TRAILER in message(space, name).splitlines() for name in space.names)
    (pin,) = ran.document.pins
    assert pin.waived is not None
    assert pin.waived.reason == CVE
    assert "cooldown waived: CVE-2026-12345" in ran["r0"].changes[0].reason


def test_the_night_after_now_does_not_go_back_and_keeps_commits_trailer_and_reason(space: Space) -> None:
    sync(space, waived=NOW)
    before = updates(space)
    push(space, "four")
    ran = sync(space)
    assert ran.statuses == {"r0": "unchanged", "r1": "unchanged"}
    assert updates(space) == before
    (pin,) = ran.document.pins
    assert pin.waived is not None
    assert pin.waived.reason == CVE
    git(space, "r0", "commit", "-q", "--allow-empty", "-m", "The base moves")
    ran = sync(space)
    assert ran.statuses == {"r0": "updated", "r1": "updated"}
    assert TRAILER in message(space, "r0").splitlines()
    assert space.locked("r0", "nixpkgs")["rev"] != space.tip("nixpkgs")


def test_another_reason_for_the_same_commit_is_written_into_the_commits(space: Space) -> None:
    sync(space, waived=NOW)
    ran = sync(space, waived={NIXPKGS: "CVE-2026-99999"})
    assert ran.statuses == {"r0": "updated", "r1": "updated"}
    assert 'Flakesync-Cooldown: waived nixpkgs "CVE-2026-99999"' in message(space, "r0").splitlines()
    assert TRAILER not in message(space, "r0")


def test_the_trailer_stays_when_the_commit_has_become_old_enough_by_itself(space: Space) -> None:
    sync(space, waived=NOW)
    before = updates(space)
    note_seen(source_of(space), {space.tip("nixpkgs"): 9})
    assert sync(space).statuses == {"r0": "unchanged", "r1": "unchanged"}
    assert updates(space) == before


def test_a_newer_commit_that_is_old_enough_ends_what_was_waived(space: Space) -> None:
    sync(space, waived=NOW)
    fourth = push(space, "four")
    note_seen(source_of(space), {fourth: 7})
    sync(space)
    assert [space.locked(name, "nixpkgs")["rev"] for name in space.names] == [fourth] * 2
    assert not any("Flakesync-Cooldown" in message(space, name) for name in space.names)


def test_where_waiting_would_give_the_same_commit_nothing_is_waived(space: Space) -> None:
    write_cooled(space, cooldown="2d")
    ran = sync(space, waived=NOW)
    assert "Flakesync-Cooldown" not in message(space, "r0")
    assert ran.document.pins[0].waived is None


def test_what_a_waiver_brought_and_has_landed_is_not_moved_back_and_is_no_drift(space: Space) -> None:
    sync(space, waived=NOW)
    for name in space.names:
        git(space, name, "merge", "-q", "--ff-only", UPDATE_BRANCH)
    ran = sync(space)
    assert ran.statuses == {"r0": "unchanged", "r1": "unchanged"}
    assert kinds(space, at="base") == []


def test_an_input_that_is_younger_than_the_target_stays_and_the_others_move(space: Space) -> None:
    sync(space, waived=NOW, only=["r0"])
    git(space, "r0", "merge", "-q", "--ff-only", UPDATE_BRANCH)
    ran = sync(space)
    assert space.locked("r1", "nixpkgs")["rev"] == second_of(space)
    (held,) = [held for held in ran.plan.held if held.repo == "r0"]
    assert held.reason.startswith("cooldown: the locked commit is younger than ")
    assert kinds(space) == []


def test_a_waiver_in_a_trailer_of_a_commit_that_the_branch_never_had_counts_for_nothing(space: Space) -> None:
    sync(space)
    before = updates(space)
    stranger = space.commit("nixpkgs", {"x": "evil"}, branch="evil")
    text = message(space, "r0").replace(second_of(space), stranger)
    git(space, "r0", "switch", "-q", UPDATE_BRANCH)
    git(space, "r0", "commit", "-q", "--amend", "-m", f"{text.rstrip()}\n{TRAILER}\n")
    git(space, "r0", "switch", "-q", "main")
    ran = sync(space)
    assert ran.errors["r0"] == "branch-taken"
    assert ran.document.pins[0].waived is None
    assert before["r1"] is not None


def test_where_one_repo_alone_keeps_a_waived_commit_the_pin_is_shown_where_the_others_go(space: Space) -> None:
    sync(space, waived=NOW, only=["r1"])
    ran = sync(space)
    assert space.locked("r0", "nixpkgs")["rev"] == second_of(space)
    assert space.locked("r1", "nixpkgs")["rev"] == space.tip("nixpkgs")
    (pin,) = ran.document.pins
    assert (pin.target_rev, pin.waived and pin.waived.reason) == (second_of(space), CVE)


# ---- stale locks -----------------------------------------------------------------------------------------------------


def with_new_input(space: Space, name: str) -> None:
    """Commit a flake.nix with an input that the lock does not have yet."""
    text = space.flake_nix({"nixpkgs": Take(), "pkgs": Take("nixpkgs")})
    space.commit(name, {"flake.nix": text})


def test_a_new_input_of_a_cooled_pin_is_locked_at_its_target(space: Space) -> None:
    with_new_input(space, "r0")
    ran = sync(space, only=["r0"])
    assert space.locked("r0", "pkgs")["rev"] == second_of(space)
    (change,) = [change for change in ran["r0"].changes if change.input == "pkgs"]
    assert "cooldown 7 d: seen " in change.reason


def test_a_new_input_waits_where_no_commit_may_be_taken_as_nix_would_take_any(tmp_path: Path) -> None:
    space = cooled_chain(tmp_path, **{"cooldown": "7d", "dated-by": "trusted"})
    with_new_input(space, "r0")
    ran = sync(space, only=["r0"])
    assert ran.statuses == {"r0": "unchanged"}
    assert [held.input for held in ran.plan.held] == [("pkgs",)]
    assert ran.plan.held[0].reason.startswith("cooldown: ")


def test_a_new_input_goes_where_its_update_branch_keeps_the_pin(space: Space) -> None:
    sync(space, waived=NOW)
    with_new_input(space, "r0")
    sync(space, only=["r0"])
    assert space.locked("r0", "pkgs")["rev"] == space.locked("r0", "nixpkgs")["rev"] == space.tip("nixpkgs")
    assert TRAILER in message(space, "r0").splitlines()
