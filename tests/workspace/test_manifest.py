import os
import re
import subprocess
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import ManifestError
from flakesync.nix.reference.flakeref import FlakeRef, Identity
from flakesync.workspace import manifest, references, values
from flakesync.workspace.manifest import (
    InvalidManifest,
    Problem,
    Workspace,
    find_manifest,
    load_workspace,
    matches,
    select,
)
from tests.support.repos import make_repo, run_git

Load = Callable[[str], Workspace]
Problems = Callable[[str], list[Problem]]

WHOLE = """
[workspace]
name = "acme"
base = "main"
branch = "bump/all"
jobs = 8
external = "newest-locked"
author = "Flake Bot <bot@acme.example>"
message = "chore(deps): {summary}"
sign-off = true
release = "26.05"
replaces = ["25.11"]

[pins.nixpkgs]
source = "github:NixOS/nixpkgs/nixos-25.11"
replaces = ["nixos-25.05"]
target = "repo:lib"
max-age = "30d"
inputs = ["nixpkgs", "nixpkgs-*"]

[pins.unstable]
source = "github:NixOS/nixpkgs/nixos-unstable"

[defaults]
checks = ["nix flake check", "sh -c 'nix build && true'"]
groups = ["all"]

[repos.lib]
url = "git+ssh://git@gitlab.example.com/acme/lib"
path = "../lib"
base = "trunk"
flakes = [".", "./dev/"]
groups = ["core"]
aliases = ["github:old-owner/lib"]
hold = ["crane", "fenix/nixpkgs"]

[repos.app]
url = "github:Acme/App"
checks = []
"""


@pytest.fixture
def load(tmp_path: Path) -> Load:
    home = tmp_path / "ws"
    home.mkdir()

    def run(text: str) -> Workspace:
        (home / "workspace.toml").write_text(text)
        return load_workspace(home / "workspace.toml")

    return run


@pytest.fixture
def problems(load: Load) -> Problems:
    def run(text: str) -> list[Problem]:
        with pytest.raises(InvalidManifest) as caught:
            load(text)
        assert caught.value.code == "manifest"
        return list(caught.value.problems)

    return run


def repo_with(line: str) -> str:
    return f'[repos.lib]\nurl = "github:acme/lib"\n{line}\n'


