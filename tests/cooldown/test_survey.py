"""A survey under conditions: which targets it has, what it costs, and what an idle one does not do."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from flakesync.analysis.drift import find_drift
from flakesync.analysis.moves import ToRev
from flakesync.analysis.plan import make_plan
from flakesync.cache.layout import cache_dir, seen_file
from flakesync.cooldown.model import ChecksOf, CommitChecks
from flakesync.cooldown.seen import read_seen, source_name
from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.read import read_survey
from flakesync.survey.survey import Survey
from flakesync.terms import PinName, Rev
from flakesync.workspace.manifest import load_workspace
from tests.support import locks, repos
from tests.support.cooling import note_seen
from tests.support.locks import Input
from tests.support.workspaces import Ground, everything, make_ground

NIXPKGS = PinName("nixpkgs")


@pytest.fixture
def nixpkgs(tmp_path: Path) -> tuple[str, list[Rev]]:
    """The URL of a nixpkgs of our own with three commits on the branch `stable`, the oldest first."""
    path = tmp_path / "nixpkgs.git"
    first = repos.make_bare(path, {"x": "1"}, branch="stable")
    return f"file://{path}", [first, *(repos.commit(path, {"x": str(number)}) for number in (2, 3))]


def pkgs(url: str, rev: Rev, **values: object) -> Input:
    return locks.git(url, rev=rev, ref="stable", **values)  # type: ignore[arg-type]


def source(url: str) -> str:
    return f"git+{url}?ref=stable"


def ground(tmp_path: Path, nixpkgs: tuple[str, list[Rev]], **conditions: object) -> Ground:
    """Two repos at the oldest commit; their pin has these conditions."""
    url, revs = nixpkgs
    flakes = {"lib": {"nixpkgs": pkgs(url, revs[0])}, "app": {"nixpkgs": pkgs(url, revs[0])}}
    return make_ground(tmp_path, flakes, pins={"nixpkgs": {"source": source(url), **conditions}})


def survey_of(made: Ground, **options: object) -> Survey:
    return read_survey(load_workspace(made.manifest), **options)  # type: ignore[arg-type]


def test_the_target_is_the_newest_commit_that_is_old_enough_and_the_tip_is_noted(
    tmp_path: Path, nixpkgs: tuple[str, list[Rev]]
) -> None:
    url, (first, second, third) = nixpkgs
    made = ground(tmp_path, nixpkgs, cooldown="7d")
    note_seen(source(url), {first: 30, second: 7})
    survey = survey_of(made)
    target = survey.targets[NIXPKGS]
    assert (target.rev, target.choice and target.choice.tip.rev) == (second, third)
    reference = FlakeRef.parse(source(url))
    record = read_seen(seen_file(cache_dir())).first_seen(source_name(reference), reference.ref)
    assert {*record} == {first, second, third}
    plan = make_plan(survey, everything(survey))
    ((_, (change,)), _) = plan.changes()
    assert change.why.startswith("pin nixpkgs, cooldown 7 d: seen 20")
    assert f"; tip {third[:7]} waits until 20" in change.why
    (pin,) = find_drift(survey, everything(survey)).pins
    assert pin.tip is not None
    assert (pin.target_rev, pin.tip.rev, pin.tip.dated_by) == (second, third, "seen")


def test_an_idle_pin_costs_no_process_no_file_and_loads_nothing(
    tmp_path: Path, nixpkgs: tuple[str, list[Rev]], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    real = shutil.which("git")
    every: dict[str, dict[str, object]] = {"first": {}, "today": {}, "idle": {"cooldown": "0", "tips": True}}
    for name, conditions in every.items():
        trace = tmp_path / f"{name}.trace"
        program = tmp_path / f"{name}.bin" / "git"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$@" >>{trace}\nexec {real} "$@"\n')
        program.chmod(0o755)
        made = ground(tmp_path / name, nixpkgs, **conditions)
        with monkeypatch.context() as patched:
            patched.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
            for module in ("seen", "choose", "evidence"):
                patched.setitem(sys.modules, f"flakesync.cooldown.{module}", None)  # to import it is an error
            survey_of(made)
        counts.append(len(trace.read_text().splitlines()))
    assert counts[1] == counts[2] > 0  # what a process asks git once is left out
    assert not seen_file(cache_dir()).exists()


def test_offline_the_record_and_the_cache_alone_tell_ages_and_only_what_is_locked_is_taken(
    tmp_path: Path, nixpkgs: tuple[str, list[Rev]]
) -> None:
    url, (first, second, third) = nixpkgs
    flakes = {
        "lib": {"nixpkgs": pkgs(url, first, last_modified=5)},
        "app": {"nixpkgs": pkgs(url, second, last_modified=6)},
        "web": {"nixpkgs": pkgs(url, third, last_modified=7)},
    }
    made = make_ground(tmp_path, flakes, pins={"nixpkgs": {"source": source(url), "cooldown": "7d"}})
    note_seen(source(url), {first: 30, second: 8, third: 1})
    notes: list[str] = []
    survey = survey_of(made, offline=True, note=notes.append)
    assert survey.targets[NIXPKGS].rev == second
    assert "offline: the record and the cache alone tell how old commits are" in notes
    held = {str(held.repo): held.reason for held in make_plan(survey, everything(survey)).held}
    assert held.keys() == {"web"}
    assert held["web"].startswith("cooldown: the locked commit is younger than 20")
    assert {found.repo for found in find_drift(survey, everything(survey)).findings} == {"lib"}


def test_a_damaged_record_is_an_error_with_its_line(tmp_path: Path, nixpkgs: tuple[str, list[Rev]]) -> None:
    made = ground(tmp_path, nixpkgs, cooldown="7d")
    place = seen_file(cache_dir())
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("nonsense\n")
    with pytest.raises(FlakesyncError) as caught:
        survey_of(made)
    assert caught.value.code == "seen-corrupt"
    assert place.read_text() == "nonsense\n"


def test_checks_that_cannot_be_read_leave_the_pin_where_it_is_and_are_said(
    tmp_path: Path, nixpkgs: tuple[str, list[Rev]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ground(tmp_path, nixpkgs, **{"require-ci": True})
    monkeypatch.setattr(
        "flakesync.cooldown.evidence.checks_of", lambda *_: CommitChecks({}, why_unknown="HTTP 403 Forbidden")
    )
    survey = survey_of(made)
    assert NIXPKGS not in survey.targets
    plan = make_plan(survey, everything(survey))
    assert [error.code for error in plan.undecided] == ["ci-unreadable"]
    assert "HTTP 403 Forbidden" in plan.undecided[0].message
    assert survey.undecided == {"lib", "app"}
    assert not list(plan.changes())


def test_a_red_tip_waits_for_its_checks_and_the_green_commit_below_is_taken(
    tmp_path: Path, nixpkgs: tuple[str, list[Rev]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, (first, second, third) = nixpkgs
    made = ground(tmp_path, nixpkgs, **{"require-ci": ["ci/build"]})
    note_seen(source(url), {first: 30, second: 8})
    states: dict[Rev, ChecksOf] = {third: "failed", second: "passed", first: "passed"}
    monkeypatch.setattr(
        "flakesync.cooldown.evidence.checks_of", lambda _, rev, *__: CommitChecks({"ci/build": states[rev]})
    )
    survey = survey_of(made)
    assert survey.targets[NIXPKGS].rev == second
    (pin,) = find_drift(survey, everything(survey)).pins
    assert [(wait.rev, wait.why) for wait in pin.waits] == [(third, "ci")]


def test_an_external_source_is_cooled_too(tmp_path: Path, nixpkgs: tuple[str, list[Rev]]) -> None:
    url, (first, second, third) = nixpkgs
    flakes = {"lib": {"crane": pkgs(url, first)}, "app": {"crane": pkgs(url, third)}}
    made = make_ground(tmp_path, flakes, settings={"external": "latest", "cooldown": "1w"})
    note_seen(source(url), {first: 30, second: 8, third: 1})
    survey = survey_of(made)
    plan = make_plan(survey, everything(survey))
    ((repo, (change,)),) = plan.changes()
    assert (repo, change.to) == ("lib", change.to)
    assert change.why.startswith("external, cooldown 7 d: seen ")
    assert [(held.repo, held.ahead) for held in plan.held] == [("app", True)]
    report = find_drift(survey, everything(survey))
    assert [(found.kind, found.repo, found.wanted_rev) for found in report.findings] == [("external", "lib", second)]
    assert [(each.target_rev, each.tip.rev) for each in report.external] == [(second, third)]


def test_two_pins_of_one_source_are_decided_each_by_its_own_record(tmp_path: Path) -> None:
    path = tmp_path / "nixpkgs.git"
    first = repos.make_bare(path, {"x": "1"}, branch="stable")
    second = repos.commit(path, {"x": "2"})
    other = repos.commit(path, {"x": "3"}, branch="unstable", parents=[first])
    url = f"file://{path}"
    pins = {
        name: {"source": f"git+{url}?ref={name}", "cooldown": "7d", "dated-by": "trusted"}
        for name in ("stable", "unstable")
    }
    flakes = {"app": {"a": locks.git(url, rev=first, ref="stable"), "b": locks.git(url, rev=first, ref="unstable")}}
    made = make_ground(tmp_path, flakes, pins=pins)
    note_seen(f"git+{url}?ref=stable", {second: 9})
    survey = survey_of(made)
    assert {name: target.rev for name, target in survey.targets.items()} == {"stable": second}
    assert survey.decisions.pins[PinName("unstable")].choice.tip.rev == other


def test_at_least_takes_the_oldest_tip_that_has_the_fix_and_nothing_newer(tmp_path: Path) -> None:
    path = tmp_path / "nixpkgs.git"
    first = repos.make_bare(path, {"x": "1"}, branch="stable")
    fix = repos.commit(path, {"x": "fixed"})
    tips = [repos.commit(path, {"x": f"tip {number}"}) for number in range(3)]
    url = f"file://{path}"
    note_seen(source(url), {first: 30, tips[0]: 2, tips[1]: 1, tips[2]: 0})
    wish = {"cooldown": "7d", "tips": True, "at-least": fix, "at-least-reason": "CVE-2026-1"}
    made = ground(tmp_path, (url, [first]), **wish)
    target = survey_of(made).targets[NIXPKGS]
    assert (target.rev, target.choice and target.choice.waived) == (tips[0], "CVE-2026-1")


def test_at_least_of_a_commit_that_no_tip_has_holds_the_pin_and_says_so(
    tmp_path: Path, nixpkgs: tuple[str, list[Rev]]
) -> None:
    url, (first, second, _) = nixpkgs
    stranger = "c" * 40
    made = ground(tmp_path, nixpkgs, **{"cooldown": "7d", "at-least": stranger, "at-least-reason": "CVE-2026-1"})
    note_seen(source(url), {first: 30, second: 8})
    survey = survey_of(made)
    assert NIXPKGS not in survey.targets
    (pin,) = find_drift(survey, everything(survey)).pins
    assert pin.stays is not None
    assert "CVE-2026-1" in pin.stays
    assert not list(make_plan(survey, everything(survey)).changes())


def test_the_records_of_two_runners_are_merged_by_git_and_decide_as_one(
    tmp_path: Path, nixpkgs: tuple[str, list[Rev]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, (first, second, third) = nixpkgs
    made = ground(tmp_path, nixpkgs, cooldown="7d")
    home = tmp_path / "manifests"
    record = repos.make_repo(home, {".gitattributes": "seen.json merge=union\n", "seen.json": ""}, branch="main")
    assert record
    for branch, days in {"one": {first: 30, second: 2}, "two": {second: 8, third: 1}}.items():
        repos.run_git("switch", "-q", "-c", branch, "main", cwd=home)
        (home / "seen.json").unlink()
        note_seen(source(url), days, home / "seen.json")
        repos.run_git("commit", "-q", "-a", "-m", branch, cwd=home)
    for ours, theirs in (("one", "two"), ("two", "one")):
        repos.run_git("switch", "-q", "-C", "merged", ours, cwd=home)
        repos.run_git("merge", "-q", "--no-edit", theirs, cwd=home)
        text = made.manifest.read_text().replace("[workspace]\n", f'[workspace]\nseen = "{home}/seen.json"\n')
        (tmp_path / "merged.toml").write_text(text)
        survey = read_survey(load_workspace(tmp_path / "merged.toml"))
        assert survey.targets[NIXPKGS].rev == second
        repos.run_git("restore", "seen.json", cwd=home)


def test_newest_locked_takes_the_newest_locked_commit_that_is_old_enough_not_one_that_nobody_has(
    tmp_path: Path,
) -> None:
    path = tmp_path / "nixpkgs.git"
    revs = [repos.make_bare(path, {"x": "1"}, branch="stable")]
    revs += [repos.commit(path, {"x": str(number)}) for number in range(2, 6)]
    url = f"file://{path}"
    note_seen(source(url), {revs[0]: 30, revs[1]: 20, revs[2]: 9, revs[3]: 1})
    flakes = {
        "lib": {"nixpkgs": pkgs(url, revs[0], last_modified=5)},
        "app": {"nixpkgs": pkgs(url, revs[1], last_modified=6)},
        "web": {"nixpkgs": pkgs(url, revs[3], last_modified=8)},
    }
    pin = {"source": source(url), "target": "newest-locked", "cooldown": "7d"}
    survey = survey_of(make_ground(tmp_path, flakes, pins={"nixpkgs": pin}))
    assert survey.targets[NIXPKGS].rev == revs[1]
    assert survey.decisions.pins[NIXPKGS].choice.tip.rev == revs[3]
    moved = {repo: change.to for repo, (change,) in make_plan(survey, everything(survey)).changes()}
    assert moved == {"lib": ToRev(revs[1], branch="stable")}


def test_a_lock_at_a_tip_that_a_forced_push_has_taken_away_is_a_finding(
    tmp_path: Path, nixpkgs: tuple[str, list[Rev]]
) -> None:
    url, (first, second, third) = nixpkgs
    path = Path(url.removeprefix("file://"))
    made = make_ground(
        tmp_path,
        {"app": {"nixpkgs": pkgs(url, second)}, "lib": {"nixpkgs": pkgs(url, first)}},
        pins={"nixpkgs": {"source": source(url), "cooldown": "2d", "tips": True}},
    )
    note_seen(source(url), {first: 30, second: 20, third: 10})
    repos.run_git("update-ref", "refs/heads/stable", first, cwd=path)
    repos.commit(path, {"x": "honest"})
    survey = survey_of(made)
    (found,) = [each for each in find_drift(survey, everything(survey)).findings if each.kind == "rewritten"]
    assert (found.repo, found.input, found.locked_rev) == ("app", "nixpkgs", second)
    assert found.detail == "stable was at it, and was rewritten: its history lacks it now"
    assert survey.targets[NIXPKGS].rev == first
