"""Which repo takes which: edges from the locks, waves, cycles.

An edge runs upstream → dependent, one for each input of a flake's own that is a repo of the workspace: of the root, and
of the repo's folders that it takes (`path:./sub`). Inputs are resolved from the root node, never by node label (in 15 %
of real locks they differ).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from flakesync.cache.layout import cache_dir
from flakesync.errors import FlakesyncError, within
from flakesync.nix.reference.flakeref import Attr, Identity, is_full_rev
from flakesync.nix.reference.source import archived_ref
from flakesync.survey.order.find import Order, Pair
from flakesync.survey.order.kept import order_of
from flakesync.terms import EdgeKind, FlakeDir, InputPath, NodeLabel, RepoName, Rev
from flakesync.workspace.inputs import OwnInput, branch_of, rev_of
from flakesync.workspace.snapshot import FlakeState, RepoState, Snapshot


class Edge(msgspec.Struct, frozen=True):
    """One input of a flake's own that is a repo of the workspace.

    kind: `source` for `flake = false`. original, locked: as in the lock. locked_rev: the locked commit; None where the
    lock has none (a path, a dirty tree). branch: the branch that the input tracks; None for the upstream's default
    branch. fixed: whether flake.nix itself names the commit or a tag: such an input is never moved. follows: the path
    of the node that a follows leads to; None for an input with a node of its own (only those can be moved at this
    path). below: the inputs of that node, as in the lock; none where it is not its own.
    """

    upstream: RepoName
    dependent: RepoName
    flake: FlakeDir
    input: InputPath
    kind: EdgeKind
    original: Mapping[str, Attr]
    locked: Mapping[str, Attr]
    locked_rev: Rev | None = None
    branch: str | None = None
    fixed: bool = False
    follows: InputPath | None = None
    below: Mapping[str, NodeLabel | InputPath] = {}

    def locked_at(self, locked: Mapping[str, Attr]) -> "Edge":
        """Return the same input, locked to something else. locked: as in a lock."""
        return msgspec.structs.replace(self, locked=locked, locked_rev=rev_of(locked))


class RepoGraph:
    """The repos of a snapshot and the edges between them.

    edges: sorted by dependent, flake and input, also those of a repo to itself. opened: the edges that run backwards
    in the order of `waves`, because a cycle had to be opened there (at `flake = false` edges first); for them a
    dependent takes the base commit. An edge of a repo to itself is always one of them.
    """

    def __init__(self, states: Mapping[RepoName, RepoState], edges: Iterable[Edge]) -> None:
        self.states = states
        self.edges = tuple(sorted(edges, key=lambda edge: (edge.dependent, edge.flake, edge.input)))

    @cached_property
    def _order(self) -> Order:
        links = {(edge.upstream, edge.dependent, edge.kind) for edge in self.edges}
        try:
            cache = cache_dir()
        except FlakesyncError:  # there is no home folder: nothing is kept
            cache = None
        return order_of(self.states, links, cache)

    @property
    def cycles(self) -> tuple[tuple[RepoName, ...], ...]:
        """The real cycles: sets of repos that take each other as flakes, each in the order in which they are bumped."""
        return self._order.cycles

    @property
    def waves(self) -> tuple[tuple[RepoName, ...], ...]:
        """Sets of repos whose upstreams are all in earlier waves; names sorted inside a wave."""
        return self._order.waves

    @cached_property
    def _pairs(self) -> frozenset[Pair]:
        """The pairs (upstream, dependent) that give the waves."""
        return frozenset((edge.upstream, edge.dependent) for edge in self.edges if not self.is_back_edge(edge))

    @cached_property
    def _above(self) -> Mapping[RepoName, Sequence[RepoName]]:
        return _grouped((dependent, upstream) for upstream, dependent in self._pairs)

    @cached_property
    def _below(self) -> Mapping[RepoName, Sequence[RepoName]]:
        return _grouped(self._pairs)

    def is_back_edge(self, edge: Edge) -> bool:
        """Tell whether `edge` runs backwards in the order of the waves."""
        return edge.upstream == edge.dependent or (edge.upstream, edge.dependent) in self._order.opened

    def upstreams(self, name: RepoName) -> tuple[RepoName, ...]:
        """The repos that have to be done before `name`, sorted."""
        return tuple(sorted(self._above.get(name, ())))

    def downstream(self, names: Iterable[RepoName]) -> frozenset[RepoName]:
        """All repos that have to wait for one of `names`, over any number of waves."""
        found, todo = set[RepoName](), list(names)
        while todo:
            new = set(self._below.get(todo.pop(), ())) - found
            found |= new
            todo += new
        return frozenset(found)


def _grouped(pairs: Iterable[Pair]) -> dict[RepoName, list[RepoName]]:
    """Return the second of all pairs that have the same first."""
    found: dict[RepoName, list[RepoName]] = {}
    for first, second in pairs:
        found.setdefault(first, []).append(second)
    return found


def build_graph(snapshot: Snapshot) -> RepoGraph:
    """Return the graph of a snapshot. Raises: RepoError."""
    owners = repo_by_identity(snapshot)
    edges: list[Edge] = []
    for state in snapshot.states.values():
        with within(state.name):
            for flake in state.flakes:
                edges += _edges_of(state.name, flake, owners)
    return RepoGraph(snapshot.states, edges)


def repo_by_identity(snapshot: Snapshot) -> dict[Identity, RepoName]:
    """Return which repo of the workspace each known identity is."""
    return {identity: state.name for state in snapshot.states.values() for identity in state.repo.identities}


def _edges_of(dependent: RepoName, flake: FlakeState, owners: Mapping[Identity, RepoName]) -> Iterator[Edge]:
    for item in flake.inputs_of(owners):
        if item.source is not None:
            yield _edge(owners[item.source[0]], dependent, flake.dir, item)
    for each in flake.following:
        source = each.leads_to.source
        upstream = owners.get(source[0]) if source is not None else None
        if upstream is not None:
            yield _edge(upstream, dependent, flake.dir, each.leads_to, each.path)


def _edge(
    upstream: RepoName, dependent: RepoName, flake: FlakeDir, item: OwnInput, following: InputPath | None = None
) -> Edge:
    """Return the edge of an input. following: the input's path, where `item` is what it follows; None: `item` is it."""
    kind: EdgeKind = "flake" if item.node.flake else "source"
    path, follows = (item.path, None) if following is None else (following, item.path)
    below = item.node.inputs if follows is None else {}
    original, locked = item.original, item.locked
    archived = archived_ref(original)
    branch = branch_of(original) or archived
    fixed = item.fixed or (archived is not None and (is_full_rev(archived) or archived.startswith("refs/tags/")))
    return Edge(upstream, dependent, flake, path, kind, original, locked, item.rev, branch, fixed, follows, below)
