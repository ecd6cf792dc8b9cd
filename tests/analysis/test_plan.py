"""What a sync would do, on generated locks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flakesync.analysis.documents.plan import plan_document
from flakesync.analysis.moves import Change, Held, Plan, ToRev, ToUpdate
from flakesync.analysis.plan import make_plan
from flakesync.analysis.why import why_document
from flakesync.nix.expression.stale import Disagreement, DisagreementKind
from flakesync.nix.reference.flakeref import FlakeRef, Identity
from flakesync.survey.external import external_sources
from flakesync.survey.pins import Target
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName, Rev
from flakesync.workspace.inputs import Source
from flakesync.workspace.manifest import External
from flakesync.workspace.snapshot import Problem, RepoAtCommit
from tests.support import locks
from tests.support.locks import Input, Inputs
from tests.support.workspaces import (
    UPDATE_BRANCH,
    Flakes,
    Scene,
    commit_id,
    everything,
    nixpkgs,
    pin,
    repo,
    scene,
    takes,
)

OLD, NEW, NEXT = commit_id("nixpkgs", 1), commit_id("nixpkgs", 2), commit_id("nixpkgs", 3)
A, B, C, X = (commit_id("lib", word) for word in "abcx")
NIXPKGS = "github:NixOS/nixpkgs/nixos-25.11"
PIN = pin("nixpkgs", NIXPKGS)
SERVER = {"nixpkgs": Target(NEW)}


def sources_of(found: Survey) -> Mapping[Source, FlakeRef]:
    return external_sources(found.snapshot, found.graph, found.governed)


def plan_of(found: Scene, answers: Mapping[str, Target] | None = None, selected: Sequence[str] | None = None) -> Plan:
    chosen = everything(found) if selected is None else frozenset(map(RepoName, selected))
    return make_plan(found.survey(answers), chosen)


def moves(plan: Plan) -> dict[str, str]:
    """Return `repo#input` → the commit it goes to, or the name of the repo whose update it takes."""
    found: dict[str, str] = {}
    for name, changes in plan.changes():
        for change in changes:
            to = change.to.rev if isinstance(change.to, ToRev) else str(change.to.upstream)
            found[f"{name}{'' if change.flake == '.' else f'/{change.flake}'}#{'/'.join(change.input)}"] = to
    return found


def stay(found: Sequence[Held]) -> dict[str, str]:
    return {f"{stays.repo}#{'/'.join(stays.input)}": stays.reason for stays in found}


def waves(plan: Plan) -> list[list[str]]:
    return [[name for name, _ in wave] for wave in plan.waves]


def only(plan: Plan) -> Change:
    ((_, (change,)),) = plan.changes()
    return change


def lib_at(taken: Input, branches: Mapping[str, Sequence[Rev]], *, bump: bool = False) -> Plan:
    """Return the plan of `app`, which takes `lib`. bump: lib itself is updated, because of its nixpkgs."""
    flakes: dict[str, Inputs] = {"app": {"lib": taken}, "lib": {"nixpkgs": nixpkgs(OLD if bump else NEW)}}
    return plan_of(scene(flakes, pins=[PIN], branches={"lib": branches}), SERVER)


# pins


def test_a_governed_input_goes_to_the_pins_target() -> None:
    change = only(plan_of(scene({"app": {"pkgs": nixpkgs(OLD)}, "lib": {"pkgs": nixpkgs(NEW)}}, pins=[PIN]), SERVER))
    assert (change.repo, change.flake, change.input, change.from_rev) == ("app", ".", ("pkgs",), OLD)
    assert change.to == ToRev(NEW, branch="nixos-25.11")
    assert (change.reason, change.pin) == ("pin nixpkgs", "nixpkgs")


def test_who_is_in_step_is_unchanged() -> None:
    plan = plan_of(scene({"app": {"nixpkgs": nixpkgs(NEW)}, "lib": {}}, pins=[PIN]), SERVER)
    assert (plan.waves, plan.unchanged, plan.held, plan.deferred) == ((), ("app", "lib"), (), ())


def test_offline_the_newest_commit_of_any_lock_is_the_target() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"nixpkgs": nixpkgs(OLD, last_modified=1)}, "lib": {"nixpkgs": nixpkgs(NEW, last_modified=2)},
    }  # fmt: skip
    assert moves(plan_of(scene(flakes, pins=[PIN]))) == {"app#nixpkgs": NEW}


@pytest.mark.parametrize(
    ("target", "moved"), [("repo:app", {"lib#nixpkgs": OLD}), (NEXT, {"app#nixpkgs": NEXT, "lib#nixpkgs": NEXT})]
)
def test_a_target_may_be_a_repo_or_a_commit(target: str, moved: dict[str, str]) -> None:
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": nixpkgs(OLD)}, "lib": {"nixpkgs": nixpkgs(NEW, last_modified=9)}}
    assert moves(plan_of(scene(flakes, pins=[pin("nixpkgs", NIXPKGS, target)]), SERVER)) == moved


def test_a_pin_may_go_backwards_because_it_is_wanted_so() -> None:
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": nixpkgs(NEW, last_modified=9)}}
    assert moves(plan_of(scene(flakes, pins=[pin("nixpkgs", NIXPKGS, OLD)]))) == {"app#nixpkgs": OLD}


def test_a_pin_whose_target_is_not_known_moves_nothing() -> None:
    assert moves(plan_of(scene({"app": {"nixpkgs": nixpkgs(OLD)}}, pins=[PIN]), {})) == {}


def test_a_commit_in_flake_nix_is_never_moved() -> None:
    fixed = Input(nixpkgs(OLD).locked, {**locks.github("NixOS", "nixpkgs").original, "rev": OLD})
    plan = plan_of(scene({"app": {"nixpkgs": fixed}}, pins=[pin("n", "github:NixOS/nixpkgs")]), {"n": Target(NEW)})
    assert (moves(plan), stay(plan.held)) == ({}, {"app#nixpkgs": "fixed by its flake.nix"})


def test_a_nested_input_can_be_governed_by_a_glob() -> None:
    flakes: dict[str, Inputs] = {"app": {"x": locks.github("other", "x", inputs={"nixpkgs": nixpkgs(OLD)})}}
    found = scene(flakes, pins=[pin("nixpkgs", NIXPKGS, inputs=("x/nixpkgs",))])
    assert moves(plan_of(found, SERVER)) == {"app#x/nixpkgs": NEW}


def archive(rev: Rev | None) -> Input:
    url = "https://flakehub.com/f/NixOS/nixpkgs/0.1"
    known = {"rev": rev} if rev else {}
    return Input(
        {"type": "tarball", "url": f"{url}/pinned", "narHash": locks.nar_hash_of("x"), **known},
        {"type": "tarball", "url": url},
    )


def test_an_archive_takes_the_immutable_one_of_its_server() -> None:
    immutable = {"type": "tarball", "url": "https://flakehub.com/f/pinned/new", "rev": NEW}
    found = scene({"app": {"n": archive(OLD)}}, pins=[pin("n", "https://flakehub.com/f/NixOS/nixpkgs/0.1")])
    assert only(plan_of(found, {"n": Target(NEW, 5, immutable)})).to == ToRev(NEW, locked=immutable)


def test_an_archive_is_not_moved_to_a_bare_commit() -> None:
    found = scene({"app": {"n": archive(OLD)}}, pins=[pin("n", "https://flakehub.com/f/NixOS/nixpkgs/0.1", NEW)])
    plan = plan_of(found)
    assert (moves(plan), stay(plan.held)) == ({}, {"app#n": "no archive of the target is known"})


def test_an_archive_without_a_commit_is_moved_once() -> None:
    immutable = {
        "type": "tarball",
        "url": "https://flakehub.com/f/pinned/new",
        "rev": NEW,
        "narHash": locks.nar_hash_of("x"),
    }
    found = scene({"app": {"n": archive(None)}}, pins=[pin("n", "https://flakehub.com/f/NixOS/nixpkgs/0.1")])
    assert moves(plan_of(found, {"n": Target(NEW, 5, immutable)})) == {}
    other = {**immutable, "narHash": locks.nar_hash_of("y")}
    assert moves(plan_of(found, {"n": Target(NEW, 5, other)})) == {"app#n": NEW}


# upstreams


def test_an_input_behind_its_upstream_goes_to_the_tip() -> None:
    change = only(lib_at(takes("lib", rev=A), {"main": [A, B, C]}))
    assert change.to == ToRev(C, RepoName("lib"), "main")
    assert change.reason == "2 commits behind lib"


def test_an_update_travels_down_all_waves() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"tool": takes("tool"), "lib": takes("lib")}, "tool": {"lib": takes("lib")},
        "lib": {"nixpkgs": nixpkgs(OLD)}, "alone": {},
    }  # fmt: skip
    plan = plan_of(scene(flakes, pins=[PIN]), SERVER)
    assert waves(plan) == [["lib"], ["tool"], ["app"]]
    assert moves(plan) == {"lib#nixpkgs": NEW, "tool#lib": "lib", "app#lib": "lib", "app#tool": "tool"}
    assert plan.unchanged == ("alone",)


def test_one_repo_changes_all_its_inputs_and_flakes_at_once() -> None:
    app: Flakes = {
        ".": {"nixpkgs": nixpkgs(OLD), "lib": takes("lib"), "lib2": takes("lib", rev=A)},
        "dev": {"lib": takes("lib")},
    }
    found = scene(
        {"app": app, "lib": {"nixpkgs": nixpkgs(OLD)}}, pins=[PIN], branches={"lib": {"main": [A, commit_id("lib")]}}
    )
    plan = plan_of(found, SERVER)
    assert waves(plan) == [["lib"], ["app"]]
    assert [(change.flake, change.input) for change in dict(plan.changes())[RepoName("app")]] == [
        (".", ("lib",)), (".", ("lib2",)), (".", ("nixpkgs",)), ("dev", ("lib",)),
    ]  # fmt: skip


def test_a_source_is_updated_as_any_other() -> None:
    assert moves(lib_at(takes("lib", flake=False), {"main": [commit_id("lib")]}, bump=True))["app#lib"] == "lib"


@pytest.mark.parametrize("bump", [False, True])
def test_an_input_on_another_branch_goes_to_that_branchs_tip(bump: bool) -> None:
    plan = lib_at(takes("lib", rev=A, ref="stable"), {"main": [A, B], "stable": [A, C]}, bump=bump)
    change = dict(plan.changes())[RepoName("app")][0]
    assert change.to == ToRev(C, RepoName("lib"), "stable")


def test_another_branch_at_its_tip_stays_although_the_base_is_updated() -> None:
    plan = lib_at(takes("lib", rev=C, ref="stable"), {"main": [A, B], "stable": [A, C]}, bump=True)
    assert moves(plan) == {"lib#nixpkgs": NEW}


@pytest.mark.parametrize("bump", [False, True])
@pytest.mark.parametrize("branches", [{"main": [A, B]}, {"main": [A, B], "feature": [A, B, X]}])
def test_a_lock_is_never_moved_backwards(branches: dict[str, list[Rev]], bump: bool) -> None:
    plan = lib_at(takes("lib", rev=X), branches, bump=bump)
    assert "app#lib" not in moves(plan)
    assert stay(plan.held) == {"app#lib": "its commit is not in the history of lib"}


@pytest.mark.parametrize("original", [{"rev": A}, {"ref": "refs/tags/v1"}])
def test_what_flake_nix_fixes_stays_and_is_said_when_it_matters(original: dict[str, str]) -> None:
    fixed = Input(takes("lib", rev=A).locked, {**takes("lib").original, **original})
    assert stay(lib_at(fixed, {"main": [A, B]}).held) == {}
    plan = lib_at(fixed, {"main": [A, B]}, bump=True)
    assert (moves(plan), stay(plan.held)) == ({"lib#nixpkgs": NEW}, {"app#lib": "fixed by its flake.nix"})


def test_an_unlanded_commit_stays_until_its_upstream_is_updated_again() -> None:
    branches = {"main": [A, B], UPDATE_BRANCH: [A, X]}
    plan = lib_at(takes("lib", rev=X), branches)
    assert stay(plan.held) == {"app#lib": "its commit is only on the update branch of lib"}
    assert moves(lib_at(takes("lib", rev=X), branches, bump=True))["app#lib"] == "lib"


@pytest.mark.parametrize(
    ("locked", "reason"),
    [
        ({"type": "path", "path": "/x", "narHash": locks.nar_hash_of("x")}, "its lock names no commit"),
        ({"type": "tarball", "url": "https://x.example/x", "rev": A}, "an archive, not a git source"),
    ],
)
def test_what_cannot_be_moved_to_a_commit_stays(locked: dict[str, object], reason: str) -> None:
    plan = lib_at(Input(locked, takes("lib").original), {"main": [A]}, bump=True)
    assert stay(plan.held) == {"app#lib": reason}


def test_an_archive_that_cannot_be_moved_is_told_as_held_once_it_is_behind() -> None:
    archive = Input({"type": "tarball", "url": "https://x.example/x", "rev": A}, takes("lib").original)
    assert stay(lib_at(archive, {"main": [A]}).held) == {}
    assert stay(lib_at(archive, {"main": [A, B]}).held) == {"app#lib": "an archive, not a git source"}


def archive_of_lib(rev: Rev, url: str = "https://codeberg.org/acme/lib/archive/{}.tar.gz", ref: str = "main") -> Input:
    locked = {"type": "tarball", "url": url.format(rev), "rev": rev, "narHash": locks.nar_hash_of("x")}
    return Input(locked, {"type": "tarball", "url": f"https://github.com/acme/lib/archive/{ref}.tar.gz"})


def test_an_archive_of_a_repo_goes_to_the_archive_of_its_base_and_never_to_its_update() -> None:
    none = "an archive: there is none of the update of lib before that has landed"
    assert stay(lib_at(archive_of_lib(A), {"main": [A]}, bump=True).held) == {"app#lib": none}
    for bump in (False, True):
        plan = lib_at(archive_of_lib(A), {"main": [A, B]}, bump=bump)
        (to,) = [change.to for _, changes in plan.changes() for change in changes if change.repo == "app"]
        assert isinstance(to, ToRev)
        assert to.locked == {"type": "tarball", "url": f"https://codeberg.org/acme/lib/archive/{B}.tar.gz", "rev": B}


def test_an_archive_whose_address_names_no_commit_is_held_with_the_reason() -> None:
    plan = lib_at(archive_of_lib(A, "https://codeberg.org/acme/lib/archive/newest.tar.gz"), {"main": [A, B]})
    assert "whose address does not name its commit" in stay(plan.held)["app#lib"]


def test_an_archive_tracks_the_branch_in_its_address() -> None:
    branches = {"main": [A, C], "dev": [A, B]}
    plan = lib_at(archive_of_lib(A, ref="refs/heads/dev"), branches)
    assert moves(plan)["app#lib"] == B
    assert "app#lib" not in moves(lib_at(archive_of_lib(A, ref=A), branches))
    assert "app#lib" not in moves(lib_at(archive_of_lib(A, ref="refs/tags/v1"), branches))


def test_a_follows_moves_with_what_it_follows() -> None:
    flakes: dict[str, Inputs] = {"app": {"a": takes("lib"), "b": ("a",)}, "lib": {"nixpkgs": nixpkgs(OLD)}}
    assert moves(plan_of(scene(flakes, pins=[PIN]), SERVER)) == {"lib#nixpkgs": NEW, "app#a": "lib"}


def test_the_pin_of_an_input_goes_before_its_upstream() -> None:
    flakes: dict[str, Inputs] = {"app": {"lib": takes("lib", rev=A)}, "lib": {"nixpkgs": nixpkgs(OLD)}}
    found = scene(flakes, pins=[PIN, pin("lib", "github:acme/lib", B)], branches={"lib": {"main": [A, B, C]}})
    assert moves(plan_of(found, SERVER)) == {"lib#nixpkgs": NEW, "app#lib": B}


def test_a_plain_folder_that_is_updated_updates_its_dependents() -> None:
    assert moves(lib_at(takes("lib"), {}, bump=True)) == {"lib#nixpkgs": NEW, "app#lib": "lib"}


@pytest.mark.parametrize("kind", ["new", "gone", "reference", "follows", "shared"])
@pytest.mark.parametrize("hold", [(), ("lib",)])
def test_an_input_of_a_stale_lock_says_what_it_is_locked_to_so_far(
    kind: DisagreementKind, hold: tuple[str, ...]
) -> None:
    found = scene({"app": {"lib": locks.github("other", "lib", rev=A)}}, repos={"app": repo("app", hold=hold)})
    survey = found.survey()
    app = survey.snapshot.states[RepoName("app")]
    assert isinstance(app, RepoAtCommit)
    wanted = Disagreement(("lib",), kind, {"type": "github", "owner": "b", "repo": "lib"}, True, "github:b/lib", "why")
    stale = msgspec.structs.replace(app, flakes=(msgspec.structs.replace(app.flakes[0], stale=(wanted,)),))
    snapshot = msgspec.structs.replace(survey.snapshot, states={RepoName("app"): stale})
    plan = make_plan(msgspec.structs.replace(survey, snapshot=snapshot), everything(found))
    if hold:
        assert [(held.input, held.rev, held.reason) for held in plan.held] == [(("lib",), A, "hold")]
    else:
        ((_, (change,)),) = plan.changes()
        assert (change.input, change.from_rev, change.stale) == (("lib",), A, True)


# hold


@pytest.mark.parametrize(
    ("globs", "held"),
    [
        (("nixpkgs",), {"app#nixpkgs"}),
        (("l*",), {"app#lib"}),
        (("*",), {"app#lib", "app#nixpkgs"}),
        (("x/*", "libs"), set()),
    ],
)
def test_what_a_repo_holds_is_never_moved(globs: tuple[str, ...], held: set[str]) -> None:
    flakes: dict[str, Inputs] = {"app": {"nixpkgs": nixpkgs(OLD), "lib": takes("lib", rev=A)}, "lib": {}}
    repos = {"app": repo("app", hold=globs)}
    plan = plan_of(scene(flakes, repos=repos, pins=[PIN], branches={"lib": {"main": [A, B]}}), SERVER)
    assert {name for name, reason in stay(plan.held).items() if reason == "hold"} == held
    assert moves(plan).keys() == {"app#lib", "app#nixpkgs"} - held


def test_what_does_not_have_to_move_is_not_held() -> None:
    found = scene({"app": {"nixpkgs": nixpkgs(NEW)}}, repos={"app": repo("app", hold=("*",))}, pins=[PIN])
    assert plan_of(found, SERVER).held == ()


def test_a_held_update_stops_there() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"tool": takes("tool")}, "tool": {"lib": takes("lib")}, "lib": {"nixpkgs": nixpkgs(OLD)},
    }  # fmt: skip
    plan = plan_of(scene(flakes, repos={"tool": repo("tool", hold=("lib",))}, pins=[PIN]), SERVER)
    assert moves(plan) == {"lib#nixpkgs": NEW}


# cycles


def test_a_cycle_takes_the_base_commit_where_it_is_opened_and_says_so() -> None:
    a, b = [commit_id("a", 0), commit_id("a", 1)], [commit_id("b", 0), commit_id("b", 1)]
    flakes: dict[str, Inputs] = {
        "a": {"b": takes("b", rev=b[0]), "nixpkgs": nixpkgs(OLD)}, "b": {"a": takes("a", rev=a[0])},
    }  # fmt: skip
    plan = plan_of(scene(flakes, pins=[PIN], branches={"a": {"main": a}, "b": {"main": b}}), SERVER)
    assert waves(plan) == [["a"], ["b"]]
    assert moves(plan) == {"a#b": b[1], "a#nixpkgs": NEW, "b#a": "a"}
    assert stay(plan.deferred) == {"a#b": "opens a cycle: takes the base commit"}


def test_an_opened_edge_whose_upstream_is_not_updated_is_not_deferred() -> None:
    flakes: dict[str, Inputs] = {"a": {"b": takes("b")}, "b": {"a": takes("a")}}
    plan = plan_of(scene(flakes))
    assert (moves(plan), plan.deferred) == ({}, ())


def test_a_cycle_opened_at_a_source_takes_the_base_commit_there() -> None:
    flakes: dict[str, Inputs] = {
        "std": {"tui": takes("tui", flake=False), "nixpkgs": nixpkgs(OLD)}, "tui": {"std": takes("std")},
    }  # fmt: skip
    plan = plan_of(scene(flakes, pins=[PIN]), SERVER)
    assert moves(plan) == {"std#nixpkgs": NEW, "tui#std": "std"}
    assert stay(plan.deferred) == {"std#tui": "opens a cycle: takes the base commit"}


def test_an_input_that_is_itself_takes_the_base_commit() -> None:
    flakes: dict[str, Inputs] = {"lib": {"old": takes("lib", rev=A), "nixpkgs": nixpkgs(OLD)}}
    plan = plan_of(scene(flakes, pins=[PIN], branches={"lib": {"main": [A, B]}}), SERVER)
    assert moves(plan) == {"lib#nixpkgs": NEW, "lib#old": B}
    assert stay(plan.deferred) == {"lib#old": "an input that is itself: takes the base commit"}


# external

CRANE: Source = (Identity("github.com", "ipetkov/crane"), None)


def crane(rev: Rev, **values: object) -> Input:
    return locks.github("ipetkov", "crane", rev=rev, **values)  # type: ignore[arg-type]


def external(kind: External, answers: Mapping[Source, Target] | None = None) -> Plan:
    flakes: dict[str, Inputs] = {"app": {"crane": crane(A, last_modified=1)}, "lib": {"c": crane(B, last_modified=2)}}
    found = scene(flakes, external=kind)
    return make_plan(found.survey(external=answers), everything(found))


def test_external_inputs_are_held_by_default() -> None:
    assert moves(external("hold")) == {}


def test_external_latest_moves_every_input_of_a_source_to_one_commit() -> None:
    plan = external("latest", {CRANE: Target(C)})
    assert moves(plan) == {"app#crane": C, "lib#c": C}
    assert {change.reason for _, changes in plan.changes() for change in changes} == {"external"}


@pytest.mark.parametrize("kind", ["newest-locked", "latest"])
def test_external_without_a_server_is_the_newest_of_any_lock(kind: External) -> None:
    assert moves(external(kind)) == {"app#crane": B}


def test_refs_of_an_external_source_move_apart() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"a": crane(A, last_modified=1), "b": crane(B, ref="v2", last_modified=2)},
        "lib": {"c": crane(C, last_modified=3)},
    }  # fmt: skip
    change = only(plan_of(scene(flakes, external="newest-locked")))
    assert (change.input, change.to) == (("a",), ToRev(C))


def test_only_what_a_server_can_name_a_commit_of_is_external() -> None:
    git = locks.git("https://example.com/x", ref="dev")
    inputs: Inputs = {
        "a": git, "b": crane(A), "c": archive(OLD), "d": archive(None), "nixpkgs": nixpkgs(OLD), "lib": takes("lib"),
        "e": Input({"type": "path", "path": "/x", "narHash": locks.nar_hash_of("x")}, {"type": "path", "path": "/x"}),
        "f": Input(crane(A).locked, {"type": "indirect", "id": "crane"}),
        "k": Input(crane(A).locked, {"type": "indirect", "id": "crane", "ref": "v9"}),
        "g": Input(crane(A).locked, {**crane(A).original, "rev": A}),
        "h": ("b",),
        "i": locks.tarball("https://example.com/x.tar.gz"),
        "j": Input({"type": "hg", "url": "https://example.com/hg", "rev": A}, {"type": "hg", "url": "https://example.com/hg"}),
    }  # fmt: skip
    found = scene({"app": inputs, "lib": {}}, pins=[PIN], external="latest")
    references = sources_of(found.survey(SERVER))
    assert sorted(reference.to_url() for reference in references.values()) == [
        "git+https://example.com/x?ref=dev",
        "github:ipetkov/crane",
        "github:ipetkov/crane/v9",
        "https://flakehub.com/f/NixOS/nixpkgs/0.1",
    ]


def test_an_external_archive_keeps_no_branch() -> None:
    flakes: dict[str, Inputs] = {"app": {"n": archive(OLD)}}
    found = scene(flakes, external="latest")
    (source,) = sources_of(found.survey())
    immutable = {"type": "tarball", "url": "https://flakehub.com/f/pinned/new", "rev": NEW}
    plan = make_plan(found.survey(external={source: Target(NEW, None, immutable)}), everything(found))
    assert only(plan).to == ToRev(NEW, branch=None, locked=immutable)


# selection, problems, the run's name


def test_only_selected_repos_change() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"lib": takes("lib"), "nixpkgs": nixpkgs(OLD)},
        "lib": {"nixpkgs": nixpkgs(OLD)},
    }
    found = scene(flakes, pins=[PIN])
    plan = plan_of(found, SERVER, ["app"])
    assert moves(plan) == {"app#nixpkgs": NEW}
    assert plan.unchanged == ()
    assert moves(plan_of(found, SERVER, ["lib"])) == {"lib#nixpkgs": NEW}
    assert moves(plan_of(found, SERVER, [])) == {}


def test_a_flake_with_a_broken_lock_fails_alone() -> None:
    broken: Flakes = {".": {"nixpkgs": nixpkgs(OLD)}, "dev": Problem("bad-lock", "dev/flake.lock: broken")}
    plan = plan_of(scene({"app": broken}, pins=[PIN]), SERVER)
    assert (plan.problems, moves(plan), plan.unchanged) == ({}, {"app#nixpkgs": NEW}, ())
    assert plan.unusable == {("app", "dev"): "dev/flake.lock: broken"}
    assert why_document(plan, RepoName("app"), []).problems == ["dev/flake.lock: broken"]
    assert why_document(plan, RepoName("lib"), []).problems == []
    told = [(problem.repo, problem.detail) for problem in plan_document(plan).problems]
    assert told == [("app", "dev/flake.lock: broken")]


def test_a_repo_with_broken_locks_alone_is_a_problem_and_stops_nobody_else() -> None:
    broken: Flakes = {".": Problem("bad-lock", "broken"), "dev": Problem("bad-lock", "broken too")}
    flakes: dict[str, Inputs | Flakes] = {
        "app": broken, "lib": {"nixpkgs": nixpkgs(OLD)},
        "new": {".": Problem("no-lock", "has inputs but no flake.lock")},
    }  # fmt: skip
    plan = plan_of(scene(flakes, pins=[PIN]), SERVER)
    problems = {name: (error.code, error.message) for name, error in plan.problems.items()}
    assert problems == {"app": ("bad-lock", "broken")}
    assert (moves(plan), plan.unchanged) == ({"lib#nixpkgs": NEW}, ("new",))
    assert [problem.repo for problem in plan_document(plan).problems] == ["app", "new"]


def test_the_same_decisions_on_the_same_bases_have_the_same_name() -> None:
    def run(target: Rev = NEW, tip: Rev = A) -> str:
        found = scene({"app": {"nixpkgs": nixpkgs(OLD)}}, pins=[PIN], branches={"app": {"main": [tip]}})
        return plan_of(found, {"nixpkgs": Target(target)}).run

    assert run() == run()
    assert len({run(), run(target=NEXT), run(tip=B)}) == 3


def test_what_happens_in_repos_that_do_not_change_does_not_change_the_name() -> None:
    def run(tip: Rev) -> str:
        found = scene({"app": {"nixpkgs": nixpkgs(OLD)}, "lib": {}}, pins=[PIN], branches={"lib": {"main": [tip]}})
        return plan_of(found, SERVER).run

    assert run(A) == run(B)


def test_the_document_shows_all_of_it() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"lib": takes("lib"), "fixed": Input(takes("lib").locked, {**takes("lib").original, "rev": A})},
        "lib": {"nixpkgs": nixpkgs(OLD)}, "alone": {},
    }  # fmt: skip
    document = plan_document(plan_of(scene(flakes, pins=[PIN]), SERVER))
    assert document.schema == "flakesync/plan/1"
    shown = [
        [(found.repo, [(c.flake, c.input, c.from_, c.to, c.reason) for c in found.changes]) for found in wave]
        for wave in document.waves
    ]
    assert shown == [
        [("lib", [(".", "nixpkgs", OLD, {"rev": NEW}, "pin nixpkgs")])],
        [("app", [(".", "lib", commit_id("lib"), {"update_of": "lib"}, "lib is updated")])],
    ]
    assert document.unchanged == ["alone"]
    assert [(found.repo, found.input, found.reason) for found in document.held] == [
        ("app", "fixed", "fixed by its flake.nix")
    ]


# Laws.

names = [f"r{index}" for index in range(6)]


@st.composite
def worlds(draw: st.DrawFn, *, cyclic: bool) -> Scene:
    """A workspace of six repos with some history, inputs at any commit of it, a pinned nixpkgs, and held inputs."""
    lines = {name: [commit_id(name, at) for at in range(draw(st.integers(1, 3)))] for name in names}
    flakes: dict[str, Inputs] = {}
    for number, name in enumerate(names):
        inputs: dict[str, Input | tuple[str, ...]] = {}
        for upstream in draw(st.lists(st.sampled_from(names if cyclic else names[:number] or ["none"]), unique=True)):
            if upstream != "none":
                rev = draw(st.sampled_from([*lines[upstream], X]))
                inputs[upstream] = takes(upstream, rev=rev, flake=draw(st.booleans()))
        if draw(st.booleans()):
            inputs["nixpkgs"] = nixpkgs(draw(st.sampled_from([OLD, NEW, NEXT])))
        if draw(st.booleans()):
            inputs["crane"] = crane(draw(st.sampled_from([A, B])), last_modified=draw(st.integers(1, 3)))
        flakes[name] = inputs
    held = draw(st.sampled_from(names))
    found = scene(flakes, pins=[PIN], repos={held: repo(held, hold=("r1", "nixpkgs"))}, external="newest-locked")
    return replace(found, branches={name: {"main": line} for name, line in lines.items()})


@given(worlds(cyclic=False))
@settings(max_examples=80)
def test_after_a_plan_has_landed_there_is_nothing_left_to_do(found: Scene) -> None:
    plan = plan_of(found, SERVER)
    after = found.after(plan)
    again = plan_of(after, SERVER)
    assert moves(again) == {}
    assert {(stays.repo, stays.input) for stays in again.held} <= {(stays.repo, stays.input) for stays in plan.held}


@given(worlds(cyclic=True))
@settings(max_examples=80)
def test_an_update_is_taken_only_from_an_earlier_wave(found: Scene) -> None:
    plan = plan_of(found, SERVER)
    wave_of = {name: number for number, wave in enumerate(plan.waves) for name, _ in wave}
    for name, changes in plan.changes():
        for change in changes:
            if isinstance(change.to, ToUpdate):
                assert wave_of[change.to.upstream] < wave_of[name]
    assert set(wave_of) | set(plan.unchanged) == set(names)


@given(worlds(cyclic=True))
@settings(max_examples=80)
def test_no_lock_goes_backwards_and_no_commit_is_made_up(found: Scene) -> None:
    for _, changes in plan_of(found, SERVER).changes():
        for change in changes:
            line = found.branches.get(change.input[0], {}).get("main")
            if line is not None and isinstance(change.to, ToRev):
                assert change.from_rev is not None
                assert list(line).index(change.from_rev) < list(line).index(change.to.rev)


@given(worlds(cyclic=True), st.permutations(names))
@settings(max_examples=60)
def test_the_order_of_repos_in_the_manifest_changes_nothing(found: Scene, order: list[str]) -> None:
    repos = tuple(sorted(found.workspace.repos, key=lambda repo: order.index(repo.name)))
    shuffled = replace(found, workspace=msgspec.structs.replace(found.workspace, repos=repos))
    assert plan_of(found, SERVER) == plan_of(shuffled, SERVER)


@given(worlds(cyclic=True), st.sets(st.sampled_from(names)))
@settings(max_examples=60)
def test_who_is_not_selected_never_changes(found: Scene, chosen: set[str]) -> None:
    plan = plan_of(found, SERVER, sorted(chosen))
    changed = {name for name, _ in plan.changes()}
    assert changed <= chosen
    assert set(plan.unchanged) == chosen - changed
