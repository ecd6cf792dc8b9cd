"""Random workspaces for real Nix: repos that take each other in all the ways that flake.nix has, locked by Nix itself.

One seed gives one workspace, in every run, with whatever version. All is `git+file`.
"""

import random
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flakesync.demo.locking import FlakesyncWrites
from flakesync.errors import LockError
from flakesync.git.repository import Repository
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.sync.lockers import FromClone, FromServer, Move, Request
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.terms import FlakeDir, Rev
from tests.support import repos
from tests.support.nix import RealNix

UPDATE = "flakesync/update"
NAMES = ("nixpkgs", "nixpkgs_2", "lib", "lib_2", "utils", "root", "a", "B", "b-c", "data", "src", "z9")
HOUR_S = 3600
SELF = ("", "", "self.submodules = true;", "self.submodules = false;", "self = { };", "self.lfs = true;")
"""What a flake asks for itself, from Nix 2.27 on."""
MOST = 12
"""So many repos a workspace has at most, besides those that are only taken."""


@dataclass
class Item:
    """One input of a flake. follows: where it is none of its own. below: name → override of an input of it.

    path: relative to the flake, instead of the repo's address. submodules: whether its reference asks for them.
    """

    repo: str = ""
    ref: str | None = "main"
    dir: str | None = None
    flake: bool = True
    follows: str | None = None
    below: dict[str, "Item"] = field(default_factory=dict)
    path: str | None = None
    submodules: bool | None = None

    def lines(self, root: Path, name: str) -> list[str]:
        """Return what stands in `inputs`."""
        if self.follows is not None:
            return [f'{name}.follows = "{self.follows}";']
        flag = {None: "", False: "0", True: "1"}[self.submodules]
        parts = (("ref", self.ref), ("dir", self.dir), ("submodules", flag))
        query = "&".join(f"{key}={value}" for key, value in parts if value)
        address = f"path:{self.path}" if self.path is not None else f"git+file://{root / self.repo}"
        found = [
            f'{name}.url = "{address}{"?" if query and self.path is None else ""}{query if self.path is None else ""}";'
        ]
        found += [] if self.flake else [f"{name}.flake = false;"]
        for inner, item in self.below.items():
            found += item.lines(root, f"{name}.inputs.{inner}")
        return found


Inputs = dict[str, Item]


