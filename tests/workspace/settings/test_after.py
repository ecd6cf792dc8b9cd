"""`after` in workspace.toml: what is read, what is a problem, and which files a command may write."""

from pathlib import Path

import pytest

from flakesync.workspace.manifest import InvalidManifest, parse_workspace
from flakesync.workspace.settings.after import AfterCommand, is_declared

REPOS = '\n[repos.lib]\nurl = "github:acme/lib"\n[repos.app]\nurl = "github:acme/app"\n'


def after_of(text: str, repo: str = "lib") -> tuple[AfterCommand, ...]:
    return parse_workspace(Path("/nowhere/workspace.toml"), text.encode()).repo(repo).after


def test_a_repos_own_commands_replace_the_defaults() -> None:
    defaults = '[defaults]\nafter = [{ run = ["nix", "run", ".#deps"], files = ["deps.json", "nix/*.json"] }]'
    own = 'after = [{ run = "make tables", files = ["t/**"] }, { run = "make tables", files = ["t/**"] }]'
    text = defaults + REPOS + own
    assert after_of(text) == (AfterCommand(run=("nix", "run", ".#deps"), files=("deps.json", "nix/*.json")),)
    assert after_of(text, "app") == (AfterCommand(run=("make", "tables"), files=("t/**",)),) * 2
    assert after_of(defaults + REPOS + "after = []", "app") == ()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('"make"', "must be a table, not a string"),
        ('{ run = ["x"] }', "needs `files`"),
        ('{ files = ["x"] }', "needs `run`"),
        ('{ run = ["x"], files = ["x"], file = 1 }', "has an unknown key `file`"),
        ('{ run = [], files = ["x"] }', "run: names no program"),
        ('{ run = [""], files = ["x"] }', "run: names no program"),
        ('{ run = [1], files = ["x"] }', "run: must be a string, not an integer"),
        ('{ run = ["a\\u0000"], files = ["x"] }', "run: must not contain a null"),
        ('{ run = "a && b", files = ["x"] }', "`&&` needs a shell"),
        ('{ run = ["x"], files = [] }', "files: names no file"),
        ('{ run = ["x"], files = "x" }', "files: must be an array, not a string"),
        ('{ run = ["x"], files = ["/etc/x"] }', "files: `/etc/x` is absolute"),
        ('{ run = ["x"], files = ["a/../../x"] }', "climbs with `..`"),
        ('{ run = ["x"], files = ["a//x"] }', "has an empty part"),
        ('{ run = ["x"], files = ["./x"] }', "has an empty part"),
        ('{ run = ["x"], files = ["x/"] }', "has an empty part"),
        ('{ run = ["x"], files = ["dev/flake.lock"] }', "no command writes flake.lock"),
        ('{ run = ["x"], files = ["flake.nix"] }', "no command writes flake.nix"),
        ('{ run = ["x"], files = [".gitattributes"] }', "no command writes files of git"),
        ('{ run = ["x"], files = [".github/workflows/*"] }', "no command writes files of git"),
        ('{ run = ["x"], files = ["a**"] }', "has `**` beside other characters"),
        ('{ run = ["x"], files = ["[z-a]"] }', "has a bad range"),
        ('{ run = ["x"], files = ["[a"] }', "never closed"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(entry: str, message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        after_of(f"[defaults]\nafter = [{entry}]{REPOS}")
    [problem] = caught.value.problems
    assert problem.place == "defaults.after[0]"
    assert message in problem.message


@pytest.mark.parametrize(
    ("glob", "path", "declared"),
    [
        ("deps.json", "deps.json", True),
        ("deps.json", "nix/deps.json", False),
        ("nix/*.json", "nix/a.json", True),
        ("nix/*.json", "nix/b/a.json", False),
        ("nix/**/a.json", "nix/a.json", True),
        ("nix/**/a.json", "nix/b/c/a.json", True),
        ("**/a.json", "a.json", True),
        ("nix/**", "nix/b/c", True),
        ("nix/**", "nix", False),
        ("[ab].json", "b.json", True),
        ("a b.json", "a b.json", True),
        ("*", "flake.nix", False),
        ("**", "sub/flake.lock", False),
        ("**", "sub/FLAKE.NIX", False),
        ("**", "sub/.gitignore", False),
        ("**", ".GIT/config", False),
        ("**", "a/line\nfeed", True),
    ],
)
def test_a_glob_says_which_files_a_command_may_write(glob: str, path: str, declared: bool) -> None:
    assert is_declared((glob,), path) is declared
