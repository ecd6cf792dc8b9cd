"""`mutable-archive`: an archive whose address may lead to other files tomorrow."""

import re
from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.audit.shown import shown_source
from flakesync.nix.lock.node import LockNode
from flakesync.survey.pins import is_archive

_COMMIT = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{40}(?:[0-9a-f]{24})?(?![0-9a-zA-Z])")
_STAYS = re.compile(r"https://(?:releases\.nixos\.org/|api\.flakehub\.com/f/pinned/)")


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding; none for an address that names a commit, or that its server never changes."""
    origin = node.origin
    if not is_archive(origin.locked) or origin.rev is not None:
        return
    url = str(origin.locked.get("url", ""))
    if _COMMIT.search(url) is None and _STAYS.match(url) is None:
        yield Said(f"{shown_source(origin.locked)} names no commit: what lies there may change")


RULE = NodeRule(
    id="mutable-archive",
    severity="medium",
    title="an archive that may change",
    help=(
        "The lock holds the archive's narHash, so other files are refused; but when its server puts others there, the "
        "flake can no longer be built from scratch, and nobody can tell what was locked. Use the address of a commit, "
        "a link that stays (Nix follows the `Link` header of servers that send one), or a git reference."
    ),
    find=find,
)
