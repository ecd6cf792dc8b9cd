"""`nixpkgs-fork`: a repository called nixpkgs that is somebody's own."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.identity import Identity

OFFICIAL = Identity("github.com", "nixos/nixpkgs")
_FLAKEHUB = "flakehub.com"
_NAME = "nixpkgs"


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding; none for a repo of the workspace, nor for the source of a pin."""
    found = node.origin.found
    # Nearly every node goes no further than this line.
    if found is None or not found.path.lower().endswith(_NAME) or found == OFFICIAL:
        return
    if found.path.lower().rpartition("/")[2] != _NAME or found.host == _FLAKEHUB or not found.host:
        return
    if found not in context.owners and found not in context.pinned:
        yield Said(f"{found} is a fork of nixpkgs")


RULE = NodeRule(
    id="nixpkgs-fork",
    severity="low",
    title="a fork of nixpkgs",
    help=(
        "Who looks after it decides when it gets security fixes, and its packages may not be in the public binary "
        "cache. Often it was for one patch that nixpkgs has by now. Go back to NixOS/nixpkgs, or pin the fork in the "
        "manifest."
    ),
    find=find,
)
