"""Builders of whole workspaces: as values, for what is decided without git, or real repositories with a manifest."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import tomli_w

from flakesync.analysis.moves import Plan, ToFlakeNix, ToRev
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import Attr, FlakeRef, Identity, identity_of_url
from flakesync.survey.external import external_sources, external_targets
from flakesync.survey.graph import RepoGraph, build_graph
from flakesync.survey.newest import Standing, newest_locked, sources_by_locks
from flakesync.survey.pins import Target, choose_targets, pinned_inputs
from flakesync.survey.survey import Survey, questions
from flakesync.terms import FlakeDir, PinName, RepoName, Rev
from flakesync.workspace.history import Answer, History
from flakesync.workspace.inputs import Source
from flakesync.workspace.manifest import External, Pin, Repo, Workspace
from flakesync.workspace.snapshot import At, FlakeState, PlainFolder, Problem, RepoAtCommit, RepoState, Snapshot
from tests.support import locks, repos
from tests.support.locks import Input, Inputs, Json

NOW = 1_800_000_000
"""The time at which drift is looked at: seconds since 1970."""

DAY_S = 86_400
UPDATE_BRANCH = "flakesync/update"


def commit_id(*words: object) -> Rev:
    """Return a commit id made from some words."""
    return Rev(hashlib.sha1("/".join(map(str, words)).encode()).hexdigest())


def repo(name: str, *, url: str | None = None, aliases: Sequence[str] = (), **values: object) -> Repo:
    """Return a repo of `acme` on GitHub (or at `url`); values: other fields of Repo."""
    where = FlakeRef.parse(url or f"github:acme/{name}")
    others = tuple(found for found in map(identity_of_url, aliases) if found is not None)
    known = {where.identity, *others} - {None}
    made = Repo(name=RepoName(name), url=where, aliases=others, identities=frozenset(known))  # type: ignore[arg-type]
    return msgspec.structs.replace(made, **values)


def pin(name: str, source: str, target: str = "latest", **values: object) -> Pin:
    """Return a pin; values: other fields of Pin."""
    return msgspec.structs.replace(Pin(name=PinName(name), source=FlakeRef.parse(source), target=target), **values)


def workspace(repos: Iterable[Repo], pins: Iterable[Pin] = (), external: External = "hold") -> Workspace:
    """Return a workspace whose manifest lies nowhere, and whose clones are read at their own branches."""
    return Workspace(
        file=Path("/nowhere/workspace.toml"), name="acme", base="main", branch=UPDATE_BRANCH, jobs=2,
        external=external, author=None, pins=tuple(pins), repos=tuple(repos),
        read="local",
    )  # fmt: skip


Flakes = Mapping[str, Inputs | Json | Problem | None]
"""Flake folder → its inputs, or its lock as JSON; None: it has no inputs and no lock."""


def state_of(repo: Repo, flakes: Inputs | Flakes, tip: Rev | None, *, base: str | None = "main") -> RepoState:
    """Return a repo as it would have been read: `flakes` may be the top flake's inputs. tip None: a folder."""
    by_dir: Flakes = flakes if is_flakes(flakes) else {".": flakes}  # type: ignore[assignment, dict-item]
    states = tuple(_flake(repo, FlakeDir(dir), content) for dir, content in by_dir.items())
    named = msgspec.structs.replace(repo, flakes=tuple(state.dir for state in states))
    if tip is None:
        return PlainFolder(named, None, states)
    return RepoAtCommit(named, Path("/nowhere"), base or "main", tip, tip, states)


def is_flakes(flakes: Mapping[str, object]) -> bool:
    """Tell whether a mapping is of flake folders and not of inputs."""
    return bool(flakes) and all(not isinstance(value, Input | tuple) for value in flakes.values())


def _flake(repo: Repo, dir: FlakeDir, content: Inputs | Json | Problem | None) -> FlakeState:
    if content is None:
        return FlakeState(dir, None)
    if isinstance(content, Problem):
        return FlakeState(dir, None, content)
    document = dict(content) if "nodes" in content else locks.lock(content)
    return FlakeState(dir, LockFile.parse(locks.to_bytes(document), file=f"{repo.name}/flake.lock"))


