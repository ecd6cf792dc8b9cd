"""A workspace whose locks are written by hand: any source, in any way that a lock can name it."""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import tomli_w

from flakesync.bundle.layout.reader import open_layout
from flakesync.bundle.send.by_disk import disk_nar
from flakesync.bundle.send.by_git import Tree, tree_nar
from flakesync.cli.main import run
from flakesync.documents.airgap.bundled import Bundled
from flakesync.documents.airgap.manifest import BundleManifest
from flakesync.nix.store.narhash import sri
from flakesync.terms import Rev
from tests.support import locks, repos

Json = dict[str, object]
FLAKE = "{ outputs = _: { }; }\n"


def hash_of_commit(repository: Path, rev: str, tree: Tree = "raw") -> str:
    """Return the narHash of a commit."""
    return _hash(tree_nar(repository, Rev(rev), tree))


def hash_of_disk(path: Path) -> str:
    """Return the narHash of a folder or a file."""
    return _hash(disk_nar(path))


def _hash(pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return sri(digest.digest())


@dataclass
class Sender:
    """Repos below `root / "repos"`, of which the manifest lists those that `add` was told to, and `[mirrors]`."""

    root: Path
    listed: dict[str, Json] = field(default_factory=dict)
    mirrors: dict[str, str] = field(default_factory=dict)

    def clone(self, name: str) -> Path:
        return self.root / "repos" / name

    def add(self, name: str, files: repos.Files | None = None, *, listed: bool = True) -> str:
        """Make a repository with one commit; return the commit."""
        if listed:
            self.listed[name] = {"path": f"repos/{name}", "url": f"git+https://git.example/acme/{name}"}
        return repos.make_repo(self.clone(name), {"flake.nix": FLAKE, **(files or {})})

    def take(self, name: str, inputs: Mapping[str, Json], message: str = "Lock") -> str:
        """Commit a lock with these `locked` attributes."""
        lock = locks.to_bytes(locks.lock({each: locks.Input(node, _original(node)) for each, node in inputs.items()}))
        return repos.commit(self.clone(name), {"flake.lock": lock.decode()}, message=message)

    def node(self, name: str, rev: str, tree: Tree = "raw", **more: object) -> Json:
        """Return what a lock says of a commit of a listed repo."""
        url = f"https://git.example/acme/{name}"
        return self._git(url, name, rev, tree) | more

    def elsewhere(self, name: str, rev: str, tree: Tree = "raw", **more: object) -> Json:
        """Return what a lock says of a commit of a repository that is known by its folder alone."""
        return self._git(f"file://{self.clone(name)}", name, rev, tree) | more

    def _git(self, url: str, name: str, rev: str, tree: Tree) -> Json:
        hash = hash_of_commit(self.clone(name), rev, tree)
        return {"type": "git", "url": url, "ref": "refs/heads/main", "rev": rev, "narHash": hash,
                "lastModified": repos.DATE, "revCount": 1}  # fmt: skip

    def write(self) -> Path:
        """Write the manifest; return its path."""
        file = self.root / "workspace.toml"
        file.write_text(tomli_w.dumps({"workspace": {"name": "acme"}, "repos": self.listed, "mirrors": self.mirrors}))
        return file

    def fails(self, place: str, *argv: str) -> None:
        """Run the command, which cannot be begun."""
        assert self._run(place, *argv)[0] == 2

    def bundle(self, place: str, *argv: str, status: int = 0) -> Bundled:
        """Run the command in this process; return its document."""
        ended, data = self._run(place, *argv)
        assert ended == status, data.decode()
        return msgspec.json.decode(data, type=Bundled)

    def _run(self, place: str, *argv: str) -> tuple[int, bytes]:
        self.write()
        out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        with contextlib.redirect_stdout(out):
            ended = run(
                [
                    "bundle",
                    "-w",
                    str(self.root / "workspace.toml"),
                    "-o",
                    str(self.root / place),
                    "--json",
                    "--local",
                    *argv,
                ]
            )
        return ended, out.buffer.getvalue()

    def manifest(self, place: str) -> BundleManifest:
        """Return the manifest in a bundle."""
        with contextlib.closing(open_layout(self.root / place)) as layout:
            return msgspec.json.decode(layout.config, type=BundleManifest)


def _original(node: Json) -> Json:
    kept = ("type", "url", "ref", "owner", "repo", "path", "id", "submodules")
    return {key: json.loads(json.dumps(node[key])) for key in kept if key in node}
