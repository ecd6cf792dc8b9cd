"""Candidates without a forge's record: by flakesync's own, proven by the history; by dates only until that is old."""

import re
from pathlib import Path

import msgspec
import pytest

from flakesync.cache.layout import window_folder
from flakesync.cooldown.evidence import find_candidates
from flakesync.git.remotes.window import fetch
from flakesync.git.remotes.window.fetch import known_window
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev
from flakesync.workspace.settings.cooldown import Conditions
from tests.cooldown.evidence.conftest import NOW, Place, ago, names, told
from tests.support.history import line


def test_tips_of_the_record_that_the_branch_still_has_are_candidates(plain: Place) -> None:
    revs = plain.make(line(30, start=ago(30), step_s=86_400))
    found = plain.find(revs["c29"], {revs["c10"]: ago(19), revs["c20"]: ago(9), revs["c25"]: ago(4)})
    assert told(found, revs) == [("c29", 0, "seen"), ("c25", 4, "seen"), ("c20", 9, "seen"), ("c10", 19, "seen")]
    assert all(each.was_tip for each in found.commits)


def test_a_backdated_commit_is_as_old_as_it_was_first_seen(plain: Place) -> None:
    revs = plain.make({"old": (ago(30), ()), "honest": (ago(1), ("old",)), "backdated": (ago(9), ("honest",))})
    found = plain.find(revs["backdated"], {revs["old"]: ago(20), revs["honest"]: ago(1)})
    assert told(found, revs) == [("backdated", 0, "seen"), ("honest", 1, "seen"), ("old", 20, "seen")]


def test_a_record_that_is_not_old_enough_is_joined_by_the_dates_of_what_was_there_before(plain: Place) -> None:
    revs = plain.make(line(40, start=ago(39), step_s=86_400))
    found = plain.find(revs["c39"], {revs["c37"]: ago(2)})
    assert told(found, revs)[:4] == [("c39", 0, "seen"), ("c37", 2, "seen"), ("c36", 3, "commit"), ("c35", 4, "commit")]
    assert [each.was_tip for each in found.commits][:4] == [True, True, False, False]


def test_above_what_was_seen_a_date_counts_for_nothing(plain: Place) -> None:
    """The branch was at `seen` two days ago, so what is above it came after that, whatever it says."""
    revs = plain.make(
        {
            "root": (ago(50), ()),
            "seen": (ago(30), ("root",)),
            "dated": (ago(25), ("seen",)),
            "tip": (ago(20), ("dated",)),
        }
    )
    found = plain.find(revs["tip"], {revs["seen"]: ago(2)})
    assert told(found, revs) == [("tip", 0, "seen"), ("seen", 30, "commit"), ("root", 50, "commit")]


def test_the_first_run_goes_by_dates_and_a_quiet_branch_moves_at_once(plain: Place) -> None:
    revs = plain.make(line(5, start=ago(100), step_s=86_400))
    found = plain.find(revs["c4"])
    assert told(found, revs)[:2] == [("c4", 96, "commit"), ("c3", 97, "commit")]
    assert found.commits[0].was_tip


def test_a_backdated_commit_is_as_young_as_its_parents_by_dates(plain: Place) -> None:
    revs = plain.make({"old": (ago(30), ()), "honest": (ago(1), ("old",)), "backdated": (ago(9), ("honest",))})
    found = plain.find(revs["backdated"])
    assert told(found, revs) == [("backdated", 1, "commit"), ("honest", 1, "commit"), ("old", 30, "commit")]


def test_a_date_in_the_future_makes_nothing_old(plain: Place) -> None:
    revs = plain.make({"old": (ago(30), ()), "ahead": (ago(-900), ("old",))})
    assert told(plain.find(revs["ahead"]), revs) == [("ahead", 0, "seen"), ("old", 30, "commit")]


def test_a_run_an_hour_later_finds_the_same(plain: Place) -> None:
    revs = plain.make(line(40, start=ago(39), step_s=86_400))
    first = plain.find(revs["c39"], {revs["c39"]: NOW, revs["c37"]: ago(2)})
    again = plain.find(revs["c39"], {revs["c39"]: NOW, revs["c37"]: ago(2)}, now=NOW + 3600)
    assert again == first


def test_a_repository_as_large_as_home_manager_costs_a_hundred_kilobytes(plain: Place) -> None:
    revs = plain.make(line(7000, start=ago(583), step_s=7200), file_bytes=400)
    found = plain.find(revs["c6999"], cooldown_days=14)
    assert [each.rev for each in found.commits if each.time <= ago(14)]
    packs = window_folder(plain.cache, plain.url.removeprefix("git+")) / "objects" / "pack"
    assert sum(file.stat().st_size for file in packs.iterdir()) <= 100_000


