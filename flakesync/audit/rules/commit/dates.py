"""`dates`: a lock says other things of a commit's time, or of how many lead to it, than its repository."""

from collections.abc import Iterator
from datetime import UTC, datetime

from flakesync.audit.evidence.model import HistoryEvidence, Unknown, commit_key
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.nix.lock.node import LockNode

_DAY_S = 86_400


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the findings; what only the history can tell, where that was asked."""
    said = node.origin.locked.get("lastModified")
    histories = context.evidence.histories
    key = commit_key(node) if histories else None  # it costs more than all else here
    answer = histories.get(key) if key is not None else None
    made = answer.last_modified if isinstance(answer, HistoryEvidence) else None
    if isinstance(said, int) and said > context.now + _DAY_S and made in (None, said):
        # The clock of this machine may be the one that is wrong.
        yield Said(f"lastModified is {_shown(said)}, and here it is {_shown(context.now)}")
    match answer:
        case HistoryEvidence(standing="nowhere"):
            yield NotChecked("the commit is on no branch and no tag, so its dates are not known")
        case HistoryEvidence(rev_count=count):
            if isinstance(said, int) and made is not None and said != made:
                yield Said(f"lastModified is {_shown(said)}, the commit's time is {_shown(made)}")
            yield from _counted(node, count)
        case Unknown(reason=reason):
            yield NotChecked(reason)


def _counted(node: LockNode, count: int | None) -> Iterator[Answer]:
    said = node.origin.locked.get("revCount")
    if said is None or node.origin.locked.get("shallow") is True:
        return  # who fetches the newest part of a history alone cannot count it
    if count is None:
        yield NotChecked("how many commits lead to it could not be counted")
    elif said != count:
        yield Said(f"revCount is {said}, and {count} commits lead to it")


def _shown(seconds: int) -> str:
    """Return a time as people read it, in UTC; that of a year that no calendar has, as the number that it is."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{seconds} seconds after 1970"


RULE = NodeRule(
    id="dates",
    severity="medium",
    of_commit=True,
    title="dates that are not the commit's",
    help=(
        "lastModified and revCount are what flakes show as their version, and what `max-age` and cooldowns are decided "
        "by. Most versions of Nix take them from the lock as they stand. A date in the future is found without asking "
        "anybody (is the clock of this machine right?); from level mirror on both are compared with the commit. "
        "Lock the input again (`nix flake update INPUT`)."
    ),
    find=find,
)
