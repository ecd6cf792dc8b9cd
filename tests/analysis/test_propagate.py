"""Which inputs move when an upstream has moved locks alone, or is updated beside real commits: on values."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from flakesync.analysis.drift import find_drift
from flakesync.analysis.moves import Plan, ToFlakeNix, ToRev, ToUpdate
from flakesync.analysis.plan import make_plan
from flakesync.analysis.why import why
from flakesync.survey.pins import Target
from flakesync.survey.survey import Survey
from flakesync.terms import RepoName, Rev
from flakesync.workspace.differences import Differences, LockOnly
from tests.support import locks
from tests.support.locks import Input, Inputs
from tests.support.workspaces import Scene, commit_id, everything, nixpkgs, pin, repo, scene, takes

OLD, NEW = commit_id("nixpkgs", 1), commit_id("nixpkgs", 2)
A, B = commit_id("lib", "a"), commit_id("lib", "b")
PIN = pin("nixpkgs", "github:NixOS/nixpkgs/nixos-25.11")
SERVER = {"nixpkgs": Target(NEW)}
FOLLOWS: Inputs = {"nixpkgs": ("nixpkgs",)}


def data(inputs: Inputs) -> bytes:
    return locks.to_bytes(locks.lock(inputs))


def survey(found: Scene, moved: Mapping[str, tuple[bytes | None, bytes | None]] | None, reads: str = "") -> Survey:
    """Return the survey of a scene in which lib's A and B differ in these locks alone. moved None: in more."""
    pairs = {(A, B): LockOnly(moved)} if moved is not None else {}
    readers = {rev: reads for rev in (A, B, commit_id("lib")) if reads}
    return msgspec.structs.replace(found.survey(SERVER), differences=Differences(pairs, readers))


def lib_and_app(
    taken: Input, *, lib: Rev = OLD, app: Rev = NEW, at: Rev = A, others: Inputs | None = None, **values: Any
) -> Scene:
    """Return lib, whose main is at B, and app, which takes it at A. lib, app: their nixpkgs. values: of repo lib."""
    lib_inputs: Inputs = {"nixpkgs": nixpkgs(lib)}
    app_inputs: Inputs = {"lib": locked_at(taken, at), "nixpkgs": nixpkgs(app), **(others or {})}
    repos = {"lib": repo("lib", **values)}
    branches = {"lib": {"main": [A, B]}}
    return scene({"app": app_inputs, "lib": lib_inputs}, pins=[PIN], repos=repos, branches=branches)


def locked_at(taken: Input, rev: Rev) -> Input:
    return Input({**taken.locked, "rev": rev}, taken.original, taken.inputs, taken.flake)


def plan(found: Survey) -> Plan:
    return make_plan(found, everything(found))


def app_lib(made: Plan) -> ToRev | ToUpdate | ToFlakeNix | None:
    changes = dict(made.changes()).get(RepoName("app"), ())
    return next((change.to for change in changes if change.input == ("lib",)), None)


FOLLOWED = takes("lib", inputs=FOLLOWS)
OPEN = takes("lib", inputs={"nixpkgs": nixpkgs(OLD)})
MOVED = {"flake.lock": (data({"nixpkgs": nixpkgs(OLD)}), data({"nixpkgs": nixpkgs(NEW)}))}


def test_locks_that_do_not_reach_it_leave_an_input_and_are_no_finding() -> None:
    found = survey(lib_and_app(FOLLOWED, lib=NEW), MOVED)
    made = plan(found)
    assert (made.waves, [(each.repo, each.moved, each.behind, each.rule) for each in made.inert]) == (
        (), [("app", (("nixpkgs",),), 1, "content")],
    )  # fmt: skip
    report = find_drift(found, everything(found))
    assert (report.findings, [each.repo for each in report.inert]) == ([], ["app"])


def test_locks_that_reach_it_move_an_input_and_say_what_ends_it() -> None:
    found = survey(lib_and_app(OPEN, lib=NEW), MOVED)
    ((_, (change,)),) = plan(found).changes()
    assert (change.to, change.reaches) == (ToRev(B, RepoName("lib"), "main"), (("nixpkgs",),))
    assert 'write inputs.lib.inputs.nixpkgs.follows = "nixpkgs" to end this' in change.reason
    assert [each.kind for each in find_drift(found, everything(found)).findings if each.input == "lib"] == ["upstream"]


def test_more_than_locks_moves_an_input() -> None:
    assert app_lib(plan(survey(lib_and_app(FOLLOWED, lib=NEW), None))) == ToRev(B, RepoName("lib"), "main")


