"""An audit as text: lock by lock, the gravest first."""

from itertools import groupby

from flakesync.documents.audit import AuditReport
from flakesync.report.text import Line, fold, line
from flakesync.terms import FlakeDir, flake_file


def render_audit(report: AuditReport, *, width: int, full: bool = False) -> list[Line]:
    """Return the findings, what could not be checked, and one line that sums them up."""
    lines: list[Line] = []
    for (repo, flake), findings in groupby(report.findings, key=lambda found: (found.repo, found.flake)):
        lines += fold(line(f"{repo}/{flake_file(FlakeDir(flake or '.'))}"), width)
        for each in findings:
            lines += fold(line(f"  {each.severity}  {each.rule}  {each.input or ''}  {each.message}"), width, 4)
    counts = report.counts
    return [*lines, *fold(line(f"{counts.high} high, {counts.medium} medium, {counts.low} low"), width)]
