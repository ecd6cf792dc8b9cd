"""`foreign`: a lock node is locked to another repository, or another folder, than the one that it was asked to be.

What was asked for is `original`; of an input of an input, what the flake.nix that overrides it says (see Subject).
"""

from collections.abc import Iterator, Mapping

from flakesync.analysis.findings.foreign import Comparison, compare
from flakesync.audit.rule import Answer, Context, NodeRule, NotChecked, Said
from flakesync.audit.shown import clean, shown_source
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr
from flakesync.nix.reference.source import Origin

_WELL_KNOWN = {
    "nixpkgs": "nixos/nixpkgs", "nix": "nixos/nix", "hydra": "nixos/hydra", "patchelf": "nixos/patchelf",
    "nixos-hardware": "nixos/nixos-hardware", "templates": "nixos/templates", "dwarffs": "edolstra/dwarffs",
    "nixos-homepage": "nixos/nixos-homepage", "home-manager": "nix-community/home-manager",
    "nur": "nix-community/nur", "flake-utils": "numtide/flake-utils", "flake-parts": "hercules-ci/flake-parts",
    "nix-darwin": "nix-darwin/nix-darwin", "sops-nix": "mic92/sops-nix", "disko": "nix-community/disko",
    "systems": "nix-systems/default", "treefmt-nix": "numtide/treefmt-nix", "bundlers": "nixos/bundlers",
    "emacs-overlay": "nix-community/emacs-overlay", "flake-compat": "nixos/flake-compat",
    "fenix": "nix-community/fenix", "rust-overlay": "oxalica/rust-overlay",
}  # fmt: skip
"""What the public registry (NixOS/flake-registry) has these names lead to, all on github.com."""
_OLDER = {"nix-darwin": "lnl7/nix-darwin", "flake-compat": "edolstra/flake-compat"}


def applies(origin: Origin) -> bool:
    """Tell whether another repository may be locked, or another folder of it, than was asked for."""
    return not _is_same(origin) or "dir" in origin.locked or "dir" in origin.original


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding, or why it cannot be known."""
    origin = node.origin
    found = origin.found
    comparison: Comparison = "same" if _is_same(origin) else compare(origin, context.owners)
    if comparison == "another":
        asked = origin.source[0] if origin.source is not None else shown_source(origin.original)
        to = str(found) if found is not None else shown_source(origin.locked)
        rev = f" {origin.rev[:7]}" if origin.rev is not None else ""
        yield Said(f"{asked} is locked to {clean(to)}{rev}")
    elif comparison == "unknown" and (reason := _why_unknown(context, node)) is not None:
        yield NotChecked(reason)
    elif origin.original.get("type") != "indirect" and (here := _folder(origin.locked)) != _folder(origin.original):
        # What stands behind a name of the registry may be a folder; in every other lock that Nix writes they are equal.
        asked = _folder(origin.original)
        yield Said(f"{_shown(asked)} of {found or shown_source(origin.locked)} is locked to {_shown(here)}")


def _is_same(origin: Origin) -> bool:
    """Tell whether what was asked for is the very repository that is locked."""
    source = origin.source
    return source is not None and source[0] == origin.found and origin.original.get("type") != "indirect"


def _why_unknown(context: Context, node: LockNode) -> str | None:
    """Return why it is not known what was asked for; None: what is locked is what everybody takes it for."""
    original, found = node.origin.original, node.origin.found
    if original.get("type") != "indirect":
        return f"{shown_source(original)} may lead anywhere, and is locked to {shown_source(node.origin.locked)}"
    name = str(original.get("id", ""))
    if found is not None:
        path = found.path if found.host == "github.com" else None
        if path is not None and path in (_WELL_KNOWN.get(name), _OLDER.get(name)):
            return None
        if found in context.pinned or found in context.owners:
            return None
    return f"the registry of whoever locked it had `{clean(name)}` lead to {shown_source(node.origin.locked)}"


def _folder(attrs: Mapping[str, Attr]) -> str:
    return str(attrs.get("dir", "")).strip("/")


def _shown(folder: str) -> str:
    return f"the folder {clean(folder)}" if folder else "the top folder"


RULE = NodeRule(
    id="foreign",
    severity="high",
    title="locked to another repository, or to another folder of it",
    help=(
        "`locked` names another repository, or another folder of it (`dir`), than flake.nix asked for: `original`, or "
        "the override that a flake.nix further out has for an input of an input. Every Nix builds what is "
        "locked and says nothing. Lock the input again (`nix flake update INPUT`), or give the repository an alias in "
        "the manifest if it has moved."
    ),
    applies=applies,
    find=find,
)
