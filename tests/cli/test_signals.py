"""A signal ends every command soon, whatever it waits for, and with it all that it has begun."""

import contextlib
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flakesync.git.remotes.mirror import mirror_path
from tests.cli.conftest import environment
from tests.support import locks
from tests.support.nixspace import chain
from tests.support.repos import make_repo
from tests.support.slow_server import HEAD, slow_server

SOON_S = 100.0
"""Far more than a run may take to end, and far less than what it waits for."""
ENDLESS_S = "300"
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
UNINTERRUPTIBLE = """
import ctypes, os, pathlib, socket
def wait(*_, **__):
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    while True:
        try:
            open(os.environ["WAITING"], "w").close()
            libc.pthread_mutex_lock(mutex)
        except BaseException:
            pass  # it came before the lock
"""
"""Waits as a resolver does whose server is silent, or a file system whose server is away: no signal ends that."""


@dataclass
class Place:
    """A folder to run commands in, with a temporary folder of its own.

    more: of the environment. early: Python that commands run before all else. waiting: is there once something waits.
    """

    root: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    more: dict[str, str] = field(default_factory=dict)
    early: str = ""

    def __post_init__(self) -> None:
        for folder in (self.tmp, self.bin):
            folder.mkdir()

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def waiting(self) -> Path:
        return self.root / "waiting"

    def environment(self) -> dict[str, str]:
        path = f"{self.bin}:{os.environ['PATH']}"
        own = {"TMPDIR": str(self.tmp), "PATH": path, "WAITING": str(self.waiting), "MARK": self.mark}
        return environment(**own, **self.more)

    def program(self, name: str, script: str) -> None:
        """Put a shell script before what is on PATH."""
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(stat.S_IRWXU)

    @property
    def hang(self) -> str:
        """A line of shell that waits, TERM or not, with a child that does so too."""
        return f"trap '' TERM INT HUP; sleep {ENDLESS_S} & : >'{self.waiting}'; sleep {ENDLESS_S}; sleep {ENDLESS_S}"

    def manifest(self, tables: str) -> None:
        (self.root / "workspace.toml").write_text(f'[workspace]\nname = "acme"\n{tables}')

    def processes(self) -> list[int]:
        """Return the processes that come from a command run here and are still alive."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and f"MARK={self.mark}".encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    @contextlib.contextmanager
    def started(
        self, *argv: str, program: tuple[str, ...] = ("-m", "flakesync"), **more: object
    ) -> "Iterator[subprocess.Popen[bytes]]":
        options: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        process = subprocess.Popen(  # type: ignore[call-overload]
            [sys.executable, *program, *argv],
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            **options,
        )
        try:
            yield process
        finally:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.communicate()

    def end(self, process: "subprocess.Popen[bytes]", number: signal.Signals) -> str:
        """Send the signal, and see to it that nothing is left; return what the command has told."""
        process.send_signal(number)
        _, err = process.communicate(timeout=SOON_S)
        assert process.returncode == STATUS[number], err
        assert b"Traceback" not in err
        assert b"Exception" not in err
        end = time.monotonic() + SOON_S
        while self.processes() and time.monotonic() < end:  # what is killed goes as soon as it has its turn
            time.sleep(0.01)
        assert self.processes() == []
        assert sorted(path.name for path in self.tmp.glob("flakesync-*")) == []
        return str(err.decode())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + float(ENDLESS_S)
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


Waiting = Callable[[Place], "contextlib.AbstractContextManager[Callable[[], bool]]"]


def pin_on(url: str) -> str:
    """Return tables with a repo, whose input is pinned to an archive at `url`."""
    return f'[pins.x]\nsource = "{url}/x.tar.gz"\ntarget = "latest"\n[repos.app]\npath = "app"\n'


def app_on(place: Place, url: str) -> None:
    place.manifest(pin_on(url))
    (place.root / "app").mkdir()
    node = locks.Input({"type": "tarball", "url": f"{url}/x.tar.gz"}, {"type": "tarball", "url": f"{url}/y.tar.gz"})
    (place.root / "app/flake.nix").write_text("{ outputs = _: { }; }\n")
    (place.root / "app/flake.lock").write_bytes(locks.to_bytes(locks.lock({"x": node})))


@contextlib.contextmanager
def an_archive(place: Place, begins: bytes, drips: bytes) -> Iterator[Callable[[], bool]]:
    with slow_server(begins, drips) as server:
        app_on(place, server.url)
        yield server.asked.is_set


@contextlib.contextmanager
def a_handshake(place: Place) -> Iterator[Callable[[], bool]]:
    with slow_server() as server:
        app_on(place, server.url.replace("http:", "https:"))
        yield server.asked.is_set


@contextlib.contextmanager
def a_connection(place: Place) -> Iterator[Callable[[], bool]]:
    """A server whose queue is full: it does not even say no."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        app_on(place, f"http://127.0.0.1:{port}")
        before = syn_sent(port)
        yield lambda: syn_sent(port) > before


