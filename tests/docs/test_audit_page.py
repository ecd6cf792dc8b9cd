"""docs/audit.md names every rule, as it is."""

import re
from pathlib import Path

from flakesync.audit.rules import ALL

PAGE = Path(__file__).parents[2] / "docs/audit.md"


def test_the_page_has_every_rule_with_its_severity_and_level() -> None:
    rows = re.findall(
        r"^\| `([a-z-]+)` \| ([a-z ]+) \| (offline|mirror|forge) \|", PAGE.read_text("utf-8"), re.MULTILINE
    )
    told = {name: (severity, level) for name, severity, level in rows}
    known: dict[str, tuple[str, str]] = {rule.id: (rule.severity, rule.level) for rule in ALL}
    as_ignored = {"ignore-expired": ("as what it ignored", "offline")}
    assert told == {**known, **as_ignored}
