"""Other Pythons: what the package says it runs on is what is run, and a Python of a Debian suite is a whole one."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".cache/python"


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    spec = importlib.util.spec_from_file_location("python_versions", ROOT / ".ci/python_versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("nix_versions", None)


def named() -> set[str]:
    """Return the minor versions among the classifiers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {found[1] for each in project["classifiers"] if (found := re.search(r":: (3\.\d+)$", each))}


def test_the_classifiers_begin_with_the_oldest_that_is_allowed_and_hold_all_that_are_run(versions: ModuleType) -> None:
    assert {"3.11", *versions.SUITES} <= named()
    assert min(named(), key=lambda each: int(each.partition(".")[2])) == "3.11"


def test_make_runs_the_suite_with_each_that_can_be_had(versions: ModuleType) -> None:
    argv = ["make", "--no-print-directory", "-n", "pythons", "PYTEST="]
    shown = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"suites.py {' '.join(versions.SUITES)} --" in shown


def test_a_version_that_no_suite_has_is_an_error(versions: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(versions.FetchError, match=r"3\.13, 3\.14"):
        versions.have(tmp_path, "3.9")


def test_a_python_that_is_not_there_or_is_another_does_not_run(versions: ModuleType) -> None:
    assert not versions.runs(Path("/nonexistent/python"), "3.13")
    assert not versions.runs(Path(sys.executable), "3.9")
    assert versions.runs(Path(sys.executable), f"{sys.version_info.major}.{sys.version_info.minor}")


@pytest.mark.packaging
@pytest.mark.parametrize("version", ["3.13", "3.14"])
def test_a_fetched_python_finds_the_environment_that_it_is_started_from(version: str, tmp_path: Path) -> None:
    fetched = PLACE / version / f"bin/python{version}"
    if not fetched.exists():
        pytest.skip("`make pythons` fetches it")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "--quiet", "venv", "--python", fetched, tmp_path / "env"], check=True)
    code = "import sys; print('%d.%d' % sys.version_info[:2], sys.prefix, sys.base_prefix, sys.executable, sep='\\n')"
    ran = subprocess.run([tmp_path / "env/bin/python", "-c", code], capture_output=True, text=True, check=True)
    home = str(tmp_path / "env")
    assert ran.stdout.splitlines() == [version, home, str(PLACE / version), f"{home}/bin/python"]
