"""Run tests in environments of other versions: suites.py NAME… [-- OPTIONS OF PYTEST].

    lowest        the lowest direct dependencies that pyproject.toml allows
    newest        the newest dependencies that there are, typer without its limit
    3.13, 3.14    that Python, of Debian, with the versions of constraints.txt
    FILE.whl      that wheel, with the versions of constraints.txt and without the checkout's own package

uv, which `.ci/setup tools` installs, makes each environment in .cache/environments/NAME. Exit status: 0 if all tests
passed, 1 if tests failed, 2 if an environment could not be made. Run it with .venv's Python.
"""

import importlib.metadata
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".cache/environments"
BIN = ROOT / ".venv/bin"
NOT_HERE = "not slow and not browser and not site and not packaging and not deploy"
PARTS = {
    # What touches each dependency: the command line, locks and flake.nix, git, documents, HTTP, TOML, pages.
    "lowest": ("tests/cli", "tests/nix", "tests/git", "tests/workspace", "tests/survey", "tests/net", "tests/report"),
    "newest": ("tests/cli", "tests/nix", "tests/git", "tests/net", "tests/report"),
    "wheel": ("tests/cli", "tests/nix", "tests/git", "tests/workspace", "tests/sync", "tests/demo"),
    # What the oldest and the newest Python do alike, one between them does: a part says so in half of the time.
    "3.13": ("tests/cli", "tests/nix", "tests/git", "tests/workspace", "tests/survey", "tests/net", "tests/report"),
}
"""The tests that an environment runs; all of them where it is not named here."""

WRAPPED = (
    "tests/audit/test_silence.py::test_audit_starts_nothing_but_git_and_makes_no_socket",
    "tests/cli/test_process.py::test_too_few_open_files_to_import_the_program_is_an_error",
    "tests/kill",
)
"""Tests that see that a Python of .ci/python_versions.py is started by a shell: its files, its system calls."""
LEFT_OUT = {
    "lowest": (),
    "wheel": (),
    # The newest typer imports pydantic.
    "newest": (
        "tests/cli/test_startup.py",
        "tests/cli/test_completion.py::test_what_is_offered_from_the_manifest_costs_no_graph_and_no_repository",
    ),
}


class SetUpError(Exception):
    """An environment that could not be made, and why."""


def main() -> int:
    """Return the exit status."""
    names, options = split(sys.argv[1:])
    worst = 0
    for name in names:
        try:
            python = make(name)
            folder = without_package() if name.endswith(".whl") else ROOT
        except (SetUpError, OSError, subprocess.SubprocessError) as error:
            print(f"suites: {name}: {error}", file=sys.stderr)
            worst = 2
            continue
        print(f"suites: {name}: {shown_versions(python)}", file=sys.stderr)
        argv: list[str | Path] = [python, "-m", "pytest", *arguments(name), *options]
        if subprocess.run(argv, cwd=folder, check=False).returncode != 0:
            worst = max(worst, 1)
    return worst


