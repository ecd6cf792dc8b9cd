"""Which upstreams a repo waits for: those whose update commits it locks, and those whose moves still reach it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from flakesync.analysis.inert import flake_dir_of
from flakesync.analysis.reaches import ReachQuestion, reach
from flakesync.git.repository import Repository
from flakesync.land.server_state import RepoOnServer, ServerState, at_commit
from flakesync.nix.lock.file import LockFile
from flakesync.survey.graph import Edge, RepoGraph
from flakesync.terms import FlakeDir, InputPath, RepoName, Rev
from flakesync.update.content import locked_of
from flakesync.workspace.snapshot import FlakeState

Pending = Mapping[FlakeDir, Mapping[InputPath, Rev | None]]
"""What a repo still moves, by flake, and the commits; None: one that is to be made."""


def pending(state: ServerState, name: RepoName, edges: Iterable[Edge]) -> Pending | None:
    """Return what a repo that has something to land still moves; None: it cannot be told. edges: its own."""
    found = state.look(name)
    if not isinstance(found, RepoOnServer):
        return None
    moving: dict[FlakeDir, dict[InputPath, Rev | None]] = defaultdict(dict)
    for edge in edges:
        if state.names_update(edge):
            moving[edge.flake][edge.input] = None
    for move in found.update.moves if found.update is not None else ():
        moving[move.flake][move.path] = move.new
    return moving


def waited_for(
    state: ServerState,
    graph: RepoGraph,
    name: RepoName,
    edges: Iterable[Edge],
    moving: Mapping[RepoName, Pending | None],
) -> Iterator[RepoName]:
    """Yield the upstreams that a repo waits for. edges: its own. moving: of all repos that have something to land."""
    found = state.look(name)
    update = found.update if isinstance(found, RepoOnServer) else None
    after = {move.key: locked_of(move.after) for move in update.moves} if update is not None else {}
    locks = _locks_of(found) if isinstance(found, RepoOnServer) else {}
    for edge in edges:
        if edge.upstream not in moving:
            continue
        now = edge.locked_at(after.get((edge.flake, edge.input), edge.locked))
        moves = moving[edge.upstream]
        always = edge.kind == "source" or state.workspace.repo(edge.upstream).propagate == "always"
        if always or moves is None or state.names_update(now) or _reaches(graph, edge, locks, moves):
            yield edge.upstream


def _reaches(graph: RepoGraph, edge: Edge, locks: Mapping[FlakeDir, LockFile], moves: Pending) -> bool:
    """Tell whether what an upstream still moves reaches an input. locks: those of the repo that takes it."""
    dir, lock = flake_dir_of(edge), locks.get(edge.flake)
    there = next((flake.lock for flake in graph.states[edge.upstream].flakes if flake.dir == dir), None)
    if lock is None:
        return True
    return bool(reach(ReachQuestion(lock, edge.input, there, there, fresh=True), moves.get(dir, {})).reaching)


def _locks_of(found: RepoOnServer) -> dict[FlakeDir, LockFile]:
    """Return the locks of a repo as its update has them, else as its base has."""
    flakes: Iterable[FlakeState] = found.state.flakes
    if found.update is not None:
        with Repository.open(found.state.clone) as repository:
            flakes = [at_commit(repository, found.update.commit, flake) for flake in flakes]
    return {flake.dir: flake.lock for flake in flakes if flake.lock is not None}
