"""`local-path`: what is locked lies on one machine."""

import re
from collections.abc import Iterator, Mapping

from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.audit.shown import clean
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr
from flakesync.nix.reference.source import Origin

_STORE = "/nix/store/"
_FILE_URL = re.compile(r"(?:[a-z]+\+)?file:", re.IGNORECASE)


def applies(origin: Origin) -> bool:
    """Tell whether a path or an address is locked, and not a forge's repository."""
    return "url" in origin.locked or "path" in origin.locked


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding; none for what the manifest itself names: a repo known by its folder, the source of a pin."""
    locked = node.origin.locked
    place = _place(locked)
    if place is None:
        return
    if place.startswith(_STORE):
        yield Said(f"{clean(place)} is a path of the Nix store, which other machines need not have", "low")
        return
    found = node.origin.found
    known = found is not None and (found in context.owners or found in context.pinned)
    if not known:
        yield Said(f"{clean(place)} is a path of one machine")


def _place(locked: Mapping[str, Attr]) -> str | None:
    """Return the path that is locked; None: it is none, or a folder of the flake itself (`path:./sub`)."""
    if locked.get("type") == "path":
        path = str(locked.get("path", ""))
        return path if path.startswith("/") else None
    url = locked.get("url")
    return url if isinstance(url, str) and (url.startswith("/") or _FILE_URL.match(url)) else None


RULE = NodeRule(
    id="local-path",
    severity="high",
    title="locked to a path of one machine",
    help=(
        "Whoever has that path builds what lies there, and nobody else can build it at all. It is usually what an "
        "override for trying something out has left behind (`--override-input`, `nix flake lock` beside a clone). "
        "A path of the Nix store, as Nix up to 2.25 writes for a folder of the flake itself, is low. Lock the input "
        "again without the override."
    ),
    applies=applies,
    find=find,
)
