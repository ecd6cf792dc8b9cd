"""`cleartext`: an address without encryption, on whose way anybody may answer."""

import re
from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.audit.shown import shown_source
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.source import Origin

_CLEAR = re.compile(r"(?:[a-z]+\+)?(http|git|ftp)://", re.IGNORECASE)


def applies(origin: Origin) -> bool:
    """Tell whether there is an address at all."""
    return "url" in origin.locked or "url" in origin.original


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding, one for a node."""
    origin = node.origin
    for attrs in (origin.locked, origin.original):
        url = attrs.get("url")
        if isinstance(url, str) and (found := _CLEAR.match(url)):
            yield Said(f"{shown_source(attrs)} is fetched by {found[1].lower()}://, without encryption")
            return


RULE = NodeRule(
    id="cleartext",
    severity="medium",
    title="fetched without encryption",
    help=(
        "Whoever is between you and the server reads what is fetched, and decides what is locked when the input is "
        "moved next; the narHash holds only what is locked already. Use https or ssh in flake.nix, and lock it again."
    ),
    applies=applies,
    find=find,
)