def test_every_key_arrives_with_its_value(load: Load, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    workspace = load(WHOLE)
    assert workspace.file == tmp_path / "ws/workspace.toml"
    assert workspace.root == tmp_path / "ws"
    assert (workspace.name, workspace.base, workspace.branch, workspace.jobs) == ("acme", "main", "bump/all", 8)
    assert (workspace.external, workspace.author) == ("newest-locked", "Flake Bot <bot@acme.example>")
    assert (workspace.message, workspace.sign_off) == ("chore(deps): {summary}", True)
    nixpkgs, unstable = workspace.pins
    assert nixpkgs.source == FlakeRef.parse("github:NixOS/nixpkgs/nixos-25.11")
    assert (nixpkgs.target, nixpkgs.max_age_s, nixpkgs.inputs) == ("repo:lib", 2_592_000, ("nixpkgs", "nixpkgs-*"))
    assert (unstable.name, unstable.target, unstable.max_age_s, unstable.inputs) == ("unstable", "latest", None, None)
    lib, app = workspace.repos
    assert lib.url == FlakeRef.parse("git+ssh://git@gitlab.example.com/acme/lib")
    assert (lib.path, lib.base, lib.flakes, lib.groups) == (tmp_path / "lib", "trunk", (".", "dev"), ("core",))
    assert (lib.hold, lib.aliases) == (("crane", "fenix/nixpkgs"), (Identity("github.com", "old-owner/lib"),))
    assert lib.checks == (("nix", "flake", "check"), ("sh", "-c", "nix build && true"))
    assert lib.identities == {
        Identity("gitlab.example.com", "acme/lib"),
        Identity("github.com", "old-owner/lib"),
        Identity("", str(tmp_path / "lib")),
    }
    assert (app.path, app.base, app.flakes, app.groups, app.checks) == (None, "main", (".",), ("all",), ())


def test_what_is_left_out_has_the_documented_default(load: Load) -> None:
    workspace = load('[repos.lib]\nurl = "github:acme/lib"')
    assert (workspace.name, workspace.base, workspace.branch) == ("ws", None, "flakesync/update")
    assert (workspace.jobs, workspace.external, workspace.author) == (os.cpu_count(), "hold", None)
    assert workspace.pins == ()
    repo = workspace.repos[0]
    assert (repo.path, repo.base, repo.flakes, repo.groups) == (None, None, (".",), ())
    assert (repo.aliases, repo.hold, repo.checks) == ((), (), ())


def test_defaults_go_before_the_workspace_and_after_the_repo(load: Load) -> None:
    workspace = load("""
        [workspace]
        base = "one"
        [defaults]
        base = "two"
        [repos]
        a = { url = "github:acme/a" }
        b = { url = "github:acme/b", base = "three" }
        """)
    assert [repo.base for repo in workspace.repos] == ["two", "three"]


def test_all_problems_are_told_at_once_each_with_its_place(problems: Problems) -> None:
    found = problems("""
        [workspace]
        jobs = 0
        branhc = "x"
        [pins.nixpkgs]
        source = "github:NixOS/nixpkgs"
        target = "newest"
        [defaults]
        url = "github:acme/x"
        [repos.lib]
        hold = ["a//b", "ok", "[a"]
        [repos.app]
        url = 3
        """)
    assert [problem.place for problem in found] == [
        "workspace.branhc",
        "workspace.jobs",
        "pins.nixpkgs.target",
        "defaults.url",
        "repos.lib",
        "repos.lib.hold[0]",
        "repos.lib.hold[2]",
        "repos.app.url",
    ]


def test_one_problem_reads_file_place_message_and_hint(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load(repo_with('chekcs = ["true"]'))
    assert str(caught.value) == f"{tmp_path}/ws/workspace.toml: repos.lib.chekcs: unknown key"
    assert caught.value.hint == "did you mean `checks`?"


def test_several_problems_read_as_a_list_with_their_hints(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load(repo_with("flakes = []\nbase = 1"))
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/ws/workspace.toml: 2 problems",
        "  repos.lib.flakes: names no folder",
        '    hint: leave it out, or write `flakes = ["."]`',
        "  repos.lib.base: must be a string, not an integer",
    ]
    assert caught.value.hint is None


def test_of_very_many_problems_twenty_are_told_with_a_count_and_each_hint_once(load: Load) -> None:
    with pytest.raises(ManifestError) as caught:
        load("[repos]\n" + "".join(f"r{number} = {{ path = '/nowhere/{number}' }}\n" for number in range(1001)))
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("workspace.toml: 1001 problems")
    assert len([line for line in lines if line.startswith("  repos.r")]) == 20
    assert lines[-1] == "  … and 981 more"
    hints = [line for line in lines if line.startswith("    hint")]
    assert len(hints) == len({*hints})


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        (
            "[repos.a]\nurl = 'github:a/a'\nbranch = 'dev'",
            "repos.a.branch",
            "did you mean `base`? the update branch is one for all repos: `branch` of [workspace]",
        ),
        ("[repo.lib]", "repo", "did you mean `repos`?"),
        ("[forge.x]", "forge", "did you mean `forges`?"),
        (
            "[policy]",
            "policy",
            (
                "there are: audit, defaults, external-policy, forges, hold, mirrors, pins, publish, repos, sources, "
                "workspace"
            ),
        ),
        ("[workspace]\nsignoff = true", "workspace.signoff", "did you mean `sign-off`?"),
        ("[publish]\nlabel = []", "publish.label", "did you mean `labels`?"),
        ("[publish]\nca-file = 'x'", "publish.ca-file", '`ca-file` belongs into [forges."HOST"]'),
        ("[forges.'git.example.com']\ntoken = 'x'", 'forges."git.example.com".token', "did you mean `token-env`?"),
        ("[workspace]\nchecks = []", "workspace.checks", "`checks` belongs into [defaults] and [repos.NAME]"),
        ("[workspace]\nmax-age = '1d'", "workspace.max-age", "`max-age` belongs into [pins.NAME]"),
        ("[defaults]\npath = 'x'", "defaults.path", "`path` belongs into [repos.NAME]"),
        ("[pins.a]\nsource='github:a/b'\nmax_age='1d'", "pins.a.max_age", "did you mean `max-age`?"),
        ('[repos."we ird".x]\n', 'repos."we ird".x', None),
    ],
)
def test_an_unknown_key_is_refused_with_what_was_meant(
    problems: Problems, text: str, place: str, hint: str | None
) -> None:
    found = {problem.place: problem for problem in problems(text)}
    assert found[place].message == "unknown key"
    assert hint is None or found[place].hint == hint


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("workspace = 3", "workspace", "must be a table, not an integer"),
        ("[[repos]]\nname = 'x'", "repos", "must be a table, not an array"),
        ("[repos]\nlib = 'github:acme/lib'", "repos.lib", "must be a table, not a string"),
        ("pins = []", "pins", "must be a table, not an array"),
        ("[workspace]\nname = ' '", "workspace.name", "must not be empty"),
        ("[workspace]\nname = 'a\\nb'".replace("'", '"'), "workspace.name", "must not contain line feeds"),
        ("[workspace]\njobs = true", "workspace.jobs", "must be an integer, not a boolean"),
        ("[workspace]\njobs = -1", "workspace.jobs", "must be 1 or more, not -1"),
        ("[workspace]\njobs = 1.5", "workspace.jobs", "must be an integer, not a float"),
        ("[workspace]\nexternal = 'hold '", "workspace.external", "must be one of `hold`, `latest`, `newest-locked`"),
        ("[workspace]\nauthor = 'bot@acme.example'", "workspace.author", "is not an author"),
        ("[workspace]\nbase = 1979-05-27", "workspace.base", "must be a string, not a date or time"),
        (repo_with("groups = 'core'"), "repos.lib.groups", "must be an array, not a string"),
        (repo_with("groups = [1]"), "repos.lib.groups[0]", "must be a string, not an integer"),
        (repo_with("groups = ['a', 'b', 'a']"), "repos.lib.groups[2]", "`a` is listed twice"),
        (repo_with("groups = ['a b']"), "repos.lib.groups[0]", "`a b` is not a name"),
        (repo_with("flakes = ['/dev']"), "repos.lib.flakes[0]", "`/dev` is absolute"),
        (repo_with("flakes = ['a/../..']"), "repos.lib.flakes[0]", "`a/../..` climbs with `..`"),
        (repo_with("flakes = ['dev', './dev']"), "repos.lib.flakes[1]", "`./dev` is listed twice"),
        (repo_with("flakes = ['dev/flake.nix']"), "repos.lib.flakes[0]", "`dev/flake.nix` is a file"),
        (repo_with("flakes = []"), "repos.lib.flakes", "names no folder"),
        ("[workspace]\nmessage = '{sumary}'", "workspace.message", "there is no placeholder `{sumary}`"),
        ("[workspace]\nmessage = 'a {'", "workspace.message", "has a brace without its other half"),
        ('[workspace]\nmessage = "a\\nb"', "workspace.message", "must not contain line feeds"),
        ("[workspace]\nsign-off = 'yes'", "workspace.sign-off", "must be a boolean"),
        (repo_with("hold = ['**/x']"), "repos.lib.hold[0]", "`**/x` uses `**`"),
        (repo_with("hold = ['[z-a]']"), "repos.lib.hold[0]", "`[z-a]` has a bad range"),
        (repo_with("hold = ['a b']"), "repos.lib.hold[0]", "`a b` contains a space"),
        (repo_with("hold = ['/a']"), "repos.lib.hold[0]", "`/a` has an empty part"),
        (repo_with("checks = ['']"), "repos.lib.checks[0]", "must not be empty"),
        (repo_with('checks = ["echo \'"]'), "repos.lib.checks[0]", "cannot be split into words: no closing quotation"),
        (repo_with("checks = [\"'' x\"]"), "repos.lib.checks[0]", "names no program to run"),
        (repo_with("checks = ['a && b']"), "repos.lib.checks[0]", "`&&` needs a shell"),
        (repo_with("path = 'nowhere'"), "repos.lib.path", "`nowhere` does not exist"),
        (repo_with("path = '~/lib'"), "repos.lib.path", "`~/lib` does not exist"),
        (repo_with("path = 'workspace.toml'"), "repos.lib.path", "`workspace.toml` is not a folder"),
        (repo_with("path = 'workspace.toml/x'"), "repos.lib.path", "`workspace.toml/x` does not exist"),
        (repo_with(f"path = '{'x' * 300}'"), "repos.lib.path", "cannot be looked at: File name too long"),
        (repo_with("aliases = ['nixpkgs']"), "repos.lib.aliases[0]", "`nixpkgs` names no repository"),
        ('[repos.".hidden"]\nurl = "github:a/b"', 'repos.".hidden"', "`.hidden` is not a name"),
        ("[repos.lib]\nbase = 'main'", "repos.lib", "needs a `url` or a `path`"),
        ("[workspace]\nname = 'x'", "repos", "the workspace has no repos"),
        ("", "repos", "the workspace has no repos"),
    ],
)
def test_a_wrong_value_is_refused_at_its_place(problems: Problems, text: str, place: str, message: str) -> None:
    found = {problem.place: problem for problem in problems(text)}
    assert message in found[place].message


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("github:acme/lib/main", "names a ref", 'leave it out here, and write `base = "main"`'),
        (
            "git+ssh://git@h.example/lib?ref=refs/heads/dev",
            "names a ref",
            'leave it out here, and write `base = "dev"`',
        ),
        (f"github:acme/lib/{'a' * 40}", "names a rev", "leave it out: a repo is followed by its branch, `base`"),
        ("github:acme/lib?dir=dev", "names a folder", 'leave it out here, and write `flakes = ["dev"]`'),
        ("git@github.com:acme/lib.git", "", "write it as `github:acme/lib`"),
        ("https://gitlab.example.com/acme/lib", "", "write it as `git+https://gitlab.example.com/acme/lib`"),
        ("nixpkgs", "(indirect) is not a git repository that can be cloned", None),
        ("/srv/lib", "is a folder", 'write it as `path = "/srv/lib"`: `url` is where others get the repo from'),
        ("https://example.com/x.tar.gz", "(tarball) is not a git repository", None),
        ("github:acme", "", None),
        ("github:acme/lib#pkg", "", None),
        ("::", "", None),
    ],
)
def test_a_url_is_a_git_repository_without_ref(problems: Problems, url: str, message: str, hint: str | None) -> None:
    (found,) = problems(f'[repos.lib]\nurl = "{url}"')
    assert found.place == "repos.lib.url"
    assert message in found.message
    assert hint is None or found.hint == hint