@dataclass
class Scene:
    """A workspace as values, with the branches that its repos would have.

    branches: repo → branch → its commits, oldest first; `main` of every repo is `[commit_id(name)]` if not given.
    standings: of commits of pinned and other sources, what can be told of them.
    A repo with no branches at all (`{}`) is a plain folder.
    """

    workspace: Workspace
    locks: Mapping[str, Inputs | Flakes]
    branches: Mapping[str, Mapping[str, Sequence[Rev]]]
    at: At = "base"
    standings: Mapping[Rev, Standing] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        """Return what read_snapshot would."""
        states: dict[RepoName, RepoState] = {}
        for repo in sorted(self.workspace.repos, key=lambda repo: repo.name):
            branches = self.of(repo.name)
            tip = branches["main"][-1] if branches else None
            update = branches.get(UPDATE_BRANCH) if self.at == "update" else None
            state = state_of(repo, self.locks.get(repo.name, {".": None}), tip)
            if update:
                state = msgspec.structs.replace(state, rev=update[-1])
            states[repo.name] = state
        return Snapshot(self.workspace, self.at, states)

    def of(self, name: str) -> Mapping[str, Sequence[Rev]]:
        """Return the branches of a repo."""
        return self.branches.get(name, {"main": [commit_id(name)]})

    def history(self, graph: RepoGraph, snapshot: Snapshot) -> History:
        """Return what `ask` would: a second implementation on lists of commits."""
        return {
            question: self._answer(snapshot.states[question[0]], question[1] or "main", question[2])
            for question in questions(graph)
        }

    def _answer(self, state: RepoState, branch: str, rev: Rev) -> Answer:
        branches = self.of(state.name)
        on_base = branch == "main"
        line = list(branches.get(branch, ()))
        if on_base and state.updated:
            line = list(branches[UPDATE_BRANCH])
        if not line:
            return Answer("unknown", None, None, on_base)
        if rev in line:
            behind = len(line) - 1 - line.index(rev)
            return Answer("behind" if behind else "at", line[-1], behind, on_base)
        if rev in branches.get(UPDATE_BRANCH, ()):
            return Answer("unlanded", line[-1], 1, on_base)
        known = any(rev in others for others in branches.values())
        return Answer("ahead" if known else "unknown", line[-1], 1 if known else None, on_base)

    def survey(
        self,
        answers: Mapping[str, Target] | None = None,
        external: Mapping[Source, Target] | None = None,
        now: int = NOW,
    ) -> Survey:
        """Return what `survey` would. answers: what the servers of the pins say; None: offline."""
        snapshot = self.snapshot()
        graph = build_graph(snapshot)
        governed = tuple(pinned_inputs(snapshot))
        named = {PinName(name): latest for name, latest in answers.items()} if answers is not None else None
        by_locks = sources_by_locks(self.workspace, offline=named is None)
        held = newest_locked(snapshot, by_locks, now=now, prove=self.prove)
        targets = choose_targets(self.workspace, governed, named, held)
        found = Survey(snapshot, graph, governed, targets, self.history(graph, snapshot), now)
        if self.workspace.external == "hold":
            return found
        sources = external_sources(found.snapshot, found.graph, found.governed)
        moved = external_targets(found.snapshot, sources, external, now=now, prove=self.prove)
        return msgspec.structs.replace(found, external=moved)

    def prove(self, source: Source, rev: Rev, _date: int) -> Standing:
        """Return what is known of a commit of a source: that its branch has it, unless `standings` says otherwise."""
        return self.standings.get(rev, "on")

    def after(self, plan: Plan) -> "Scene":
        """Return the scene in which a plan has landed: locks moved, the base of each repo with one commit more."""
        snapshot = self.snapshot()
        new: dict[RepoName, Rev] = {}
        for name, _ in plan.changes():
            state = snapshot.states[name]
            rev = state.rev if isinstance(state, RepoAtCommit) else None
            new[name] = commit_id("update", name, rev, plan.run)
        changed: dict[str, Flakes] = {}
        for name, changes in plan.changes():
            flakes = {flake.dir: flake.lock for flake in snapshot.states[name].flakes}
            for change in changes:
                lock = flakes[change.flake]
                assert lock is not None
                assert not isinstance(change.to, ToFlakeNix)
                rev = change.to.rev if isinstance(change.to, ToRev) else new[change.to.upstream]
                immutable = change.to.locked if isinstance(change.to, ToRev) else None
                locked: dict[str, Attr] = {**(immutable or change.locked), "rev": rev}
                flakes[change.flake] = lock.replace(change.input, locked=locked)
            changed[name] = {dir: _json(lock) if lock is not None else None for dir, lock in flakes.items()}
        grown: dict[str, Mapping[str, Sequence[Rev]]] = {
            name: {**self.of(name), "main": [*self.of(name)["main"], rev]} for name, rev in new.items()
        }
        return replace(self, locks={**self.locks, **changed}, branches={**self.branches, **grown})


