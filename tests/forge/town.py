"""A workspace with a git server (bare repositories, file://), update branches without Nix, and a forge in memory."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import tomli_w

from flakesync.documents.pulls.publish import PublishDocument
from flakesync.git.repository import Repository
from flakesync.git.values import Signature
from flakesync.nix.lock.file import LockFile
from flakesync.publish.documents import publish_document
from flakesync.publish.publish import publish
from flakesync.survey.graph import RepoGraph
from flakesync.survey.read import read_graph
from flakesync.terms import PinName, RepoName, Rev
from flakesync.update.commit import message, write_update
from flakesync.workspace.manifest import Workspace, load_workspace
from tests.support import locks, repos
from tests.support.memory_forge import MemoryForge, MemoryServers

BRANCH = "flakesync/update"
OLD, NEW, NEWER = (Rev(locks.rev_of(word)) for word in ("old nixpkgs", "new nixpkgs", "newer nixpkgs"))
DATES = {OLD: 1_700_100_000, NEW: 1_700_200_000, NEWER: 1_700_300_000}
BOT = Signature("Bot", "bot@acme.example")


@dataclass
class Town:
    """Repos `NAME` of `root / "repos"`, cloned from `root / "server" / NAME.git`.

    names_branches: whether the locks say which branch an update commit is on, as those of `github:` inputs do not.
    """

    root: Path
    names: tuple[str, ...]
    forge: MemoryForge
    names_branches: bool = True

    @property
    def workspace(self) -> Workspace:
        """The manifest as it is now."""
        return load_workspace(self.root / "workspace.toml")

    @property
    def servers(self) -> MemoryServers:
        return MemoryServers(self.workspace, self.forge)

    @property
    def everything(self) -> frozenset[RepoName]:
        return frozenset(map(RepoName, self.names))

    def read(self) -> RepoGraph:
        """Return the graph at the update branches."""
        return read_graph(self.workspace, at="update")

    def publish(
        self,
        *names: str,
        servers: MemoryServers | None = None,
        jobs: int | None = None,
        reopen: bool = False,
        limit: int | None = None,
    ) -> PublishDocument:
        """Do what `flakesync publish` does, with all repos unless some are named."""
        workspace = self.workspace
        if jobs is not None:
            workspace = msgspec.structs.replace(workspace, jobs=jobs)
        selected = frozenset(map(RepoName, names)) if names else self.everything
        results = publish(workspace, self.read(), selected, servers or self.servers, reopen=reopen, limit=limit)
        return publish_document(results, workspace.branch)

    def clone(self, name: str) -> Path:
        return self.root / "repos" / name

    def server(self, name: str) -> Path:
        return self.root / "server" / f"{name}.git"

    def url(self, name: str) -> str:
        return f"file://{self.server(name)}"

    def ref(self, path: Path, ref: str = f"refs/heads/{BRANCH}") -> Rev | None:
        with Repository.open(path) as repository:
            return repository.ref(ref)

    def manifest(self, **tables: Mapping[str, object]) -> None:
        """Write the manifest. tables: more of it."""
        known = {name: {"url": f"git+{self.url(name)}", "path": f"repos/{name}"} for name in self.names}
        document = {
            "workspace": {"name": "acme", "jobs": 2},
            "publish": {"title": "flake.lock: update {pin} to {new}"},
            **tables,
            "repos": {**known, **tables.get("repos", {})},
        }
        (self.root / "workspace.toml").write_text(tomli_w.dumps(document))

    def updates(self, name: str) -> set[Rev | None]:
        """Return the tips of a repo's update branches, here and on its server."""
        return {self.ref(path) for path in (self.clone(name), self.server(name)) if path.exists()}

    def refuse_pushes(self, name: str) -> Path:
        """Let the server of a repo take no push any more, until the returned file is deleted."""
        hook = self.server(name) / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
        return hook

    def bump(self, name: str, **inputs: Rev) -> Rev:
        """Put an update commit on the update branch of a clone. inputs: where they go, nixpkgs or a repo."""
        with Repository.open(self.clone(name)) as repository:
            base = repository.branch("main")
            assert base is not None
            lock = LockFile.parse(repository.read(base, "flake.lock") or b"")
            dates = []
            for key, rev in inputs.items():
                node = lock.node((key,))
                assert node is not None
                assert node.locked is not None
                date = DATES.get(rev, 1_700_400_000)
                of_update = key != "nixpkgs" and rev in self.updates(key)
                more = {"ref": BRANCH} if of_update and self.names_branches else {}
                lock = lock.replace((key,), locked={**node.locked, "rev": rev, "lastModified": date, **more})
                dates.append(date)
            pins = {PinName("nixpkgs"): inputs["nixpkgs"]} if "nixpkgs" in inputs else {}
            text = message(f"run-{inputs.get('nixpkgs', 'none')[:6]}", ["• Updated"], pins)
            commit = write_update(repository, base, {"flake.lock": lock.to_bytes()}, text, BOT, dates)
            ref = f"refs/heads/{BRANCH}"
            repository.update_ref(ref, commit, old=repository.ref(ref), message="test")
        return commit

    def bump_all(self, nixpkgs: Rev = NEW) -> dict[str, Rev]:
        """Bump every repo, each to the update commits of those it takes."""
        commits: dict[str, Rev] = {}
        for name in self.names:
            with Repository.open(self.clone(name)) as repository:
                base = repository.branch("main")
                assert base is not None
                names = {found for found, _ in LockFile.parse(repository.read(base, "flake.lock") or b"").root_inputs()}
            commits[name] = self.bump(name, nixpkgs=nixpkgs, **{up: commits[up] for up in names & commits.keys()})
        return commits


def make_town(
    root: Path,
    takes: Mapping[str, Sequence[str]],
    *,
    refs: Mapping[str, str] | None = None,
    chosen: AbstractSet[str] = frozenset(),
) -> Town:
    """Make a town. takes: repo → the repos that it takes, which come earlier; every repo also takes nixpkgs.

    refs: the branches or tags by which repos are taken, if not the default branch. chosen: repos that are taken at a
    commit that flake.nix names.
    """
    town = Town(root, tuple(takes), MemoryForge(root / "server"))
    tips: dict[str, str] = {}
    for name, upstreams in takes.items():
        inputs = {"nixpkgs": locks.github("NixOS", "nixpkgs", ref="nixos-25.11", rev=OLD, last_modified=DATES[OLD])}
        inputs |= {up: _taken(town.url(up), tips[up], (refs or {}).get(up), up in chosen) for up in upstreams}
        files = {"flake.nix": "{ outputs = _: { }; }\n", "flake.lock": locks.to_bytes(locks.lock(inputs)).decode()}
        tips[name] = repos.make_repo(town.clone(name), files)
        repos.clone_to_server(town.clone(name), town.server(name), town.url(name))
    town.manifest()
    return town


def _taken(url: str, rev: str, ref: str | None, chosen: bool) -> locks.Input:
    found = locks.git(url, rev=rev, ref=ref) if ref is not None else locks.git(url, rev=rev)
    return replace(found, original={**found.original, "rev": rev}) if chosen else found
