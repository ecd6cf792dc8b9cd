"""A small workspace of plain folders, and ways to run flakesync on it."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flakesync.cli.main import run
from tests.support import locks
from tests.support.workspaces import flake_nix

ROOT = Path(__file__).parents[2]
DAY_S = 86_400
MANIFEST = """\
[workspace]
name = "acme"

[pins.nixpkgs]
source = "github:NixOS/nixpkgs/nixos-25.11"
target = "newest-locked"

[repos.lib]
url = "github:acme/lib"
path = "lib"
groups = ["core"]

[repos.app]
url = "github:acme/app"
path = "app"

[repos.docs]
url = "github:acme/docs"
path = "docs"
"""


def nixpkgs(rev: str, date: int) -> locks.Input:
    return locks.github("NixOS", "nixpkgs", ref="nixos-25.11", rev=locks.rev_of(rev), last_modified=date)


def make_flake(folder: Path, inputs: locks.Inputs | None) -> None:
    folder.mkdir()
    if inputs is None:
        (folder / "flake.nix").write_text("{ outputs = _: { }; }\n")
        return
    (folder / "flake.nix").write_text(flake_nix(inputs))
    (folder / "flake.lock").write_bytes(locks.to_bytes(locks.lock(inputs)))


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which lib is on an older nixpkgs than app, which takes lib; it is the current folder."""
    (tmp_path / "workspace.toml").write_text(MANIFEST)
    make_flake(tmp_path / "lib", {"nixpkgs": nixpkgs("old", 1_760_000_000)})
    make_flake(
        tmp_path / "app",
        {"lib": locks.github("acme", "lib"), "nixpkgs": nixpkgs("new", 1_760_000_000 + 31 * DAY_S)},
    )
    make_flake(tmp_path / "docs", None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture
def flakesync(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run one command in this process."""

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        status = run(arguments)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return call


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flakesync", *arguments]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def spawn(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one command in a process of its own."""
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(**more), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=240, check=False,
    )  # fmt: skip