@pytest.mark.parametrize(
    "address",
    [
        "git+https://h/x?token=s3cret",
        "git+https://h/x?ref=main&private_token=s3cret",
        "git+https://h/x?access%5Ftoken=s3cret",
        "git+https://h/x?X-Amz-Signature=s3cret",
        "git+https://h/x?sig=s3cret&ref=main",
        "github:a/b?token=s3cret",
        "git+https://glpat-s3cret-0123456789@h/x",
        "git+ssh://git:s3cret@h/x",
    ],
)
@pytest.mark.parametrize("key", ["url", "aliases", "source"])
def test_a_token_in_an_address_is_refused_and_not_repeated(load: Load, address: str, key: str) -> None:
    repo = {"url": f"url = {address!r}", "aliases": f"path = 'lib'\naliases = [{address!r}]", "source": "path = 'lib'"}
    pin = f"[pins.p]\nsource = {address!r}\n" if key == "source" else ""
    with pytest.raises(ManifestError, match="carries a") as caught:
        load(f"{pin}[repos.lib]\n{repo[key]}\n")
    assert f".{key}" in caught.value.message
    assert "s3cret" not in f"{caught.value} {caught.value.message} {caught.value.hint}"


def test_a_password_in_an_address_is_refused_and_not_repeated(load: Load) -> None:
    for line in ('url = "git+https://u:s3cret@h.example/lib"', 'aliases = ["https://u:s3cret@h.example/lib"]'):
        with pytest.raises(ManifestError, match="carries a password") as caught:
            load(f"[repos.lib]\n{line}")
        assert "s3cret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        ("", "pins.p", "needs a `source`"),
        ("source = 'nixpkgs'", "pins.p.source", "(indirect) does not say where the source lies"),
        (f"source = 'github:a/b/{'a' * 40}'", "pins.p.source", "names a rev"),
        ("source = 'git+https://u:pw@h/x'", "pins.p.source", "carries a password"),
        ("source = 'github:a'", "pins.p.source", ""),
        ("target = 'repo:lub'", "pins.p.target", "there is no repo `lub`"),
        ("target = 'lib'", "pins.p.target", "`lib` is no target"),
        ("target = 'abcdef0'", "pins.p.target", "`abcdef0` is no target"),
        ("max-age = '30'", "pins.p.max-age", "`30` is not a duration"),
        ("max-age = '0d'", "pins.p.max-age", "`0d` is not a duration"),
        ("max-age = '1y'", "pins.p.max-age", "`1y` is not a duration"),
        ("max-age = 30", "pins.p.max-age", "must be a string, not an integer"),
        ("inputs = []", "pins.p.inputs", "names no input"),
    ],
)
def test_a_pin_with_a_wrong_value_is_refused(problems: Problems, body: str, place: str, message: str) -> None:
    source = "" if "source" in body or not body else "source = 'github:a/b'\n"
    (found,) = problems(f"[repos.lib]\nurl = 'github:acme/lib'\n[pins.p]\n{source}{body}")
    assert found.place == place
    assert message in found.message


