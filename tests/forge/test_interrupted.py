"""A signal ends a command soon, also while it waits for a forge that wants to be left alone, or says nothing."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.demo.forge.web.messages import Request
from tests.cli.conftest import command, environment
from tests.forge.test_publish_forges import TOKEN, Online, make_online
from tests.support.forge import Forge, faults


@pytest.fixture
def online(tmp_path: Path, forge: Forge) -> Online:
    return make_online(tmp_path, forge, "forgejo")


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Is set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(("publish",), marks=pytest.mark.slow),
        ("status",),
        pytest.param(("abandon", "-j1"), marks=pytest.mark.slow),
        ("land", "--locker", "native"),
    ],
)
def test_a_command_that_waits_for_a_forge_ends_at_once(online: Online, argv: tuple[str, ...]) -> None:
    if argv != ("publish",):
        online.run("publish")
    interrupt(online, faults.answer(429, headers=(("Retry-After", "300"),)), argv, signal.SIGINT, 130)


@pytest.mark.parametrize("argv", [("publish", "-j2"), pytest.param(("status", "-j1"), marks=pytest.mark.slow)])
def test_a_command_whose_forge_is_silent_ends_at_once(
    online: Online, argv: tuple[str, ...], over: threading.Event
) -> None:
    def silence(_: Request, __: faults.Perform) -> None:
        over.wait(300)

    interrupt(online, silence, argv, signal.SIGTERM, 143)


def interrupt(
    online: Online, action: faults.Action, argv: tuple[str, ...], number: signal.Signals, status: int
) -> None:
    """Send a signal to a command as soon as the forge does this to it."""
    fault = online.forge.faults.add(action, path="pulls", times=None)
    env = environment(ACME_TOKEN=TOKEN, **online.forge.certificates.environment())
    with subprocess.Popen(
        command(*argv), cwd=online.town.root, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        end = time.monotonic() + 120
        while not fault.hits and time.monotonic() < end:
            time.sleep(0.05)
        assert fault.hits
        process.send_signal(number)
        try:
            _, told = process.communicate(timeout=100)  # of 300
        finally:
            process.kill()
    assert process.returncode == status, told
    assert "Traceback" not in told
