"""A stop finds what has begun, or it does not begin; an interrupt may come anywhere between."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.errors import FlakesyncError
from flakesync.processes import child, stop

LONG_S = 60.0


def sleeper() -> "child.Popen[bytes]":
    return child.Popen(["sleep", "300"], start_new_session=True)


def is_over(process: "child.Popen[bytes]") -> bool:
    """Return whether a process has ended; it is waited for."""
    try:
        process.wait(LONG_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return False
    return True


@pytest.fixture
def _interrupts() -> Iterator[None]:
    """SIGUSR1 is what ctrl-C is in the program."""

    def interrupt(*_: object) -> None:
        stop.interrupt(KeyboardInterrupt())

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("_interrupts")
def test_a_process_that_has_just_begun_when_an_interrupt_comes_ends_with_it() -> None:
    begun: list[child.Popen[bytes]] = []

    def begin() -> "child.Popen[bytes]":
        begun.append(sleeper())
        os.kill(os.getpid(), signal.SIGUSR1)
        return begun[0]

    with pytest.raises(KeyboardInterrupt):
        child.run(begin)
    assert is_over(begun[0])


@pytest.mark.usefixtures("_interrupts")
def test_an_interrupt_before_a_process_begins_is_not_held_back() -> None:
    os.kill(os.getpid(), 0)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGUSR1)
    assert stop.pause(0.0)  # nothing is left of it


def test_after_a_stop_no_process_begins_and_later_one_does() -> None:
    begun: list[None] = []

    def begin() -> "child.Popen[bytes]":
        begun.append(None)
        return child.Popen(["true"], start_new_session=True)

    with stop.stopping(), pytest.raises(FlakesyncError, match="interrupted"):
        child.run(begin)
    assert begun == []
    assert child.run(begin).status == 0


def test_a_stop_that_comes_while_a_process_begins_waits_and_ends_it() -> None:
    """Whoever is about to start one holds the stop up, so that it cannot miss it."""
    begins, goes_on = threading.Event(), threading.Event()
    begun: list[child.Popen[bytes]] = []
    codes: list[str] = []

    def begin() -> "child.Popen[bytes]":
        begins.set()
        goes_on.wait(LONG_S)
        begun.append(sleeper())
        return begun[0]

    def work() -> None:
        with pytest.raises(FlakesyncError) as caught:
            child.run(begin)
        codes.append(caught.value.code)

    def stop_all() -> None:
        with stop.stopping():
            worker.join(LONG_S)

    worker, stopper = threading.Thread(target=work), threading.Thread(target=stop_all)
    worker.start()
    begins.wait(LONG_S)
    stopper.start()
    goes_on.set()
    stopper.join(LONG_S)
    assert codes == ["interrupted"]
    assert is_over(begun[0])


def test_what_ignores_term_is_killed_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"trap '' TERM; sleep 300 & echo $! >'{tmp_path}/new'; mv '{tmp_path}/new' '{pid}'; wait; sleep 300"
    codes: list[str] = []

    def work() -> None:
        with pytest.raises(FlakesyncError) as caught:
            child.run(lambda: child.Popen(["sh", "-c", script], stdout=child.PIPE, start_new_session=True))
        codes.append(caught.value.code)

    worker = threading.Thread(target=work)
    worker.start()
    while not pid.exists():
        time.sleep(0.01)
    with stop.stopping():
        worker.join(LONG_S)
    assert codes == ["interrupted"]
    end = time.monotonic() + LONG_S
    while Path(f"/proc/{pid.read_text().strip()}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_a_process_that_is_late_is_ended_though_somebody_else_holds_its_output(tmp_path: Path) -> None:
    """What has left its group (ssh for later connections) keeps the pipe, and nobody waits for that."""
    script = f"setsid sleep 300 & echo $! >'{tmp_path}/pid'; sleep 300"
    pid = tmp_path / "pid"
    begun = time.monotonic()
    for timeout_s in (0.2, 3, 30):  # as long as it takes to begin on a busy machine
        with pytest.raises(TimeoutError):
            child.run(
                lambda: child.Popen(["sh", "-c", script], stdout=child.PIPE, start_new_session=True),
                timeout_s=timeout_s,
            )
        if pid.exists() and pid.read_text():
            break
    assert time.monotonic() - begun < 200
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_what_is_to_be_undone_is_so_once_on_every_way_out() -> None:
    undone: list[str] = []
    with stop.undone(lambda: "block", undone.append):
        pass
    with pytest.raises(ZeroDivisionError), stop.undone(lambda: "error", undone.append):
        raise ZeroDivisionError
    left = stop.undone(lambda: "left", undone.append)
    left.__enter__()
    stop.tidy()
    assert undone == ["block", "error", "left"]
