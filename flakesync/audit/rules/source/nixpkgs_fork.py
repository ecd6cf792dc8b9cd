"""`nixpkgs-fork`: a repository called nixpkgs that is somebody's own."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.source import Origin

OFFICIAL = Identity("github.com", "nixos/nixpkgs")
_FLAKEHUB = "flakehub.com"
_NAME = "nixpkgs"


def applies(origin: Origin) -> bool:
    """Tell whether it may be called nixpkgs, and is not NixOS's own."""
    found = origin.found
    return found is not None and found.path.lower().endswith(_NAME) and found != OFFICIAL


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding; none for a repo of the workspace, nor for the source of a pin."""
    found = node.origin.found
    if found is None or found.path.lower().rpartition("/")[2] != _NAME or found.host in ("", _FLAKEHUB):
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
    applies=applies,
    find=find,
)
