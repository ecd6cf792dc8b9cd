"""The order of severities."""

from flakesync.workspace.audit import Severity, Threshold

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low", "info")
"""The gravest first."""


def reaches(severity: Severity, threshold: Threshold) -> bool:
    """Tell whether a finding of this severity counts."""
    return threshold != "never" and SEVERITIES.index(severity) <= SEVERITIES.index(threshold)
