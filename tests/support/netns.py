"""A network of a test's own: programs in it find the names of a forge at the loopback address, and nothing else.

Real Nix asks https://api.github.com for `github:acme/lib`, at port 443 and under no other name. In a network and mount
namespace that address can be anything: /etc/hosts is another file there, and every port is free. A listening socket
belongs to the namespace it was made in but may be used by any process, so the forge itself stays in the test's process.
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import forked

_INSIDE = Path(__file__).with_name("netns_inside.py")


@dataclass(frozen=True, slots=True)
class Network:
    """A network. listener: its port 443, on the address that all its names have. keeper: a process that is in it."""

    listener: socket.socket
    keeper: int
    _enter: tuple[str, ...]

    def command(self, cwd: Path, argv: Sequence[str | Path]) -> list[str]:
        """Return the command that runs `argv` in this network, in the folder `cwd`."""
        # Entering another mount namespace leaves the current folder behind.
        return [*self._enter, "sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(cwd), *map(str, argv)]

    def run(
        self,
        *argv: str | Path,
        cwd: Path,
        env: Mapping[str, str],
        check: bool = True,
        timeout_s: float = 240,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program in this network and return what it did; with `check`, failing fails the test.

        env: the whole environment; proxies in it are ignored.
        """
        done = subprocess.run(
            self.command(cwd, argv), env=_without_proxies(env), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(map(str, argv))}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def flakesync(self, *argv: str, cwd: Path, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run a command of flakesync in this network, as `forked.flakesync` does; proxies in `env` are ignored."""
        return forked.flakesync(*argv, cwd=cwd, env=_without_proxies(env), network_of=self.keeper)


def _without_proxies(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}


@contextlib.contextmanager
def network(folder: Path, names: Iterable[str]) -> Iterator[Network]:
    """Give a network in which `names` are at its loopback address; folder: a new one, for its /etc/hosts.

    Skips the test where this machine has no namespaces for it; fails it if FLAKESYNC_REQUIRE_NIX is set.
    """
    folder.mkdir(parents=True)
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {' '.join(names)}\n")
    ours, theirs = socket.socketpair()
    root = os.geteuid() == 0
    unshare = ["unshare", "--net", "--mount", *([] if root else ["--user", "--map-root-user"])]
    with ours:
        with theirs:
            argv = [*unshare, "--", sys.executable, "-I", str(_INSIDE), str(hosts), str(theirs.fileno())]
            try:
                process = subprocess.Popen(
                    argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
                )
            except FileNotFoundError as error:
                _cannot(str(error))
        with process:
            try:
                _, sockets, _, _ = socket.recv_fds(ours, 16, 1)
                if not sockets:
                    process.wait()
                    assert process.stderr is not None
                    _cannot(process.stderr.read())
                enter = ["nsenter", f"--target={process.pid}", "--net", "--mount"]
                enter += [] if root else ["--user", "--preserve-credentials"]
                with socket.socket(fileno=sockets[0]) as listener:
                    yield Network(listener, process.pid, (*enter, "--"))
            finally:
                ours.close()  # tells the process to end


def _cannot(reason: str) -> None:
    message = f"this machine gives no network namespace: {reason.strip() or 'no reason given'}"
    if os.environ.get("FLAKESYNC_REQUIRE_NIX"):
        pytest.fail(message)
    pytest.skip(message)
