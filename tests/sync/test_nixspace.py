"""The ground that the other tests stand on: what Space builds without Nix is what Nix itself would have locked."""

import subprocess
from pathlib import Path

import pytest

from tests.support.nix import RealNix
from tests.support.nixspace import Space, Take, chain, read


@pytest.mark.usefixtures("use_nix")
def test_the_locks_of_a_space_are_what_nix_writes(nix: RealNix, tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    space.add("lib", files={"data/x.txt": "x", "run.sh": "exec:#!/bin/sh\n", "a": "link:data/x.txt"})
    space.add("tool", {"nixpkgs": Take(), "lib": Take(follows={"nixpkgs": "nixpkgs"})})
    space.add("src", {"lib": Take(flake=False), "tool": Take(), "pkgs": "tool/nixpkgs"})
    space.add("app", {"src": Take(), "tool": Take(follows={"lib": "src/tool/lib"}), "old": Take("lib", fixed=True)})
    for name in space.names:
        folder = tmp_path / "scratch" / name
        folder.mkdir(parents=True)
        (folder / "flake.nix").write_bytes(read(space.path(name), space.tip(name), "flake.nix"))
        old = [
            part
            for path in _paths_of_nixpkgs(name)
            for part in ("--override-input", path, f"git+{space.url('nixpkgs')}?ref=main&rev={space.first_nixpkgs}")
        ]
        subprocess.run([nix.path, "flake", "lock", f"path:{folder}", *old], check=True, capture_output=True)
        assert (folder / "flake.lock").read_bytes() == read(space.path(name), space.tip(name), "flake.lock"), name


def _paths_of_nixpkgs(name: str) -> list[str]:
    return ["nixpkgs"] if name in ("lib", "tool") else []


def test_a_chain_nests_the_locks_of_its_upstreams(tmp_path: Path) -> None:
    space = chain(tmp_path, 4)
    assert space.locked("r3", "r2/r1/r0/nixpkgs", rev=space.tip("r3"))["rev"] == space.first_nixpkgs
    assert space.tip("nixpkgs") != space.first_nixpkgs
