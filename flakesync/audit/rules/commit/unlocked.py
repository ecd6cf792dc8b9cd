"""`unlocked`: a source is locked without a commit, or with one that nobody can fetch."""

from collections.abc import Iterator

from flakesync.analysis.findings.unlocked import why_unlocked
from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.nix.lock.node import LockNode


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding. Paths are what `local-path` speaks of; archives are locked by their narHash."""
    why = why_unlocked(node.origin)
    if why is not None and node.origin.locked.get("type") != "path":
        yield Said(why)


RULE = NodeRule(
    id="unlocked",
    severity="high",
    title="locked without a commit",
    help=(
        "The lock names no commit that others could fetch: none at all, one of a tree with changes that nobody else "
        "has, or a mere name. Some versions of Nix refuse it, others build whatever is there at the time. Commit and "
        "push what is meant, and lock the input again (`nix flake update INPUT`)."
    ),
    find=find,
)