class World:
    """A workspace that is being made.

    refused: repos whose flake.nix and flake.lock disagree. relative: whether any takes a flake beside it. through:
    whether any input of an input follows one of another input. first: for each flake that Nix has locked for the first
    time: its name, Nix's lock, and the one that flakesync writes (None: it cannot).
    """

    def __init__(self, seed: int, root: Path, nix: RealNix) -> None:
        self.random = random.Random(seed)
        self.root = root
        self.nix = nix
        self.flakes: dict[tuple[str, str], Inputs] = {}
        self.relative = self.through = False
        self.refused: set[str] = set()
        self.first: list[tuple[str, bytes, bytes | None]] = []
        names = ["nixpkgs", "data", *(f"r{number}" for number in range(MOST))]
        places = [(FlakeRef.parse(f"git+file://{root / name}"), root / name) for name in names]
        self.first_locks = FlakesyncWrites(places, root.parent / "cache-of-first-locks")
        self.overrides = self.random.random() < 0.15
        self._date = repos.DATE

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def date(self) -> int:
        self._date += HOUR_S
        return self._date

    # ---- making -----------------------------------------------------------------------------------------------

    def build(self) -> list[str]:
        """Make all repos and return their names, upstreams first."""
        for name, files in (("nixpkgs", {"flake.nix": self.text({})}), ("data", {"x/y.txt": "1", "run": "exec:#!"})):
            repos.make_repo(self.root / name, files, date=self.date())
        self.flakes["nixpkgs", ""] = {}
        names = [f"r{number}" for number in range(self.random.randint(2, MOST))]
        for number, name in enumerate(names):
            self.make(name, names[:number])
        for _ in range(2):
            if len(names) > 2 and self.chance(0.3):
                self.close_cycle(names)
        for name in self.random.sample(names, self.random.randint(0, len(names))):
            self.change(name, names[: names.index(name)])
        repos.commit(self.root / "nixpkgs", {"note.txt": "two"}, date=self.date())
        repos.commit(self.root / "data", {"x/z.txt": "two"}, date=self.date())
        return names

    def make(self, name: str, upstreams: list[str]) -> None:
        inputs = self.inputs(upstreams)
        self.flakes[name, ""] = inputs
        files: dict[str, str | bytes | None] = {"README": name}
        if self.chance(0.3):
            self.flakes[name, "sub"] = below = self.inputs(upstreams)
            self.take_own(name, inputs, below)
            files["sub/flake.nix"] = self.text(below)
        files["flake.nix"] = self.text(inputs)
        repos.make_repo(self.root / name, files, date=self.date())
        # The one that is taken first; now and then it has no lock of its own.
        down = any(item.path for item in inputs.values())
        for dir in ("sub", "") if down else ("", "sub"):
            if (name, dir) in self.flakes and not (down and dir == "sub" and self.chance(0.4)):
                self.relock(name, dir)

    def take_own(self, name: str, inputs: Inputs, below: Inputs) -> None:
        """Let the flakes of one repo take each other: by a relative path, or the repo by its address."""
        how = self.random.choice(["down", "up", "repo", "none"])
        free = [each for each in NAMES if each not in inputs and each not in below]
        label, overridden = self.random.choice(free), self.chance(0.5)
        if how == "repo":
            below[label] = Item(name, "main")
        if how not in ("down", "up") or self.nix.version < (2, 26):
            return
        self.relative = True
        taker, item = (
            (inputs, Item(name, None, "sub", path="./sub")) if how == "down" else (below, Item(name, path=".."))
        )
        if how == "up":
            item.ref = None
        taker[label] = item
        if overridden:
            self.override(taker, label, item)

    def inputs(self, upstreams: list[str]) -> Inputs:
        found: Inputs = {}
        for repo in self.random.sample(upstreams, min(len(upstreams), self.random.randint(0, 3))):
            item = Item(repo, self.ref(), flake=not self.chance(0.12))
            if (repo, "sub") in self.flakes and self.chance(0.5):
                item.dir = "sub"
            item.submodules = self.random.choice([*[None] * 8, True, False])
            found[self.name(found, repo)] = item
        if self.chance(0.7):
            found[self.name(found, "nixpkgs")] = Item("nixpkgs", self.ref())
        if self.chance(0.25):
            found[self.name(found, "data")] = Item("data", self.ref(), flake=False)
        for name, item in list(found.items()):
            self.override(found, name, item)
        paths = [path for name in found for path in self.paths(found, name)]
        if paths and self.chance(0.25):
            found[self.name(found, "pkgs")] = Item(follows=self.random.choice(paths))
        return found

    def override(self, inputs: Inputs, name: str, item: Item) -> None:
        if not item.flake:
            return
        for inner in self.flakes[item.repo, item.dir or ""]:
            if self.chance(0.35):
                others = [path for each in inputs if each != name for path in self.paths(inputs, each)]
                item.below[inner] = Item(
                    follows=self.random.choice(["", *(n for n in inputs if n != name), *others, name])
                )
                if item.below[inner].follows == name and self.chance(0.7):
                    del item.below[inner]
            elif self.overrides and self.chance(0.3):
                item.below[inner] = Item("nixpkgs")

    def paths(self, inputs: Inputs, name: str) -> list[str]:
        item = inputs[name]
        inner = self.flakes.get((item.repo, item.dir or ""), {}) if item.flake else {}
        return [name, *(f"{name}/{key}" for key in inner)]

    def name(self, taken: Inputs, usual: str) -> str:
        free = [name for name in NAMES if name not in taken]
        return usual if usual not in taken and self.chance(0.4) else self.random.choice(free)

    def ref(self) -> str | None:
        return None if self.chance(0.3) else "main"

    def change(self, name: str, upstreams: list[str]) -> None:
        """Let a repo move on; now and then with other inputs, and now and then without a new lock."""
        if self.chance(0.5):
            repos.commit(self.root / name, {"note.txt": str(self._date)}, date=self.date())
            return
        self.flakes[name, ""] = self.inputs(upstreams)
        repos.commit(self.root / name, {"flake.nix": self.text(self.flakes[name, ""])}, date=self.date())
        if self.chance(0.1):
            self.refused.add(name)
            return
        self.relock(name, "")
        self.leave_sub(name)

    def leave_sub(self, name: str) -> None:
        """Note whether the lock of a repo's other flake is stale, as it takes the one above it, which has changed."""
        if any(item.path for item in self.flakes.get((name, "sub"), {}).values()):
            self.refused.add(name)

    def close_cycle(self, names: list[str]) -> None:
        """Let a repo take one that takes it, and cut that off."""
        pairs = [
            (item.repo, name, inner)
            for name in names
            for inner, item in self.flakes[name, ""].items()
            if item.repo in names and item.dir is None and item.flake
        ]
        if not pairs:
            return
        upstream, dependent, inner = self.random.choice(pairs)
        inputs = self.flakes[upstream, ""]
        free = [name for name in NAMES if name not in inputs]
        inputs[self.random.choice(free)] = Item(dependent, "main", below={inner: Item(follows="")})
        repos.commit(self.root / upstream, {"flake.nix": self.text(inputs)}, date=self.date())
        self.relock(upstream, "")
        self.leave_sub(upstream)

    def text(self, inputs: Inputs) -> str:
        """Return a flake.nix."""
        lines = [line for name, item in inputs.items() for line in item.lines(self.root, name)]
        own = self.random.choice(SELF) if self.chance(0.2) else ""
        lines += [own] if own and self.nix.version >= (2, 27) else []
        formals = "inputs:"
        if self.chance(0.3):
            formals = "{ " + ", ".join(["self", *inputs, "..."]) + " }@inputs:"
        return "{\n  inputs = {\n    " + "\n    ".join(lines) + f"\n  }};\n  outputs = {formals} {{ }};\n}}\n"

    def relock(self, name: str, dir: str) -> None:
        """Commit the lock that Nix writes; if Nix refuses, the flake has no such inputs after all."""
        path = self.root / name
        prefix = f"{dir}/" if dir else ""
        with Repository.open(path) as repository:
            tip = repository.branch("main")
            assert tip is not None
            old = repository.read(tip, f"{prefix}flake.lock")
        relative = any(item.path for item in self.flakes[name, dir].values())
        if relative:
            done = lock_in_place(self.nix, path, dir)
        else:
            done = nix_lock(self.nix, self.root.parent / "scratch", self.text_of(path, tip, prefix), old)
        if done is None or _goes_round(done):
            self.flakes[name, dir] = {}
            repos.commit(path, {f"{prefix}flake.nix": self.text({})}, date=self.date())
            self.relock(name, dir)
        elif done:
            if old is None and not relative:
                self.first.append((f"{name}/{dir}", done, self.first_lock(self.root.parent / "scratch")))
            repos.commit(path, {f"{prefix}flake.lock": done}, date=self.date())

    def first_lock(self, flake: Path) -> bytes | None:
        try:
            return self.first_locks.lock(flake)
        except NotNativeError:
            return None

    def text_of(self, path: Path, rev: Rev, prefix: str) -> bytes:
        with Repository.open(path) as repository:
            return repository.read(rev, f"{prefix}flake.nix") or b""

    # ---- moving -----------------------------------------------------------------------------------------------

    def request(self, name: str) -> Request | None:
        """Return a request to move some inputs of a repo; None: it has none to move."""
        dir = "sub" if (name, "sub") in self.flakes and self.chance(0.3) else ""
        with Repository.open(self.root / name) as repository:
            rev = repository.branch("main")
            assert rev is not None
            data = repository.read(rev, f"{dir}/flake.lock" if dir else "flake.lock")
        if data is None:
            return None
        lock = LockFile.parse(data)
        own: list[tuple[str, ...]] = [path for path in all_paths(lock) if len(path) == 1]
        relative = [path for path in all_paths(lock) if len(path) == 2 and is_relative(lock, path[:1])]
        own += self.random.sample(relative, self.random.randint(0, len(relative)))
        if not own:
            return None
        paths = self.random.sample(own, self.random.randint(1, len(own)))
        if self.chance(0.15):
            nested = [path for path in all_paths(lock) if len(path) == 2 and path not in paths]
            paths += [path for path in self.random.sample(nested, min(1, len(nested))) if path[:1] not in paths]
        moves = [move for path in paths if (move := self.move(lock, path)) is not None]
        return Request(self.root / name, rev, FlakeDir(dir or "."), lock, moves) if moves else None

    def move(self, lock: LockFile, path: tuple[str, ...]) -> Move | None:
        node = lock.node(path)
        assert node is not None
        assert node.locked is not None
        assert node.original is not None
        upstream = Path(str(node.original["url"]).removeprefix("file://").partition("?")[0])
        with Repository.open(upstream) as repository:
            tip = repository.branch("main")
            update = repository.branch(UPDATE)
        assert tip is not None
        if self.chance(0.4):
            return Move(path, node.original, node.locked, FromServer(tip, "main"))
        if self.chance(0.3):
            return Move(
                path, node.original, node.locked, FromClone(tip, upstream, "refs/heads/main", "main", pushed=True)
            )
        if update is None:
            update = repos.commit(upstream, {"unpushed.txt": "x"}, parents=[tip], branch=UPDATE, date=self.date())
        source = FromClone(update, upstream, f"refs/heads/{UPDATE}", UPDATE, pushed=False)
        return Move(path, node.original, node.locked, source)


