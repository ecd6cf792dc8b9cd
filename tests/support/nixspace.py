"""Real workspaces for real Nix, made in milliseconds: git repositories whose locks are byte for byte what Nix writes.

No Nix runs here. The tree of each commit is hashed as Nix hashes it (NAR, nix-archive.cc), the nodes are put together
from the upstreams' own locks, and a test holds the result against `nix flake lock`.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pygit2
import tomli_w
from pygit2.enums import FileMode

from flakesync.analysis.drift import find_drift
from flakesync.analysis.moves import Plan
from flakesync.analysis.plan import make_plan
from flakesync.cache.layout import cache_dir
from flakesync.documents.drift import Finding
from flakesync.documents.sync import Outcome, SyncDocument
from flakesync.survey.read import read_survey
from flakesync.sync.documents import sync_document
from flakesync.sync.engine import sync
from flakesync.sync.events import Event
from flakesync.sync.executors.choice import MakeExecutor
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.options import Options
from flakesync.sync.outcome import RepoOutcome
from flakesync.terms import PinName, Rev
from flakesync.workspace.manifest import load_workspace, select
from flakesync.workspace.snapshot import At
from tests.support import locks, repos
from tests.support.locks import Input, Inputs

UPDATE_BRANCH = "flakesync/update"
UPDATE = f"refs/heads/{UPDATE_BRANCH}"
HOUR_S = 3600


@dataclass(frozen=True)
class Take:
    """An input that is a repo of the same workspace.

    repo: None for the input's own name. ref: the branch in flake.nix; None: none is named. at: the locked commit; None:
    the tip of that branch. fixed: flake.nix names the commit itself. follows: its inputs → the input path of ours that
    they follow; an empty path cuts the input off. flake: False for `flake = false`. url: in place of `file://PATH`.
    """

    repo: str | None = None
    ref: str | None = "main"
    at: Rev | None = None
    fixed: bool = False
    dir: str | None = None
    follows: Mapping[str, str] = field(default_factory=dict)
    flake: bool = True
    url: str | None = None


Takes = Mapping[str, Take | str]
"""Input name → what it takes; a text is the input path that it follows."""


class Space:
    """A workspace below one folder, built repo by repo, upstreams first.

    `nixpkgs` is a stand-in with two commits; every repo that takes it is locked to the first one. All commits are an
    hour apart, beginning at `repos.DATE`. audit: the table `[audit]` of its manifests.
    """

    audit: Mapping[str, object] | None = None

    def __init__(self, root: Path) -> None:
        """Make the workspace's folder and the stand-in nixpkgs."""
        self.root = root
        self.names: list[str] = []
        self.first_nixpkgs: Rev
        self._flakes: dict[str, list[str]] = {}
        self._hours = 0
        self._inputs: dict[tuple[str, Rev, str], Inputs] = {}
        root.mkdir(parents=True, exist_ok=True)
        self.first_nixpkgs = self.make("nixpkgs", {"flake.nix": flake_nix("")})
        self.commit("nixpkgs", {"flake.nix": flake_nix("", note="two")})

    def path(self, name: str) -> Path:
        """Return where a repo lies."""
        return self.root / name

    def url(self, name: str) -> str:
        """Return the address of a repo, as locks have it."""
        return f"file://{self.path(name)}"

    def tip(self, name: str, branch: str = "main") -> Rev:
        """Return the newest commit of a branch."""
        found = self.ref(name, f"refs/heads/{branch}")
        assert found is not None, f"{name} has no branch {branch}"
        return found

    def ref(self, name: str, ref: str = UPDATE) -> Rev | None:
        """Return what a ref (by default the update branch) is at; None: there is none."""
        return ref_in(self.path(name), ref)

    def make(self, name: str, files: repos.Files) -> Rev:
        """Make a repository that is not (yet) a repo of the workspace."""
        return repos.make_repo(self.path(name), files, date=self._date())

    def commit(self, name: str, files: repos.Files, *, branch: str | None = None, message: str = "Change") -> Rev:
        """Commit files, on a new branch above `main`; a lock among them is not looked at."""
        old = ref_in(self.path(name), f"refs/heads/{branch or 'main'}") or ref_in(self.path(name), "refs/heads/main")
        parents = [old] if old is not None else None
        new = repos.commit(self.path(name), files, message=message, branch=branch, parents=parents, date=self._date())
        for known_name, rev, dir in list(self._inputs):
            if (known_name, rev) == (name, old):
                self._inputs[name, new, dir] = self._inputs[name, rev, dir]
        return new

    def add(
        self, name: str, takes: Takes | None = None, *, files: repos.Files | None = None, **others: Takes
    ) -> "Space":
        """Add a repo: its first commit has flake.nix, the second one the lock. others: more flakes, by folder."""
        self.names.append(name)
        flakes = {".": takes if takes is not None else {"nixpkgs": Take()}, **others}
        self._flakes[name] = list(flakes)
        nix = {_in(dir, "flake.nix"): self.flake_nix(inputs) for dir, inputs in flakes.items()}
        self.make(name, {**nix, **(files or {})})
        self.lock(name, flakes)
        return self

    def lock(self, name: str, flakes: Mapping[str, Takes]) -> Rev:
        """Commit new flakes and their locks to a repo."""
        trees = {dir: self._lock_inputs(takes) for dir, takes in flakes.items()}
        files = {_in(dir, "flake.nix"): self.flake_nix(takes) for dir, takes in flakes.items()}
        files |= {_in(dir, "flake.lock"): locks.to_bytes(locks.lock(tree)).decode() for dir, tree in trees.items()
                  if tree}  # fmt: skip
        rev = self.commit(name, files, message="Lock")
        self._inputs |= {(name, rev, dir): tree for dir, tree in trees.items()}
        return rev

    def manifest(
        self,
        settings: Mapping[str, object] | None = None,
        *,
        pins: Mapping[str, Mapping[str, object]] | None = None,
        tables: Mapping[str, Mapping[str, object]] | None = None,
        mirrored: Sequence[str] = (),
        defaults: Mapping[str, object] | None = None,
        audit: Mapping[str, object] | None = None,
    ) -> Path:
        """Write workspace.toml, by default with a pin on nixpkgs, and return it.

        tables: more keys of `[repos.NAME]`. mirrored: repos that it knows only by url. audit: the table `[audit]`, by
        default the space's own.
        """
        if pins is None:
            pins = {"nixpkgs": {"source": f"git+{self.url('nixpkgs')}?ref=main"}}
        table = {
            name: {"url": f"git+{self.url(name)}"}
            | ({} if name in mirrored else {"path": f"./{name}"})
            | ({} if self._flakes[name] == ["."] else {"flakes": self._flakes[name]})
            | dict((tables or {}).get(name, {}))
            for name in self.names
        }
        document = {"workspace": {"name": "acme", **(settings or {})}, "pins": pins, "repos": table}
        if defaults:
            document["defaults"] = defaults
        if table_of_audit := audit if audit is not None else self.audit:
            document["audit"] = table_of_audit
        file = self.root / "workspace.toml"
        file.write_text(tomli_w.dumps(document))
        return file

    def locked(self, name: str, path: str, *, rev: Rev | None = None, file: str = "flake.lock") -> Mapping[str, object]:
        """Return `locked` of an input, by default on the update branch."""
        from flakesync.nix.lock.file import LockFile

        data = read(self.path(name), rev or self.tip(name, UPDATE_BRANCH), file)
        node = LockFile.parse(data).node(tuple(path.split("/")))
        assert node is not None, f"{name} has no input {path}"
        return dict(node.locked or {})

    def _date(self) -> int:
        self._hours += 1
        return repos.DATE + self._hours * HOUR_S

    def flake_nix(self, takes: Takes) -> str:
        """Return a flake.nix with these inputs."""
        lines: list[str] = []
        for name, take in takes.items():
            if isinstance(take, str):
                lines.append(f'{name}.follows = "{take}";')
                continue
            original = self._original(name, take)
            query = "&".join(f"{key}={original[key]}" for key in ("ref", "rev", "dir") if key in original)
            lines.append(f'{name}.url = "git+{original["url"]}{"?" if query else ""}{query}";')
            if not take.flake:
                lines.append(f"{name}.flake = false;")
            lines += [f'{name}.inputs.{inner}.follows = "{path}";' for inner, path in take.follows.items()]
        return flake_nix("".join(f"\n    {line}" for line in lines))

    def _original(self, name: str, take: Take) -> dict[str, object]:
        found: dict[str, object] = {"type": "git", "url": take.url or self.url(take.repo or name)}
        if take.ref is not None:
            found["ref"] = take.ref
        if take.fixed:
            found["rev"] = self._at(name, take)
        return found | ({"dir": take.dir} if take.dir else {})

    def _at(self, name: str, take: Take) -> Rev:
        if take.at is not None:
            return take.at
        repo = take.repo or name
        return self.first_nixpkgs if repo == "nixpkgs" else self.tip(repo, take.ref or "main")

    def _lock_inputs(self, takes: Takes) -> Inputs:
        return {name: self._lock_input(name, take) for name, take in takes.items()}

    def _lock_input(self, name: str, take: Take | str) -> Input | tuple[str, ...]:
        if isinstance(take, str):
            return _path(take)
        repo, rev = take.repo or name, self._at(name, take)
        known = commit_info(self.path(repo), rev)
        original = self._original(name, take)
        locked = {**original, **known, "ref": take.ref or "refs/heads/main"}
        own = self._inputs.get((repo, rev, take.dir or "."), {}) if take.flake else {}
        inputs = {
            inner: _path(take.follows[inner]) if inner in take.follows else below(child, name)
            for inner, child in own.items()
        }
        return Input(locked, original, inputs, take.flake)


