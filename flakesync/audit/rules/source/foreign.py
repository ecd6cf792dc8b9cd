"""`foreign`: a lock node is locked to another repository than the one that it was asked to be."""

from collections.abc import Iterator

from flakesync.analysis.findings.foreign import is_another
from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.audit.shown import shown_source
from flakesync.nix.lock.node import LockNode


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding."""
    origin = node.origin
    if is_another(origin, context.owners):
        asked = origin.source[0] if origin.source is not None else shown_source(origin.original)
        yield Said(f"{asked} is locked to {origin.found}")


RULE = NodeRule(
    id="foreign",
    severity="high",
    title="locked to another repository",
    help=(
        "`locked` names another repository than `original`, which flake.nix asked for. Every Nix builds what is locked "
        "and says nothing. Lock the input again (`nix flake update INPUT`), or give the repository an alias in the "
        "manifest if it has moved."
    ),
    find=find,
)
