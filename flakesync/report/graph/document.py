"""The graph as a document."""

from flakesync.documents.graph import EdgeDocument, GraphDocument, RepoDocument
from flakesync.survey.graph import RepoGraph
from flakesync.terms import RepoName, show_path
from flakesync.workspace.snapshot import RepoAtCommit


def graph_document(graph: RepoGraph, selected: frozenset[RepoName] | None = None) -> GraphDocument:
    """Return the JSON form of a graph. selected: the repos that were asked for; None: all."""
    return GraphDocument(
        repos=[
            RepoDocument(
                name=state.name,
                url=state.repo.url.to_url() if state.repo.url is not None else None,
                base=state.base,
                rev=state.rev if isinstance(state, RepoAtCommit) else None,
                flakes=list(state.repo.flakes),
                neighbour=selected is not None and state.name not in selected,
            )
            for state in graph.states.values()
        ],
        edges=[
            EdgeDocument(
                upstream=edge.upstream,
                dependent=edge.dependent,
                flake=edge.flake,
                input=show_path(edge.input),
                locked_rev=edge.locked_rev,
                kind=edge.kind,
            )
            for edge in graph.edges
        ],
        waves=[list(wave) for wave in graph.waves],
        cycles=[list(cycle) for cycle in graph.cycles],
    )
