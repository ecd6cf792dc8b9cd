"""`not-allowed`: `allow` names what may be locked, and this is not among it."""

from collections.abc import Iterator

from flakesync.audit.rule import Answer, Context, NodeRule, Said
from flakesync.audit.shown import shown_source
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.source_globs import covers


def find(context: Context, node: LockNode) -> Iterator[Answer]:
    """Yield the finding; none for what the manifest itself names: its repos, and the sources of its pins."""
    allow = context.settings.allow
    if allow is None or (node.is_folder and node.origin.found is None):
        return
    found = node.origin.found
    if found is not None and (found in context.owners or found in context.pinned):
        return
    if not covers(allow, found):
        yield Said(f"{shown_source(node.origin.locked)} is not among what `allow` names")


RULE = NodeRule(
    id="not-allowed",
    severity="high",
    title="a source that the manifest does not allow",
    help=(
        "`[audit] allow` names the sources that may be locked, at any depth; repos of the workspace and the sources of "
        "its pins need not be named. Let the input follow one that is allowed, or add the source to `allow`."
    ),
    find=find,
)