def syn_sent(port: int) -> int:
    """Return how many connections to a port of this machine wait to be taken."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(f":{port:04X} 02" in line for line in lines)


@contextlib.contextmanager
def a_call(place: Place, what: str) -> Iterator[Callable[[], bool]]:
    """A call of a library that no signal ends."""
    (place.root / "site").mkdir()
    (place.root / "site/sitecustomize.py").write_text(f"{UNINTERRUPTIBLE}{what} = wait\n{place.early}")
    place.more["PYTHONPATH"] = f"{place.root / 'site'}:{environment()['PYTHONPATH']}"
    app_on(place, "http://nobody.example")
    yield place.waiting.exists


@contextlib.contextmanager
def a_git(place: Place, command: str = " ls-remote ") -> Iterator[Callable[[], bool]]:
    git = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True).stdout.strip()
    place.program("git", f'case " $* " in *"{command}"*) {place.hang};; esac\nexec {git} "$@"')
    place.manifest(
        '[repos.app]\nurl = "git+https://acme.example/app"\n[repos.lib]\nurl = "git+https://acme.test/lib"\n'
    )
    yield place.waiting.exists


@contextlib.contextmanager
def a_lock(place: Place) -> Iterator[Callable[[], bool]]:
    url = f"file://{place.root}/server"
    make_repo(place.root / "server", {"flake.nix": "{ outputs = _: { }; }\n"})
    cache = place.root / "cache"
    place.more["FLAKESYNC_CACHE"] = str(cache)
    place.manifest(f'[repos.app]\nurl = "git+{url}"\n')
    lock = Path(f"{mirror_path(url, cache)}.lock")
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        mark = f":{lock.stat().st_ino} "
        yield lambda: any("->" in line and mark in line for line in Path("/proc/locks").read_text().splitlines())


WAITS: Mapping[str, Waiting] = {
    "an archive that drips": lambda place: an_archive(place, HEAD, b"X: y\r\n"),
    "an archive that does not come": lambda place: an_archive(place, b"", b""),
    "a handshake": a_handshake,
    "a connection": a_connection,
    "a name server": lambda place: a_call(place, "socket.getaddrinfo"),
    "a file server": lambda place: a_call(place, "pathlib.Path.cwd"),
    "a git that ignores TERM": a_git,
    "a lock of another run": a_lock,
}


@pytest.mark.parametrize(
    ("what", "jobs"),
    [*((what, "2") for what in WAITS), *((what, "1") for what in ("a git that ignores TERM", "a lock of another run"))],
)
def test_ctrl_c_ends_whatever_is_waited_for(place: Place, what: str, jobs: str) -> None:
    with WAITS[what](place) as waits, place.started("drift", "-j", jobs) as process:
        wait_until(waits, process)
        assert place.end(process, signal.SIGINT) == "interrupted\n"


@pytest.fixture
def checks(place: Place) -> Path:
    """The manifest of repos whose checks wait; locks are written natively."""
    place.program("hang", place.hang)
    return chain(place.root / "space", 2).manifest(defaults={"checks": ["hang"]})


def worktrees(manifest: Path) -> list[str]:
    """Return what git knows of worktrees in the repos of a workspace."""
    return sorted(str(entry) for entry in manifest.parent.glob("*/.git/worktrees*"))


@pytest.mark.parametrize(
    ("number", "jobs"),
    [
        (signal.SIGINT, "1"), (signal.SIGTERM, "2"), (signal.SIGHUP, "2"),
    ],
)  # fmt: skip
def test_a_sync_ends_with_its_checks_and_their_worktrees(
    place: Place, checks: Path, number: signal.Signals, jobs: str
) -> None:
    with place.started("sync", "-w", str(checks), "--locker", "native", "-j", jobs) as process:
        wait_until(place.waiting.exists, process)
        assert list(place.tmp.glob("flakesync-checkout-*"))
        place.end(process, number)
    assert worktrees(checks) == []


@pytest.fixture
def nix(place: Place) -> Path:
    """The manifest of repos for which a Nix waits."""
    place.program("nix", f'case "$*" in *--version*) echo "nix (Nix) 2.31.0";; *) {place.hang};; esac')
    return chain(place.root / "space", 2).manifest()


@pytest.mark.parametrize("more", [(), pytest.param(("--dry-run", "-j1"), marks=pytest.mark.slow), ("--dry-run", "-j2")])
def test_a_sync_ends_with_its_nix(place: Place, nix: Path, more: tuple[str, ...]) -> None:
    with place.started("sync", "-w", str(nix), "--locker", "nix", *more) as process:
        wait_until(place.waiting.exists, process)
        assert list(place.tmp.glob("flakesync-*"))
        place.end(process, signal.SIGTERM)


SHOWS = """
import os
from pathlib import Path
from flakesync.cli import signals
from flakesync.demo.stage import Scene, play
try:
    signals.watch()
    play([Scene("Look.", ("drift",))], Path(), os.environ)
