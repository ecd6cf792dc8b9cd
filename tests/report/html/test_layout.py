"""Where the nodes of the graph stand."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flakesync.report.html.layout import SHAPE, lay_out

waves_of_any_size = st.lists(st.integers(0, 60), max_size=9).map(
    lambda sizes: [[f"{wave}-{place}" for place in range(size)] for wave, size in enumerate(sizes)]
)


@settings(max_examples=60)
@given(waves_of_any_size, st.randoms(use_true_random=False))
def test_nodes_stand_inside_of_the_drawing_and_never_on_one_another(
    waves: list[list[str]], chance: random.Random
) -> None:
    names = [name for wave in waves for name in wave]
    edges = [(chance.choice(names), chance.choice(names)) for _ in names]
    found = lay_out(waves, edges)
    assert set(found.spots) == set(names)
    assert len({*found.spots.values()}) == len(names)
    for x, y in found.spots.values():
        assert 0 <= x <= found.width - found.node.width
        assert 0 <= y <= found.height - found.node.height
    rows = sorted((x, y) for x, y in found.spots.values())
    for (x, y), (other_x, other_y) in itertools.pairwise(rows):
        assert x != other_x or other_y - y >= found.node.height


def test_a_wave_stands_right_of_the_one_before_it() -> None:
    found = lay_out([[f"a{n}" for n in range(70)], [f"b{n}" for n in range(300)], ["c"]], [])
    edges = [[found.spots[name][0] for name in found.spots if name[0] == wave] for wave in "abc"]
    assert max(edges[0]) + found.node.width < min(edges[1])
    assert max(edges[1]) + found.node.width < min(edges[2])
    assert [min(each) for each in edges] == list(found.heads)


@pytest.mark.parametrize("repos", [500, 1000, 3000])
def test_a_large_drawing_has_about_the_shape_of_a_screen(repos: int) -> None:
    waves = [[f"{wave}-{place}" for place in range(repos // 8)] for wave in range(8)]
    found = lay_out(waves, [])
    assert SHAPE * 0.7 <= found.width / found.height <= SHAPE


def test_neighbours_stand_at_the_same_height() -> None:
    found = lay_out([["a", "b", "c"], ["x", "y", "z"]], [("a", "z"), ("b", "y"), ("c", "x")])
    assert [found.spots[up][1] for up in "abc"] == [found.spots[down][1] for down in "zyx"]


def test_the_same_graph_is_drawn_the_same() -> None:
    waves = [[f"{wave}-{place}" for place in range(40)] for wave in range(4)]
    edges = [(f"{n % 3}-{n * 7 % 40}", f"3-{n * 11 % 40}") for n in range(90)]
    assert lay_out(waves, edges) == lay_out(waves, edges)


def test_a_graph_without_repos_is_an_empty_drawing() -> None:
    found = lay_out([], [])
    assert not found.spots
    assert found.width > 0
    assert found.height > 0