def arguments(name: str) -> Iterator[str]:
    """Give the options of pytest for the tests that an environment runs."""
    yield from ("-n", "auto", "--maxprocesses", "8", "--dist", "worksteal", "--timeout=900", "-p", "no:cacheprovider")
    # Tests with real Nix say something of Nix, and have been run by `make test`.
    yield from ("-m", f"{NOT_HERE} and not nix", *PARTS.get(kind(name), ("tests",)))
    for test in LEFT_OUT.get(kind(name), WRAPPED):
        yield f"--deselect={test}"


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words before `--`, and those after it."""
    where = words.index("--") if "--" in words else len(words)
    return words[:where], words[where + 1 :]


def make(name: str) -> Path:
    """Make the environment and return its Python; raises SetUpError."""
    home = PLACE / kind(name)
    home.parent.mkdir(parents=True, exist_ok=True)
    python = home / "bin/python"
    if name in ("lowest", "newest"):
        uv("venv", "--clear", "--python", BIN / "python", home)
        # Only direct dependencies of the program are moved: pytest and its like are those of every other run.
        wanted, pins = PLACE / f"{name}.in", PLACE / f"{name}.pins"
        wanted.write_text("\n".join([*dependencies(), *pinned(test_tools())]))
        pins.write_text("\n".join(line for line in constraints() if name_of(line) not in runtime()))
        resolution = "lowest-direct" if name == "lowest" else "highest"
        uv("pip", "install", "--python", python, "--resolution", resolution, "-r", wanted, "-c", pins)
    elif name.endswith(".whl"):
        uv("venv", "--clear", "--python", BIN / "python", home)
        uv("pip", "install", "--python", python, "-r", ROOT / "constraints.txt", Path(name).absolute())
        return python
    else:
        fetched = run([sys.executable, ROOT / ".ci/python_versions.py", ROOT / ".cache/python", name])
        uv("venv", "--clear", "--python", fetched.strip(), home)
        uv("pip", "install", "--python", python, "-r", ROOT / "constraints.txt")
    uv("pip", "install", "--python", python, "--no-deps", "--build-constraints", ROOT / "constraints.txt", "-e", ROOT)
    return python


def kind(name: str) -> str:
    """Return the name of an environment in the tables above."""
    return "wheel" if name.endswith(".whl") else name


def without_package() -> Path:
    """Copy the checkout without the package, so that tests import what is installed; return the folder."""
    folder = PLACE / "wheel-tests"
    shutil.rmtree(folder, ignore_errors=True)
    for name in run(["git", "-C", ROOT, "ls-files", "-z"]).split("\0"):
        if name and not name.startswith("flakesync/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def uv(*argv: str | Path) -> None:
    """Run uv; raises SetUpError with its last words."""
    run([BIN / "uv", "--quiet", *argv])


def run(argv: list[str | Path]) -> str:
    """Return what a program writes; raises SetUpError with its last words."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetUpError(f"{Path(argv[0]).name}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def project() -> dict[str, list[str]]:
    """Return the lists of requirements of pyproject.toml: `dependencies`, and each group by its name."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {**read["dependency-groups"], "dependencies": read["project"]["dependencies"]}


def dependencies() -> list[str]:
    """Return the direct dependencies of the program, with their bounds."""
    return project()["dependencies"]


def test_tools() -> set[str]:
    """Return the names of what only tests need."""
    return {canonicalize_name(Requirement(line).name) for line in project()["test"]}


def constraints() -> list[str]:
    """Return the lines of constraints.txt, each NAME==VERSION."""
    return [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line and line[0] != "#"]


def pinned(names: set[str]) -> list[str]:
    """Return the lines of constraints.txt for these names."""
    return [line for line in constraints() if name_of(line) in names]


def name_of(line: str) -> str:
    """Return the name in NAME==VERSION, as the registry compares names."""
    return canonicalize_name(line.partition("==")[0])


def runtime() -> set[str]:
    """Return the names of all that is installed with the program: its dependencies and theirs."""
    return set(closure("flakesync", set()))


def closure(name: str, known: set[str]) -> Iterator[str]:
    """Give the canonical name of a distribution and those of all that it needs here, each once."""
    if (wanted := canonicalize_name(name)) not in known:
        known.add(wanted)
        yield wanted
        for line in importlib.metadata.requires(wanted) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                yield from closure(needed.name, known)


def shown_versions(python: Path) -> str:
    """Return Python's version and those of the direct dependencies, for the log."""
    names = [Requirement(line).name for line in dependencies()]
    code = (
        "import sys\nfrom importlib.metadata import version\n"
        f"print(sys.version.split()[0], *(f'{{n}} {{version(n)}}' for n in {names!r}), sep=', ')"
    )
    return run([python, "-c", code]).strip()


if __name__ == "__main__":
    sys.exit(main())