def test_only_the_line_of_first_parents_is_dated(plain: Place) -> None:
    revs = plain.make(
        {
            "root": (ago(50), ()),
            "side": (ago(40), ("root",)),
            "main": (ago(41), ("root",)),
            "tip": (ago(10), ("main", "side")),
        }
    )
    assert names(plain.find(revs["tip"]), revs) == ["tip", "main", "root"]


@pytest.mark.parametrize(("tips", "only_trusted"), [(True, False), (False, True)])
def test_dates_do_not_count_where_only_tips_or_trusted_evidence_may(
    plain: Place, tips: bool, only_trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "fetch_commits", pytest.fail)
    revs = plain.make(line(40, start=ago(39), step_s=86_400))
    found = plain.find(revs["c39"], {revs["c37"]: ago(2)}, tips=tips, only_trusted=only_trusted)
    assert told(found, revs) == [("c39", 0, "seen"), ("c37", 2, "seen")]


def test_a_record_that_is_old_enough_needs_no_dates(plain: Place) -> None:
    revs = plain.make(line(40, start=ago(39), step_s=86_400))
    assert names(plain.find(revs["c39"], {revs["c30"]: ago(9)}), revs) == ["c39", "c30"]


def test_a_tip_that_is_old_enough_by_the_record_needs_no_history(plain: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "fetch_commits", pytest.fail)
    tip = Rev("1" * 40)
    assert [each.rev for each in plain.find(tip, {tip: ago(9), Rev("2" * 40): ago(20)}).commits] == [tip]


def test_it_goes_as_deep_as_it_takes(plain: Place) -> None:
    revs = plain.make(line(700, start=ago(30), step_s=3600))
    found = plain.find(revs["c699"], cooldown_days=14)
    old = [each for each in told(found, revs) if each[1] >= 14]
    assert old
    assert len(found.commits) == 700, "c699 is there from the day that 2,048 commits go back to"


def test_checks_are_looked_for_on_commits_that_were_no_tips_where_no_age_is_asked(plain: Place) -> None:
    revs = plain.make(line(30, start=ago(30), step_s=86_400))
    found = plain.find(revs["c29"], cooldown_days=0, require_ci=(), ci_depth=5)
    assert names(found, revs)[:6] == ["c29", "c28", "c27", "c26", "c25", "c24"]
    assert [each.was_tip for each in found.commits][:2] == [True, False]


# ---- what the branch has lost ------------------------------------------------------------------------------------


def test_a_seen_tip_that_was_rewritten_away_is_no_candidate_and_that_is_said(plain: Place) -> None:
    first = plain.make(line(5, start=ago(40), step_s=86_400))
    plain.find(first["c4"], {first["c4"]: ago(30)})
    second = plain.make({"x": (ago(12), (first["c2"],)), "y": (ago(3), ("x",))})
    revs = first | second
    found = plain.find(second["y"], {first["c4"]: ago(30), second["x"]: ago(10)})
    assert names(found, revs) == ["y", "x"]
    found = plain.find(second["y"], {first["c4"]: ago(30), first["c2"]: ago(35)})
    assert names(found, revs) == ["y", "c2"]
    assert found.note == f"rewritten: its history does not have {first['c4'][:7]} any more"
    assert found.lost == {first["c4"]}


def test_what_is_found_is_enough_whatever_else_was_lost(plain: Place) -> None:
    revs = plain.make(line(400, start=ago(17), step_s=3600))
    found = plain.find(revs["c399"], {revs["c380"]: ago(8), Rev("1" * 40): ago(16)}, tips=True)
    assert names(found, revs) == ["c399", "c380"]
    window = known_window(plain.url.removeprefix("git+"), "main", plain.cache)
    assert window is not None
    assert len(window.commits) == 32


def test_a_clock_that_was_wrong_puts_no_commit_before_what_came_after_it(plain: Place) -> None:
    revs = plain.make(line(30, start=ago(30), step_s=86_400))
    found = plain.find(revs["c29"], {revs["c10"]: ago(8), revs["c20"]: ago(9)}, tips=True)
    assert names(found, revs) == ["c29", "c20", "c10"]


def test_a_seen_tip_is_looked_for_as_far_back_as_it_may_be(plain: Place) -> None:
    revs = plain.make(line(400, start=ago(17), step_s=3600))
    found = plain.find(revs["c399"], {revs["c200"]: ago(8)}, tips=True)
    assert names(found, revs) == ["c399", "c200"]
    assert found.note is None