def test_a_near_miss_of_a_target_gets_a_hint(problems: Problems) -> None:
    def hint(target: str) -> str | None:
        pin = f"[pins.p]\nsource = 'github:a/b'\ntarget = '{target}'"
        return problems(f"[repos.lib]\nurl = 'github:acme/lib'\n{pin}")[0].hint

    assert hint("repo:lub") == "did you mean `lib`?"
    assert hint("lib") == "did you mean `repo:lib`?"
    assert hint("newest_locked") == "did you mean `newest-locked`?"
    assert hint("ABCDEF0123") == "a rev must be whole: 40 lower-case hex digits"


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)])
def test_a_duration_is_read_in_seconds(text: str, seconds: int) -> None:
    assert values.duration(text) == seconds


def pins(*bodies: str) -> str:
    tables = "\n".join(f"[pins.p{number}]\n{body}" for number, body in enumerate(bodies, 1))
    return f"[repos.lib]\nurl = 'github:acme/lib'\n{tables}"


def test_two_pins_on_one_source_and_ref_are_refused(problems: Problems) -> None:
    one, other = 'source = "github:NixOS/nixpkgs/a"', 'source = "git+https://github.com/nixos/nixpkgs?ref=a"'
    (found,) = problems(pins(one, other))
    assert found.place == "pins.p2"
    assert found.message == "`p1` and `p2` pin the same source at the same ref"