@pytest.mark.parametrize(
    ("taken", "reads", "values"),
    [
        (takes("lib", flake=False), "", {}),
        (FOLLOWED, "nix/pins.nix:4", {}),
        (FOLLOWED, "", {"propagate": "always"}),
    ],
    ids=["a source", "a reader", "always"],
)
def test_what_is_never_inert(taken: Input, reads: str, values: Mapping[str, Any]) -> None:
    made = plan(survey(lib_and_app(taken, lib=NEW, **values), MOVED, reads))
    assert app_lib(made) == ToRev(B, RepoName("lib"), "main")
    assert reads in next(change.reason for _, changes in made.changes() for change in changes)
    made = plan(survey(lib_and_app(taken, at=B, **values), None, reads))
    assert app_lib(made) == ToUpdate(RepoName("lib"))


def test_an_update_that_does_not_reach_it_is_not_waited_for() -> None:
    made = plan(survey(lib_and_app(FOLLOWED, app=OLD, at=B), None))
    assert (app_lib(made), len(made.waves)) == (None, 1)
    assert [(each.behind, each.moved) for each in made.inert] == [(0, (("nixpkgs",),))]


def test_beside_a_real_commit_it_is_the_base_commit_that_is_taken() -> None:
    made = plan(survey(lib_and_app(FOLLOWED, app=OLD), None))
    assert (app_lib(made), len(made.waves)) == (ToRev(B, RepoName("lib"), "main"), 1)


def test_an_update_that_reaches_it_is_taken() -> None:
    for moved in (None, MOVED):
        made = plan(survey(lib_and_app(OPEN, app=OLD), moved))
        assert (app_lib(made), len(made.waves)) == (ToUpdate(RepoName("lib")), 2)


def test_a_lock_that_cannot_be_read_reaches() -> None:
    moved = {"flake.lock": (b"{", data({"nixpkgs": nixpkgs(NEW)}))}
    made = plan(survey(lib_and_app(FOLLOWED, lib=NEW), moved))
    assert app_lib(made) is not None
    (change,) = dict(made.changes())[RepoName("app")]
    assert (change.reason, change.reaches) == ("1 commit behind lib", ())


def test_a_lock_of_another_folder_reaches_only_who_takes_that() -> None:
    moved = {"dev/flake.lock": MOVED["flake.lock"]}
    assert app_lib(plan(survey(lib_and_app(OPEN, lib=NEW), moved))) is None
    dev = Input({**OPEN.locked, "dir": "dev"}, {**OPEN.original, "dir": "dev"}, OPEN.inputs)
    assert app_lib(plan(survey(lib_and_app(dev, lib=NEW), moved))) is not None


@pytest.mark.parametrize("moved", [MOVED, None])
def test_two_inputs_from_one_upstream_move_together(moved: Mapping[str, tuple[bytes, bytes]] | None) -> None:
    others: Inputs = {"files": locked_at(takes("lib", flake=False), A)}
    found = survey(lib_and_app(FOLLOWED, app=OLD, others=others), moved)
    made = plan(found)
    changes = dict(made.changes())[RepoName("app")]
    assert {"/".join(change.input): change.to for change in changes if change.pin is None} == {
        "lib": ToUpdate(RepoName("lib")), "files": ToUpdate(RepoName("lib")),
    }  # fmt: skip
    assert made.inert == ()


def test_an_input_that_moves_with_another_is_behind_as_that_one_is() -> None:
    others: Inputs = {"lib2": locked_at(OPEN, A)}
    found = survey(lib_and_app(FOLLOWED, lib=NEW, others=others), MOVED)
    report = find_drift(found, everything(found))
    assert [(each.kind, each.input) for each in report.findings if each.kind != "duplicate"] == [
        ("upstream", "lib"), ("upstream", "lib2"),
    ]  # fmt: skip
    assert report.inert == []
    held = survey(lib_and_app(FOLLOWED, lib=NEW, others={"lib2": locked_at(FOLLOWED, A)}), MOVED)
    assert [each.input for each in find_drift(held, everything(held)).inert] == ["lib", "lib2"]


def test_why_names_the_chain_from_the_pin() -> None:
    found = survey(lib_and_app(OPEN, app=OLD), MOVED)
    (reason,) = why(found, plan(found), RepoName("app"), ("lib",))
    assert (reason.fate, reason.upstream, reason.reaches) == ("waits", "lib", (("nixpkgs",),))
    assert [(each.repo, each.input, each.fate, each.pin, each.to) for each in reason.because] == [
        ("lib", ("nixpkgs",), "moves", "nixpkgs", NEW)
    ]


def test_why_tells_what_stays_and_what_is_in_step() -> None:
    found = survey(lib_and_app(FOLLOWED, lib=NEW), MOVED)
    assert [(each.input, each.fate) for each in why(found, plan(found), RepoName("app"))] == [
        (("lib",), "inert"), (("nixpkgs",), "in-step"),
    ]  # fmt: skip
