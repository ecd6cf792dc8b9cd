"""The history of a workspace as two charts and a table of their figures."""

from collections.abc import Sequence
from datetime import date

import msgspec

from flakesync.documents.drift import FindingKind
from flakesync.documents.history import HistoryLine
from flakesync.report.html.chart import Chart, Series, draw_chart

_EACH_DAY = 92
"""How many days back the table has each day; before, one a week. The charts have all."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Charts of the days, and a table: titles, and a row a day, newest first, with empty text for what is not known."""

    charts: Sequence[Chart]
    days: int
    titles: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def timeline(history: Sequence[HistoryLine]) -> Timeline | None:
    """Return what the lines tell, oldest first; None where there are none. Lines without a day are left out."""
    lines = {found: each for each in history if (found := _day(each)) is not None}
    days = sorted(lines)
    if not days:
        return None
    ordered = [lines[day] for day in days]
    kinds = [Series(kind, [each.findings.get(kind, 0) for each in ordered]) for kind in _by_number(ordered)]
    pins = [
        Series(name, [each.pins[name].oldest_d if name in each.pins else None for each in ordered])
        for name in dict.fromkeys(name for each in reversed(ordered) for name in each.pins)
    ]
    charts = [draw_chart("Findings by kind", "", days, kinds)] if kinds else []
    if any(value is not None for each in pins for value in each.values):
        charts.append(draw_chart("Greatest days behind each pin's target", " d", days, pins))
    titles = ["repos", "in step", *(each.name for each in kinds), *(f"{each.name}, days behind" for each in pins)]
    columns: list[Sequence[int | None]] = [[each.repos for each in ordered], [each.in_step for each in ordered]]
    columns += [each.values for each in (*kinds, *pins)]
    rows = [
        (day.isoformat(), ["" if column[place] is None else str(column[place]) for column in columns])
        for place, day in reversed(list(enumerate(days)))
        if (days[-1] - day).days < _EACH_DAY or day.weekday() == days[-1].weekday()
    ]
    return Timeline(charts=charts, days=len(days), titles=titles, rows=rows)


def _day(line: HistoryLine) -> date | None:
    try:
        return date.fromisoformat(line.at[:10])
    except ValueError:
        return None


def _by_number(lines: Sequence[HistoryLine]) -> list[FindingKind]:
    """Return the kinds that occur, those first of which the last line that has some has most."""
    last: dict[FindingKind, int] = {}
    for line in lines:
        last |= line.findings
    now = lines[-1].findings
    return sorted(last, key=lambda kind: (-now.get(kind, 0), -last[kind], kind))
