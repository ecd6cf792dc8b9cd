"""Troubles of flakes that Nix names and does not explain: each is made with real Nix and gets its hint."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.nix.program.errors import explain
from flakesync.nix.program.hints import hint_in
from tests.support.nix import RealNix
from tests.support.repos import run_git

NO_PATH = "00000000000000000000000000000000-nope"


def failed(nix: RealNix, folder: Path, *argv: str, files: Mapping[str, str], add: bool = True) -> str:
    """Return what nix says of a flake with these files. add: whether git tracks them all, or flake.nix alone."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run_git("init", "-q", cwd=folder)
    run_git("add", "." if add else "flake.nix", cwd=folder)
    ran = subprocess.run(
        ["nix", *argv], cwd=folder, env=nix.env(), capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode != 0, ran.stderr
    return ran.stderr


def flake(outputs: str, inputs: str = "") -> dict[str, str]:
    return {"flake.nix": f"{{ {inputs} outputs = {{ self, ... }}: {{ {outputs} }}; }}\n"}


@pytest.mark.parametrize(
    ("outputs", "file"),
    [
        ("x = import ./mod.nix;", "mod.nix"),
        ("x = builtins.readFile ./a/data.txt;", "a/data.txt"),
        ("x = builtins.readDir ./sub;", "sub/file"),
    ],
)
def test_a_file_that_git_does_not_track_is_to_be_added(nix: RealNix, tmp_path: Path, outputs: str, file: str) -> None:
    said = failed(nix, tmp_path, "eval", ".#x", files={**flake(outputs), file: "1"}, add=False)
    hint = hint_in(said, tmp_path)
    assert hint is not None, said
    # Of a file in a folder without any tracked file 2.8 names the folder.
    assert f"`git add {file}`" in hint or f"`git add {Path(file).parent}`" in hint, hint
    assert "git add" in str(hint_in(said))


def test_a_name_with_blanks_is_quoted(nix: RealNix, tmp_path: Path) -> None:
    files = {**flake('x = import (./. + "/my mod.nix");'), "my mod.nix": "1"}
    said = failed(nix, tmp_path, "eval", ".#x", files=files, add=False)
    assert "`git add 'my mod.nix'`" in str(hint_in(said, tmp_path)), said


def test_a_file_that_nobody_has_written_is_not_to_be_added(nix: RealNix, tmp_path: Path) -> None:
    said = failed(nix, tmp_path, "eval", ".#x", files=flake("x = import ./nowhere.nix;"))
    assert hint_in(said, tmp_path) is None


@pytest.mark.parametrize("argv", [("build", ".#packges.helo"), ("eval", ".#x")])
def test_near_names_of_a_missing_attribute_come_from_flake_nix(
    nix: RealNix, tmp_path: Path, argv: tuple[str, ...]
) -> None:
    """Nix itself looks for near names beside the last one alone."""
    files = flake("hello = 1; x = { }.helo;")
    said = failed(nix, tmp_path, *argv, files=files)
    hint = hint_in(said, tmp_path)
    assert hint is not None, said
    assert "`hello`" in hint


def test_where_nix_says_a_near_name_nothing_is_added(nix: RealNix, tmp_path: Path) -> None:
    said = failed(nix, tmp_path, "eval", ".#x", files=flake("x = { hello = 1; }.hallo;"))
    assert "Did you mean hello" in said
    assert hint_in(said, tmp_path) is None


def test_an_attribute_that_is_like_no_other_may_have_been_renamed(nix: RealNix, tmp_path: Path) -> None:
    said = failed(nix, tmp_path, "eval", ".#x", files=flake("x = { a = 1; }.buildDepsOnly;"))
    assert "renamed or removed `buildDepsOnly`" in str(hint_in(said))


def test_a_follows_to_nothing_names_both_inputs(nix: RealNix, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/flake.nix").write_text("{ outputs = _: { }; }")
    (tmp_path / "app").mkdir()
    inputs = f'inputs.lib.url = "path:{tmp_path}/lib"; inputs.a.follows = "libs";'
    said = failed(nix, tmp_path / "app", "flake", "lock", files=flake("", inputs))
    error = explain(said, status=1)
    assert error.hint is not None
    assert error.hint.startswith("add the input `libs` to flake.nix, or take away the `follows` of `a`")
    assert "is `lib` meant?" in str(hint_in(said, tmp_path / "app"))


def test_an_override_of_nothing_is_hinted_at_where_there_is_no_error() -> None:
    warning = "warning: input 'lib' has an override for a non-existent input 'nope'\n"
    assert "`inputs.lib.inputs.nope` overrides nothing" in str(hint_in(warning))
    assert hint_in(f"{warning}error: builder for '/nix/store/x.drv' failed with exit code 1\n") is None


@pytest.mark.parametrize("argv", [("build", "STORE"), ("eval", "--impure", ".#x")])
def test_a_store_path_that_nobody_has_asks_for_a_binary_cache(
    nix: RealNix, tmp_path: Path, argv: tuple[str, ...]
) -> None:
    store = f"{nix.env()['NIX_STORE_DIR']}/{NO_PATH}"
    files = flake(f'x = builtins.storePath "{store}";')
    said = failed(nix, tmp_path, *(store if word == "STORE" else word for word in argv), files=files)
    hint = hint_in(said, tmp_path)
    assert hint is not None, said
    assert "`substituters`" in hint
    assert NO_PATH in hint


def derivation(system: str, more: str = "") -> str:
    return f'x = derivation {{ name = "x"; system = "{system}"; builder = "/bin/sh"; {more} }};'


def test_a_build_for_another_system_asks_for_a_builder(nix: RealNix, tmp_path: Path) -> None:
    said = failed(nix, tmp_path, "build", ".#x", files=flake(derivation("riscv64-linux")))
    hint = hint_in(said, tmp_path)
    assert hint is not None, said
    assert hint.startswith("it needs a machine of riscv64-linux, and this one is ")


def test_a_build_with_features_that_nobody_has_names_them(nix: RealNix, tmp_path: Path) -> None:
    system = f"{os.uname().machine}-linux"
    files = flake(derivation(system, 'requiredSystemFeatures = [ "moon" ];'))
    said = failed(nix, tmp_path, "build", ".#x", files=files)
    hint = hint_in(said, tmp_path)
    assert hint is not None, said
    assert "{moon}" in hint


MODULES = """\
modules: let config = builtins.foldl' (found: module: found // (module { inherit config; })) { } modules; in config
"""


@pytest.mark.parametrize("trace", [(), ("--show-trace",)])
def test_a_module_that_decides_by_config_what_it_sets_is_told_of_mk_if(
    nix: RealNix, tmp_path: Path, trace: tuple[str, ...]
) -> None:
    files = {
        **flake("x = (import ./lib/modules.nix [ (import ./module.nix) ]).a;"),
        "lib/modules.nix": MODULES,
        "module.nix": "{ config, ... }:\nif config.enable then { enable = true; a = 1; }\nelse { enable = false; }\n",
    }
    said = failed(nix, tmp_path, "eval", *trace, ".#x", files=files)
    assert "`lib.mkIf`" in str(hint_in(said, tmp_path)), said


def test_a_recursion_that_has_nothing_to_do_with_modules_gets_no_hint(nix: RealNix, tmp_path: Path) -> None:
    said = failed(nix, tmp_path, "eval", ".#x", files=flake("x = let z = z; in z;"))
    assert "infinite recursion" in said
    assert hint_in(said, tmp_path) is None


SOURCE = "/nix/store/n0vx21by1fshhc5i07zwvn7x3ybc6van-source"
NOT_TRACKED = """\
error:
       … while calling the 'import' builtin

       error: Path 'mod/x y.nix' in the repository "/srv/my repos/app" is not tracked by Git.

       To make it visible to Nix, run:
"""


@pytest.mark.parametrize(
    "text",
    [
        NOT_TRACKED,
        NOT_TRACKED.replace("'mod/x y.nix'", "‘mod/x y.nix’"),
        NOT_TRACKED.replace("'mod/x y.nix'", "\x1b[35;1m'mod/x y.nix'\x1b[0m"),
        f"error: \x1b[31;1mgetting status of '\x1b[35;1m{SOURCE}/mod/x y.nix\x1b[0m': No such file or directory",
        f"error: path '/home/me/a b{SOURCE}/mod/x y.nix'\ndoes not exist\n",
        "note: something else\n" * 9000 + NOT_TRACKED,
    ],
)
def test_the_words_are_found_in_other_quotes_colours_and_lines(text: str) -> None:
    assert "`git add 'mod/x y.nix'`" in str(hint_in(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "error: builder for '/nix/store/x-app.drv' failed with exit code 1",
        "error: path '/nix/store/x.drv' is not valid",
        "error: getting status of '/etc/passwd-not': No such file or directory",
        "cat: '/build/source/x': No such file or directory",
        "error: file 'nixpkgs' was not found in the Nix search path",
        "error: undefined variable 'helo'",
        "error: attribute 'hello' already defined at (string):1:3",
        "AttributeError: 'NoneType' object has no attribute 'x'",
        "error: infinite recursion encountered\n   at /x/flake.nix:1:2:\n  1| { a = a; }",
        "error: cached failure of attribute 'packages.x86_64-linux.x'",
        "error: unable to download 'https://cache.example/nix-cache-info': HTTP error 500",
        "the package 'lib' follows a release schedule",
        "error: a 'x' is required to build the world",
        "error: Cannot build '/nix/store/x.drv'.\n       Reason: builder failed with exit code 1.",
    ],
)
def test_other_errors_get_no_hint(text: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "flake.nix").write_text("{ outputs = _: { hello = 1; }; }")
    assert hint_in(text, tmp_path) is None
    assert hint_in(text) is None


def test_a_file_outside_of_the_repo_is_never_named(tmp_path: Path) -> None:
    (tmp_path / "repo/.git").mkdir(parents=True)
    (tmp_path / "secret").write_text("1")
    said = f"error: path '{SOURCE}/../secret' does not exist"
    assert hint_in(said, tmp_path / "repo") is None


@given(st.text())
def test_whatever_is_written_a_hint_is_a_short_line_or_none(text: str) -> None:
    for words in (text, f"error: attribute '{text}' missing", f"error: input '{text}' follows a non-existent input ''"):
        hint = hint_in(words)
        assert hint is None or ("\n" not in hint and len(hint) < 2 * len(text) + 400)
