"""How the edges of the graph run: curves that keep clear of nodes while there is room, straight ones in a crowd."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from flakesync.report.html.layout import Layout

MOST_CURVES = 400
"""Up to how many nodes edges are curves. Among more nobody follows one; straight ones make the page a fifth smaller."""
_BESIDE = 7
"""How far apart edges run that go through the same gap."""

_Spot = tuple[int, int]


def edge_paths(
    layout: Layout, waves: Sequence[Sequence[str]], edges: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Return the SVG path of each edge (upstream, dependent), from the right side of one node to the left of the other.

    waves: as they were laid out.
    """
    if len(layout.spots) > MOST_CURVES:
        return {edge: _line(*_ends(layout, edge)) for edge in edges}
    if not layout.roomy:
        return {edge: _curve(*_ends(layout, edge)) for edge in edges}
    wave_of = {name: place for place, wave in enumerate(waves) for name in wave}
    taken: Counter[_Spot] = Counter()
    paths = {}
    for edge in edges:
        start, end = _ends(layout, edge)
        between = [waves[place] for place in range(wave_of[edge[0]] + 1, wave_of[edge[1]])]
        paths[edge] = _through(layout.spots, layout, [start, end], between, taken) if between else _curve(start, end)
    return paths


def _ends(layout: Layout, edge: tuple[str, str]) -> tuple[_Spot, _Spot]:
    start, end = layout.spots[edge[0]], layout.spots[edge[1]]
    half = layout.node.height // 2
    return (start[0] + layout.node.width, start[1] + half), (end[0], end[1] + half)


def _curve(start: _Spot, end: _Spot) -> str:
    x, y = end[0] - start[0], end[1] - start[1]
    # Backwards, the curve leaves and arrives as it would forwards, so that its direction is seen.
    reach = x // 2 if x > 0 else 60
    return f"M{start[0]} {start[1]}c{reach} 0 {x - reach} {y} {x} {y}"


def _line(start: _Spot, end: _Spot) -> str:
    return f"M{start[0]} {start[1]}l{end[0] - start[0]} {end[1] - start[1]}"


def _through(
    spots: Mapping[str, _Spot],
    layout: Layout,
    ends: Sequence[_Spot],
    between: Sequence[Sequence[str]],
    taken: Counter[_Spot],
) -> str:
    """Return a curve that passes the nodes of each wave between its ends in the gap nearest to the straight line."""
    start, end = ends
    parts, last = [f"M{start[0]} {start[1]}"], start
    for wave in between:
        left, right = min(spots[name][0] for name in wave), max(spots[name][0] for name in wave) + layout.node.width
        wanted = start[1] + (end[1] - start[1]) * (left - start[0]) / max(end[0] - start[0], 1)
        gap = min(_gaps(spots, layout, wave), key=lambda height: (abs(height - wanted), height))
        place = taken[left, gap] % 3  # more would run behind nodes
        taken[left, gap] += 1
        y = gap + (place + 1) // 2 * (_BESIDE if place % 2 else -_BESIDE)
        reach = (left - last[0]) // 2
        parts.append(f"C{last[0] + reach} {last[1]} {left - reach} {y} {left} {y}H{right}")
        last = (right, y)
    reach = (end[0] - last[0]) // 2
    return f"{''.join(parts)}C{last[0] + reach} {last[1]} {end[0] - reach} {end[1]} {end[0]} {end[1]}"


def _gaps(spots: Mapping[str, _Spot], layout: Layout, wave: Sequence[str]) -> list[int]:
    """Return the heights at which no node of a wave stands: above, between and below its rows."""
    tops = sorted({spots[name][1] for name in wave})
    clear = min((below - above for above, below in pairwise(tops)), default=layout.node.row)
    half = (clear - layout.node.height) // 2
    return [tops[0] - half, *(top + layout.node.height + half for top in tops)]
