"""`audit` at level offline starts nothing but git, and makes no socket of any kind."""

import shlex
import shutil
import stat
import sys
from pathlib import Path

import pytest

from tests.audit.watch import Watched, watch
from tests.cli.conftest import command, environment
from tests.kill import tracer
from tests.support import locks, repos
from tests.support.workspaces import make_ground, takes

pytestmark = pytest.mark.skipif(not tracer.available(), reason="needs ptrace, Linux on x86-64")

COMMANDS = [
    (),
    ("--json",),
    ("--at", "update"),
    ("--at", "HEAD", "--new-since", "HEAD~1", "--repo", "app"),
    ("--strict", "--fail-on", "low"),
]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A workspace that gives each level and each command something to ask: a mirror, pins, a clone with a server."""
    pkgs = locks.github("acme-pkgs", "nixpkgs", rev=locks.rev_of("pkgs"), ref="nixos-20.09", last_modified=5)
    inputs: locks.Inputs = {
        "lib": takes("lib"),
        "nixpkgs": pkgs,
        "tool": locks.git("https://forge.test/acme/tool", ref="main"),
        "dirty": locks.Input(
            {"type": "git", "url": "https://forge.test/x"}, {"type": "git", "url": "https://forge.test/x"}
        ),
    }
    ground = make_ground(
        tmp_path,
        {"lib": {"nixpkgs": pkgs}, "app": inputs, "far": {}},
        pins={"nixpkgs": {"source": "github:acme-pkgs/nixpkgs/nixos-20.09", "max-age": "30d"}},
        mirrored=["far"],
    )
    repos.commit(ground.repos["app"], {"flake.nix": "{ inputs = import ./inputs.nix; outputs = _: { }; }"})
    repos.run_git("gc", "--quiet", cwd=ground.repos["app"])  # what is packed is read by another library
    return ground.manifest


def run(manifest: Path, *argv: str) -> tuple[Watched, str]:
    return watch(command(*argv), cwd=manifest.parent, env=environment(), report=manifest.parent / "watched.json")


def test_audit_starts_nothing_but_git_and_makes_no_socket(manifest: Path) -> None:
    for argv in COMMANDS:
        found, said = run(manifest, "audit", *argv)
        assert found.status in (0, 1), said
        started = [words for words in found.programs[1:] if Path(words[0]).name != "git"]
        assert (started, found.sockets) == ([], []), said
    assert any(
        "rev-parse" in words for words in run(manifest, "audit", "--at", "HEAD", "--repo", "app")[0].programs[1:]
    )


def test_the_watch_sees_what_another_level_asks(manifest: Path) -> None:
    found, _ = run(manifest, "audit", "--level", "mirror")
    assert any("ls-remote" in words or "fetch" in words for words in found.programs)


@pytest.mark.parametrize(
    ("script", "calls"),
    [
        ("import socket; socket.socket()", ["socket"]),
        ("import socket; socket.socketpair()", ["socketpair"]),
        ("import socket; socket.socket(socket.AF_UNIX).connect_ex('/nowhere')", ["socket", "connect"]),
        ("import threading, socket; threading.Thread(target=socket.socket).start()", ["socket"]),
        ("import os, socket; os.fork() or socket.socket()", ["socket"]),
    ],
)
def test_the_watch_sees_each_socket(tmp_path: Path, script: str, calls: list[str]) -> None:
    found, _ = watch([sys.executable, "-c", script], cwd=tmp_path, env=environment(), report=tmp_path / "watched.json")
    assert found.sockets == calls


def test_the_watch_sees_a_program_that_is_started_by_its_path_from_what_was_started(tmp_path: Path) -> None:
    nix = tmp_path / "nix"
    nix.write_text("#!/bin/sh\nexit 3\n")
    nix.chmod(stat.S_IRWXU)
    shell = shutil.which("sh")
    assert shell is not None
    argv = [shell, "-c", f"{shell} -c '{shlex.quote(str(nix))} eval; exit 5'; exit 7"]
    found, _ = watch(argv, cwd=tmp_path, env=environment(), report=tmp_path / "watched.json")
    assert found.status == 7
    assert any(str(nix) in words and "eval" in words for words in found.programs)
