"""`moved`: a repository has another name or owner by now, and its forge leads on from the old one."""

from collections.abc import Iterator

from flakesync.audit.evidence.model import Unknown
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.identity import Identity


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding; `info` where the owner is the same, whom nobody else can take the old name from."""
    found = node.origin.found
    evidence = context.evidence.repositories.get(found) if found is not None else None
    if isinstance(evidence, Unknown):
        yield NotChecked(evidence.reason)
    elif found is not None and evidence is not None and evidence.moved_to is not None:
        there = evidence.moved_to
        owner = context.owners.get(found)
        if owner is not None and owner == context.owners.get(there):
            return  # the manifest knows: an alias
        if _owner(there) == _owner(found):
            yield Said(f"{found} is called {there} by now", severity="info")
        else:
            yield Said(f"{found} has moved to another owner: it is {there} by now")


def _owner(identity: Identity) -> str:
    return identity.path.rpartition("/")[0].casefold()


RULE = NodeRule(
    id="moved",
    severity="low",
    level="forge",
    title="the repository has moved to another owner",
    help=(
        "The forge leads on from the old name, and Nix follows it without a word, until somebody registers the old "
        "name anew: then the input is that person's. Write the new name into flake.nix; where both are a repo of the "
        "workspace, `aliases` in the manifest says so."
    ),
    find=find,
)
