"""Drift as a table: a row each repo, a column each pin, worst first."""

from collections.abc import Mapping, Sequence

import msgspec

from flakesync.documents.drift import Locked, PinDrift
from flakesync.report.html.repos import PageRepo

_DAY_S = 86400
_STEPS = (7, 30, 60)
"""Up to how many days behind a cell has the first, the second, the third colour; above, the fourth."""
MANY_PINS = 6
"""From how many pins on their names stand upright."""
_UNKNOWN = -1


class HeatCell(msgspec.Struct, frozen=True):
    """One repo and one pin. style: `h0` at the target to `h4` far behind, `hq` not known, empty: no such input.

    days: behind the target, -1: not known or not behind.
    """

    text: str
    style: str
    days: int = _UNKNOWN


class HeatRow(msgspec.Struct, frozen=True, kw_only=True):
    """One repo. upstream: how many findings that it is behind an upstream; other: its other ones, by kind."""

    repo: PageRepo
    cells: Sequence[HeatCell]
    upstream: int
    other: str
    held: int

    @property
    def days(self) -> int:
        """The greatest days behind a target; -1: not known, or not behind."""
        return max((cell.days for cell in self.cells), default=_UNKNOWN)


_NO_INPUT = HeatCell("–", "")


def heat_rows(pins: Sequence[PinDrift], repos: Sequence[PageRepo], now: int) -> list[HeatRow]:
    """Return a row for each repo: those that failed first, then by days behind the target and by findings.

    now: seconds since the epoch; where a target's date is not known, days are counted to it, as an upper bound.
    """
    cells = [_cells(pin, now) for pin in pins]
    rows = [
        HeatRow(
            repo=repo,
            cells=[of_pin.get(repo.name, _NO_INPUT) for of_pin in cells],
            upstream=repo.kinds.get("upstream", 0),
            other=", ".join(f"{n} {kind}" for kind, n in repo.kinds.items() if kind not in ("pin", "upstream")),
            held=sum(finding.held is not None for finding in repo.findings),
        )
        for repo in repos
        if repo.state != "out"
    ]
    rows.sort(
        key=lambda row: (
            row.repo.state != "bad",
            -row.days,
            -sum(row.repo.kinds.values()),
            row.repo.name,
        )
    )
    return rows


def _cells(pin: PinDrift, now: int) -> Mapping[str, HeatCell]:
    """Return the cell of each repo that has the pin; of one with flakes at several commits, the worst."""
    found: dict[str, HeatCell] = {}
    for locked in pin.locked:
        cell = _cell(pin, locked, now)
        for repo in locked.repos:
            before = found.get(repo)
            if before is None or (cell.style, cell.days) > (before.style, before.days):
                found[repo] = cell
    return found


def _cell(pin: PinDrift, locked: Locked, now: int) -> HeatCell:
    target = pin.target_last_modified
    if locked.rev is not None and locked.rev == pin.target_rev:
        return HeatCell("at target", "h0", 0)
    if pin.target_rev is None or locked.last_modified is None:
        return HeatCell("?", "hq")
    if target is None:
        return HeatCell(f"≤ {max(now - locked.last_modified, 0) // _DAY_S} d", "hq")
    behind = (target - locked.last_modified) // _DAY_S
    if behind < 0:
        return HeatCell(f"{-behind} d ahead", "ha")
    style = next((f"h{place}" for place, most in enumerate(_STEPS, 1) if behind <= most), "h4")
    return HeatCell(f"{behind} d" if behind else "< 1 d", style, behind)


def oldest(rows: Sequence[HeatRow]) -> int | None:
    """Return the greatest days behind a target; None where none is known."""
    most = max((row.days for row in rows), default=_UNKNOWN)
    return most if most != _UNKNOWN else None
