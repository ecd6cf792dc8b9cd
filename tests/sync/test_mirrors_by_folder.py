"""Mirrors that are folders of bare repositories, as an import leaves them: no network, and no Nix."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from flakesync.nix.lock.file import LockFile
from flakesync.nix.store.static_cache import StaticCache
from flakesync.nix.store.store_path import STORE_DIR
from tests.support import repos
from tests.support.forked import flakesync
from tests.support.nix import RealNix

FLAKE = "{{\n{inputs}  outputs = _: {{ }};\n}}\n"
DAY_S = 86_400
Json = dict[str, object]


class Side:
    """The disconnected side: bare repositories below `git`, a workspace that knows canonical addresses alone."""

    def __init__(self, root: Path, repos_of: Mapping[str, str], pin: str, *, flake: bool = False) -> None:
        """repos_of: name of each repo → the flake reference that it takes the pin by. flake: as a flake."""
        self.root = root
        self.manifest: dict[str, Json] = {
            "workspace": {"name": "acme", "author": "Bot <bot@example.com>"},
            "pins": {"up": {"source": pin}},
            "repos": {name: {"url": f"github:acme/{name}"} for name in repos_of},
            "mirrors": {"github:acme/": f"git+file://{root}/git/acme/", "github:up/": f"git+file://{root}/git/up/"},
            "sources": {"cache": "sources"},
        }
        self.upstream = root / "work" / "up"
        first = repos.make_repo(self.upstream, {"flake.nix": FLAKE.format(inputs="")})
        self.publish("up", "up/up")
        for name, reference in repos_of.items():
            kind, _, path = reference.partition(":")
            owner, _, repo = path.partition("/")
            node = {"type": kind, "owner": owner, "repo": repo}
            locked = {**node, "rev": first, "narHash": f"sha256-{'A' * 43}=", "lastModified": repos.DATE}
            lock = {
                "nodes": {
                    "root": {"inputs": {"up": "up"}},
                    "up": {**({} if flake else {"flake": False}), "locked": locked, "original": node},
                },
                "root": "root",
                "version": 7,
            }
            text = FLAKE.format(
                inputs=f'  inputs.up = {{ url = "{reference}"; {"" if flake else "flake = false; "}}};\n'
            )
            files = {"flake.nix": text, "flake.lock": json.dumps(lock, indent=2) + "\n"}
            repos.make_repo(root / "work" / name, files)
            self.publish(name, f"acme/{name}")

    def publish(self, name: str, place: str) -> None:
        """Put a repository where the mirrors are."""
        bare = self.root / "git" / place
        bare.parent.mkdir(parents=True, exist_ok=True)
        source = self.root / "work" / name
        if not bare.exists():
            repos.run_git("clone", "-q", "--bare", str(source), str(bare), cwd=self.root)
        repos.run_git("push", "-q", str(bare), "main", cwd=source)

    def move(self) -> str:
        """Let the upstream have a new commit; return it."""
        rev = repos.commit(self.upstream, {"new": "1\n"}, date=repos.DATE + DAY_S)
        self.publish("up", "up/up")
        return rev

    def run(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        (self.root / "workspace.toml").write_text(tomli_w.dumps(self.manifest))
        return flakesync(*argv, cwd=self.root, env=os.environ)

    def lock(self, name: str) -> LockFile:
        """Return the lock of the update branch."""
        for path in Path(os.environ["XDG_CACHE_HOME"], "flakesync", "mirrors").glob(f"*{name}*/"):
            text = repos.run_git("show", "flakesync/update:flake.lock", cwd=path)
            return LockFile.parse(text.encode())
        raise AssertionError(name)


def locked(lock: LockFile) -> Mapping[str, object]:
    node = lock.node(("up",))
    assert node is not None
    assert node.locked is not None
    return node.locked


def test_a_pin_on_github_moves_and_its_source_is_in_the_cache(tmp_path: Path) -> None:
    side = Side(tmp_path, {"app": "github:up/up"}, "github:up/up")
    rev = side.move()
    done = side.run("sync", "--dry-run", "--locker", "native")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "sources").exists()
    done = side.run("sync", "--locker", "native")
    assert done.returncode == 0, done.stdout + done.stderr
    node = locked(side.lock("app"))
    assert {key: node[key] for key in node.keys() - {"narHash"}} == {
        "type": "github", "owner": "up", "repo": "up", "rev": rev, "lastModified": repos.DATE + DAY_S,
    }  # fmt: skip
    cache = StaticCache(tmp_path / "sources", os.environ.get("NIX_STORE_DIR", STORE_DIR))
    assert cache.has(str(node["narHash"]))
    assert len([*(tmp_path / "sources").glob("*.narinfo")]) == 1

    drift = side.run("drift", "--offline", "--json")
    assert drift.returncode in (0, 1), drift.stderr


def test_what_no_mirror_tells_fails_its_repo_alone(tmp_path: Path) -> None:
    side = Side(tmp_path, {"app": "github:up/up", "odd": "sourcehut:~up/up"}, "github:up/up")
    side.manifest["pins"]["odd"] = {"source": "sourcehut:~up/up"}
    side.manifest["mirrors"]["sourcehut:~up/up"] = f"git+file://{tmp_path}/git/up/up"
    side.move()
    done = side.run("sync", "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    found = {each["repo"]: each for each in json.loads(done.stdout)["repos"]}
    assert found["app"]["status"] == "updated"
    assert found["odd"]["status"] == "failed"
    assert found["odd"]["error"]["code"] == "not-mirrored"


def test_update_branches_are_pushed_to_the_mirror_and_no_forge_is_asked(tmp_path: Path) -> None:
    side = Side(tmp_path, {"app": "github:up/up"}, "github:up/up")
    side.move()
    assert side.run("sync", "--locker", "native").returncode == 0
    done = side.run("publish", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    branches = repos.run_git("branch", "--format=%(refname:short)", cwd=tmp_path / "git/acme/app").split()
    assert "flakesync/update" in branches
    assert json.loads(done.stdout)["repos"][0]["pull"] is None, done.stdout


def test_a_cache_that_another_run_writes_to_is_said(tmp_path: Path) -> None:
    side = Side(tmp_path, {"app": "github:up/up"}, "github:up/up")
    side.move()
    with StaticCache(tmp_path / "sources").writing():
        done = side.run("sync", "--locker", "native")
    assert done.returncode == 2, done.stdout
    assert "cache-busy" in done.stderr


def test_doctor_tells_which_mirror_does_not_answer(tmp_path: Path) -> None:
    side = Side(tmp_path, {"app": "github:up/up"}, "github:up/up")
    side.manifest["mirrors"]["github:gone/gone"] = f"git+file://{tmp_path}/git/gone"
    side.manifest["mirrors"]["github:up/up"] = f"git+file://{tmp_path}/git/up/up"
    done = side.run("doctor", "--json")
    rows = {row["what"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["mirror of github:gone/gone"]["how"] == "fails"
    assert rows["mirrors"]["detail"] == "github:up/up: they answer"


def test_a_mirror_that_is_not_there_is_named_with_what_it_stands_for(tmp_path: Path) -> None:
    side = Side(tmp_path, {"app": "github:up/up"}, "github:up/up")
    side.manifest["mirrors"]["github:up/up"] = "git+file:///nowhere/up"
    done = side.run("drift")
    assert done.returncode == 2
    assert "file:///nowhere/up" in done.stderr
    assert "in place of https://github.com/up/up" in done.stderr


def test_what_has_no_mirror_and_cannot_be_reached_is_told_where_it_belongs(tmp_path: Path, use_nix: RealNix) -> None:
    side = Side(tmp_path, {"app": "github:up/up"}, "github:up/up", flake=True)
    inputs = '  inputs.far.url = "github:far/away";\n'
    repos.commit(side.upstream, {"flake.nix": FLAKE.format(inputs=inputs)}, date=repos.DATE + DAY_S)
    side.publish("up", "up/up")
    done = side.run("sync", "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    (app,) = json.loads(done.stdout)["repos"]
    assert app["error"]["code"] == "not-mirrored", app
    assert "[mirrors]" in app["error"]["hint"]


def test_a_cache_that_is_for_another_store_is_refused_before_anything_is_locked(tmp_path: Path) -> None:
    side = Side(tmp_path, {"app": "github:up/up"}, "github:up/up")
    side.move()
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "nix-cache-info").write_text("StoreDir: /other/store\n")
    done = side.run("sync", "--locker", "native")
    assert done.returncode == 2, done.stdout
    assert "other-store" in done.stderr
