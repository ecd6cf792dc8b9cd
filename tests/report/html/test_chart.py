"""Numbers over days as a line chart."""

import itertools
import re
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from flakesync.report.html.chart import HEIGHT, WIDTH, Chart, Series, draw_chart

FIRST = date(2026, 10, 1)
values = st.lists(st.one_of(st.none(), st.integers(0, 10**9)), min_size=1, max_size=40)


def chart(*series: tuple[str, list[int | None]]) -> Chart:
    days = [FIRST + timedelta(days=day) for day in range(len(series[0][1]))]
    return draw_chart("Findings", "", days, [Series(name, numbers) for name, numbers in series])


def points(path: str) -> list[tuple[int, int]]:
    """Return the corners of a path of `M` and relative `l`."""
    found: list[tuple[int, int]] = []
    for piece in re.findall(r"M[^M]*", path):
        start, _, rest = piece[1:].partition("l")
        x, y = (int(number) for number in start.split())
        found.append((x, y))
        numbers = [int(number) for number in re.findall(r"-?\d+", rest)]
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            found.append((x, y))
    return found


def test_a_line_has_a_corner_for_each_day_on_which_it_changes() -> None:
    (line,) = chart(("pin", [4, 4, 4, 8, 8, 0])).lines
    assert points(line.path) == [(0, 95), (2, 95), (3, 12), (4, 12), (5, 178)]
    assert line.label == "pin 0"


def test_a_day_without_a_figure_breaks_the_line_and_a_lone_one_is_a_dot() -> None:
    (line,) = chart(("pin", [1, 2, None, 3, None, 4, 5])).lines
    assert line.path.count("M") == 2
    assert len(line.dots) == 1


def test_one_day_alone_is_a_dot() -> None:
    (line,) = chart(("pin", [3])).lines
    assert not line.path
    assert len(line.dots) == 1


@settings(max_examples=40)
@given(st.lists(values.map(lambda numbers: (numbers * 40)[:40]), min_size=1, max_size=12))
def test_nothing_is_drawn_outside_and_labels_do_not_lie_on_one_another(series: list[list[int | None]]) -> None:
    found = chart(*[(f"kind-{place}", numbers) for place, numbers in enumerate(series)])
    assert len(found.lines) <= 6
    for line in found.lines:
        assert all(0 <= y <= HEIGHT and 0 <= 40 + x * found.x_scale <= WIDTH for x, y in points(line.path))
    heights = sorted(line.label_y for line in found.lines)
    assert all(below - above >= 16 for above, below in itertools.pairwise(heights))
    assert all(0 <= height <= HEIGHT for height in heights)
    assert len(found.y_ticks) <= 6
    assert len(found.x_ticks) <= 7
    assert len(found.lines) + found.left_out == len(series)


def test_ticks_are_round_numbers_and_name_days_or_months() -> None:
    assert [tick.text for tick in chart(("pin", [17, 3])).y_ticks] == ["0", "5", "10", "15", "20"]
    assert [tick.text for tick in chart(("pin", [1] * 11)).x_ticks] == [
        "1 Oct",
        "3 Oct",
        "5 Oct",
        "7 Oct",
        "9 Oct",
        "11 Oct",
    ]
    assert chart(("pin", [1] * 366)).x_ticks[0].text == "Oct 2026"
