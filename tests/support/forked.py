"""flakesync in a process of its own for each command, forked from one that has imported it: a third of a second less.

Nothing else differs from `python -m flakesync`: the environment, the folder, the streams and the exit status are the
command's own. What is about starting and ending (signals, pipes, imports) is tested with real starts in tests/cli.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import flakesync as package

_SERVER = Path(__file__).with_name("forked_server.py")


def flakesync(
    *argv: str, cwd: Path, env: Mapping[str, str], network_of: int | None = None, timeout_s: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run a command of flakesync and return what it did; stdin is closed.

    env: the whole environment. network_of: a process whose network and mount namespaces it is to run in.
    """
    order = {"argv": argv, "cwd": str(cwd), "env": dict(env), "network_of": network_of}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        status = _server().run(json.dumps(order).encode(), [out.fileno(), err.fileno()], timeout_s)
        said = [(file.seek(0), file.read().decode())[1] for file in (out, err)]
    return subprocess.CompletedProcess(["flakesync", *argv], status, *said)


class _Server:
    """The process that forks; it runs one command at a time."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: os.environ[name] for name in ("PATH", "LC_ALL", "TZ") if name in os.environ}
        env = {**kept, "PYTHONPATH": str(Path(package.__file__).parents[1]), "HOME": "/nonexistent"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_SERVER), str(theirs.fileno())], pass_fds=[theirs.fileno()], env=env,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        atexit.register(self.stop)

    def run(self, order: bytes, streams: list[int], timeout_s: float) -> int:
        """Return the exit status, negative for a signal."""
        self._channel.settimeout(timeout_s)
        socket.send_fds(self._channel, [order], streams)
        try:
            return int(self._channel.recv(100))
        except TimeoutError:
            _server.cache_clear()
            self.stop()
            raise

    def stop(self) -> None:
        """End it, and what it runs."""
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@cache
def _server() -> _Server:
    return _Server()