def _goes_round(lock: bytes) -> bool:
    """Tell whether a lock has a follows that leads back to itself: Nix 2.8 writes some, and nobody can follow them."""
    try:
        if lock:
            LockFile.parse(lock)
    except LockError as error:
        if "which leads back to it" not in error.message:
            raise
        return True
    return False


def nix_lock(nix: RealNix, folder: Path, flake_nix: bytes, old: bytes | None) -> bytes | None:
    """Return the lock that Nix writes, empty for none; None: Nix refuses."""
    folder.mkdir(exist_ok=True)
    (folder / "flake.nix").write_bytes(flake_nix)
    (folder / "flake.lock").unlink(missing_ok=True)
    if old is not None:
        (folder / "flake.lock").write_bytes(old)
    done = subprocess.run([nix.path, "flake", "lock", f"path:{folder}"], capture_output=True, check=False)
    if done.returncode != 0:
        return None
    lock = folder / "flake.lock"
    return lock.read_bytes() if lock.exists() else b""


def lock_in_place(nix: RealNix, path: Path, dir: str) -> bytes | None:
    """Return the lock that Nix writes for a flake that needs the repository around it; None: Nix refuses."""
    place = f"git+file://{path}{f'?dir={dir}' if dir else ''}"
    done = subprocess.run([nix.path, "flake", "lock", place], capture_output=True, check=False)
    return (path / dir / "flake.lock").read_bytes() if done.returncode == 0 else None


def all_paths(lock: LockFile) -> list[tuple[str, ...]]:
    """Return the paths of all inputs that have a commit, so neither follow another nor are relative."""
    return [path for path, _ in lock.walk() if path and "rev" in ((lock.node(path) or LockNode()).locked or {})]


def is_relative(lock: LockFile, path: tuple[str, ...]) -> bool:
    node = lock.node(path)
    return node is not None and node.parent is not None


def identities(root: Path) -> Mapping[str, Path]:
    """Return every repository of a workspace by its name."""
    return {path.name: path for path in root.iterdir() if path.is_dir()}