def below(child: Input | tuple[str, ...], name: str) -> Input | tuple[str, ...]:
    """Return an entry of a flake's own lock as it is in the lock of a flake that takes it as `name`."""
    if isinstance(child, tuple):
        return (name, *child)
    return Input(child.locked, child.original, {key: below(each, name) for key, each in child.inputs.items()},
                 child.flake)  # fmt: skip


def flake_nix(inputs: str, *, note: str = "one") -> str:
    """Return a flake.nix; nothing in it needs more than Nix itself."""
    return f'{{\n  inputs = {{{inputs}\n  }};\n  outputs = inputs: {{ note = "{note}"; }};\n}}\n'


def chain(root: Path, length: int) -> Space:
    """Return repos `r0` … each of which takes the one before it and nixpkgs; nixpkgs has moved on by a commit."""
    space = Space(root)
    for number in range(length):
        space.add(f"r{number}", {"nixpkgs": Take()} | ({f"r{number - 1}": Take()} if number else {}))
    return space


def fan(root: Path, width: int) -> Space:
    """Return `r0` and `width` - 1 repos that take it, all with nixpkgs, which has moved on by a commit."""
    space = Space(root)
    for number in range(width):
        space.add(f"r{number}", {"nixpkgs": Take()} | ({"r0": Take()} if number else {}))
    return space


