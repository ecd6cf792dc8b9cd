"""The wheel: the same bytes each time, all that belongs in it and nothing else, and it works without the checkout."""

import email
import shutil
import tarfile
from pathlib import Path

import pytest

from flakesync import __version__
from tests.packaging import built

pytestmark = pytest.mark.packaging

DATA = (
    "flakesync/py.typed",
    "flakesync/report/html/page.html.j2",
    "flakesync/report/html/script.js",
    "flakesync/report/html/style.css",
)
"""Files of the package that are no Python: each is declared here, or the wheel is wrong."""

CONSUMER = """\
from flakesync.errors import FlakesyncError
from flakesync.terms import iso_day
from flakesync.workspace.manifest import Workspace

def name_of(workspace: Workspace) -> str:
    return workspace.name

reveal_type(iso_day)
problem: int = FlakesyncError("code", "message").code
"""


def test_the_same_sources_give_the_same_wheel_and_sdist(tree: Path, wheel: Path, sdist: Path, tmp_path: Path) -> None:
    # Another folder, other dates of files, another umask.
    again = tmp_path / "elsewhere" / "tree"
    shutil.copytree(tree, again, copy_function=shutil.copy)
    for path in again.rglob("*"):
        if path.is_file():
            path.chmod(0o700 if path.stat().st_mode & 0o100 else 0o600)
    other = built.build(again, tmp_path / "wheel", "--wheel", umask=0o077)
    assert (other.name, built.digest(other)) == (wheel.name, built.digest(wheel))
    other = built.build(again, tmp_path / "sdist", "--sdist", umask=0o077)
    assert (other.name, built.digest(other)) == (sdist.name, built.digest(sdist))


def test_the_wheel_has_the_package_the_examples_and_nothing_else(wheel: Path) -> None:
    info = f"flakesync-{__version__}.dist-info"
    listed = built.sources()
    code = {name for name in listed if name.startswith("flakesync/") and name.endswith(".py")}
    examples = {f"flakesync/_{name}" for name in listed if name.startswith("examples/")}
    wanted = {
        *code,
        *DATA,
        *examples,
        "flakesync/_examples/workspace.toml",
        f"flakesync-{__version__}.data/scripts/flakesync-nightly",
        *(f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")),
    }
    assert set(built.members(wheel)) == wanted


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_tree(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert built.digest(built.build(source, tmp_path / "out", "--wheel")) == built.digest(wheel)


def test_the_sdist_has_what_the_tests_need_and_nothing_that_is_made(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"constraints.txt", "Makefile", ".ci/setup", "tests/conftest.py", "docs/terms.md", "LICENSE"} <= names
    assert not {name for name in names if name.startswith((".cache", ".venv", ".git/")) or "__pycache__" in name}


def test_twine_and_check_wheel_contents_have_nothing_to_say(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    ran = built.run(built.BIN / "twine", "check", "--strict", wheel, sdist, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout
    # W002: nightly.sh is a recipe among the examples and a program. W004: folders of examples are no modules.
    ran = built.run(built.BIN / "check-wheel-contents", "--ignore", "W002,W004", wheel, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout


def test_metadata_names_licence_authors_pythons_and_dependencies(wheel: Path) -> None:
    metadata = email.message_from_bytes(built.members(wheel)[f"flakesync-{__version__}.dist-info/METADATA"])
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Author"] == "flakesync contributors"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert metadata.get_all("Requires-Dist", []) != []


def test_the_demo_ends_well_where_only_the_wheel_is_installed(installed: Path, tmp_path: Path) -> None:
    ran = built.run(installed / "bin/python", "-c", "import flakesync; print(flakesync.__file__)", cwd=tmp_path)
    assert Path(ran.stdout.strip()).is_relative_to(installed)
    ran = built.run(installed / "bin/flakesync", "demo", "acme", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "acme/workspace.toml").is_file()


def test_a_program_that_uses_it_is_type_checked_strictly(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(CONSUMER)
    argv = (built.BIN / "mypy", "--strict", "--python-executable", installed / "bin/python", "consumer.py")
    ran = built.run(*argv, "--config-file=", "--follow-imports=silent", cwd=tmp_path)
    lines = ran.stdout.splitlines()
    # Types reach the consumer: what fits is not marked, and the one line that is wrong is.
    (wrong,) = [line for line in lines if " error: " in line]
    assert wrong.startswith('consumer.py:9: error: Incompatible types in assignment (expression has type "str", ')
    assert "Any" not in next(line for line in lines if "Revealed type" in line)
