"""Numbers over days as an SVG line chart: paths, ticks, and labels that do not lie over one another."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import msgspec

WIDTH, HEIGHT = 640, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 450, 12, 178
_LABEL_STEP = 16
_LONGEST_LABEL = 16
_MOST_LINES = 6
_LONG_DAYS = 300
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


_Point = tuple[int, int]
"""A day, counted from the first one, and a height in the drawing's units."""


class Series(msgspec.Struct, frozen=True):
    """One line. values: one for each day, None: not known."""

    name: str
    values: Sequence[int | None]


class Tick(msgspec.Struct, frozen=True):
    """A place on an axis, in the drawing's units, and what stands there."""

    at: float
    text: str


class ChartLine(msgspec.Struct, frozen=True, kw_only=True):
    """One series as drawn. style: 1 to 6. path: SVG, x in days. dots: lone values. label_y: its label's."""

    style: int
    name: str
    path: str
    dots: Sequence[tuple[float, int]]
    end: tuple[float, int]
    label: str
    label_y: int


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart. x_scale: the drawing's units of a day. left_out: how many series stand in the table alone."""

    title: str
    x_scale: float
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    lines: Sequence[ChartLine]
    left_out: int


def draw_chart(title: str, unit: str, days: Sequence[date], series: Sequence[Series]) -> Chart:
    """Return the chart of the six series whose last values are greatest.

    days: at least one, rising. unit: said behind the last value of a line, such as ` d`.
    """
    drawn = sorted((each for each in series if _last(each) is not None), key=lambda each: -(_last(each) or 0))
    shown = [each for each in drawn if any(each.values)][:_MOST_LINES] or drawn[:1]
    most = max((value for each in shown for value in each.values if value is not None), default=0)
    step, top = _scale(most)
    across = max((days[-1] - days[0]).days, 1)
    offsets = [(day - days[0]).days for day in days]
    points = [
        [(x, _y(value, top)) if value is not None else None for x, value in zip(offsets, each.values, strict=True)]
        for each in shown
    ]
    ends = [next(point for point in reversed(each) if point is not None) for each in points]
    labels = _apart([y for _, y in ends])
    lines = [
        ChartLine(
            style=style,
            name=each.name,
            path=_path(of_each),
            dots=[(_x(x, across), y) for x, y in _alone(of_each)],
            end=(_x(end[0], across), end[1]),
            label=f"{_cut(each.name)} {_last(each)}{unit}",
            label_y=label,
        )
        for style, (each, of_each, end, label) in enumerate(zip(shown, points, ends, labels, strict=True), 1)
    ]
    return Chart(
        title=title,
        x_scale=round((_RIGHT - _LEFT) / across, 4),
        x_ticks=_x_ticks(days[0], across),
        y_ticks=[Tick(_y(value, top), str(value)) for value in range(0, top + 1, step)],
        lines=lines,
        left_out=len(series) - len(shown),
    )


def _x(day: int, across: int) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * day / across, 1)


def _last(series: Series) -> int | None:
    return next((value for value in reversed(series.values) if value is not None), None)


def _y(value: int, top: int) -> int:
    return round(_BOTTOM - (_BOTTOM - _TOP) * value / top)


def _scale(most: int) -> tuple[int, int]:
    """Return the step of the ticks (1, 2 or 5 with zeros) and the greatest tick; at most six ticks, from 0 on."""
    step = next(digit * 10**zeros for zeros in range(400) for digit in (1, 2, 5) if most <= digit * 10**zeros * 5)
    return step, max(step, -(-most // step) * step)


def _x_ticks(first: date, across: int) -> list[Tick]:
    """Return at most six days, evenly apart; with the year where the chart is longer than most of one."""
    step = max(1, -(-across // 5))
    ticks = [(day, first + timedelta(days=day)) for day in range(0, across + 1, step)]
    return [
        Tick(
            _x(day, across),
            f"{_MONTHS[at.month - 1]} {at.year}" if across > _LONG_DAYS else f"{at.day} {_MONTHS[at.month - 1]}",
        )
        for day, at in ticks
    ]


def _path(points: Sequence[_Point | None]) -> str:
    """Return the SVG path through the points, broken where one is None: x in days, each point relative to the last."""
    parts: list[str] = []
    last: _Point | None = None
    for before, point, behind in zip((None, *points), points, (*points[1:], None), strict=False):
        if point is None or (before is None and behind is None):
            continue
        if before is None or last is None:
            parts.append(f"M{point[0]} {point[1]}l")
        elif behind is not None and before[1] == point[1] == behind[1]:
            continue  # Between two of its own height, a point adds nothing.
        else:
            rise = point[1] - last[1]
            parts.append(f"{'' if parts[-1][-1] == 'l' else ' '}{point[0] - last[0]}{rise if rise < 0 else f' {rise}'}")
        last = point
    return "".join(parts)


def _alone(points: Sequence[_Point | None]) -> list[_Point]:
    """Return the points that no line leads to."""
    around = zip((None, *points), points, (*points[1:], None), strict=False)
    return [point for before, point, behind in around if point is not None and before is None and behind is None]


def _apart(wanted: Sequence[int]) -> list[int]:
    """Return heights near the wanted ones with room for a line of text between each two."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    heights = list(wanted)
    for above, place in pairwise(order):
        heights[place] = max(heights[place], heights[above] + _LABEL_STEP)
    lowest = _BOTTOM
    for place in reversed(order):
        heights[place] = min(heights[place], lowest)
        lowest = heights[place] - _LABEL_STEP
    return heights


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
