"""`make kill` says at how many moments each command was cut off."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, number in report.user_properties:
                if report.when == "call" and isinstance(number, int):
                    counts.setdefault(name, Counter())[outcome] += number
    if counts:
        terminalreporter.section("moments at which a command was cut off")
    for name, by_outcome in sorted(counts.items()):
        words = (f"{number} in tests that {outcome}" for outcome, number in by_outcome.items())
        terminalreporter.write_line(f"{name}: {', '.join(words)}")
