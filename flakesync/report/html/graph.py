"""The graph as it is drawn: repos, or groups of repos where there are too many of them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from flakesync.report.html.edges import MOST_CURVES, edge_paths
from flakesync.report.html.given import PageDocuments
from flakesync.report.html.layout import Layout, lay_out
from flakesync.report.html.repos import GLYPHS, PageRepo, State
from flakesync.report.html.visible import section_id
from flakesync.report.text import count

MOST_REPOS = 2000
"""Up to how many repos each is a node of the graph, and has a section."""
_MOST_NAME = {True: 22, False: 20}
_MOST_WORDS = 28
GRAVE_SHARE = 0.1
"""A group is shown as failed if more than this share of its repos failed: one of hundreds nearly always has."""
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
    """All of the graph.

    dense: there are too many edges to follow one. grouped: what a node stands for, empty: a repo. members: of each
    group, for its section.
    """

    layout: Layout
    nodes: Sequence[GraphNode]
    edges: Sequence[GraphEdge]
    dense: bool = False
    grouped: str = ""
    members: Mapping[str, Sequence[PageRepo]] = {}


class _Drawn(msgspec.Struct, frozen=True):
    """What becomes a node."""

    name: str
    id: str
    state: State
    words: str
    second: str
    updated: bool


def page_graph(given: PageDocuments, repos: Sequence[PageRepo], days: Mapping[str, int]) -> PageGraph:
    """Return the graph of the repos; of more than MOST_REPOS, the one of their groups, else of their waves.

    days: that each repo is behind, below 1: none.
    """
    kinds: dict[tuple[str, str], str] = {}
    for edge in given.graph.edges:
        # Two inputs of one repo can be the same upstream: one line, dashed only if both take its files alone.
        pair = (edge.upstream, edge.dependent)
        kinds[pair] = "src" if edge.kind == "source" and kinds.get(pair, "src") == "src" else ""
    if len(repos) <= MOST_REPOS:
        drawn = [
            _Drawn(each.name, each.id or "", each.state, each.words, _second(each, days), each.update is not None)
            for each in repos
        ]
        return _draw(drawn, given.graph.waves, kinds)
    members = _members(given.groups, repos)
    group_of = {repo.name: name for name, of_group in members.items() for repo in of_group}
    between = {
        (group_of[up], group_of[down]): ""
        for up, down in kinds
        if up in group_of and down in group_of and group_of[up] != group_of[down]
    }
    drawn = [_group(name, of_group) for name, of_group in members.items()]
    # A group has repos in many waves; it stands where most of them do.
    middle = {name: round(sum(repo.wave for repo in each) / len(each)) for name, each in members.items()}
    waves = [[name for name, wave in middle.items() if wave == number] for number in sorted({*middle.values()})]
    grouped = "group" if given.groups else "wave"
    found = _draw(drawn, waves, between)
    edges = [
        msgspec.structs.replace(edge, style="") for edge in found.edges
    ]  # groups have cycles where repos have none
    return msgspec.structs.replace(found, edges=edges, dense=True, grouped=grouped, members=members)


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
    states: Counter[State] = Counter(repo.state for repo in members)
    out_of_step = states["late"] + states["bad"]
    words = f"{count(len(members), 'repo')}, {out_of_step} out of step"
    state: State = "bad" if states["bad"] > len(members) * GRAVE_SHARE else "late" if out_of_step else "ok"
    return _Drawn(name, section_id(name, "g"), state, words, words, any(repo.update is not None for repo in members))


def _second(repo: PageRepo, days: Mapping[str, int]) -> str:
    """Return the second line of a node: how far behind it is, and how many findings it has."""
    behind = [f"{days[repo.name]} d behind"] if days.get(repo.name, 0) > 0 else []
    number = sum(repo.kinds.values())
    return " · ".join([*behind, *([count(number, "finding")] if number else [])]) or repo.words


def _draw(drawn: Sequence[_Drawn], waves: Sequence[Sequence[str]], kinds: Mapping[tuple[str, str], str]) -> PageGraph:
    """Return the graph of what is drawn."""
    known = {each.name for each in drawn}
    placed = [[name for name in wave if name in known] for wave in waves]
    rest = known - {name for wave in placed for name in wave}
    placed = [*filter(None, placed), *([sorted(rest)] if rest else [])]
    layout = lay_out(placed, kinds)
    spots, roomy = layout.spots, layout.roomy
    # Column by column: the order of Tab, and of most bytes alike, which makes a large page a tenth smaller.
    drawn = sorted(drawn, key=lambda each: spots[each.name])
    nodes = [
        GraphNode(
            name=each.name,
            label=_cut(each.name, _MOST_NAME[roomy]),
            id=each.id,
            state=each.state,
            glyph=GLYPHS[each.state],
            words=each.words,
            second=_cut(each.second, _MOST_WORDS) if roomy else "",
            updated=each.updated,
            x=spots[each.name][0],
            y=spots[each.name][1],
        )
        for each in drawn
    ]
    number = {each.name: place for place, each in enumerate(drawn)}
    wave_of = {name: place for place, wave in enumerate(placed) for name in wave}
    pairs = sorted((pair for pair in kinds if known.issuperset(pair)), key=lambda pair: [number[name] for name in pair])
    paths = edge_paths(layout, placed, pairs)
    edges = [
        GraphEdge(
            paths[pair],
            number[pair[0]],
            number[pair[1]],
            "cyc" if wave_of[pair[0]] >= wave_of[pair[1]] else kinds[pair],
        )
        for pair in pairs
    ]
    return PageGraph(layout=layout, nodes=nodes, edges=edges, dense=len(drawn) > MOST_CURVES)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