def test_pins_on_one_source_may_have_different_refs(load: Load) -> None:
    assert len(load(pins('source = "github:NixOS/nixpkgs/a"', 'source = "github:NixOS/nixpkgs"')).pins) == 2


def test_pins_on_one_source_whose_inputs_overlap_are_refused(problems: Problems) -> None:
    (found,) = problems(
        pins(
            'source = "github:NixOS/nixpkgs/a"\ninputs = ["x", "nix*"]',
            'source = "github:NixOS/nixpkgs/b"\ninputs = ["*pkgs"]',
        )
    )
    assert found.place == "pins.p2.inputs"
    assert found.message == "`p1` (`nix*`) and `p2` (`*pkgs`) can govern the same input"


def test_inputs_of_pins_on_different_sources_may_overlap(load: Load) -> None:
    load(pins('source = "github:a/b"\ninputs = ["x"]', 'source = "github:c/d"\ninputs = ["x"]'))


def test_two_repos_of_one_identity_are_refused_by_name_and_identity(problems: Problems) -> None:
    (found,) = problems("""
        [repos.lib]
        url = "github:Acme/Lib"
        [repos.other]
        url = "github:acme/other"
        aliases = ["git@github.com:acme/lib.git"]
        """)
    assert found.place == "repos.other"
    assert found.message == "`lib` and `other` are one repository: github.com/acme/lib"


