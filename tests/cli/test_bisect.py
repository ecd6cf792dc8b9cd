"""`flakesync bisect` as a process: killed or interrupted at any check, it goes on, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.support.forked import flakesync
from tests.sync.bisect.bisecting import Bisecting

KILL = """
if [ "$(wc -l < "$LOG")" = "$(cat {at})" ]; then kill -9 $PPID; exit 0; fi
"""


@pytest.fixture(autouse=True)
def _without_nix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAKESYNC_NIX", "no-nix-here")


def bisect(made: Bisecting, *argv: str) -> "subprocess.CompletedProcess[str]":
    return flakesync("bisect", "app", "--locker", "native", *argv, cwd=made.space.root, env=os.environ)


def left_behind() -> list[str]:
    """Return the folders of flakesync's in TMPDIR."""
    return [each for each in os.listdir(tempfile.gettempdir()) if each.startswith("flakesync-")]


def test_killed_at_every_check_it_goes_on_and_runs_none_of_them_twice(tmp_path: Path) -> None:
    at = tmp_path / "at"
    at.write_text("0")
    made = Bisecting(tmp_path, 6, more=KILL.format(at=at))
    made.break_with("r2")
    calm = json.loads(bisect(made, "--json").stdout)
    checks = made.runs
    assert [each["unit"] for each in calm["guilty"]] == ["r2"]

    made.log.write_text("")
    for place in (Path(os.environ["HOME"]) / ".cache").rglob("*.json*"):
        if place.parent.name in ("verdicts", "bisect"):
            place.unlink()
    kills = 0
    while True:
        # Each run comes one check further, and is killed in the one after that.
        at.write_text(str(made.runs + (1 if not kills else 2)))
        ran = bisect(made, "--json")
        if ran.returncode == 0:
            break
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        kills += 1
    assert kills >= checks - 1
    assert made.runs == checks + kills, "but for those that were killed, each check ran once"
    found = json.loads(ran.stdout)
    assert {key: found[key] for key in ("guilty", "passing", "outcome")} == {
        key: calm[key] for key in ("guilty", "passing", "outcome")
    }
    assert left_behind() == []


def test_ctrl_c_leaves_no_worktree_and_no_process_and_says_how_far_it_is(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    made = Bisecting(tmp_path, 6, more=f'[ "$(wc -l < "$LOG")" -lt 3 ] || {{ echo $$ > {pid}; sleep 300; }}')
    made.break_with("r2")
    argv = [sys.executable, "-m", "flakesync", "bisect", "app", "--locker", "native"]
    process = subprocess.Popen(argv, cwd=made.space.root, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 100
    while not pid.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130, said
    assert "2 of about 9 checks done; run it again to go on" in said
    assert not (Path("/proc") / pid.read_text().strip()).exists()
    assert left_behind() == []


def test_it_says_what_to_hold_and_progress_goes_to_stderr(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 2)
    made.break_with("r1")
    ran = bisect(made)
    assert ran.returncode == 0
    assert 'hold = ["r1"] in [repos.app]' in ran.stdout
    assert "  pass     nothing moved" in ran.stderr
    assert bisect(made, "-q").stderr == ""


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (["--run", "true"], 1, "nothing to hold"),
        (["--run", "false"], 1, "fail without the update too"),
        (["--max-checks", "1"], 1, "run it again"),
        (["--input", "none"], 2, "error[nothing-moves]"),
        (["--match", "("], 2, "--match"),
        (["--limit", "soon"], 2, "--limit"),
        (["--run", "'"], 2, "--run"),
        (["--run", ""], 2, "--run"),
    ],
)
def test_what_finds_nothing_has_an_exit_status_of_its_own(
    tmp_path: Path, argv: list[str], status: int, said: str
) -> None:
    made = Bisecting(tmp_path, 2)
    made.break_with("r1")
    ran = bisect(made, *argv)
    assert ran.returncode == status
    assert said in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_repo_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    made = Bisecting(tmp_path, 2)
    ran = flakesync("bisect", "ap", cwd=made.space.root, env=os.environ)
    assert (ran.returncode, "error[" in ran.stderr) == (2, True)
