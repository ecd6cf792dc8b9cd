"""The tables `[[hold]]` of the manifest: what they say, until when, and what is refused."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flakesync.errors import ManifestError
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.manifest import Workspace, parse_workspace
from flakesync.workspace.settings.holds import Hold
from flakesync.workspace.table import InvalidManifest

TODAY = datetime.now(UTC).date()
REPOS = """
[repos.app]
url = 'github:acme/app'
flakes = ['.', 'dev']
hold = ['old']
[repos.lib]
url = 'github:acme/lib'
"""


def workspace(*holds: str) -> Workspace:
    return parse_workspace(Path("/ws/workspace.toml"), "\n[[hold]]\n".join([REPOS, *holds]).encode())


def entry(repo: str = "app", input: str = "nixpkgs", until: object = TODAY, reason: str = "why") -> str:
    return f"repo = '{repo}'\ninput = '{input}'\nuntil = {until}\nreason = '{reason}'\n"


def why(found: Workspace, path: str, flake: str = ".", repo: str = "app") -> str | None:
    return found.repo(repo).why_held(FlakeDir(flake), tuple(path.split("/")))


def test_a_hold_says_which_input_of_which_repo_stays_until_when_and_why() -> None:
    found = workspace(entry(until="2099-03-01"), entry("lib", "dev-*", "'2099-03-02'"))
    assert found.holds == (
        Hold(repo=RepoName("app"), input="nixpkgs", reason="why", until=date(2099, 3, 1)),
        Hold(repo=RepoName("lib"), input="dev-*", reason="why", until=date(2099, 3, 2)),
    )
    assert why(found, "nixpkgs") == why(found, "nixpkgs", "dev") == "held until 2099-03-01: why"
    assert why(found, "dev-a", repo="lib") == "held until 2099-03-02: why"
    assert why(found, "nixpkgs", repo="lib") is why(found, "fenix/nixpkgs") is None


@pytest.mark.parametrize(("days", "holds"), [(-1, False), (0, True), (1, True)])
def test_it_holds_through_its_last_day(days: int, holds: bool) -> None:
    found = workspace(entry(until=TODAY + timedelta(days=days)))
    assert (why(found, "nixpkgs") is not None) is holds
    assert len(found.holds) == 1


def test_it_may_be_about_one_flake_alone() -> None:
    found = workspace(entry(input="dev#a"), entry(input=".#b"), entry(input="./dev/#c"))
    held = [(path, flake) for path in "abc" for flake in (".", "dev") if why(found, path, flake) is not None]
    assert held == [("a", "dev"), ("b", "."), ("c", "dev")]
    assert [hold.place for hold in found.holds] == ["dev#a", ".#b", "dev#c"]


def test_what_never_moves_is_held_for_ever_and_of_two_holds_the_later_end_counts() -> None:
    found = workspace(entry(input="old"), entry(input="n*", until="2099-01-02"), entry(until="2099-01-01"))
    assert why(found, "old") == "hold"
    assert found.repo("app").held_by(FlakeDir("."), ("old",)) == "held (repos.app.hold)"
    assert (
        why(found, "nixpkgs") == found.repo("app").held_by(FlakeDir("."), ("nixpkgs",)) == "held until 2099-01-02: why"
    )


@pytest.mark.parametrize(
    ("written", "place", "said", "hint"),
    [
        ("repo = 'app'\n", "hold[0]", "needs an", None),
        (entry("ap"), "hold[0].repo", "there is no repo `ap`", "did you mean `app`?"),
        (entry(input="de#x"), "hold[0].input", "`de` is no flake of app", "did you mean `dev`?"),
        (entry(input="#x"), "hold[0].input", "lacks a half", "`dev#nixpkgs`"),
        (entry(input="dev#"), "hold[0].input", "lacks a half", "`dev#nixpkgs`"),
        (entry(input="a//b"), "hold[0].input", "has an empty part", None),
        (entry(input="../x#a"), "hold[0].input", "climbs", None),
        (entry(until=3), "hold[0].until", "must be a string", None),
        (entry(until="2099-03-01T00:00:00"), "hold[0].until", "is a time", "2027-03-01"),
        (entry(until="'20990301'"), "hold[0].until", "is not a day", None),
        (entry(until="'2099-02-30'"), "hold[0].until", "is not a day", None),
        (entry(reason=" "), "hold[0].reason", "must not be empty", None),
        ("reason = \"a\\nb\"\n", "hold[0].reason", "control characters", None),
        (f"untli = {TODAY}", "hold[0].untli", "unknown key", "did you mean `until`?"),
        (f"{entry()}[[hold]]\n{entry(reason='x')}", "hold[1]", "`nixpkgs` of app is held twice", "keep one"),
    ],
)  # fmt: skip
def test_what_a_hold_cannot_be_is_refused_with_its_place(written: str, place: str, said: str, hint: str | None) -> None:
    with pytest.raises(InvalidManifest) as caught:
        workspace(written)
    found = {(problem.place, problem.message): problem.hint for problem in caught.value.problems}
    (key,) = [key for key in found if key[0] == place and said.replace("needs an", "needs `until`") in key[1]]
    assert hint is None or hint in (found[key] or "")


def test_it_is_an_array_of_tables() -> None:
    with pytest.raises(ManifestError, match="hold: must be an array, not a table"):
        parse_workspace(Path("/ws/workspace.toml"), f"{REPOS}[hold]\nrepo = 'app'\n".encode())
