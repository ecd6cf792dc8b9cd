"""Errors of Nix that a check, a lock or a bisection ends with come with what to do about them."""

from pathlib import Path

import pytest

from flakesync.analysis.plan import make_plan
from flakesync.report.bisect.text import render_bisect
from flakesync.report.text import to_text
from flakesync.survey.read import read_survey
from flakesync.sync.bisect.documents import bisect_document
from flakesync.terms import RepoName
from flakesync.workspace.manifest import load_workspace, select
from tests.support import repos
from tests.support.nixspace import Space, Take, run_sync
from tests.sync.bisect.bisecting import Bisecting


@pytest.fixture
def space(tmp_path: Path) -> Space:
    """`lib`, which takes nixpkgs, whose new commit is not locked yet."""
    space = Space(tmp_path / "space")
    space.add("lib", {"nixpkgs": Take()})
    space.commit("nixpkgs", {"README": "two"})
    return space


def with_outputs(space: Space, outputs: str) -> None:
    """Let lib's flake.nix have more outputs."""
    text = (space.path("lib") / "flake.nix").read_text()
    before, brace, after = text.rpartition("outputs = inputs: {")
    assert brace, text
    repos.commit(space.path("lib"), {"flake.nix": f"{before}{brace} {outputs} {after}"}, message="Outputs")


@pytest.mark.usefixtures("use_nix")
def test_a_check_that_misses_a_file_which_git_does_not_track_says_git_add(nix: object, space: Space) -> None:
    with_outputs(space, "x = import ./mod.nix;")
    (space.path("lib") / "mod.nix").write_text("1")
    ran = run_sync(space.manifest(tables={"lib": {"checks": ["nix eval .#x"]}}))
    error = ran["lib"].error
    assert error is not None
    assert error.hint is not None
    assert error.hint.startswith("Nix sees only what git tracks: `git add mod.nix`, and commit it; its last lines are")


@pytest.mark.usefixtures("use_nix")
def test_a_check_that_fails_for_a_reason_of_its_own_has_no_other_hint_than_before(
    any_nix: object, space: Space
) -> None:
    ran = run_sync(space.manifest(tables={"lib": {"checks": ["false"]}}))
    error = ran["lib"].error
    assert error is not None
    assert str(error.hint).startswith("its last lines are in the report")


@pytest.mark.usefixtures("use_nix")
def test_a_lock_with_a_follows_to_nothing_says_which(nix: object, space: Space) -> None:
    text = (space.path("lib") / "flake.nix").read_text()
    more = '{ inputs.other.follows = "nixpgks"; ' + text.partition("{")[2]
    repos.commit(space.path("lib"), {"flake.nix": more}, message="Follow")
    ran = run_sync(space.manifest())
    error = ran["lib"].error
    assert error is not None
    assert "follows a non-existent input" in error.message
    assert str(error.hint).startswith("add the input `nixpgks` to flake.nix, or take away the `follows` of `other`")


def test_a_bisection_names_the_hint_below_the_output(tmp_path: Path) -> None:
    more = f"if grep -qf {tmp_path}/bad flake.lock; then echo \"error: attribute 'mkFoo' missing\"; exit 1; fi"
    place = Bisecting(tmp_path, 2, more=more)
    place.break_with("r0")
    workspace = load_workspace(place.manifest)
    plan = make_plan(read_survey(workspace), select(workspace, (), (), ()))
    document = bisect_document(place.bisect(), dict(plan.changes())[RepoName("app")])
    assert document.hint == (
        "if it was there before, an input that moved has renamed or removed `mkFoo`: see `flakesync why`"
    )
    assert document.outcome == "found"
    assert f"hint: {document.hint}" in to_text(render_bisect(document, width=200))