@pytest.mark.parametrize("path", ["../tree", "../link", "../lib/.git", "../bound/tree"])
@pytest.mark.parametrize("clone", ["path = '../lib'", "url = 'git+file://{root}/lib'", "aliases = ['{root}/lib']"])
def test_working_trees_of_one_repository_are_one_repository(
    problems: Problems, tmp_path: Path, path: str, clone: str
) -> None:
    make_repo(tmp_path / "lib", {"flake.lock": "{}"})
    make_repo(tmp_path / "app", {"flake.lock": "{}"})
    run_git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"), cwd=tmp_path / "lib")
    (tmp_path / "link").symlink_to("tree")
    (tmp_path / "bound").symlink_to(".")
    url = "url = 'github:a/b'\n" if clone.startswith("aliases") else ""
    (found,) = problems(
        f"[repos.a]\n{url}{clone.format(root=tmp_path)}\n[repos.b]\npath = '{path}'\n[repos.c]\npath = '../app'"
    )
    assert found.place == "repos.b"
    real = (tmp_path / "root" / path).resolve()
    assert found.message == f"`a` and `b` are one repository: {tmp_path}/lib and {real} are working trees of it"


def test_a_submodule_and_the_repository_around_it_are_two(load: Load, tmp_path: Path) -> None:
    make_repo(tmp_path / "lib", {"flake.lock": "{}"})
    make_repo(tmp_path / "app", {"flake.lock": "{}"})
    argv = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"{tmp_path}/lib", "lib")
    run_git(*argv, cwd=tmp_path / "app")
    load("[repos]\na = { path = '../app' }\nb = { path = '../app/lib' }\nc = { path = '../lib' }")


def test_two_paths_to_one_folder_are_one_repository(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "link").symlink_to("lib")
    (found,) = problems("[repos]\na = { path = '../lib' }\nb = { path = '../link' }")
    assert found.message == f"`a` and `b` are one repository: {Identity('', str(tmp_path / 'lib'))}"


def test_a_folder_inside_another_repo_is_a_repo_of_its_own(load: Load, tmp_path: Path) -> None:
    (tmp_path / "lib/sub").mkdir(parents=True)
    assert len(load("[repos]\na = { path = '../lib' }\nb = { path = '../lib/sub' }").repos) == 2


def test_a_path_may_be_absolute_a_link_or_the_manifests_own_folder(load: Load, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "link").symlink_to("lib")
    a, b = load(f"[repos]\na = {{ path = '.' }}\nb = {{ path = '{tmp_path}/link/' }}").repos
    assert (a.path, b.path) == (tmp_path / "ws", tmp_path / "link")
    assert b.identities == {Identity("", str(tmp_path / "lib"))}