def test_in_a_long_history_a_lost_tip_is_looked_for_no_further_back_than_where_it_has_to_be(plain: Place) -> None:
    first = plain.make(line(900, start=ago(600), step_s=86_400 // 2))
    lost = plain.make({"lost": (ago(20), (first["c899"],))})["lost"]
    new = plain.make(line(40, start=ago(39), step_s=86_400, name="n") | {"n0": (ago(39), (first["c899"],))})
    found = plain.find(new["n39"], {lost: ago(20)}, tips=True)
    assert [each.rev for each in found.commits] == [new["n39"]]
    assert found.note == f"its 32 newest commits do not have {lost[:7]}"


def test_a_server_that_gives_no_history_leaves_the_record_as_it_is(
    plain: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MOST_BYTES", 1 << 20)
    revs = plain.make(line(40, start=ago(39), step_s=86_400), filters=False, file_bytes=100_000)
    found = plain.find(revs["c39"], {revs["c30"]: ago(9)})
    assert names(found, revs) == ["c39", "c30"]
    assert found.note is not None
    assert "too big without filter: over 1 MB" in found.note
    assert "1 commits which it was seen at is not proven" in found.note


def test_a_branch_that_is_being_moved_leaves_what_is_proven(plain: Place) -> None:
    revs = plain.make(line(40, start=ago(39), step_s=86_400))
    found = plain.find(Rev("1" * 40), {revs["c30"]: ago(9)})
    assert [each.rev for each in found.commits] == ["1" * 40]
    assert found.note is not None
    assert f"main does not have {'1' * 40} any more" in found.note


def test_a_server_without_filters_is_named_with_the_size(plain: Place) -> None:
    revs = plain.make(line(40, start=ago(39), step_s=86_400), filters=False, file_bytes=100_000)
    note = plain.find(revs["c39"]).note
    assert note is not None
    assert re.search(r"sends whole trees: 32 commits are [0-9.]+ MB", note)


def test_a_server_without_filters_that_sends_little_is_not_spoken_of(plain: Place) -> None:
    revs = plain.make(line(40, start=ago(39), step_s=86_400), filters=False, file_bytes=10_000)
    assert plain.find(revs["c39"]).note is None


# ---- offline, and archives ---------------------------------------------------------------------------------------


def test_offline_the_record_and_what_is_here_are_all_there_is(plain: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    revs = plain.make(line(40, start=ago(39), step_s=86_400))
    seen = {revs["c30"]: ago(9)}
    found = plain.find(revs["c39"], seen, online=False)
    assert told(found, revs) == [("c39", 0, "seen"), ("c30", 9, "seen")]
    assert found.note is not None
    assert "--offline" in found.note
    online = plain.find(revs["c39"], seen)
    monkeypatch.setattr(fetch, "fetch_commits", pytest.fail)
    assert plain.find(revs["c39"], seen, online=False) == online


def test_of_an_archive_the_record_alone_tells(tmp_path: Path) -> None:
    reference = FlakeRef.parse("https://channels.example.org/nixos-unstable/nixexprs.tar.xz")
    tip, old = Rev("1" * 40), Rev("2" * 40)
    found = find_candidates(
        reference, tip, Conditions(cooldown_days=7), {tip: NOW, old: ago(9)}, now=NOW, hosts=None, cache=tmp_path
    )
    assert [(each.rev, each.dated_by, each.was_tip) for each in found.commits] == [
        (tip, "seen", True),
        (old, "seen", True),
    ]
    assert not list(tmp_path.iterdir())
    assert msgspec.structs.asdict(found)["note"] is None


# ---- at-least ----------------------------------------------------------------------------------------------------


def test_whether_a_commit_has_a_fix_is_told_by_as_much_history_as_it_takes(plain: Place) -> None:
    revs = plain.make(line(600, start=ago(30), step_s=3600))
    assert plain.has(revs["c599"], revs["c100"], online=False) is None
    assert plain.has(revs["c599"], revs["c100"]) is True
    assert plain.has(revs["c50"], revs["c100"]) is False
    assert plain.has(revs["c100"], revs["c100"]) is True
    assert plain.has(revs["c599"], Rev("1" * 40)) is False, "the whole history does not have it"
    assert plain.has(revs["c599"], revs["c0"], online=False) is True


def test_of_a_history_that_goes_too_far_it_is_not_told(plain: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MOST_COMMITS", 100)
    revs = plain.make(line(600, start=ago(30), step_s=3600))
    assert plain.has(revs["c599"], Rev("1" * 40)) is None


def test_a_commit_that_the_branch_does_not_have_is_not_told(plain: Place) -> None:
    revs = plain.make(line(3, start=ago(30), step_s=3600))
    assert plain.has(Rev("1" * 40), revs["c0"]) is None


def test_with_a_fix_asked_for_young_tips_are_proven_too(plain: Place) -> None:
    first = plain.make(line(5, start=ago(40), step_s=86_400))
    second = plain.make({"x": (ago(2), (first["c2"],))})
    found = plain.find(second["x"], {first["c4"]: ago(1)}, tips=True, at_least="1" * 40)
    assert [each.rev for each in found.commits] == [second["x"]]
