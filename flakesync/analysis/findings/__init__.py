"""The rules that findings come from, a module each, and the one list of them."""

from flakesync.analysis.findings import (
    age,
    duplicate,
    external,
    foreign,
    pin,
    ref,
    rewritten,
    stale_lock,
    unlocked,
    unreachable,
    unusable_lock,
    upstream,
)
from flakesync.analysis.rule import Rule

RULES: tuple[Rule, ...] = (
    unreachable.RULE,
    unusable_lock.RULE,
    stale_lock.RULE,
    unlocked.RULE,
    foreign.RULE,
    pin.RULE,
    rewritten.RULE,
    age.RULE,
    ref.RULE,
    duplicate.RULE,
    upstream.RULE,
    external.RULE,
)
"""All rules. Their order changes nothing: findings are sorted, and each kind has one rule."""

GRAVE = frozenset(kind for rule in RULES if rule.severity == "grave" for kind in rule.kinds)
"""The kinds of finding that make the other findings of a repo doubtful."""