@pytest.mark.parametrize(
    ("branch", "base", "fits"),
    [("main", "main", False), ("main/up", "main", False), ("up", "up/x", False), ("mainline", "main", True)],
)
def test_the_update_branch_must_fit_beside_the_base(
    load: Load, problems: Problems, branch: str, base: str, fits: bool
) -> None:
    text = f"[workspace]\nbranch = '{branch}'\n[repos]\na = {{ url = 'github:acme/a', base = '{base}' }}"
    if fits:
        assert load(text).branch == branch
    else:
        assert [problem.place for problem in problems(text)] == ["workspace.branch"]


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"[workspace]\nname = \n", ":2:8: ", "invalid value"),
        (b"[repos.a]\nx = 1\nx = 2\n", ":3:6: ", "cannot overwrite a value"),
        (b"[repos.a", ":1:9: ", "expected ']' at the end of a table declaration"),
        (b"name = 'x'\nbad = '\xff'\n", ":2:8: ", "is not UTF-8 text"),
        (b"\xef\xbb\xbfname = 'x'", ":1:1: ", "invalid statement"),
        (b"x = " + b"[" * 5000, ": ", "is nested too deeply"),
        (b"x = " + b"1" * 5000, ": ", "digits"),
    ],
)
def test_a_syntax_error_names_file_line_and_column(tmp_path: Path, data: bytes, place: str, message: str) -> None:
    file = tmp_path / "workspace.toml"
    file.write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        load_workspace(file)
    assert caught.value.code == "manifest-syntax"
    assert str(caught.value).startswith(f"{file}{place}")
    assert message in str(caught.value)


def test_a_missing_manifest_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist") as caught:
        load_workspace(tmp_path / "workspace.toml")
    assert (caught.value.code, caught.value.hint) == ("no-manifest", "`flakesync init` writes one")
    with pytest.raises(ManifestError, match="cannot be read: Is a directory") as caught:
        load_workspace(tmp_path)
    assert caught.value.code == "no-manifest"


def test_the_nearest_manifest_upward_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a/b/c"
    deep.mkdir(parents=True)
    with pytest.raises(ManifestError) as caught:
        find_manifest(deep)
    assert caught.value.code == "no-manifest"
    (tmp_path / "workspace.toml").touch()
    assert find_manifest(deep) == tmp_path / "workspace.toml"
    (tmp_path / "a/workspace.toml").touch()
    assert find_manifest(deep) == tmp_path / "a/workspace.toml"


SOME = """
[repos]
a = { url = "github:acme/a", groups = ["core"] }
b = { url = "github:acme/b", groups = ["core", "web"] }
c = { url = "github:acme/c" }
"""


@pytest.mark.parametrize(
    ("repos", "groups", "exclude", "chosen"),
    [
        ([], [], [], "abc"),
        (["a"], [], [], "a"),
        ([], ["core"], [], "ab"),
        (["c"], ["web"], [], "bc"),
        ([], [], ["b"], "ac"),
        ([], [], ["core"], "c"),
        ([], ["core"], ["web"], "a"),
    ],
)
def test_repo_group_and_exclude_choose(
    load: Load, repos: list[str], groups: list[str], exclude: list[str], chosen: str
) -> None:
    assert select(load(SOME), repos, groups, exclude) == set(chosen)


