"""A Dask scheduler and workers on the loopback address, each a process with an environment of its own."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import flakesync

PATIENCE_S = 120
_EXTENSIONS = """\
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
"""


class Cluster:
    """address: of the scheduler. env: with which a client reaches it."""

    def __init__(self, root: Path, stack: ExitStack, env: Mapping[str, str], *, tls: bool) -> None:
        """env: of the workers too, but for their caches."""
        self._root = root
        self._stack = stack
        certificates = make_certificates(root / "tls") if tls else {}
        self.env = {**env, **certificates, "PYTHONPATH": str(Path(flakesync.__file__).parents[1])}
        place = root / "scheduler.json"
        protocol = ["--protocol", "tls" if tls else "tcp"]
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", *protocol, "--no-dashboard",
                    "--scheduler-file", str(place))  # fmt: skip
        self.address = _address(place)

    def worker(self, name: str, **env: str) -> "subprocess.Popen[bytes]":
        """Start a worker with a cache of its own."""
        return self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name,
                           "--local-directory", str(self._root / name),
                           FLAKESYNC_CACHE=str(self._root / f"cache-{name}"), **env)  # fmt: skip

    def sync(self, manifest: Path, *more: str, address: str | None = None) -> "subprocess.Popen[bytes]":
        """Start `flakesync sync` on the cluster."""
        argv = [sys.executable, "-P", "-m", "flakesync", "sync", "--json", "-w", str(manifest), *more]
        argv += ["--locker", "native", "--executor", f"dask:{address or self.address}"]
        env = {**self.env, "FLAKESYNC_CACHE": str(self._root / "cache-client")}
        process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._stack.callback(_end, process)
        return process

    def _start(self, what: str, *argv: str, **env: str) -> "subprocess.Popen[bytes]":
        log = (self._root / f"{what}-{time.monotonic_ns()}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"distributed.cli.dask_{what}", *argv],
            env={**self.env, **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        self._stack.callback(_end, process)
        return process


@contextmanager
def cluster(root: Path, env: Mapping[str, str] | None = None, *, tls: bool = False) -> Iterator[Cluster]:
    """Give a scheduler without workers; all of its processes end with the block. env: None: the test's own."""
    root.mkdir()
    with ExitStack() as stack:
        yield Cluster(root, stack, env if env is not None else os.environ, tls=tls)


def make_certificates(folder: Path) -> dict[str, str]:
    """Make an authority and a certificate for scheduler, workers and clients; return the settings that name them."""
    folder.mkdir()
    (folder / "extensions").write_text(_EXTENSIONS)
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for argv in (
        ("req", "-x509", *new, "-days", "2", "-subj", "/CN=Authority", "-keyout", "ca.key", "-out", "ca.pem", *usage),
        ("req", *new, "-subj", "/CN=dask", "-keyout", "dask.key", "-out", "dask.csr"),
        ("x509", "-req", "-in", "dask.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
         "-extfile", "extensions", "-out", "dask.pem"),
    ):  # fmt: skip
        subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    prefix = "DASK_DISTRIBUTED__COMM"
    own = {
        f"{prefix}__TLS__{role}__{kind}": str(folder / f"dask.{ending}")
        for role in ("SCHEDULER", "WORKER", "CLIENT")
        for kind, ending in (("CERT", "pem"), ("KEY", "key"))
    }
    return {**own, f"{prefix}__TLS__CA_FILE": str(folder / "ca.pem"), f"{prefix}__REQUIRE_ENCRYPTION": "true"}


def _address(place: Path) -> str:
    import json

    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            return str(json.loads(place.read_text())["address"])
        time.sleep(0.05)
    raise AssertionError("the scheduler has not started")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()
