"""The example workspace lands on each kind of forge, and on three at once, while people merge and commit in between.

Over TLS, in a network where the forges have their real names. In the end a Nix with an empty store fetches what the
locks of all bases name, when all update branches are gone.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tomli

from flakesync.demo.build import build_workspace, manifest_tables
from flakesync.demo.forge import pulls
from flakesync.demo.forge.model import Kind, Project, Pull, Site
from flakesync.terms import RepoName
from tests.support import repos
from tests.support.forge.client import HOSTS, TOKEN, Client
from tests.support.forge.world import Json, World, make_world
from tests.support.nix import RealNix

UPDATE = "flakesync/update"
PERSON = "token-of-alex"
STAYS = "style"
MOVED = {"lib", "core", "docs-theme", "api", "cli", "fleet", "site"}
NOW = 1_800_000_000


@dataclass(frozen=True)
class Way:
    """Where the repos lie, and how they are merged.

    kinds: of the forge of each repo. method: in the manifest. allowed: by kind, what projects allow, the default first.
    merged_by: by kind, how the forge then merges. person: the method that somebody merges by.
    """

    kinds: Mapping[str, Kind]
    method: str
    merged_by: Mapping[Kind, str]
    person: str
    allowed: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)

    def address(self, name: RepoName) -> str:
        """Return the flake reference of a repo."""
        if name == "nixpkgs":
            return "github:NixOS/nixpkgs"
        kind = self.kinds[name]
        return f"git+https://{HOSTS[kind]}/acme/{name}" if kind == "forgejo" else f"{kind}:acme/{name}"


def on_one(kind: Kind, method: str, person: str) -> Way:
    return Way(dict.fromkeys((*MOVED, STAYS), kind), method, {kind: method}, person)


MIXED = Way(
    {
        **dict.fromkeys(("lib", "style", "core"), "forgejo"),
        **dict.fromkeys(("docs-theme", "site"), "github"),
        **dict.fromkeys(("api", "cli", "fleet"), "gitlab"),
    },
    method="default",
    merged_by={"forgejo": "rebase-merge", "github": "squash", "gitlab": "fast-forward"},
    person="merge",
    allowed={"forgejo": ("rebase-merge",), "github": ("squash",), "gitlab": ("fast-forward",)},
)


@dataclass(frozen=True)
class Acme:
    """The workspace, known by its addresses alone."""

    world: World
    way: Way

    def site(self, name: str) -> Site:
        """Return the site that a repo lies on."""
        return self.world.forge.site(HOSTS[self.way.kinds[name]])

    def project(self, name: str) -> Project:
        """Return what its site knows of a repo."""
        return self.site(name).projects[f"acme/{name}"]

    def run(self, command: str, status: int = 0) -> dict[str, str]:
        """Run a command of flakesync that has to end with a status, and return what became of each repo."""
        found = self.world.flakesync(command, statuses=[status])["repos"]
        assert isinstance(found, list)
        return {outcome["repo"]: outcome["status"] for outcome in found}

    def locks(self) -> Iterator[tuple[str, list[Json]]]:
        """Give a flake reference and what is locked, for each lock on each base."""
        for name in self.way.kinds:
            storage = self.project(name).storage
            for file in storage.git("ls-tree", "-r", "--name-only", "main").splitlines():
                folder, _, last = file.rpartition("/")
                if last == "flake.lock":
                    nodes = json.loads(storage.git("show", f"main:{file}"))["nodes"].values()
                    address = self.way.address(RepoName(name)) + "?ref=main" + (f"&dir={folder}" if folder else "")
                    yield address, [node["locked"] for node in nodes if "locked" in node]


@contextmanager
def opened(root: Path, nix: RealNix, way: Way) -> Iterator[Acme]:
    """Give the workspace as it is before the first sync."""
    with make_world(root, nix, [(host, kind) for kind, host in HOSTS.items()]) as world:
        world.env = {**world.env, "GITHUB_TOKEN": TOKEN, "GITLAB_TOKEN": TOKEN, "FORGEJO_TOKEN": TOKEN}
        build_workspace(root / "repos", way.address)
        put(world, "NixOS/nixpkgs", world.clone("nixpkgs"), "github", way)
        for name, kind in way.kinds.items():
            put(world, f"acme/{name}", world.clone(name), kind, way)
        tables = tomli.loads(manifest_tables(way.address, checks=False))
        for table in tables["repos"].values():
            del table["path"]
        tables["workspace"]["propagate"] = "always"  # so that many are made anew on what landed
        world.manifest = {**tables, "publish": {"merge-method": way.method, "labels": ["flake-lock"]}}
        yield Acme(world, way)


def put(world: World, path: str, made: Path, kind: Kind, way: Way) -> None:
    """Put a repository on its site, with all its branches."""
    site = world.forge.site(HOSTS[kind])
    site.thinks_for = 0  # a second of waiting for each merge, which small workspaces show as well
    site.add_account(PERSON, "alex")
    head = (made / ".git/HEAD").read_text().strip().removeprefix("ref: refs/heads/")
    project = site.create(path, branch=head)
    project.methods = way.allowed.get(kind, project.methods)
    for folder in ("objects", "refs"):
        shutil.copytree(made / ".git" / folder, project.storage.path / folder, dirs_exist_ok=True)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(on_one("github", "merge", person="squash"), id="github-merge", marks=pytest.mark.slow),
        pytest.param(on_one("gitlab", "squash", person="merge"), id="gitlab-squash", marks=pytest.mark.slow),
        pytest.param(on_one("forgejo", "rebase", person="merge"), id="forgejo-rebase", marks=pytest.mark.slow),
        pytest.param(MIXED, id="mixed", marks=pytest.mark.slow),
    ],
)
def test_the_example_workspace_lands(any_nix: RealNix, tmp_path: Path, way: Way) -> None:
    with opened(tmp_path, any_nix, way) as acme:
        assert acme.run("sync") == dict.fromkeys(MOVED, "updated") | {STAYS: "unchanged"}
        assert acme.run("publish") == dict.fromkeys(MOVED, "opened") | {STAYS: "skipped"}
        core = acme.project("core")
        core.pulls[0].draft = True
        first = dict.fromkeys(MOVED, "waiting") | {"lib": "landed", "docs-theme": "landed"}
        assert acme.run("land", status=4) == first
        # The first one that waits is made anew once more, and one is merged that takes it.
        core.pulls[0].draft = False
        repinned = core.pulls[0].head_rev
        commit_to(acme.site("core"), core)
        merge_as_a_person(acme, "api")
        assert acme.run("land") == dict.fromkeys(MOVED - {"lib", "docs-theme"}, "landed")
        assert core.pulls[0].head_rev != repinned
        assert core.storage.git("show", "main:news.txt") == "news"
        assert acme.world.flakesync("drift")["findings"] == []
        assert_merged(acme)
        named = dict(acme.locks())
        assert_only_bases_are_named(acme, named)
        fetch_cold(acme, named)


def commit_to(site: Site, project: Project) -> None:
    """Put somebody's commit on the base, as a push does."""
    with site.lock:
        repos.commit(project.storage.path, {"news.txt": "news"}, branch="main", date=NOW, message="News")
        pulls.after_push(site, project)


