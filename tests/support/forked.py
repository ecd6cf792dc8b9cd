"""flakesync in a process of its own for each command, forked from one that has imported it: a third of a second less.

Nothing else differs from `python -m flakesync`: the environment, the folder, the streams and the exit status are the
command's own. Only the pauses before another try at a server are short; how long they are is tested in forge/ and git/.
What is about starting and ending (signals, pipes, imports) is tested with real starts in tests/cli.
"""

import atexit
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import flakesync as package
from tests.kill.tracer import Order, Traced
from tests.support import forked_client

_HERE = Path(__file__)
_PATH = os.pathsep.join(dict.fromkeys(str(top) for top in (Path(package.__file__).parents[1], _HERE.parents[2])))
"""Where flakesync and these tests are imported from: one folder, but for a flakesync that is installed."""
_SERVER = _HERE.with_name("forked_server.py")
_CLIENT = _HERE.with_name("forked_client.py")


def flakesync(
    *argv: str, cwd: Path, env: Mapping[str, str], network_of: int | None = None, timeout_s: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run a command of flakesync and return what it did; stdin is closed.

    env: the whole environment. network_of: a process whose network and mount namespaces it is to run in.
    """
    return _run(argv, cwd, env, timeout_s, network_of=network_of)[0]


def traced(
    *argv: str, cwd: Path, env: Mapping[str, str], order: Order, timeout_s: float = 120
) -> "tuple[subprocess.CompletedProcess[str], Traced]":
    """Run a command while it is traced; return what it did, and what was seen of it."""
    ran, found = _run(argv, cwd, env, timeout_s, trace=asdict(order))
    return ran, Traced(**found)


def _run(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    *,
    network_of: int | None = None,
    trace: Mapping[str, object] | None = None,
) -> "tuple[subprocess.CompletedProcess[str], dict[str, Any]]":
    order = {"argv": argv, "cwd": str(cwd), "env": dict(env), "network_of": network_of, "trace": trace}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            found = forked_client.run(_server().name, order, [out.fileno(), err.fileno()], timeout_s)
        except TimeoutError:
            _server().stop()
            _server.cache_clear()
            raise
        said = [(file.seek(0), file.read().decode())[1] for file in (out, err)]
    return subprocess.CompletedProcess(["flakesync", *argv], found["status"], *said), found


def script() -> str:
    """Return a line of shell that is `flakesync "$@"`; the environment is the script's."""
    return f'exec {shlex.quote(sys.executable)} -I -S {_CLIENT} {_server().name} "$@"'


class _Server:
    """The process that forks; it runs one command at a time, and ends with this one. name: of its socket."""

    def __init__(self) -> None:
        self.name = f"flakesync-tests-{os.getpid()}-{os.urandom(4).hex()}"
        kept = {name: os.environ[name] for name in ("PATH", "LC_ALL", "TZ") if name in os.environ}
        env = {**kept, "PYTHONPATH": _PATH, "HOME": "/nonexistent"}
        # It listens once it says so, and ends when its stdin does.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_SERVER), self.name], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.read(1)
        atexit.register(self.stop)

    def stop(self) -> None:
        """End it, and what it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@cache
def _server() -> _Server:
    return _Server()