finally:
    signals.leave(0)
"""


def test_what_a_demo_shows_ends_with_it(place: Place) -> None:
    with a_git(place) as waits, place.started(program=("-c", SHOWS)) as process:
        wait_until(waits, process)
        place.end(process, signal.SIGTERM)


def test_a_demo_that_is_being_made_ends_with_its_git(place: Place) -> None:
    with a_git(place, " commit ") as waits, place.started("demo", "acme") as process:
        wait_until(waits, process)
        place.end(process, signal.SIGHUP)
    assert not (place.root / "acme").exists()


def test_a_pipe_that_nobody_reads_does_not_hold_it_up(place: Place) -> None:
    read, write = os.pipe()
    size = fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with place.started("schema", "drift", stdout=write) as process:
        wait_until(lambda: readable(read) >= size, process)
        assert place.end(process, signal.SIGINT) == "interrupted\n"
    os.close(read)
    os.close(write)


def readable(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


def test_a_second_signal_ends_it_at_once(place: Place) -> None:
    place.early = "from flakesync.cli import signals\nsignals.PATIENCE_S, signals._SAME_S = 600, 0\n"
    with a_call(place, "pathlib.Path.cwd") as waits, place.started("drift") as process:
        wait_until(waits, process)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert place.end(process, signal.SIGINT) == "interrupted\n"


def test_a_hangup_that_is_ignored_stays_so(place: Place) -> None:
    with (
        an_archive(place, b"", b"") as waits,
        place.started("drift", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process,
    ):
        wait_until(waits, process)
        process.send_signal(signal.SIGHUP)
        place.end(process, signal.SIGTERM)


def test_the_cursor_is_shown_again(place: Place, checks: Path) -> None:
    """Also where the thread that draws cannot be waited for: nobody has said when that is."""
    ours, theirs = os.openpty()
    place.more |= {"TERM": "xterm", "NO_COLOR": ""}
    argv = ("sync", "-w", str(checks), "--locker", "native", "-j2")
    with place.started(*argv, stderr=theirs) as process:
        wait_until(place.waiting.exists, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(SOON_S) == 130
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 1 << 16):
            told += piece
    os.close(ours)
    assert b"\x1b[?25l" in told
    assert told.rindex(b"\x1b[?25h") > told.rindex(b"\x1b[?25l")
    assert told.endswith(b"interrupted\r\n")


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_no_file_of_ours_becomes_a_standard_stream(place: Place, closed: int) -> None:
    """Of git, which would write into it."""
    place.program("git", f"ls -l /proc/$PPID/fd >'{place.root}/files'; {place.hang}")
    place.manifest('[repos.app]\nurl = "git+https://acme.example/app"\n')
    with place.started("drift", preexec_fn=lambda: os.close(closed)) as process:
        wait_until(place.waiting.exists, process)
        files = (place.root / "files").read_text()
        process.send_signal(signal.SIGTERM)
    assert f" {closed} -> /dev/null" in files


SEES_IMPORTS = """
import os, signal, sys
class Sends:
    def __set_name__(self, *_):
        os.kill(os.getpid(), signal.SIGINT)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["AT"] and "IN_A_CLASS" in os.environ:
            class Made:
                sends = Sends()
        elif name == os.environ["AT"]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""