def merge_as_a_person(acme: Acme, name: str) -> None:
    site = acme.site(name)
    port = acme.world.forge.open_port(site.host)
    client = Client(acme.world.forge, site, acme.project(name), port, PERSON)
    assert client.merge(acme.way.person).status == 200
    assert acme.project(name).pulls[0].merged_by == site.accounts[PERSON]


def assert_merged(acme: Acme) -> None:
    """One pull request of each repo was merged, by its forge's method, and a second one of what a person merged."""
    for name in MOVED:
        project = acme.project(name)
        assert [pull.state for pull in project.pulls] == (["merged"] * 2 if name == "api" else ["merged"]), name
        assert merged_by(project, project.pulls[-1]) == acme.way.merged_by[acme.way.kinds[name]], name
    assert acme.project(STAYS).pulls == []


def merged_by(project: Project, pull: Pull) -> str:
    """Return the method that a pull request was merged by."""
    assert pull.merged_rev is not None
    if pull.squash_commit is not None:
        return "squash"
    if pull.merged_rev == pull.head_rev:
        return "fast-forward"
    parents = project.storage.parents(pull.merged_rev)
    if len(parents) == 1:
        return "rebase"
    return "merge" if pull.head_rev in parents else "rebase-merge"


def assert_only_bases_are_named(acme: Acme, named: Mapping[str, list[Json]]) -> None:
    """There is no update branch, and all that is locked is on the branches that are left."""
    projects = {
        project.name: project.storage for site in acme.world.forge.sites.values() for project in site.projects.values()
    }
    assert {*projects} == {*MOVED, STAYS, "nixpkgs"}
    branches = {name: storage.branches() for name, storage in projects.items()}
    assert {branch for found in branches.values() for branch in found} == {
        "main", "stable", "nixos-25.11", "nixos-unstable"
    }  # fmt: skip
    for flake, locked in named.items():
        for node in locked:
            assert UPDATE not in str(node.get("ref")), flake
            name, rev = str(node.get("repo") or node["url"]).rpartition("/")[2], str(node["rev"])
            assert any(projects[name].is_ancestor(rev, tip) for tip in branches[name].values()), (flake, node)


def fetch_cold(acme: Acme, named: Mapping[str, list[Json]]) -> None:
    """Let a Nix that knows nothing fetch what all locks of all bases name; it checks each hash.

    A lock that names nothing more than the ones before it is not fetched again.
    """
    assert len(named) == len(acme.way.kinds) + 1  # core has two
    fetched: set[str] = set()
    with acme.world.cold() as env:
        for flake in sorted(named, key=lambda flake: -len(named[flake])):
            nodes = {json.dumps(node, sort_keys=True) for node in named[flake]}
            if not nodes <= fetched:
                argv = ("flake", "archive", "--no-update-lock-file", flake)
                acme.world.run_nix(*argv, cwd=acme.world.root, env=env)
                fetched |= nodes
