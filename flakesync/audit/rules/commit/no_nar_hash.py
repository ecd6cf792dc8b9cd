"""`no-nar-hash`: the lock does not say what the files of a source are, so whatever its server gives is taken."""

from collections.abc import Iterator

from flakesync.analysis.findings.unlocked import why_unlocked
from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.source import Origin
from flakesync.survey.pins import is_archive


def applies(origin: Origin) -> bool:
    """Tell whether there is no narHash; an empty one is none: Nix takes it for a hash of zeros."""
    return not origin.locked.get("narHash")


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding. An archive has nothing else that locks it: of one without a narHash nothing is sure."""
    locked = node.origin.locked
    # `local-path` speaks of paths (a relative one is part of its repository and never has a hash), and `unlocked` of
    # what has no commit either.
    if locked.get("type") == "path" or why_unlocked(node.origin) is not None:
        return
    if is_archive(locked):
        yield Said("no narHash: nothing locks this archive, and whatever is at its address is built", "high")
    else:
        yield Said("no narHash: whatever the server gives for the commit is built")


RULE = NodeRule(
    id="no-nar-hash",
    severity="medium",
    title="locked without a hash of its files",
    help=(
        "Nix compares what it fetches with the narHash of the lock, and passes over that in silence where there is "
        "none: then the server alone decides what is built. An archive without one is not locked at all, which is "
        "high. Every Nix writes the hash; lock the input again (`nix flake update INPUT`)."
    ),
    # Every lock that Nix writes has the hash: one that is missing again beside the next commit is left out again.
    of_commit=True,
    applies=applies,
    find=find,
)
