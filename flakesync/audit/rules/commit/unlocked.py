"""`unlocked`: a git source is locked without a commit, or with one that nobody can fetch."""

from collections.abc import Iterator

from flakesync.analysis.findings.unlocked import why_unlocked
from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.nix.lock.node import LockNode


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding."""
    why = why_unlocked(node.origin)
    if why is not None:
        yield Said(why)


RULE = NodeRule(
    id="unlocked",
    severity="high",
    title="locked without a commit",
    help="The lock names no commit that others could fetch, so everybody builds what is there at the time.",
    find=find,
)
