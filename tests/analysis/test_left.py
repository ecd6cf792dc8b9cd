"""What a sync leaves as it is: listed with the reason; the exit status is 1 where drift has it after the run."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from flakesync.analysis.drift import find_drift
from flakesync.analysis.left import find_left
from flakesync.analysis.plan import make_plan
from flakesync.documents.sync import LeftDocument
from flakesync.nix.expression.stale import Disagreement
from flakesync.survey.pins import Target
from flakesync.terms import RepoName
from flakesync.workspace.manifest import Pin
from flakesync.workspace.snapshot import Problem, RepoAtCommit
from tests.support import locks
from tests.support.drift import NEW, NIXPKGS, OLD, A, B, X
from tests.support.locks import Input, Inputs
from tests.support.workspaces import DAY_S, NOW, Flakes, Scene, everything, nixpkgs, pin, repo, scene, takes

PIN = pin("nixpkgs", NIXPKGS)
DIRTY = Input(
    {"type": "git", "url": "https://e.example/x", "narHash": "x"}, {"type": "git", "url": "https://e.example/x"}
)
FOREIGN = Input(locks.github("evil", "x").locked, locks.github("good", "x").original)


def left_of(found: Scene, selected: Sequence[str] | None = None) -> list[LeftDocument]:
    survey = found.survey({"nixpkgs": Target(NEW)} if found.workspace.pins else {})
    chosen = everything(found) if selected is None else frozenset(map(RepoName, selected))
    return find_left(survey, make_plan(survey, chosen), chosen)


def one(inputs: Inputs | Flakes, *, pins: Sequence[Pin] = (), hold: tuple[str, ...] = ()) -> list[tuple[str, bool]]:
    """Return the kinds that are left in one repo, and whether they count."""
    app = msgspec.structs.replace(repo("app"), hold=hold)
    flakes: dict[str, Inputs | Flakes] = {"app": inputs, "lib": {}}
    found = scene(flakes, pins=pins, repos={"app": app}, branches={"lib": {"main": [A, B]}})
    return [(each.kind, each.fails) for each in left_of(found)]


@pytest.mark.parametrize(
    ("inputs", "left"),
    [
        ({"nixpkgs": nixpkgs(NEW)}, []),
        ({"nixpkgs": nixpkgs(OLD)}, []),
        ({"lib": takes("lib", rev=A)}, []),
        ({"lib": takes("lib", rev=X)}, [("unknown-rev", True)]),
        ({"x": DIRTY}, [("unlocked", True)]),
        ({"x": FOREIGN}, [("foreign", True)]),
        ({".": Problem("no-lock", "has inputs but no flake.lock")}, [("no-lock", True)]),
        ({".": {"nixpkgs": nixpkgs(OLD)}, "dev": Problem("bad-lock", "no")}, [("bad-lock", True)]),
        ({".": Problem("bad-lock", "no")}, []),  # the repo fails, and says so itself
        ({"old": nixpkgs(OLD, "nixos-24.05")}, [("ref", False)]),
        (
            {"nixpkgs": nixpkgs(NEW), "x": locks.github("o", "x", inputs={"nixpkgs": nixpkgs(OLD)})},
            [("duplicate", False)],
        ),
    ],
)
def test_what_the_plan_mends_is_not_left_and_what_a_lock_cannot_mend_does_not_count(
    inputs: Inputs | Flakes, left: list[tuple[str, bool]]
) -> None:
    assert one(inputs, pins=[PIN]) == left


def test_what_the_manifest_holds_or_flake_nix_fixes_is_listed_and_does_not_count() -> None:
    assert one({"nixpkgs": nixpkgs(OLD)}, pins=[PIN], hold=("nixpkgs",)) == [("pin", False)]
    assert one({"lib": takes("lib", rev=A)}, hold=("lib",)) == [("upstream", False)]
    fixed = Input(nixpkgs(OLD).locked, {**nixpkgs(OLD).original, "rev": OLD})
    governing = msgspec.structs.replace(PIN, inputs=("nixpkgs",))
    assert one({"nixpkgs": fixed}, pins=[governing]) == [("pin", False)]


@pytest.mark.parametrize(("hold", "left"), [((), []), (("lib",), ["stale-lock"])], ids=["mended", "held"])
def test_a_stale_lock_is_left_where_nothing_of_it_is_locked_anew(hold: tuple[str, ...], left: list[str]) -> None:
    found = scene({"app": {"lib": locks.github("other", "lib", rev=A)}}, repos={"app": repo("app", hold=hold)})
    survey = found.survey()
    app = survey.snapshot.states[RepoName("app")]
    assert isinstance(app, RepoAtCommit)
    wanted = Disagreement(
        ("lib",), "reference", {"type": "github", "owner": "b", "repo": "lib"}, True, "github:b/lib", "why"
    )
    stale = msgspec.structs.replace(app, flakes=(msgspec.structs.replace(app.flakes[0], stale=(wanted,)),))
    snapshot = msgspec.structs.replace(survey.snapshot, states={RepoName("app"): stale})
    survey = msgspec.structs.replace(survey, snapshot=snapshot)
    everywhere = everything(found)
    assert [finding.kind for finding in find_drift(survey, everywhere).findings] == ["stale-lock"]
    assert [each.kind for each in find_left(survey, make_plan(survey, everywhere), everywhere)] == left


def test_what_is_too_old_at_its_target_does_not_count() -> None:
    aged = msgspec.structs.replace(PIN, max_age_s=30 * DAY_S)
    assert one({"nixpkgs": nixpkgs(NEW, last_modified=NOW - 90 * DAY_S)}, pins=[aged]) == [("age", False)]


def test_an_input_that_follows_one_that_moves_is_mended() -> None:
    pins = locks.github("o", "pins", inputs={"nixpkgs": nixpkgs(OLD)})
    inputs: Inputs = {"pins": pins, "nixpkgs": ("pins", "nixpkgs")}
    assert [kind for kind, _ in one(inputs, pins=[PIN])] == ["pin"], "nothing moves pins"
    governing = msgspec.structs.replace(PIN, inputs=("nixpkgs", "pins/nixpkgs"))
    assert one(inputs, pins=[governing]) == []


def test_the_reason_is_told_once_and_only_of_selected_repos() -> None:
    app = msgspec.structs.replace(repo("app"), hold=("nixpkgs",))
    flakes: Mapping[str, Inputs] = {"app": {"nixpkgs": nixpkgs(OLD)}, "web": {"lib": takes("lib", rev=X)}, "lib": {}}
    found = scene(flakes, pins=[PIN], repos={"app": app}, branches={"lib": {"main": [A, B]}})
    held, unknown = left_of(found)
    assert (held.repo, held.input, held.reason) == ("app", "nixpkgs", "not at pin nixpkgs; held by the manifest")
    assert unknown.reason == "lib does not have this commit; its commit is not in the history of lib"
    assert [each.repo for each in left_of(found, ["web"])] == ["web"]


def test_a_workspace_that_drift_calls_in_step_leaves_nothing() -> None:
    found = scene({"app": {"nixpkgs": nixpkgs(NEW), "lib": takes("lib")}, "lib": {}}, pins=[PIN])
    survey = found.survey({"nixpkgs": Target(NEW)})
    assert (find_drift(survey, everything(found)).findings, left_of(found)) == ([], [])
