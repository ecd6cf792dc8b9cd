"""Waves, cycles, and the edges taken out to open them: what networkx makes of a graph."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from flakesync.terms import EdgeKind, RepoName

if TYPE_CHECKING:
    import networkx as nx

Pair = tuple[RepoName, RepoName]
"""An upstream and its dependent."""
Link = tuple[RepoName, RepoName, EdgeKind]
"""An upstream, its dependent, and how that takes it."""


class Order(msgspec.Struct, frozen=True):
    """In which order repos are bumped.

    waves: sets of repos whose upstreams are all in earlier waves; names sorted inside a wave. cycles: sets of repos
    that take each other as flakes, each in the order in which they are bumped; sorted. opened: the pairs that run
    backwards in the order of the waves; those of a repo to itself are not among them.
    """

    waves: tuple[tuple[RepoName, ...], ...]
    cycles: tuple[tuple[RepoName, ...], ...]
    opened: frozenset[Pair]


def find_order(names: Iterable[RepoName], links: Iterable[Link]) -> Order:
    """Return the order of repos. It depends on nothing but the two sets: not on the order in which they are given."""
    import networkx as nx  # 60 ms

    graph, cycles, opened = _break_cycles(sorted(names), frozenset(links))
    waves = tuple(tuple(sorted(wave)) for wave in nx.topological_generations(graph))
    return Order(waves, tuple(cycles), frozenset(opened))


def _break_cycles(
    names: Sequence[RepoName], links: frozenset[Link]
) -> tuple["nx.DiGraph[RepoName]", list[tuple[RepoName, ...]], set[Pair]]:
    """Return an acyclic graph, the real cycles, and the pairs (upstream, dependent) taken out to open them."""
    import networkx as nx

    graph: nx.DiGraph[RepoName] = nx.DiGraph()
    graph.add_nodes_from(names)
    flakes = {(upstream, dependent) for upstream, dependent, kind in links if kind == "flake"}
    pairs = {(upstream, dependent) for upstream, dependent, _ in links if upstream != dependent}
    graph.add_edges_from(sorted(pairs))
    opened: set[Pair] = set()
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
    return graph, sorted(cycles), opened


def _components(graph: "nx.DiGraph[RepoName]") -> list[frozenset[RepoName]]:
    import networkx as nx

    knots = (frozenset(part) for part in nx.strongly_connected_components(graph) if len(part) > 1)
    return sorted(knots, key=sorted)


def _put_back(graph: "nx.DiGraph[RepoName]", opened: set[Pair]) -> None:
    """Take as few edges out as this order of opening allows: what closes no cycle goes back in."""
    import networkx as nx

    for upstream, dependent in sorted(opened):
        if not nx.has_path(graph, dependent, upstream):
            graph.add_edge(upstream, dependent)
            opened.discard((upstream, dependent))
