"""Graphs built from a few words."""

from flakesync.survey.graph import Edge, RepoGraph
from flakesync.terms import EdgeKind, FlakeDir, RepoName
from flakesync.workspace.manifest import Repo
from flakesync.workspace.snapshot import PlainFolder


def edge(
    upstream: str, dependent: str, *, kind: EdgeKind = "flake", flake: str = ".", input: str | None = None
) -> Edge:
    return Edge(RepoName(upstream), RepoName(dependent), FlakeDir(flake), (input or upstream,), kind, {}, {})


def graph(*edges: Edge, alone: tuple[str, ...] = ()) -> RepoGraph:
    names = sorted({name for each in edges for name in (each.upstream, each.dependent)} | set(alone))
    states = {RepoName(name): PlainFolder(Repo(name=RepoName(name)), "main", ()) for name in names}
    return RepoGraph(states, edges)
