"""Mirrors that a power cut has damaged are made anew by the next run that reads them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.git.remotes.mirror import mirror_path
from tests.support.forked import flakesync
from tests.support.repos import make_bare, run_git

LOCK = '{"nodes":{"root":{}},"root":"root","version":7}'
MANIFEST = "[repos.lib]\nurl = 'git+file://{root}/lib.git'\n[repos.app]\nurl = 'git+file://{root}/app.git'\n"


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-4], lambda data: bytes(len(data))])
@pytest.mark.parametrize("name", ["main", "main^{tree}", "main:flake.lock", "main:dev"])
def test_a_damaged_mirror_is_made_anew(tmp_path: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    for each in ("lib", "app"):
        make_bare(tmp_path / f"{each}.git", {"flake.lock": LOCK, "flake.nix": "{ outputs = _: { }; }", "dev/x": each})
    (tmp_path / "workspace.toml").write_text(MANIFEST.format(root=tmp_path))
    first = flakesync("graph", "--json", cwd=tmp_path, env=os.environ)
    path = mirror_path(f"file://{tmp_path}/lib.git", Path(os.environ["XDG_CACHE_HOME"]) / "flakesync")
    oid = run_git("rev-parse", name.replace("main", "refs/remotes/origin/main"), cwd=path)
    file = path / "objects" / oid[:2] / oid[2:]
    whole = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(damage(whole))
    again = flakesync("graph", "--json", cwd=tmp_path, env=os.environ)
    assert (again.returncode, again.stdout) == (first.returncode, first.stdout) == (0, first.stdout)
    run_git("fsck", "--strict", cwd=path)
