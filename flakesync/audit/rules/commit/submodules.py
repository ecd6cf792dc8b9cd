"""`submodules`: a source takes its submodules too, which are other repositories."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.source import Origin


def applies(origin: Origin) -> bool:
    """Tell whether submodules are taken."""
    return origin.locked.get("submodules") is True


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding."""
    yield Said("takes its submodules too: files of other repositories, at commits that are not in this lock")


RULE = NodeRule(
    id="submodules",
    severity="info",
    title="takes files of submodules",
    help=(
        "With `submodules = true` Nix fetches the repositories that `.gitmodules` names as well. The narHash covers "
        "their files; their addresses and commits are not in the lock, so no rule looks at them."
    ),
    applies=applies,
    find=find,
)
