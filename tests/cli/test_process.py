"""What only a real process shows: signals, pipes, terminals, closed streams."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync import __version__
from tests.cli.conftest import command, environment, spawn

CONSOLE_SCRIPT = "from flakesync.cli.main import main; main()"


def test_the_version_is_said_without_importing_anything_heavy(tmp_path: Path) -> None:
    ran = spawn("--version", cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"flakesync {__version__}\n", "")
    code = (
        "import sys, flakesync.cli.main as main\n"
        "sys.argv[1:] = ['--version']\n"
        "try:\n    main.main()\n"
        "except SystemExit:\n"
        "    print(*sorted({'typer', 'rich', 'msgspec', 'networkx', 'git', 'pygit2'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert ran.stdout == f"flakesync {__version__}\n\n"


@pytest.mark.parametrize("start", [[sys.executable, "-m", "flakesync"], [sys.executable, "-c", CONSOLE_SCRIPT]])
def test_too_few_open_files_to_import_the_program_is_an_error(acme: Path, start: list[str]) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))  # fewer, and Python itself does not start

    argv = [*start, "drift", "--offline"]
    ran = subprocess.run(argv, cwd=acme, env=environment(), capture_output=True, text=True, preexec_fn=limit)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error[too-many-files]: ")
    assert "hint: raise the limit on open files (`ulimit -n 1024`" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ("MemoryError()", "no-memory"),
        ("ImportError('x.so: failed to map segment from shared object')", "no-memory"),
        ("OSError(24, 'Too many open files', 'x.py')", "too-many-files"),
        ("OSError(12, 'Cannot allocate memory')", "no-memory"),
    ],
)
@pytest.mark.parametrize("module", ["flakesync.errors", "flakesync.cli.screen", "flakesync.cli.options"])
def test_what_the_machine_refuses_while_the_program_is_imported_is_an_error(
    tmp_path: Path, module: str, failure: str, code: str
) -> None:
    program = (
        "import sys\n"
        "class Refuses:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: raise {failure}\n"
        "sys.meta_path.insert(0, Refuses())\n"
        "sys.argv[1:] = ['drift']\n" + CONSOLE_SCRIPT
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"error[{code}]: ")
    assert "Traceback" not in ran.stderr


def test_json_imports_neither_rich_nor_pygit2_nor_gitpython(acme: Path) -> None:
    code = (
        "import sys\nfrom flakesync.cli.main import run\n"
        "run(['drift', '--json', '-q', '--offline'])\n"
        "print(*sorted({'rich', 'git', 'pygit2'} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=acme, env=environment(), capture_output=True, text=True, check=True
    )
    assert ran.stderr == "\n"


def test_an_answer_is_as_wide_as_columns_says(acme: Path) -> None:
    ran = spawn("drift", "-q", cwd=acme, COLUMNS="60")
    assert ran.returncode == 1
    assert max(len(line) for line in ran.stdout.splitlines()) <= 60


def test_ctrl_c_ends_with_130_and_no_traceback(acme: Path) -> None:
    os.mkfifo(acme / "slow.toml")  # reading it waits for a writer that never comes
    with subprocess.Popen(
        command("graph", "-v", "-w", "slow.toml"), cwd=acme, env=environment(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        _wait_for_open(process.pid, acme / "slow.toml")
        out, err = _end(process, signal.SIGINT)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


def test_a_terminated_process_ends_with_143(acme: Path) -> None:
    os.mkfifo(acme / "slow.toml")
    with subprocess.Popen(
        command("graph", "-w", "slow.toml"), cwd=acme, env=environment(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        _wait_for_open(process.pid, acme / "slow.toml")
        out, err = _end(process, signal.SIGTERM)
    assert (process.returncode, out, err) == (143, "", "")


def _wait_for_open(pid: int, fifo: Path) -> None:
    """Return when the process waits in open(2) of the fifo: a writer that does not wait succeeds then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.02)
            continue
        # The reader is past open(2) now and waits in read(2) for as long as this writer is there.
        _WRITERS.append(writer)
        return
    raise AssertionError("the process never opened its manifest")


def _end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[str, str]:
    """Send a signal and return what the process wrote.

    A signal that comes just before read(2) begins is only noted by Python, which looks when read(2) ends: one more is
    sent then, which ends it.
    """
    process.send_signal(number)
    for _ in range(20):
        try:
            return process.communicate(timeout=3)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
    process.kill()
    raise AssertionError("the process does not end")


_WRITERS: list[int] = []


@pytest.fixture(autouse=True)
def _close_writers() -> Iterator[None]:
    yield
    while _WRITERS:
        os.close(_WRITERS.pop())


def test_a_closed_pipe_is_no_error_to_talk_about(acme: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(
        command("graph", "--json"), cwd=acme, env=environment(), stdout=write, stderr=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    os.close(write)
    assert (ran.returncode, ran.stderr) == (141, "")


@pytest.mark.parametrize(("closed", "status"), [(1, 2), (2, 1), (0, 1)])
def test_a_closed_standard_stream_is_survived(acme: Path, closed: int, status: int) -> None:
    quoted = " ".join(f"'{word}'" for word in command("drift"))
    ran = subprocess.run(
        ["sh", "-c", f"exec {quoted} {closed}>&-"], cwd=acme, env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == status
    assert ran.stderr == ("error[system]: stdout is closed\n" if closed == 1 else "")


def test_a_terminal_gets_colours_unless_no_color(acme: Path) -> None:
    assert "\x1b[" in _on_a_terminal(acme, "graph", TERM="xterm", NO_COLOR="")
    assert "\x1b[1m" not in _on_a_terminal(acme, "graph", TERM="xterm", NO_COLOR="1")


def _on_a_terminal(cwd: Path, *arguments: str, **more: str) -> str:
    ours, theirs = os.openpty()
    ran = subprocess.run(
        command(*arguments), cwd=cwd, env=environment(**more), stdout=theirs, stderr=subprocess.DEVNULL, check=False
    )
    assert ran.returncode == 0
    text = os.read(ours, 65536).decode()
    os.close(ours)
    os.close(theirs)
    return text


def test_an_encoding_that_lacks_a_character_is_no_error(acme: Path) -> None:
    ran = spawn("graph", cwd=acme, PYTHONIOENCODING="ascii")
    assert ran.returncode == 0
    assert "app \\u2190 lib" in ran.stdout


def test_completion_of_a_shell_names_the_commands(tmp_path: Path) -> None:
    ran = spawn(cwd=tmp_path, _FLAKESYNC_COMPLETE="complete_bash", COMP_WORDS="flakesync dr", COMP_CWORD="1")
    assert ran.returncode == 0
    assert ran.stdout.split() == ["drift"]
