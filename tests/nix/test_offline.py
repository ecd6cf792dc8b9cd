"""Behind the wall of `--offline` Nix opens no connection, whatever its settings say, and goes on with what is local."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flakesync.errors import NixError
from flakesync.net.wall import offline
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import Nix, Override
from flakesync.nix.program.offline import walled
from tests.support import repos
from tests.support.nix import RealNix

NO_INPUTS = {"flake.nix": "{ outputs = _: { }; }\n"}
NAR_HASH = "sha256-47DEQpj8HBSa%2B/TImW%2B5JCeuQeRkm5NMpJWZG3hSuFU%3D"
INPUTS = {
    "tarball": "http://{server}/x.tar.gz",
    "substitute": "http://{server}/x.tar.gz?narHash=" + NAR_HASH,
    "git by http": "git+http://{server}/x?ref=main",
    "git by ssh": "git+ssh://git@{server}/x?ref=main",
    "git by git": "git://{server}/x?ref=main",
    "registry": "somewhere",
    "mercurial": "hg+http://{server}/x",
}


@dataclass
class Server:
    """Listens on the loopback address and hangs up on everybody."""

    listener: socket.socket
    _accepted: list[object] = field(default_factory=list)
    _own: set[object] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            self._accepted.append(peer)
            connection.close()

    @property
    def calls(self) -> list[object]:
        """Who has called so far. A call of its own, taken after all before it, tells that none is on its way."""
        with socket.create_connection(self.listener.getsockname()) as own:
            self._own.add(own.getsockname())
            while own.getsockname() not in self._accepted:
                own.recv(1)  # ends when the server hangs up
        return [peer for peer in self._accepted if peer not in self._own]


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener)
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def found(nix: RealNix, server: Server, tmp_path: Path) -> Nix:
    """A Nix whose settings send it to the server wherever they can; `hg`, where it is run, goes there too."""
    settings = f"""
        substitute = true
        substituters = http://{server.address}
        flake-registry = http://{server.address}/registry.json
        download-attempts = 1
    """
    (tmp_path / "bin").mkdir()
    hg = tmp_path / "bin/hg"
    hg.write_text(f"#!/usr/bin/env bash\nexec 3<>/dev/tcp/{server.address.replace(':', '/')}\nexit 1\n")
    hg.chmod(0o700)
    env = {name: value for name, value in nix.env().items() if not name.endswith("_proxy")}
    return Nix.find(env | {"NIX_CONFIG": settings, "PATH": f"{tmp_path / 'bin'}:{env['PATH']}"})


def scratch(folder: Path, url: str) -> Path:
    """Return the folder of a flake with one input, which no lock has yet."""
    folder.mkdir()
    (folder / "flake.nix").write_text(f'{{ inputs.lib.url = "{url}"; outputs = _: {{ }}; }}')
    return folder


@pytest.mark.slow_between
@pytest.mark.parametrize("kind", INPUTS)
def test_nix_opens_no_connection_behind_the_wall(found: Nix, server: Server, tmp_path: Path, kind: str) -> None:
    if kind == "git by ssh" and shutil.which("ssh") is None:
        pytest.skip("there is no ssh")
    flake = scratch(tmp_path / "flake", INPUTS[kind].format(server=server.address))
    with offline(True), pytest.raises(NixError) as failed:
        found.lock(flake, [])
    assert server.calls == []
    if kind != "mercurial":  # Nix only says that `hg` failed
        assert (failed.value.code, failed.value.hint) == ("nix-offline", "run without --offline")
        assert "with --offline" in failed.value.message
    assert "offline://" not in failed.value.message
    assert not (flake / "flake.lock").exists()
    # Without the wall the same call goes there.
    with pytest.raises(NixError):
        found.lock(flake, [])
    assert server.calls


def test_a_lock_is_looked_over_without_a_connection(found: Nix, server: Server, tmp_path: Path) -> None:
    flake = scratch(tmp_path / "flake", f"http://{server.address}/x.tar.gz")
    with offline(True), pytest.raises(NixError) as failed:
        found.check_lock(flake)
    assert (failed.value.code, server.calls) == ("nix-offline", [])


@pytest.mark.parametrize("bare", [False, True])
def test_local_sources_are_locked_behind_the_wall(found: Nix, server: Server, tmp_path: Path, bare: bool) -> None:
    rev = repos.make_bare(tmp_path / "lib", NO_INPUTS) if bare else repos.make_repo(tmp_path / "lib", NO_INPUTS)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/flake.nix").write_text(NO_INPUTS["flake.nix"])
    subprocess.run(["tar", "czf", tmp_path / "more.tar.gz", "-C", tmp_path, "more"], check=True)
    url = f"git+file://{tmp_path}/lib?ref=main"
    flake = scratch(tmp_path / "flake", url)
    (flake / "flake.nix").write_text(f"""{{
        inputs.lib.url = "{url}";
        inputs.folder.url = "path:{tmp_path}/more";
        inputs.archive.url = "file://{tmp_path}/more.tar.gz";
        outputs = _: {{ }};
    }}""")
    with offline(True):
        found.lock(flake, [])
        lock = LockFile.parse(found.lock(flake, [Override(("lib",), f"{url}&rev={rev}")]))
        assert found.check_lock(flake)
    node = lock.node(("lib",))
    assert node is not None
    assert (node.locked or {})["rev"] == rev
    assert server.calls == []


@pytest.mark.parametrize(("allowed", "expected"), [(None, "file"), ("https:file", "file"), ("https:ssh", "")])
def test_git_may_use_files_unless_the_user_forbids_it(allowed: str | None, expected: str) -> None:
    environ = {"PATH": "/usr/bin:/bin", "no_proxy": "localhost", "HTTPS_PROXY": "http://proxy.test:3128"}
    with walled(environ if allowed is None else {**environ, "GIT_ALLOW_PROTOCOL": allowed}) as behind:
        assert behind["GIT_ALLOW_PROTOCOL"] == expected
        assert {"no_proxy", "HTTPS_PROXY"}.isdisjoint(behind)
        for name in ("hg", "ssh"):
            program = shutil.which(name, path=behind["PATH"])
            assert program is not None
            assert subprocess.run([program, "example.test"], check=False).returncode != 0
