"""What else an edited flake.nix says of the old release is told, and words that only look like it are not."""

from pathlib import Path

import pytest

from flakesync.analysis.documents.move import move_document
from flakesync.analysis.plan import make_plan
from flakesync.survey.read import read_survey
from flakesync.workspace.manifest import load_workspace, select
from tests.support.nixspace import read
from tests.support.releases import Releases


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('stateVersion = "25.11";', "25.11"),
        ("nixpkgs-2511 = nixpkgs;", "2511"),
        ("pkgs2511.hello", "2511"),
        ("NixOS v25.11 (Xantusia)", "25.11"),
        ("version 125.110", None),
        ("version 25.11.2", None),
        ("version 1.25.11", None),
        ("25113", None),
        ("12511", None),
        ("release 26.05", None),
    ],
)
def test_a_line_is_mentioned_if_it_says_the_release_as_a_word(tmp_path: Path, text: str, says: str | None) -> None:
    releases = Releases(tmp_path / "w")
    space = releases.space
    flake = read(space.path("lib"), space.tip("lib"), "flake.nix").decode()
    space.commit("lib", {"flake.nix": flake + f"# {text}\n"})
    workspace = load_workspace(releases.manifest())
    selected = select(workspace, (), (), ())
    survey = read_survey(workspace, offline=True)
    document = move_document(survey, make_plan(survey, selected), selected)
    found = [(each.says, each.text) for repo in document.repos for each in repo.mentions]
    assert found == ([(says, f"# {text}")] if says is not None else [])
