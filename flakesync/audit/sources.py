"""Which locked sources `[audit] require-signed` means."""

from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.source_globs import covers
from flakesync.workspace.audit import AuditSettings


def must_be_signed(settings: AuditSettings, node: LockNode) -> bool:
    """Tell whether `require-signed` covers a node: what it is locked to, or what flake.nix asked for.

    Not a folder of the flake that takes it, which is signed with that; unless it is locked to something else.
    """
    globs, origin = settings.require_signed, node.origin
    if not globs or (node.is_folder and origin.found is None):
        return False
    return covers(globs, origin.found) or covers(globs, origin.repository)
