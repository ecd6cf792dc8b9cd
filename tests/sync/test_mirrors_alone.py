"""Behind an air gap, with nothing but `[mirrors]` and `[sources]`: sync locks what it would have locked outside.

Two networks: in the first github.com, gitlab.com and codeberg.org are this machine; in the second only git.internal is,
and all other names lead nowhere.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w

from flakesync.demo.forge.model import Kind
from flakesync.git.store.contents import TreeContents
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.lock.file import LockFile
from flakesync.nix.store.nar import nar_pieces
from flakesync.nix.store.static_cache import StaticCache
from flakesync.nix.store.tarball import nar_of_tar
from flakesync.terms import Rev
from tests.support import repos
from tests.support.forge.world import NO_INPUTS, Json, World, make_world
from tests.support.netns import Network, network
from tests.support.nix import RealNix

pytestmark = pytest.mark.slow

SITES: list[tuple[str, Kind]] = [
    ("github.com", "github"),
    ("gitlab.com", "gitlab"),
    ("codeberg.org", "forgejo"),
    ("git.internal", "forgejo"),
]
INPUTS = {
    "nixpkgs": ("github.com", "NixOS/nixpkgs", "github:NixOS/nixpkgs", "https://github.com/NixOS/nixpkgs"),
    "lab": ("gitlab.com", "acme/lab", "gitlab:acme/lab", "https://gitlab.com/acme/lab"),
    "berg": ("codeberg.org", "acme/berg", "git+https://codeberg.org/acme/berg?ref=main", "https://codeberg.org/acme/berg"),
    "inner": (
        "codeberg.org", "acme/inner", "git+ssh://git@codeberg.org/acme/inner?ref=main",
        "ssh://git@codeberg.org/acme/inner",
    ),
}  # fmt: skip
EXPORTED = {".gitattributes": "left-out export-ignore\n", "left-out": "x\n"}
MIRRORS = {
    "github:NixOS/nixpkgs": "git+https://git.internal/mirror/nixpkgs",
    "gitlab:acme/": "git+https://git.internal/acme/",
    "git+https://codeberg.org/acme/": "git+https://git.internal/acme/",
    "github:acme/": "git+https://git.internal/acme/",
}
DAY_S = 86_400


@dataclass
class Gap:
    """Both sides. isolated: the network in which only git.internal is; cache: its static cache."""

    world: World
    isolated: Network
    cache: Path

    def inside(self, folder: Path) -> Mapping[str, str]:
        """Return an environment for the isolated side in which nothing is known: an empty store, empty caches."""
        known = self.world.nix.env(folder)
        return {**self.world.env, **known, "NIX_CONFIG": "download-attempts = 1\n", "HOME": str(folder)}


@pytest.fixture
def gap(nix: RealNix, tmp_path: Path) -> Iterator[Gap]:
    with make_world(tmp_path, nix, SITES) as world, network(tmp_path / "net2", ["git.internal"]) as isolated:
        world.forge.serve(isolated.listener)
        for name, (host, path, _, url) in INPUTS.items():
            files = {"flake.nix": NO_INPUTS, **(EXPORTED if name == "lab" else {})}
            world.add(name, world.forge.site(host).create(path), url, files, lock=False)
        lines = "".join(f'  inputs.{name}.url = "{each[2]}";\n' for name, each in INPUTS.items())
        seen = " && ".join(f'builtins.pathExists (inputs.{name} + "/new.txt")' for name in INPUTS)
        text = f"{{\n{lines}  outputs = inputs: {{ overlays.default = assert {seen}; final: prev: {{ }}; }};\n}}\n"
        world.add(
            "app", world.forge.site("github.com").create("acme/app"), "https://github.com/acme/app", {"flake.nix": text}
        )
        yield Gap(world, isolated, tmp_path / "sources")


def move_inputs(gap: Gap) -> None:
    """Let every input have a new commit, at its own forge and at its mirror, where all repositories are."""
    world = gap.world
    for name in INPUTS:
        repos.commit(world.clone(name), {"new.txt": name}, date=repos.DATE + DAY_S)
        world.git(name, "push", "-q", "origin", "main")
    for name in (*INPUTS, "app"):
        host, path = INPUTS[name][:2] if name in INPUTS else ("github.com", "acme/app")
        project = world.forge.site("git.internal").create("mirror/nixpkgs" if name == "nixpkgs" else path)
        found = world.forge.site(host).find(path)
        assert found is not None
        source = found.storage.path
        shutil.copytree(source / "objects", project.storage.path / "objects", dirs_exist_ok=True)
        (project.storage.path / "refs/heads/main").write_text((source / "refs/heads/main").read_text())


def fill(gap: Gap, store_dir: str) -> None:
    """Put the sources into the static cache that the lock has now, as an import has done."""
    cache = StaticCache(gap.cache, store_dir)
    lock = LockFile.parse((gap.world.clone("app") / "flake.lock").read_bytes())
    with cache.writing():
        for name in INPUTS:
            node = lock.node((name,))
            assert node is not None
            assert node.locked is not None
            rev, nar_hash = Rev(str(node.locked["rev"])), str(node.locked["narHash"])
            reader = ObjectReader.open(gap.world.clone(name))
            pieces = nar_pieces(TreeContents(reader), reader.tree_of(rev))
            if name == "lab":
                argv = ["git", "archive", "--prefix=source/", rev]
                done = subprocess.run(argv, cwd=gap.world.clone(name), capture_output=True, check=True)
                pieces = nar_of_tar([done.stdout])
            cache.add_nar(nar_hash, pieces)


def manifest(gap: Gap, root: Path, more: Mapping[str, Json], *, names: Collection[str] = INPUTS.keys()) -> Path:
    """Write a workspace.toml with the app by its address alone, and a pin for each of its inputs."""
    root.mkdir()
    pins = {name: {"source": each[2]} for name, each in INPUTS.items() if name in names}
    content = {
        "workspace": {"name": "acme", "jobs": 2, "author": "Bot <bot@example.com>"},
        "pins": pins,
        "repos": {"app": {"url": "github:acme/app", "checks": ["nix flake check"] if names == INPUTS.keys() else []}},
        **more,
    }
    (root / "workspace.toml").write_text(tomli_w.dumps(content))
    return root


def locked_by(cache: Path) -> bytes:
    """Return flake.lock of the update branch in the one mirror of app below a cache."""
    for path in Path(cache, "flakesync", "mirrors").glob("*/"):
        with contextlib.suppress(subprocess.CalledProcessError):
            done = subprocess.run(
                ["git", "show", "flakesync/update:flake.lock"], cwd=path, check=True, capture_output=True
            )
            return done.stdout
    raise AssertionError("nothing was locked")


def flakesync() -> tuple[str, ...]:
    """Return how the command begins."""
    return (sys.executable, "-m", "flakesync")


def test_what_is_locked_behind_the_gap_is_what_is_locked_outside_and_its_checks_pass(gap: Gap) -> None:
    world = gap.world
    move_inputs(gap)

    outside = manifest(gap, world.root / "outside", {})
    world.net.run(*flakesync(), "sync", "--json", cwd=outside, env=world.env)
    online = locked_by(Path(world.env["XDG_CACHE_HOME"]))
    by_nix = world.root / "by-nix"
    repos.run_git("clone", "-q", str(world.clone("app")), str(by_nix), cwd=world.root)
    update = ["--update-input", "nixpkgs", "--update-input", "lab", "--update-input", "berg", "--update-input", "inner"]
    by_name = ["flake", "update", "nixpkgs", "lab", "berg", "inner"]
    world.run_nix(*(by_name if world.nix.version >= (2, 19) else ["flake", "lock", *update]), cwd=by_nix)
    assert online == (by_nix / "flake.lock").read_bytes()

    inside = gap.inside(world.root / "cold-inside")
    fill(gap, inside["NIX_STORE_DIR"])
    root = manifest(gap, world.root / "inside", {"mirrors": dict(MIRRORS), "sources": {"cache": "../sources"}})
    del world.forge.log[:]
    done = gap.isolated.run(*flakesync(), "sync", "--json", cwd=root, env=inside, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (app,) = json.loads(done.stdout)["repos"]
    assert app["status"] == "updated"
    assert [check["exit_status"] for check in app["checks"]] == [0], app

    assert locked_by(Path(inside["XDG_CACHE_HOME"])) == online
    assert {exchange.request.host for exchange in world.forge.log} == {"git.internal"}


def test_nix_asks_the_mirrors_for_git_inputs_and_is_not_asked_for_what_it_cannot(gap: Gap) -> None:
    """The git that Nix starts is told by its environment; archives of forges Nix would ask the forge for."""
    move_inputs(gap)
    inside = gap.inside(gap.world.root / "cold-inside")
    fill(gap, inside["NIX_STORE_DIR"])
    tables: Mapping[str, Json] = {"mirrors": dict(MIRRORS), "sources": {"cache": "../sources"}}
    root = manifest(gap, gap.world.root / "inside", tables, names=("berg", "inner"))
    done = gap.isolated.run(*flakesync(), "sync", "--json", "--locker", "nix", cwd=root, env=inside, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lock = LockFile.parse(locked_by(Path(inside["XDG_CACHE_HOME"])))
    for name in ("berg", "inner"):
        node = lock.node((name,))
        assert node is not None
        assert node.locked is not None
        assert node.locked["url"] == INPUTS[name][3]
        assert node.locked["rev"] == repos.run_git("rev-parse", "main", cwd=gap.world.clone(name))
        assert StaticCache(gap.cache, inside["NIX_STORE_DIR"]).has(str(node.locked["narHash"]))

    whole = manifest(gap, gap.world.root / "whole", tables)
    done = gap.isolated.run(*flakesync(), "sync", "--json", "--locker", "nix", cwd=whole, env=inside, check=False)
    assert done.returncode == 1
    (app,) = json.loads(done.stdout)["repos"]
    assert app["error"]["code"] == "not-mirrored"
