"""Pins whose newest commit has to be proven first, as text: what is asked, and what waits until when."""

from collections.abc import Iterable, Sequence

from flakesync.documents.cooldown.choice import ConditionsDocument, DatedBy, PinChoice, TipDocument, WaitDocument
from flakesync.report.text import (
    BLANK,
    SHORT_REV,
    Line,
    Span,
    line,
    line_width,
    row,
    share,
    short,
    shown,
    widest,
    with_detail,
)

_BY: dict[DatedBy, str] = {"forge": "by forge", "seen": "by seen", "commit": "by commit date"}
_MOST_NAME = 28
_STAYS = "stays"


def render_choices(title: str, choices: Sequence[PinChoice], width: int) -> list[Line]:
    """Return a line for each pin of which something waits, or for which nobody waited; nothing where there is none."""
    told = [each for each in choices if each.waits or each.waived is not None or each.stays is not None]
    if not told:
        return []
    lines = [BLANK, line(Span(f"{title} ({len(told)})", "head"))]
    column = min(widest(shown(each.name) for each in told), share(width, 4 + SHORT_REV + 2, _MOST_NAME))
    for each in told:
        at = Span(short(each.target_rev), "rev") if each.target_rev is not None else Span(_STAYS, "warn")
        head = row([(line(Span(shown(each.name), "name")), column), (line(at), SHORT_REV)])
        lines += with_detail(head, _words(each), line_width(head[0]), 6, width)
    return lines


def _words(choice: PinChoice) -> str:
    parts = [f"cooldown waived: {shown(choice.waived.reason)}"] if choice.waived is not None else []
    tip = tip_words(choice.tip, choice.waits)
    parts += [f"tip {short(choice.tip.rev)}: {tip}"] if tip is not None else []
    if choice.stays is not None and not any(shown(choice.stays) in part for part in parts):
        parts.append(shown(choice.stays))
    return "; ".join(parts)


def tip_words(tip: TipDocument, waits: Iterable[WaitDocument]) -> str | None:
    """Return why the newest commit is not taken; None: it is."""
    return next((shown(each.detail) for each in waits if each.rev == tip.rev), None)


def conditions_words(named: Iterable[tuple[str, ConditionsDocument | None]]) -> str | None:
    """Return what is asked of the commits of pins, as one phrase; None: nothing of any."""
    parts = [f"{shown(name)} {_conditions(each)}" for name, each in named if each is not None]
    return f"cooldown: {', '.join(parts)}" if parts else None


def _conditions(conditions: ConditionsDocument) -> str:
    parts = [f"{conditions.days} d ({_BY[conditions.dated_by]})"] if conditions.days else []
    parts += ["checks passed"] if conditions.checks else []
    return " and ".join(parts) or "with a fix"
