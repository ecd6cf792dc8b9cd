"""A workspace with a git server (bare repositories, file://), update branches without Nix, and a forge in memory."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path

import tomli_w

from flakesync.forge.hosts import Servers
from flakesync.forge.model import (
    Forge,
    ForgeError,
    ForgeKind,
    MergeMethod,
    NewPull,
    Project,
    Pull,
    Standing,
)
from flakesync.git.repository import Repository
from flakesync.git.values import Signature
from flakesync.nix.lock.file import LockFile
from flakesync.survey.graph import RepoGraph
from flakesync.survey.read import read_graph
from flakesync.terms import PinName, RepoName, Rev
from flakesync.update.commit import message, write_update
from flakesync.workspace.manifest import Workspace, load_workspace
from flakesync.workspace.model import Repo
from tests.support import locks, repos

BRANCH = "flakesync/update"
OLD, NEW, NEWER = (Rev(locks.rev_of(word)) for word in ("old nixpkgs", "new nixpkgs", "newer nixpkgs"))
DATES = {OLD: 1_700_100_000, NEW: 1_700_200_000, NEWER: 1_700_300_000}
BOT = Signature("Bot", "bot@acme.example")


@dataclass
class MemoryForge:
    """A forge that lives in the test. It reads heads from the bare repositories in `root`, as a real one would.

    calls: (what, project, more). fail: (what, project) → the error that is raised before anything is done.
    """

    root: Path
    kind: ForgeKind = "github"
    pulls: dict[str, list[Pull]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    fail: dict[tuple[str, str], ForgeError] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    depends: dict[str, list[str]] = field(default_factory=dict)

    def _call(self, what: str, project: Project) -> None:
        self.calls.append((what, project.path))
        if (what, project.path) in self.fail:
            raise self.fail[what, project.path]

    def _head(self, project: Project, branch: str) -> Rev | None:
        with Repository.open(self.root / f"{project.path}.git") as repository:
            return repository.ref(f"refs/heads/{branch}")

    def _now(self, project: Project, pull: Pull) -> Pull:
        head = self._head(project, pull.head_branch) if pull.state == "open" else None
        return replace(pull, head=head) if head is not None else pull

    def put(self, project: Project, pull: Pull) -> Pull:
        """Set a pull request, as a person in a browser would."""
        pull = self._now(project, pull)
        self.pulls[project.path][pull.number - 1] = pull
        return pull

    def one(self, name: str) -> Pull:
        """Return the only pull request of a project."""
        (pull,) = self.pulls[name]
        return pull

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        self._call("find", project)
        found = [self._now(project, pull) for pull in reversed(self.pulls.get(project.path, []))]
        found = [pull for pull in found if (pull.head_branch, pull.base_branch) == (head, base)]
        return next((pull for pull in found if pull.state == "open"), found[0] if found else None)

    def create(self, project: Project, new: NewPull) -> Pull:
        self._call("create", project)
        mine = self.pulls.setdefault(project.path, [])
        head = self._head(project, new.head_branch)
        assert head is not None, "the branch has to be pushed first"
        pull = Pull(
            number=len(mine) + 1, url=f"https://forge.test/{project.path}/pull/{len(mine) + 1}", state="open",
            title=new.title, body=new.body, head=head, head_branch=new.head_branch, base_branch=new.base_branch,
            draft=new.draft, labels=new.labels,
        )  # fmt: skip
        mine.append(pull)
        return pull

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        self._call("update", project)
        return self.put(project, replace(pull, title=title, body=body))

    def dress(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        self._call("dress", project)
        return self.put(project, replace(pull, labels=tuple(dict.fromkeys([*pull.labels, *labels]))))

    def reopen(self, project: Project, pull: Pull) -> Pull:
        self._call("reopen", project)
        return self.put(project, replace(pull, state="open"))

    def close(self, project: Project, pull: Pull, *, body: str | None = None) -> Pull:
        self._call("close", project)
        return self.put(project, replace(pull, state="closed", body=pull.body if body is None else body))

    def get(self, project: Project, number: int) -> Pull:
        self._call("get", project)
        return self._now(project, self.pulls[project.path][number - 1])

    def standing(self, project: Project, pull: Pull) -> Standing:
        self._call("standing", project)
        return self.standings.get(project.path, Standing("none", "none"))

    def merge(self, project: Project, pull: Pull, *, head: Rev, method: MergeMethod) -> Pull:
        raise AssertionError("not here")

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        self._call("depend", project)
        self.depends[project.path] = [upstream.url for _, upstream in on]

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        return f"https://{project.host}/{project.path}/compare/{old}...{new}"


class TownServers(Servers):
    """Every repo of the town is on the one forge, or on none."""

    def __init__(self, workspace: Workspace, forge: Forge | None) -> None:
        super().__init__(workspace, {})
        self._forge = forge

    def for_repo(self, repo: Repo, url: str | None = None) -> tuple[Forge | None, Project]:
        identity = repo.url.identity if repo.url is not None else None
        if identity is not None and identity.host:
            return super().for_repo(repo, url)
        return self._forge, Project("forge.test", str(repo.name))


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
    def servers(self) -> TownServers:
        return TownServers(self.workspace, self.forge)

    @property
    def everything(self) -> frozenset[RepoName]:
        return frozenset(map(RepoName, self.names))

    def read(self) -> RepoGraph:
        """Return the graph at the update branches."""
        return read_graph(self.workspace, at="update")

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
        repos.clone_bare(town.clone(name), town.server(name))
        repos.run_git("remote", "add", "origin", town.url(name), cwd=town.clone(name))
        repos.run_git("fetch", "-q", "origin", cwd=town.clone(name))
    town.manifest()
    return town


def _taken(url: str, rev: str, ref: str | None, chosen: bool) -> locks.Input:
    found = locks.git(url, rev=rev, ref=ref) if ref is not None else locks.git(url, rev=rev)
    return replace(found, original={**found.original, "rev": rev}) if chosen else found