@dataclass(frozen=True)
class Ran:
    """One sync, made in this process. events: in the order in which they came."""

    document: SyncDocument
    plan: Plan
    events: tuple[Event[RepoOutcome], ...]

    def __getitem__(self, name: str) -> Outcome:
        """Return what became of a repo."""
        return next(outcome for outcome in self.document.repos if outcome.repo == name)

    @property
    def statuses(self) -> dict[str, str]:
        """Repo → status."""
        return {outcome.repo: outcome.status for outcome in self.document.repos}

    @property
    def errors(self) -> dict[str, str]:
        """Repo → code of its error, for those that have one."""
        return {outcome.repo: outcome.error.code for outcome in self.document.repos if outcome.error is not None}


def run_sync(
    manifest: Path,
    *,
    jobs: int = 2,
    dry_run: bool = False,
    only: Sequence[str] = (),
    offline: bool = False,
    listener: Callable[[Event[RepoOutcome]], None] | None = None,
    locker: LockerChoice = "nix",
    verify: bool = False,
    waived: Mapping[PinName, str] | None = None,
    executor: MakeExecutor | None = None,
) -> Ran:
    """Do what `flakesync sync` does, in this process; but Nix writes the locks, where `locker` does not say otherwise.

    What sync itself does is tested with Nix's own locks; those that flakesync writes are compared with Nix's elsewhere.
    """
    workspace = msgspec.structs.replace(load_workspace(manifest), jobs=jobs)
    survey = read_survey(workspace, offline=offline, waived=waived)
    plan = make_plan(survey, select(workspace, only, (), ()))
    events: list[Event[RepoOutcome]] = []

    def listen(event: Event[RepoOutcome]) -> None:
        events.append(event)
        if listener is not None:
            listener(event)

    options = Options(cache=cache_dir(), locker=locker, verify=verify, dry_run=dry_run, offline=offline)
    document = sync_document(sync(survey, plan, options, listen, executor=executor), plan=plan)
    return Ran(document, plan, tuple(events))


