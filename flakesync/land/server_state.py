"""What there is to land, read from the servers' branches: bases, update branches, locks that name update commits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import assert_never

import msgspec

from flakesync.analysis.inert import find_inert
from flakesync.errors import GitError, LockError, ManifestError, SyncError, as_error
from flakesync.forge.hosts import Servers
from flakesync.forge.model import ForgeError
from flakesync.git.remotes.mirror import mirror
from flakesync.git.remotes.remote import Remote
from flakesync.git.remotes.transfer import fetch
from flakesync.git.repository import Repository
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Identity
from flakesync.publish.each_repo import map_repos
from flakesync.survey.broken import without_broken
from flakesync.survey.external import MOVABLE
from flakesync.survey.graph import Edge, RepoGraph, build_graph
from flakesync.survey.pins import Target, is_archive, last_modified
from flakesync.survey.read import look_at
from flakesync.survey.survey import Survey
from flakesync.sync.lockers.native.sources import Sources
from flakesync.terms import PinName, RepoName, Rev, flake_file
from flakesync.update.commit import is_ours
from flakesync.update.content import Update, changed_locks, has_content, own_commits, read_update
from flakesync.workspace.history import Answer, Question
from flakesync.workspace.inputs import Source, own_input
from flakesync.workspace.manifest import Workspace
from flakesync.workspace.model import Repo
from flakesync.workspace.snapshot import (
    FlakeState,
    PlainFolder,
    RepoAtCommit,
    RepoState,
    Snapshot,
    UnreadableRepo,
    read_repo,
)

_FARTHEST = 100_000


@dataclass(frozen=True, slots=True)
class RepoOnServer:
    """One repo as its server has it.

    tip: of its update branch; None: there is none. update: what that branch has and the base lacks; None: nothing.
    """

    state: RepoAtCommit
    tip: Rev | None = None
    update: Update | None = None


class ServerState:
    """The repos as they were last read. Threads may share it; each renews the repo that it works on.

    Repos are read from mirrors, as if the manifest had no `path` where it has a `url`: local clones do not count.
    repositories: their mirrors, and sources: where the native locker finds commits; both from the first reading on.
    """

    def __init__(self, workspace: Workspace, cache: Path, servers: Servers) -> None:
        """cache: where the mirrors are. servers: those that the repos are landed on."""
        self.workspace = msgspec.structs.replace(workspace, repos=tuple(map(_without_clone, workspace.repos)))
        self._cache = cache
        self._servers = servers
        self._states: dict[RepoName, RepoState] = {}
        self.repositories: dict[Identity, Path] = {}
        self.sources = Sources(self.repositories, self._locks(), cache, hosts=servers.hosts)
        self._known: dict[tuple[RepoName, Rev, Rev], bool] = {}
        self._guard = Lock()

    def read(self, names: Iterable[RepoName]) -> None:
        """Read these repos anew."""
        map_repos(names, self.renew, jobs=self.workspace.jobs, stop=self._servers.stop)

    def renew(self, name: RepoName) -> RepoState:
        """Read one repo anew."""
        repo = self.workspace.repo(name)
        try:
            address = self._address(repo)
            if address is not None:
                mirror(address, self._cache, offline=False)
            state = read_repo(self.workspace, repo, cache=self._cache, offline=True)
        except ManifestError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
            state = UnreadableRepo(repo, repo.base, as_error(error))
        with self._guard:
            self._states[name] = state
            if isinstance(state, RepoAtCommit):
                self.repositories.update(dict.fromkeys(repo.identities, state.clone))
        return state

    def graph(self) -> RepoGraph:
        """Return the graph of the bases."""
        snapshot = self._snapshot()
        graph = without_broken(snapshot, build_graph)
        broken = {name: state for name, state in graph.states.items() if state is not snapshot.states[name]}
        with self._guard:
            self._states.update(broken)
        return graph

    def look(self, name: RepoName) -> RepoOnServer | PlainFolder | UnreadableRepo:
        """Return what there is of a repo as it was last read.

        UnreadableRepo: also where it cannot be said what there is to land of it, or there is no server to land it on.
        """
        with self._guard:
            state = self._states[name]
        match state:
            case RepoAtCommit():
                try:
                    return self._read(state)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is this repo's
                    return UnreadableRepo(state.repo, state.base, as_error(error))
            case PlainFolder() | UnreadableRepo():
                return state
            case _:
                assert_never(state)

    def _read(self, state: RepoAtCommit) -> RepoOnServer:
        """Return what there is of a repo. Raises FlakesyncError: there is something that cannot be landed."""
        branch, base = self.workspace.branch, state.base_rev
        with Repository.open(state.clone) as repository:
            if state.repo.url is None:
                tip = repository.ref(f"refs/heads/{branch}")
                if tip is None or repository.history.is_ancestor(tip, base):
                    return RepoOnServer(state)
                message = f"{state.name} has no `url`: there is no server to land its update on"
                raise SyncError("no-url", message, hint="merge it by hand, or give the repo a `url`")
            tip = repository.ref(f"refs/remotes/origin/{branch}")
            if tip is None:
                return RepoOnServer(state)
            commits = own_commits(repository, branch, tip, [base], " of the server")
            update = read_update(repository, commits) if commits else None
            done = update is None or has_content(repository, base, update)
        return RepoOnServer(state, tip, None if done else update)

    def _address(self, repo: Repo) -> Remote | None:
        """Return where git reaches a repo's server, and how it logs in there; None: it is read from a folder."""
        url = repo.url.git_url() if repo.url is not None and repo.path is None else None
        return self._servers.remote(url) if url is not None else None

    def _snapshot(self) -> Snapshot:
        with self._guard:
            return Snapshot(self.workspace, "base", dict(sorted(self._states.items())))

    def _locks(self) -> Iterator[LockFile]:
        """Give the locks of all bases and update branches: what was published is known without fetching it again."""
        with self._guard:
            states = list(self._states.values())
        for state in states:
            yield from (flake.lock for flake in state.flakes if flake.lock is not None)
            found = self.look(state.name)
            if isinstance(found, RepoOnServer) and found.update is not None:
                with Repository.open(found.state.clone) as repository:
                    locks = [lock for _, _, lock in changed_locks(repository, found.update)]
                yield from locks

    # ---- edges -----------------------------------------------------------------------------------------------------

    def names_update(self, edge: Edge) -> bool:
        """Tell whether a base lock names an update commit that the upstream's base does not have as one of its own.

        A person merged the repo before its upstream: such a lock lives as long as the update branch.
        """
        rev = edge.locked_rev
        if rev is None:
            return False
        if str(edge.locked.get("ref", "")).removeprefix("refs/heads/") == self.workspace.branch:
            return True
        with self._guard:
            state = self._states[edge.upstream]
        if not isinstance(state, RepoAtCommit) or rev == state.base_rev:
            return False
        key = edge.upstream, rev, state.base_rev
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._is_update_commit(state, rev)
        return known

    def _is_update_commit(self, state: RepoAtCommit, rev: Rev) -> bool:
        address = self._address(state.repo)
        with Repository.open(state.clone) as repository:
            try:
                if not repository.has(rev) and address is not None:
                    # Its branch is gone, but many servers still have the commit.
                    fetch(repository.path, address, [rev])
                return is_ours(repository, repository.commit(rev)) and not _on_line(repository, rev, state.base_rev)
            except GitError:
                return self._was_head(state, rev)

    def _was_head(self, state: RepoAtCommit, rev: Rev) -> bool:
        """Tell whether a commit that git cannot get any more was the head of the newest merged pull request."""
        try:
            on_forge = self._servers.for_repo(state.repo)
            pull = on_forge.find(head=self.workspace.branch, base=state.base) if on_forge is not None else None
        except ForgeError:
            return False
        return pull is not None and pull.state == "merged" and pull.head == rev

    # ---- decisions -------------------------------------------------------------------------------------------------

    def survey(self, found: RepoOnServer, landed: Iterable[Edge]) -> Survey:
        """Return what the plan of one repo is decided on.

        Targets are what its update branch says, never newly resolved: what was tested is what lands. landed: inputs
        at update commits that may move to the base of their upstream.
        """
        targets: dict[PinName, Target] = {}
        external: dict[Source, Target] = {}
        if found.update is not None:
            external = dict(_targets(found.update))
            by_rev = {target.rev: target for target in external.values()}
            targets = {name: by_rev.get(rev, Target(rev, None)) for name, rev in found.update.pins.items()}
        survey = look_at(self._snapshot(), found.state.name, targets, external)
        history = {**survey.history, **dict(self._as_published(found, survey, targets, external))}
        for edge in landed:
            rev, upstream = edge.locked_rev, survey.snapshot.states[edge.upstream]
            if rev is not None and isinstance(upstream, RepoAtCommit):
                history[edge.upstream, edge.branch, rev] = Answer("landed", upstream.base_rev, None, on_base=True)
        return msgspec.structs.replace(survey, history=history)

    def _as_published(
        self,
        found: RepoOnServer,
        survey: Survey,
        targets: Mapping[PinName, Target],
        external: Mapping[Source, Target],
    ) -> Iterator[tuple[Question, Answer]]:
        """Yield answers that leave upstreams where the update branch has them, if nothing newer there reaches the repo.

        The upstream has landed since, say: only its locks are new, and what was tested is what lands.
        """
        update, name = found.update, found.state.name
        edges = movable_edges(survey.graph)[name]
        if update is None or not any((edge.flake, edge.input) == move.key for edge in edges for move in update.moves):
            return
        with Repository.open(found.state.clone) as repository:
            flakes = tuple(at_commit(repository, update.commit, flake) for flake in found.state.flakes)
        snapshot = self._snapshot()
        states = {**snapshot.states, name: msgspec.structs.replace(found.state, flakes=flakes)}
        published = look_at(msgspec.structs.replace(snapshot, states=states), name, targets, external)
        moved = {move.key for move in update.moves}
        now = {(edge.flake, edge.input): edge for edge in published.graph.edges if edge.dependent == name}
        for edge in edges:
            key = edge.flake, edge.input
            if key not in moved or key not in now or edge.locked_rev is None or self.names_update(now[key]):
                continue
            question = edge.upstream, edge.branch, edge.locked_rev
            answer, inert = survey.history.get(question), find_inert(published, now[key])
            if answer is not None and answer.position == "behind" and inert is not None:
                yield question, Answer("behind", inert.locked, answer.behind, answer.on_base)


