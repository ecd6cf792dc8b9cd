"""The rules of `flakesync audit`, a module each, and the one list of them."""

from flakesync.audit.rule import BaseRule, Rule
from flakesync.audit.rules.commit import unlocked
from flakesync.audit.rules.source import foreign

RULES: tuple[Rule, ...] = (
    foreign.RULE,
    unlocked.RULE,
)
"""All that look at locks, the gravest first; their order changes nothing."""

ALL: tuple[BaseRule, ...] = RULES
"""All whose findings an answer can hold."""