def drift_of(manifest: Path, *, at: At = "update") -> list[Finding]:
    """Return the findings of `flakesync drift`."""
    workspace = load_workspace(manifest)
    return list(find_drift(read_survey(workspace, at=at), select(workspace, (), (), ())).findings)


def ref_in(path: Path, ref: str) -> Rev | None:
    """Return what a ref of a repository is at; None: there is none."""
    repo = pygit2.Repository(str(path))
    try:
        return Rev(str(repo.references[ref].peel(pygit2.Commit).id)) if ref in repo.references else None
    finally:
        repo.free()


def read(path: Path, rev: Rev, file: str) -> bytes:
    """Return a file of a commit."""
    repo = pygit2.Repository(str(path))
    try:
        blob = repo[rev].peel(pygit2.Tree)[file]
        assert isinstance(blob, pygit2.Blob)
        return blob.data
    finally:
        repo.free()


def commit_info(path: Path, rev: Rev) -> dict[str, object]:
    """Return what Nix's git fetcher says of a commit: rev, narHash, lastModified, revCount."""
    repo = pygit2.Repository(str(path))
    try:
        commit = repo[rev].peel(pygit2.Commit)
        nar = hashlib.sha256()
        for piece in (_text(b"nix-archive-1"), *_nar(repo, commit.tree, FileMode.TREE)):
            nar.update(piece)
        return {
            "lastModified": commit.commit_time,
            "narHash": f"sha256-{base64.b64encode(nar.digest()).decode()}",
            "rev": rev,
            "revCount": sum(1 for _ in repo.walk(rev)),
        }
    finally:
        repo.free()


def _nar(repo: pygit2.Repository, thing: pygit2.Object, mode: int) -> Iterator[bytes]:
    """Give the NAR of a git object; it is a list of texts, each with its length before it, padded to 8 bytes."""
    yield _text(b"(") + _text(b"type")
    if isinstance(thing, pygit2.Tree):
        yield _text(b"directory")
        for entry in sorted(thing, key=lambda entry: (entry.name or "").encode()):
            yield _text(b"entry") + _text(b"(") + _text(b"name") + _text((entry.name or "").encode()) + _text(b"node")
            yield from _nar(repo, entry, entry.filemode)
            yield _text(b")")
    else:
        assert isinstance(thing, pygit2.Blob)
        if mode == FileMode.LINK:
            yield _text(b"symlink") + _text(b"target") + _text(thing.data)
        else:
            executable = _text(b"executable") + _text(b"") if mode == FileMode.BLOB_EXECUTABLE else b""
            yield _text(b"regular") + executable + _text(b"contents") + _text(thing.data)
    yield _text(b")")


def _text(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data + bytes(-len(data) % 8)


def _path(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split("/")))


def _in(dir: str, name: str) -> str:
    return name if dir == "." else f"{dir}/{name}"


def contents(folder: Path, *, without: Sequence[str] = ()) -> dict[str, bytes]:
    """Return every file, symlink and folder below `folder`, to the byte. without: parts of paths that are left out."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part in f"/{name}/" for part in without):
            continue
        if path.is_symlink():
            found[name] = b"-> " + bytes(path.readlink())
        else:
            found[name] = path.read_bytes() if path.is_file() else b"folder"
    return found
