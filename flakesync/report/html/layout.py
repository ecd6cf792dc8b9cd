"""Where the nodes of the graph stand: waves from left to right, and in each an order with few crossings."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

SHAPE = 1.55
"""Width by height that the drawing is to have: about that of a screen."""
SWEEPS = 8
_MARGIN = 16
_HEAD = 34
_ROOMY = 40
"""Up to how many nodes each has two lines of text."""
_LEAST_WIDTH = 900
"""What is narrower stands in the middle of so much: a browser would make a few nodes as large as the screen."""
_FLAT = 3.2
_MOST_STRETCH = 1.7


class NodeSize(msgspec.Struct, frozen=True):
    """Sizes in the drawing's units. row, column: from one node to the next below and beside it; gap: between waves."""

    width: int
    height: int
    row: int
    column: int
    gap: int


ROOMY = NodeSize(176, 44, 62, 200, 92)
DENSE = NodeSize(168, 22, 29, 182, 92)


class Layout(msgspec.Struct, frozen=True):
    """Where nodes stand, by their top left corners. heads: where the title of each wave begins."""

    width: int
    height: int
    node: NodeSize
    spots: Mapping[str, tuple[int, int]]
    heads: Sequence[int]

    @property
    def roomy(self) -> bool:
        """Whether nodes have two lines of text, and room between them."""
        return self.node is ROOMY


def lay_out(waves: Sequence[Sequence[str]], edges: Iterable[tuple[str, str]]) -> Layout:
    """Return positions for all nodes of `waves`; the same arguments give the same positions.

    A wave with more nodes than rows stands in several columns, so that the drawing has about SHAPE. edges: (upstream,
    dependent); one that runs backwards, or inside a wave, has no influence.
    """
    ordered = _order(waves, edges)
    node = ROOMY if sum(map(len, ordered)) <= _ROOMY else DENSE
    rows = _rows([len(wave) for wave in ordered], node)
    row = node.row
    width, height = _extent([len(wave) for wave in ordered], rows, node)
    if max(width, _LEAST_WIDTH) / height > _FLAT:
        row = round(row * min(_MOST_STRETCH, max(width, _LEAST_WIDTH) / _FLAT / height))
        height = _HEAD + rows * row + _MARGIN
    spots: dict[str, tuple[int, int]] = {}
    heads: list[int] = []
    x = _MARGIN + max(0, (_LEAST_WIDTH - width) // 2)
    for wave in ordered:
        heads.append(x)
        columns = -(-len(wave) // rows)
        used = -(-len(wave) // columns) if columns else 0
        top = _HEAD + (rows - used) * row // 2 + (row - node.height) // 2
        for place, name in enumerate(wave):
            # Row by row, so that neighbours in the order have about the same height.
            spots[name] = (x + place % columns * node.column, top + place // columns * row)
        x += columns * node.column + node.gap - (node.column - node.width)
    return Layout(max(width, _LEAST_WIDTH), height, node, spots, heads)


def _order(waves: Sequence[Sequence[str]], edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the waves, each ordered by where the neighbours of its nodes stand (barycentres, there and back)."""
    wave_of = {name: number for number, wave in enumerate(waves) for name in wave}
    before: dict[str, list[str]] = {name: [] for name in wave_of}
    behind: dict[str, list[str]] = {name: [] for name in wave_of}
    for upstream, dependent in edges:
        if wave_of.get(upstream, 0) < wave_of.get(dependent, 0) and upstream in wave_of:
            before[dependent].append(upstream)
            behind[upstream].append(dependent)
    ordered = [list(wave) for wave in waves]
    height = {name: (place + 0.5) / len(wave) for wave in ordered for place, name in enumerate(wave)}
    for sweep in range(SWEEPS):
        near = behind if sweep % 2 else before
        for wave in reversed(ordered) if sweep % 2 else ordered:
            wanted = {
                name: sum([height[other] for other in near[name]]) / len(near[name]) if near[name] else height[name]
                for name in wave
            }
            wave.sort(key=wanted.__getitem__)
            for place, name in enumerate(wave):
                height[name] = (place + 0.5) / len(wave)
    return ordered


def _extent(sizes: Sequence[int], rows: int, node: NodeSize) -> tuple[int, int]:
    """Return width and height of a drawing whose waves have at most `rows` rows."""
    columns = sum(-(-size // rows) for size in sizes)
    between = (node.gap - (node.column - node.width)) * max(0, len(sizes) - 1)
    right = 2 * _MARGIN - (node.column - node.width)
    return max(columns * node.column + between + right, node.width), _HEAD + rows * node.row + _MARGIN


def _rows(sizes: Sequence[int], node: NodeSize) -> int:
    """Return the least number of rows with which the drawing is not wider than SHAPE; more rows make it narrower."""
    low, high = 1, max(sizes, default=1) or 1
    while low < high:
        middle = (low + high) // 2
        width, height = _extent(sizes, middle, node)
        low, high = (low, middle) if width / height <= SHAPE else (middle + 1, high)
    return low
