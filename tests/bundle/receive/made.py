"""Bundles written by hand: any manifest, any blobs, without a workspace and without the sender."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from flakesync.bundle.layout.oci import GIT_TYPE, NAR_TYPE, Layer
from flakesync.bundle.layout.writer import LayoutWriter
from flakesync.bundle.receive.options import ImportOptions
from flakesync.bundle.receive.run import import_bundle
from flakesync.documents.airgap.imported import Imported
from flakesync.documents.airgap.manifest import (
    BundleBranch,
    BundleManifest,
    BundleRepo,
    BundleSource,
    SourceOfRepo,
    SourceUse,
)
from flakesync.git.repository import Repository
from flakesync.git.store.contents import TreeContents
from flakesync.nix.store.nar import nar_of_file
from flakesync.nix.store.narhash import nar_hash_of_tree, sri
from flakesync.nix.store.store_path import source_path
from flakesync.nix.store.zstd import packed
from flakesync.terms import Rev
from tests.support import repos


def nar_of(content: bytes) -> bytes:
    """Return the NAR of one file."""
    return b"".join(nar_of_file(len(content), [content]))


def hash_of(nar: bytes) -> str:
    """Return a narHash."""
    return sri(hashlib.sha256(nar).digest())


@dataclass
class Made:
    """A bundle that is put together; `write` makes it."""

    sources: list[BundleSource] = field(default_factory=list)
    repos: list[BundleRepo] = field(default_factory=list)
    base: list[str] = field(default_factory=list)
    blobs: list[tuple[str, bytes]] = field(default_factory=list)

    def add(
        self, content: bytes, *, repo: str = "app", nar: bytes | None = None, size: int | None = None, blob: bytes = b""
    ) -> str:
        """Add the source that is a file; return its narHash. nar, size, blob: what is sent in place of the truth."""
        true = nar_of(content)
        data = blob or b"".join(packed([true if nar is None else nar]))
        self.blobs.append((NAR_TYPE, data))
        source = BundleSource(
            nar_hash=hash_of(true),
            nar_size=len(true) if size is None else size,
            store_path=source_path(hash_of(true)),
            nodes=[SourceUse(repo=repo, branch="main", flake=".", input="lib", ref="github:acme/lib")],
            blob=digest_of(data),
            size=len(data),
            compression="zstd",
        )
        self.sources.append(source)
        return source.nar_hash

    def add_in_base(self, content: bytes) -> str:
        """Name a source that an earlier bundle had."""
        nar_hash = hash_of(nar_of(content))
        use = SourceUse(repo="app", branch="main", flake=".", input="old", ref="github:acme/old")
        self.sources.append(
            BundleSource(
                nar_hash=nar_hash, nar_size=None, store_path=source_path(nar_hash), nodes=[use],
                in_="sha256:" + "1" * 64,
            )
        )  # fmt: skip
        return nar_hash

    def add_from(self, nar_hash: str, repo: str, rev: str, tree: str = "raw") -> None:
        """Name a source that is made of a commit."""
        use = SourceUse(repo="app", branch="main", flake=".", input=repo, ref=f"git+https://h/{repo}")
        origin = msgspec.convert({"repo": repo, "rev": rev, "tree": tree}, SourceOfRepo)
        self.sources.append(
            BundleSource(nar_hash=nar_hash, nar_size=None, store_path=source_path(nar_hash), nodes=[use], from_=origin)
        )

    def add_repo(
        self,
        clone: Path,
        branches: Mapping[str, str] | None = None,
        *,
        name: str | None = None,
        without: str | None = None,
        updates: tuple[str, ...] = ("flakesync/update",),
    ) -> None:
        """Add branches of a clone (None: all). without: a commit that the receiver has."""
        listed = repos.run_git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads", cwd=clone)
        tips = dict(line.rsplit(" ", 1) for line in listed.splitlines())
        chosen = {each: tips[each] for each in tips if branches is None or each in branches} | dict(branches or {})
        file = clone.parent / f"{clone.name}.bundle"
        limits = [f"^{without}"] if without is not None else []
        repos.run_git("bundle", "create", "--quiet", str(file), *(each for each in tips), *limits, cwd=clone)
        data = file.read_bytes()
        file.unlink()
        self.blobs.append((GIT_TYPE, data))
        self.repos.append(
            BundleRepo(
                name=name or clone.name,
                url=None,
                flakes=["."],
                branches=[
                    BundleBranch(
                        name=each,
                        tip=tip,
                        tree=repos.run_git("rev-parse", f"{tip}^{{tree}}", cwd=clone),
                        update=each in updates,
                    )
                    for each, tip in sorted(chosen.items())
                ],
                prerequisites=[without] if without is not None else [],
                blob=digest_of(data),
                size=len(data),
            )
        )

    def manifest(self) -> BundleManifest:
        """Return what the config blob says."""
        return BundleManifest(workspace="acme", flakesync="0", base=self.base, repos=self.repos, sources=self.sources)

    def write(self, place: Path, config: bytes | None = None) -> Path:
        """Write the bundle; config: another manifest in place of its own."""
        with LayoutWriter(place) as writer:
            layers = {data: Layer(kind, *writer.add(kind, [data])) for kind, data in self.blobs}
            writer.finish(msgspec.json.encode(self.manifest()) if config is None else config, list(layers.values()))
        return place


def digest_of(data: bytes) -> str:
    """Return the name of a blob."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def take(place: Path, root: Path, *, with_repos: bool = True) -> Imported:
    """Import a bundle into `root / "cache"` and `root / "git"`."""
    options = ImportOptions(root / "cache", root / "git" if with_repos else None)
    return import_bundle(place, options, {"PATH": ""})


