"""Every test is run by `make test` or by one other target, and CI runs all of these."""

import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def pytest_of(target: str) -> list[str]:
    """Return how a target runs pytest."""
    argv = ["make", "--no-print-directory", "-n", target, "PYTEST="]
    shown = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return next(shlex.split(line) for line in shown.splitlines() if "-m pytest" in line)


ALONE = {"slow": "slow", "browser": "browser", "site": "site", "packaging": "packaging", "deploy": "deploy-check"}
"""Markers of tests that `make test` leaves out, each with its target."""


def test_each_target_runs_alone_what_make_test_leaves_out() -> None:
    quick = pytest_of("test")
    assert quick[-2:] == ["-m", " and ".join(f"not {marker}" for marker in ALONE)]
    for marker, target in ALONE.items():
        assert pytest_of(target) == [*quick[:-1], marker]


@pytest.mark.parametrize("target", ["test", *ALONE.values(), "kill", "fidelity", "bounds", "pythons"])
def test_ci_runs_it(target: str) -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert any(shlex.split(line)[:3] == ["make", "--no-print-directory", target] for line in lines)
