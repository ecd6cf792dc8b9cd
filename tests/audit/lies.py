"""Lies in locks: what somebody writes into a flake.lock by hand, and Nix builds, or nearly.

Each is one change of one node of a lock that Nix itself would have written, in a real repository.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flakesync.terms import Rev
from flakesync.workspace.audit import RuleId
from tests.support import nixspace, repos
from tests.support.locks import Input, Json
from tests.support.nixspace import Space, Take, Takes

Kind = Literal["file", "https", "github"]
"""How an input is named: `git+file:`, `git+https:` at a forge, `github:`."""

Expected = set[tuple[str, str | None, str | None, RuleId]]
"""Repo, folder of the flake, input and rule of each finding."""

PULL = "refs/pull/1/head"
_NOWHERE = "badc0ffee0ddf00dbadc0ffee0ddf00dbadc0ffe"
_IN_2099 = 4_070_908_800


@dataclass(frozen=True)
class Facts:
    """What a liar knows of repositories, as Nix locks them: where each is, and its rev, narHash and dates."""

    evil: Json
    pull: Json
    other_hash: str


@dataclass(frozen=True)
class Lie:
    """One lie. rule: that finds it. level: from which on. tell: changes a node of a lock. places: where it can be told.

    counted: only of an input of which the lock counts commits.
    """

    id: str
    rule: RuleId
    level: Literal["offline", "mirror"]
    tell: Callable[[Json, Facts], None]
    places: tuple[str, ...] = ("lib", "mid/lib")
    counted: bool = False


def _another_repository(node: Json, facts: Facts) -> None:
    node["locked"] |= facts.evil


def _only_pulled(node: Json, facts: Facts) -> None:
    node["locked"] |= {key: value for key, value in facts.pull.items() if key in node["locked"]}


def _in_2099(node: Json, facts: Facts) -> None:
    node["locked"]["lastModified"] = _IN_2099


def _unknown_content(node: Json, facts: Facts) -> None:
    node["locked"]["narHash"] = facts.other_hash


def _evil_content(node: Json, facts: Facts) -> None:
    node["locked"]["narHash"] = facts.evil["narHash"]


def _no_such_rev(node: Json, facts: Facts) -> None:
    node["locked"]["rev"] = _NOWHERE


def _counted_wrong(node: Json, facts: Facts) -> None:
    node["locked"]["revCount"] = 999


def _dirty(node: Json, facts: Facts) -> None:
    rev = node["locked"].pop("rev")
    node["locked"] |= {"dirtyRev": f"{rev}-dirty", "dirtyShortRev": f"{rev[:7]}-dirty"}


def _no_hash(node: Json, facts: Facts) -> None:
    del node["locked"]["narHash"]


def _asked_for_another(node: Json, facts: Facts) -> None:
    where = {key: value for key, value in facts.evil.items() if key in ("url", "owner", "repo")}
    node["original"] |= where
    node["locked"] |= facts.evil


def _another_folder(node: Json, facts: Facts) -> None:
    node["locked"]["dir"] = "tests"


LIES: Mapping[str, Lie] = {
    lie.id: lie
    for lie in (
        Lie("A1", "foreign", "offline", _another_repository),
        Lie("A2", "not-in-history", "mirror", _only_pulled),
        Lie("A3", "dates", "offline", _in_2099),
        Lie("A4", "nar-hash", "mirror", _unknown_content),
        Lie("A4b", "nar-hash", "mirror", _evil_content),
        Lie("A4c", "not-in-history", "mirror", _no_such_rev),
        Lie("A5", "dates", "mirror", _counted_wrong, counted=True),
        Lie("A7", "unlocked", "offline", _dirty),
        Lie("A8", "no-nar-hash", "offline", _no_hash),
        Lie("A9", "flake-nix-differs", "offline", _asked_for_another, places=("lib",)),
        # The flake.nix that asks for something else than this `original` lies in another repository.
        Lie("A10", "flake-nix-differs", "offline", _asked_for_another, places=("mid/lib",)),
        Lie("A11", "foreign", "offline", _another_folder),
    )
}


class LyingSpace(Space):
    """A space with `lib`, `mid`, which takes it, and repositories that lie about it.

    web: where the forge is, for repositories that are no files of this machine. `evil` is another repository; `lib` has
    a commit that is on PULL alone, and a second flake in the folder `tests`. A flake's `note` is its own, or that of
    its input `lib`.
    """

    def __init__(self, root: Path, kind: Kind = "file") -> None:
        """Make lib, mid and evil."""
        self.kind = kind
        self.web = "https://github.com" if kind == "github" else "https://git.example.com"
        super().__init__(root)
        if kind == "file":  # all that is locked is: what a lie adds to that is looked for
            self.audit = {"severity": {"local-path": "off"}}
        self.make("lib", {"flake.nix": nixspace.flake_nix("", note="good")})
        self.commit("lib", {"tests/flake.nix": nixspace.flake_nix("", note="fixture")})
        pulled = self.commit("lib", {"flake.nix": nixspace.flake_nix("", note="pulled")}, branch="pull")
        repos.run_git("update-ref", PULL, pulled, cwd=self.path("lib"))
        repos.run_git("update-ref", "-d", "refs/heads/pull", cwd=self.path("lib"))
        self.make("evil", {"flake.nix": nixspace.flake_nix("", note="evil")})
        self._pulled = pulled
        self._never = self.commit("evil", {"README": "in no store\n"}, branch="never-fetched")
        self.add("mid", {"lib": Take()})
        self.facts = self.read_facts()

    def read_facts(self) -> Facts:
        """Return what a liar can read now."""
        evil, pull = self._locked("evil", Take()), self._locked("lib", Take(at=self._pulled))
        return Facts(evil, pull, str(self._locked("evil", Take(at=self._never))["narHash"]))

    def url(self, name: str) -> str:
        """Return the address of a repo, as locks have it."""
        return super().url(name) if self.kind == "file" else f"{self.web}/acme/{name}.git"

    def flake_nix(self, takes: Takes) -> str:
        """Return a flake.nix with these inputs, whose note is that of the input lib, if it has one."""
        text = super().flake_nix(takes)
        if self.kind == "github":
            text = text.replace(f"git+{self.web}/", "github:").replace(".git?ref=", "/").replace('.git"', '"')
        return text.replace('note = "one"', f"note = inputs.{'lib' if 'lib' in takes else 'mid'}.note") if {
            "lib", "mid"} & {*takes} else text  # fmt: skip

    def lied(self, lie: Lie, name: str, path: str, *, dir: str = ".") -> Rev:
        """Commit a lie about the input at a path to a branch that is called like the lie; return the commit."""
        file = "flake.lock" if dir == "." else f"{dir}/flake.lock"
        branch = lie.id if self.ref(name, f"refs/heads/{lie.id}") else "main"
        document = json.loads(nixspace.read(self.path(name), self.tip(name, branch), file))
        lie.tell(node_at(document, path), self.facts)
        return self.commit(name, {file: json.dumps(document, indent=2) + "\n"}, branch=lie.id, message=f"Bump {path}")

    def _locked(self, name: str, take: Take) -> Json:
        found = self._lock_input(name, take)
        assert isinstance(found, Input)
        return found.locked

    def _lock_input(self, name: str, take: Take | str) -> Input | tuple[str, ...]:
        found = super()._lock_input(name, take)
        if self.kind != "github" or isinstance(found, tuple):
            return found
        locked = {key: value for key, value in _on_github(found.locked).items() if key not in ("ref", "revCount")}
        return Input(locked, _on_github(found.original), found.inputs, found.flake)


def _on_github(attrs: Json) -> Json:
    owner, name = str(attrs["url"]).removesuffix(".git").split("/")[-2:]
    kept = {key: value for key, value in attrs.items() if key != "url"}
    return kept | {"type": "github", "owner": owner, "repo": name}


@dataclass(frozen=True)
class Shape:
    """A repo that a lie is told in. direct, nested: input paths to `lib`. dir: of its flake."""

    direct: str = "lib"
    nested: str = "mid/lib"
    dir: str = "."

    def path(self, place: str) -> str:
        """Return the input path that stands for one of `Lie.places`."""
        return self.direct if place == "lib" else self.nested


def tell_everywhere(space: LyingSpace, shapes: Mapping[str, Shape], lie: Lie, place: str) -> Expected:
    """Tell a lie in every repo, on a branch that is called like it; return where each has been told."""
    for name, shape in shapes.items():
        space.lied(lie, name, shape.path(place), dir=shape.dir)
    return {(name, shape.dir, shape.path(place), lie.rule) for name, shape in shapes.items()}


def add_shapes(space: LyingSpace) -> Mapping[str, Shape]:
    """Add ten repos to a space that take `lib` in ten ways, none of which is wrong; return where each takes it."""
    tag = "v1" if space.kind == "github" else "refs/tags/v1"
    first = Rev(repos.run_git("rev-list", "--max-parents=0", "main", cwd=space.path("lib")))
    repos.run_git("tag", "v1", first, cwd=space.path("lib"))
    space.add("top", {"mid": Take()})
    lib, mid = Take("lib"), Take("mid")
    space.add("plain", {"lib": lib, "mid": mid})
    space.add("named", {"tools": lib, "between": mid})
    space.add("folder", {}, dev={"lib": lib, "mid": mid})
    space.add("default", {"lib": Take("lib", ref=None), "mid": Take("mid", ref=None)})
    space.add("files", {"lib": Take("lib", flake=False), "mid": mid})
    space.add("deep", {"lib": lib, "top": Take("top")})
    space.add("twice", {"lib": lib, "lib2": lib, "mid": mid})
    space.add("tagged", {"lib": Take("lib", ref=tag, at=first), "mid": mid})
    space.add("behind", {"lib": Take("lib", at=first), "mid": mid})
    space.add("follower", {"lib": lib, "mid": mid, "top": Take("top", follows={"mid": "mid"})})
    special = {
        "named": Shape("tools", "between/lib"),
        "folder": Shape(dir="dev"),
        "deep": Shape(nested="top/mid/lib"),
        "twice": Shape("lib2"),
    }
    names = ("plain", "named", "folder", "default", "files", "deep", "twice", "tagged", "behind", "follower")
    return {name: special.get(name, Shape()) for name in names}


def node_at(document: Json, path: str) -> Json:
    """Return the node of a lock at an input path without follows."""
    label = document["root"]
    for name in path.split("/"):
        label = document["nodes"][label]["inputs"][name]
    node: Json = document["nodes"][label]
    return node
