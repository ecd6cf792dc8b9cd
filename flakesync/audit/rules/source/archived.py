"""`archived`: a repository is read-only for good, by its forge's own word."""

from collections.abc import Iterator

from flakesync.audit.evidence.model import Unknown
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.nix.lock.node import LockNode


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding."""
    found = node.origin.found
    evidence = context.evidence.repositories.get(found) if found is not None else None
    if isinstance(evidence, Unknown):
        yield NotChecked(evidence.reason)
    elif found is not None and evidence is not None:
        if evidence.archived is None:
            yield NotChecked(f"{found.host} does not say without a token whether it is archived")
        elif evidence.archived:
            yield Said(f"{found} is archived: nothing is mended there any more")


RULE = NodeRule(
    id="archived",
    severity="low",
    level="forge",
    title="the repository is archived",
    help=(
        "Its owner has made the repository read-only: there will be no fixes, not even of what is dangerous. The input "
        "goes on to work; look for what has taken its place, or for a fork that somebody looks after."
    ),
    find=find,
)
