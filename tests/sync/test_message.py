"""The message of update commits as the manifest wants it: its first line, and whether it is signed off."""

from pathlib import Path

import pytest

from flakesync.git.repository import Repository
from flakesync.terms import RepoName, Rev
from flakesync.update.commit import is_ours
from flakesync.update.subject import make_subject
from tests.support.nixspace import UPDATE_BRANCH, Space, Take, run_sync
from tests.support.repos import run_git

PINNED = Rev("3f2a1bc" + "0" * 33)
OTHER = Rev("b" * 40)


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path / "space").add("lib", {"nixpkgs": Take()}).add("app", {"lib": Take()})


def message_of(space: Space, name: str) -> str:
    return run_git("log", "-1", "--format=%B", UPDATE_BRANCH, cwd=space.path(name))


def sync(space: Space, **settings: object) -> dict[str, str]:
    return run_sync(space.manifest(settings), locker="native").statuses


@pytest.mark.parametrize(
    ("template", "moved", "subject"),
    [
        (None, [("nixpkgs", PINNED)], "flake.lock: Update"),
        ("chore(deps): {summary}", [("nixpkgs", PINNED)], "chore(deps): update nixpkgs to 3f2a1bc"),
        ("{summary}", [("a", PINNED), ("b", PINNED)], "update a and b to 3f2a1bc"),
        ("{summary}", [("lib", Rev(""))], "update lib"),
        ("{summary}", [(name, Rev(name * 40)) for name in "abcde"], "update a, b, c and 2 more"),
        ("[{repo}] {pin} {{x}}", [("nixpkgs", PINNED), ("lib", OTHER)], "[app] nixpkgs and lib {x}"),
        ("  {pin}", [("a\nb\x1b[31m", PINNED)], "a b"),
        ("{pin}" * 100, [("nixpkgs", PINNED)], ("nixpkgs" * 100)[:250]),
    ],
)
def test_a_template_is_filled_in_to_one_line(template: str | None, moved: list[tuple[str, Rev]], subject: str) -> None:
    assert make_subject(template, RepoName("app"), moved) == subject


def test_the_manifest_says_how_messages_begin_and_whether_they_are_signed_off(space: Space) -> None:
    sync(space, message="chore({repo}): {summary}", **{"sign-off": True}, author="Flake Bot <bot@acme.example>")
    target, lib = space.tip("nixpkgs"), space.tip("lib", UPDATE_BRANCH)
    first, *rest = message_of(space, "lib").splitlines()
    assert first == f"chore(lib): update nixpkgs to {target[:7]}"
    assert "Flake lock file updates:" in rest
    trailers = run_git("log", "-1", "--format=%(trailers:only)", UPDATE_BRANCH, cwd=space.path("lib"))
    assert trailers.splitlines()[1:] == [
        f"Flakesync-Pin: nixpkgs {target}",
        "Signed-off-by: Flake Bot <bot@acme.example>",
    ]
    assert message_of(space, "app").startswith(f"chore(app): update lib to {lib[:7]}\n")


def test_a_rerun_makes_the_same_commit_and_another_template_makes_the_branch_anew(space: Space) -> None:
    sync(space, message="chore(deps): {summary}")
    before = space.tip("lib", UPDATE_BRANCH)
    assert sync(space, message="chore(deps): {summary}") == {"lib": "unchanged", "app": "unchanged"}
    assert space.tip("lib", UPDATE_BRANCH) == before
    assert sync(space, message="{summary}", **{"sign-off": True})["lib"] == "updated"
    signed = space.tip("lib", UPDATE_BRANCH)
    assert "\nSigned-off-by: " in message_of(space, "lib")
    assert sync(space, message="chore(deps): {summary}")["lib"] == "updated"
    assert (space.tip("lib", UPDATE_BRANCH), signed) != (signed, before)
    assert space.tip("lib", UPDATE_BRANCH) == before


def test_a_commit_with_another_first_line_is_ours_until_somebody_amends_it(space: Space) -> None:
    sync(space, message="build: {summary}", **{"sign-off": True})
    lib = space.path("lib")
    with Repository.open(lib) as repository:
        assert is_ours(repository, repository.commit(space.tip("lib", UPDATE_BRANCH)))
    run_git("switch", "-q", UPDATE_BRANCH, cwd=lib)
    run_git("commit", "--amend", "-q", "-m", message_of(space, "lib").replace("build", "fix"), cwd=lib)
    with Repository.open(lib) as repository:
        assert not is_ours(repository, repository.commit(space.tip("lib", UPDATE_BRANCH)))
