"""`inputs`: every locked copy of a source, wherever in the locks it is."""

import pytest

from flakesync.analysis.copies import LockedCopy, find_copies, find_sources, inputs_document
from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import Identity
from flakesync.report.inputs import render_inputs, render_inputs_markdown
from flakesync.report.text import to_text
from flakesync.terms import show_path
from tests.support.locks import Input, github
from tests.support.workspaces import NOW, Scene, commit_id, pin, scene

NEW, OLD = commit_id("new"), commit_id("old")
NIXPKGS = Identity("github.com", "nixos/nixpkgs")


def nixpkgs(rev: str, ref: str | None = "nixos-25.11") -> Input:
    return github("NixOS", "nixpkgs", ref=ref, rev=rev)


@pytest.fixture
def found() -> Scene:
    lib = github("acme", "lib", rev=commit_id("lib"), inputs={"nixpkgs": ("nixpkgs",), "tool": ("tool", "nixpkgs")})
    tool = github("other", "tool", rev=commit_id("tool"), inputs={"nixpkgs": nixpkgs(OLD, None)})
    app: dict[str, Input | tuple[str, ...]] = {"nixpkgs": nixpkgs(NEW), "pkgs": ("nixpkgs",), "lib": lib, "tool": tool}
    return scene(
        {"app": app, "lib": {"nixpkgs": nixpkgs(OLD)}},
        pins=[pin("main", "github:NixOS/nixpkgs/nixos-25.11")],
    )


def names(copies: list[LockedCopy]) -> dict[str, tuple[str | None, list[str]]]:
    return {
        f"{each.repo} {show_path(each.input)}": (each.ref, [show_path(p) for p in each.followed_by]) for each in copies
    }


def test_a_copy_is_found_at_any_depth_and_ref_with_all_that_follow_it(found: Scene) -> None:
    states = found.snapshot().states
    assert names(find_copies(states, frozenset(states), {NIXPKGS})) == {
        "app nixpkgs": ("nixos-25.11", ["lib/nixpkgs", "pkgs"]),
        "app tool/nixpkgs": (None, ["lib/tool"]),
        "lib nixpkgs": ("nixos-25.11", []),
    }


def test_without_a_source_every_one_is_found_and_only_selected_repos_are_looked_at(found: Scene) -> None:
    states = found.snapshot().states
    copies = find_copies(states, frozenset({"app"}))  # type: ignore[arg-type]
    assert {str(each.source) for each in copies} == {
        "github.com/acme/lib",
        "github.com/other/tool",
        "github.com/nixos/nixpkgs",
    }
    assert {each.repo for each in copies} == {"app"}


@pytest.mark.parametrize(
    ("word", "source"),
    [
        ("main", "github.com/nixos/nixpkgs"),
        ("nixpkgs", "github.com/nixos/nixpkgs"),
        ("NixPkgs", "github.com/nixos/nixpkgs"),
        ("lib", "github.com/acme/lib"),
        ("github:other/tool", "github.com/other/tool"),
        ("github.com/Other/tool", "github.com/other/tool"),
        ("git+ssh://git@github.com/Other/tool", "github.com/other/tool"),
    ],
)
def test_a_source_is_named_by_pin_repo_reference_or_last_part(found: Scene, word: str, source: str) -> None:
    snapshot = found.snapshot()
    assert {str(each) for each in find_sources(snapshot.workspace, snapshot.states, word)} == {source}


@pytest.mark.parametrize("word", ["nixpkg", "github:nobody/nothing", ""])
def test_a_source_that_no_lock_has_is_an_error_with_a_hint(found: Scene, word: str) -> None:
    with pytest.raises(FlakesyncError) as caught:
        find_sources(found.snapshot().workspace, found.snapshot().states, word)
    assert caught.value.code == "unknown-source"
    assert caught.value.hint is not None
    assert ("did you mean `nixpkgs`?" in caught.value.hint) is (word == "nixpkg")


def test_what_is_no_reference_is_said_to_be_none(found: Scene) -> None:
    with pytest.raises(FlakesyncError, match="not a flake reference"):
        find_sources(found.snapshot().workspace, found.snapshot().states, "::")


def test_text_has_a_row_a_commit_and_markdown_one_a_copy(found: Scene) -> None:
    states = found.snapshot().states
    document = inputs_document(find_copies(states, frozenset(states), {NIXPKGS}))
    text = to_text(render_inputs(document, now=NOW, width=100))
    assert text.splitlines()[0] == "github.com/nixos/nixpkgs: 3 copies, 2 repos, 2 revs"
    assert "app nixpkgs (followed by 2)" in text
    assert "followed by lib/nixpkgs pkgs" in to_text(render_inputs(document, now=NOW, width=100, full=True))
    assert len(render_inputs_markdown(document, now=NOW).splitlines()) == 2 + 3