SCRIPT = "import re, sys\nfrom flakesync.cli.main import main\nsys.exit(main())"
"""As pip writes it."""


@pytest.mark.parametrize("entry", [("-m", "flakesync"), ("-c", SCRIPT)], ids=["module", "script"])
@pytest.mark.parametrize(
    "at",
    ["flakesync.errors", "flakesync.cli.signals", "queue", "typer.core", "flakesync.cli.options", "msgspec"],
)  # fmt: skip
def test_ctrl_c_while_modules_are_imported_is_ctrl_c(acme: Path, at: str, entry: tuple[str, ...]) -> None:
    assert interrupted_at(acme, entry, AT=at) in ("", "interrupted\n")


def test_ctrl_c_while_a_class_is_made_is_ctrl_c(acme: Path) -> None:
    """Python 3.11 makes another exception of it."""
    assert interrupted_at(acme, ("-m", "flakesync"), AT="flakesync.workspace.model", IN_A_CLASS="1") == "interrupted\n"


def interrupted_at(acme: Path, entry: tuple[str, ...], **more: str) -> str:
    """Return what a command tells that is interrupted while it imports a module."""
    (acme / "site").mkdir()
    (acme / "site/sitecustomize.py").write_text(SEES_IMPORTS)
    env = environment(**more)
    env["PYTHONPATH"] = f"{acme / 'site'}:{env['PYTHONPATH']}"
    done = subprocess.run([sys.executable, *entry, "graph"], cwd=acme, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    return done.stderr


@pytest.mark.parametrize("then", ["drift", "sync"])
def test_the_worktree_of_a_killed_run_goes_with_the_next_command(place: Place, checks: Path, then: str) -> None:
    with place.started("sync", "-w", str(checks), "--locker", "native", "-j2") as process:
        wait_until(place.waiting.exists, process)
        process.kill()
    assert worktrees(checks)
    place.program("hang", "true")
    with place.started(then, "-w", str(checks)) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode in (0, 1), err
    assert list(place.tmp.glob("flakesync-*")) == []
    assert worktrees(checks) == []


def test_the_folders_of_a_killed_dry_run_go_with_the_next_command(place: Place, nix: Path) -> None:
    with place.started("sync", "-w", str(nix), "--locker", "nix", "--dry-run") as process:
        wait_until(place.waiting.exists, process)
        process.kill()
    assert {path.name.rpartition("-")[0] for path in place.tmp.glob("flakesync-*")} == {
        "flakesync-dry-run", "flakesync-lock",
    }  # fmt: skip
    with place.started("drift", "-w", str(nix)) as process:
        process.communicate(timeout=60)
    assert list(place.tmp.glob("flakesync-*")) == []


def test_what_a_living_run_works_in_stays(place: Place, checks: Path) -> None:
    with place.started("sync", "-w", str(checks), "--locker", "native") as process:
        wait_until(place.waiting.exists, process)
        before = sorted(place.tmp.glob("flakesync-*/*/*"))
        with place.started("drift", "-w", str(checks), "-q") as other:
            other.communicate(timeout=60)
            assert sorted(place.tmp.glob("flakesync-*/*/*")) == before != []
