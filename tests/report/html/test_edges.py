"""How the edges of the graph run."""

import re

from flakesync.report.html.edges import MOST_CURVES, edge_paths
from flakesync.report.html.layout import lay_out


def ends(path: str) -> tuple[str, str]:
    numbers = re.findall(r"-?\d+", path)
    return " ".join(numbers[:2]), " ".join(numbers[-2:])


def test_an_edge_over_several_waves_keeps_clear_of_the_nodes_between() -> None:
    waves = [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]]
    edges = [("a", "g"), ("a", "h"), ("b", "g"), ("b", "e"), ("c", "h")]
    layout = lay_out(waves, edges)
    for (upstream, dependent), path in edge_paths(layout, waves, edges).items():
        assert ends(path)[1] == f"{layout.spots[dependent][0]} {layout.spots[dependent][1] + layout.node.height // 2}"
        passed = [int(y) for y in re.findall(r"(-?\d+)H", path)]
        crossed = [wave for wave in waves if upstream not in wave and dependent not in wave]
        crossed = [wave for wave in crossed if layout.spots[wave[0]][0] > layout.spots[upstream][0]]
        crossed = [wave for wave in crossed if layout.spots[wave[0]][0] < layout.spots[dependent][0]]
        assert len(passed) == len(crossed)
        for y, wave in zip(passed, crossed, strict=True):
            tops = [layout.spots[name][1] for name in wave]
            assert all(not top <= y <= top + layout.node.height for top in tops)
            assert 0 < y < layout.height


def test_an_edge_against_the_waves_leaves_on_the_right_and_arrives_on_the_left() -> None:
    layout = lay_out([["a"], ["b"]], [("a", "b")])
    path = edge_paths(layout, [["a"], ["b"]], [("b", "a")])["b", "a"]
    right, left = layout.spots["b"][0] + layout.node.width, layout.spots["a"][0]
    assert path.startswith(f"M{right} ")
    assert path.endswith(f" {left - right} 0")


def test_in_a_crowd_edges_are_straight() -> None:
    waves = [[f"a{number}" for number in range(MOST_CURVES)], ["b"]]
    layout = lay_out(waves, [("a0", "b")])
    assert re.fullmatch(r"M\d+ \d+l-?\d+ -?\d+", edge_paths(layout, waves, [("a0", "b")])["a0", "b"])
