"""The graph as text: wave by wave, each repo with what it takes."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from flakesync.report.text import (
    BLANK,
    SHORT_REV,
    Line,
    Span,
    beside,
    by_detail,
    count,
    flow,
    fold,
    hang,
    input_name,
    line,
    line_width,
    row,
    share,
    short,
    shown,
    widest,
    with_detail,
    wrap,
)
from flakesync.survey.graph import Edge, RepoGraph
from flakesync.terms import RepoName, show_path
from flakesync.workspace.snapshot import UnreadableRepo

_ARROW = " ← "
_NAME_MOST = 32


def part_of(graph: RepoGraph, selected: frozenset[RepoName]) -> RepoGraph:
    """Return the graph of the selected repos and of their neighbours: all edges that begin or end at a selected one."""
    if selected >= graph.states.keys():
        return graph
    edges = [edge for edge in graph.edges if edge.upstream in selected or edge.dependent in selected]
    names = selected.union(*((edge.upstream, edge.dependent) for edge in edges))
    return RepoGraph({name: state for name, state in graph.states.items() if name in names}, edges)


def render_tree(
    graph: RepoGraph, *, width: int, selected: frozenset[RepoName] | None = None, full: bool = False
) -> list[Line]:
    """Return the waves as headings, below each its repos, and for each of them the repos that it takes.

    selected: the repos that were asked for; the others are marked as neighbours. None: all. full: below each repo, its
    inputs one by one, with the branch that they track and the commit that they are locked to.
    """
    chosen = selected if selected is not None else frozenset(graph.states)
    into: dict[RepoName, list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        into[edge.dependent].append(edge)
    lines: list[Line] = fold(line(Span(_summary(graph, chosen), "head")), width)
    column = min(
        widest(_named(name, chosen).text for name in into), share(width, 2 + len(_ARROW) + _NAME_MOST // 2, _NAME_MOST)
    )
    for number, wave in enumerate(graph.waves, start=1):
        lines += [BLANK, line(Span(f"wave {number}", "head"))]
        alone = [_named(name, chosen) for name in wave if not into[name]]
        lines += ((Span("  "), *each) for each in flow(alone, width - 2))
        for name in wave:
            if into[name]:
                lines += _takes(graph, _named(name, chosen), into[name], column, width)
                lines += _inputs(into[name], width) if full else []
    lines += _cycles(graph, width)
    return lines + _problems(graph, width)


def _named(name: RepoName, chosen: frozenset[RepoName]) -> Span:
    return Span(shown(name), "name") if name in chosen else Span(f"({shown(name)})", "dim")


def _inputs(edges: Sequence[Edge], width: int) -> list[Line]:
    """Return a line for each input: its path, the repo, the branch, the locked commit."""
    names = [input_name(edge.flake, show_path(edge.input)) for edge in edges]
    column = min(widest(names), share(width, 6 + 2 + SHORT_REV + 2 + 16, 28))
    lines: list[Line] = []
    for edge, name in zip(edges, names, strict=True):
        head = row([(line(name), column), (line(Span(short(edge.locked_rev), "rev")), SHORT_REV)], indent=6)
        follows = f", follows {shown(show_path(edge.follows))}" if edge.follows is not None else ""
        ref = f" ({shown(edge.branch)})" if edge.branch is not None else ""
        lines += with_detail(head, f"{shown(edge.upstream)}{ref}{follows}", line_width(head[0]), 10, width)
    return lines


def _summary(graph: RepoGraph, chosen: frozenset[RepoName]) -> str:
    repos = len(chosen & graph.states.keys())
    neighbours = len(graph.states) - repos
    parts = [count(repos, "repo"), *([count(neighbours, "neighbour")] if neighbours else [])]
    parts += [count(len(graph.edges), "edge"), count(len(graph.waves), "wave")]
    if graph.cycles:
        parts.append(count(len(graph.cycles), "cycle"))
    return ", ".join(parts)


def _takes(graph: RepoGraph, name: Span, edges: Sequence[Edge], column: int, width: int) -> list[Line]:
    """Return one repo and its upstreams, the latter in a column of their own."""
    head = row([(line(name), column)], gap=0)
    head[0] = (*head[0], Span(_ARROW, "dim"))
    indent = line_width(head[0])
    return beside(head, flow(_upstreams(graph, edges), width - indent), indent)


def _upstreams(graph: RepoGraph, edges: Iterable[Edge]) -> list[Span]:
    """Return each upstream once, with what is special about taking it."""
    by_upstream: dict[RepoName, list[Edge]] = defaultdict(list)
    for edge in edges:
        by_upstream[edge.upstream].append(edge)
    return [
        Span(shown(name) + (f" ({', '.join(marks)})" if marks else ""), "warn" if _acyclic(graph, taken) else "")
        for name, taken in sorted(by_upstream.items())
        for marks in [_marks(graph, taken)]
    ]


def _acyclic(graph: RepoGraph, edges: Iterable[Edge]) -> bool:
    return any(graph.is_back_edge(edge) for edge in edges)


def _marks(graph: RepoGraph, edges: Sequence[Edge]) -> list[str]:
    marks = []
    flakes = sorted({edge.flake for edge in edges})
    if flakes != ["."]:
        marks += [f"in {shown(flake)}" for flake in flakes if flake != "."]
    if len(edges) > 1:
        marks.append(f"{len(edges)} inputs")
    if all(edge.kind == "source" for edge in edges):
        marks.append("source")
    if edges[0].upstream == edges[0].dependent:
        marks.append("itself")
    elif _acyclic(graph, edges):
        marks.append("opens a cycle")
    return marks


def _cycles(graph: RepoGraph, width: int) -> list[Line]:
    lines: list[Line] = []
    for cycle in graph.cycles:
        members = [Span(shown(name), "name") for name in cycle]
        head = line(Span("  "))
        lines += hang(head, flow(members, width - 2), 2)
    if not lines:
        return []
    title = "cycles" if len(graph.cycles) > 1 else "cycle"
    return [BLANK, line(Span(title, "warn"), Span(", in the order of bumping", "dim")), *lines]


def _problems(graph: RepoGraph, width: int) -> list[Line]:
    found: list[tuple[str, str]] = []
    for state in graph.states.values():
        if isinstance(state, UnreadableRepo):
            found.append((state.name, state.error.message))
        found += ((state.name, flake.problem.detail) for flake in state.flakes if flake.problem is not None)
    if not found:
        return []
    lines = [BLANK, line(Span("not read", "bad"))]
    for name, detail in by_detail(found, "`drift --json`"):
        pieces = wrap(f"{name}: {shown(detail)}", width - 4)
        lines += hang(line("  "), [line(piece) for piece in pieces], 4)
    return lines
