"""Static caches as Nix reads them: a lock is evaluated without its sources' servers, and nothing hostile gets in."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flakesync.git.store.contents import TreeContents
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.store.nar import nar_of_file, nar_pieces
from flakesync.nix.store.narhash import sri
from flakesync.nix.store.static_cache import StaticCache
from flakesync.nix.store.zstd import packed
from tests.nix.store.trees import run_nix
from tests.nix.test_narhash import text
from tests.support.nix import RealNix, remove_state
from tests.support.repos import make_repo, run_git

LIB = {"words": "hello\n", "dir/program": "#!/bin/sh\n", "flake.nix": "{ outputs = _: { }; }"}
BUILDER = f"""\
derivation {{
  name = "made"; system = "{platform.machine()}-linux"; builder = "/bin/sh";
  args = [ "-c" "read -r line < ${{lib}}/words && echo $line > $out" ];
}}"""


@dataclass
class World:
    """A flake with inputs, locked by Nix; its sources in a cache for another, empty store; and then they are gone."""

    root: Path
    nix: RealNix
    online: dict[str, str]
    offline: dict[str, str]
    cache: StaticCache

    @property
    def app(self) -> Path:
        return self.root / "app"

    def run(self, *argv: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run Nix beside the app, with the cache and nothing else."""
        settings = f"substitute = true\nsubstituters = {self.cache.folder.as_uri()}\n"
        done = subprocess.run(
            [str(self.nix.path), *argv],
            env={**self.offline, "NIX_CONFIG": settings}, cwd=self.app, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done


@pytest.fixture
def world(nix: RealNix, tmp_path: Path) -> Iterator[World]:
    online, offline = nix.env(tmp_path / "online"), nix.env(tmp_path / "offline")
    make_repo(tmp_path / "lib", LIB)
    (tmp_path / "plain.txt").write_text("plain")
    inputs = f'lib = {{ url = "git+file://{tmp_path}/lib?ref=main"; flake = false; }};'
    inputs += f' again.url = "git+file://{tmp_path}/lib?ref=main";'
    files = 'builtins.readFile "${lib}/words"'
    if nix.version > (2, 8):
        inputs += f' one = {{ url = "file+file://{tmp_path}/plain.txt"; flake = false; }};'
        files += " + builtins.readFile one"
    outputs = f"{{ self, lib, ... }}@all: with all; {{ v = {files}; d = {BUILDER}; }}"
    flake = f"{{ inputs = {{ {inputs} }}; outputs = {outputs}; }}"
    make_repo(tmp_path / "app", {"flake.nix": flake})
    run_nix(nix, "flake", "lock", str(tmp_path / "app"), env=online)
    run_git("add", "flake.lock", cwd=tmp_path / "app")
    run_git("commit", "-q", "-m", "Lock", cwd=tmp_path / "app")
    yield World(tmp_path, nix, online, offline, StaticCache(tmp_path / "cache", offline["NIX_STORE_DIR"]))
    remove_state(tmp_path / "online")
    remove_state(tmp_path / "offline")


def fill(world: World, cache: StaticCache) -> None:
    """Put each source of the app's lock into a cache, without Nix."""
    nodes = json.loads((world.app / "flake.lock").read_text())["nodes"]
    reader = ObjectReader.open(world.root / "lib")
    with cache.writing():
        for name, node in nodes.items():
            if name == "one":
                data = (world.root / "plain.txt").read_bytes()
                cache.add_nar(node["locked"]["narHash"], nar_of_file(len(data), [data]))
            elif name != "root" and not cache.has(node["locked"]["narHash"]):
                tree = reader.tree_of(node["locked"]["rev"])
                cache.add_nar(node["locked"]["narHash"], nar_pieces(TreeContents(reader), tree))


def fields(folder: Path) -> dict[str, list[str]]:
    """Return the lines of each narinfo but those that depend on the compressor."""
    other = ("URL: ", "Compression: ", "FileHash: ", "FileSize: ")
    return {
        place.name: [line for line in place.read_bytes().decode().split("\n") if not line.startswith(other)]
        for place in folder.glob("*.narinfo")
    }


@pytest.mark.slow_but_newest
def test_the_narinfos_are_those_that_flake_archive_writes(world: World) -> None:
    theirs = world.root / "theirs"
    run_nix(world.nix, "flake", "archive", "--to", theirs.as_uri(), str(world.app), env=world.online)
    ours = StaticCache(world.root / "ours", world.online["NIX_STORE_DIR"])
    fill(world, ours)
    found = fields(ours.folder)
    assert found == {name: lines for name, lines in fields(theirs).items() if name in found}
    assert len(found) == (1 if world.nix.version == (2, 8) else 2), "the app itself is no source of its lock"
    assert StaticCache(theirs, world.online["NIX_STORE_DIR"]).verify(deep=True).faults == ()


def test_a_lock_is_evaluated_and_built_from_the_cache_alone(world: World) -> None:
    fill(world, world.cache)
    lock = (world.app / "flake.lock").read_bytes()
    (world.root / "lib").rename(world.root / "gone")
    (world.root / "plain.txt").unlink()
    for place in (world.cache.folder, world.cache.folder / "nar"):
        place.chmod(0o555)
    want = "hello\n" + ("" if world.nix.version == (2, 8) else "plain")
    assert world.run("eval", "--raw", ".#v").stdout == want
    world.run("build", "--no-link", ".#d")
    world.run("flake", "metadata", "--json")
    assert (world.app / "flake.lock").read_bytes() == lock
    assert run_git("status", "--porcelain", cwd=world.app) == ""
    for place in (world.cache.folder, world.cache.folder / "nar"):
        place.chmod(0o755)


def _bad_nars() -> dict[str, bytes]:
    def folder(*entries: tuple[bytes, bytes]) -> bytes:
        inside = b"".join(text(b"entry", b"(", b"name", name, b"node") + node + text(b")") for name, node in entries)
        return text(b"nix-archive-1", b"(", b"type", b"directory") + inside + text(b")")

    file = text(b"(", b"type", b"regular", b"contents", b"x", b")")
    return {
        "a way out": folder((b"..", file)),
        "a path": folder((b"../../escaped", file)),
        "an absolute path": folder((b"/escaped", file)),
        "a zero byte": folder((b"a\0b", file)),
        "twice": folder((b"a", file), (b"a", file)),
        "unsorted": folder((b"b", file), (b"a", file)),
        "a huge size": text(b"nix-archive-1", b"(", b"type", b"regular", b"contents") + (1 << 63).to_bytes(8, "little"),
        "padding": text(b"nix-archive-1", b"(", b"type", b"regular", b"contents")
        + b"\1"
        + bytes(7)
        + b"x"
        + b"\1" * 7
        + text(b")"),
        "nothing": b"",
    }


@pytest.mark.slow_but_newest
def test_what_is_no_tree_is_refused_by_nix_although_its_hash_is_right(world: World) -> None:
    """flakesync looks at hashes and sizes alone: whoever can lock a narHash has chosen what is in it."""
    bad = {}
    with world.cache.writing():
        for what, nar in _bad_nars().items():
            nar_hash = sri(hashlib.sha256(nar).digest())
            bad[what] = world.cache.add(nar_hash, packed([nar]), nar_size=len(nar)).store_path
    for what, path in bad.items():
        done = world.run("copy", "--from", world.cache.folder.as_uri(), path, check=False)
        assert done.returncode == 1, (what, done.returncode, done.stderr)
    assert not list(world.root.rglob("escaped"))
    assert not Path("/escaped").exists()


@pytest.mark.slow_but_newest
def test_a_store_elsewhere_is_told_apart(world: World) -> None:
    cache = StaticCache(world.root / "other", "/other/store")
    fill(world, cache)
    assert cache.verify(deep=True).faults == ()
    assert [fault.code for fault in world.cache.verify(deep=False).faults] == ["bad-cache"]
