"""Which repo takes which: edges from the locks, waves, cycles.

An edge runs upstream → dependent, one for each input of a flake's own that is a repo of the workspace: of the root, and
of the repo's folders that it takes (`path:./sub`). Inputs are resolved from the root node, never by node label (in 15 %
of real locks they differ).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from flakesync.errors import within
from flakesync.nix.reference.flakeref import Attr, Identity, is_full_rev
from flakesync.nix.reference.source import archived_ref
from flakesync.terms import EdgeKind, FlakeDir, InputPath, RepoName, Rev
from flakesync.workspace.inputs import OwnInput, branch_of, is_fixed, rev_of
from flakesync.workspace.snapshot import FlakeState, RepoState, Snapshot

if TYPE_CHECKING:
    import networkx as nx


class Edge(msgspec.Struct, frozen=True, dict=True):
    """One input of a flake's own that is a repo of the workspace.

    kind: `source` for `flake = false`. follows: the path of the node that a follows leads to; None for an input
    with a node of its own (only those can be moved at this path). original, locked: as in the lock.
    """

    upstream: RepoName
    dependent: RepoName
    flake: FlakeDir
    input: InputPath
    kind: EdgeKind
    original: Mapping[str, Attr]
    locked: Mapping[str, Attr]
    follows: InputPath | None = None

    @cached_property
    def locked_rev(self) -> Rev | None:
        """The locked commit; None where the lock has none (a path, a dirty tree)."""
        return rev_of(self.locked)

    @cached_property
    def branch(self) -> str | None:
        """The branch that the input tracks; None for the upstream's default branch."""
        return branch_of(self.original) or archived_ref(self.original)

    @cached_property
    def fixed(self) -> bool:
        """Whether flake.nix itself names the commit or a tag: such an input is never moved."""
        ref = archived_ref(self.original)
        return is_fixed(self.original) or (ref is not None and (is_full_rev(ref) or ref.startswith("refs/tags/")))


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
    def _acyclic(
        self,
    ) -> tuple["nx.DiGraph[RepoName]", list[tuple[RepoName, ...]], frozenset[tuple[RepoName, RepoName]]]:
        return _break_cycles(sorted(self.states), self.edges)

    @property
    def digraph(self) -> "nx.DiGraph[RepoName]":
        """The acyclic graph that gives the waves: every repo a node, an edge upstream → dependent."""
        return self._acyclic[0]

    @cached_property
    def cycles(self) -> tuple[tuple[RepoName, ...], ...]:
        """The real cycles: sets of repos that take each other as flakes, each in the order in which they are bumped."""
        return tuple(self._acyclic[1])

    @cached_property
    def waves(self) -> tuple[tuple[RepoName, ...], ...]:
        """Sets of repos whose upstreams are all in earlier waves; names sorted inside a wave."""
        import networkx as nx

        return tuple(tuple(sorted(wave)) for wave in nx.topological_generations(self.digraph))

    def is_back_edge(self, edge: Edge) -> bool:
        """Tell whether `edge` runs backwards in the order of the waves."""
        return edge.upstream == edge.dependent or (edge.upstream, edge.dependent) in self._acyclic[2]

    def upstreams(self, name: RepoName) -> tuple[RepoName, ...]:
        """The repos that have to be done before `name`, sorted."""
        return tuple(sorted(self.digraph.predecessors(name)))

    def downstream(self, names: Iterable[RepoName]) -> frozenset[RepoName]:
        """All repos that have to wait for one of `names`, over any number of waves."""
        import networkx as nx

        return frozenset(each for name in names for each in nx.descendants(self.digraph, name))


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
    for item in flake.inputs:
        if item.source is not None:
            upstream = owners.get(item.source[0])
            if upstream is not None:
                yield _edge(upstream, dependent, flake.dir, item)
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
    return Edge(upstream, dependent, flake, path, kind, item.original, item.locked, follows)


def _break_cycles(
    names: Sequence[RepoName], edges: Sequence[Edge]
) -> tuple["nx.DiGraph[RepoName]", list[tuple[RepoName, ...]], frozenset[tuple[RepoName, RepoName]]]:
    """Return an acyclic graph, the real cycles, and the pairs (upstream, dependent) taken out to open them."""
    import networkx as nx

    graph: nx.DiGraph[RepoName] = nx.DiGraph()
    graph.add_nodes_from(names)
    flakes = {(edge.upstream, edge.dependent) for edge in edges if edge.kind == "flake"}
    pairs = {(edge.upstream, edge.dependent) for edge in edges if edge.upstream != edge.dependent}
    graph.add_edges_from(sorted(pairs))
    opened: set[tuple[RepoName, RepoName]] = set()
    # First at the edges that are only sources: nothing of them is evaluated, so order matters least there.
    for members in _components(graph):
        sources = sorted(pair for pair in graph.subgraph(members).edges if pair not in flakes)
        graph.remove_edges_from(sources)
        for upstream, dependent in sources:
            if nx.has_path(graph, dependent, upstream):
                opened.add((upstream, dependent))
            else:
                graph.add_edge(upstream, dependent)
    cycles: list[tuple[RepoName, ...]] = []
    for members in _components(graph):
        order: list[RepoName] = []
        while members:
            knot = graph.subgraph(members)
            # The one that waits for the fewest others goes first; the name decides between equals.
            first = min(members, key=lambda name: (knot.in_degree(name), name))
            opened |= set(knot.in_edges(first))
            order.append(first)
            members = members - {first}
        cycles.append(tuple(order))
    graph.remove_edges_from(opened)
    _put_back(graph, opened)
    return graph, sorted(cycles), frozenset(opened)


def _components(graph: "nx.DiGraph[RepoName]") -> list[frozenset[RepoName]]:
    import networkx as nx

    knots = (frozenset(part) for part in nx.strongly_connected_components(graph) if len(part) > 1)
    return sorted(knots, key=sorted)


def _put_back(graph: "nx.DiGraph[RepoName]", opened: set[tuple[RepoName, RepoName]]) -> None:
    """Take as few edges out as this order of opening allows: what closes no cycle goes back in."""
    import networkx as nx

    for upstream, dependent in sorted(opened):
        if not nx.has_path(graph, dependent, upstream):
            graph.add_edge(upstream, dependent)
            opened.discard((upstream, dependent))