def at_commit(repository: Repository, commit: Rev, flake: FlakeState) -> FlakeState:
    """Return a flake as it is at another commit of its repo; where its lock there cannot be used, as it is."""
    data = repository.read(commit, flake_file(flake.dir))
    try:
        return FlakeState(flake.dir, LockFile.parse(data)) if data is not None else flake
    except LockError:
        return flake


def _without_clone(repo: Repo) -> Repo:
    return repo if repo.url is None or repo.url.git_url() is None else msgspec.structs.replace(repo, path=None)


def _targets(update: Update) -> Iterator[tuple[Source, Target]]:
    for move in update.moves:
        if isinstance(move.after, LockNode):
            item = own_input(move.path, move.after)
            if item.source is not None and item.rev is not None:
                locked = item.locked if is_archive(item.locked) else None
                yield item.source, Target(item.rev, last_modified(item.locked), locked)


def _on_line(repository: Repository, rev: Rev, tip: Rev) -> bool:
    """Tell whether a branch was once at `rev`: whether it is reached by first parents."""
    oldest = repository.commit(rev).committer.time
    at = tip
    for _ in range(_FARTHEST):
        if at == rev:
            return True
        commit = repository.commit(at)
        if not commit.parents or commit.committer.time < oldest:
            return False
        at = commit.parents[0]
    return False


def movable_edges(graph: RepoGraph) -> Mapping[RepoName, Sequence[Edge]]:
    """Return the inputs of each repo that landing may move: they track the base branch of another repo.

    Where that repo cannot be read, and the manifest names no base, it may be any branch.
    """
    found: dict[RepoName, list[Edge]] = {name: [] for name in graph.states}
    for edge in graph.edges:
        if edge.fixed or edge.follows is not None or edge.upstream == edge.dependent:
            continue
        base = graph.states[edge.upstream].base
        on_base = base is None or edge.branch in (None, base)
        held = graph.states[edge.dependent].repo.why_held(edge.flake, edge.input)
        if on_base and edge.locked.get("type") in MOVABLE and held is None:
            found[edge.dependent].append(edge)
    return found
