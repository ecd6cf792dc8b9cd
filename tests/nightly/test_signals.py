"""A night that is ended: its flakesync ends first, with time to tidy up, whoever the signal was sent to."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.nightly.recipes import SCRIPT

# It says when it has begun, and needs a moment to tidy up after TERM.
FAKE = """#!/bin/sh
trap 'kill "$waits"; sleep 0.3; echo "tidied $1" >>"{log}"; exit 143' TERM
waits=
if [ "$1" = "{waits}" ]; then sleep 60 & waits=$!; echo "begun $1" >>"{log}"; wait; else echo "begun $1" >>"{log}"; fi
"""


class Night:
    """A night that waits in one of its steps."""

    def __init__(self, place: Path, waits: str, argv: Sequence[str]) -> None:
        self.log = place / "log"
        place.mkdir(parents=True, exist_ok=True)
        (place / "flakesync").write_text(FAKE.format(log=self.log, waits=waits))
        (place / "flakesync").chmod(0o755)
        shutil.copy(SCRIPT, place / "flakesync-nightly")
        self.process = subprocess.Popen(
            [*argv, place / "flakesync-nightly", "summary"], cwd=place, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.wait_for(f"begun {waits}")

    def wait_for(self, line: str) -> None:
        while line not in self.lines():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.02)

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def end(self) -> int:
        """Return the exit status."""
        self.process.communicate(timeout=120)
        return self.process.returncode


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["terminated", "hung-up"]
)
def test_a_signal_to_the_script_alone_ends_its_flakesync_first(
    tmp_path: Path, shell: str, number: signal.Signals, status: int
) -> None:
    night = Night(tmp_path / "place", "publish", [shell])
    night.process.send_signal(number)
    assert night.end() == status
    assert night.lines() == ["begun sync", "begun publish", "tidied publish"]


@pytest.mark.parametrize("step", ["sync", "status", "drift"])
def test_ctrl_c_ends_a_night_in_whatever_step_it_is(tmp_path: Path, step: str) -> None:
    night = Night(tmp_path / "place", step, ["sh"])
    os.killpg(night.process.pid, signal.SIGINT)
    assert night.end() == 130
    assert night.lines()[-1] == f"tidied {step}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a process the first one of its namespace")
def test_a_night_that_is_the_first_process_of_a_container_heeds_term(tmp_path: Path) -> None:
    night = Night(tmp_path / "place", "sync", ["unshare", "--fork", "--pid", "sh"])
    children = Path(f"/proc/{night.process.pid}/task/{night.process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    assert night.end() == 143
    assert night.lines() == ["begun sync", "tidied sync"]
