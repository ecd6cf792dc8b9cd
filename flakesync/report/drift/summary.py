"""Drift in a line a repo: how much is not as it should be, and of which kinds."""

from collections import Counter
from collections.abc import Sequence

from flakesync.analysis.findings import GRAVE
from flakesync.documents.drift import DriftReport, Finding
from flakesync.report.drift.text import summary_text
from flakesync.report.text import BLANK, Line, Span, beside, count, fold, line, line_width, row, share, shown, widest


def render_summary(report: DriftReport, repos: Sequence[str], *, width: int) -> list[Line]:
    """Return a line for each repo, those in step too, and one that sums them up."""
    found: dict[str, list[Finding]] = {repo: [] for repo in repos}
    for finding in report.findings:
        found.setdefault(finding.repo, []).append(finding)
    column = min(widest(map(shown, found)), share(width, 2 + 24, 32))
    none = "none of these" if report.kinds else "in step"
    lines: list[Line] = []
    for repo, findings in found.items():
        head = row([(line(Span(shown(repo), "name")), column)], indent=0)
        at = line_width(head[0])
        lines += beside(head, fold(_words(findings, none), width - at), at)
    return [*lines, BLANK, *fold(line(summary_text(report, len(repos))), width)]


def _words(findings: Sequence[Finding], none: str) -> Line:
    if not findings:
        return line(Span(none, "good"))
    counted = [finding for finding in findings if finding.held is None]
    kinds = Counter(finding.kind for finding in counted).most_common()
    parts = [Span(f"{number} {kind}", "bad" if kind in GRAVE else "warn") for kind, number in kinds]
    head = Span(f"{count(len(counted), 'finding')}: ", "head") if counted else Span(f"{none}, ", "good")
    parts += [Span(f"{len(findings) - len(counted)} held", "dim")] if len(counted) < len(findings) else []
    separated = [piece for part in parts for piece in (Span(", "), part)][1:]
    return (head, *separated)
