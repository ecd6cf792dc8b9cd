"""Targets that locks decide: a lock is a claim, not a source."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from flakesync.survey.newest import Standing, newest_locked, prover
from flakesync.survey.read import read_survey
from flakesync.terms import Rev
from flakesync.workspace.manifest import load_workspace
from tests.support import locks, repos
from tests.support.drift import NEW, NEXT, NIXPKGS, OLD, drift_of
from tests.support.locks import Inputs
from tests.support.workspaces import DAY_S, NOW, make_ground, nixpkgs, pin, scene, takes

FLAKES: Mapping[str, Inputs] = {
    "app": {"nixpkgs": nixpkgs(NEW, last_modified=200)},
    "evil": {"nixpkgs": nixpkgs(NEXT, last_modified=300)},
    "lib": {"nixpkgs": nixpkgs(OLD, last_modified=100)},
}


def target(flakes: Mapping[str, Inputs], standings: Mapping[Rev, Standing]) -> tuple[str | None, str | None]:
    """Return the target of the pin `newest-locked` and its note."""
    found = scene(flakes, pins=[pin("nixpkgs", NIXPKGS, "newest-locked")])
    found.standings = standings
    (drift,) = drift_of(found, {}).pins
    return drift.target_rev, drift.target_note


def test_what_the_branch_has_is_taken_without_a_word_more() -> None:
    assert target(FLAKES, {}) == (NEXT, "newest in any lock")


def test_what_nobody_can_tell_is_taken_and_said() -> None:
    assert target(FLAKES, {NEXT: "unknown"}) == (NEXT, "newest in any lock; not proven to be on nixos-25.11")


def test_what_the_branch_lacks_is_left_out_and_said() -> None:
    note = f"newest in any lock; {NEXT[:7]} of evil is not on nixos-25.11"
    assert target(FLAKES, {NEXT: "off"}) == (NEW, note)


def test_where_the_branch_has_none_there_is_no_target() -> None:
    assert target(FLAKES, dict.fromkeys((OLD, NEW, NEXT), "off")) == (None, None)


@pytest.mark.parametrize(("days", "wanted"), [(400, NEW), (2, NEW), (0, NEXT), (-1, NEXT)])
def test_a_date_in_the_future_is_left_out(days: int, wanted: Rev) -> None:
    evil: Inputs = {"nixpkgs": nixpkgs(NEXT, last_modified=NOW + days * DAY_S)}
    rev, note = target({**FLAKES, "evil": evil}, {})
    assert rev == wanted
    assert note == "newest in any lock" + (f"; {NEXT[:7]} of evil is dated in the future" if wanted == NEW else "")


def test_only_what_a_flake_takes_itself_counts() -> None:
    deep = locks.github("other", "x", inputs={"nixpkgs": nixpkgs(NEXT, last_modified=300)})
    app: Inputs = {"nixpkgs": nixpkgs(OLD, last_modified=100), "x": deep}
    assert target({"app": app}, {})[0] == OLD
    assert target({"app": {**app, "nixpkgs": ("x", "nixpkgs")}}, {})[0] == NEXT
    assert target({"app": {"sub": locks.folder("./sub", app)}}, {})[0] == OLD


def test_a_clone_of_the_workspace_tells_what_its_branch_has(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "app": {"lib": takes("lib")}})
    stray = repos.commit(ground.repos["lib"], {"x": "y"}, branch="stray", parents=[ground.tips["lib"]])
    snapshot = read_survey(load_workspace(ground.manifest), offline=True).snapshot
    (item,) = next(iter(snapshot.states.values())).flakes[0].inputs
    assert item.source is not None
    prove = prover(snapshot)
    identity = item.source[0]
    assert [prove(item.source, rev, 0) for rev in (ground.tips["lib"], stray, NEW)] == ["on", "off", "off"]
    assert prove((identity, "stray"), stray, 0) == "on"
    assert prove((identity, "gone"), stray, 0) == "off"


def test_a_repository_of_this_machine_tells_what_its_branch_has(tmp_path: Path) -> None:
    path = tmp_path / "nixpkgs.git"
    old = repos.make_bare(path, {"x": "1"}, branch="stable")
    stray = repos.commit(path, {"x": "2"}, branch="stray", parents=[old])
    url = f"file://{path}"
    flakes: dict[str, Inputs] = {
        "app": {"nixpkgs": locks.git(url, rev=old, ref="stable", last_modified=1)},
        "lib": {"nixpkgs": locks.git(url, rev=stray, ref="stable", last_modified=2)},
    }
    pins = {"nixpkgs": {"source": f"git+{url}?ref=stable", "target": "newest-locked"}}
    survey = read_survey(load_workspace(make_ground(tmp_path, flakes, pins=pins).manifest))
    ((_, found),) = survey.targets.items()
    assert (found.rev, found.note) == (old, f"newest in any lock; {stray[:7]} of lib is not on stable")


def test_a_repository_of_this_machine_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "nixpkgs.git"
    old = repos.make_bare(path, {"x": "1"}, branch="stable")
    url = f"file://{path}"
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": locks.git(url, rev=old, ref="stable", last_modified=1)}}
    pins = {"nixpkgs": {"source": f"git+{url}?ref=stable", "target": "newest-locked"}}
    manifest = make_ground(tmp_path, flakes, pins=pins).manifest
    (path / "HEAD").unlink()
    ((_, found),) = read_survey(load_workspace(manifest)).targets.items()
    assert (found.rev, found.note) == (old, "newest in any lock; not proven to be on stable")


def test_a_lock_without_a_date_hides_no_date_of_another(tmp_path: Path) -> None:
    dated = nixpkgs(NEW, last_modified=100)
    undated = locks.Input({key: value for key, value in dated.locked.items() if key != "lastModified"}, dated.original)
    found = scene({"app": {"nixpkgs": undated}, "lib": {"nixpkgs": dated}}, pins=[pin("nixpkgs", NIXPKGS, NEW)])
    ((_, chosen),) = found.survey({}).targets.items()
    assert (chosen.rev, chosen.last_modified) == (NEW, 100)


def test_a_commit_that_a_lock_took_from_another_repository_does_not_count() -> None:
    evil = locks.Input(locks.github("evil", "nixpkgs", rev=NEXT, last_modified=300).locked, nixpkgs(OLD).original)
    assert target({"app": {"nixpkgs": nixpkgs(OLD, last_modified=1)}, "lib": {"nixpkgs": evil}}, {})[0] == OLD


def test_the_newest_of_a_source_that_nobody_takes_is_not_known() -> None:
    assert newest_locked(scene({}).snapshot(), [], now=NOW, prove=lambda _source, _rev, _date: "on") == {}
    assert scene({"app": {}}, pins=[pin("nixpkgs", NIXPKGS)]).survey().targets == {}


@pytest.mark.parametrize(
    ("hold", "said"),
    [
        (["nixpkg"], ["repos.app.hold: `nixpkg` matches no input, did you mean `nixpkgs`?"]),
        (["zzz/*"], ["repos.app.hold: `zzz/*` matches no input"]),
        (["nixpkgs"], []),
        (["lib/nix*", "np"], []),
    ],
)
def test_a_hold_that_holds_nothing_is_said_once(tmp_path: Path, hold: list[str], said: list[str]) -> None:
    lib = locks.github("other", "lib", inputs={"nixpkgs": nixpkgs(OLD)})
    flakes: dict[str, Inputs] = {"app": {"lib": lib, "nixpkgs": nixpkgs(OLD), "np": ("nixpkgs",)}}
    ground = make_ground(tmp_path, flakes, tables={"app": {"hold": hold}})
    notes: list[str] = []
    read_survey(load_workspace(ground.manifest), note=notes.append)
    assert notes == said


def test_a_hold_of_all_repos_has_to_match_in_one(tmp_path: Path) -> None:
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": nixpkgs(OLD)}, "lib": {}}
    tables = {name: {"hold": ["nixpkgs", "crane"]} for name in flakes}
    ground = make_ground(tmp_path, flakes, tables=tables)
    notes: list[str] = []
    read_survey(load_workspace(ground.manifest), note=notes.append)
    assert notes == ["hold of 2 repos: `crane` matches no input"]
