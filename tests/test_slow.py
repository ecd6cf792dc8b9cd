"""Every test is run by `make test` or by `make slow`, and CI runs both."""

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


def test_one_target_leaves_out_what_the_other_runs_alone() -> None:
    quick, slow = (pytest_of(target) for target in ("test", "slow"))
    assert quick[-2:] == ["-m", "not slow"]
    assert slow[-2:] == ["-m", "slow"]
    assert quick[:-2] == slow[:-2]


@pytest.mark.parametrize("target", ["test", "slow", "kill", "fidelity"])
def test_ci_runs_it(target: str) -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert any(shlex.split(line)[:3] == ["make", "--no-print-directory", target] for line in lines)