@pytest.mark.parametrize(
    ("repos", "groups", "exclude", "said"),
    [
        (["a"], [], ["a"], "--repo a --exclude a"),
        ([], ["web"], ["core"], "--group web --exclude core"),
        ([], [], ["core", "c"], "--exclude core --exclude c"),
    ],
)
def test_to_choose_no_repo_at_all_is_an_error(
    load: Load, repos: list[str], groups: list[str], exclude: list[str], said: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        select(load(SOME), repos, groups, exclude)
    assert (caught.value.code, caught.value.message) == ("nothing-selected", f"`{said}` leaves no repo")


def test_choosing_what_does_not_exist_is_an_error_with_a_hint(load: Load) -> None:
    workspace = load(SOME)
    for arguments, code, hint in [
        ((["d"], [], []), "unknown-repo", "there are: a, b, c"),
        (([], ["cor"], []), "unknown-group", "did you mean `core`?"),
        (([], [], ["webb"]), "unknown-repo", "did you mean `web`?"),
    ]:
        with pytest.raises(ManifestError) as caught:
            select(workspace, *arguments)
        assert (caught.value.code, caught.value.hint) == (code, hint)


BRANCHES = st.text(alphabet="ab-/.@{~^:?*[\\ \tLloHEAD\x7fé", min_size=1, max_size=8).filter(lambda word: word != "@")


@given(BRANCHES | st.sampled_from(["a.lock", "a.lock/b", "HEAD"]))
def test_a_branch_is_accepted_exactly_when_git_accepts_it(word: str) -> None:
    try:
        accepted = values.branch(word) == word
    except ManifestError:
        accepted = False
    git = subprocess.run(["git", "check-ref-format", "--branch", word], capture_output=True, text=True, check=False)
    assert accepted == (git.returncode == 0 and git.stdout.strip() == word)


@given(
    st.from_regex(references._PLAIN_FORGE.pattern, fullmatch=True)
    | st.from_regex(references._PLAIN_GIT.pattern, fullmatch=True)
    | st.sampled_from(["github:a/b.git", "git+ssh://git@h:22/a", "git+https://h/a.tar.gz"])
)
def test_the_short_way_of_reading_a_plain_reference_is_the_long_one(word: str) -> None:
    assert references._plain(word) == FlakeRef.parse(word)


WORDS = st.text(alphabet="ab-/", max_size=6)
GLOBS = st.text(alphabet="ab-/*?", min_size=1, max_size=6).filter(
    lambda glob: "**" not in glob and all(glob.split("/"))
)


@given(GLOBS, WORDS)
def test_a_glob_matches_part_by_part(glob: str, path: str) -> None:
    parts, names = glob.split("/"), path.split("/")
    wanted = len(parts) == len(names) and all(map(fnmatchcase, names, parts))
    assert matches((values.glob(glob),), tuple(names)) == wanted


@given(GLOBS, GLOBS, WORDS)
def test_globs_that_match_one_path_overlap(one: str, other: str, path: str) -> None:
    both = all(matches((glob,), tuple(path.split("/"))) for glob in (one, other))
    assert not both or values.overlap(one, other)
    assert values.overlap(one, other) == values.overlap(other, one)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("nixpkgs", "nixpkgs-*", False),
        ("nixpkgs*", "nixpkgs-unstable", True),
        ("a*c", "*b*", True),
        ("a/*", "*", False),
        ("[ab]x", "[!a]x", True),
        ("[a]x", "[!a]x", False),
        ("*a", "*b", False),
    ],
)
def test_overlap_is_exact(one: str, other: str, overlap: bool) -> None:
    assert values.overlap(one, other) == overlap


def test_a_class_in_a_glob_takes_its_characters_literally() -> None:
    assert matches(("[]^]x",), ("]x",))
    assert matches(("[!]]x",), ("ax",))
    assert not matches(("[!a]",), ("/",))
    assert not matches((), ("a",))


def test_a_thousand_repos_with_one_mistake_each_are_all_reported(problems: Problems) -> None:
    text = "\n".join(f'[repos.r{number}]\nurl = "github:acme/r{number}"\nx = 1' for number in range(1000))
    assert len(problems(text)) == 1000


DOCS = Path(__file__).parents[2] / "docs/workspace.md"


def test_the_reference_documents_every_key_and_nothing_else() -> None:
    text = DOCS.read_text()
    for heading, keys in [
        ("## `[workspace]`", manifest._WORKSPACE_KEYS),
        ("## `[pins.NAME]`", manifest._PIN_KEYS),
        ("## `[repos.NAME]`", manifest._REPO_KEYS),
    ]:
        section = text.split(f"\n{heading}\n")[1].split("\n## ")[0]
        assert set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == keys
        assert set(re.findall(r"^\*\*`([a-z-]+)`\*\*", section, re.MULTILINE)) == keys


def test_the_examples_of_the_reference_are_valid(load: Load, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    blocks = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        body = block if block.startswith("[") else f"[workspace]\n{block}"
        others = [f"[repos.{name}]\nurl = 'github:x/{name}'" for name in ("platform",) if f"[repos.{name}]" not in body]
        load("\n".join([body, *others]))
