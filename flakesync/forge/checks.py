"""What several checks, and several reviews, come to: the same on all forges."""

from collections.abc import Iterable, Sequence

from flakesync.forge.model import Check, Checks, Reviews

_ORDER: tuple[Checks, ...] = ("failed", "pending", "passed")
_APPROVED = "APPROVED"
_WANTS_CHANGES = frozenset({"CHANGES_REQUESTED", "REQUEST_CHANGES"})
_DECIDES = frozenset({_APPROVED, "DISMISSED", *_WANTS_CHANGES})


def summary(checks: Sequence[Check], complete: bool = True) -> tuple[Checks, tuple[str, ...], tuple[str, ...]]:
    """Return what checks come to, and the names of those that failed and of those that have not ended.

    One that failed outweighs one that runs, and that one those that passed. complete: False where there may be more,
    so that nobody knows whether all have passed.
    """
    names = {state: tuple(sorted({each.name for each in checks if each.state == state})) for state in _ORDER}
    total: Checks = next((state for state in _ORDER if any(each.state == state for each in checks)), "none")
    if not complete and total in ("passed", "none"):
        total = "unknown"
    return total, names["failed"], names["pending"]


def opinion(reviews: Iterable[tuple[str, str]]) -> Reviews:
    """Return what reviews come to: of each person the last that was more than a comment.

    reviews: (state, who), oldest first; the states are those of GitHub and of Forgejo.
    """
    last = {who: state for state, who in reviews if state in _DECIDES}
    if _WANTS_CHANGES & set(last.values()):
        return "changes-requested"
    return "approved" if _APPROVED in last.values() else "none"
