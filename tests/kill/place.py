"""A workspace on a forge, with all that a run of it touches below one folder: saved, put back, looked at, compared.

Three repos in a chain on the example forge, known by https: `lib` by its address alone, so that it is mirrored, and
clones of `app` and `site` with work of a person in them: another branch, changes in the index and beside it, a stash.
Locks are made without Nix, and every update passes a check, in a worktree.
"""

import copy
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pygit2
import pytest
import tomli_w

from flakesync.demo.forge.model import Kind, Project
from flakesync.demo.forge.web.certificates import Certificates
from tests.conftest import environment, make_home
from tests.kill.tracer import Mode, Order, Traced
from tests.support import forked, repos
from tests.support.forge.client import HOSTS
from tests.support.forge.forge import Forge
from tests.support.forge.landing import Hosted, make_hosted
from tests.support.nixspace import contents
from tests.support.repos import run_git

CHAIN = {"lib": (), "app": ("lib",), "site": ("app", "lib")}
CLONED = ("app", "site")
PATIENCE_S = 300

# What is flakesync's, or git's own, in a user's clone: all the rest is the user's, to the byte.
_OURS = ("/.git/objects/", "/.git/worktrees/", "/.git/refs/remotes/", "/.git/refs/flakesync/", "/.git/packed-refs/",
         "/.git/logs/refs/remotes/", "/flakesync/")  # fmt: skip

# Python's own: with such a file it finds out which folder is fit for temporary ones.
_PROBE = re.compile(r"[a-z0-9_]{8}")

Refs = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Look:
    """What counts in the end. refs: of each repository, by its folder. users: the files of a person.

    left: names of files in the cache and in the folder of temporary files, and lock files anywhere.
    """

    refs: Refs
    users: dict[str, bytes]
    pulls: dict[str, list[tuple[object, ...]]]
    left: list[str]