def narinfos(root: Path) -> set[str]:
    """Return the names of the sources that Nix could see."""
    return {file.stem for file in (root / "cache").glob("*.narinfo")}


def stem_of(nar_hash: str) -> str:
    """Return the name of a source's narinfo without its ending."""
    return source_path(nar_hash).removeprefix("/nix/store/")[:32]


FLAKE = """\
{
  inputs.lib.url = "github:acme/lib";
  inputs.lib.flake = false;
  outputs = { lib, ... }: { v = builtins.readFile "${lib}/text"; };
}
"""


def raw_hash(clone: Path, rev: str) -> str:
    with Repository.open(clone) as repository:
        return nar_hash_of_tree(TreeContents(repository.reader), repository.reader.tree_of(Rev(rev)))


def lock_of(rev: str, nar_hash: str) -> str:
    lib = {"type": "github", "owner": "acme", "repo": "lib"}
    node = {"locked": {**lib, "rev": rev, "lastModified": 1, "narHash": nar_hash}, "original": lib, "flake": False}
    return json.dumps({"nodes": {"lib": node, "root": {"inputs": {"lib": "lib"}}}, "root": "root", "version": 7})


def bundle_of_app(folder: Path) -> tuple[Path, str]:
    """Write FOLDER/bundle.tar: the repo app, which takes lib, and the source of lib; return it with that narHash."""
    lib, app = folder / "clones" / "lib", folder / "clones" / "app"
    rev = repos.make_repo(lib, {"text": "from afar"})
    nar_hash = raw_hash(lib, rev)
    repos.make_repo(app, {"flake.nix": FLAKE, "flake.lock": lock_of(rev, nar_hash)})
    made = Made()
    made.add_repo(lib)
    made.add_repo(app)
    made.add_from(nar_hash, "lib", rev)
    return made.write(folder / "bundle.tar"), nar_hash


def bundle_of_one_repo(folder: Path) -> Made:
    """Return a bundle of one source and of the repo app, which has no inputs."""
    clone = folder / "clones" / "app"
    repos.make_repo(clone, {"flake.nix": "{ }"})
    made = Made()
    made.add(b"one")
    made.add_repo(clone)
    return made
