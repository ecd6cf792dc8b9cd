"""What a start imports: a command pays for what it uses, and for nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment

HEAVY = {"pydantic", "networkx", "jinja2", "httpx2", "git", "pygit2", "typer.rich_utils", "rich.console"}


@pytest.mark.parametrize("options", [[], ["--json"], ["--markdown"], ["--summary"]])
def test_drift_imports_none_of_the_libraries_that_it_can_do_without(acme: Path, options: list[str]) -> None:
    code = (
        "import sys\nfrom flakesync.cli.main import run\n"
        f"run(['drift', '-q', '--offline', *{options!r}])\n"
        f"print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    argv = [sys.executable, "-c", code]
    ran = subprocess.run(argv, cwd=acme, env=environment(), capture_output=True, text=True, check=True)
    assert ran.stdout != ""
    assert ran.stderr == "\n"