@dataclass
class Place:
    """The workspace. env: of every command that works on it."""

    top: Path
    hosted: Hosted
    env: dict[str, str]
    _projects: dict[str, Project] = field(default_factory=dict)
    _numbers: tuple[Iterator[int], float] = (iter(()), 0.0)

    @property
    def root(self) -> Path:
        """The folder that all is below."""
        return self.top / "acme"

    @property
    def work(self) -> Path:
        """The folder of the manifest and of the clones."""
        return self.root / "work"

    def run(self, *argv: str, number: int = 0, mode: Mode = "run") -> tuple["subprocess.CompletedProcess[str]", Traced]:
        """Run a command, cut off at a moment (0: at none); return what it did, and what was seen of it."""
        order = Order(number, mode, str(self.root))
        ran = forked.traced(*argv, cwd=self.work, env=self.env, order=order, timeout_s=PATIENCE_S)
        self._settle()
        return ran

    def must(self, *argv: str) -> None:
        """Run a command that ends with 0."""
        ran = forked.flakesync(*argv, cwd=self.work, env=self.env)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        self._settle()

    def move_pin(self) -> None:
        """Let what all repos pin move on."""
        repos.commit(self.work / "space/nixpkgs", {"more": "more\n"}, date=repos.DATE + 200 * 3600)

    def let_time_pass(self) -> None:
        """Let temporary folders be older than any that a run is about to lock."""
        for folder in (self.root / "tmp").iterdir():
            os.utime(folder, (repos.DATE, repos.DATE))

    def save(self) -> None:
        """Keep all as it is now, for `put_back`."""
        shutil.rmtree(self.top / "saved", ignore_errors=True)
        subprocess.run(["cp", "-a", self.root, self.top / "saved"], check=True)
        site = self.hosted.site
        self._projects, self._numbers = copy.deepcopy(site.projects), (copy.copy(site.ids), site.now)

    def put_back(self) -> None:
        """Make all as it was when it was saved, the forge's memory too."""
        shutil.rmtree(self.root)
        subprocess.run(["cp", "-a", self.top / "saved", self.root], check=True)
        site = self.hosted.site
        site.projects = copy.deepcopy(self._projects)
        site.ids, site.now = copy.copy(self._numbers[0]), self._numbers[1]

    def repositories(self) -> Iterator[Path]:
        """Give every repository there is: of the forge, clones, and those in the cache that are complete."""
        yield from sorted(self.hosted.site.root.glob("acme/*.git"))
        yield from (self.work / name for name in CLONED)
        yield from sorted(file.parent for file in self.root.glob("cache/mirrors/*/flakesync-complete"))
        yield from sorted(file.parent for file in self.root.glob("cache/commits/*/HEAD"))

    def look(self) -> Look:
        """Return what is there now."""
        site = self.hosted.site
        pulls: dict[str, list[tuple[object, ...]]] = {
            name: [
                (pull.number, pull.head, pull.base, pull.state, pull.title, pull.body, pull.draft, pull.head_rev,
                 pull.merged_rev, [label.name for label in pull.labels])
                for pull in project.pulls
            ]
            for name, project in site.projects.items()
        }  # fmt: skip
        users = {name: contents(self.work / name, without=_OURS) for name in CLONED}
        found = {f"{name}/{path}": data for name, files in users.items() for path, data in files.items()}
        others = (path for path in self.work.iterdir() if path.is_file())
        found |= {path.name: path.read_bytes() for path in others}
        refs = {str(path.relative_to(self.root)): _refs(path) for path in self.repositories()}
        return Look(refs, found, pulls, sorted(self._left()))

    def _left(self) -> Iterator[str]:
        """Give what is in the cache and in the folder of temporary files, and of git's what should not stay."""
        for folder, folders, files in os.walk(self.root):
            inside = os.path.relpath(folder, self.root)
            of_git = "objects" in folders or "refs" in inside.split("/") or ".git" in inside.split("/")
            if "objects" in folders:
                folders.remove("objects")
            every = inside.split("/")[0] in ("cache", "tmp") and not of_git
            for name in [*files, *folders]:
                ours = every and not (inside == "tmp" and _PROBE.fullmatch(name))
                if ours or name.endswith(".lock") or inside.endswith("/worktrees"):
                    yield f"{inside}/{name}"

    def fsck(self, *, worktrees: bool = True) -> None:
        """Find nothing wrong in any repository. worktrees: with what git has of its working trees."""
        argv = ["fsck", "--strict", "--no-dangling", "--no-progress"]
        found = [*self.repositories()]
        if not worktrees:
            # While git adds one its entry is broken, for `git fsck` too: it goes with the next run.
            moved = [
                folder for path in found for folder in (path / "worktrees", path / ".git/worktrees") if folder.is_dir()
            ]
            for folder in moved:
                folder.rename(folder.with_name("aside"))
        running = {
            path: subprocess.Popen(["git", "-C", path, *argv], env=self.env, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
            for path in found
        }  # fmt: skip
        for path, process in running.items():
            # A mirror's HEAD names a branch that it has only as the server's.
            said = [line for line in process.communicate()[0].splitlines() if not line.startswith("notice: HEAD")]
            assert (process.returncode, said) == (0, []), f"{path}: {said}"
        if not worktrees:
            for folder in moved:
                folder.with_name("aside").rename(folder)

    def _settle(self) -> None:
        """Wait until the forge has carried out what it was asked, by whoever is no more."""
        end = time.monotonic() + PATIENCE_S
        while self.hosted.forge.connections() and time.monotonic() < end:
            time.sleep(0.002)
        assert self.hosted.forge.bugs == []


def _refs(path: Path) -> dict[str, str]:
    """Return where each ref is, HEAD too; of a symbolic one, which it names."""
    repo = pygit2.Repository(str(path))
    try:
        found = {ref.name: str(ref.target) for ref in repo.listall_reference_objects()}
        return {"HEAD": str(repo.lookup_reference("HEAD").target), **found}
    finally:
        repo.free()


def make_place(top: Path, kind: Kind, certificates: Certificates, checks: Sequence[str] = ("true",)) -> Place:
    """Make the workspace in a folder, on a site of this kind, which answers until `place.hosted.forge` is stopped."""
    root = top / "acme"
    home = root / "home"
    root.mkdir()
    make_home(home)
    (root / "tmp").mkdir()
    forge = Forge(root / "forge", [(HOSTS[kind], kind)], certificates)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(home).items():
            patch.setenv(name, value)
        hosted = make_hosted(root / "work", forge, kind, patch, CHAIN)
        hosted.site.clock = time.monotonic
        env = {**os.environ, "TMPDIR": str(root / "tmp"), "FLAKESYNC_CACHE": str(root / "cache")}
    for name in CLONED:
        _clone(hosted, name)
    document = tomllib.loads(hosted.manifest.read_text())
    for name in CLONED:
        document["repos"][name]["path"] = name
    document["defaults"] = {"checks": list(checks)}
    hosted.manifest.write_text(tomli_w.dumps(document))
    return Place(top, hosted, env)


def _clone(hosted: Hosted, name: str) -> None:
    """Make the clone of somebody who is at work in it."""
    place = hosted.root / name
    run_git("clone", "-q", str(hosted.project(name).storage.path), str(place), cwd=hosted.root)
    run_git("remote", "set-url", "origin", f"https://{hosted.place}/acme/{name}", cwd=place)
    (place / "note").write_text("one\n")
    (place / "flake.nix").write_text("half an idea\n")
    run_git("stash", "push", "-q", "--include-untracked", cwd=place)
    if name == "app":
        run_git("checkout", "-q", "-b", "mine", cwd=place)
        repos.commit(place, {"mine": "mine\n"}, date=repos.DATE + 50 * 3600)
    (place / "staged").write_text("staged\n")
    run_git("add", "staged", cwd=place)
    (place / "staged").write_text("and changed again\n")
    (place / "untracked").write_text("untracked\n")