def _json(lock: LockFile) -> Json:
    import json

    found: Json = json.loads(lock.to_bytes())
    return found


def scene(
    flakes: Mapping[str, Inputs | Flakes],
    *,
    pins: Sequence[Pin] = (),
    repos: Mapping[str, Repo] | None = None,
    branches: Mapping[str, Mapping[str, Sequence[Rev]]] | None = None,
    external: External = "hold",
    at: At = "base",
) -> Scene:
    """Return a scene of repos named by `flakes`, in that order. repos: those that are not just `github:acme/NAME`."""
    made = [(repos or {}).get(name) or repo(name) for name in flakes]
    return Scene(workspace(made, pins, external), flakes, branches or {}, at)


def everything(found: Scene | Survey) -> frozenset[RepoName]:
    """Return the names of all repos."""
    owner = found.workspace if isinstance(found, Scene) else found.snapshot.workspace
    return frozenset(repo.name for repo in owner.repos)


def takes(name: str, *, rev: Rev | None = None, **values: object) -> Input:
    """Return an input that is the repo `name` of `acme`, by default locked at the one commit of its main branch."""
    return locks.github("acme", name, rev=rev or commit_id(name), **values)  # type: ignore[arg-type]


def nixpkgs(rev: Rev, ref: str | None = "nixos-25.11", **values: object) -> Input:
    """Return an input that is nixpkgs."""
    return locks.github("NixOS", "nixpkgs", ref=ref, rev=rev, **values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Ground:
    """A workspace of real git repositories: the manifest, and where each repo lies."""

    manifest: Path
    repos: Mapping[str, Path]
    tips: Mapping[str, Rev]


def make_ground(
    root: Path,
    flakes: Mapping[str, Inputs],
    *,
    settings: Mapping[str, object] | None = None,
    pins: Mapping[str, Mapping[str, object]] | None = None,
    tables: Mapping[str, Mapping[str, object]] | None = None,
    mirrored: Iterable[str] = (),
) -> Ground:
    """Make a repository for each flake, in their order, with its lock, and a manifest beside them.

    An input made with `takes` stands for `git+file:` of the repo at its tip, which has to come earlier. tables: more
    keys of `[repos.NAME]`. mirrored: repos that the manifest knows only by url.
    """
    paths: dict[str, Path] = {}
    tips: dict[str, Rev] = {}
    table: dict[str, dict[str, object]] = {}
    for name, inputs in flakes.items():
        path = root / "repos" / name
        real = {key: _at_home(value, paths, tips) for key, value in inputs.items()}
        files = {"flake.nix": flake_nix(real)}
        if real:
            files["flake.lock"] = locks.to_bytes(locks.lock(real)).decode()
        tips[name] = repos.make_repo(path, files, checkout=False)
        paths[name] = path
        place = {"url": f"git+file://{path}"} | ({} if name in mirrored else {"path": f"repos/{name}"})
        table[name] = {**place, **(tables or {}).get(name, {})}
    document = {"workspace": {"name": "acme", **(settings or {})}, "pins": pins or {}, "repos": table}
    manifest = root / "workspace.toml"
    manifest.write_text(tomli_w.dumps(document))
    return Ground(manifest, paths, tips)


def _at_home(
    value: Input | tuple[str, ...], paths: Mapping[str, Path], tips: Mapping[str, Rev]
) -> Input | tuple[str, ...]:
    if isinstance(value, tuple) or value.original.get("owner") != "acme":
        return value
    name = value.original["repo"]
    rev = tips[name] if value.locked["rev"] == commit_id(name) else value.locked["rev"]
    return locks.git(f"file://{paths[name]}", rev=rev, ref=value.original.get("ref"), flake=value.flake)


def flake_nix(inputs: Inputs) -> str:
    """Return a flake.nix with these inputs; nothing in it is ever evaluated."""
    lines = [
        f'    {name}.{"follows" if isinstance(value, tuple) else "url"} = "{_shown(value)}";'
        for name, value in inputs.items()
    ]
    return (
        "\n".join(["{", "  inputs = {", *lines, "  };", "  outputs = { self, ... }: { };", "}", ""])
        if lines
        else ("{\n  outputs = { self }: { };\n}\n")
    )


def _shown(value: Input | tuple[str, ...]) -> str:
    return "/".join(value) if isinstance(value, tuple) else FlakeRef.from_attrs(value.original).to_url()


def local_identity(path: Path) -> Identity:
    """Return the identity of a folder of this machine."""
    return Identity("", str(path.resolve()))
