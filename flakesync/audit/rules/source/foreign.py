"""`foreign`: a lock node is locked to another repository, or another folder, than the one that it was asked to be."""

from collections.abc import Iterator, Mapping

from flakesync.analysis.findings.foreign import is_another
from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.audit.shown import shown_source
from flakesync.errors import plain
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.flakeref import Attr


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding."""
    origin = node.origin
    if is_another(origin, context.owners):
        asked = origin.source[0] if origin.source is not None else shown_source(origin.original)
        yield Said(f"{asked} is locked to {origin.found}")
    elif origin.original.get("type") != "indirect" and (here := _folder(origin.locked)) != _folder(origin.original):
        # What stands behind a name of the registry may be a folder; in every other lock that Nix writes they are equal.
        asked = _folder(origin.original)
        yield Said(f"{_shown(asked)} of {origin.found or shown_source(origin.locked)} is locked to {_shown(here)}")


def _folder(attrs: Mapping[str, Attr]) -> str:
    return str(attrs.get("dir", "")).strip("/")


def _shown(folder: str) -> str:
    return f"the folder {plain(folder)}" if folder else "the top folder"


RULE = NodeRule(
    id="foreign",
    severity="high",
    title="locked to another repository, or to another folder of it",
    help=(
        "`locked` names another repository, or another folder of it (`dir`), than `original`, which flake.nix asked "
        "for. Every Nix builds what is locked and says nothing. Lock the input again (`nix flake update INPUT`), or "
        "give the repository an alias in the manifest if it has moved."
    ),
    find=find,
)
