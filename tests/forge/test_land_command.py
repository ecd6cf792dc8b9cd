"""`flakesync land` as a program: options, exit statuses, text."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.landing import Landing
from tests.support.nixspace import chain

pytestmark = pytest.mark.usefixtures("use_nix")


@pytest.fixture
def landing(any_nix: object, tmp_path: Path) -> Landing:
    space = chain(tmp_path, 2)
    found = Landing(space, plain=space.names)
    found.sync()
    found.publish()
    return found


def run(landing: Landing, *options: str) -> "subprocess.CompletedProcess[str]":
    return forked.flakesync("land", "-w", str(landing.file), *options, cwd=landing.file.parent, env=os.environ)


def test_what_waits_is_exit_status_4_and_landing_is_0(landing: Landing) -> None:
    waits = run(landing)
    assert waits.returncode == 4, waits.stderr
    lines = waits.stdout.splitlines()
    assert lines[0].startswith("waiting   r0  ")
    assert lines[1] == "    somebody has to merge flakesync/update into main"
    assert lines[2] == "waiting   r1  for r0"
    assert lines[-1] == "2 waiting"
    assert run(landing, "--no-merge").returncode == 0
    with landing.file.open("a") as manifest:
        manifest.write('\n[publish]\nmerge-method = "fast-forward"\n')
    landed = run(landing, "--locker", "nix")
    assert landed.returncode == 0, landed.stderr
    assert landed.stdout.splitlines()[-1] == "2 landed  (2 update branches deleted)"
    assert "r0  landed as" in landed.stderr
    assert run(landing).stdout == "nothing to land\n"
    landing.assert_done()


def test_a_failed_repo_is_exit_status_1(landing: Landing) -> None:
    landing.space.commit("r0", {"mine": "x"}, branch="flakesync/update", message="Mine")
    failed = run(landing, "-q")
    assert failed.returncode == 1
    assert "error[branch-taken]" in failed.stdout
    assert "skipped   r1  r0 failed" in failed.stdout
    assert failed.stderr == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--offline",), "error[offline]"),
        (("--wait", "--timeout", "soon"), "is not a duration"),
        (("--locker", "lix"), "is not one of 'auto', 'nix', 'native'"),
    ],
)
def test_what_cannot_be_is_exit_status_2(landing: Landing, options: tuple[str, ...], words: str) -> None:
    refused = run(landing, *options)
    assert refused.returncode == 2
    assert words in refused.stderr
