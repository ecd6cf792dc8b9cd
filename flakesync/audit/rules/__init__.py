"""The rules of `flakesync audit`, a module each, and the one list of them."""

from flakesync.audit.rule import BaseRule, Rule
from flakesync.audit.rules.commit import (
    dates,
    mutable_archive,
    nar_hash,
    no_nar_hash,
    not_in_history,
    other_branch,
    submodules,
    unlocked,
    unsigned,
)
from flakesync.audit.rules.source import (
    archived,
    cleartext,
    foreign,
    indirect,
    local_path,
    look_alike,
    moved,
    nixpkgs_fork,
    not_allowed,
)
from flakesync.audit.rules.state import (
    bad_lock,
    end_of_life,
    flake_nix_differs,
    ignores,
    no_lock,
    old,
    unreachable,
)

RULES: tuple[Rule, ...] = (
    foreign.RULE,
    flake_nix_differs.RULE,
    unlocked.RULE,
    local_path.RULE,
    not_allowed.RULE,
    nar_hash.RULE,
    not_in_history.RULE,
    bad_lock.RULE,
    no_lock.RULE,
    unreachable.RULE,
    other_branch.RULE,
    no_nar_hash.RULE,
    cleartext.RULE,
    mutable_archive.RULE,
    look_alike.RULE,
    dates.RULE,
    end_of_life.RULE,
    nixpkgs_fork.RULE,
    old.RULE,
    indirect.RULE,
    submodules.RULE,
    unsigned.RULE,
    moved.RULE,
    archived.RULE,
)
"""All that look at locks, the gravest first; their order changes nothing."""

ALL: tuple[BaseRule, ...] = (*RULES, ignores.EXPIRED, ignores.UNUSED)
"""All whose findings an answer can hold."""
