"""A flake without a lock that can be used."""

from flakesync.workspace.snapshot import Problem
from tests.support.drift import drift_of
from tests.support.workspaces import scene


def test_locks_that_are_missing_or_broken_are_findings_of_their_flake() -> None:
    flakes = {".": Problem("no-lock", "no lock"), "dev": Problem("bad-lock", "broken")}
    report = drift_of(scene({"app": flakes}))
    assert [(found.kind, found.flake, found.input, found.detail) for found in report.findings] == [
        ("no-lock", ".", None, "no lock"),
        ("bad-lock", "dev", None, "broken"),
    ]
