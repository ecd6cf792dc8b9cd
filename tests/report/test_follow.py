"""Follows as text, and changed files as a patch."""

from pathlib import Path

import pytest

from flakesync.documents.follow import FlakeFollowsDocument, FollowDocument, FollowEdit, LeftInput, NodeCounts
from flakesync.report.follow.patch import patch, unified_diff
from flakesync.report.follow.text import render_follow
from flakesync.report.text import to_text
from tests.support.repos import make_repo, run_git


def edit(input: str, **more: object) -> FollowEdit:
    values: dict[str, object] = {
        "op": "add", "input": input, "follows": "nixpkgs", "line": 1, "column": 1, "nodes_saved": 2, "reason": "",
        "pin": "nixpkgs", "by_sync": False,
    }  # fmt: skip
    return FollowEdit(**{**values, **more})  # type: ignore[arg-type]


def left(input: str, **more: object) -> LeftInput:
    values: dict[str, object] = {
        "input": input, "why": "kept", "detail": "kept (pins.nixpkgs.keep)", "pin": "nixpkgs", "write": None,
        "line": None, "column": None,
    }  # fmt: skip
    return LeftInput(**{**values, **more})  # type: ignore[arg-type]


def text(*flakes: FlakeFollowsDocument, full: bool = False) -> str:
    return to_text(render_follow(FollowDocument(repos=list(flakes)), repos=8, width=200, full=full))


def flake(edits: list[FollowEdit], rest: list[LeftInput], file: str = "flake.nix") -> FlakeFollowsDocument:
    saved = sum(each.nodes_saved for each in edits)
    counts = NodeCounts(before=20, after=20 - saved)
    return FlakeFollowsDocument(repo="app", flake=".", file=file, nodes=counts, edits=edits, left=rest)


def test_nothing_to_say_is_one_line() -> None:
    assert text() == "nothing to write in 8 repos\n"


def test_edits_that_sync_makes_need_no_advice() -> None:
    found = text(flake([edit("lib/nixpkgs", by_sync=True)], []))
    assert found.endswith("\n\n1 edit in 1 of 8 repos: 20 → 18 lock nodes. sync writes them\n")


def test_the_reason_is_said_once_for_all_that_it_is_of() -> None:
    by_hand = [
        left(name, why="not-static", detail="it is inherited", write=f"{name} = 1;", line=3, column=5) for name in "ab"
    ]
    assert text(flake([], by_hand)) == (
        "app  (flake.nix)\n"
        "  ! flake.nix:3:5: it is inherited; write it yourself:\n"
        "    a = 1;\n"
        "    b = 1;\n"
        "\n"
        "2 lines to change by hand in 8 repos\n"
    )


def test_what_only_a_person_can_take_out_says_so() -> None:
    found = text(flake([], [left("theme/x", why="not-static", detail="no", write="inputs.theme.inputs.x.follows")]))
    assert "  ! no; take it out yourself:\n    inputs.theme.inputs.x.follows\n" in found


def test_of_many_that_stay_a_few_are_told_and_all_when_asked() -> None:
    many = [left(f"a{number:02}/nixpkgs") for number in range(20)]
    found = text(flake([], many))
    assert found.count("kept") == 12
    assert "  · and 8 more (-v)\n" in found
    assert text(flake([], many), full=True).count("kept") == 20


@pytest.mark.parametrize(
    "name", ["flake.nix", "a b/flake.nix", 'a"b/flake.nix', "a\\b/flake.nix", "é/flake.nix", "a\tb/x"]
)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"a\nb\n", b"a\nc\nb\n"),
        (b"a\nb", b"a\nc"),
        (b"a", b"a\n"),
        (b"a\r\nb\r\n", b"a\r\n@@\r\nb"),
        (b"a\n", b"a\n- -\n++ +\n"),
    ],
)
def test_a_patch_makes_the_new_file_of_the_old_one(tmp_path: Path, name: str, old: bytes, new: bytes) -> None:
    repo = tmp_path / "repo"
    make_repo(repo, {name: old})
    (tmp_path / "x.patch").write_bytes(patch("app at\nmain", [(name, old, new)]))
    run_git("apply", "../x.patch", cwd=repo)
    assert (repo / name).read_bytes() == new


def test_what_is_the_same_has_no_diff() -> None:
    assert unified_diff("a", b"x\n", b"x\n") == b""
