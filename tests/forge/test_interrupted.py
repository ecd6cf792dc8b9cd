"""Ctrl-C ends a command at once, also while it waits for a forge that wants to be left alone."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import command, environment
from tests.forge.test_publish_forges import TOKEN, Online, make_online
from tests.support.forge import Forge, faults


@pytest.fixture
def online(tmp_path: Path, forge: Forge) -> Online:
    return make_online(tmp_path, forge, "forgejo")


@pytest.mark.parametrize("argv", [("publish",), ("status",), ("abandon",), ("land", "--locker", "native")])
def test_a_command_that_waits_for_a_forge_ends_at_once(online: Online, argv: tuple[str, ...]) -> None:
    if argv != ("publish",):
        online.run("publish")
    fault = online.forge.faults.add(faults.answer(429, headers=(("Retry-After", "300"),)), path="pulls", times=None)
    env = environment(ACME_TOKEN=TOKEN, **online.forge.certificates.environment())
    with subprocess.Popen(
        command(*argv), cwd=online.town.root, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        end = time.monotonic() + 120
        while not fault.hits and time.monotonic() < end:
            time.sleep(0.05)
        assert fault.hits
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        try:
            _, told = process.communicate(timeout=100)  # of 300
        finally:
            process.kill()
    assert process.returncode == 130, told
