"""The graph as a diagram for other programs: Graphviz's dot and Mermaid."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from flakesync.report.text import shown
from flakesync.survey.graph import Edge, RepoGraph
from flakesync.terms import RepoName, show_path


@dataclass(frozen=True, slots=True)
class _Arrow:
    """All edges of one pair of repos. source: none is a flake. label: the inputs not named like the upstream."""

    upstream: RepoName
    dependent: RepoName
    source: bool
    opened: bool
    label: str


def _arrows(graph: RepoGraph) -> Iterator[_Arrow]:
    by_pair: dict[tuple[RepoName, RepoName], list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        by_pair[edge.upstream, edge.dependent].append(edge)
    for (upstream, dependent), found in sorted(by_pair.items()):
        names = sorted({shown(show_path(edge.input)) for edge in found} - {upstream})
        yield _Arrow(
            upstream,
            dependent,
            source=all(edge.kind == "source" for edge in found),
            opened=any(graph.is_back_edge(edge) for edge in found),
            label=", ".join(names),
        )


def render_dot(graph: RepoGraph, *, title: str, selected: frozenset[RepoName] | None = None) -> str:
    """Return a dot digraph: a cluster for each wave; source edges dashed, edges that open a cycle dotted.

    selected: the repos that were asked for; their neighbours are dashed. None: all.
    """
    lines = [f"digraph {_quoted(title)} {{", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    for number, wave in enumerate(graph.waves, start=1):
        lines += [f"  subgraph cluster_{number} {{", f'    label="wave {number}";']
        for name in wave:
            neighbour = ' [style="rounded,dashed"]' if selected is not None and name not in selected else ""
            lines.append(f"    {_quoted(name)}{neighbour};")
        lines.append("  }")
    for arrow in _arrows(graph):
        attributes = []
        if arrow.source or arrow.opened:
            attributes.append(f"style={'dotted' if arrow.opened else 'dashed'}")
        if arrow.opened:
            attributes.append("constraint=false")
        if arrow.label:
            attributes.append(f"tooltip={_quoted(arrow.label)}")
        tail = f" [{', '.join(attributes)}]" if attributes else ""
        lines.append(f"  {_quoted(arrow.upstream)} -> {_quoted(arrow.dependent)}{tail};")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + shown(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def render_mermaid(graph: RepoGraph, *, selected: frozenset[RepoName] | None = None) -> str:
    """Return a Mermaid flowchart: a subgraph for each wave; source edges dotted, edges that open a cycle say so.

    selected: the repos that were asked for; the border of their neighbours is dashed. None: all.
    """
    ids = {name: f"r{number}" for number, name in enumerate(sorted(graph.states))}
    lines = ["flowchart LR"]
    for number, wave in enumerate(graph.waves, start=1):
        lines.append(f'  subgraph w{number}["wave {number}"]')
        lines += [f'    {ids[name]}["{_entities(name)}"]' for name in wave]
        lines.append("  end")
    for arrow in _arrows(graph):
        link = "-->|opens a cycle|" if arrow.opened else "-.->" if arrow.source else "-->"
        if arrow.opened and arrow.source:
            link = "-.->|opens a cycle|"
        lines.append(f"  {ids[arrow.upstream]} {link} {ids[arrow.dependent]}")
    neighbours = [ids[name] for wave in graph.waves for name in wave if selected is not None and name not in selected]
    lines += [f"  style {each} stroke-dasharray: 4" for each in neighbours]
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """Return a label in which Mermaid sees no syntax: `#NUMBER;` is its way to write a character."""
    return "".join(f"#{ord(char)};" if char in '#;"&<>`\\' else char for char in shown(text))
