"""The bounds of the dependencies: what distributions have fits, the pinned set fits and starts quickly."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NEEDED = {str(canonicalize_name(each.name)): each for each in map(Requirement, PROJECT["project"]["dependencies"])}
NIXPKGS = {
    "httpx2": "2.4.0",
    "msgspec": "0.22.0",
    "networkx": "3.6.1",
    "pygit2": "1.19.3",
    "tree-sitter": "0.25.2",
    "tomli-w": "1.2.0",
    "typer": "0.27.2",
}
"""Versions that nixpkgs has had in 2026; of the rest any version of the last years will do."""


def pinned(name: str) -> dict[str, Version]:
    """Return the versions of a file of constraints by canonical name."""
    lines = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)$", (ROOT / name).read_text(), re.MULTILINE)
    return {str(canonicalize_name(name)): Version(version) for name, version in lines}


def test_each_dependency_has_a_lowest_version_and_no_highest() -> None:
    assert {
        str(each) for each in NEEDED.values() if {part.operator for part in each.specifier} - {"!="} != {">="}
    } == set()


def test_the_bounds_let_in_what_nixpkgs_has() -> None:
    assert {name: version for name, version in NIXPKGS.items() if version not in NEEDED[name].specifier} == {}


def test_the_pinned_set_fits_the_bounds_and_stays_below_the_typer_that_imports_pydantic() -> None:
    versions = pinned("constraints.txt")
    assert {name for name, needed in NEEDED.items() if versions[name] not in needed.specifier} == set()
    assert versions["typer"] < Version("0.29")


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_the_instructions_to_install_set_the_limit_that_the_bounds_do_not(page: str) -> None:
    assert re.search(r"typer<0\.29", (ROOT / page).read_text()), page


def test_the_two_files_of_pins_name_nothing_twice() -> None:
    assert pinned("constraints.txt").keys() & pinned("constraints-tools.txt").keys() == set()


def test_each_tool_is_pinned() -> None:
    groups = PROJECT["dependency-groups"]
    for group, files in (
        ("test", ["constraints.txt"]),
        ("lint", ["constraints.txt"]),
        ("tools", ["constraints-tools.txt"]),
    ):
        versions = {name: version for file in files for name, version in pinned(file).items()}
        for each in map(Requirement, groups[group]):
            assert versions[canonicalize_name(each.name)] in each.specifier, each


def test_the_tests_of_other_environments_are_there() -> None:
    spec = importlib.util.spec_from_file_location("suites", ROOT / ".ci/suites.py")
    assert spec is not None
    assert spec.loader is not None
    suites = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suites)
    named = {path for paths in suites.PARTS.values() for path in paths}
    named |= {path.partition("::")[0] for paths in (suites.WRAPPED, *suites.LEFT_OUT.values()) for path in paths}
    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert "typer" in suites.runtime()
    assert "pytest" not in suites.runtime()
