"""A night within the restrictions of the service: Nix by its daemon, git, pushes; and what is not possible there."""

import ctypes.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nightly.night import Place, make_place
from tests.packaging.evaluated import NIXOS, TOP, look_at, settings
from tests.support.nix import RealNix
from tests.support.tools import tool

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
    pytest.mark.skipif(ctypes.util.find_library("seccomp") is None, reason="libseccomp is missing"),
]


class Fence:
    """The service of the NixOS module for a workspace, with a Nix daemon and a server of its own."""

    def __init__(self, nix: RealNix, folder: Path, place: Place) -> None:
        self.place = place
        manifest = place.folder / "workspace.toml"
        text = manifest.read_text()
        # The service has a home of its own, without settings of git.
        manifest.write_text(text.replace("[workspace]\n", '[workspace]\nauthor = "Flake Bot <bot@acme.example>"\n'))
        package = folder / "package/libexec"
        package.mkdir(parents=True)
        shutil.copy(TOP / "examples/nightly/nightly.sh", package / "flakesync-nightly")
        given = f'package = {{ outPath = "{folder}/package"; }}; workspace = "{place.folder}";'
        self.service = settings(look_at(nix, NIXOS, f'enable = true; {given} steps = [ "sync" "publish" "drift" ];'))
        self.env = {**os.environ, **place.env, "CREDENTIALS_DIRECTORY": "/nonexistent"}
        writable = [str(place.space.root)]
        for variable in ("STATE_DIRECTORY", "CACHE_DIRECTORY", "TMPDIR"):
            (folder / variable).mkdir()
            self.env[variable] = str(folder / variable)
            writable.append(self.env[variable])
        self.env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.settings = folder / "settings.json"
        self.settings.write_text(json.dumps({"service": self.service, "writable": writable}))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program as part of the service."""
        inside = [sys.executable, "-m", "tests.packaging.fence", str(self.settings), *argv]
        return subprocess.run(
            [tool("unshare"), "--mount", *inside], cwd=TOP, env=self.env, capture_output=True, text=True, check=False
        )


@pytest.fixture
def fence(use_nix: RealNix, tmp_path: Path) -> Iterator[Fence]:
    tool("systemd-analyze")
    place = make_place(tmp_path / "place")
    made = Fence(use_nix, tmp_path, place)
    socket = Path(os.environ["NIX_STATE_DIR"], "daemon-socket/socket")
    socket.unlink(missing_ok=True)
    with subprocess.Popen(["nix", "daemon"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            while not socket.exists():
                assert daemon.poll() is None
            yield made
        finally:
            daemon.terminate()


def test_a_night_gets_through_within_the_fence(outer_nix: RealNix, fence: Fence) -> None:
    ran = fence.run("/bin/sh", fence.service["ExecStart"])
    assert ran.returncode == 0, ran.stderr
    assert "in step: 3 repos, no drift" in ran.stdout
    assert all(fence.place.published().values())


def test_what_a_night_does_not_need_is_not_possible(any_nix: RealNix, fence: Fence) -> None:
    (TOP / ".cache").mkdir(exist_ok=True)
    refused = {
        "a file elsewhere": f"touch {TOP}/.cache/x",
        "a namespace": "unshare --user true",
        "a mount": "umount /proc",
        "another user": "chown 1:1 $STATE_DIRECTORY",
        "raw packets": f"{sys.executable} -c 'import socket; socket.socket(socket.AF_PACKET)'",
    }
    assert fence.run("sh", "-c", "touch $STATE_DIRECTORY/x && nix store ping").returncode == 0
    for what, command in refused.items():
        ran = fence.run("sh", "-c", command)
        assert ran.returncode not in (0, 126, 127), what
        assert re.search("not permitted|Read-only file system|must be superuser", ran.stderr), ran.stderr
