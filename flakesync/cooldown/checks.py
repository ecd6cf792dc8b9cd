"""What the checks of a commit say of it, as `require-ci` asks."""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from flakesync import globs
from flakesync.cooldown.model import CommitChecks
from flakesync.errors import plain

ANY = "*"
"""What is missing where all checks are asked for, and there is none that has run."""

_LONGEST_NAME = 60
_MOST_NAMES = 3


class Judged(NamedTuple):
    """Whether a commit's checks have passed, as a phrase in detail. missing: which of those asked for have not run."""

    state: Literal["passed", "failed", "pending"]
    detail: str
    missing: frozenset[str] = frozenset()


def judge(checks: CommitChecks, wanted: tuple[str, ...]) -> Judged:
    """Return what the checks that are asked for say together.

    wanted: globs on their names; empty: all, and at least one. One that was skipped, or is neutral, is no failure and
    no proof: another one has to have passed. What is not known is as good as pending.
    """
    if checks.why_unknown is not None:
        return Judged("pending", _name(checks.why_unknown))
    asked = [name for name in checks.by_name if not wanted or any(_matches(glob, name) for glob in wanted)]
    failed = [name for name in asked if checks.by_name[name] == "failed"]
    pending = [name for name in asked if checks.by_name[name] in ("pending", "unknown")]
    passed = [name for name in asked if checks.by_name[name] == "passed"]
    if failed:
        return Judged("failed", f"{_names(failed)} failed")
    if pending:
        return Judged("pending", f"{_names(pending)} pending")
    missing = [glob for glob in wanted if not any(_matches(glob, name) for name in passed)]
    if missing:
        return Judged("pending", f"{_names(missing)} has not run", frozenset(map(_name, missing)))
    if not passed:
        return Judged("pending", "no check has run", frozenset({ANY}))
    return Judged("passed", f"{_names(passed)} passed")


@lru_cache(maxsize=1 << 8)
def _pattern(glob: str) -> "re.Pattern[str]":
    return re.compile(globs.text(glob))


def _matches(glob: str, name: str) -> bool:
    return _pattern(glob).fullmatch(name) is not None


def _names(names: list[str]) -> str:
    """Return some names for people: whoever can write a workflow chooses them."""
    shown = [_name(each) for each in sorted(names)[:_MOST_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _name(text: str) -> str:
    text = plain(text).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
