"""The graph as it is drawn: repos, or groups of repos where there are too many of them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from flakesync.report.html.given import PageDocuments
from flakesync.report.html.layout import Layout, lay_out
from flakesync.report.html.repos import GLYPHS, PageRepo, State
from flakesync.report.html.visible import section_id
from flakesync.report.text import count

MOST_REPOS = 2000
"""Up to how many repos each is a node of the graph, and has a section."""
_MOST_NAME = {True: 22, False: 20}
_MOST_WORDS = 28
_WORST: Sequence[State] = ("bad", "late", "ok", "out")
_NO_GROUP = "no group"


class GraphNode(msgspec.Struct, frozen=True, kw_only=True):
    """A repo, or a group: name, as much of it as there is room for, state, and what is said of it."""

    name: str
    label: str
    id: str
    state: State
    glyph: str
    words: str
    second: str
    updated: bool
    x: int
    y: int


class GraphEdge(msgspec.Struct, frozen=True):
    """A curve from an upstream to its dependent. style: `src` only its files, `cyc` against the waves, else empty."""

    path: str
    upstream: int
    dependent: int
    style: str


class PageGraph(msgspec.Struct, frozen=True, kw_only=True):
    """All of the graph. grouped: what a node stands for, empty: a repo. members: of each group, for its section."""

    layout: Layout
    nodes: Sequence[GraphNode]
    edges: Sequence[GraphEdge]
    grouped: str = ""
    members: Mapping[str, Sequence[PageRepo]] = {}


class _Drawn(msgspec.Struct, frozen=True):
    """What becomes a node."""

    name: str
    id: str
    state: State
    words: str
    updated: bool


def page_graph(given: PageDocuments, repos: Sequence[PageRepo]) -> PageGraph:
    """Return the graph of the repos; of more than MOST_REPOS, the one of their groups, else of their waves."""
    kinds: dict[tuple[str, str], str] = {}
    for edge in given.graph.edges:
        # Two inputs of one repo can be the same upstream: one line, dashed only if both take its files alone.
        pair = (edge.upstream, edge.dependent)
        kinds[pair] = "src" if edge.kind == "source" and kinds.get(pair, "src") == "src" else ""
    if len(repos) <= MOST_REPOS:
        drawn = [_Drawn(each.name, each.id or "", each.state, each.words, each.update is not None) for each in repos]
        return _draw(drawn, given.graph.waves, kinds)
    members = _members(given.groups, repos)
    group_of = {repo.name: name for name, of_group in members.items() for repo in of_group}
    between = {
        (group_of[up], group_of[down]): ""
        for up, down in kinds
        if up in group_of and down in group_of and group_of[up] != group_of[down]
    }
    drawn = [_group(name, of_group) for name, of_group in members.items()]
    first = {name: min(repo.wave for repo in of_group) for name, of_group in members.items()}
    waves = [[name for name, wave in first.items() if wave == number] for number in sorted({*first.values()})]
    grouped = "group" if given.groups else "wave"
    return msgspec.structs.replace(_draw(drawn, waves, between), grouped=grouped, members=members)


def _members(groups: Mapping[str, Sequence[str]], repos: Sequence[PageRepo]) -> dict[str, list[PageRepo]]:
    """Return the repos of each group, each in the first one that has it; without groups, those of each wave."""
    if not groups:
        waves: dict[int, list[PageRepo]] = {}
        for repo in repos:
            waves.setdefault(repo.wave, []).append(repo)
        return {f"wave {wave}": of_wave for wave, of_wave in sorted(waves.items())}
    members: dict[str, list[PageRepo]] = {name: [] for name in groups}
    for repo in repos:
        members.setdefault(repo.groups[0] if repo.groups else _NO_GROUP, []).append(repo)
    return {name: of_group for name, of_group in members.items() if of_group}


def _group(name: str, members: Sequence[PageRepo]) -> _Drawn:
    states = Counter(repo.state for repo in members)
    out_of_step = states["late"] + states["bad"]
    words = f"{count(len(members), 'repo')}, {out_of_step} out of step"
    state = next(state for state in _WORST if states[state])
    return _Drawn(name, section_id(name, "g"), state, words, any(repo.update is not None for repo in members))


def _draw(drawn: Sequence[_Drawn], waves: Sequence[Sequence[str]], kinds: Mapping[tuple[str, str], str]) -> PageGraph:
    """Return the graph of what is drawn."""
    known = {each.name for each in drawn}
    placed = [[name for name in wave if name in known] for wave in waves]
    rest = known - {name for wave in placed for name in wave}
    layout = lay_out([*filter(None, placed), *([sorted(rest)] if rest else [])], kinds)
    spots, size = layout.spots, layout.node
    roomy = size.height > 30
    nodes = [
        GraphNode(
            name=each.name,
            label=_cut(each.name, _MOST_NAME[roomy]),
            id=each.id,
            state=each.state,
            glyph=GLYPHS[each.state],
            words=each.words,
            second=_cut(each.words, _MOST_WORDS) if roomy else "",
            updated=each.updated,
            x=spots[each.name][0],
            y=spots[each.name][1],
        )
        for each in drawn
    ]
    number = {each.name: place for place, each in enumerate(drawn)}
    wave_of = {name: place for place, wave in enumerate(placed) for name in wave}
    edges = []
    for (upstream, dependent), kind in kinds.items():
        if upstream not in number or dependent not in number:
            continue
        backwards = wave_of.get(upstream, 0) >= wave_of.get(dependent, 0)
        path = _curve(spots[upstream], spots[dependent], size.width, size.height // 2)
        edges.append(GraphEdge(path, number[upstream], number[dependent], "cyc" if backwards else kind))
    return PageGraph(layout=layout, nodes=nodes, edges=edges)


def _curve(start: tuple[int, int], end: tuple[int, int], width: int, half: int) -> str:
    """Return the path from the right side of one node to the left side of another one."""
    x0, y0, x1, y1 = start[0] + width, start[1] + half, end[0], end[1] + half
    # Backwards, the curve leaves and arrives as it would forwards, so that its direction is seen.
    reach = (x1 - x0) // 2 if x1 > x0 else 60
    return f"M{x0} {y0}C{x0 + reach} {y0} {x1 - reach} {y1} {x1} {y1}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
