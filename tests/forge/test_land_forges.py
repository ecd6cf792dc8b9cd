"""Sync, publish and land on each kind of forge, over TLS, in a network where they have their real names.

In the end a Nix with an empty store fetches every lock on every base, when all update branches are gone.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from flakesync.demo.forge import pulls
from flakesync.demo.forge.model import Kind
from flakesync.demo.forge.web.messages import Answer, Request
from tests.support import repos
from tests.support.forge.faults import Action, Perform
from tests.support.forge.world import NO_INPUTS, TOKEN, Json, World, make_world
from tests.support.nix import RealNix

UPDATE = "flakesync/update"
NIXPKGS = "github:NixOS/nixpkgs/nixos-25.11"
HOSTS: dict[Kind, str] = {"github": "github.com", "gitlab": "gitlab.com", "forgejo": "codeberg.org"}
DAY_S = 86_400


@dataclass(frozen=True)
class Place:
    """A repo: the kind of forge it lies on, the repos that it takes, and whether git reaches it over ssh."""

    kind: Kind
    takes: tuple[str, ...] = ()
    ssh: bool = False

    def url(self, name: str, ref: str = "") -> str:
        """Return the reference that others take it by, and the manifest knows it by."""
        if self.ssh:
            return f"git+ssh://git@{HOSTS[self.kind]}/acme/{name}{ref}"
        if self.kind == "forgejo":
            return f"git+https://codeberg.org/acme/{name}{ref}"
        return f"{self.kind}:acme/{name}"


def flake(name: str, inputs: Mapping[str, str]) -> dict[str, str]:
    lines = "".join(f'  inputs.{each}.url = "{url}";\n' for each, url in inputs.items())
    return {"flake.nix": f'{{\n  description = "{name}";\n{lines}  outputs = _: {{ }};\n}}\n'}


@contextlib.contextmanager
def opened(root: Path, nix: RealNix, places: Mapping[str, Place], method: str) -> Iterator[World]:
    """Give a world with these repos, whose nixpkgs has moved on."""
    with make_world(root, nix, [(host, kind) for kind, host in HOSTS.items()]) as world:
        world.env = {**world.env, "GITHUB_TOKEN": TOKEN, "GITLAB_TOKEN": TOKEN, "FORGEJO_TOKEN": TOKEN}
        nixpkgs = world.forge.site("github.com").create("NixOS/nixpkgs", branch="nixos-25.11")
        world.add("nixpkgs", nixpkgs, "https://github.com/NixOS/nixpkgs", {"flake.nix": NO_INPUTS}, lock=False)
        table: Json = {}
        for number, (name, place) in enumerate(places.items()):
            project = world.forge.site(HOSTS[place.kind]).create(f"acme/{name}")
            inputs = {"nixpkgs": NIXPKGS, **{each: places[each].url(each, "?ref=main") for each in place.takes}}
            world.add(name, project, f"https://{HOSTS[place.kind]}/acme/{name}", flake(name, inputs))
            # Some repos have clones, but only what is published counts.
            table[name] = {"url": place.url(name)} | ({"path": f"repos/{name}"} if number % 2 else {})
        world.manifest = {
            "workspace": {"name": "acme", "jobs": 2},
            "pins": {"nixpkgs": {"source": NIXPKGS}},
            "publish": {"merge-method": method, "labels": ["flake-lock"]},
            "repos": table,
        }
        repos.commit(world.clone("nixpkgs"), {"new.txt": "new"}, date=repos.DATE + DAY_S)
        world.git("nixpkgs", "push", "-q", "origin", "nixos-25.11")
        yield world


def statuses(document: Json, field: str = "status") -> dict[str, str]:
    found = document["repos"]
    assert isinstance(found, list)
    return {outcome["repo"]: outcome[field] for outcome in found}


def assert_landed(world: World, places: Mapping[str, Place]) -> None:
    """There is no drift, no update branch, and every lock of every base can be fetched by a cold Nix."""
    for name, place in places.items():
        world.manifest["repos"][name] = {"url": place.url(name)}  # clones have yet to be pulled
    assert world.flakesync("drift")["findings"] == []
    with world.cold() as env:
        for name, place in places.items():
            storage = world.forge.site(HOSTS[place.kind]).projects[f"acme/{name}"].storage
            assert UPDATE not in storage.branches(), name
            folder = world.root / "bases" / name
            repos.run_git("clone", "-q", str(storage.path), str(folder), cwd=world.root)
            world.run_nix("flake", "archive", "--no-update-lock-file", cwd=folder, env=env)


CHAIN = ("lib", "app", "site")


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        pytest.param("github", "merge", marks=pytest.mark.slow),
        pytest.param("github", "squash", marks=pytest.mark.slow),
        ("github", "rebase"),
        pytest.param("gitlab", "merge", marks=pytest.mark.slow),
        pytest.param("gitlab", "squash", marks=pytest.mark.slow),
        pytest.param("forgejo", "merge", marks=pytest.mark.slow),
        pytest.param("forgejo", "squash", marks=pytest.mark.slow),
        pytest.param("forgejo", "rebase", marks=pytest.mark.slow),
    ],
)
def test_a_set_lands_on_each_forge(any_nix: RealNix, tmp_path: Path, kind: Kind, method: str) -> None:
    places = {"lib": Place(kind), "app": Place(kind, ("lib",)), "site": Place(kind, ("app", "lib"))}
    with opened(tmp_path, any_nix, places, method) as world:
        assert set(statuses(world.flakesync("sync")).values()) == {"updated"}
        assert set(statuses(world.flakesync("publish")).values()) == {"opened"}
        assert statuses(world.flakesync("land")) == dict.fromkeys(CHAIN, "landed")
        # The clone of app still has the branch that was published, which another one has taken the place of.
        again = world.flakesync("publish", statuses=(1,))
        assert statuses(again, "reason") == dict.fromkeys(CHAIN, "no-update") | {"app": "stale"}
        assert_landed(world, places)
        for name in CHAIN:
            (pull,) = world.forge.site(HOSTS[kind]).projects[f"acme/{name}"].pulls
            assert pull.state == "merged"
            assert "Depends-On" in pull.body or name == "lib"
        assert statuses(world.flakesync("land")) == {}


def test_a_set_lands_over_three_forges_while_people_merge_and_commit(any_nix: RealNix, tmp_path: Path) -> None:
    places = {
        "lib": Place("github"),
        "tool": Place("gitlab", ("lib",)),
        "app": Place("forgejo", ("lib",)),
        "site": Place("github", ("tool", "app")),
    }
    with opened(tmp_path, any_nix, places, "squash") as world:
        world.flakesync("sync")
        world.flakesync("publish")
        # Somebody merges the last one first, and somebody else commits to a base.
        storage = world.forge.site("github.com").projects["acme/site"].storage
        tip, base = storage.branch(UPDATE), storage.branch("main")
        assert tip is not None
        assert base is not None
        storage.set_branch("main", storage.merge(base, tip, "squash", "By hand"), base)
        repos.commit(world.clone("app"), {"news.txt": "news"}, date=repos.DATE + 2 * DAY_S, message="News")
        world.git("app", "push", "-q", "origin", "main")
        site = world.forge.site("gitlab.com").projects["acme/tool"]
        tool = site.storage.branch(UPDATE)
        document = world.flakesync("land", "--no-merge")
        assert statuses(document) == dict.fromkeys(places, "waiting")
        assert site.storage.branch(UPDATE) == tool
        assert statuses(world.flakesync("land", "--wait", "--timeout", "2m")) == dict.fromkeys(places, "landed")
        assert_landed(world, places)
        assert [pull.state for pull in site.pulls] == ["merged"]


def see_pushes(world: World) -> Action:
    """Return what a forge does whose repositories are also pushed to past it: before it answers, it looks."""

    def look(_: Request, perform: Perform) -> Answer:
        for site in world.forge.sites.values():
            with site.lock:
                for project in site.projects.values():
                    pulls.after_push(site, project)
        return perform()

    return look


@pytest.mark.parametrize(("kind", "locker"), [("gitlab", "auto"), ("forgejo", "nix")])
def test_a_set_whose_repos_are_reached_over_ssh_lands(
    any_nix: RealNix, tmp_path: Path, kind: Kind, locker: str
) -> None:
    places = {
        "lib": Place(kind, ssh=True),
        "app": Place(kind, ("lib",), ssh=True),
        "site": Place(kind, ("app", "lib"), ssh=True),
    }
    with opened(tmp_path, any_nix, places, "squash") as world:
        world.forge.faults.add(see_pushes(world), path="^/api/", times=None)
        assert set(statuses(world.flakesync("sync", "--locker", locker)).values()) == {"updated"}
        assert set(statuses(world.flakesync("publish")).values()) == {"opened"}
        document = world.flakesync("land", "--locker", locker)
        assert statuses(document) == dict.fromkeys(CHAIN, "landed")
        assert document["locker"] == ("native" if locker == "auto" else f"nix {any_nix.full_version}")
        assert_landed(world, places)
        log = (tmp_path / "ssh/ssh.log").read_text().splitlines()
        for name in CHAIN:
            storage = world.forge.site(HOSTS[kind]).projects[f"acme/{name}"].storage
            assert f"{HOSTS[kind]} git-receive-pack '/acme/{name}'" in log
            locked = json.loads(storage.git("show", "main:flake.lock"))["nodes"]
            for taken in places[name].takes:
                node = locked[taken]["locked"]
                url = f"ssh://git@{HOSTS[kind]}/acme/{taken}"
                assert (node["type"], node["url"], node["ref"].removeprefix("refs/heads/")) == ("git", url, "main")
