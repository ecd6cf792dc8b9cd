"""The flake of this repository: its outputs, and its package's parts, without network and without nixpkgs."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from flakesync import __version__
from tests.packaging.evaluated import STUB, TOP, evaluate
from tests.support.nix import RealNix

SYSTEMS = ["aarch64-darwin", "aarch64-linux", "x86_64-linux"]
ATTRIBUTES = {"tree-sitter-nix": "tree-sitter-grammars.tree-sitter-nix"}
"""Name of a distribution → its attribute of nixpkgs' python3Packages, where it is another one."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the flake evaluates: the checkout has many files more."""
    folder = tmp_path_factory.mktemp("flakes") / "flakesync"
    shutil.copytree(TOP / "nix", folder / "nix")
    (folder / "flakesync").mkdir()
    for name in ("flake.nix", "flakesync/__init__.py"):
        shutil.copy(TOP / name, folder / name)
    return folder


def run(nix: RealNix, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    argv = ["nix", *map(str, arguments)]
    return subprocess.run(argv, env=nix.env(), capture_output=True, text=True, check=False)


def with_stub(nix: RealNix, command: list[str], checkout: Path) -> str:
    """Run a command of `nix flake` with the stand-in for nixpkgs; return what it says."""
    more = ["--no-write-lock-file", "--override-input", "nixpkgs", f"path:{STUB}"]
    ran = run(nix, "flake", *command, *more, f"path:{checkout}")
    assert ran.returncode == 0, ran.stderr
    assert not (checkout / "flake.lock").exists()
    return ran.stdout + ran.stderr


def outputs(nix: RealNix, expression: str) -> Any:
    """Return the value of an expression in which `flake` is the flake's outputs and `pkgs` what it was given."""
    return evaluate(
        nix,
        f"let nixpkgs = (import {STUB}/flake.nix).outputs {{ }};"
        f" flake = (import {TOP}/flake.nix).outputs {{ self = flake; inherit nixpkgs; }};"
        f" pkgs = nixpkgs.legacyPackages.x86_64-linux; in {expression}",
    )


def test_nix_finds_nothing_wrong_with_the_outputs(nix: RealNix, checkout: Path) -> None:
    with_stub(nix, ["check", "--no-build"], checkout)
    shown = with_stub(nix, ["show"], checkout)
    for name in ("apps", "checks", "devShells", "formatter", "homeModules", "nixosModules", "overlays", "packages"):
        assert name in shown


def test_a_fault_in_an_output_is_found(any_nix: RealNix, checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "flakesync"
    shutil.copytree(checkout, folder)
    text = (folder / "nix/package.nix").read_text()
    (folder / "nix/package.nix").write_text(text.replace("python3Packages.msgspec", "python3Packages.msgpsec"))
    options = ("--no-build", "--no-write-lock-file", "--override-input", "nixpkgs", f"path:{STUB}")
    ran = run(any_nix, "flake", "check", *options, f"path:{folder}")
    assert ran.returncode != 0
    assert "msgpsec" in ran.stderr


def test_every_system_has_the_same_outputs_and_linux_an_image_and_a_check_of_the_module(nix: RealNix) -> None:
    names = outputs(
        nix,
        "builtins.mapAttrs (_: builtins.mapAttrs (_: builtins.attrNames))"
        " { inherit (flake) packages apps devShells checks; }",
    )
    assert all(sorted(systems) == SYSTEMS for systems in names.values())
    for system in SYSTEMS:
        linux = system.endswith("linux")
        assert names["packages"][system] == ["default", "flakesync", *(["image"] if linux else [])]
        assert names["checks"][system] == ["format", *(["module"] if linux else []), "package", "shell", "version"]
        assert names["apps"][system] == ["default", "nightly"]
        assert names["devShells"][system] == ["default"]


def test_one_input_and_no_lock_is_needed(any_nix: RealNix) -> None:
    flake = evaluate(any_nix, f'removeAttrs (import {TOP}/flake.nix) [ "outputs" ]')
    assert flake["inputs"] == {"nixpkgs": {"url": "github:NixOS/nixpkgs/nixos-unstable"}}


def test_the_apps_are_programs_of_the_package(nix: RealNix) -> None:
    package, apps = outputs(nix, "[ flake.packages.x86_64-linux.default.outPath flake.apps.x86_64-linux ]")
    assert {name: app["type"] for name, app in apps.items()} == {"default": "app", "nightly": "app"}
    assert apps["default"]["program"] == f"{package}/bin/flakesync"
    assert apps["nightly"]["program"] == f"{package}/libexec/flakesync-nightly"


def test_the_overlay_adds_the_package_to_the_packages_it_is_given(nix: RealNix) -> None:
    same = "(flake.overlays.default pkgs pkgs).flakesync.outPath == flake.packages.x86_64-linux.flakesync.outPath"
    assert outputs(nix, f"[ (builtins.attrNames (flake.overlays.default pkgs pkgs)) ({same}) ]") == [
        ["flakesync"],
        True,
    ]


@pytest.mark.parametrize("arguments", [[], ["."], ["a b.nix"]])
def test_the_formatter_takes_the_files_of_the_flake_where_none_are_named(
    any_nix: RealNix, tmp_path: Path, arguments: list[str]
) -> None:
    text = outputs(any_nix, "flake.formatter.x86_64-linux.given.text")
    assert re.search(r"exec /\S+-nixfmt/bin/nixfmt ", text)
    argv = ["sh", "-c", re.sub(r"exec \S+/nixfmt", "printf '%s\\n'", text), "format", *arguments]
    said = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=True).stdout.splitlines()
    files = ["flake.nix", *(f"nix/{name}.nix" for name in ("home", "image", "night", "nixos", "options", "package"))]
    assert said == (arguments if arguments == ["a b.nix"] else files)


def test_the_modules_are_sets_that_import_a_file(nix: RealNix) -> None:
    found = outputs(nix, "map (each: map toString each.default.imports) [ flake.nixosModules flake.homeModules ]")
    assert found == [[f"{TOP}/nix/nixos.nix"], [f"{TOP}/nix/home.nix"]]


def test_the_package_has_the_version_of_the_program(nix: RealNix) -> None:
    of_package = "flake.packages.x86_64-linux.flakesync"
    assert outputs(nix, f"{of_package}.version") == __version__
    image = outputs(nix, "{ inherit (flake.packages.x86_64-linux.image.given) name tag config; }")
    assert (image["name"], image["tag"]) == ("flakesync", __version__)
    assert image["config"]["Entrypoint"] == ["/bin/flakesync"]


def test_the_package_has_the_dependencies_of_the_project(nix: RealNix) -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    dependencies = [re.split(r"[<>=~!;\[ ]", each)[0].lower() for each in project["project"]["dependencies"]]
    names = "map (each: each.pname) flake.packages.x86_64-linux.default.given"
    assert outputs(nix, f"{names}.dependencies") == sorted(dependencies), "nix/package.nix and pyproject.toml"
    system = [re.split("[<>=]", each)[0] for each in project["build-system"]["requires"]]
    assert outputs(nix, f"{names}.build-system") == system
    text = (TOP / "nix/package.nix").read_text()
    assert [name for name in dependencies if f"python3Packages.{ATTRIBUTES.get(name, name)}\n" not in text] == []


def test_the_package_has_git_on_path_and_leaves_nix_to_the_user(nix: RealNix) -> None:
    given = "flake.packages.x86_64-linux.default.given"
    arguments, git = outputs(nix, f'[ {given}.makeWrapperArgs "${{pkgs.git}}/bin" ]')
    assert arguments == ["--prefix", "PATH", ":", git]


def test_the_nightly_script_finds_the_program_of_its_package(nix: RealNix) -> None:
    text = outputs(nix, "flake.packages.x86_64-linux.default.given.postFixup")
    # Only what lies in bin is wrapped by itself.
    assert re.search(r'wrapProgram "\$out/libexec/flakesync-nightly" --prefix PATH : "\$out/bin:', text)


def test_the_package_says_what_it_is_and_how_it_is_updated(nix: RealNix) -> None:
    given = outputs(
        nix,
        "let given = flake.packages.x86_64-linux.default.given; in {"
        " inherit (given) meta pyproject pythonImportsCheck; inherit (given.passthru) updateScript;"
        " tests = builtins.attrNames given.passthru.tests; }",
    )
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    assert given["meta"]["description"] == project["description"]
    assert given["meta"]["license"]["spdxId"] == project["license"]
    assert given["meta"]["mainProgram"] in project["scripts"]
    assert given["pyproject"] is True
    assert (given["pythonImportsCheck"], given["tests"]) == (["flakesync"], ["version"])
    assert given["updateScript"] == ["nix-update"]
